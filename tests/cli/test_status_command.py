"""``atrio status``: what it says of runs, batches and alerts, and where the history is."""

import json
import re
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import trio
from configured import rows
from hypothesis import given
from hypothesis import strategies as st

from atrio import Backoff, ErrorPolicy, Pipeline, Stage, current_context
from atrio.cli._sparkline import sparkline
from atrio.events import ModelCalled, emit
from atrio.history.alerts import Finding
from atrio.history.raised import record
from atrio.history.schema import connect

NOW = datetime(2026, 1, 31, tzinfo=UTC)

FILE = """\
[pipelines.tidy]
stages = ["text_cleaner"]

[monitoring]
alert_runs = 2
"""
SLOW = """\
import trio
from atrio import Pipeline, Stage

async def wait(data):
    await trio.sleep_forever()

slow = Pipeline("slow").add_stage(Stage("wait", wait))
"""
STATES = "running, success, degraded, failed, timeout, cancelled, interrupted"
HOSTILE = "<b>\x1b[31mred\x07\u202eltr\u2066\u200f\x9b2J\n\ud800</b>" + "y" * 1_000_000


@pytest.fixture(autouse=True)
def no_own_module_stays():
    yield
    sys.modules.pop("shop", None)


async def double(number):
    await trio.lowlevel.checkpoint()
    if number < 0:
        raise ConnectionError(f"{number} is too cold")
    return number * 2


@pytest.fixture
def doubling(ready_made):
    ready_made("double", double, attempts=3, backoff=Backoff(initial=0.0))


