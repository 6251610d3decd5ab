"""Exactly one outcome per input pulled, in input order, whatever happens."""

import contextlib
from datetime import timedelta
from functools import partial

import pytest
import trio
from batch_cases import SOURCES, CountedInputs, as_async, assert_permits_are_back, processor_of, statuses
from trio.testing import assert_checkpoints

from atrio import BatchError, BatchProcessor, Pipeline, RunStatus, Stage, StageConfig, TaskTimeoutError
from atrio.testing import ScriptedAgent, answer, capture_events, fail


async def double(data):
    return 2 * data


async def sleep(seconds):
    await trio.sleep(seconds)
    return seconds


@pytest.mark.parametrize("source", SOURCES)
async def test_outcomes_are_in_input_order_whatever_the_order_of_completion(autojump_clock, source):
    batch = await processor_of(4).map(sleep, SOURCES[source]([4, 1, 3, 2, 0]))
    assert [each.index for each in batch.results] == [0, 1, 2, 3, 4]
    assert batch.unwrap() == [4, 1, 3, 2, 0]
    assert batch.status is RunStatus.SUCCESS


async def test_every_pair_has_its_own_agent(autojump_clock):
    class Named:
        agent_id = "named"

        async def process(self, data):
            return data

    batch = await processor_of(2).process_batch([(double, 1), (Named(), 2), (partial(double), 3)])
    assert [(each.agent_id, each.result) for each in batch.results] == [("double", 2), ("named", 2), ("double", 6)]


async def test_one_tasks_failure_never_touches_another(autojump_clock):
    error = OSError("its own")
    agents = [(ScriptedAgent(answer(after=1)), 1), (ScriptedAgent(fail(error)), 2), (ScriptedAgent(answer(after=2)), 3)]
    batch = await processor_of(3).process_batch(agents)
    assert statuses(batch) == ["success", "error", "success"]
    assert batch.results[1].error.exception is error
    assert batch.results[1].error.error_type == "OSError"
    assert batch.status is RunStatus.DEGRADED


async def test_an_agents_group_is_kept_whole(autojump_clock):
    group = ExceptionGroup("of the agent", [OSError(1), ValueError(2)])
    (task,) = (await processor_of().map(ScriptedAgent(fail(group)), [1])).results
    assert (task.status, task.error.exception) == ("error", group)


class TestTimes:
    async def test_queued_began_and_took(self, autojump_clock):
        batch = await processor_of(2).map(sleep, [3, 2, 1.5])
        assert [(each.queued_s, each.duration_s) for each in batch.results] == [(0, 3), (0, 2), (2, 1.5)]
        began = batch.started_at
        assert began.utcoffset() == timedelta(0)
        assert [each.started_at - began for each in batch.results] == [timedelta(seconds=s) for s in (0, 0, 2)]
        assert batch.duration_s == 3.5

    async def test_waiting_for_a_shared_place_is_queueing(self, autojump_clock):
        processor = processor_of()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(processor.map, sleep, [5])
            await trio.sleep(1)
            (task,) = (await processor.map(sleep, [1])).results
        assert (task.queued_s, task.duration_s) == (4, 1)


