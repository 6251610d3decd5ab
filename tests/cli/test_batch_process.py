import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atrio.cli import _result_lines

# A pipeline whose tasks wait for as many seconds as they are told, and one that does not hear its cancellation.
PROGRAM = """
import os, sys, trio
from atrio import Pipeline, Stage, StageConfig
from atrio.cli import main
from atrio.cli._pipelines import READY_MADE, ReadyMade

async def wait(data):
    await trio.sleep(data[0] if isinstance(data, list) else data)
    return data

async def deaf(data):
    try:
        print("hears", file=sys.stderr, flush=True)
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            print("deaf", file=sys.stderr, flush=True)
            await trio.sleep_forever()

async def leave(data):
    await trio.sleep(0)
    if data == 30:
        sys.exit(3)
    return data

for agent in (wait, deaf, leave):
    def build(agent=agent):
        config = StageConfig(timeout=None)
        return Pipeline(agent.__name__).add_stage(Stage("only", agent, config=config))
    READY_MADE[agent.__name__] = ReadyMade("seconds", build)
code = main(sys.argv[1:])
if "PEAK" in os.environ:
    (peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(peak.split()[1], file=sys.stderr)
raise SystemExit(code)
"""
COMMAND = (sys.executable, "-c", PROGRAM)


@pytest.fixture
def started(spawned):
    """Start `atrio batch` with the pipelines of PROGRAM."""

    def start(*arguments: str, **streams):
        return spawned("batch", *arguments, command=COMMAND, **streams)

    return start


def parsed(data: bytes) -> list[dict]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def said_in(err: bytes) -> list[str]:
    return [line for line in err.decode().splitlines() if line.startswith("atrio: ")]


class TestReaders:
    def test_that_go(self, tmp_path):
        (tmp_path / "a.jsonl").write_text("0\n" * 5000)
        (tmp_path / "program.py").write_text(PROGRAM)
        batch = f'"{sys.executable}" program.py batch wait a.jsonl --log-level error'
        done = subprocess.run(
            ["/bin/bash", "-c", f'{batch} | head -n 2; exit "${{PIPESTATUS[0]}}"'],
            capture_output=True,
            check=False,
            cwd=tmp_path,
        )
        assert (done.returncode, len(parsed(done.stdout)), done.stderr) == (141, 2, b"")

    def test_that_are_slow_hold_the_batch_back(self, started, tmp_path):
        (tmp_path / "a.jsonl").write_text(f"[0, {'1' * 4000}]\n" * 500)
        process = started(
            *("wait", "a.jsonl", "--log-file", "run.log", "--log-level", "error"),
            stdout=subprocess.PIPE,
        )
        first = process.stdout.readline()
        # The pipe holds 64 KiB, about 16 lines, and 64 more may wait for the history; what ends beyond them waits for
        # its turn.
        while (events := (tmp_path / "run.log").read_text()).count('"task.end"') < 15:
            assert process.poll() is None
        assert events.count('"task.start"') < 110
        lines = parsed(first + process.stdout.read())
        assert process.wait() == 0
        assert sorted(line["index"] for line in lines) == list(range(500))

    @pytest.mark.parametrize("history", [True, False])
    def test_get_what_had_ended_when_an_agent_ends_the_program(self, started, tmp_path, history):
        (tmp_path / "a.jsonl").write_text("".join(f"{number}\n" for number in range(40)))
        (tmp_path / "atrio.toml").write_text(f"[monitoring]\nenabled = {json.dumps(history)}\n")
        out, _ = started("leave", "a.jsonl", "--max-concurrent", "1", stdout=subprocess.PIPE).communicate()
        assert [line["index"] for line in parsed(out)] == list(range(30))

    def test_get_lines_that_are_longer_than_a_pipe_is_wide(self, started, tmp_path):
        (tmp_path / "a.jsonl").write_text(f'[0, "{"x" * 300_000}"]\n' * 3)
        process = started("wait", "a.jsonl", "--log-level", "error", stdout=subprocess.PIPE)
        assert [len(line["result"][1]) for line in parsed(process.stdout.read())] == [300_000] * 3

    def test_get_ascii_where_nothing_else_is_understood(self, atrio_process):
        ended = atrio_process("batch", "text-report", stdin='"Déjà vu"'.encode(), PYTHONIOENCODING="ascii")
        assert ended.code == 0
        assert ended.out.isascii()
        assert "Déjà" in json.loads(ended.out)["result"]

    def test_of_a_closed_stdout(self, tmp_path):
        (tmp_path / "a.txt").touch()
        command = f'exec "{sys.executable}" -m atrio batch text-report a.txt >&-'
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, cwd=tmp_path, text=True)
        assert (done.returncode, done.stderr) == (1, "atrio: the results have nowhere to go: stdout is closed.\n")


