"""Agents that never block leave room for a host's other tasks: all runs of a Trio loop share a turn."""

import pytest
import trio

from atrio import Pipeline, Stage, StageConfig
from atrio._turn import SECONDS, current_turn

STEP = 0.00005
"""What an instant stage costs on the clock below, in seconds."""


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
    monkeypatch.setattr("atrio._turn.perf_counter", clock)
    monkeypatch.setattr("atrio._run.perf_counter", clock)
    return clock


async def longest_wait_of_another_task(clock, runs, stages):
    pipeline = Pipeline("p")
    for index in range(stages):
        pipeline.add_stage(Stage(f"s{index}", clock.compute, config=StageConfig(timeout=None)))
    waits = []

    async def other_task():
        while True:
            before = clock.now
            await trio.lowlevel.checkpoint()
            waits.append(clock.now - before)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other_task)
        async with trio.open_nursery() as running:
            for _ in range(runs):
                running.start_soon(pipeline.execute, 1)
        nursery.cancel_scope.cancel()
    assert clock.now == pytest.approx(runs * stages * STEP)
    return max(waits)


@pytest.mark.parametrize(("runs", "stages"), [(1, 500), (50, 100), (500, 3)])
async def test_other_tasks_wait_for_two_turns_at_most(processor_time, runs, stages):
    wait = await longest_wait_of_another_task(processor_time, runs, stages)
    # In a tick there is one turn, which the last stage in it may exceed; in random order a task may wait for two ticks.
    assert wait <= 2 * (SECONDS + STEP) * 1.01


async def test_what_is_left_of_a_turn_and_a_new_one_are_not_both_used_in_a_tick(processor_time):
    """Runs that end in the middle of a turn leave time to those who are woken, and these run in random order."""
    for _ in range(20):
        processor_time.now = 0.0
        current_turn().ends = 0.0
        wait = await longest_wait_of_another_task(processor_time, 500, 3)
        assert wait <= 2 * (SECONDS + STEP) * 1.01


async def test_a_turn_is_used_up(processor_time):
    wait = await longest_wait_of_another_task(processor_time, 1, 500)
    assert wait >= SECONDS


def test_each_trio_loop_has_its_own_turn():
    async def mine():
        assert current_turn() is current_turn()
        return current_turn()

    assert trio.run(mine) is not trio.run(mine)


async def test_turns_go_round(processor_time):
    """Runs of the same length end at about the same time, and a short one need not wait for a long one."""
    pipeline = Pipeline("long")
    for index in range(200):
        pipeline.add_stage(Stage(f"s{index}", processor_time.compute, config=StageConfig(timeout=None)))
    short = Pipeline("short").add_stage(Stage("s", processor_time.compute, config=StageConfig(timeout=None)))
    ended = {}

    async def run(name, of):
        await of.execute(1)
        ended[name] = processor_time.now

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(run, number, pipeline)
        nursery.start_soon(run, "short", short)
    total = processor_time.now
    # One after the other they would end at a quarter, a half, three quarters and the end.
    assert min(ended[number] for number in range(4)) > 0.5 * total
    assert ended["short"] < 0.2 * total


@pytest.mark.parametrize(("runs", "stages"), [(1, 500), (20, 50), (500, 2)])
async def test_a_busy_host_does_not_eat_up_the_turns(processor_time, runs, stages):
    """What the host's tasks compute ends a turn by the clock, and the next tick has a whole turn all the same."""
    pipeline = Pipeline("p")
    for index in range(stages):
        pipeline.add_stage(Stage(f"s{index}", processor_time.compute, config=StageConfig(timeout=None)))
    ticks, host_s = 0, 2 * SECONDS

    async def host():
        nonlocal ticks
        while True:
            processor_time.now += host_s
            ticks += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(host)
        async with trio.open_nursery() as running:
            for _ in range(runs):
                running.start_soon(pipeline.execute, 1)
        nursery.cancel_scope.cancel()
    ours_s = processor_time.now - ticks * host_s
    assert ours_s == pytest.approx(runs * stages * STEP)
    # In each tick a turn; but in random order the host may compute between its begin and its end, or first.
    assert ticks < 4 * ours_s / SECONDS + 40