class TestTaskTimeout:
    async def test_it_starts_when_the_task_starts(self, autojump_clock):
        batch = await processor_of(task_timeout=3).map(sleep, [2, 2.5, 9, 1])
        assert [(str(each.status), each.queued_s, each.duration_s) for each in batch.results] == [
            ("success", 0, 2),
            ("success", 2, 2.5),
            ("timeout", 4.5, 3),
            ("success", 7.5, 1),
        ]
        late = batch.results[2]
        assert late.error.error_type == "timeout"
        assert isinstance(late.error.exception, TaskTimeoutError)
        assert (late.error.exception.task_id, late.error.exception.index) == (late.task_id, 2)

    async def test_an_agent_that_ends_exactly_at_its_deadline_has_timed_out(self, autojump_clock):
        assert statuses(await processor_of(task_timeout=2).map(sleep, [2])) == ["timeout"]

    @pytest.mark.parametrize("error", [TimeoutError("mine"), trio.TooSlowError(), TaskTimeoutError("other", 0)])
    async def test_an_agents_own_timeout_is_an_error(self, autojump_clock, error):
        (task,) = (await processor_of(task_timeout=5).map(ScriptedAgent(fail(error, after=1)), [1])).results
        assert (task.status, task.error.exception) == ("error", error)
        assert task.error.error_type == type(error).__name__

    async def test_a_task_timeout_of_an_inner_batch_is_an_error_of_the_outer(self, autojump_clock):
        async def unwraps(data):
            return (await processor_of(task_timeout=1).map(sleep, [9])).unwrap()

        (task,) = (await processor_of(task_timeout=5).map(unwraps, [1])).results
        assert (task.status, task.error.error_type) == ("error", "BatchError")

    async def test_an_agents_own_deadline_at_the_same_time_is_the_agents(self, autojump_clock):
        async def own(data):
            with trio.fail_after(2):
                await trio.sleep(9)

        (task,) = (await processor_of(task_timeout=3).map(own, [1])).results
        assert (task.status, task.error.error_type, task.duration_s) == ("error", "TooSlowError", 2)

    async def test_a_value_after_the_deadline_is_a_success(self, autojump_clock):
        async def shielded(data):
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            return "late"

        (task,) = (await processor_of(task_timeout=1).map(shielded, [1])).results
        assert (task.status, task.result, task.duration_s) == ("success", "late", 5)

    async def test_a_cancellation_turned_into_an_error_is_that_error(self, autojump_clock):
        async def turns(data):
            try:
                await trio.sleep(9)
            except trio.Cancelled:
                raise ValueError("turned") from None

        (task,) = (await processor_of(task_timeout=1).map(turns, [1])).results
        assert (task.status, task.error.error_type) == ("error", "ValueError")

    async def test_errors_beside_the_cancellation_are_the_cause(self, autojump_clock):
        batch = await processor_of(task_timeout=1).map(breaks_beside, [1])
        (task,) = batch.results
        assert task.status == "timeout"
        assert isinstance(task.error.exception, TaskTimeoutError)
        assert pytest.RaisesGroup(ValueError).matches(task.error.exception.__cause__)


async def breaks_beside(data):
    async def breaks():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("beside")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(breaks)
        nursery.start_soon(trio.sleep_forever)


class TestBatchTimeout:
    async def test_finished_is_kept_running_is_cancelled_waiting_is_not_started(self, autojump_clock):
        batch = await processor_of(2, timeout=5).map(sleep, [1, 9, 2, 9, 1, 1])
        assert statuses(batch) == ["success", "cancelled", "success", "cancelled", "not_started", "not_started"]
        assert batch.status is RunStatus.TIMEOUT
        assert batch.duration_s == 5
        assert [each.duration_s for each in batch.results] == [1, 5, 2, 2, 0, 0]
        assert [each.error for each in batch.results[4:]] == [None, None]

    @pytest.mark.parametrize("source", ["generator", "async"])
    async def test_of_other_sources_what_was_not_pulled_is_not_counted(self, autojump_clock, source):
        batch = await processor_of(timeout=5).map(sleep, SOURCES[source]([2, 9, 1, 1, 1]))
        assert statuses(batch) == ["success", "cancelled"] + ["not_started"] * (source == "async")

    async def test_what_waited_is_known_of_any_source_with_a_length(self, autojump_clock):
        class Inputs:
            def __len__(self):
                return 4

            def __iter__(self):
                yield from [2, 9, 1, 1]

        assert statuses(await processor_of(timeout=5).map(sleep, Inputs())) == [
            "success",
            "cancelled",
            "not_started",
            "not_started",
        ]

    async def test_what_waits_for_a_shared_place_is_not_started(self, autojump_clock):
        processor, own = processor_of(timeout=5), []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(processor.map, ends_late, [1])
            await trio.sleep(1)
            own += statuses(await processor.map(sleep, [1, 1]))
        assert own == ["not_started", "not_started"]

    async def test_an_outer_deadline_wins_over_the_tasks_at_the_same_instant(self, autojump_clock):
        batch = await processor_of(timeout=5, task_timeout=5).map(sleep, [9, 9])
        assert (statuses(batch), str(batch.status)) == (["cancelled", "not_started"], "timeout")

    async def test_the_callers_deadline_wins_over_the_batches(self, autojump_clock):
        with trio.move_on_after(5) as scope:
            await processor_of(timeout=5).map(sleep, [9])
        assert scope.cancelled_caught

    async def test_errors_beside_the_cancellation_do_not_leave(self, autojump_clock):
        processor = processor_of(2, timeout=5)
        batch = await processor.map(breaks_beside, [1, 2, 3])
        assert (statuses(batch), str(batch.status)) == (["cancelled", "cancelled", "not_started"], "timeout")
        assert pytest.RaisesGroup(ValueError).matches(batch.results[0].error.exception.__cause__)
        assert_permits_are_back(processor)

    async def test_nothing_came_in_time(self, autojump_clock):
        batch = await processor_of(timeout=5).map(sleep, as_async([1], delay=9))
        assert (batch.results, batch.status, batch.duration_s) == ((), RunStatus.TIMEOUT, 5)


