"""Batches on one processor share its limit, fairly, and leave room for a host's other tasks."""

import pytest
import trio
from batch_cases import assert_permits_are_back, processor_of

from atrio import Pipeline, Stage
from atrio._turn import SECONDS
from atrio.testing import ScriptedAgent, answer

STEP = 0.00005
"""What an instant task costs on the processor clock below, in seconds."""


class Order:
    """An agent that takes a second, and notes whose inputs it was given when."""

    def __init__(self):
        self.begun = []
        self.living = self.most_living = 0

    async def process(self, whose):
        self.begun.append(whose)
        self.living += 1
        self.most_living = max(self.living, self.most_living)
        await trio.sleep(1)
        self.living -= 1


async def use(processor, agent, whose, count, how):
    if how == "map":
        await processor.map(agent, [whose] * count)
    else:
        async with processor.stream((agent, whose) for _ in range(count)) as outcomes:
            async for _ in outcomes:
                pass


HOWS = ["map", "stream"]


@pytest.mark.parametrize("first", HOWS)
@pytest.mark.parametrize("second", HOWS)
@pytest.mark.parametrize("endless", [False, True])
async def test_a_second_batch_gets_its_share(autojump_clock, request, first, second, endless):
    if endless:
        request.getfixturevalue("endless_turn")
    processor, agent = processor_of(2), Order()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, processor, agent, "A", 20, first)
        await trio.sleep(0.5)
        nursery.start_soon(use, processor, agent, "B", 8, second)
    assert agent.most_living == 2
    # From when the second came, both get a place in turn.
    shared = agent.begun[2:18]
    assert 6 <= shared.count("B") <= 8
    assert_permits_are_back(processor)


@pytest.mark.parametrize("how", HOWS)
async def test_many_batches_never_exceed_the_limit(autojump_clock, how):
    processor, agent = processor_of(3), Order()
    async with trio.open_nursery() as nursery:
        for whose in "ABCDE":
            nursery.start_soon(use, processor, agent, whose, 6, how)
    assert agent.most_living == 3
    assert sorted(agent.begun) == sorted("ABCDE" * 6)
    # Nobody is finished before everybody had begun.
    assert set(agent.begun[:15]) == set("ABCDE")
    assert_permits_are_back(processor)


async def test_no_place_stays_empty_while_somebody_waits(autojump_clock):
    processor, agent = processor_of(3), Order()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for whose in "ABC":
            nursery.start_soon(use, processor, agent, whose, 10, "map")
    assert trio.current_time() - began == 10


async def test_a_batch_that_is_cancelled_gives_its_places_to_the_other(autojump_clock):
    processor, slow = processor_of(2), ScriptedAgent(answer(after=99))
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        @nursery.start_soon
        async def cancelled():
            with scope:
                await processor.map(slow, range(9))

        await trio.sleep(1)
        scope.deadline = trio.current_time() + 4
        (task,) = (await processor.map(Order(), ["B"])).results
    assert (task.queued_s, task.duration_s) == (4, 1)
    assert_permits_are_back(processor)


@pytest.fixture
def processor_time(monkeypatch):
    """A processor clock that moves only when an agent computes."""

    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

        async def compute(self, data):
            self.now += STEP
            return data

    clock = Clock()
    for module in ("_turn", "_run", "_batch_run"):
        monkeypatch.setattr(f"atrio.{module}.perf_counter", clock)
    return clock


async def longest_wait_of_another_task(clock, work):
    waits = []

    async def other_task():
        while True:
            before = clock.now
            await trio.lowlevel.checkpoint()
            waits.append(clock.now - before)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other_task)
        await work()
        nursery.cancel_scope.cancel()
    return max(waits)


@pytest.mark.parametrize(("places", "batches"), [(1, 1), (50, 1), (10, 5)])
@pytest.mark.parametrize("piped", [False, True])
async def test_instant_agents_do_not_keep_other_tasks_waiting(autojump_clock, processor_time, places, batches, piped):
    agent = Pipeline("p").add_stage(Stage("s", processor_time.compute)) if piped else processor_time.compute

    async def work():
        async with trio.open_nursery() as nursery:
            for _ in range(batches):
                nursery.start_soon(processor_of(places).map, agent, range(1000))

    wait = await longest_wait_of_another_task(processor_time, work)
    assert processor_time.now == pytest.approx(1000 * batches * STEP)
    assert wait <= 2 * (SECONDS + (places * batches + 1) * STEP)


async def test_instant_tasks_of_a_stream_do_not_either(autojump_clock, processor_time):
    async def work():
        async with processor_of(50).stream((processor_time.compute, number) for number in range(2000)) as outcomes:
            async for _ in outcomes:
                pass

    assert await longest_wait_of_another_task(processor_time, work) <= 2 * (SECONDS + 51 * STEP)
