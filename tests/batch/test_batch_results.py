"""What a batch leaves behind: its figures, its errors, and that it can be stored, sent and shown."""

import json
import math
import pickle
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import trio
from batch_cases import processor_of
from hypothesis import given
from hypothesis import strategies as st

from atrio import (
    AtrioError,
    BatchError,
    BatchResult,
    RunStatus,
    TaskCancelledError,
    TaskNotStartedError,
    TaskStatus,
    TaskTimeoutError,
)
from atrio._tasks import BatchIdentity, TaskResult
from atrio.testing import ScriptedAgent, answer, fail

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def sleep(seconds):
    await trio.sleep(seconds)
    return seconds


def result_of(tasks, duration_s, max_concurrent):
    identity = BatchIdentity("0" * 32, NOON)
    outcomes = tuple(
        TaskResult(identity, index, "agent", status=status, duration_s=seconds)
        for index, (status, seconds) in enumerate(tasks)
    )
    return BatchResult("0" * 32, "b", outcomes, RunStatus.SUCCESS, NOON, duration_s, max_concurrent, {})


times = st.floats(0, 1e6)
ran = st.tuples(st.sampled_from([each for each in TaskStatus if each != "not_started"]), times)
tasks_of_any_kind = st.lists(ran | st.just((TaskStatus.NOT_STARTED, 0.0)), max_size=40)


@given(tasks_of_any_kind, times, st.integers(1, 60))
def test_the_figures_are_what_naive_sums_say(tasks, duration_s, places):
    result = result_of(tasks, duration_s, places)
    metrics, total = result.metrics, len(tasks)
    seconds = sorted(taken for status, taken in tasks if status != "not_started")
    successful = sum(status == "success" for status, _ in tasks)
    assert (metrics.total_tasks, metrics.successful_tasks) == (total, successful)
    assert (result.success_count, result.failure_count) == (successful, total - successful)
    assert metrics.failed_tasks == total - successful
    assert metrics.success_rate == result.success_rate == (successful / total if total else 0)
    assert metrics.batch_duration_s == duration_s
    assert metrics.concurrency_used == min(total, places)
    assert metrics.average_task_time_s == pytest.approx(sum(seconds) / len(seconds) if seconds else 0)
    assert metrics.p95_task_time_s == (seconds[math.ceil(len(seconds) * 0.95) - 1] if seconds else 0)
    assert 0 <= metrics.efficiency <= 1
    if duration_s and total:
        naive = sum(seconds) / duration_s / min(total, places)
        assert metrics.efficiency == pytest.approx(min(naive, 1))
        assert 0 <= metrics.throughput_per_s <= total / duration_s


@pytest.mark.parametrize("places", [1, 3, 10, 50])
async def test_perfect_use_is_an_efficiency_of_one(autojump_clock, places):
    batch = await processor_of(places).map(sleep, [2] * 2 * places)
    metrics = batch.metrics
    assert metrics.efficiency == pytest.approx(1)
    assert metrics.concurrency_used == places
    assert metrics.throughput_per_s == pytest.approx(places / 2)
    assert (metrics.average_task_time_s, metrics.p95_task_time_s, metrics.batch_duration_s) == (2, 2, 4)


async def test_half_used_places_are_an_efficiency_of_half(autojump_clock):
    assert (await processor_of(2).map(sleep, [4, 0])).metrics.efficiency == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("failures", "total", "status"),
    [
        (0, 1, "success"),
        (0, 4, "success"),
        (1, 4, "degraded"),
        (2, 4, "failed"),
        (2, 5, "degraded"),
        (1, 2, "failed"),
        (1, 1, "failed"),
        (4, 4, "failed"),
        (49, 99, "degraded"),
    ],
)
async def test_status(autojump_clock, failures, total, status):
    agent = ScriptedAgent(fail(times=failures), answer()) if failures else ScriptedAgent()
    batch = await processor_of().map(agent, range(total))
    assert batch.status == status
    assert isinstance(batch.status, RunStatus)


async def test_every_batch_has_an_id_of_its_own(autojump_clock):
    batches = [await processor_of().map(sleep, [0], name="same") for _ in range(50)]
    ids = [batch.batch_id for batch in batches]
    assert len(set(ids)) == 50
    assert all(len(each) == 32 and set(each) <= set("0123456789abcdef") for each in ids)
    assert {batch.name for batch in batches} == {"same"}
    task_ids = {task.task_id for batch in batches for task in batch.results}
    assert len(task_ids) == 50
    assert all(1 <= len(each) <= 200 for each in task_ids)


async def mixed(processor=None):
    late = ScriptedAgent(answer(after=9))
    pairs = [(sleep, 0), (ScriptedAgent(fail(OSError("its own"))), 1), (late, 2), (late, 3), (sleep, 4)]
    return await (processor or processor_of(1, timeout=7, task_timeout=5)).process_batch(pairs, name="mixed")


async def error_of_mixed():
    with pytest.raises(BatchError) as caught:
        (await mixed()).unwrap()
    return caught.value


