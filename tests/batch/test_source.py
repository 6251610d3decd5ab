"""Where inputs come from: any iterable or async iterable, pulled as places become free, and closed in the end."""

import itertools
from contextvars import ContextVar

import pytest
import trio
from batch_cases import assert_permits_are_back, processor_of, statuses

from atrio import BatchError, current_task
from atrio.testing import ScriptedAgent, answer, capture_events, fail


class ByIndex:
    """Iterable the old way, by __getitem__."""

    def __getitem__(self, index):
        if index == 3:
            raise IndexError
        return index


class Async:
    def __init__(self):
        self.left = iter(range(3))
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        for number in self.left:
            return number
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1


@pytest.mark.parametrize(
    "inputs",
    [
        lambda: [0, 1, 2],
        lambda: (0, 1, 2),
        lambda: {0: "a", 1: "b", 2: "c"},
        lambda: range(3),
        lambda: iter(range(3)),
        lambda: map(int, "012"),
        lambda: bytearray(range(3)),
        ByIndex,
        Async,
        lambda: itertools.islice(itertools.count(), 3),
    ],
)
async def test_any_iterable_or_async_iterable(autojump_clock, inputs):
    assert (await processor_of(2).map(ScriptedAgent(), inputs())).unwrap() == [0, 1, 2]


async def test_a_memory_channel_as_source(autojump_clock):
    send, receive = trio.open_memory_channel(0)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def produce():
            with send:
                for number in range(4):
                    await trio.sleep(1)
                    await send.send(number)

        assert (await processor_of(2).map(ScriptedAgent(answer(after=2)), receive)).unwrap() == [0, 1, 2, 3]


async def test_a_len_that_raises_is_no_length(autojump_clock):
    class Wrapper:
        def __len__(self):
            raise TypeError("of what is wrapped, the length is not known")

        def __iter__(self):
            return iter([1, 2])

    assert (await processor_of().map(ScriptedAgent(), Wrapper())).unwrap() == [1, 2]


@pytest.mark.parametrize("says", [1, 9])
async def test_a_len_that_is_wrong_loses_nothing(autojump_clock, says):
    class Inputs:
        def __len__(self):
            return says

        def __iter__(self):
            return iter([1, 2, 3])

    with capture_events() as events:
        assert (await processor_of(2).map(ScriptedAgent(), Inputs())).unwrap() == [1, 2, 3]
    assert (events[0].total, events[-1].total) == (says, 3)


async def scoped(inputs):
    with trio.fail_after(99):
        for each in inputs:
            await trio.sleep(1)
            yield each


async def in_a_nursery(inputs):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0.5)
        for each in inputs:
            await trio.sleep(1)
            yield each


class TestScopesInAGenerator:
    """One task pulls, so a generator may yield inside scopes of its own, as it may in any `async for`."""

    @pytest.mark.parametrize("source", [scoped, in_a_nursery])
    async def test_a_generator_may_yield_in_a_scope_or_a_nursery(self, autojump_clock, source):
        assert (await processor_of(2).map(ScriptedAgent(answer(after=1)), source(range(4)))).unwrap() == [0, 1, 2, 3]

    @pytest.mark.parametrize("after", [0.25, 2.5, 9])
    async def test_when_the_time_is_up(self, autojump_clock, after):
        processor = processor_of(timeout=after)
        batch = await processor.map(ScriptedAgent(answer(after=1.75)), scoped(range(9)))
        assert set(statuses(batch)) <= {"success", "cancelled", "not_started"}
        assert batch.status == "timeout"
        assert_permits_are_back(processor)

    @pytest.mark.parametrize("pause", [0, 5])
    @pytest.mark.parametrize("how", ["leave", "drain", "cancel"])
    async def test_when_a_stream_is_left_or_drained(self, autojump_clock, how, pause):
        agent = ScriptedAgent(answer(after=0.25))
        source = scoped([(agent, number) for number in range(9)])
        with trio.move_on_after(8.1):
            async with processor_of().stream(source) as outcomes:
                await anext(outcomes)
                await trio.sleep(pause)
                if how == "drain":
                    outcomes.drain()
                if how != "leave":
                    async for _ in outcomes:
                        pass
        assert source.ag_frame is None

    async def test_a_scope_of_the_source_that_times_out_is_the_sources_error(self, autojump_clock):
        async def impatient():
            with trio.fail_after(2.5):
                for number in range(9):
                    await trio.sleep(1)
                    yield number

        with pytest.raises(BatchError) as caught:
            await processor_of().map(ScriptedAgent(), impatient())
        assert [type(error) for error in caught.value.exceptions] == [trio.TooSlowError]
        assert statuses(caught.value.result) == ["success", "success"]


