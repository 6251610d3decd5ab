"""Processes that are killed: what had ended is in the history, what had not is interrupted, and the next run works."""

import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import datetime

import pytest
from history_cases import double, kept, pipeline_of, run_of

from atrio import observe_only
from atrio.history import History
from atrio.testing import run_in_virtual_time

LONGEST_LOSS_S = 1.0
"""What may be lost that nobody was told: a burst is 0.05 s, and a busy machine lets the thread that writes wait."""

# One process, which imports everything once; it forks each batch before there is any thread, and says when it begins.
BATCHES = """
    import os, sys
    import trio
    from atrio import BatchConfig, BatchProcessor, Pipeline, Stage, observe_only
    from atrio.__main__ import main
    from atrio.history import HistorySink
    from atrio.sinks import JsonLinesSink

    async def wait(value):
        await trio.sleep(0.001 * (value % 7))
        return value

    pipeline = Pipeline("killed").add_stage(Stage("first", wait)).add_stage(Stage("second", wait))

    def of_the_library(path, log, results):
        batch = BatchProcessor(BatchConfig(max_concurrent=8))
        with HistorySink(path, on_problem=sys.exit) as history, JsonLinesSink(log) as lines:
            with observe_only(history, lines):
                trio.run(batch.map, pipeline, range(100_000))

    def of_the_command(path, log, results):
        sys.modules["killed"] = sys.modules["__main__"]
        history = ["--history", path, "--log-file", log, "--output", results, "--log-level", "error"]
        main(["batch", "killed:pipeline", sys.argv[1], "--max-concurrent", "8", *history])

    for line in sys.stdin:
        which, *files = line.split()
        child = os.fork()
        if not child:
            os.close(0)
            globals()[which](*files)
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
"""

# Runs one after the other, each told when the caller has its result.
RUNS = """
    import sys
    import trio
    from atrio import Pipeline, Stage, observe_only
    from atrio.history import HistorySink

    async def echo(value):
        return value

    async def main():
        for number in range(1000):
            await trio.sleep(0.06)
            result = await Pipeline("killed").add_stage(Stage("only", echo)).execute(number)
            print(result.run_id, flush=True)

    with HistorySink(sys.argv[1], on_problem=sys.exit) as history, observe_only(history):
        trio.run(main)
"""


def lines_of(log):
    """Return the lines that are whole: the last one may be half there."""
    data = log.read_bytes() if log.exists() else b""
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def ended_tasks(path, run_id):
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT task_id FROM tasks WHERE run_id = ? AND status != 'running'"
        return {task_id for (task_id,) in connection.execute(query, (run_id,))}


def check_killed(path, log, results):
    """Return how many tasks had ended, and how many of them the history has."""
    lines = lines_of(log)
    if not lines:
        return 0, 0
    run_id = lines[0]["run_id"]
    ended = [line for line in lines if line["event"] == "task.end"]
    found = ended_tasks(path, run_id)
    # What was told is there, to the last line.
    assert {f"{run_id}-{line['index']}" for line in lines_of(results)} <= found
    missing = [line for line in ended if line["task_id"] not in found]
    # Nothing in the middle is lost: only what came last.
    assert missing == ended[len(ended) - len(missing) :]
    if missing:
        first, last = (datetime.fromisoformat(line["timestamp"]) for line in (missing[0], lines[-1]))
        assert (last - first).total_seconds() < LONGEST_LOSS_S
    with History(path) as history:
        if found:
            detail = history.run(run_id)
            assert (detail.run.state, detail.run.duration_s) == ("interrupted", None)
            assert detail.tasks.successful == len(found)
            inside = history.runs(1000, parent=run_id)
            assert {run.state for run in inside} <= {"success", "interrupted"}
            for run in inside[-3:]:
                stages = history.run(run.run_id).stages
                assert all(stage.status in {"success", "interrupted"} for stage in stages)
                assert run.state == "interrupted" or len(stages) == run.successful == 2
    return len(ended), len(found)


@pytest.mark.parametrize(("which", "kills"), [("of_the_library", 15), ("of_the_command", 50)])
def test_batches_that_are_killed_at_random_moments(tmp_path, which, kills):
    if which == "of_the_command":
        pytest.importorskip("cyclopts", reason="the command needs the extra `cli`: there is no cyclopts")
    path = tmp_path / "history.db"
    moments = random.Random(20261122)
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text("".join(f"{number}\n" for number in range(50_000)))
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(BATCHES), inputs]
    all_ended = all_found = all_told = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as batches:
        for number in range(kills):
            log, results = tmp_path / f"log-{number}", tmp_path / f"results-{number}"
            batches.stdin.write(f"{which} {path} {log} {results}\n")
            batches.stdin.flush()
            child = int(batches.stdout.readline())
            # A real process, killed in real time. Some are hardly begun, some have written many bursts.
            select.select([], [], [], moments.uniform(0, 0.3 if number % 5 else 0.9))
            os.kill(child, signal.SIGKILL)
            assert batches.stdout.readline() == "ended\n"
            ended, found = check_killed(path, log, results)
            all_ended, all_found = all_ended + ended, all_found + found
            all_told += len(lines_of(results))
        batches.stdin.close()
    assert all_found > all_ended / 2 > 100
    assert all_told > all_ended / 2 or which == "of_the_library"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # The next one works, and makes what was only seen so far lasting.
    with kept(path) as history, observe_only(history):
        run_in_virtual_time(lambda: pipeline_of(double).execute(1))
    assert run_of(path).run.state == "success"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs WHERE state = 'running'").fetchone() == (0,)


@pytest.mark.parametrize("runs", [1, 4])
def test_a_run_whose_end_was_told_is_there(tmp_path, runs):
    path = tmp_path / "history.db"
    command = [sys.executable, "-c", textwrap.dedent(RUNS), path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline().strip() for _ in range(runs)]
        process.kill()
    with History(path) as history:
        assert [history.run(run_id).run.state for run_id in told] == ["success"] * runs
