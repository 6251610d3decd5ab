"""Streams: outcomes as they finish, held back by a slow consumer, and left early in every way."""

import contextlib

import pytest
import trio
from batch_cases import (
    SOURCES,
    CountedInputs,
    as_async,
    assert_events_add_up,
    assert_permits_are_back,
    processor_of,
    statuses,
)
from trio.testing import assert_checkpoints

from atrio import RunStatus
from atrio.testing import ScriptedAgent, answer, capture_events, fail


async def sleep(seconds):
    await trio.sleep(seconds)
    return seconds


def pairs_of(*seconds):
    return [(sleep, each) for each in seconds]


async def take_all(stream, came):
    async with stream as outcomes:
        while outcome := await anext(outcomes, None):
            came.append(outcome.result)


class TestOrder:
    @pytest.mark.parametrize("source", SOURCES)
    async def test_outcomes_come_in_order_of_completion_as_they_finish(self, autojump_clock, source):
        came = []
        async with processor_of(3).stream(SOURCES[source](pairs_of(5, 1, 3, 1))) as outcomes:
            began = trio.current_time()
            while len(came) < 4:
                outcome = await anext(outcomes)
                came.append((outcome.index, outcome.result, trio.current_time() - began))
        assert sorted(came[1:3]) == sorted([(3, 1, 2), (2, 3, 3)])
        assert [at for *_, at in came] == [1, 2, 3, 5]

    async def test_a_slow_consumer_gets_them_in_order_of_completion_too(self, autojump_clock):
        async with processor_of(3).stream(pairs_of(3, 1, 2)) as outcomes:
            await trio.sleep(9)
            assert [outcome.index async for outcome in outcomes] == [1, 2, 0]

    async def test_what_is_left_comes_in_order_of_completion(self, autojump_clock):
        async with processor_of(4, timeout=5).stream(pairs_of(9, 3, 2, 1, 1)) as outcomes:
            await trio.sleep(6)
            left = [(outcome.index, str(outcome.status)) async for outcome in outcomes]
        assert left == [(3, "success"), (2, "success"), (1, "success"), (0, "cancelled"), (4, "not_started")]

    async def test_a_failure_is_an_outcome(self, autojump_clock):
        async with processor_of().stream([(ScriptedAgent(fail()), 1), (ScriptedAgent(), 2)]) as outcomes:
            assert statuses([outcome async for outcome in outcomes]) == ["error", "success"]
            assert outcomes.status is RunStatus.FAILED


@pytest.mark.parametrize("source", SOURCES)
async def test_an_empty_stream_just_ends(autojump_clock, source):
    with capture_events() as events:
        async with processor_of().stream(SOURCES[source]([])) as outcomes:
            assert [outcome async for outcome in outcomes] == []
    assert_events_add_up(events)


async def test_a_stream_runs_from_its_first_moment(autojump_clock):
    async with processor_of().stream(pairs_of(1)) as outcomes:
        assert outcomes.status is RunStatus.RUNNING
        await trio.sleep(0.5)
        assert outcomes.status is RunStatus.RUNNING
        assert len(outcomes.batch_id) == 32
        async for _ in outcomes:
            pass
        assert outcomes.status is RunStatus.SUCCESS


class TestBackpressure:
    @pytest.mark.parametrize("places", [1, 2, 5])
    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("pause", [0, 0.5, 3])
    async def test_no_more_is_pulled_than_places_and_one(self, autojump_clock, places, is_async, pause):
        inputs, delivered, most = CountedInputs((sleep, 1), 30), 0, 0
        source = as_async(inputs) if is_async else inputs
        async with processor_of(places).stream(source) as outcomes:
            while delivered < 30:
                await trio.sleep(pause)
                most = max(most, inputs.pulled - delivered)
                await anext(outcomes)
                delivered += 1
                most = max(most, inputs.pulled - delivered)
        assert places <= most <= places + 1

    async def test_instant_agents_do_not_run_ahead(self, autojump_clock):
        inputs = CountedInputs((ScriptedAgent(), 1))
        async with processor_of(3).stream(inputs) as outcomes:
            for delivered in range(1, 200):
                await anext(outcomes)
                assert inputs.pulled - delivered <= 4
            await trio.sleep(9)
            assert inputs.pulled - delivered <= 4

    async def test_backpressure_holds_after_the_time_is_up(self, autojump_clock):
        inputs, delivered = CountedInputs((sleep, 1), 50, sized=True), 0
        async with processor_of(2, timeout=5.5).stream(inputs) as outcomes:
            async for _ in outcomes:
                delivered += 1
                assert inputs.pulled - delivered <= 3
        assert delivered == 50

    async def test_a_waiting_outcome_holds_no_place(self, autojump_clock):
        processor = processor_of()
        async with processor.stream(pairs_of(1, 1)):
            await trio.sleep(5)
            assert (await processor.map(sleep, [1])).duration_s == 1