async def turns_into_an_error(data):
    try:
        await trio.sleep(9)
    except trio.Cancelled:
        raise ValueError("turned") from None


async def ends_late(data):
    with trio.CancelScope(shield=True):
        await trio.sleep(9)


@pytest.mark.usefixtures("endless_turn")
class TestNoTaskBeginsTooLate:
    @pytest.mark.parametrize(("agent", "first"), [(turns_into_an_error, "error"), (ends_late, "success")])
    @pytest.mark.parametrize("source", SOURCES)
    async def test_no_task_begins_after_the_time_is_up(self, autojump_clock, agent, first, source):
        with capture_events() as events:
            batch = await processor_of(timeout=5).map(agent, SOURCES[source]([1, 2, 3]))
        assert statuses(batch)[0] == first
        assert set(statuses(batch)[1:]) <= {"not_started"}
        assert batch.status is RunStatus.TIMEOUT
        assert events.names.count("task.start") == 1

    @pytest.mark.parametrize("agent", [turns_into_an_error, ends_late])
    @pytest.mark.parametrize("source", SOURCES)
    async def test_no_task_begins_after_the_caller_is_cancelled(self, autojump_clock, agent, source):
        with capture_events() as events, trio.move_on_after(5) as scope:
            await processor_of().map(agent, SOURCES[source]([1, 2, 3]))
        assert scope.cancelled_caught
        assert events.names.count("task.start") == 1

    async def test_no_task_begins_after_a_neighbour_cancelled_the_caller(self, autojump_clock):
        with capture_events() as events, trio.CancelScope() as scope:

            async def cancels(data):
                scope.cancel()

            await processor_of().map(cancels, [1, 2, 3])
        assert scope.cancelled_caught
        assert events.names.count("task.start") == 1


class TestCancelledCaller:
    async def test_the_caller_gets_its_cancellation_and_the_events_what_finished(self, autojump_clock):
        processor = processor_of(2)
        with capture_events() as events, trio.move_on_after(5) as scope:
            await processor.map(sleep, [1, 9, 2, 9, 1])
        assert scope.cancelled_caught
        ended = {event.task_index: event.status for event in events if event.event_name == "task.end"}
        assert ended == {0: "success", 1: "cancelled", 2: "success", 3: "cancelled"}
        assert events[-1].status == "cancelled"
        assert_permits_are_back(processor)

    async def test_a_finished_result_is_not_thrown_away(self, autojump_clock):
        batch = None
        with trio.CancelScope() as scope:

            async def cancels(data):
                scope.cancel()
                return "finished"

            with capture_events() as events:
                batch = await processor_of().map(cancels, [1])
        ended = [event.status for event in events if event.event_name == "task.end"]
        assert ended == ["success"]
        assert scope.cancelled_caught or batch.unwrap() == ["finished"]


