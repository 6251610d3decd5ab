"""``atrio events``: what it prints, and how it ends."""

import json
import re

import pytest

from atrio.cli import main
from atrio.events import json_schema
from atrio.logs import check, summarise

ENVELOPE = {"schema": 1, "level": "info", "logger": "atrio", "parent_run_id": None, "parent_stage_id": None,
            "parent_task_id": None, "pid": 2**22 + 1, "host": "elsewhere", "service": None}  # fmt: skip
RUN = f"{0x19C145C8A00 << 80 | 7 << 76 | 2 << 62:032x}"


def line(seq, event, second=0, **fields):
    stamp = f"2026-01-31T12:00:{second:02}.000000Z"
    return json.dumps({**ENVELOPE, "event": event, "timestamp": stamp, "run_id": RUN, "seq": seq, **fields}) + "\n"


def stage(**fields):
    return {"pipeline_id": "orders", "stage_id": "fetch", "agent_id": "shop", "stage_index": 0, **fields}


NO_ERROR = {"error_type": None, "error_message": None, "error_stack": None}
LINES = [
    line(0, "pipeline.start", pipeline_id="orders", stage_count=1),
    line(1, "stage.start", 1, **stage()),
    line(2, "stage.retry", 2,
         **stage(attempt=1, max_attempts=3, backoff_s=1.0, error_type="OSError", error_message="no")),
    line(3, "stage.end", 3,
         **stage(status="success", attempts=2, duration_s=2.0, input_size=None, output_size=None, metadata=None,
                 **NO_ERROR)),
    line(4, "pipeline.end", 4, pipeline_id="orders", status="success", duration_s=4.0, stages_successful=1,
         stages_failed=0, stages_skipped=0, **NO_ERROR),
]  # fmt: skip
OUTSIDE = [
    line(0, "breaker.opened", run_id=None, breaker="shop", failures=3, recovery_timeout_s=5.0),
    line(1, "log.dropped", run_id=None, count=3, reason="stalled"),
]


@pytest.fixture
def log(tmp_path):
    """Write lines to a log, and return its path."""

    def write(*lines, name="run.log"):
        (tmp_path / name).write_text("".join(lines))
        return str(tmp_path / name)

    return write


def rows(text):
    """Return the cells of each row of the tables in `text`."""
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in text.splitlines() if row.startswith("│")]


def test_schema(atrio):
    ended = atrio("events", "schema")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == json_schema()


class TestCheck:
    def test_of_a_complete_log(self, atrio, log):
        ended = atrio("events", "check", log(*LINES))
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("valid and complete")
        assert ["events", "5"] in rows(ended.out)
        assert "problems" not in ended.out
        assert "in flight" not in ended.out

    def test_of_one_that_ends_in_the_middle(self, atrio, log):
        ended = atrio("events", "check", log(*LINES[:2]))
        assert (ended.code, ended.err) == (0, "")
        assert re.match(r"valid, with \d in flight at the end\s", ended.out)

    def test_of_one_that_is_not(self, atrio, log):
        broken = LINES[3].replace("2.0", '"two"')
        ended = atrio("events", "check", log(LINES[0], *LINES[2:3], broken, *OUTSIDE, "hello\n", '{"x'), "--show", "1")
        assert ended.code == 1
        assert ended.out.startswith("not valid, or not complete")
        assert ["missing lines", "1"] in rows(ended.out)
        assert ["lines of other programs", "1"] in rows(ended.out)
        assert "problems, and 1 more" in ended.out
        assert ["torn last lines", "1"] in rows(ended.out)
        assert ended.err == (
            "atrio: Lines of the log: 1 invalid, 1 missing, 3 dropped. What was dropped could not be written: "
            f"stalled (3). A last line is torn, and was left out: {log('', name='run.log')}:7.\n"
        )

    def test_of_one_with_a_stage_that_has_no_end(self, atrio, log):
        last = LINES[4].replace('"seq": 4', '"seq": 2')
        ended = atrio("events", "check", log(*LINES[:2], last))
        assert (ended.code, ended.err) == (1, "atrio: 1 stages or tasks have no end although their run has one.\n")

    def test_of_one_with_something_in_flight(self, atrio, log, monkeypatch):
        monkeypatch.setenv("COLUMNS", "160")
        ended = atrio("events", "check", log(*LINES[:2]))
        assert (ended.code, ended.err) == (0, "")
        found = rows(ended.out)
        assert ["pipeline", "orders", RUN, "2026-01-31T12:00:00.000000Z", str(ENVELOPE["pid"])] in found
        assert ["stage", "fetch", RUN, "2026-01-31T12:00:01.000000Z", str(ENVELOPE["pid"])] in found
        process = [str(ENVELOPE["pid"]), "elsewhere", "2026-01-31T12:00:01.000000Z", "unknown: on another machine"]
        assert process in found

    def test_as_json_is_all_that_was_found(self, atrio, log):
        path = log(*LINES[:3], *OUTSIDE)
        ended = atrio("events", "check", path, "--format", "json")
        found = json.loads(ended.out)
        report = check(path)
        assert (ended.code, found["ok"], found["dropped"]) == (1, False, 3)
        assert [each["name"] for each in found["in_flight"]] == [each.name for each in report.in_flight]
        assert set(found) == {"ok", *type(report).__slots__} - {"__weakref__"}

    def test_of_something_else(self, atrio, log):
        path = log("hello\n", "world\n")
        ended = atrio("events", "check", path)
        assert ended.code == 1
        assert ended.err == f"atrio: None of the 2 lines is a valid one of atrio's: is {path} its log?\n"

    def test_with_rotated_files(self, atrio, log):
        log(*LINES[:3], name="run.log.1")
        path = log(*LINES[3:])
        assert atrio("events", "check", path, "--rotated").code == 0
        assert ["events", "5"] in rows(atrio("events", "check", path, "--rotated").out)

    @pytest.mark.parametrize("show", ["0", "-1", "many", "1.5"])
    def test_of_which_too_little_is_shown(self, atrio, show):
        ended = atrio("events", "check", "x", f"--show={show}")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"atrio: --show must be a whole number, 1 at least: not {show!r}.\n"