class TestFullDisks:
    def test_leave_what_others_wrote_behind(self, tmp_path, monkeypatch):
        """Two programs may share a file: what is not the last in it cannot be taken back."""
        with (tmp_path / "out").open("wb") as file:
            lines = _result_lines._DescriptorLines(file.fileno(), "out", ascii_only=True)
            write = os.write

            def half(descriptor, data):
                if len(data) < 4:
                    with (tmp_path / "out").open("ab") as other:
                        other.write(b"more")
                    raise OSError(28, "No space left on device")
                return write(descriptor, data[:2])

            monkeypatch.setattr(_result_lines.os, "write", half)
            with pytest.raises(OSError, match="No space"):
                lines._put(b"half")
        assert (tmp_path / "out").read_bytes() == b"hamore"


class TestInterrupt:
    @pytest.mark.parametrize("output", [(), ("--output", "out")])
    def test_leaves_whole_lines_of_all_that_finished(self, started, tmp_path, output):
        seconds = [0.001 * (index % 7) for index in range(300)] + [60] * 20
        (tmp_path / "a.jsonl").write_text("".join(f"{each}\n" for each in seconds))
        with (tmp_path / "stdout").open("wb") as stdout:
            process = started(
                *("wait", "a.jsonl", "--log-file", "run.log", *output), stdout=stdout, stderr=subprocess.PIPE
            )
            written = tmp_path / ("out" if output else "stdout")
            while not written.exists() or written.read_bytes().count(b"\n") < 150:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            err = process.stderr.read()
        assert process.wait() == 130
        lines = parsed(written.read_bytes())
        (said,) = said_in(err)
        finished, cancelled, waiting = map(int, re.findall(r"(\d+) (?:finished|cancelled|not started)", said))
        assert len({line["index"] for line in lines}) == len(lines) == finished
        assert finished + cancelled + waiting == 320
        events = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
        ends = {event["task_index"]: event["status"] for event in events if event["event"] == "task.end"}
        assert {index for index, status in ends.items() if status == "success"} == {line["index"] for line in lines}
        assert events[-1]["event"] == "batch.end"
        assert events[-1]["status"] == "cancelled"

    def test_twice_quits_at_once(self, started, tmp_path):
        (tmp_path / "a.jsonl").write_text("1\n")
        process = started("deaf", "a.jsonl", "--log-level", "error", stderr=subprocess.PIPE)
        for said in (b"hears\n", b"deaf\n"):
            assert process.stderr.readline() == said
            process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"\natrio: interrupted twice, so it quits at once.\n"
        assert process.wait() == 130

    def test_while_the_first_line_is_waited_for(self, started):
        process = started("wait", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"\n" * 100_000)  # more than a pipe holds, so it is being read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert said_in(process.stderr.read()) == ["atrio: interrupted."]

    def test_while_the_next_line_is_waited_for(self, started):
        process = started("wait", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"0\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["input"] == "-:1"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        (said,) = said_in(process.stderr.read())
        assert said.endswith(" was cancelled: 1 finished, 0 cancelled, the rest of the input not read.")


def test_kill_leaves_whole_lines(started, tmp_path):
    process = started("wait", "-", "--output", "out", "--log-level", "error", stdin=subprocess.PIPE)
    process.stdin.write(b"0\n" * 20_000)
    process.stdin.flush()
    while not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size < 50_000:
        assert process.poll() is None
    process.kill()
    process.wait()
    assert len(parsed((tmp_path / "out").read_bytes())) > 400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from there")
def test_memory_is_flat(started, tmp_path):
    """Five thousand tasks and twenty-five thousand take the same memory, within what noise there is."""
    peaks = []
    # Not from a few on: until its first few thousand objects are freed again, an interpreter grows for itself.
    for count in (5000, 25_000):
        (tmp_path / "a.jsonl").write_text(f'[0, "{"x" * 1000}"]\n' * count)
        process = started(
            *("wait", "a.jsonl", "--log-level", "error"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PEAK": ""},
        )
        assert sum(1 for _ in process.stdout) == count
        peaks.append(int(process.stderr.read()))
        assert process.wait() == 0
    assert peaks[1] - peaks[0] < 6000, "KiB; the inputs of the difference take 20,000"
