"""What a history keeps, when it is in the file, and what happens where it cannot be kept."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import warnings
from contextlib import closing
from pathlib import Path

import pytest
import trio
from history_cases import ONCE, batches, double, fail_with, flaky, kept, pipeline_of, run_of

from atrio import AtrioError, CircuitBreaker, Pipeline, SinkWarning, Stage, observe, observe_only
from atrio.events import BreakerOpened, PipelineEnd, PipelineStart, StageEnd, StageStart, TaskStart
from atrio.history import History, HistoryError, HistorySink
from atrio.history import writing as module
from atrio.history.schema import VERSION
from atrio.sinks import Redacted
from atrio.testing import capture_events, fixed_stamps, run_in_virtual_time


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".atrio" / "history.db"


def count(path, table):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours


class TestWhatIsKept:
    def test_a_folder_that_is_not_there_is_made(self, path):
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        assert run_of(path).run.state == "success"

    def test_the_end_of_a_run_is_in_the_file_before_the_run_goes_on(self, path):
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double, double).execute(1))
            detail = run_of(path)
        assert (detail.run.state, len(detail.stages)) == ("success", 2)

    def test_a_run_and_a_stage_that_are_running_are_seen(self, path):
        seen = []

        async def look(value):
            assert history.flush()
            seen.append(run_of(path))
            return value

        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double, look).execute(1))
        [detail] = seen
        assert (detail.run.state, detail.run.duration_s, detail.run.pid) == ("running", None, os.getpid())
        assert [stage.status for stage in detail.stages] == ["success", "running"]
        assert (detail.stages[1].attempts, detail.stages[1].duration_s) == (1, None)

    def test_a_batch_that_runs_counts_what_has_ended(self, path):
        seen = []

        async def look(value):
            if value == 15:
                assert history.flush()
                seen.append(run_of(path))
            return value

        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: batches(max_concurrent=1).map(look, range(20)))
        [detail] = seen
        assert (detail.tasks.successful, detail.tasks.running, detail.run.total) == (15, 1, 20)
        assert detail.run.successful == 15

    def test_breakers_and_calls_of_models_are_kept(self, path):
        breaker = CircuitBreaker("shop", failure_threshold=1)

        async def main():
            await pipeline_of(breaker.guard(flaky(9))).execute(1)

        with kept(path) as history, observe_only(history), capture_events() as events:
            run_in_virtual_time(main)
        [opened] = events.of(BreakerOpened)
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT breaker, state, failures, recovery_timeout_s FROM breakers").fetchall()
        assert rows == [("shop", "opened", opened.failures, opened.recovery_timeout_s)]

    def test_secrets_are_not_there(self, path):
        async def leak(value):
            raise ConnectionError("401 for key=sk-4f9a-17c2")

        with kept(path) as history, observe_only(Redacted(history, ["sk-4f9a-17c2"])):
            run_in_virtual_time(lambda: pipeline_of(leak).execute(1))
        assert run_of(path).stages[0].error_message == "401 for key=***"
        assert not any(b"sk-4f9a" in file.read_bytes() for file in path.parent.iterdir())

    @pytest.mark.parametrize(
        "text",
        ["<script>alert('x')</script>", "a\0b\x1b[31mred", "\u202ekcatta", "'; DROP TABLE runs; --", "%s {0} \\u0041"],
    )
    def test_hostile_texts_come_back_as_they_were(self, path, text):
        async def fail(value):
            raise ValueError(text)

        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: Pipeline(f"p{text}").add_stage(Stage(f"s{text}", fail, config=ONCE)).execute(1))
        detail = run_of(path)
        assert (detail.run.name, detail.run.error_message) == (f"p{text}", text)
        assert (detail.stages[0].stage_id, detail.stages[0].error_message) == (f"s{text}", text)

    def test_a_text_that_is_too_long_is_cut_in_the_middle(self, path):
        async def fail(value):
            raise ValueError("a" * 500_000 + "b" * 500_000)

        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(fail).execute(1))
        [stage] = run_of(path).stages
        assert 3_900 < len(stage.error_message) <= 4_000
        assert (stage.error_message[0], stage.error_message[-1]) == ("a", "b")
        assert "…" in stage.error_message
        assert len(stage.error_stack) <= 8_000

    def test_what_no_database_holds_is_made_so(self, path):
        """Surrogates, numbers beyond 64 bits, objects that are none of ours."""

        class Odd:
            def __repr__(self):
                raise RuntimeError

        with capture_events() as events:
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        [end] = events.of(StageEnd)
        odd = {"input_size": 10**30, "output_size": -(10**30), "agent_id": Odd(), "error_message": "\ud800"}
        kind = type(end)
        with kept(path) as history:
            for event in events:
                history(event if event is not end else kind(**{**end.__dict__, **odd, "duration_s": float("nan")}))
        [stage] = run_of(path).stages
        assert (stage.input_size, stage.output_size) == (2**63 - 1, -(2**63) + 1)
        assert (stage.agent_id, stage.error_message) == ("<Odd, whose repr() raises>", "\\ud800")
        assert stage.duration_s == 0

    def test_an_end_without_its_begin_is_kept(self, path):
        """As of a run that had begun when the sink began to listen."""
        with capture_events() as events:
            run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(2)))
        begins = {PipelineStart, StageStart, TaskStart}
        with kept(path) as history:
            for event in events:
                if type(event) not in begins:
                    history(event)
        batch = run_of(path)
        [inner, _] = batch.inside
        assert (batch.run.successful, inner.state, inner.total) == (2, "success", None)
        assert (inner.duration_s, inner.parent_run_id) == (0.25, batch.run.run_id)
        # Reckoned from its end.
        assert inner.started_at < events.of(PipelineEnd)[0].timestamp


class TestThreadsAndProcesses:
    def test_several_loops_share_a_sink(self, path):
        def run():
            with observe_only(history):
                trio.run(lambda: batches().map(pipeline_of(echo), range(50)))

        async def echo(value):
            return value

        with kept(path) as history:
            threads = [threading.Thread(target=run) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with History(path) as read:
            assert [run.successful for run in read.runs()] == [50] * 4
        assert (count(path, "runs"), count(path, "stages"), count(path, "tasks")) == (204, 200, 200)

    def test_several_processes_share_a_file(self, path):
        program = """
            import sys
            import trio
            from atrio import BatchProcessor, observe_only
            from atrio.history import HistorySink

            async def echo(value):
                return value

            def fail(sentence):
                sys.exit(sentence)

            with HistorySink(sys.argv[1], on_problem=fail) as history, observe_only(history):
                for _ in range(20):
                    trio.run(BatchProcessor().map, echo, range(20))
        """
        command = [sys.executable, "-c", textwrap.dedent(program), path]
        started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
        assert [(process.communicate()[1], process.returncode) for process in started] == [(b"", 0)] * 3
        with History(path) as history:
            runs = history.runs(100)
        assert [run.successful for run in runs] == [20] * 60
        assert len({run.pid for run in runs}) == 3

    def test_a_child_that_was_forked_keeps_nothing_and_harms_nothing(self, path):
        program = """
            import os, sys
            import trio
            from atrio import Pipeline, Stage, observe_only
            from atrio.history import HistorySink

            async def echo(value):
                return value

            pipeline = Pipeline("echo").add_stage(Stage("echo", echo))
            with HistorySink(sys.argv[1], on_problem=sys.exit) as history, observe_only(history):
                trio.run(pipeline.execute, 1)
                child = os.fork()
                trio.run(pipeline.execute, 2)
                if child:
                    assert os.waitpid(child, 0)[1] == 0
                    trio.run(pipeline.execute, 3)
        """
        # A fork beside a thread is warned of from Python 3.12 on, and is what this is about.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program), path]
        subprocess.run(command, check=True, timeout=60)
        with History(path) as history:
            assert [run.state for run in history.runs()] == ["success"] * 3


class TestMisuse:
    def test_a_sink_that_was_never_entered_says_so(self, path):
        history = HistorySink(path)
        with observe(history), pytest.warns(SinkWarning, match=r"with HistorySink\(path\) as history"):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        assert not path.exists()

    def test_it_is_entered_once(self, path):
        with kept(path) as history, pytest.raises(RuntimeError, match="entered once"):
            history.__enter__()

    def test_what_comes_after_closing_is_not_kept(self, path):
        with kept(path) as history:
            pass
        with observe(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        assert not history.flush()
        assert count(path, "runs") == 0
        history.close()

    @pytest.mark.parametrize(("days", "error"), [(0, ValueError), (-1, ValueError), ("7", TypeError)])
    def test_days_that_are_none(self, path, days, error):
        with pytest.raises(error, match="retention_days"):
            HistorySink(path, retention_days=days)


def run_with(history, runs=1):
    with history, observe_only(history):
        for _ in range(runs):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))


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


class TestWhereItCannotBeKept:
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
            read(path)
        assert isinstance(caught.value, AtrioError)

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        sentences = []
        run_with(HistorySink(tmp_path / "file" / "history.db", on_problem=sentences.append))
        assert len(sentences) == 1
        assert "Not a directory" in sentences[0] or "File exists" in sentences[0]

    def test_by_default_a_warning_says_it(self, tmp_path):
        with pytest.warns(SinkWarning, match="which is a folder"):
            run_with(HistorySink(tmp_path))

    def test_warnings_that_are_errors_do_not_change_a_run(self, tmp_path, monkeypatch):
        shown = []
        monkeypatch.setattr(warnings, "showwarning", lambda warning, *_: shown.append(str(warning)))
        run_with(HistorySink(tmp_path))  # the suite makes them errors
        assert len(shown) == 1
        assert "which is a folder" in shown[0]

    def test_what_ran_when_it_gave_up_is_marked_on_closing(self, path, monkeypatch):
        sentences = []

        def fail(*_):
            raise sqlite3.OperationalError("database or disk is full")

        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline_of(trio.sleep).execute, 1)
                await trio.sleep(0.5)
                assert history.flush()
                monkeypatch.setattr(module.Burst, "write", fail)

        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_in_virtual_time(main)
        assert len(sentences) == 1
        assert run_of(path).run.state == "interrupted"
        with closing(sqlite3.connect(path)) as connection:  # for good
            assert connection.execute("SELECT state FROM runs").fetchall() == [("interrupted",)]

    def test_another_process_has_locked_it(self, path, monkeypatch):
        monkeypatch.setattr(module, "_OPENING_S", 0.01)
        run_with(kept(path))
        sentences = []
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            run_with(HistorySink(path, on_problem=sentences.append))
        assert sentences == [f"the history {path} cannot be used: another process has locked it; nothing more is kept"]
        run_with(kept(path))
        assert count(path, "runs") == 2

    def test_it_is_locked_while_it_is_written(self, path, monkeypatch):
        monkeypatch.setattr(module, "_BUSY_S", 0.01)
        sentences = []
        with HistorySink(path, on_problem=sentences.append) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                assert run_in_virtual_time(lambda: pipeline_of(double).execute(1)).output == 2
                assert not history.flush()
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        assert [sentence.partition(": ")[2] for sentence in sentences] == [
            "another process has locked it; nothing more is kept"
        ]
        assert count(path, "runs") == 1

    def test_it_is_locked_for_a_moment(self, path):
        """Nothing is lost, and the run that ended waits for a quarter of a second at most."""
        with kept(path) as history, observe_only(history):
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                run_in_virtual_time(lambda: pipeline_of(double).execute(1))
                assert count(path, "runs") == 0
                connection.execute("ROLLBACK")
            assert history.flush()
            assert count(path, "runs") == 1

    @pytest.mark.parametrize("limit", [1000, 200_000])
    def test_a_disk_that_takes_no_more(self, path, limit):
        """A limit of the system on the size of files, at the opening and in the middle."""
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
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            with HistorySink(sys.argv[1], on_problem=print) as history, observe_only(history):
                trio.run(pipeline.execute, 0)
        """
        command = [sys.executable, "-c", textwrap.dedent(program), path, str(limit)]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
        assert said.stderr == ""
        [sentence] = said.stdout.splitlines()
        assert sentence.startswith(f"the history {path} cannot be used: ")
        with History(path) as history:
            assert history.runs(1)[0].state == "success"

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
        """
        # Not in pytest's own folder, which another user cannot enter.
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "kept")
            folder.parent.chmod(0o755)
            command = [sys.executable, "-c", textwrap.dedent(program), folder / "history.db"]
            said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            folder.chmod(0o755)
        assert said.stderr == ""
        sentence, states = said.stdout.splitlines()
        assert "it may only be read" in sentence
        assert states == "['success']"


def read(path):
    with History(path) as history:
        return history.runs()


def test_the_same_ids_again_are_the_last_run(path):
    """Ids that are made reproducible come again in the next block."""
    with kept(path) as history, observe_only(history):
        for _ in range(2):
            with fixed_stamps():
                run_in_virtual_time(lambda: pipeline_of(double).execute(1))
    assert count(path, "runs") == 1
    assert run_of(path).run.state == "success"


def test_a_burst_that_is_larger_than_a_transaction(path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST_BURST", 7)
    monkeypatch.setattr(module, "_MANY", 20)
    with HistorySink(path, on_problem=fail_with) as history, observe_only(history):
        run_in_virtual_time(lambda: batches().map(double, range(40)))
        assert history.flush()
        assert count(path, "tasks") == 40


def test_events_that_come_faster_than_they_are_taken_end_it(path, monkeypatch):
    monkeypatch.setattr(module, "_TOO_MANY", 40)
    monkeypatch.setattr(module, "_MANY", 20)
    monkeypatch.setattr(module, "_LONG_PATIENCE_S", 0.0)
    sentences = []
    with (
        HistorySink(path, on_problem=sentences.append) as history,
        observe_only(history),
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        run_in_virtual_time(lambda: batches().map(double, range(100)))
    assert sentences == [
        f"the history {path} cannot be used: it takes events slower than they come; nothing more is kept"
    ]