def seen(atrio, *arguments):
    ended = atrio("status", *arguments, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def latest(atrio, *arguments):
    return seen(atrio, *arguments)["runs"][0]


class TestRuns:
    def test_agree_with_the_result(self, atrio, doubling):
        result = json.loads(atrio("run", "double", "--value", "7", "--format", "json").out)
        run = latest(atrio)
        assert (run["run_id"], run["name"], run["state"]) == (result["run_id"], "double", result["status"])
        assert (run["kind"], run["total"]) == ("pipeline", 1)
        assert run["duration_s"] == pytest.approx(result["duration_s"], abs=1e-6)

    def test_stage_by_stage(self, atrio, doubling):
        result = json.loads(atrio("run", "double", "--value", "-7", "--format", "json").out)
        one = seen(atrio, result["run_id"])
        (stage,), (record,) = one["stages"], result["stages"]
        same = ("index", "stage_id", "agent_id", "status", "attempts", "input_size", "output_size")
        assert {name: stage[name] for name in same} == {name: record[name] for name in same}
        assert stage["error_type"] == record["error"]["error_type"] == "ConnectionError"
        assert stage["error_message"] == record["error"]["message"] == "-7 is too cold"
        assert [retry["attempt"] for retry in stage["retries"]] == [1, 2]
        assert one["run"]["state"] == "failed"
        assert one["tasks"] is None

    def test_as_tables(self, atrio, doubling):
        atrio("run", "double", "--value", "-7")
        run_id = latest(atrio)["run_id"]
        found = rows(atrio("status").out)
        assert found[0][:3] == [run_id[:12], "double", "failed"]
        shown = atrio("status", run_id).out
        assert shown.startswith("double: failed in ")
        facts = {row[0]: row[1] for row in rows(shown) if len(row) == 2}
        assert (facts["run"], facts["error"]) == (run_id, "ConnectionError: -7 is too cold")
        assert "ConnectionError: -7 is too cold" in shown
        assert ["stage_0", "1 of 3", "0.0 ms", "ConnectionError: -7 is too cold"] in rows(shown)

    def test_the_latest_come_first_with_the_times_of_their_name(self, atrio, doubling):
        for number in (1, 2, 3):
            atrio("run", "double", "--value", str(number))
        atrio("run", "text-report", "--value", '"a"')
        runs = seen(atrio)["runs"]
        assert [run["name"] for run in runs] == ["text-report", "double", "double", "double"]
        times = [run["duration_s"] for run in runs]
        assert [run["recent_s"] for run in runs] == [times[:1], times[:0:-1], times[:1:-1], times[3:]]
        assert [run["name"] for run in seen(atrio, "--limit", "2")["runs"]] == ["text-report", "double"]

    def test_skipped_stages(self, atrio, ready_made):
        ready_made("lenient", double, double, attempts=1, error_policy=ErrorPolicy.SKIP)
        atrio("run", "lenient", "--value", "-1")
        run = latest(atrio)
        assert (run["state"], run["skipped"], run["failed"]) == ("degraded", 2, 0)

    def test_one_inside_another(self, atrio, ready_made):
        ready_made("double", double)
        inner = Pipeline("inner").add_stage(Stage("double", double))
        ready_made("outer", inner)
        atrio("run", "outer", "--value", "1")
        outer = seen(atrio, latest(atrio)["run_id"])
        (run,) = outer["inside"]
        assert (run["name"], run["parent_run_id"], run["parent_stage_id"]) == (
            "inner",
            outer["run"]["run_id"],
            "stage_0",
        )
        assert [run["run_id"], "inner", "success"] in [
            row[:3] for row in rows(atrio("status", outer["run"]["run_id"]).out)
        ]
        assert ["inside", outer["run"]["run_id"]] in rows(atrio("status", run["run_id"]).out)
        assert len(seen(atrio)["runs"]) == 1

    def test_calls_of_models(self, atrio, ready_made):
        class Asking:
            agent_id = "asking"

            async def process(self, data):
                await trio.lowlevel.checkpoint()
                context = current_context()
                values = {"provider": "local", "model": "llama", "agent_id": "asking", "stage_id": "stage_0"}
                values |= {"run_id": context.run_id, "timestamp": context.started_at, "input_tokens": 1200}
                fields = {field.name: values.get(field.name) for field in attrs.fields(ModelCalled)}
                emit(ModelCalled(**{**fields, "duration_s": 2.5}))
                return data

        ready_made("ask", Asking())
        atrio("run", "ask", "--value", "1")
        run_id = latest(atrio)["run_id"]
        (model,) = seen(atrio, run_id)["models"]
        assert (model["model"], model["calls"], model["input_tokens"]) == ("llama", 1, 1200)
        assert ["llama", "asking", "1", "0", "1,200", "0", "2.5 s"] in rows(atrio("status", run_id).out)

    def test_a_prefix_suffices(self, atrio, doubling):
        atrio("run", "double", "--value", "1")
        run_id = latest(atrio)["run_id"]
        for prefix in (run_id, run_id[:12], run_id[:9].upper()):
            assert seen(atrio, prefix)["run"]["run_id"] == run_id

    def test_what_was_assembled(self, atrio):
        done = atrio("assemble", "data_transformation", "content_analysis", "--value", '"A text."')
        assert done.code == 0
        assert latest(atrio)["name"] == "text_cleaner+text_analyzer"

    def test_a_comparison_keeps_nothing(self, atrio, doubling, tmp_path):
        (tmp_path / "a.json").write_text("1")
        assert atrio("bench", "double", "--input", "a.json", "--rounds", "1").code == 0
        assert not (tmp_path / ".atrio").exists()


class TestBatches:
    def test_agree_with_their_lines(self, atrio, doubling, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n-1\n2\n-2\n3\n")
        ended = atrio("batch", "double", "a.jsonl")
        lines = sorted(map(json.loads, ended.out.splitlines()), key=lambda line: line["index"])
        one = seen(atrio, latest(atrio)["run_id"])
        assert (one["run"]["kind"], one["run"]["state"], one["run"]["total"]) == ("batch", "degraded", 5)
        tasks = one["tasks"]
        assert (tasks["successful"], tasks["failed"], tasks["running"]) == (3, 2, 0)
        assert [(each["index"], each["status"]) for each in tasks["failures"]] == [(1, "error"), (3, "error")]
        by_index = {each["index"]: each["duration_s"] for each in tasks["slowest"]}
        assert by_index == pytest.approx({line["index"]: line["duration_s"] for line in lines}, abs=1e-6)
        assert tasks["longest_s"] == max(by_index.values())

    def test_their_tasks_lead_to_runs(self, atrio, doubling, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n-1\n")
        atrio("batch", "double", "a.jsonl")
        shown = atrio("status", latest(atrio)["run_id"]).out
        assert ["tasks", "2"] in rows(shown)
        task = next(row for row in rows(shown) if row[:2] == ["1", "error"] and "too cold" in row[-1])
        assert seen(atrio, task[3])["run"]["state"] == "failed"

    def test_that_were_stopped_before_anything_ended(self, atrio, tmp_path):
        (tmp_path / "shop.py").write_text(SLOW)
        (tmp_path / "a.jsonl").write_text("1\n2\n")
        atrio("batch", "shop:slow", "a.jsonl", "--timeout", "0.05", "--max-concurrent", "1")
        run = latest(atrio)
        # Where the machine is slow, not even the first one was started.
        assert (run["state"], run["cancelled"] + run["not_started"]) == ("timeout", 2)
        shown = rows(atrio("status", run["run_id"]).out)
        assert ["not started", str(run["not_started"])] in shown
        assert ["succeeded", "0"] in shown

    def test_of_which_most_failed(self, atrio, doubling, tmp_path):
        (tmp_path / "a.jsonl").write_text("-1\n" * 130)
        atrio("batch", "double", "a.jsonl")
        assert "failed tasks, and 30 more" in atrio("status", latest(atrio)["run_id"]).out
        assert rows(atrio("status").out)[0][5] == "130/130"
        run_id = latest(atrio)["run_id"]
        for arguments, shown in (((), 100), (("--limit", "7"), 7), (("--limit", "200"), 130)):
            tasks = seen(atrio, run_id, *arguments)["tasks"]
            assert (len(tasks["failures"]), tasks["more_failures"]) == (shown, 130 - shown)

    def test_whose_begin_is_not_in_the_history(self, atrio, doubling, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n" * 20)
        atrio("batch", "double", "a.jsonl")
        with closing(connect(".atrio/history.db", read_only=False)) as database:
            # As where the file was removed meanwhile, and another one was begun.
            database.execute("DELETE FROM tasks WHERE task_index < 8")
            database.execute("UPDATE runs SET max_concurrent = NULL")
        run_id = latest(atrio)["run_id"]
        tasks = seen(atrio, run_id)["tasks"]
        assert (tasks["max_concurrent"], tasks["measured"], tasks["successful"]) == (None, 12, 20)
        told = {row[0]: row[1] for row in rows(atrio("status", run_id).out) if len(row) == 2}
        assert told["succeeded"] == "20"
        assert "at once at most" not in told
        assert all(told[f"{what} time"].endswith(", of 12 tasks") for what in ("mean", "p50", "p95", "p99", "longest"))

    def test_that_were_stopped_have_measured_all_that_ended(self, atrio, tmp_path):
        (tmp_path / "shop.py").write_text(SLOW.replace("sleep_forever()", "sleep(data)"))
        (tmp_path / "a.jsonl").write_text("0\n0\n100\n100\n")
        atrio("batch", "shop:slow", "a.jsonl", "--timeout", "0.5", "--max-concurrent", "3")
        tasks = seen(atrio, latest(atrio)["run_id"])["tasks"]
        ended = tasks["successful"] + tasks["failed"] + tasks["timed_out"] + tasks["cancelled"]
        assert tasks["measured"] == ended
        assert tasks["not_begun"] is None


class TestWhere:
    def test_beside_the_configuration(self, atrio, tmp_path):
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "shop.toml").write_text(FILE)
        assert atrio("run", "tidy", "--value", '"a"', "--config", "shop/shop.toml").code == 0
        assert (tmp_path / "shop" / ".atrio" / "history.db").exists()
        assert not (tmp_path / ".atrio").exists()
        assert latest(atrio, "--config", "shop/shop.toml")["name"] == "tidy"

    def test_in_the_current_directory_without_one(self, atrio, doubling, tmp_path):
        atrio("run", "double", "--value", "1")
        assert (tmp_path / ".atrio" / "history.db").exists()

    def test_where_it_is_said(self, atrio, doubling, tmp_path):
        atrio("run", "double", "--value", "1", "--history", "past.db")
        assert not (tmp_path / ".atrio").exists()
        assert latest(atrio, "--history", "past.db")["name"] == "double"

    def test_nowhere_if_the_configuration_says_so(self, atrio, doubling, tmp_path):
        (tmp_path / "atrio.toml").write_text("[monitoring]\nenabled = false\n")
        atrio("run", "double", "--value", "1")
        assert not (tmp_path / ".atrio").exists()
        atrio("run", "double", "--value", "1", "--history", "past.db")
        assert (tmp_path / "past.db").exists()

    def test_it_is_kept_for_as_long_as_the_configuration_says(self, atrio, doubling, tmp_path, monkeypatch):
        asked = []
        monkeypatch.setattr(
            "atrio.history.writing.HistorySink.__init__", lambda *_, **options: asked.append(options["retention_days"])
        )
        (tmp_path / "atrio.toml").write_text("[monitoring]\nmetrics_retention_days = 30\n")
        with pytest.raises(BaseException):  # noqa: B017, PT011 - it is no sink any more
            atrio("run", "double", "--value", "1")
        assert asked == [30]

    @pytest.mark.parametrize(
        "wrong", ['[pipelines.a]\nstages = ["nonsense"]\n', "[agents.a]\ncapacity = 0\n", "no TOML"]
    )
    def test_a_configuration_that_is_wrong_does_not_keep_from_looking(self, atrio, doubling, tmp_path, wrong):
        atrio("run", "double", "--value", "1")
        (tmp_path / "atrio.toml").write_text(wrong)
        assert latest(atrio, "--history", ".atrio/history.db")["name"] == "double"
        for command in ("status", "report"):
            ended = atrio(command)
            assert (ended.code, ended.err.count("\n")) == (0, 1)
            assert ended.err.startswith("atrio: something is wrong in atrio.toml, ")
        assert atrio("status", "--config", "none.toml").code == 2

    def test_nothing_was_kept(self, atrio, tmp_path):
        ended = atrio("status")
        assert (ended.code, ended.out) == (0, "")
        assert ended.err.startswith("atrio: nothing was kept so far in '.atrio/history.db'")
        ended = atrio("status", "--format", "json")
        assert (ended.code, json.loads(ended.out)) == (0, {"runs": [], "alerts": []})
        assert list(tmp_path.iterdir()) == []

    def test_a_history_without_a_run_is_told_as_such(self, atrio, doubling):
        atrio("run", "double", "--value", "1")
        with closing(connect(".atrio/history.db", read_only=False)) as database:
            database.execute("DELETE FROM runs")
        ended = atrio("status")
        assert (ended.code, ended.out) == (0, "")
        assert ended.err == "atrio: there is no run in '.atrio/history.db'.\n"
        assert seen(atrio) == {"runs": [], "alerts": []}

    def test_nothing_is_kept_as_the_configuration_says(self, atrio, tmp_path):
        (tmp_path / "atrio.toml").write_text("[monitoring]\nenabled = false\n")
        assert "enabled = false in [monitoring]" in atrio("status").err

    def test_one_that_cannot_be_is_told_before_any_file_is_made(self, atrio, doubling, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n")
        ended = atrio("batch", "double", "a.jsonl", "--history", ".", "--output", "out.jsonl", "--log-file", "run.log")
        assert (ended.code, ended.out) == (2, "")
        assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]

    def test_what_runs_goes_on_without_one(self, atrio, doubling, tmp_path):
        (tmp_path / ".atrio").write_text("a file")
        ended = atrio("run", "double", "--value", "21", "--log-level", "error")
        assert (ended.code, ended.out) == (0, "42\n")
        assert re.fullmatch(r"atrio: the history .*; nothing more is kept\.\n", ended.err)
        (tmp_path / "notes.txt").write_text("These are notes, and no history. " * 100)
        ended = atrio("run", "double", "--value", "21", "--log-level", "error", "--history", "notes.txt")
        assert (ended.code, ended.out) == (0, "42\n")
        assert re.match(r"atrio: the history \S*notes\.txt cannot be used: ", ended.err)
        assert (tmp_path / "notes.txt").read_text().startswith("These are notes")


class TestMisuse:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["status", "0ff"], "there is no run whose id begins with '0ff'"),
            (["status", ""], "there is no run whose id begins with ''"),
            (["status", "double"], "there is no run whose id begins with 'double'. Did you mean [0-9a-f]{32}?"),
            (["status", "0"], "the ids of several runs begin with '0': "),
            (["status", "--history", "none.db"], "there is no history 'none.db'"),
            (["status", "--history", "."], "the history cannot be at "),
            (["status", "--history", "a.txt"], "the history a.txt cannot be used: "),
            (["status", "--limit", "0"], "--limit must be a whole number, 1 at least: not '0'."),
            (["status", "--limit", "2.5"], "--limit must be a whole number"),
            (["status", "--limit", "9" * 20], f"--limit must be 999,999,999,999,999,999 at most: not {'9' * 20}."),
            (["status", "--limit", "9" * 5000], f"--limit must be 999,999,999,999,999,999 at most: not {'9' * 18}…."),
            (["status", "--state", "fialed"], f"--state must be one of {STATES}: not 'fialed'. Did you mean 'failed'?"),
            (["status", "--name", "duoble"], "there is no run called 'duoble'. Did you mean 'double'?"),
            (["status", "0", "--name", "double"], "--name and --state choose among the latest runs: leave them out"),
            (["status", "0", "--state", "failed"], "--name and --state choose among the latest runs: leave them out"),
            (["status", "--formt", "json"], "Unknown option: --formt. Did you mean --format?"),
            (["status", "a", "b"], "that is more than atrio status takes: 'b'"),
            (["run", "double", "--value", "1", "--history", "."], "the history '.' is a directory"),
            (["batch", "double", "a.txt", "--history", "."], "the history '.' is a directory"),
        ],
        ids=lambda each: " ".join(each) if isinstance(each, list) else "",
    )
    def test_is_told_in_a_sentence(self, atrio, doubling, tmp_path, arguments, told):
        for _ in range(2):
            atrio("run", "double", "--value", "1")
        (tmp_path / "a.txt").write_text("no database " * 1000)
        ended = atrio(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert re.match(f"atrio: {told.replace('.', '[.]').replace('?', '[?]')}".replace("[.][?]", "."), ended.err)
        assert ended.err.count("\n") == 1

    def test_no_run_where_nothing_was_kept(self, atrio):
        for arguments, what in ((["0ff"], "'0ff'"), (["--name", "double"], "called 'double'")):
            ended = atrio("status", *arguments)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err.startswith(f"atrio: there is no run {what}: nothing was kept so far")

    def test_the_largest_limit_is_one(self, atrio, doubling):
        atrio("run", "double", "--value", "1")
        assert len(seen(atrio, "--limit", "0" * 20 + "9" * 18)["runs"]) == 1


class TestChoice:
    @pytest.fixture(autouse=True)
    def some(self, atrio, doubling):
        for number in ("1", "-1", "2"):
            atrio("run", "double", "--value", number, "--log-level", "error")
        atrio("run", "text-report", "--value", '"a"', "--log-level", "error")

    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            (["--name", "double"], ["success", "failed", "success"]),
            (["--name", "double", "--limit", "2"], ["success", "failed"]),
            (["--state", "failed"], ["failed"]),
            (["--name", "text-report", "--state", "success"], ["success"]),
            (["--name", "text-report", "--state", "failed"], []),
            (["--state", "interrupted", "--watch"], []),
            (["--state", "failed", "--watch"], ["failed"]),
        ],
    )
    def test_by_name_and_state(self, atrio, arguments, found):
        assert [run["state"] for run in seen(atrio, *arguments)["runs"]] == found
        shown = atrio("status", *arguments)
        assert [row[2] for row in rows(shown.out)] == found

    def test_none_is_said_in_a_sentence(self, atrio):
        for watch in ([], ["--watch"]):
            ended = atrio("status", "--name", "text-report", "--state", "failed", *watch)
            assert (ended.code, ended.out) == (0, "")
            assert ended.err == (
                "atrio: there is no run called 'text-report' whose state is failed in '.atrio/history.db'.\n"
            )


