"""What ``atrio status`` shows on terminals of any width, in which time, and of the tasks of a batch."""

import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import runs_made_up as made_up
import trio
from configured import rows

from atrio import Backoff, ErrorPolicy
from atrio.cli._past_runs import _is_of_its_time
from atrio.cli._status_tables import run_tables
from atrio.history import Alert

FAILING = """\
[pipelines.tidy]
stages = ["text_cleaner"]

[monitoring]
alert_runs = 2
"""


async def check(number):
    await trio.lowlevel.checkpoint()
    if number < 0:
        raise LookupError("there is no such number")
    return number


@pytest.fixture
def checking(ready_made):
    ready_made("checking", check, check, attempts=1, error_policy=ErrorPolicy.SKIP)
    ready_made("strict", check, attempts=1)


def latest(atrio):
    return json.loads(atrio("status", "--format", "json").out)["runs"][0]


def facts(atrio, run_id):
    return {row[0]: row[1] for row in rows(atrio("status", run_id).out) if len(row) == 2}


def head(shown, title):
    lines = shown.splitlines()
    return [each.strip() for each in lines[lines.index(title) + 2].strip("┃").split("┃")]


class TestDegraded:
    def test_a_list_says_how_many_stages_were_skipped(self, atrio, checking):
        atrio("run", "checking", "--value", "-1", "--log-level", "error")
        run = latest(atrio)
        assert (run["state"], run["failed"], run["skipped"]) == ("degraded", 0, 2)
        assert rows(atrio("status").out)[0][5] == "2 skipped"

    def test_what_failed_comes_before_what_was_skipped(self, atrio, ready_made, tmp_path):
        (tmp_path / "shop.py").write_text(
            "from atrio import *\n"
            "async def fail(_):\n    raise LookupError\n"
            "skip = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)\n"
            "both = Pipeline('both').add_stage(Stage('a', fail, config=skip))\n"
            "both.add_stage(Stage('b', fail, config=StageConfig(attempts=1))).add_stage(Stage('c', fail))\n"
        )
        atrio("run", "shop:both", "--value", "1", "--log-level", "error")
        assert rows(atrio("status").out)[0][5] == "1"
        assert facts(atrio, latest(atrio)["run_id"])["stages"] == "3: 1 failed, 1 skipped, 1 not begun"

    def test_the_stages_of_one_are_counted(self, atrio, checking):
        atrio("run", "checking", "--value", "1")
        told = facts(atrio, latest(atrio)["run_id"])
        assert (told["kind"], told["stages"]) == ("pipeline", "2: 2 succeeded")


class TestTimes:
    @pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
    def test_they_are_in_utc_and_say_so(self, atrio_process, zone):
        before = datetime.now(UTC).replace(microsecond=0)
        assert atrio_process("run", "text-report", "--value", '"a"', TZ=zone).code == 0
        wide = atrio_process("status", TZ=zone, COLUMNS="160").out
        column = head(wide, wide.splitlines()[0]).index("started (UTC)")
        run_id = json.loads(atrio_process("status", "--format", "json").out)["runs"][0]["run_id"]
        one = atrio_process("status", run_id, TZ=zone).out
        told = re.search(r"│ started +│ (\S+ \S+) UTC +│", one)[1]
        assert rows(wide)[0][column] == told
        assert before <= datetime.fromisoformat(told).replace(tzinfo=UTC) <= datetime.now(UTC)


