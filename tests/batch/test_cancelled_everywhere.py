"""A batch cancelled at every checkpoint, one after the other, and stopped at every moment: nothing is left behind."""

import itertools
from math import inf

import pytest
import trio
from batch_cases import SOURCES, assert_events_add_up, assert_permits_are_back, processor_of

from atrio import Pipeline, Stage
from atrio.testing import ScriptedAgent, answer, cancel_at_checkpoint, capture_events, fail, run_in_virtual_time


class Batch:
    """Some of everything: instant, slow and failing agents, a changed variable, a pipeline, a batch inside."""

    def __init__(self, source, timeout=None):
        self.outer = processor_of(2, timeout=timeout, task_timeout=4)
        self.inner = processor_of(2)
        self.slow = ScriptedAgent(answer(after=1))
        self.late = ScriptedAgent(answer(after=9))
        pairs = [
            (ScriptedAgent(), 0),
            (self.slow, 1),
            (ScriptedAgent(fail()), 2),
            (self.late, 3),
            (self.inner_batch, 4),
            (Pipeline("p").add_stage(Stage("s", self.slow)), 5),
            (self.slow, 6),
        ]
        self.source = SOURCES[source](pairs) if source != "async" else SOURCES[source](pairs, delay=0.25)

    async def inner_batch(self, data):
        async with self.inner.stream([(self.slow, number) for number in range(3)]) as outcomes:
            await anext(outcomes)
            await anext(outcomes)

    async def process_batch(self):
        await self.outer.process_batch(self.source)

    async def stream(self):
        async with self.outer.stream(self.source) as outcomes:
            async for _ in outcomes:
                await trio.sleep(0.5)

    async def stream_left(self):
        async with self.outer.stream(self.source) as outcomes:
            async for outcome in outcomes:
                if outcome.result == 6:
                    break

    def assert_nothing_is_left(self, events, living):
        assert_permits_are_back(self.outer, self.inner)
        assert (self.slow.running, self.late.running) == (0, 0)
        assert trio.lowlevel.current_statistics().tasks_living == living
        assert trio.current_effective_deadline() == inf
        assert_events_add_up(events)


WAYS = ["process_batch", "stream", "stream_left"]


async def cancelled_at(number, way, source):
    batch, living = Batch(source), trio.lowlevel.current_statistics().tasks_living
    with capture_events() as events:
        cancelled = await cancel_at_checkpoint(number, getattr(batch, way))
    batch.assert_nothing_is_left(events, living)
    return cancelled


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", WAYS)
def test_cancelled_at_every_checkpoint_of_the_caller(way, source):
    numbers = itertools.count(1)
    for number in numbers:
        if not run_in_virtual_time(cancelled_at, number, way, source):
            break
    assert number > 1


class CancelAfterSteps(trio.abc.Instrument):
    """Cancels a scope when all tasks together made so many steps."""

    def __init__(self, scope, steps):
        self.scope = scope
        self.left = steps

    def after_task_step(self, task):
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


async def cancelled_after_steps(steps, way, source):
    batch, living = Batch(source), trio.lowlevel.current_statistics().tasks_living
    with capture_events() as events, trio.CancelScope() as scope:
        instrument = CancelAfterSteps(scope, steps)
        trio.lowlevel.add_instrument(instrument)
        try:
            await getattr(batch, way)()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    batch.assert_nothing_is_left(events, living)
    return instrument.left <= 0


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", WAYS)
def test_cancelled_after_every_step_of_any_task(way, source):
    steps = itertools.count(1)
    for number in steps:
        if not run_in_virtual_time(cancelled_after_steps, number, way, source):
            break
    assert number > 10


async def out_of_time_at(seconds, way, source):
    batch, living = Batch(source, seconds), trio.lowlevel.current_statistics().tasks_living
    with capture_events() as events:
        await getattr(batch, way)()
    batch.assert_nothing_is_left(events, living)
    return next(event for event in events if event.event_name == "batch.end" and event.parent_run_id is None).status


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", WAYS)
def test_out_of_time_at_every_moment(way, source):
    ended = {run_in_virtual_time(out_of_time_at, eighths / 8, way, source) for eighths in range(1, 80)}
    assert "timeout" in ended
    assert len(ended) > 1