class TestAlerts:
    @pytest.fixture
    def failing(self, atrio, doubling, tmp_path):
        (tmp_path / "atrio.toml").write_text(FILE)
        for _ in range(2):
            ended = atrio("run", "double", "--value", "-1", "--log-level", "warning")
        return ended

    def test_are_events(self, failing):
        events = [json.loads(line) for line in failing.err.splitlines() if line.startswith("{")]
        (alert,) = [each for each in events if each["event"] == "alert.raised"]
        assert (alert["rule"], alert["subject"], alert["value"], alert["threshold"]) == (
            *("failure_rate", "double", 1.0, 0.2),
        )
        assert alert["run_id"] is None

    def test_are_in_status(self, atrio, failing):
        found = seen(atrio)
        (alert,) = found["alerts"]
        assert (alert["rule"], alert["subject"], alert["resolved_at"]) == ("failure_rate", "double", None)
        table = rows(atrio("status").out)
        assert table[-1][:3] == ["failure_rate", "double", "raised"]
        assert table[-1][4:] == ["100%", "20%"]

    def test_of_slow_stages_are_in_seconds(self, atrio, doubling):
        atrio("run", "double", "--value", "1")
        with closing(connect(".atrio/history.db", read_only=False)) as database:
            record(database, [Finding("slow_stage", "double/stage_0", 4.5, 1.5)], [], run_name=None, now=NOW)
        shown = rows(atrio("status", latest(atrio)["run_id"]).out)
        assert shown[-1][:3] == ["slow_stage", "double/stage_0", "raised"]
        assert shown[-1][4:] == ["4.5 s", "1.5 s"]

    def test_are_with_the_run_that_they_concern(self, atrio, failing):
        assert len(seen(atrio, latest(atrio)["run_id"])["alerts"]) == 1
        atrio("run", "tidy", "--value", '"a"')
        assert seen(atrio, latest(atrio)["run_id"])["alerts"] == []

    def test_of_another_time_are_not_with_a_run(self, atrio, doubling):
        atrio("run", "double", "--value", "1")
        finding = Finding("failure_rate", "double", 1.0, 0.2)
        now = datetime.now(UTC)
        with closing(connect(".atrio/history.db", read_only=False)) as database:
            record(database, [finding], [], run_name=None, now=NOW)
            record(database, [], [finding], run_name=None, now=now - timedelta(minutes=5))
            record(database, [finding], [], run_name=None, now=now + timedelta(minutes=5))
        assert seen(atrio, latest(atrio)["run_id"])["alerts"] == []
        assert len(seen(atrio)["alerts"]) == 2

    def test_are_resolved(self, atrio, failing):
        for _ in range(2):
            ended = atrio("run", "double", "--value", "1")
        assert "alert.resolved" in ended.err
        assert seen(atrio)["alerts"][0]["resolved_at"] is not None
        assert rows(atrio("status").out)[-1][2] == "resolved"

    def test_of_a_batch_are_on_stderr(self, atrio, doubling, tmp_path):
        (tmp_path / "atrio.toml").write_text(FILE)
        (tmp_path / "a.jsonl").write_text("-1\n1\n-1\n")
        ended = atrio("batch", "double", "a.jsonl")
        assert ended.err.count('"alert.raised"') == 1

    def test_are_not_raised_if_nobody_wants_them(self, atrio, doubling, tmp_path):
        (tmp_path / "atrio.toml").write_text(f"{FILE}performance_alerts = false\n")
        for _ in range(3):
            assert "alert" not in atrio("run", "double", "--value", "-1").err
        assert seen(atrio)["alerts"] == []


