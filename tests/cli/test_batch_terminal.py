import io
import os
import re
import signal
import sys

import pexpect
import pytest
from test_batch_process import PROGRAM

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def terminal(tmp_path):
    """Start the command line, with the pipelines of the process tests, in a terminal."""
    children = []

    def start(*arguments: str, columns: int = 100, preexec_fn=None, **environment: str) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            ["-c", PROGRAM, "batch", *arguments],
            cwd=str(tmp_path),
            env={**os.environ, **environment},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=30,
            preexec_fn=preexec_fn,
        )
        child.logfile_read = io.StringIO()
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def screen_of(shown: str) -> list[str]:
    """Return the lines that a terminal shows in the end: what was erased is gone."""
    lines = []
    for line in shown.split("\n"):
        last = re.split(r"\x1b\[2K", line)[-1]
        lines.append(ESCAPES.sub("", last).replace("\r", ""))
    return lines


def ended(child) -> tuple[int, list[str]]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, screen_of(child.logfile_read.getvalue())


def ignore_hangup() -> None:
    """As nohup does: a terminal that goes says so with a signal, too."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def tasks(tmp_path, *seconds: float) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f"{each}\n" for each in seconds))


class TestBar:
    def test_shows_how_far_it_is_and_goes_at_the_end(self, terminal, tmp_path):
        tasks(tmp_path, 0, 0.2, 0.3, 0.5)
        child = terminal("wait", "a.jsonl", "--output", "out", "--max-concurrent", "1")
        child.expect(r"━.*0/4 done, 0 failed")
        child.expect(r"━.*[23]/4 done, 0 failed, [\d.]+/s, 0:00:0\d left")
        code, screen = ended(child)
        assert code == 0
        assert "done" not in "".join(screen)
        assert len((tmp_path / "out").read_text().splitlines()) == 4

    def test_counts_failures(self, terminal, tmp_path):
        (tmp_path / "a.jsonl").write_text("x\n0\n0.5\n")
        child = terminal("wait", "a.jsonl", "--output", "out")
        child.expect("2/3 done, 1 failed")
        code, screen = ended(child)
        assert code == 0
        assert len([line for line in screen if "task.end" in line and "InputError" in line]) == 1
        assert not [line for line in screen if "batch.progress" in line]

    def test_stays_below_results_and_logs(self, terminal, tmp_path):
        tasks(tmp_path, *[0.02] * 20, -1, *[0.02] * 20)
        code, screen = ended(terminal("wait", "a.jsonl", "--log-level", "info"))
        assert code == 0
        results = [line for line in screen if line.startswith("{")]
        assert len(results) == 41
        assert all(line.endswith("}") for line in results)
        logs = [line for line in screen if re.match(r"\d\d:\d\d:\d\d \[", line)]
        assert len(logs) == sum("] batch." in line or "_id=" in line for line in screen)
        assert set(screen) - {*results, *logs} - {""} == {line for line in screen if line.startswith("atrio: ")}

    def test_without_a_total_counts(self, terminal, tmp_path):
        os.mkfifo(tmp_path / "pipe.jsonl")
        child = terminal("wait", "pipe.jsonl", "--output", "out")
        with (tmp_path / "pipe.jsonl").open("w") as pipe:
            pipe.write("0\n0\n")
            pipe.flush()
            child.expect("2 done, 0 failed")
        assert ended(child)[0] == 0

    def test_follows_the_width_of_the_terminal(self, terminal, tmp_path):
        tasks(tmp_path, 0, 0, 60)
        child = terminal("wait", "a.jsonl", "--output", "out", columns=100)
        child.expect("2/3 done")
        for columns in (40, 10, 160):
            child.setwinsize(24, columns)
            child.kill(signal.SIGWINCH)
            while True:
                child.expect(r"\x1b\[2K([^\r]*)\r")
                width = len(ESCAPES.sub("", child.match[1]))
                assert width < 160
                if width == columns - 1:
                    break
        child.sendintr()
        assert ended(child)[0] == 130

    def test_makes_room_for_what_threads_say(self, terminal, tmp_path):
        tasks(tmp_path, 0.3)
        (tmp_path / "a.json").write_bytes(b'[0, "caf\xe9"]')
        code, screen = ended(terminal("wait", "a.jsonl", "a.json", "--output", "out"))
        assert code == 0
        assert [line for line in screen if line.startswith("atrio: ")] == [
            "atrio: 'a.json' is not UTF-8 (byte 9 is 0xe9), so it is read as Windows-1252."
        ]

    def test_has_no_colours_where_none_are_wanted(self, terminal, tmp_path):
        tasks(tmp_path, 0.2)
        child = terminal("wait", "a.jsonl", "--output", "out", NO_COLOR="1")
        child.expect(pexpect.EOF)
        assert "0/1 done" in child.before
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]", child.before)

    def test_is_not_shown_by_a_dumb_terminal(self, terminal, tmp_path):
        tasks(tmp_path, 0)
        child = terminal("wait", "a.jsonl", "--output", "out", TERM="dumb")
        child.expect(pexpect.EOF)
        assert "\x1b" not in child.before
        assert "batch.progress" in child.before
        assert "done" not in child.before

    def test_is_not_shown_where_tasks_are_typed(self, terminal):
        child = terminal("wait", "-")
        child.sendline("0")
        child.expect('"input": "-:1"')
        child.sendeof()
        child.expect(pexpect.EOF)
        assert "done" not in child.before

    def test_survives_a_terminal_that_goes(self, terminal, tmp_path):
        tasks(tmp_path, *[0.02] * 100)
        child = terminal("wait", "a.jsonl", "--output", "out", preexec_fn=ignore_hangup)
        child.expect("/100 done")
        child.ptyproc.fileobj.close()
        os.waitpid(child.pid, 0)
        child.closed = child.ptyproc.closed = child.terminated = child.ptyproc.terminated = True
        assert len((tmp_path / "out").read_text().splitlines()) == 100


def test_no_input_is_not_waited_for(terminal):
    code, screen = ended(terminal("wait"))
    assert code == 2
    assert screen[0] == "atrio: there is no input: name files, or pipe something in, a task of JSON a line."


def test_ctrl_c(terminal, tmp_path):
    tasks(tmp_path, 0, 0, 60, 60)
    child = terminal("wait", "a.jsonl", "--output", "out", "--max-concurrent", "1")
    child.expect("2/4 done")
    child.sendintr()
    code, screen = ended(child)
    assert code == 130
    assert screen[-2].endswith(" was cancelled: 2 finished, 1 cancelled, 1 not started.")
    assert len((tmp_path / "out").read_text().splitlines()) == 2
