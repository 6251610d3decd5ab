import json
import re
import resource
import signal
import subprocess
import sys

import pytest
import trio

from atrio import ErrorPolicy
from atrio.cli._interrupts import quit_at_once

ONCE = {"error_policy": ErrorPolicy.STOP}
NOT_JSON = "'a.jsonl' is not JSON: Expecting property name enclosed in double quotes, line 3, column 2."
LINES = '1\n\n{bad\n2\n"x"\n'


async def double(data):
    if data == "x":
        raise ValueError("it broke")
    return data * 2


def events_of(err: str) -> list[dict]:
    return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


def said_in(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("atrio: ")]


@pytest.fixture
def batch(atrio, ready_made, tmp_path):
    """Run `atrio batch doubled` on a file of lines."""
    ready_made("doubled", double, **ONCE)

    def run(*arguments: str, lines: str = "1\n2\n3\n"):
        (tmp_path / "a.jsonl").write_text(lines)
        return atrio("batch", "doubled", "a.jsonl", *arguments)

    return run


def by_index(out: str) -> list[dict]:
    return sorted(map(json.loads, out.splitlines()), key=lambda line: line["index"])


class TestResultLines:
    def test_one_for_each_task(self, batch):
        ended = batch()
        assert ended.code == 0
        assert said_in(ended.err) == []
        lines = by_index(ended.out)
        assert all(line.pop("duration_s") >= 0 for line in lines)
        assert lines == [
            {"index": 0, "input": "a.jsonl:1", "status": "success", "result": 2},
            {"index": 1, "input": "a.jsonl:2", "status": "success", "result": 4},
            {"index": 2, "input": "a.jsonl:3", "status": "success", "result": 6},
        ]

    def test_of_failures_say_what_and_where(self, batch):
        ended = batch(lines=LINES)
        assert ended.code == 1
        errors = {line["index"]: (line["input"], line["status"], line.get("error")) for line in by_index(ended.out)}
        assert errors[0] == ("a.jsonl:1", "success", None)
        assert errors[1] == (
            "a.jsonl:3",
            "error",
            {
                "error_type": "InputError",
                "message": NOT_JSON,
                "stage_id": None,
            },
        )
        assert errors[3] == (
            "a.jsonl:5",
            "error",
            {"error_type": "ValueError", "message": "it broke", "stage_id": "stage_0"},
        )
        assert said_in(ended.err) == [
            f"atrio: doubled failed in 2 of 4 tasks (2 error), first in a.jsonl:3: InputError: {NOT_JSON}"
        ]

    def test_name_stages_that_were_skipped(self, atrio, ready_made, tmp_path):
        ready_made("skips", double, double, error_policy=ErrorPolicy.SKIP, attempts=1)
        (tmp_path / "a.jsonl").write_text('"x"\n1\n')
        ended = atrio("batch", "skips", "a.jsonl")
        assert ended.code == 0
        skipped, plain = by_index(ended.out)
        assert (skipped["status"], skipped["skipped"], skipped["result"]) == ("success", ["stage_0", "stage_1"], "x")
        assert "skipped" not in plain
        assert said_in(ended.err) == ["atrio: skips skipped stages in 1 of 2 tasks."]
        assert atrio("batch", "skips", "a.jsonl", "--fail-on", "degraded").code == 1

    def test_of_results_that_are_no_json(self, atrio, ready_made, tmp_path):
        async def strange(_):
            return {"not a number": float("nan"), "set": {1}}

        ready_made("strange", strange)
        (tmp_path / "a.json").write_text("1")
        (line,) = by_index(atrio("batch", "strange", "a.json").out)
        assert line["result"] == {"not a number": "nan", "set": [1]}

    def test_go_to_a_new_file(self, batch, tmp_path):
        ended = batch("--output", "out.jsonl", lines='"é"\n')
        assert (ended.code, ended.out) == (0, "")
        assert "éé" in (tmp_path / "out.jsonl").read_text("utf-8")
        again = batch("--output", "out.jsonl")
        assert (again.code, again.err) == (
            2,
            "atrio: the output file 'out.jsonl' holds something already: name another, or remove it first.\n",
        )
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1

    def test_go_to_an_empty_file(self, batch, tmp_path):
        (tmp_path / "out.jsonl").touch()
        assert batch("--output", "out.jsonl").code == 0
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3

    @pytest.mark.parametrize(("path", "why"), [("none/out", "No such file or directory"), (".", "Is a directory")])
    def test_that_cannot_be_written_are_refused(self, batch, path, why):
        ended = batch("--output", path)
        assert (ended.code, ended.err) == (2, f"atrio: the output file {path!r} cannot be opened: {why}.\n")

    def test_to_a_full_disk_end_with_a_whole_line(self, batch, tmp_path):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        lines = f'"{"é" * 350}"\n' * 20
        (tmp_path / "a.jsonl").write_text(lines)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, limits[1]))
        try:
            ended = batch("--output", "out", lines=lines)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert ended.code == 1
        *others, last = said_in(ended.err)
        assert last == "atrio: the results cannot be written to 'out': File too large."
        assert all(
            each.startswith(f"atrio: the history {tmp_path}/.atrio/history.db cannot be used: ") for each in others
        )
        assert len(others) <= 1
        assert len(by_index((tmp_path / "out").read_text())) == 10
        assert (tmp_path / "out").read_bytes().endswith(b"\n")

    def test_to_a_full_device_end_the_batch(self, batch):
        ended = batch("--output", "/dev/full")
        assert ended.code == 1
        assert said_in(ended.err) == ["atrio: the results cannot be written to '/dev/full': No space left on device."]