class TestHostile:
    @pytest.fixture
    def run_id(self, atrio, ready_made):
        async def shout(_):
            await trio.lowlevel.checkpoint()
            raise ValueError(HOSTILE)

        ready_made("h[bold]\u202ee\x1b]0;x\x07", shout, attempts=1)
        assert atrio("run", "h[bold]\u202ee\x1b]0;x\x07", "--value", "1", "--log-level", "error").code == 1
        return latest(atrio)["run_id"]

    def test_tables_only_show_it(self, atrio, run_id):
        for arguments in ((), (run_id,)):
            ended = atrio("status", *arguments)
            assert ended.code == 0
            assert not re.search(
                r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", ended.out
            )
            assert "h[bold]" in ended.out
            assert len(ended.out) < 20_000

    def test_json_has_it_without_its_commands(self, atrio, run_id):
        ended = atrio("status", run_id, "--format", "json")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", ended.out)
        (stage,) = json.loads(ended.out)["stages"]
        assert stage["error_message"].startswith("<b>\x1b[31mred\x07\u202eltr\u2066\u200f\x9b2J\n")

    def test_secrets_are_not_kept(self, atrio, ready_made, tmp_path, monkeypatch):
        monkeypatch.setenv("SHOP_TOKEN", "tok-0123456789abcdef")

        async def leak(_):
            await trio.lowlevel.checkpoint()
            raise ValueError("refused: tok-0123456789abcdef")

        ready_made("leak", leak, attempts=1)
        atrio("run", "leak", "--value", "1", "--log-level", "error")
        (stage,) = seen(atrio, latest(atrio)["run_id"])["stages"]
        assert stage["error_message"] == "refused: ***"
        kept = b"".join(path.read_bytes() for path in (tmp_path / ".atrio").iterdir())
        assert b"0123456789abcdef" not in kept


class TestSparkline:
    def test_it_is_one_of_ratios_to_the_longest(self):
        assert sparkline([0, 1, 2, 4, 8]) == "▁▂▃▅█"
        assert sparkline([0, 1, 2, 4, 8], ascii_only=True) == "_.:=#"

    def test_nothing_to_show(self):
        assert sparkline([]) == ""
        assert sparkline([0.0, 0.0]) == "▁▁"

    @given(st.lists(st.floats(0, 1e9)), st.booleans())
    def test_a_bar_for_each_and_the_longer_the_higher(self, durations, ascii_only):
        bars = sparkline(durations, ascii_only=ascii_only)
        assert len(bars) == len(durations)
        heights = ["▁▂▃▄▅▆▇█_.:-=+*#".index(bar) % 8 for bar in bars]
        ordered = sorted(zip(durations, heights, strict=True))
        assert [height for _, height in ordered] == sorted(heights)
