"""What a history keeps, when it is in the file, and what happens where it cannot be kept."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing

import pytest
import trio
from history_cases import LEFT_OUT, ONCE, batches, double, fail_with, flaky, kept, pipeline_of, refuse, run_of

from atrio import CircuitBreaker, Pipeline, SinkWarning, Stage, observe, observe_only
from atrio.events import BreakerOpened, PipelineEnd, PipelineStart, StageEnd, StageStart, TaskStart
from atrio.history import History, HistorySink
from atrio.history import _writer as writer
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

    @pytest.mark.parametrize("burst", [4096, 3])
    def test_a_batch_knows_of_how_many_tasks_a_stage_was_skipped(self, path, monkeypatch, burst):
        """Its own status does not tell: all of its tasks succeeded."""
        monkeypatch.setattr("atrio.history._writer._LARGEST_BURST", burst)
        pipeline = pipeline_of(refuse, double, config=LEFT_OUT)
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: batches().map(pipeline, range(9)))
            run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(9)))
        fine, skipping = run_of(path).run, run_of(path, 1).run
        assert (skipping.state, skipping.successful, skipping.failed, skipping.skipped) == ("success", 9, 0, 9)
        assert (fine.successful, fine.skipped) == (9, 0)

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

    @pytest.mark.parametrize("duration_s", [float("nan"), "soon", None])
    def test_what_no_database_holds_is_made_so(self, path, duration_s):
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
                history(event if event is not end else kind(**{**end.__dict__, **odd, "duration_s": duration_s}))
        [stage] = run_of(path).stages
        assert (stage.input_size, stage.output_size) == (2**63 - 1, -(2**63) + 1)
        assert (stage.agent_id, stage.error_message) == ("<Odd, whose repr() raises>", "\\ud800")
        assert stage.duration_s == 0

    def test_where_a_statement_takes_few_values(self, path, monkeypatch):
        """As SQLite may be built: then fewer rows are written by one."""
        opened = writer.connect

        def connect(*place, **options):
            connection = opened(*place, **options)
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100)
            return connection

        monkeypatch.setattr(writer, "connect", connect)
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(40)))
        assert (count(path, "tasks"), count(path, "stages"), count(path, "runs")) == (40, 40, 41)

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


def test_the_same_ids_again_are_the_last_run(path):
    """Ids that are made reproducible come again in the next block."""
    with kept(path) as history, observe_only(history):
        for _ in range(2):
            with fixed_stamps():
                run_in_virtual_time(lambda: pipeline_of(double).execute(1))
    assert count(path, "runs") == 1
    assert run_of(path).run.state == "success"


def test_a_burst_that_is_larger_than_a_transaction(path, monkeypatch):
    monkeypatch.setattr("atrio.history._writer._LARGEST_BURST", 7)
    monkeypatch.setattr("atrio.history.writing._MANY", 20)
    with HistorySink(path, on_problem=fail_with) as history, observe_only(history):
        run_in_virtual_time(lambda: batches().map(double, range(40)))
        assert history.flush()
        assert count(path, "tasks") == 40