class TestUnwrap:
    async def test_outputs_in_input_order_none_included(self, autojump_clock):
        agent = ScriptedAgent(answer(1, after=3), answer(None, after=1), answer(3))
        assert (await processor_of(3).map(agent, range(3))).unwrap() == [1, None, 3]

    async def test_errors_in_input_order(self, autojump_clock):
        batch = await mixed()
        assert [str(each.status) for each in batch.results] == [
            "success",
            "error",
            "timeout",
            "cancelled",
            "not_started",
        ]
        with pytest.raises(BatchError) as caught:
            batch.unwrap()
        own, late, stopped, waited = caught.value.exceptions
        assert own is batch.results[1].error.exception
        assert [type(late), type(stopped), type(waited)] == [TaskTimeoutError, TaskCancelledError, TaskNotStartedError]
        assert [each.index for each in (late, stopped, waited)] == [2, 3, 4]
        assert [each.task_id for each in (late, stopped, waited)] == [task.task_id for task in batch.results[2:]]
        assert isinstance(late, TimeoutError)
        assert isinstance(caught.value, AtrioError)
        assert isinstance(caught.value, ExceptionGroup)
        assert caught.value.result is batch
        assert "4 of 5" in caught.value.message

    async def test_twice_says_the_same(self, autojump_clock):
        batch = await mixed()
        said = []
        for _ in range(2):
            with pytest.raises(BatchError) as caught:
                batch.unwrap()
            said.append((caught.value.exceptions[0].__notes__.copy(), len(caught.value.exceptions)))
        assert said[0] == said[1]

    async def test_except_star_and_split_keep_the_result(self, autojump_clock):
        error, seen = await error_of_mixed(), []
        try:
            raise error
        except* OSError as group:  # a TaskTimeoutError is an OSError, because a TimeoutError is
            seen.append(group)
        except* (TaskCancelledError, TaskNotStartedError) as group:
            seen.append(group)
        assert [len(group.exceptions) for group in seen] == [2, 2]
        matched, rest = error.split(TaskTimeoutError)
        for part in (*seen, matched, rest, error.subgroup(OSError), error.derive([OSError()])):
            assert isinstance(part, BatchError)
            assert part.result is error.result


class TestPickling:
    async def test_an_error(self, autojump_clock):
        error = await error_of_mixed()
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is BatchError
        assert str(again) == str(error)
        assert [(type(each), str(each)) for each in again.exceptions] == [(type(e), str(e)) for e in error.exceptions]
        assert [each.status for each in again.result.results] == [each.status for each in error.result.results]

    async def test_a_result(self, autojump_clock):
        batch = await mixed()
        again = pickle.loads(pickle.dumps(batch))
        assert again.metrics == batch.metrics
        assert [each.started_at for each in again.results] == [each.started_at for each in batch.results]
        assert [each.task_id for each in again.results] == [each.task_id for each in batch.results]

    @pytest.mark.parametrize("kind", [TaskTimeoutError, TaskCancelledError, TaskNotStartedError])
    def test_a_tasks_error(self, kind):
        again = pickle.loads(pickle.dumps(kind("id-3", 3)))
        assert (type(again), again.task_id, again.index) == (kind, "id-3", 3)
        assert "id-3" in str(again)


class TestToDict:
    async def test_it_is_ready_for_json(self, autojump_clock):
        batch = await mixed()
        told = json.loads(json.dumps(batch.to_dict(), allow_nan=False))
        assert told["batch_id"] == batch.batch_id
        assert (told["name"], told["status"], told["duration_s"]) == ("mixed", "timeout", 7)
        assert [each["status"] for each in told["results"]] == [str(each.status) for each in batch.results]
        assert told["metrics"]["total_tasks"] == 5
        assert set(attrs.fields_dict(type(batch.metrics))) == set(told["metrics"])
        task = told["results"][1]
        names = {"index", "task_id", "agent_id", "status", "result", "error", "started_at", "queued_s", "duration_s"}
        assert names <= set(task)
        assert task["error"]["error_type"] == "OSError"
        assert "its own" in task["error"]["message"]
        assert told["results"][4]["started_at"] is None

    @pytest.mark.parametrize("odd", [math.nan, math.inf, {1, 2}, b"\xff", object(), {5: "a"}, "\ud800", 1j])
    async def test_whatever_the_agents_gave(self, autojump_clock, odd):
        async def gives(data):
            return odd

        batch = await processor_of().map(gives, [1], metadata={"odd": odd})
        json.dumps(batch.to_dict(), allow_nan=False)


async def test_what_an_outcome_says(autojump_clock):
    batch = await processor_of().map(sleep, [2, 3])
    first, second = batch.results
    assert (first.index, first.agent_id, first.result, first.error) == (0, "sleep", 2, None)
    assert second.started_at - first.started_at == timedelta(seconds=2)
    assert isinstance(batch.results, tuple)
    assert isinstance(first.status, TaskStatus)
    assert len(repr(batch)) < 1000
