"""What happens where a history cannot be written: for good, for a while, or no longer there."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import warnings
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trio
from history_cases import batches, double, fail_with, kept, pipeline_of, run_of

from atrio import AtrioError, SinkWarning, observe_only
from atrio.history import History, HistoryError, HistorySink, alerts_in
from atrio.history import _writer as module
from atrio.history.schema import VERSION
from atrio.testing import run_in_virtual_time


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".atrio" / "history.db"


@pytest.fixture
def impatient(monkeypatch):
    """Wait for other processes, and between tries, for a moment only; and say at once what is wrong."""
    for name in ("_BUSY_S", "_BUSY_SHORT_S", "_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(module, "_PATIENT_S", 0.0)


def run_once():
    return run_in_virtual_time(lambda: pipeline_of(double).execute(1))


def run_with(history, runs=1):
    with history, observe_only(history):
        for _ in range(runs):
            run_once()


def states(path):
    with History(path) as history:
        return [run.state for run in history.runs(100)]


@contextmanager
def locked(path):
    """Hold the lock that another process would hold which writes for long."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def newer(path):
    with kept(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def damaged(path):
    run_with(kept(path), runs=3)
    content = bytearray(path.read_bytes())
    content[150 : len(content) // 2] = b"\xff" * (len(content) // 2 - 150)
    path.write_bytes(content)


def other(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE shop (name TEXT)")


BAD_FILES = {
    "is damaged": damaged,
    "not a database": lambda path: path.write_bytes(b"This is a letter, and no database. " * 40),
    "made by a newer atrio": newer,
    "is not a history, but a database of something else": other,
    "which is a folder": Path.mkdir,
}


class TestForGood:
    @pytest.mark.parametrize("said", BAD_FILES)
    def test_a_file_that_is_none_is_told_once_and_left_alone(self, tmp_path, said):
        path = tmp_path / "history.db"
        BAD_FILES[said](path)
        before = path.read_bytes() if path.is_file() else None
        sentences = []
        run_with(HistorySink(path, on_problem=sentences.append), runs=2)
        [sentence] = sentences
        assert said in sentence
        assert str(path) in sentence
        assert sentence.endswith("; nothing more is kept")
        assert "\n" not in sentence
        assert before == (path.read_bytes() if path.is_file() else None)
        with pytest.raises(HistoryError, match=said) as caught:
            states(path)
        assert isinstance(caught.value, AtrioError)

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        sentences = []
        run_with(HistorySink(tmp_path / "file" / "history.db", on_problem=sentences.append))
        [sentence] = sentences
        assert sentence.endswith("; nothing more is kept")

    @pytest.mark.parametrize("name", ["x" * 300, "pipe"])
    def test_names_that_no_file_has(self, tmp_path, name):
        path = tmp_path / name
        if name == "pipe":
            os.mkfifo(path)
        sentences = []
        run_with(HistorySink(path, on_problem=sentences.append))
        [sentence] = sentences
        assert sentence.endswith("; nothing more is kept")
        for reading in (History, alerts_in):
            with pytest.raises(HistoryError, match=r"too long|no regular file"):
                reading(path)

    def test_by_default_a_warning_says_it(self, tmp_path):
        with pytest.warns(SinkWarning, match="which is a folder"):
            run_with(HistorySink(tmp_path))

    def test_warnings_that_are_errors_do_not_change_a_run(self, tmp_path, monkeypatch):
        shown = []
        monkeypatch.setattr(warnings, "showwarning", lambda warning, *_: shown.append(str(warning)))
        run_with(HistorySink(tmp_path))  # the suite makes them errors
        assert len(shown) == 1
        assert "which is a folder" in shown[0]

    def test_one_that_becomes_another_database_while_it_is_kept(self, path):
        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_once()
            path.unlink()
            other(path)
            before = path.read_bytes()
            assert run_once().output == 2
            assert not history.flush()
            run_once()
        moved, for_good = sentences
        assert "was moved or removed" in moved
        assert for_good.endswith("but a database of something else: name another file; nothing more is kept")
        assert path.read_bytes() == before

    def test_what_nobody_thought_of_is_told_too(self, path, monkeypatch):
        def fail(*_):
            raise RuntimeError("no such luck")

        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            monkeypatch.setattr(module.Burst, "write", fail)
            assert run_once().output == 2
        assert sentences == [f"the history {path} cannot be used: RuntimeError: no such luck; nothing more is kept"]

    def test_a_file_that_may_only_be_read(self):
        program = """
            import os, sys
            import trio
            from atrio import Pipeline, Stage, observe_only
            from atrio.history import History, HistorySink

            async def echo(value):
                return value

            pipeline = Pipeline("echo").add_stage(Stage("echo", echo))
            with HistorySink(sys.argv[1]) as history, observe_only(history):
                trio.run(pipeline.execute, 1)
            os.chmod(sys.argv[1], 0o444)
            os.chmod(os.path.dirname(sys.argv[1]), 0o555)
            if os.geteuid() == 0:
                os.seteuid(65534)
            with HistorySink(sys.argv[1], on_problem=print) as history, observe_only(history):
                assert trio.run(pipeline.execute, 2).output == 2
            with History(sys.argv[1]) as history:
                print([run.state for run in history.runs()])
            os.seteuid(os.getuid())  # for what is written at the end, as by coverage
        """
        # Not in pytest's own folder, which another user cannot enter.
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "kept")
            folder.parent.chmod(0o755)
            command = [sys.executable, "-c", textwrap.dedent(program), folder / "history.db"]
            said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            folder.chmod(0o755)
        assert said.stderr == ""
        sentence, shown = said.stdout.splitlines()
        assert "it may only be read; nothing more is kept" in sentence
        assert shown == "['success']"

    def test_a_folder_that_may_not_be_entered(self):
        """From the begin, and from the middle on, when what is open already is still written."""
        program = """
            import encodings.ascii  # who may not enter Python's own folders cannot import later
            import os, sys
            import trio
            from atrio import Pipeline, Stage, observe_only
            from atrio.history import AlertSink, History, HistoryError, HistorySink

            async def echo(value):
                return value

            folder = os.path.dirname(sys.argv[1])
            pipeline = Pipeline("echo").add_stage(Stage("echo", echo))
            if os.geteuid() == 0:
                os.seteuid(65534)
            os.mkdir(folder)
            for _ in range(2):
                with HistorySink(sys.argv[1], on_problem=print) as history, AlertSink(history) as alerts:
                    with observe_only(history, alerts):
                        trio.run(pipeline.execute, 1)
                        os.chmod(folder, 0)
                        assert trio.run(pipeline.execute, 2).output == 2
            try:
                History(sys.argv[1])
            except HistoryError as error:
                print(error)
            os.chmod(folder, 0o700)
            with History(sys.argv[1]) as history:
                print([run.state for run in history.runs()])
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "kept")
            folder.parent.chmod(0o777)
            command = [sys.executable, "-c", textwrap.dedent(program), folder / "history.db"]
            said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert said.stderr == "", said.stderr
        sentence, reading, shown = said.stdout.splitlines()
        assert sentence.endswith("Permission denied; nothing more is kept")
        assert reading.endswith("Permission denied")
        assert shown == "['success', 'success']"


class TestForAWhile:
    def test_locked_for_a_moment(self, path):
        """Nothing is lost, and the run that ended waits for a quarter of a second at most."""
        with kept(path) as history, observe_only(history):
            with locked(path) as connection:
                run_once()
                connection.execute("ROLLBACK")
            assert history.flush()
            assert states(path) == ["success"]

    def test_locked_for_long(self, path, impatient):
        """What ran meanwhile is there when the lock has gone; it is told once that it waits."""
        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_once()
            with locked(path):
                for _ in range(3):
                    assert run_once().output == 2
                    assert not history.flush()
            run_once()
            assert history.flush()
            assert states(path) == ["success"] * 5
        [sentence] = sentences
        assert sentence.startswith(f"the history {path} cannot be used: another process has locked it; ")
        assert sentence.endswith("what happens waits in memory until it can be written")

    def test_locked_to_the_end(self, path, impatient, monkeypatch):
        monkeypatch.setattr(module, "_PATIENT_S", 60.0)
        run_with(kept(path))
        sentences = []
        history = HistorySink(path, on_problem=sentences.append)
        with history, observe_only(history), locked(path):
            run_once()
            history.close()
        # Nothing was said before: it was all over too soon.
        assert sentences == [
            f"the history {path} cannot be used: another process has locked it; 4 of the events could not be kept"
        ]
        run_with(kept(path))
        assert states(path) == ["success"] * 2

    def test_locked_at_the_opening(self, path, impatient):
        run_with(kept(path))
        sentences = []
        with locked(path) as connection:
            history = HistorySink(path, on_problem=sentences.append)
            with history, observe_only(history):
                run_once()
                assert not history.flush()
                connection.execute("ROLLBACK")
                assert run_once().output == 2
        assert states(path) == ["success"] * 3
        assert all("waits in memory" in sentence for sentence in sentences)

    def test_an_end_is_not_waited_for_while_nothing_can_be_written(self, path, impatient):
        """Nor is a mark: it says at once that nothing is safe."""
        with HistorySink(path, on_problem=[].append) as history, observe_only(history):
            run_once()
            with locked(path):
                run_once()
                assert not history.flush()
                mark = history.mark()
                assert (mark.is_settled, mark.is_kept) == (True, False)
            assert history.flush()
            later = history.mark()
            assert history.flush()
            assert (later.is_settled, later.is_kept) == (True, True)

    @pytest.mark.parametrize("limit", [1000, 200_000])
    def test_a_disk_that_takes_no_more(self, path, limit):
        """A limit of the system on the size of files, at the opening and in the middle; then it is lifted."""
        program = """
            import resource, signal, sys
            import trio
            from atrio import Pipeline, Stage, observe_only
            from atrio.history import HistorySink

            async def echo(value):
                return value

            pipeline = Pipeline("echo").add_stage(Stage("echo", echo))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
            with HistorySink(sys.argv[1], on_problem=print) as history, observe_only(history):
                for each in range(1000):
                    assert trio.run(pipeline.execute, each).output == each
                assert not history.flush()
                if len(sys.argv) > 3:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                    assert history.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            with HistorySink(sys.argv[1], on_problem=print) as history, observe_only(history):
                trio.run(pipeline.execute, 0)
        """
        for lifted in ((), ("lifted",)):
            file = path.with_name("-".join(("history", *lifted)))
            command = [sys.executable, "-c", textwrap.dedent(program), file, str(limit), *lifted]
            said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
            assert said.stderr == ""
            if lifted:
                assert said.stdout == ""
                with closing(sqlite3.connect(file)) as connection:
                    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1001,)
            else:
                [sentence] = said.stdout.splitlines()
                assert sentence.startswith(f"the history {file} cannot be used: ")
                assert sentence.endswith(" of the events could not be kept")
            assert set(states(file)) == {"success"}

    def test_more_than_may_wait_is_lost_and_told(self, path, impatient, monkeypatch):
        """What was running is interrupted then, unless its end is told; what comes later is kept."""
        monkeypatch.setattr("atrio.history.writing.TOO_MANY", 40)
        monkeypatch.setattr("atrio.history.writing._MANY", 20)
        sentences = []

        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline_of(trio.sleep, name="long").execute, 20)
                nursery.start_soon(pipeline_of(trio.sleep, name="lost").execute, 1)
                await trio.sleep(0.5)
                assert history.flush()
                with locked(path):
                    await pipeline_of(double, name="first").execute(1)
                    assert not history.flush()
                    await batches().map(double, range(100))
                assert history.flush()
                await batches().map(double, range(3), name="later")
                assert history.flush()
                seen.update(named(path))

        seen = {}
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_in_virtual_time(main)
        assert seen["lost"] == "interrupted"
        assert seen["later"] == "success"
        assert named(path)["long"] == "success"
        waits, lost, at_the_end = sentences
        assert waits.endswith("what happens waits in memory until it can be written")
        assert lost.endswith("another process has locked it; events are lost until it can be written")
        assert at_the_end.startswith(f"the history {path} could not be used for a while; ")

    def test_a_write_that_fails_in_the_middle_is_made_again_whole(self, path, impatient, monkeypatch):
        left = 3
        insert = module.Burst.write

        def fail(burst, connection, process):
            nonlocal left
            insert(burst, connection, process)
            if left:
                left -= 1
                raise failure

        failure = sqlite3.OperationalError("disk I/O error")
        failure.sqlite_errorcode = sqlite3.SQLITE_IOERR
        monkeypatch.setattr(module.Burst, "write", fail)
        with HistorySink(path, on_problem=[].append) as history, observe_only(history):
            run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(5)))
            while not history.flush():
                assert left >= 0
        assert left == 0
        detail = run_of(path)
        assert (detail.run.state, detail.tasks.successful) == ("success", 5)

    def test_what_ran_when_it_could_not_be_written_any_more_is_marked_on_closing(self, path, impatient, monkeypatch):
        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline_of(trio.sleep).execute, 1)
                await trio.sleep(0.5)
                assert history.flush()
                monkeypatch.setattr(module.Burst, "write", fail)

        failure = sqlite3.OperationalError("database or disk is full")
        failure.sqlite_errorcode = sqlite3.SQLITE_FULL

        def fail(*_):
            raise failure

        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_in_virtual_time(main)
        assert sentences[-1].startswith(f"the history {path} cannot be used: the disk is full; ")
        with closing(sqlite3.connect(path)) as connection:  # for good
            assert connection.execute("SELECT state FROM runs").fetchall() == [("interrupted",)]


def named(path):
    with History(path) as history:
        return {run.name: run.state for run in history.runs()}


class TestMovedAway:
    def test_another_one_is_begun(self, path, tmp_path):
        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_once()
            path.rename(tmp_path / "before.db")
            run_once()
            run_once()
            assert history.flush()
            assert states(path) == ["success"] * 2
        assert sentences == [f"the history {path} was moved or removed: another one is begun there"]
        assert states(path) == ["success"] * 2

    def test_the_folder_is_removed(self, path):
        with HistorySink(path, on_problem=[].append) as history, observe_only(history):
            run_once()
            shutil.rmtree(path.parent)
            run_once()
        assert states(path) == ["success"]

    def test_another_process_has_begun_it_meanwhile(self, path, tmp_path):
        """Closing the old one harms nothing of what is there now, in whatever order."""
        with HistorySink(path, on_problem=[].append) as ours, kept(tmp_path / "other.db"):
            with observe_only(ours):
                run_once()
            path.rename(tmp_path / "before.db")
            with kept(path) as theirs:
                with observe_only(theirs):
                    run_once()
                with observe_only(ours):
                    run_once()
                with observe_only(theirs):
                    run_once()
        assert states(path) == ["success"] * 3
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def test_a_run_that_goes_on_meanwhile_ends_in_the_new_one(self, path, tmp_path):
        async def move(value):
            assert history.flush()
            path.rename(tmp_path / "before.db")
            return value

        with HistorySink(path, on_problem=[].append) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double, move, double).execute(1))
        detail = run_of(path)
        assert detail.run.state == "success"
        assert [stage.index for stage in detail.stages] == [1, 2]


def test_whoever_brings_too_much_waits_a_moment_for_each(path, monkeypatch):
    """Where tasks never wait, the thread gets too little of the time: what waits must not grow for ever."""
    monkeypatch.setattr("atrio.history.writing._MANY", 50)
    longest = 0
    with HistorySink(path, on_problem=fail_with) as history:

        def listen(event):
            nonlocal longest
            history(event)
            longest = max(longest, len(history._writer.queue))

        with observe_only(listen):
            run_in_virtual_time(lambda: batches().map(at_once, range(2000)))
    assert longest <= 51
    assert run_of(path).tasks.successful == 2000


async def at_once(value):
    return value
