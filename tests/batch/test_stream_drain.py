"""A stream that is drained: nothing more is pulled, and what runs finishes."""

import pytest
import trio
from batch_cases import SOURCES, processor_of, statuses

from atrio import RunStatus
from atrio.testing import ScriptedAgent, answer


async def sleep(seconds):
    await trio.sleep(seconds)
    return seconds


def pairs_of(*seconds):
    return [(sleep, each) for each in seconds]


@pytest.mark.parametrize("source", SOURCES)
async def test_what_runs_finishes_and_nothing_more_is_pulled(autojump_clock, source):
    agent = ScriptedAgent(answer(after=1))
    async with processor_of(3).stream(SOURCES[source]([(agent, number) for number in range(20)])) as outcomes:
        await trio.sleep(0.5)
        assert outcomes.drain() is None
        drained = [outcome async for outcome in outcomes]
        assert outcomes.status is RunStatus.SUCCESS
    assert 3 <= len(drained) <= 4
    assert set(statuses(drained)) == {"success"}


async def test_a_source_that_waits_is_not_waited_for(autojump_clock):
    async def slow():
        yield sleep, 3
        await trio.sleep_forever()

    async with processor_of(3).stream(slow()) as outcomes:
        await trio.sleep(1)
        outcomes.drain()
        outcomes.drain()
        assert [outcome.result async for outcome in outcomes] == [3]


@pytest.mark.parametrize("source", SOURCES)
async def test_drained_before_anything_was_pulled(autojump_clock, source):
    async with processor_of().stream(SOURCES[source](pairs_of(1, 1))) as outcomes:
        outcomes.drain()
        assert [outcome async for outcome in outcomes] == []


async def test_leaving_cancels_what_was_draining(autojump_clock):
    agent = ScriptedAgent(answer(after=9))
    async with processor_of().stream([(agent, 1)]) as outcomes:
        await trio.sleep(1)
        outcomes.drain()
    assert agent.calls[0].outcome == "cancelled"