class TestTable:
    def test_sums_up(self, batch):
        ended = batch("--format", "table", lines=LINES + "1\n" * 20 + "x\n" * 12)
        assert ended.code == 0
        assert ended.out.startswith("doubled: degraded in ")
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ended.out.splitlines() if "│" in line]
        figures = {row[0]: row[1] for row in rows if len(row) == 2}
        assert (figures["success"], figures["error"]) == ("22", "14")
        assert figures["median"].endswith("s")
        assert figures["throughput"].endswith("/s")
        assert len([row for row in rows if len(row) == 3 and row[2].endswith("s")]) == 10
        assert "failed, and 4 more" in ended.out
        assert "stage_0: ValueError: it broke" in ended.out
        assert ended.err.count('"task.end"') == 14

    def test_goes_with_an_output_file(self, batch, tmp_path):
        ended = batch("--format", "table", "--output", "out.jsonl")
        assert ended.out.startswith("doubled: success in ")
        assert "failed" not in ended.out
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3

    @pytest.mark.parametrize("columns", [40, 80, 200])
    def test_fits(self, batch, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = batch("--format", "table", lines=LINES).out
        assert max(map(len, out.splitlines())) <= columns


class TestExitCodes:
    @pytest.mark.parametrize(
        ("lines", "plain", "strict"), [("1\n", 0, 0), ('1\n1\n"x"\n', 0, 1), ('1\n"x"\n', 1, 1), ('"x"\n', 1, 1)]
    )
    def test_of_degraded(self, batch, lines, plain, strict):
        assert batch(lines=lines).code == plain
        assert batch("--fail-on", "degraded", lines=lines).code == strict

    def test_of_a_task_that_takes_too_long(self, atrio, ready_made, tmp_path):
        async def slow(data):
            await trio.sleep(60 * data)

        ready_made("slow", slow)
        (tmp_path / "a.jsonl").write_text("0\n0\n1\n")
        ended = atrio("batch", "slow", "a.jsonl", "--task-timeout", "0.05")
        assert ended.code == 0
        line = by_index(ended.out)[2]
        assert (line["status"], line["error"]["error_type"]) == ("timeout", "timeout")
        assert "slow failed in 1 of 3 tasks (1 timeout), first in a.jsonl:3: timeout: " in ended.err

    def test_of_a_batch_that_takes_too_long(self, atrio, ready_made, tmp_path):
        async def slow(data):
            await trio.sleep(60 * data)

        ready_made("slow", slow)
        (tmp_path / "a.jsonl").write_text("0\n" + "1\n" * 9)
        ended = atrio("batch", "slow", "a.jsonl", "--timeout", "0.2", "--max-concurrent", "2", "--format", "table")
        assert ended.code == 1
        (said,) = said_in(ended.err)
        assert re.fullmatch(
            r"atrio: slow ran out of time after 2\d\d\.\d ms: 1 finished, 2 cancelled, 7 not started\. "
            r"Give it more with --timeout\.",
            said,
        )
        assert re.search(r"│ not_started +│ +7 │", ended.out)
        ended = atrio("batch", "slow", "a.jsonl", "--timeout", "0.2")
        assert [line["status"] for line in by_index(ended.out)] == ["success", *["cancelled"] * 5]
        assert by_index(ended.out)[1]["error"]["error_type"] == "cancelled"


class TestOptions:
    @pytest.mark.parametrize("option", ["--timeout", "--task-timeout"])
    @pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "true", "soon", ""])
    def test_seconds_are_above_0_or_none(self, batch, option, value):
        ended = batch(option, value)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"atrio: {option} must be seconds above 0, or none: not {value!r}.\n"

    @pytest.mark.parametrize("value", ["none", "None", "60", "0.5e2"])
    def test_seconds(self, batch, value):
        assert batch("--timeout", value, "--task-timeout", value).code == 0

    @pytest.mark.parametrize("value", ["0", "-1", "2.5", "nan", "true", "²", ""])
    def test_a_whole_number_at_once(self, batch, value):
        ended = batch("--max-concurrent", value)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"atrio: --max-concurrent must be a whole number, 1 at least: not {value!r}.\n"

    def test_so_many_run_at_once(self, atrio, ready_made, tmp_path):
        running = most = 0

        async def count(_):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await trio.testing.wait_all_tasks_blocked()
            running -= 1

        ready_made("count", count)
        (tmp_path / "a.jsonl").write_text("1\n" * 10)
        assert atrio("batch", "count", "a.jsonl", "--max-concurrent", "3").code == 0
        assert most == 3

    def test_a_mistyped_option_is_told_as_such(self, batch):
        ended = batch("--fromat=json")
        assert ended.code == 2
        assert ended.err == "atrio: Unknown option: --fromat. Did you mean --format? See atrio batch --help.\n"

    def test_there_is_no_such_pipeline(self, atrio):
        assert atrio("batch", "text-reprot", "a.txt").err.startswith("atrio: there is no pipeline 'text-reprot'. Did")


