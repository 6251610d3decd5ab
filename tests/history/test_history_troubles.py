"""What happens while a history cannot be written, and what is there of it when it can be again."""

import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
import trio
from history_cases import batches, double, fail_with, kept, pipeline_of, run_of, run_once, run_with, states

from atrio import StageConfig, observe_only
from atrio.history import History, HistorySink
from atrio.history import _writer as module
from atrio.testing import fixed_stamps, run_in_virtual_time


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".atrio" / "history.db"


PATIENT = StageConfig(attempts=1, timeout=None)


@pytest.fixture
def impatient(monkeypatch):
    """Wait for other processes, and between tries, for a moment only; and say at once what is wrong."""
    for name in ("_BUSY_S", "_BUSY_SHORT_S", "_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(module, "_PATIENT_S", 0.0)


@contextmanager
def locked(path):
    """Hold the lock that another process would hold which writes for long."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


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

    def test_locked_from_the_begin_to_the_end(self, path, impatient, monkeypatch):
        monkeypatch.setattr(module, "_PATIENT_S", 60.0)
        run_with(kept(path))
        sentences = []
        with locked(path):
            with HistorySink(path, on_problem=sentences.append):
                pass
            assert sentences == []  # nothing was to be kept
            run_with(HistorySink(path, on_problem=sentences.append))
        [sentence] = sentences
        assert sentence.endswith("another process has locked it; 4 of the events could not be kept")

    def test_a_disk_that_is_full_when_it_is_opened(self, path, impatient, monkeypatch):
        def fail(_):
            monkeypatch.undo()
            raise failure

        failure = sqlite3.OperationalError("database or disk is full")
        failure.sqlite_errorcode = sqlite3.SQLITE_FULL
        monkeypatch.setattr(module, "register", fail)
        with kept(path) as history, observe_only(history):
            run_once()
            while not history.flush():
                pass
        assert states(path) == ["success"]

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
                nursery.start_soon(pipeline_of(trio.sleep, name="running").execute, 1)
                await trio.sleep(0.5)
                assert history.flush()
                await batches().map(double, range(1), name="later")
                assert history.flush()
                seen.update(named(path))

        seen = {}
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_in_virtual_time(main)
        assert seen["lost"] == "interrupted"
        assert (seen["later"], seen["running"]) == ("success", "running")
        assert named(path)["long"] == "success"
        waits, lost, at_the_end = sentences
        assert waits.endswith("what happens waits in memory until it can be written")
        assert lost.endswith("another process has locked it; events are lost until it can be written")
        assert at_the_end.startswith(f"the history {path} could not be used for a while; ")

    def test_what_threads_bring_while_much_is_lost_is_counted_once(self, path):
        """Each loses all that waits, and adds to it, whatever the others do just then."""
        writer = module.Writer(path, 0)
        failures = []

        def bring():
            try:
                for _ in range(50_000):
                    writer.queue.append(object())
                    if len(writer.queue) > 400:
                        writer.lose_all()
            except RuntimeError as error:
                failures.append(error)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            threads = [threading.Thread(target=bring) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert failures == []
        assert writer._lost + len(writer.queue) == 200_000

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


def test_of_texts_that_wait_no_more_is_held_than_is_kept(path, impatient):
    async def fail(value):
        raise ValueError("x" * 1_000_000)

    with HistorySink(path, on_problem=[].append) as history, observe_only(history):
        run_once()
        with locked(path):
            run_in_virtual_time(lambda: batches().map(fail, range(20)))
            waiting = [event for event in history._writer.queue.copy() if getattr(event, "error_message", None)]
            assert all(len(event.error_message) + len(event.error_stack or "") <= 12_000 for event in waiting)
    assert run_of(path).tasks.failed == 20
    assert "…" in run_of(path).tasks.failures[0].error_message


def test_ends_wait_once_for_a_file_that_is_slow(path, monkeypatch):
    waits = 0
    wait = HistorySink._wait_until_written

    def count(history, patience_s):
        nonlocal waits
        waits += 1
        return wait(history, patience_s)

    monkeypatch.setattr(HistorySink, "_wait_until_written", count)
    monkeypatch.setattr("atrio.history.writing.BURST_S", 0.0)
    with kept(path) as history, observe_only(history):
        with locked(path):
            for _ in range(10):
                run_once()
        assert waits == 1
        assert history.flush()
        run_once()
        assert waits == 2


def test_what_runs_is_there_soon(path):
    """Whoever looks from outside does not wait for the end."""
    with kept(path) as history, observe_only(history):

        async def look(value):
            while states(path) != ["running"]:  # well before the sink has anything else to do
                await trio.lowlevel.checkpoint()
            return value

        with history_is_idle(history):
            assert run_in_virtual_time(lambda: pipeline_of(look, config=PATIENT).execute(3)).output == 3


@contextmanager
def history_is_idle(history):
    while not history._writer.is_idle:
        pass
    yield


def test_a_program_that_ends_without_closing_it_has_kept_all(path):
    program = """
        import sys
        import trio
        from atrio import Pipeline, Stage, observe_only
        from atrio.history import HistorySink

        async def echo(value):
            return value

        history = HistorySink(sys.argv[1]).__enter__()
        with observe_only(history):
            for each in range(5):
                trio.run(Pipeline("echo").add_stage(Stage("echo", echo)).execute, each)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), path], check=True, timeout=60)
    assert states(path) == ["success"] * 5


def test_what_becomes_too_old_while_it_is_open_goes_too(path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.001)
    monkeypatch.setattr(module, "_PURGE_EVERY_S", 0.0)
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    with kept(path, retention_days=1) as history, observe_only(history):
        with fixed_stamps(long_ago):
            run_once()
        run_once()
        while len(states(path)) > 1:
            pass
    assert len(states(path)) == 1