class TestSummary:
    def test_as_tables(self, atrio, log, monkeypatch):
        monkeypatch.setenv("COLUMNS", "120")
        ended = atrio("events", "summary", log(*LINES, *OUTSIDE))
        assert (ended.code, ended.err) == (0, "")
        found = rows(ended.out)
        assert ["orders", "1", "1 success", "4.00 s", "4.00 s", "4.00 s", "4.00 s"] in found
        assert ["fetch", "1", "1 success", "1", "2.00 s", "2.00 s", "2.00 s", "2.00 s"] in found
        assert ["shop", "1", "0 s", "open"] in found
        assert ["lines that the log says were dropped", "3"] in found

    @pytest.mark.parametrize("columns", ["", "80"])
    def test_of_a_log_that_goes_on(self, atrio, log, monkeypatch, columns):
        if columns:
            monkeypatch.setenv("COLUMNS", columns)
        ended = atrio("events", "summary", log(*LINES[:3], "{"))
        assert (ended.code, ended.err) == (0, "atrio: A last line is torn, and was left out.\n")
        found = rows(ended.out)
        assert ["fetch", "0", "", "1", "", "", "", ""] in found
        assert ["pipeline", "orders", "1"] in found
        assert ["stage", "fetch", "1"] in found

    def test_as_json_is_all_that_was_found(self, atrio, log):
        path = log(*LINES)
        found = json.loads(atrio("events", "summary", path, "--format", "json").out)
        summary = summarise(path)
        assert found["stages"]["fetch"]["p95_s"] == summary.stages["fetch"].p95_s
        assert found["retries"] == {"fetch": 1}
        assert set(found) == set(type(summary).__slots__) - {"__weakref__"}

    def test_of_lines_that_cannot_be_used(self, atrio, log):
        ended = atrio("events", "summary", log(*LINES, '{"logger": "atrio"}\n'))
        assert (ended.code, ended.err) == (0, "atrio: 1 lines cannot be used: atrio events check says why.\n")

    def test_of_something_else(self, atrio, log):
        ended = atrio("events", "summary", log("hello\n"))
        assert ended.code == 1
        assert ended.err.startswith("atrio: The only line is not a valid one of atrio's")


@pytest.mark.parametrize("command", ["check", "summary"])
class TestRefused:
    def test_without_a_file(self, atrio, command):
        ended = atrio("events", command)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "atrio: there is no log: name files, or give - to read standard input.\n"

    def test_standard_input_twice(self, atrio, command):
        assert atrio("events", command, "-", "-").err == "atrio: standard input can be read once: give - once.\n"

    def test_standard_input_rotated(self, atrio, command):
        ended = atrio("events", command, "-", "--rotated")
        assert (ended.code, ended.err[:40]) == (2, "atrio: standard input has no rotated fil")

    def test_a_closed_standard_input(self, atrio, command, monkeypatch):
        monkeypatch.setattr("sys.stdin", None)
        assert atrio("events", command, "-").err == "atrio: standard input is closed: name files.\n"

    def test_what_cannot_be_read(self, atrio, command, tmp_path):
        (tmp_path / "folder").mkdir()
        for name, why in [("none", "No such file or directory"), ("folder", "Is a directory")]:
            ended = atrio("events", command, name)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err == f"atrio: '{name}' cannot be read: {why}.\n"

    def test_what_looks_like_an_option(self, atrio, command):
        ended = atrio("events", command, "--rotatde", "run.log")
        assert ended.code == 2
        assert re.search("--rotatde.*--help", ended.err)

    def test_a_format_that_there_is_not(self, atrio, command):
        ended = atrio("events", command, "run.log", "--format", "xml")
        assert ended.code == 2
        assert "json" in ended.err


def test_a_command_that_there_is_not(atrio):
    ended = atrio("events", "chek", "run.log")
    assert ended.code == 2
    assert "check" in ended.err
    assert ended.err.endswith("See atrio events --help.\n")


def test_alone_it_shows_its_help(atrio):
    ended = atrio("events")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: atrio events COMMAND")
    assert main(["events", "--help"]) == 0