class Leaves(Exception):
    pass


def generator_of(log, pairs):
    try:
        yield from pairs
    finally:
        log.append("closed")


async def async_generator_of(log, pairs):
    puller = trio.lowlevel.current_task()
    try:
        for pair in pairs:
            await trio.lowlevel.checkpoint()
            yield pair
    finally:
        assert trio.lowlevel.current_task() is puller
        log.append("closing")
        await trio.sleep(1)
        log.append("closed")


GENERATORS = {"generator": generator_of, "async": async_generator_of}


async def leave(way, outcomes):
    async for _ in outcomes:
        if way == "break":
            break
        if way == "exception":
            raise Leaves
        if way == "interrupt":
            raise KeyboardInterrupt


async def leave_with(error, pairs):
    async with processor_of(3).stream(pairs) as outcomes:
        await anext(outcomes)
        raise error


ERRORS = {"exception": Leaves, "interrupt": KeyboardInterrupt}


class TestLeavingEarly:
    @pytest.mark.parametrize("kind", GENERATORS)
    @pytest.mark.parametrize("way", ["break", "exception"])
    async def test_it_cancels_what_runs_and_closes_the_source(self, autojump_clock, way, kind):
        log, agent, processor = [], ScriptedAgent(answer(after=1), answer(after=9)), processor_of(3)
        source = GENERATORS[kind](log, [(agent, number) for number in range(9)])
        with capture_events() as events:
            try:
                async with processor.stream(source) as outcomes:
                    await leave(way, outcomes)
            except Leaves:
                assert way == "exception"
            else:
                assert way == "break"
        assert log[-1:] == ["closed"]
        assert agent.running == 0
        assert {call.outcome for call in agent.calls} == {"returned", "cancelled"}
        assert events[-1].status == outcomes.status == "cancelled"
        assert_permits_are_back(processor)
        assert_events_add_up(events)

    @pytest.mark.parametrize("kind", GENERATORS)
    @pytest.mark.parametrize("pause", [0, 9])
    async def test_by_a_cancelled_caller(self, autojump_clock, kind, pause):
        # Held, so that it is not the garbage collector that closes it.
        log, agent, processor = [], ScriptedAgent(answer(after=1)), processor_of(2)
        source = GENERATORS[kind](log, [(agent, number) for number in range(99)])
        with capture_events() as events, trio.move_on_after(7.5) as scope:
            async with processor.stream(source) as outcomes:
                async for _ in outcomes:
                    await trio.sleep(pause)
        assert scope.cancelled_caught
        assert log
        assert (source.gi_frame if kind == "generator" else source.ag_frame) is None
        assert agent.running == 0
        assert_permits_are_back(processor)
        assert_events_add_up(events)

    @pytest.mark.parametrize("kind", [*GENERATORS, "list"])
    @pytest.mark.parametrize("way", ["break", "exception", "interrupt"])
    async def test_before_anything_came(self, autojump_clock, way, kind):
        processor, pairs = processor_of(2), pairs_of(5, 5)
        source = pairs if kind == "list" else GENERATORS[kind]([], pairs)
        error = ERRORS.get(way)
        with capture_events() as events, pytest.raises(error) if error else contextlib.nullcontext():
            async with processor.stream(source):
                if error:
                    raise error
        assert_permits_are_back(processor)
        assert_events_add_up(events)

    @pytest.mark.parametrize(
        "error",
        [ValueError("mine"), KeyboardInterrupt(), SystemExit(3), ExceptionGroup("g", [OSError()])],
    )
    async def test_an_error_of_the_block_leaves_as_itself(self, autojump_clock, error):
        with pytest.raises(type(error)) as caught:
            await leave_with(error, pairs_of(1, 9, 9))
        assert caught.value is error

    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
    async def test_an_agents_interrupt_leaves_as_itself(self, autojump_clock, interrupt):
        error = interrupt("an agent's")
        with pytest.raises(interrupt) as caught:
            await take_all(processor_of(2).stream([(sleep, 9), (ScriptedAgent(fail(error, after=1)), 0)]), [])
        assert caught.value is error

    async def test_an_agent_that_breaks_while_it_is_cancelled_is_its_own_affair(self, autojump_clock):
        async def breaks(data):
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("in the clean-up")

        processor = processor_of(2)
        async with processor.stream([(sleep, 1), (breaks, 1)]) as outcomes:
            await anext(outcomes)
        assert_permits_are_back(processor)

    async def test_an_interrupt_while_a_failed_stream_is_left_leaves_beside_the_failure(self, autojump_clock):
        async def interrupted(data):
            try:
                await trio.sleep_forever()
            finally:
                raise KeyboardInterrupt

        with pytest.RaisesGroup(Leaves, KeyboardInterrupt):
            await leave_with(Leaves(), [(sleep, 1), (interrupted, 1), (sleep, 9)])

    async def test_agents_may_clean_up(self, autojump_clock):
        log = []

        async def cleans(data):
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(2)
                log.append("clean")

        async with processor_of(2).stream([(sleep, 1), (cleans, 1)]) as outcomes:
            await anext(outcomes)
        assert log == ["clean"]

    async def test_a_stream_left_after_its_time_closes_what_waited(self, autojump_clock):
        iterators = []

        class Inputs:
            def __len__(self):
                return 9

            def __iter__(self):
                iterators.append(as_generator_of_pairs())
                return iterators[0]

        def as_generator_of_pairs():
            yield from pairs_of(*[9] * 9)

        async with processor_of(2, timeout=5).stream(Inputs()) as outcomes:
            await anext(outcomes)
        assert iterators[0].gi_frame is None

    async def test_no_task_is_left_in_trio(self, autojump_clock):
        living = trio.lowlevel.current_statistics().tasks_living
        async with processor_of(4).stream(as_async(pairs_of(*[1] * 9))) as outcomes:
            await anext(outcomes)
        assert trio.lowlevel.current_statistics().tasks_living == living


