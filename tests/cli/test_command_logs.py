import contextlib
import io
import json
import os
import re
import select
import subprocess

import pytest

from atrio import ErrorPolicy
from atrio.cli import main

ENVELOPE = ["schema", "event", "level", "timestamp", "logger", "run_id"]
RUN = ("run", "text-report", "--value", '"text"')


@pytest.fixture
def stalled_pipe():
    """The two ends of a pipe that is full."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b" " * 512)
    os.set_blocking(writing, True)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def taken(reading: int, size: int) -> str:
    """Return what is there by now of a pipe."""
    return os.read(reading, size).decode() if select.select([reading], [], [], 0)[0] else ""


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if not line.startswith("atrio: ")]


class TestJsonLines:
    def test_have_the_envelope_of_the_catalogue(self, atrio):
        lines = lines_of(atrio(*RUN).err)
        assert [line["event"] for line in lines] == ["pipeline.start", *["stage.end"] * 3, "pipeline.end"]
        for seq, line in enumerate(lines):
            assert list(line)[: len(ENVELOPE)] == ENVELOPE
            assert (line["schema"], line["level"], line["logger"], line["seq"]) == (1, "info", "atrio", seq)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
            assert line["run_id"] == lines[0]["run_id"]

    @pytest.mark.parametrize(("level", "count"), [("debug", 8), ("info", 5), ("warning", 0), ("error", 0)])
    def test_start_at_the_level_that_was_asked_for(self, atrio, level, count):
        assert len(lines_of(atrio(*RUN, "--log-level", level).err)) == count

    @pytest.mark.parametrize("character", ["漢", "😀", "\n", "\ud800", "\x1b"])
    def test_stay_below_what_a_pipe_takes_whole(self, atrio, ready_made, character):
        async def verbose(data):
            raise ValueError(3000 * character)

        ready_made("漢" * 100, verbose, error_policy=ErrorPolicy.STOP)
        err = atrio("run", "漢" * 100, "--value", "1").err
        ends = [line for line in err.splitlines() if '"error_stack"' in line]
        assert len(ends) == 2
        for line in ends:
            assert len(line.encode()) < 4096
            event = json.loads(line)
            assert event["run_id"] == json.loads(ends[0])["run_id"]
            assert event["error_type"] == "ValueError"
            assert "…" in event["error_message"]


class TestLogFile:
    def test_gets_everything_after_what_it_has(self, atrio, tmp_path):
        log = tmp_path / "run.log"
        log.write_text('{"event": "before"}\n')
        ended = atrio(*RUN, "--log-file", "run.log", "--log-level", "error")
        assert (ended.code, ended.err) == (0, "")
        lines = lines_of(log.read_text())
        assert [line["event"] for line in lines] == [
            "before",
            "pipeline.start",
            *["stage.start", "stage.end"] * 3,
            "pipeline.end",
        ]
        assert [line["seq"] for line in lines[1:]] == list(range(8))

    @pytest.mark.parametrize(("path", "why"), [("none/run.log", "No such file or directory"), (".", "Is a directory")])
    def test_that_cannot_be_opened_is_refused(self, atrio, path, why):
        ended = atrio(*RUN, "--log-file", path)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"atrio: the log file {path!r} cannot be opened: {why}.\n"

    def test_that_is_full_does_not_touch_the_run(self, atrio):
        ended = atrio(*RUN, "--log-file", "/dev/full", "--log-level", "error")
        assert ended.code == 0
        assert "| Words | 1 |" in ended.out
        assert ended.err == "atrio: 8 lines could not be written to the log file '/dev/full'.\n"


class TestForPeople:
    def test_shows_what_a_person_wants_to_know(self, atrio):
        err = atrio(*RUN, "--log-format", "console").err
        lines = err.splitlines()
        assert len(lines) == 5
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d \[info     \] stage\.end +pipeline_id=text-report stage_id=text_cleaner "
            r"agent_id=text_cleaner status=success attempts=1 duration_s=\S+ input_size=4 output_size=4",
            lines[1],
        )
        assert "\x1b" not in err

    @pytest.mark.parametrize(("level", "stacks"), [("info", 0), ("debug", 1)])
    def test_shows_a_stack_once_and_only_when_debugging(self, atrio, ready_made, level, stacks):
        async def hostile(data):
            raise ValueError("\x1b[2J" + "it broke")

        ready_made("hostile", hostile, error_policy=ErrorPolicy.STOP)
        err = atrio("run", "hostile", "--value", "1", "--log-format", "console", "--log-level", level).err
        assert err.count("Traceback") == stacks
        # The line of the stage, and what is said at the end; with the stack, there too.
        assert err.count("\\x1b[2Jit broke") == 2 + stacks
        assert "\x1b" not in err

    @pytest.mark.parametrize("goes_on", [True, False])
    def test_says_how_many_lines_a_reader_missed(self, ready_made, monkeypatch, stalled_pipe, goes_on):
        reading, writing = stalled_pipe

        async def read(data):
            taken(reading, 10**6)

        async def nothing(data):
            pass

        ready_made("read", *((read, nothing) if goes_on else (nothing, read)))
        with open(writing, "w", closefd=False) as stderr:
            monkeypatch.setattr("sys.stderr", stderr)
            assert main(("run", "read", "--value", "1", "--log-format", "console")) == 0
        shown = [re.sub(" +", " ", line) for line in taken(reading, 10**6).splitlines()]
        assert re.fullmatch(r"\d\d:\d\d:\d\d \[warning \] log\.dropped count=\d reason='nobody reads'", shown[0])
        assert f"count={1 if goes_on else 2}" in shown[0]
        assert "pipeline.end" in shown[-1]

    def test_goes_to_stderr_where_a_host_has_put_an_object_of_its_own(self, capfd, monkeypatch):
        monkeypatch.setattr("sys.stderr", io.StringIO())
        assert main((*RUN, "--log-format", "console")) == 0
        assert len(capfd.readouterr().err.splitlines()) == 5

    def test_does_without_what_the_terminal_lacks(self, atrio_process, tmp_path):
        ended = atrio_process(*RUN, "--log-format", "console", LC_ALL="C", PYTHONIOENCODING="ascii")
        assert ended.code == 0
        assert ended.err.isascii()
        assert "stage_id=report_writer" in ended.err


class TestJsonOnStderr:
    def test_is_added_to_a_file_that_others_write_to(self, spawned, tmp_path):
        log = tmp_path / "both.log"
        with log.open("wb") as stderr:  # as a shell's 2> does
            process = spawned(*RUN, "--log-file", "both.log", stderr=stderr)
            assert process.wait() == 0
        lines = lines_of(log.read_text())
        assert sorted(line["seq"] for line in lines) == sorted([*range(5), *range(8)])

    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_that_nobody_reads_does_not_keep_the_result(self, spawned, stalled_pipe, log_format):
        command = (*RUN, "--log-format", log_format)
        process = spawned(*command, stdout=subprocess.PIPE, stderr=stalled_pipe[1])
        assert b"| Words | 1 |" in process.communicate(timeout=30)[0]
        assert process.returncode == 0

    def test_that_nobody_reads_does_not_keep_a_refusal(self, spawned, stalled_pipe):
        assert spawned("run", "none", stderr=stalled_pipe[1]).wait(30) == 2

    def test_where_a_host_has_put_an_object_of_its_own(self, capfd, monkeypatch):
        monkeypatch.setattr("sys.stderr", io.StringIO())
        assert main(RUN) == 0
        assert len(lines_of(capfd.readouterr().err)) == 5

    def test_has_who_wrote_it(self, atrio):
        assert {(line["pid"], line["service"]) for line in lines_of(atrio(*RUN).err)} == {(os.getpid(), None)}


class TestALogFileThatIsRotated:
    def test_goes_on_under_its_name(self, atrio, ready_made, tmp_path):
        async def rotate(data):
            (tmp_path / "run.log").rename(tmp_path / "run.log.1")

        ready_made("rotating", rotate)
        assert atrio("run", "rotating", "--value", "1", "--log-file", "run.log").code == 0
        names = [[line["seq"] for line in lines_of((tmp_path / name).read_text())] for name in ("run.log.1", "run.log")]
        assert names == [[0, 1], [2, 3]]

    def test_that_goes_away_says_how_many_lines_were_lost(self, atrio, ready_made, tmp_path):
        folder = tmp_path / "logs"
        folder.mkdir()

        async def remove(data):
            (folder / "run.log").unlink()
            folder.rmdir()

        ready_made("removing", remove)
        ended = atrio("run", "removing", "--value", "1", "--log-file", "logs/run.log", "--log-level", "error")
        assert ended.err == "atrio: 2 lines could not be written to the log file 'logs/run.log'.\n"