class TestInterrupts:
    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("places", [1, 3])
    async def test_they_leave_as_themselves(self, autojump_clock, interrupt, places):
        processor = processor_of(places, task_timeout=9)
        error = interrupt("an agent's")
        agents = [(sleep, 5), (ScriptedAgent(fail(error, after=1)), 0), (sleep, 5)]
        with capture_events() as events, pytest.raises(interrupt) as caught:
            await processor.process_batch(agents)
        assert caught.value is error
        assert events[-1].status == "cancelled"
        assert_permits_are_back(processor)

    @pytest.mark.parametrize("places", [1, 2, 5])
    async def test_in_a_clean_up_when_the_time_is_up(self, autojump_clock, places):
        async def interrupted(data):
            try:
                await trio.sleep_forever()
            finally:
                if data == 0:
                    raise KeyboardInterrupt

        processor = processor_of(places, timeout=5)
        with pytest.raises(KeyboardInterrupt):
            await processor.map(interrupted, range(5))
        assert_permits_are_back(processor)

    async def test_two_at_once_leave_as_one_flat_group(self, autojump_clock):
        both = trio.Event()

        async def waits(data):
            if data == 3:
                both.set()
            else:
                await both.wait()
                raise KeyboardInterrupt

        with pytest.RaisesGroup(KeyboardInterrupt, KeyboardInterrupt):
            await processor_of(3).map(waits, [1, 2, 3])

    @pytest.mark.parametrize("source", ["generator", "async"])
    async def test_of_a_source(self, autojump_clock, source):
        async def pulled():
            yield 1
            raise KeyboardInterrupt

        def pulled_sync():
            yield 1
            raise KeyboardInterrupt

        processor = processor_of(2)
        with pytest.raises(KeyboardInterrupt):
            await processor.map(sleep, pulled() if source == "async" else pulled_sync())
        assert_permits_are_back(processor)


@pytest.mark.parametrize("source", ["generator", "async"])
@pytest.mark.parametrize("places", [1, 2, 5])
async def test_a_source_that_raises_midway(autojump_clock, source, places):
    error = OSError("the source's")

    def inputs():
        yield from [3, 1, 2]
        raise error

    async def async_inputs():
        for seconds in (3, 1, 2):
            yield seconds
        raise error

    processor = processor_of(places)
    with pytest.raises(BatchError) as caught:
        await processor.map(sleep, inputs() if source == "generator" else async_inputs())
    assert caught.value.exceptions == (error,)
    assert [(each.index, each.result) for each in caught.value.result.results] == [(0, 3), (1, 1), (2, 2)]
    assert_permits_are_back(processor)


async def test_an_input_is_pulled_only_when_a_place_is_free(autojump_clock):
    inputs = CountedInputs(1, 9)
    with capture_events(), trio.move_on_after(2.5):
        await processor_of(2).map(sleep, inputs)
    assert inputs.pulled == 6


async def test_no_inputs_at_all_are_a_value_error(autojump_clock):
    for source in ([], (), iter(()), as_async([]), {}, range(0)):
        with pytest.raises(ValueError, match="empty"):
            await processor_of().map(sleep, source)


PUBLIC = {
    "map": (lambda: BatchProcessor().map(double, [1]), None),
    "process_batch": (lambda: BatchProcessor().process_batch([(double, 1)]), None),
    "process_batch, empty": (lambda: BatchProcessor().process_batch([]), ValueError),
    "process_batch, of an empty generator": (lambda: BatchProcessor().process_batch(iter([])), ValueError),
    "map, of no agent": (lambda: BatchProcessor().map(5, [1]), TypeError),
    "map, of no inputs": (lambda: BatchProcessor().map(double, 5), TypeError),
}


@pytest.mark.parametrize("name", PUBLIC)
async def test_every_public_async_function_is_a_checkpoint_on_success_and_failure(autojump_clock, name):
    call, error = PUBLIC[name]
    # In this order: assert_checkpoints looks only at a block that ends without an exception.
    with assert_checkpoints(), pytest.raises(error) if error else contextlib.nullcontext():
        await call()


async def test_a_pipelines_own_timeout_is_no_timeout_of_the_task(autojump_clock):
    pipeline = Pipeline("p").add_stage(Stage("s", sleep, config=StageConfig(attempts=1, timeout=1)))
    (task,) = (await processor_of(task_timeout=1.5).map(pipeline, [9])).results
    assert (task.status, task.error.error_type) == ("error", "StageTimeoutError")
