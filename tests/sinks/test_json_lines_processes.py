"""Several processes and one file: rotated, compressed and killed, it keeps all that was emitted."""

import gzip
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from line_cases import checked, lines_in, stage_end

from atrio import events
from atrio.sinks import JsonLinesSink

WRITER = """
    import sys
    sys.path.insert(0, sys.argv[2])
    from line_cases import pipeline_end, pipeline_start, stage_end
    from atrio.sinks import JsonLinesSink

    number, runs = int(sys.argv[3]), int(sys.argv[4])
    with JsonLinesSink(sys.argv[1]) as log:
        for run in range(runs):
            if number:
                assert sys.stdin.read(1)  # the next run may begin
            run_id = f"{number:016x}{run:016x}"
            log(pipeline_start(run_id=run_id))
            for attempt in range(18):
                log(stage_end(run_id=run_id, attempts=attempt, error_message="m" * 100 * attempt))
            log(pipeline_end(run_id=run_id))
            # What is told here was emitted before.
            sys.stdout.write("x")
            sys.stdout.flush()
    assert log.dropped == 0
"""
LINES_OF_A_RUN = 20
RUNS = 60


@pytest.fixture
def writers(tmp_path):
    """Start four processes that write to one file; the first goes on until it is killed."""
    here = Path(__file__).parent
    started = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), tmp_path / "app.jsonl", here, str(number), str(runs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        for number, runs in enumerate((10**6, RUNS, RUNS, RUNS))
    ]
    yield started
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize("compressed", [False, True])
def test_four_writers_four_rotations_and_a_kill(writers, tmp_path, compressed):
    path = tmp_path / "app.jsonl"
    killed, *survivors = writers
    told = 0
    for number in range(4):
        # Each is somewhere in its runs of this round, and has another round to come. Whatever it wrote to before the
        # file was renamed last, it has written to another since.
        let_run(survivors, RUNS // 5)
        for process in survivors:
            runs = RUNS // 5 if number else RUNS // 10
            hear_of(process, runs, most=runs)
        told += hear_of(killed, 1) + hear_of(killed, 2)
        while not path.exists():
            assert killed.poll() is None
        path.rename(tmp_path / f"app.jsonl.{number}")
        if compressed and number:
            # As delaycompress: not the one that was renamed a moment ago.
            compress(tmp_path / f"app.jsonl.{number - 1}")
    killed.send_signal(signal.SIGKILL)
    told += len(killed.stdout.read())
    assert killed.wait() == -signal.SIGKILL
    let_run(survivors, RUNS // 5)
    for process in survivors:
        process.stdout.read()
        assert process.wait() == 0

    seqs = {}
    for line in all_lines(tmp_path):
        seqs.setdefault(line["run_id"], []).append(line["seq"])
    by_process = {number: [run for run in seqs if int(run[:16], 16) == number] for number in range(4)}
    for number in (1, 2, 3):
        assert len(by_process[number]) == RUNS
        assert all(sorted(seqs[run]) == list(range(LINES_OF_A_RUN)) for run in by_process[number])
    whole = [run for run in by_process[0] if sorted(seqs[run]) == list(range(LINES_OF_A_RUN))]
    assert told > 0
    assert len(whole) >= told
    # Of the run that it was in, the lines are there up to where it came.
    assert all(sorted(seqs[run]) == list(range(len(seqs[run]))) for run in by_process[0])
    assert len(by_process[0]) <= len(whole) + 1


def let_run(processes, runs):
    for process in processes:
        process.stdin.write(b"x" * runs)
        process.stdin.flush()


def hear_of(process, least, most=1 << 16):
    """Take what `process` has told by now, and wait for `least`; return of how many runs it was, `most` at most."""
    heard = 0
    while heard < least:
        told = os.read(process.stdout.fileno(), most - heard)
        assert told
        heard += len(told)
    return heard


def compress(path):
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def all_lines(folder):
    for path in folder.iterdir():
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert data.endswith(b"\n")
        yield from map(checked, data.split(b"\n")[:-1])


def forked(child):
    """Call `child` in a fork of this process, and return its exit code."""
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child's coverage is not its parent's
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
class TestAFork:
    def test_writes_as_a_process_of_its_own(self, tmp_path):
        breaker = events.BreakerClosed(None, None, None, None, stage_end().timestamp, "api", 2.0)
        path = tmp_path / "app.jsonl"
        with JsonLinesSink(path) as log:
            log(breaker)
            assert forked(lambda: log(breaker)) == 0
            log(breaker)
        lines = lines_in(path)
        assert [line["seq"] for line in lines] == [0, 0, 1]
        assert len({line["pid"] for line in lines}) == 2
        assert lines[0]["pid"] == lines[2]["pid"] == os.getpid()

    def test_does_not_wait_for_a_lock_that_it_has_not(self, tmp_path):
        def child():
            signal.alarm(20)
            log(stage_end())

        with JsonLinesSink(tmp_path / "app.jsonl") as log, log._lock:
            code = forked(child)
        assert code == 0
        assert len(lines_in(tmp_path / "app.jsonl")) == 1

    def test_does_not_tell_of_what_its_parent_lost(self, tmp_path):
        with JsonLinesSink("/dev/full") as log:
            log(stage_end())
            assert forked(lambda: log.dropped and os._exit(3)) == 0
            assert log.dropped == 1
