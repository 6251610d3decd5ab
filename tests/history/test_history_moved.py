"""Histories that are moved away or removed, and programs that go elsewhere, while something is kept in them."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest
from history_cases import double, kept, pipeline_of, run_of

from atrio import observe_only
from atrio.history import AlertSink, History, HistorySink
from atrio.testing import run_in_virtual_time

# Says what it is told of, keeps a run whenever it reads a line, and says that it is in the file.
KEEPER = """
    import sys
    import trio
    from atrio import Pipeline, Stage, observe_only
    from atrio.history import HistorySink

    async def echo(value):
        return value

    pipeline = Pipeline("theirs").add_stage(Stage("echo", echo))
    with HistorySink(sys.argv[1], on_problem=lambda said: print("said", said)) as history, observe_only(history):
        for line in sys.stdin:
            trio.run(pipeline.execute, 1)
            print(history.flush(), flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".atrio" / "history.db"


@pytest.fixture
def keeper(path):
    """Another process, which keeps a run whenever it is called, and returns the first thing that it says."""
    command = [sys.executable, "-c", textwrap.dedent(KEEPER), path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def keep():
            process.stdin.write("again\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield keep
        process.stdin.close()
        assert process.wait() == 0


def run_once(name="orders"):
    return run_in_virtual_time(lambda: pipeline_of(double, name=name).execute(1))


def names(path):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with History(path) as history:
        assert {run.state for run in history.runs(100)} <= {"success"}
        return sorted(run.name for run in history.runs(100))


def test_another_one_is_begun_and_nothing_of_the_first_is_lost(path, tmp_path):
    sentences = []
    before = tmp_path / "before.db"
    with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
        for _ in range(20):
            run_once("first")
        assert history.flush()
        path.rename(before)
        run_once("second")
        run_once("second")
        assert history.flush()
        assert names(path) == ["second"] * 2
        assert names(before) == ["first"] * 20
    assert sentences == [f"the history {path} was moved or removed: another one is begun there"]


def test_the_folder_is_removed(path):
    with HistorySink(path, on_problem=[].append) as history, observe_only(history):
        run_once("first")
        shutil.rmtree(path.parent)
        run_once("second")
    assert names(path) == ["second"]


@pytest.mark.parametrize("away", ["moved", "removed"])
def test_others_do_not_wait_until_its_process_has_seen_it(path, tmp_path, keeper, away):
    """Nor do they read what that has written beside the file."""
    before = tmp_path / "before.db"
    for _ in range(30):
        assert keeper() == "True"
    if away == "moved":
        path.rename(before)
    else:
        path.unlink()
    with kept(path) as ours, observe_only(ours):
        run_once("ours")
        assert ours.flush()
    assert names(path) == ["ours"]
    # It sees it now, and goes on in the new one.
    assert keeper().startswith("said")
    if away == "moved":
        assert names(before) == ["theirs"] * 30
    with kept(path) as ours, observe_only(ours):
        run_once("ours")
    assert names(path) == ["ours", "ours", "theirs"]


def test_two_in_one_process_do_no_harm_to_each_other(path, tmp_path):
    with HistorySink(path, on_problem=[].append) as ours:
        with observe_only(ours):
            run_once("ours")
        path.rename(tmp_path / "before.db")
        with kept(path) as theirs:
            for each, name in ((theirs, "theirs"), (ours, "ours"), (theirs, "theirs")):
                with observe_only(each):
                    run_once(name)
    assert names(path) == ["ours", "theirs", "theirs"]


def test_a_run_that_goes_on_meanwhile_ends_in_the_new_one(path, tmp_path):
    async def move(value):
        assert history.flush()
        path.rename(tmp_path / "before.db")
        return value

    with HistorySink(path, on_problem=[].append) as history, observe_only(history):
        run_in_virtual_time(lambda: pipeline_of(double, move, double).execute(1))
    detail = run_of(path)
    assert detail.run.state == "success"
    assert [stage.index for stage in detail.stages] == [1, 2]


def test_what_prevents_the_new_one_may_pass(path, tmp_path, monkeypatch):
    """In between there is no file, and nothing to be written either."""
    for name in ("HEARTBEAT_S", "_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(f"atrio.history._writer.{name}", 0.001)
    sentences = []
    with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
        run_once("first")
        path.parent.rename(tmp_path / "before")
        path.parent.write_text("in the way")
        while history._writer._connection is not None:
            pass
        run_once("second")
        assert not history.flush()
        path.parent.unlink()
        while not history.flush():
            pass
    assert names(path) == ["second"]
    assert names(tmp_path / "before" / path.name) == ["first"]


def test_a_program_that_changes_its_directory(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)

    async def leave(value):
        os.chdir(elsewhere)
        return value

    with kept("history.db") as history, AlertSink(history) as alerts, observe_only(history, alerts):
        run_in_virtual_time(lambda: pipeline_of(leave).execute(1))
        run_once()
    assert names(tmp_path / "history.db") == ["orders", "orders"]
    assert list(elsewhere.iterdir()) == []