def sync_inputs(log):
    try:
        yield from range(99)
    finally:
        log.append("closed")


async def async_inputs(log):
    try:
        for number in range(99):
            yield number
    finally:
        log.append("closed")


@pytest.mark.parametrize("kind", [sync_inputs, async_inputs])
@pytest.mark.parametrize("how", ["timeout", "cancelled", "interrupted"])
@pytest.mark.filterwarnings("error")
async def test_a_generator_is_closed_however_the_batch_ends(autojump_clock, kind, how):
    log, processor = [], processor_of(2, timeout=5 if how == "timeout" else None)
    agent = ScriptedAgent(
        answer(after=2, times=3), fail(KeyboardInterrupt) if how == "interrupted" else answer(after=2)
    )
    inputs = kind(log)
    with trio.move_on_after(7 if how == "cancelled" else 99) as scope:
        try:
            await processor.map(agent, inputs)
        except KeyboardInterrupt:
            assert how == "interrupted"
    assert scope.cancelled_caught == (how == "cancelled")
    assert log == ["closed"]
    assert_permits_are_back(processor)


async def test_an_async_iterator_is_closed_too(autojump_clock):
    source = Async()
    await processor_of(timeout=1).map(ScriptedAgent(answer(after=9)), source)
    assert source.closed == 1


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_source_whose_close_raises(autojump_clock, is_async):
    error = ValueError("in its close")

    def sync():
        try:
            yield from (1, 2, 3)
        finally:
            raise error

    async def asynchronous():
        try:
            for number in (1, 2, 3):
                yield number
        finally:
            raise error

    with capture_events() as events, pytest.raises(BatchError) as caught:
        await processor_of(timeout=5).map(ScriptedAgent(answer(after=3)), asynchronous() if is_async else sync())
    assert caught.value.exceptions == (error,)
    assert statuses(caught.value.result)[:2] == ["success", "cancelled"]
    assert events[-1].status == "timeout"


async def test_an_aiter_that_raises(autojump_clock):
    class Inputs:
        def __aiter__(self):
            raise OSError("not now")

    processor = processor_of()
    with capture_events() as events, pytest.raises(OSError, match="not now"):
        await processor.map(ScriptedAgent(), Inputs())
    assert events == []
    assert_permits_are_back(processor)


async def test_a_source_that_breaks_while_it_is_stopped_is_reported(autojump_clock):
    async def inputs():
        yield 1
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            raise OSError("on the way out") from None

    with pytest.raises(BatchError) as caught:
        await processor_of(2, timeout=5).map(ScriptedAgent(), inputs())
    assert caught.value.result.status == "timeout"
    assert statuses(caught.value.result) == ["success"]


variable = ContextVar("variable", default="the default")


async def read(data):
    return data, variable.get()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_source_runs_in_the_callers_context(autojump_clock, is_async):
    def sync():
        for _ in range(3):
            before = variable.get()
            variable.set("the source's")
            yield current_task(), before

    async def asynchronous():
        for each in sync():
            yield each

    variable.set("the caller's")
    seen = (await processor_of().map(read, asynchronous() if is_async else sync())).unwrap()
    assert [task for (task, _), _ in seen] == [None, None, None]
    assert [before for (_, before), _ in seen] == ["the caller's", "the source's", "the source's"]
    assert [value for _, value in seen] == ["the caller's"] * 3


async def test_a_list_may_grow_while_it_runs(autojump_clock):
    inputs = [0]

    async def finds_more(number):
        if number < 9:
            inputs.append(number + 1)
        return number

    assert (await processor_of(3).map(finds_more, inputs)).unwrap() == list(range(10))