class TestWidths:
    @pytest.fixture
    def some(self, atrio, checking, tmp_path):
        (tmp_path / "atrio.toml").write_text(FAILING)
        (tmp_path / "a.jsonl").write_text("1\n-1\n-2\n")
        for number in ("-1", "1", "-1"):
            atrio("run", "strict", "--value", number, "--log-level", "error")
        atrio("run", "checking", "--value", "-1", "--log-level", "error")
        atrio("batch", "strict", "a.jsonl", "--log-level", "error")

    @pytest.mark.parametrize("columns", [60, 80, 120, 200])
    def test_what_is_copied_or_compared_is_not_folded(self, atrio, some, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        runs = json.loads(atrio("status", "--format", "json").out)["runs"]
        shown = atrio("status").out
        assert max(map(len, shown.splitlines())) <= columns
        assert "…" not in shown
        for run in runs:
            assert re.search(rf"│ {run['run_id'][:12]} │ .* │ {run['state']} +│", shown)
            one = atrio("status", run["run_id"]).out
            assert max(map(len, one.splitlines())) <= columns
            assert run["run_id"] in one

    @pytest.mark.parametrize(
        ("columns", "runs", "alerts"),
        [
            (60, "run name state age failed", "alert of state age measured"),
            (80, "run name state age time failed recent", "alert of state age measured allowed"),
            (
                120,
                "run name state kind started (UTC) time failed recent",
                "alert of state since (UTC) measured allowed",
            ),
        ],
    )
    def test_narrow_lists_leave_out_what_can_be_missed(self, atrio, some, monkeypatch, columns, runs, alerts):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = "\n".join(line.rstrip() for line in atrio("status").out.splitlines())
        assert " ".join(head(shown, "the latest runs")) == runs
        assert " ".join(head(shown, "alerts")) == alerts

    def test_no_column_is_folded_into_letters(self, atrio, ready_made, monkeypatch):
        async def refuse(_):
            await trio.lowlevel.checkpoint()
            raise ValueError("this is what went wrong, in words of which there are quite a few")

        ready_made("refusing", refuse, attempts=2, backoff=Backoff(initial=0))
        atrio("run", "refusing", "--value", "1", "--log-level", "error")
        run_id = latest(atrio)["run_id"]
        heads = {}
        for columns in (60, 80, 200):
            monkeypatch.setenv("COLUMNS", str(columns))
            shown = "\n".join(line.rstrip() for line in atrio("status", run_id).out.splitlines())
            heads[columns] = " ".join(head(shown, "stages"))
            assert re.search(r"went wrong|what went", shown)
        assert heads == {
            60: "stage state time error",
            80: "stage agent state time attempts error",
            200: "stage agent state time attempts waited error",
        }

    @pytest.mark.parametrize("columns", [14, 20, 30, 40, 50])
    def test_a_terminal_without_room_for_a_table_has_a_line_for_each_cell(self, atrio, some, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        for run_id in (None, *(run["run_id"] for run in json.loads(atrio("status", "--format", "json").out)["runs"])):
            ended = atrio("status", *filter(None, (run_id,)))
            lines = ended.out.splitlines()
            assert max(map(len, lines)) <= columns
            # No column without any width, and none of a letter.
            assert not re.search(r"[┃│] {0,2}[┃│]|[┃│] .. ?[┃│]", ended.out)
        listed = "".join(atrio("status").out.split())
        for run in json.loads(atrio("status", "--format", "json").out)["runs"]:
            assert f"run:{run['run_id'][:12]}name:{run['name']}state:{run['state']}" in listed

    def test_no_column_is_without_any_width(self, atrio, some, monkeypatch):
        for columns in range(12, 80):
            monkeypatch.setenv("COLUMNS", str(columns))
            heads = [line for line in atrio("status").out.splitlines() if line.startswith("┃")]
            assert not [line for line in heads if re.search("┃ *┃", line)]


class TestTasks:
    def test_each_stage_says_how_it_did_in_all_tasks(self, atrio, checking, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n-1\n2\n-2\n3\n")
        atrio("batch", "checking", "a.jsonl", "--log-level", "error")
        run_id = latest(atrio)["run_id"]
        shown = atrio("status", run_id).out
        assert "the stages of checking, over 5 runs\n" in shown
        heads = head(shown, "the stages of checking, over 5 runs")
        assert heads == ["stage", "agent", "begun", "failed", "skipped", "p50", "p95"]
        first, second = (row for row in rows(shown) if row[0] in {"stage_0", "stage_1"})
        assert first[:5] == ["stage_0", "check", "5", "0", "2"]
        assert second[:5] == ["stage_1", "check", "5", "0", "2"]
        (pipeline,) = json.loads(atrio("status", run_id, "--format", "json").out)["pipelines"]
        assert (pipeline["pipeline_id"], pipeline["runs"], pipeline["every"]) == ("checking", 5, 1)
        assert [each["skipped"] for each in pipeline["stages"]] == [2, 2]

    def test_a_run_of_a_pipeline_has_none_of_it(self, atrio, checking):
        atrio("run", "checking", "--value", "1")
        assert json.loads(atrio("status", latest(atrio)["run_id"], "--format", "json").out)["pipelines"] == []

    def test_those_of_a_killed_batch_were_running(self, atrio, checking, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n2\n")
        atrio("batch", "strict", "a.jsonl", "--log-level", "error")
        run_id = latest(atrio)["run_id"]
        with sqlite3.connect(".atrio/history.db") as database:
            database.execute("UPDATE runs SET state = 'interrupted', duration_s = NULL WHERE kind = 'batch'")
            database.execute("UPDATE tasks SET status = 'running', duration_s = NULL WHERE task_index = 1")
        database.close()
        assert facts(atrio, run_id)["were running"] == "1"


def test_hostile_names_of_what_ran_in_tasks_are_only_shown(atrio, ready_made, tmp_path):
    name = "h[bold]\u202ee\x1b]0;x\x07"
    ready_made(name, check, attempts=1)
    (tmp_path / "a.jsonl").write_text("1\n")
    assert atrio("batch", name, "a.jsonl").code == 0
    run_id = latest(atrio)["run_id"]
    for arguments in ((), ("--format", "json")):
        shown = atrio("status", run_id, *arguments).out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200f\u202a-\u202e\u2066-\u2069]", shown)
    assert "the stages of h[bold]\\u202ee\\x1b]0;x\\x07, over 1 run" in atrio("status", run_id).out


class TestWhereNothingIs:
    @pytest.mark.parametrize("command", ["status", "report"])
    def test_a_file_where_the_folder_would_be_is_named(self, atrio, tmp_path, command):
        (tmp_path / ".atrio").write_text("mine")
        ended = atrio(command)
        assert ended.code == (0 if command == "status" else 2)
        assert "nothing can be: .atrio is a file and would have to be a folder: move it away" in ended.err
        assert ended.err.count("\n") == 1

    def test_a_history_is_named_and_the_configuration_is_missing(self, atrio, checking):
        atrio("run", "checking", "--value", "1", "--history", "h.db")
        assert atrio("status", "--config", "none.toml", "--history", "h.db").code == 0
        assert atrio("status", "--config", "none.toml").code == 2


def test_times_too_short_for_milliseconds_are_told_in_microseconds():
    from atrio.cli._render import seconds  # noqa: PLC0415

    shown = {0.0: "0.0 ms", 4e-7: "1 us", 3e-5: "30 us", 9.4e-4: "940 us", 9.6e-4: "1.0 ms", 0.0412: "41.2 ms"}
    assert {each: seconds(each) for each in shown} == shown
    assert seconds(2.5) == "2.5 s"


def test_ages_say_the_largest_unit():
    from atrio.cli._status_tables import _age  # noqa: PLC0415

    now = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 2, 28, 21, tzinfo=UTC)]
    moments += [datetime(2026, 2, 28, 23, 58, 30, tzinfo=UTC), datetime(2026, 2, 28, 23, 59, 1, tzinfo=UTC), now]
    assert [_age(moment, now) for moment in moments] == ["2 d", "3 h", "1 min", "59 s", "0 s"]
    assert all(one < other for one, other in pairwise(moments))


class TestWhatIsNotKnown:
    def test_a_run_whose_begin_is_not_there(self):
        """How many stages it has is in its begin."""
        shown = "".join(run_tables(made_up.content(made_up.run(total=None)).detail, (), made_up.NOW))
        assert "│ stages " not in shown

    def test_a_batch_without_tasks(self):
        detail = made_up.content(made_up.run(kind="batch", total=0), tasks=made_up.figures()).detail
        assert "slowest" not in "".join(run_tables(detail, (), made_up.NOW))

    @pytest.mark.parametrize(("state", "minutes", "is_its"), [("running", 5, True), ("interrupted", 5, False)])
    def test_an_alert_about_a_run_without_an_end(self, state, minutes, is_its):
        run = made_up.run(state, duration_s=None)
        raised_at = run.started_at + timedelta(minutes=minutes)
        alert = Alert("failure_rate", "triage", 0.5, 0.2, "triage", raised_at, None)
        assert _is_of_its_time(alert, run) is is_its
