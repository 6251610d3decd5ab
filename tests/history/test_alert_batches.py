"""Batches that fail too often: their tasks are judged, unless a pipeline's runs in them are."""

import sqlite3
from contextlib import closing

import pytest
import trio
from alert_cases import FAILING, run_all, sleep, summed_up, triage, watched

from atrio import BatchConfig, BatchProcessor, observe
from atrio.history import AlertSink, HistorySink, Thresholds, alerts_in, findings
from atrio.history.schema import connect

pytestmark = pytest.mark.usefixtures("looks_at_each_end")
NIGHTLY = ("task_failure_rate", "nightly")


async def batch_of(*inputs, agent=sleep, name="nightly", **config):
    return await BatchProcessor(BatchConfig(**{"max_concurrent": 1, **config})).map(agent, inputs, name=name)


class TestTasksOfPlainAgents:
    async def test_raise_once_and_resolve_once(self, path, autojump_clock):
        with watched(path) as told:
            await batch_of(1, 1, -1)
            assert summed_up(told) == [("alert.raised", *NIGHTLY)]
            assert (told[0].value, told[0].threshold) == (pytest.approx(1 / 3), 0.2)
            await batch_of(-1, 1, 1)
            assert len(told) == 1
            await batch_of(1, 1, 1)
        assert summed_up(told) == [("alert.raised", *NIGHTLY), ("alert.resolved", *NIGHTLY)]
        assert [each.run_name for each in alerts_in(path)] == ["nightly"]

    async def test_of_several_batches_of_one_name_are_counted_together(self, path, autojump_clock):
        with watched(path) as told:
            await batch_of(-1)
            await batch_of(-1, name="other")
            await batch_of(1)
            assert told == []
            await batch_of(1)
        assert summed_up(told) == [("alert.raised", *NIGHTLY)]

    async def test_that_ran_out_of_their_time_failed(self, path, autojump_clock):
        with watched(path) as told:
            await batch_of(9, 9, 9, task_timeout=1)
        assert summed_up(told) == [("alert.raised", *NIGHTLY)]

    async def test_that_were_cancelled_are_neither(self, path, autojump_clock):
        with watched(path) as told:
            await batch_of(*[1] * 9, *[50] * 30, max_concurrent=9, timeout=10)
        assert told == []

    async def test_are_judged_while_the_batch_goes_on(self, path, autojump_clock):
        told = []
        with HistorySink(path) as history, AlertSink(history, Thresholds(runs=10), on_alert=told.append) as alerts:

            async def fail_at_first(number):
                await trio.sleep(1)
                history.flush()
                if number < 20:
                    raise ValueError("too early")
                assert len(told) == 1 or number > 25

            with observe(history, alerts):
                result = await batch_of(*range(60), agent=fail_at_first)
        assert [task.index for task in result.results if task.error] == list(range(20))
        assert [each for each, *_ in summed_up(told)] == ["alert.raised", "alert.resolved"]

    async def test_of_a_batch_inside_a_pipeline_count(self, path, autojump_clock):
        async def in_a_batch(_):
            await batch_of(-1, -1, -1)

        with watched(path) as told:
            await run_all(0, pipeline=triage(in_a_batch))
        assert summed_up(told) == [("alert.raised", *NIGHTLY)]
        assert [each.run_name for each in alerts_in(path)] == ["triage"]


class TestTasksInWhichPipelinesRun:
    async def test_are_told_of_as_the_pipeline_alone(self, path, autojump_clock):
        async def through_the_pipeline(seconds):
            (await triage().execute(seconds)).unwrap()

        with watched(path) as told:
            await batch_of(-1, -1, -1, agent=triage())
            await batch_of(-1, -1, -1, agent=through_the_pipeline)
        assert summed_up(told) == [("alert.raised", *FAILING)]

    async def test_that_fail_although_it_succeeded_count(self, path, autojump_clock):
        async def then_fail(seconds):
            await triage().execute(seconds)
            raise ValueError("after it")

        with watched(path) as told:
            await batch_of(1, 1, 1, agent=then_fail)
        assert summed_up(told) == [("alert.raised", *NIGHTLY)]

    async def test_that_ran_out_of_their_time_count(self, path, autojump_clock):
        with watched(path) as told:
            await batch_of(9, 9, 9, agent=triage(), task_timeout=1)
        assert summed_up(told) == [("alert.raised", *NIGHTLY)]


class TestCost:
    """However much is kept, a look goes through a bounded part of it, in the order of a key."""

    def plan(self, path, query, *values):
        with watched(path), closing(connect(path, read_only=True)) as database:
            return "\n".join(row[-1] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", values))

    @pytest.mark.parametrize(
        ("query", "values"),
        [("_STAGES", ("triage", 2**62, 100, 1000)), ("_BATCHES", ("nightly", 100)), ("_FAILED_INSIDE", ("a", "b", 1))],
    )
    def test_nothing_is_sorted_or_searched_through(self, path, query, values):
        plan = self.plan(path, getattr(findings, query), *values)
        assert "B-TREE" not in plan
        assert "SCAN runs" not in plan
        assert "SEARCH runs USING" in plan

    def test_tasks_are_cut_before_they_are_sorted(self, path):
        inner, _, outer = self.plan(path, findings._TASKS, "a", 2000, 20).partition("SCAN")
        assert "SEARCH tasks USING PRIMARY KEY (run_id=?)" in inner
        assert "B-TREE" not in inner
        assert "B-TREE" in outer

    async def test_a_pipeline_of_many_stages_is_read_in_two_queries(self, path, autojump_clock, monkeypatch):
        pipeline = triage()
        for number in range(30):
            pipeline = pipeline.add_stage(triage(stage=f"more-{number}").stages[0])
        asked = []

        def connected(*arguments, **options):
            database = connect(*arguments, **options)
            database.set_trace_callback(asked.append)
            return database

        async def nothing(_):
            return 0

        monkeypatch.setattr("atrio.history.alert_sink.connect", connected)
        with watched(path, Thresholds(runs=1)):
            await run_all(0, 0, pipeline=pipeline)
            asked.clear()
            await run_all(0, pipeline=pipeline)
            # When it is quiet, it is looked at once more.
            looks = sum("INDEXED BY alerts_open" in each for each in asked)
            assert sum("CROSS JOIN stages" in each for each in asked) == 2 * looks > 0


def test_a_batch_whose_latest_tasks_all_run_has_too_few(path, monkeypatch):
    monkeypatch.setattr(findings, "_MOST_TASKS", 10)
    with watched(path):
        pass
    with closing(sqlite3.connect(path)) as database, database:
        run = "INSERT INTO runs (run_id, kind, name, state, started_us, process) "
        database.execute(f"{run} VALUES ('a', 'batch', 'nightly', '', 1, 1)")
        task = "INSERT INTO tasks (run_id, task_index, task_id, agent_id, status, queued_s, started_us) "
        rows = [(number, "error" if number < 5 else "running") for number in range(15)]
        database.executemany(f"{task} VALUES ('a', ?, '', '', ?, 0, 1)", rows)
        assert findings.of_batches(database, "nightly", Thresholds(runs=2)) is None
        assert findings.of_batches(database, "nightly", Thresholds(runs=5)).value == 1
