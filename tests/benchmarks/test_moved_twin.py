"""The twin with one moved deadline a run: each attempt has its own time all the same, however the agent ends."""

import asyncio

import pytest

from benchmarks.twin.moved import MovedPipeline
from benchmarks.twin.records import AttemptTimeoutError
from benchmarks.twin.stage import Backoff, ErrorPolicy, Stage, StageConfig

SHORT = StageConfig(attempts=2, timeout=0.02, error_policy=ErrorPolicy.SKIP, backoff=Backoff(initial=0))


async def echo(data):
    return data


async def hang(data):
    await asyncio.sleep(60)


async def swallow(data):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "made of a cancellation"


async def own_timeout(data):
    raise TimeoutError("the agent's own")


def run(*agents, config=SHORT, data="data"):
    pipeline = MovedPipeline("p")
    for index, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{index}", agent, config=config))
    return asyncio.run(pipeline.execute(data))


def test_each_of_several_that_hang_is_cut_off():
    result = run(hang, echo, hang, echo)
    assert [record.status for record in result.stages] == ["skipped", "success", "skipped", "success"]
    assert [record.attempts for record in result.stages] == [2, 1, 2, 1]
    assert isinstance(result.stages[0].error, AttemptTimeoutError)


def test_an_output_made_of_a_cancellation_counts_and_the_next_stage_has_its_time():
    result = run(swallow, hang, echo)
    assert [record.status for record in result.stages] == ["success", "skipped", "success"]
    assert result.stages[0].output == "made of a cancellation"


def test_an_agents_own_timeout_is_its_own():
    record = run(own_timeout).stages[0]
    assert not isinstance(record.error, AttemptTimeoutError)


def test_waits_and_middleware_have_no_deadline():
    waiting = StageConfig(attempts=2, timeout=0.02, error_policy=ErrorPolicy.SKIP, backoff=Backoff(initial=0.06))
    calls = []

    async def fails_once(data):
        calls.append(data)
        if len(calls) == 1:
            raise ConnectionError
        return data

    async def slow(data, stage, run):
        await asyncio.sleep(0.04)
        return data

    pipeline = MovedPipeline("p").add_stage(Stage("s0", fails_once, config=waiting))
    pipeline.add_stage(Stage("s1", echo, config=waiting)).add_middleware(slow)
    result = asyncio.run(pipeline.execute("data"))
    assert [record.status for record in result.stages] == ["success", "success"]


def test_a_cancellation_from_outside_goes_through():
    async def main():
        pipeline = MovedPipeline("p").add_stage(Stage("s0", hang, config=StageConfig(timeout=60)))
        task = asyncio.create_task(pipeline.execute("data"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