class TestLog:
    def test_tells_of_the_batch_and_of_failed_tasks(self, batch):
        events = events_of(batch(lines=LINES).err)
        assert [event["event"] for event in events if event["event"] != "batch.progress"] == [
            "batch.start",
            "task.end",
            "task.end",
            "batch.end",
        ]
        assert [event["completed"] for event in events if event["event"] == "batch.progress"] == [1, 2, 3, 4]
        assert [event["seq"] for event in events] == list(range(8))

    def test_tells_of_all_where_that_is_asked_for(self, batch):
        events = {event["event"] for event in events_of(batch("--log-level", "info").err)}
        assert events == {"batch.start", "batch.progress", "batch.end", "pipeline.start", "stage.end", "pipeline.end"}
        assert events_of(batch("--log-level", "error").err) == []

    def test_of_the_file_has_everything(self, batch, tmp_path):
        batch("--log-file", "run.log")
        events = [json.loads(line)["event"] for line in (tmp_path / "run.log").read_text().splitlines()]
        assert events.count("stage.end") == events.count("task.start") == 3


class TestInterrupt:
    def test_writes_what_finished_and_says_the_rest(self, atrio, ready_made, tmp_path):
        async def interrupted(data):
            if data == 3:
                signal.raise_signal(signal.SIGINT)
            await trio.sleep(60 * (data > 2))
            return data

        ready_made("interrupted", interrupted)
        (tmp_path / "a.jsonl").write_text("".join(f"{number}\n" for number in range(10)))
        ended = atrio("batch", "interrupted", "a.jsonl", "--max-concurrent", "2", "--output", "out.jsonl")
        assert ended.code == 130
        assert [line["result"] for line in by_index((tmp_path / "out.jsonl").read_text())] == [0, 1, 2]
        (said,) = said_in(ended.err)
        end = events_of(ended.err)[-1]
        assert (end["event"], end["status"]) == ("batch.end", "cancelled")
        assert re.fullmatch(
            rf"atrio: interrupted: batch {end['run_id']} of interrupted was cancelled: "
            r"3 finished, [12] cancelled, [56] not started\.",
            said,
        )

    def test_too_late_changes_nothing(self, atrio, ready_made, tmp_path):
        class Closing:
            agent_id = "closing"

            async def process(self, data):
                return data

            async def __aenter__(self):
                return self

            async def __aexit__(self, *_):
                signal.raise_signal(signal.SIGINT)
                await trio.testing.wait_all_tasks_blocked()

        ready_made("closing", Closing())
        (tmp_path / "a.json").write_text("1")
        assert atrio("batch", "closing", "a.json").code == 0


def test_quitting_at_once_needs_nobody_to_listen(monkeypatch):
    """The real thing ends the process: see the tests of processes."""
    ends = []

    def refuse(_descriptor, _data):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("atrio.cli._interrupts.os.write", refuse)
    monkeypatch.setattr("atrio.cli._interrupts.os._exit", ends.append)
    quit_at_once(signal.SIGINT, None)
    assert ends == [130]


class TestHelp:
    @pytest.mark.parametrize(
        "option", ["INPUT", "--max-concurrent", "--timeout", "--task-timeout", "--output", "--fail-on", "--log-level"]
    )
    def test_has_every_option(self, atrio, option):
        assert option in atrio("batch", "--help").out

    @pytest.mark.parametrize("default", ["5", "300", "none"])
    def test_has_the_defaults(self, atrio, default):
        assert f"[default: {default}]" in atrio("batch", "--help").out

    def test_imports_nothing_that_only_a_batch_needs(self):
        heavy = ["structlog", "jinja2", "cattrs", "regex", "stop_words", "rich.progress", "atrio.agents"]
        program = (
            "import sys\n"
            "from atrio.__main__ import main\n"
            "main(['batch', '--help'])\n"
            f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
        assert done.stderr.splitlines()[-1] == "[]"
