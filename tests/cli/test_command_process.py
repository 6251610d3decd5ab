import fcntl
import json
import signal
import struct
import subprocess
import sys
import termios

import pytest

WORDS = "Tides rise, and tides fall; the sea is patient. "


def outcome_of(process, read) -> tuple[int, bytes]:
    """Read what `process` says to its end, and return its exit code and that."""
    said = read.read()
    return process.wait(), said


class TestStreams:
    def test_standard_input(self, atrio_process):
        ended = atrio_process("run", "text-report", stdin="Ebbe und Flut, Ebbe für Flut.".encode())
        assert ended.code == 0
        assert "| flut | 2 |" in ended.out.lower()
        assert [json.loads(line)["logger"] for line in ended.err.splitlines()] == 5 * ["atrio"]

    def test_latin_1_in_a_c_locale(self, atrio_process, tmp_path):
        (tmp_path / "a.txt").write_bytes("déjà vu, déjà vu".encode("latin-1"))
        ended = atrio_process("run", "text-report", "a.txt", "--log-level", "error", LC_ALL="C")
        assert ended.code == 0
        assert "| déjà | 2 |" in ended.out
        assert ended.err == "atrio: 'a.txt' is not UTF-8 (byte 2 is 0xe9), so it is read as Windows-1252.\n"

    def test_binary_on_standard_input(self, atrio_process):
        ended = atrio_process("run", "text-report", stdin=bytes(range(256)))
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: standard input is binary data")
        assert ended.err.count("\n") == 1

    @pytest.mark.parametrize("stdout", [">&-", "> /dev/full"])
    def test_a_stdout_that_takes_nothing(self, stdout, tmp_path):
        command = f'exec "{sys.executable}" -m atrio run text-report --value 1 --format json --log-level error {stdout}'
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, cwd=tmp_path, text=True)
        assert done.returncode == 1
        assert "Exception" not in done.stderr.splitlines()[-1]
        assert done.stderr.splitlines()[-1].startswith("atrio: the results ")

    def test_a_closed_stderr(self, tmp_path):
        command = f'exec "{sys.executable}" -m atrio run text-report --value \'"a"\' 2>&- --log-format "$0"'
        for log_format in ("json", "console"):
            done = subprocess.run(
                ["/bin/sh", "-c", command, log_format], stdout=subprocess.PIPE, check=False, cwd=tmp_path, text=True
            )
            assert done.returncode == 0
            assert "| Words | 1 |" in done.stdout

    def test_a_closed_stderr_keeps_a_refusal_to_itself(self, tmp_path):
        command = f'exec "{sys.executable}" -m atrio run none 2>&-'
        done = subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.PIPE, check=False, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")


class TestReadersThatGo:
    def test_head(self, tmp_path):
        (tmp_path / "a.txt").write_text(WORDS * 20_000)
        atrio = f'"{sys.executable}" -m atrio run text-report a.txt --format json --log-level error'
        done = subprocess.run(
            ["/bin/bash", "-c", f'{atrio} | head -n 1; exit "${{PIPESTATUS[0]}}"'],
            capture_output=True,
            check=False,
            cwd=tmp_path,
        )
        assert (done.returncode, done.stdout, done.stderr) == (141, b"{\n", b"")

    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_of_stderr_leave_the_result_alone(self, spawned, log_format):
        process = spawned(
            *("run", "text-report", "--value", '"a"', "--log-format", log_format),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stderr.close()
        code, out = outcome_of(process, process.stdout)
        assert code == 0
        assert b"| Words | 1 |" in out

    def test_of_stderr_leave_the_exit_code_alone(self, spawned):
        process = spawned("run", "none", stderr=subprocess.PIPE)
        process.stderr.close()
        assert process.wait() == 2


class TestInterrupt:
    def test_records_the_run_as_cancelled(self, spawned, tmp_path):
        (tmp_path / "a.txt").write_text(WORDS * 400_000)
        process = spawned(
            *("run", "text-report", "a.txt", "--log-file", "run.log", "--log-level", "debug"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while b'"stage_id":"text_analyzer"' not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        code, err = outcome_of(process, process.stderr)
        assert code == 130
        assert process.stdout.read() == b""
        *lines, last = err.decode().splitlines()
        assert last.startswith("atrio: interrupted: run ")
        ends = [json.loads(line) for line in lines]
        assert [(end["event"], end["status"]) for end in ends] == [
            ("stage.end", "cancelled"),
            ("pipeline.end", "cancelled"),
        ]
        assert json.loads((tmp_path / "run.log").read_text().splitlines()[-1])["status"] == "cancelled"

    def test_twice_ends_what_does_not_listen(self, spawned):
        program = (
            "import sys, trio\n"
            "from atrio import Pipeline, Stage\n"
            "from atrio.cli import main\n"
            "from atrio.cli._pipelines import READY_MADE, ReadyMade\n"
            "async def deaf(data):\n"
            "    try:\n"
            "        print('hears', file=sys.stderr, flush=True)\n"
            "        await trio.sleep_forever()\n"
            "    finally:\n"
            "        with trio.CancelScope(shield=True):\n"
            "            print('deaf', file=sys.stderr, flush=True)\n"
            "            await trio.sleep_forever()\n"
            "READY_MADE['deaf'] = ReadyMade('all', lambda: Pipeline('deaf').add_stage(Stage('deaf', deaf)))\n"
            "raise SystemExit(main(['run', 'deaf', '--value', '1', '--log-level', 'warning']))\n"
        )
        process = spawned(command=(sys.executable, "-c", program), stderr=subprocess.PIPE)
        for said in (b"hears\n", b"deaf\n"):
            assert process.stderr.readline() == said
            process.send_signal(signal.SIGINT)
        code, err = outcome_of(process, process.stderr)
        assert code == 130
        *lines, last = err.decode().splitlines()
        assert [json.loads(line)["status"] for line in lines] == ["cancelled", "cancelled"]
        assert last == "atrio: interrupted."

    def test_while_reading(self, spawned):
        process = spawned("run", "text-report", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"text")
        process.stdin.flush()
        wait_until_reading(process)
        process.send_signal(signal.SIGINT)
        assert outcome_of(process, process.stderr) == (130, b"atrio: interrupted.\n")


def wait_until_reading(process) -> None:
    """Wait until `process` has taken what was written to its stdin, which it does once it reads."""
    while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4))[0]:
        assert process.poll() is None


# The command, which says its own largest size: what the system tells of a child begins with that of these tests, on
# Linux, and they may be larger.
TELLING_SIZE = """
import pathlib, resource, sys
from atrio.__main__ import main
code = main(sys.argv[1:])
status = pathlib.Path("/proc/self/status")
if status.exists():
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    largest = int(line.split()[1]) * 1024
else:
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print("largest", largest, file=sys.stderr)
sys.exit(code)
"""


def test_fifty_megabytes(spawned, tmp_path):
    (tmp_path / "a.txt").write_text((WORDS * (50_000_000 // len(WORDS) + 1))[:49_999_999] + "x")
    process = spawned(
        *("run", "text-report", "a.txt", "--log-level", "warning"),
        command=(sys.executable, "-c", TELLING_SIZE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate()
    assert process.returncode == 0
    assert b"| Characters | 50,000,000 |" in out
    assert int(err.split()[-1]) < 400_000_000