class TestSourceError:
    @pytest.mark.parametrize("places", [1, 3])
    @pytest.mark.parametrize("is_async", [False, True])
    async def test_it_comes_after_the_outcomes_and_once(self, autojump_clock, places, is_async):
        error = OSError("the source's")

        def inputs():
            yield from pairs_of(2, 1)
            raise error

        async def async_inputs():
            for pair in pairs_of(2, 1):
                yield pair
            raise error

        came = []
        with pytest.raises(OSError, match="the source's") as caught:
            await take_all(processor_of(places).stream(async_inputs() if is_async else inputs()), came)
        assert caught.value is error
        assert sorted(came) == [1, 2]

    async def test_it_can_be_caught_inside_the_block(self, autojump_clock):
        def inputs():
            yield sleep, 1
            raise OSError("the source's")

        async with processor_of().stream(inputs()) as outcomes:
            with pytest.raises(OSError, match="the source"):
                async for _ in outcomes:
                    pass
            assert [outcome async for outcome in outcomes] == []


class TestTimeout:
    async def test_it_delivers_what_was_stopped_and_what_waited(self, autojump_clock):
        async with processor_of(2, timeout=5).stream(pairs_of(1, 9, 9, 9)) as outcomes:
            came = [(outcome.index, str(outcome.status)) async for outcome in outcomes]
            assert outcomes.status is RunStatus.TIMEOUT
        assert came[0] == (0, "success")
        assert sorted(came[1:3]) == [(1, "cancelled"), (2, "cancelled")]
        assert came[3:] == [(3, "not_started")]

    async def test_a_finished_outcome_that_nobody_took_is_delivered(self, autojump_clock):
        async with processor_of(timeout=5).stream(pairs_of(1, 1)) as outcomes:
            await trio.sleep(9)
            assert statuses([outcome async for outcome in outcomes]) == ["success", "not_started"]

    async def test_of_an_async_source(self, autojump_clock):
        async with processor_of(timeout=5).stream(as_async(pairs_of(9, 9, 9))) as outcomes:
            assert statuses([outcome async for outcome in outcomes]) == ["cancelled", "not_started"]


async def test_taking_an_outcome_is_a_checkpoint_also_at_the_end(autojump_clock):
    async with processor_of(timeout=5).stream(pairs_of(1, 9, 9)) as outcomes:
        for wait in (0, 0, 9):
            await trio.sleep(wait)
            with assert_checkpoints():
                await anext(outcomes)
        with assert_checkpoints(), pytest.raises(StopAsyncIteration):
            await anext(outcomes)


async def test_a_cancelled_consumer_loses_nothing(autojump_clock):
    came = []
    async with processor_of(2).stream(pairs_of(1, 2, 3, 4)) as outcomes:
        while len(came) < 4:
            with trio.move_on_after(0.3):
                came.append((await anext(outcomes)).result)
    assert sorted(came) == [1, 2, 3, 4]
