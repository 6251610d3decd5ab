"""Many inputs: every one has its outcome, in time and memory that do not grow with what is not kept."""

import tracemalloc

import pytest
import trio
from batch_cases import MANY, assert_permits_are_back, processor_of

from atrio import Pipeline, Stage, StageConfig, observe_only


async def echo(data):
    return data


async def no_op(data):
    return None


async def yields(data):
    await trio.lowlevel.checkpoint()
    return data


@pytest.mark.parametrize("agent", [echo, yields])
@pytest.mark.parametrize("places", [1, 50])
async def test_a_large_batch_of_generated_items(autojump_clock, agent, places):
    processor = processor_of(places)
    batch = await processor.process_batch((agent, number) for number in range(MANY))
    assert all(each.index == each.result == number for number, each in enumerate(batch.results))
    assert len(batch.results) == MANY
    assert_permits_are_back(processor)


async def test_a_large_stream_of_generated_items(autojump_clock):
    processor, total, count = processor_of(50), 0, 0
    async with processor.stream((echo, number) for number in range(MANY)) as outcomes:
        async for outcome in outcomes:
            total += outcome.result
            count += 1
    assert (count, total) == (MANY, MANY * (MANY - 1) // 2)
    assert_permits_are_back(processor)


async def test_a_large_stream_of_an_async_generator(autojump_clock):
    async def inputs():
        for number in range(MANY // 4):
            yield echo, number

    async with processor_of(20).stream(inputs()) as outcomes:
        assert sum([outcome.result async for outcome in outcomes]) == sum(range(MANY // 4))


async def test_a_batch_of_pipelines(autojump_clock):
    pipeline = Pipeline("p")
    for number in range(3):
        pipeline.add_stage(Stage(f"s{number}", yields, config=StageConfig(timeout=9)))
    assert (await processor_of(20).map(pipeline, range(2000))).unwrap() == list(range(2000))


async def test_a_batch_in_a_stage_in_a_batch(autojump_clock):
    inner = processor_of(7)

    async def begin(number):
        return sum((await inner.map(yields, range(number))).unwrap())

    pipeline = Pipeline("p").add_stage(Stage("s", begin))
    batch = await processor_of(5).map(pipeline, range(1, 60))
    assert batch.unwrap() == [number * (number - 1) // 2 for number in range(1, 60)]
    assert_permits_are_back(inner)


async def bytes_per_item(items):
    inputs = list(range(items))
    processor = processor_of(5)
    with observe_only():
        await processor.map(no_op, inputs[:100])
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            batch = await processor.map(no_op, inputs)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(batch.results) == items
    return (after - before) / items


async def test_a_batch_keeps_at_most_250_bytes_an_item(autojump_clock):
    assert await bytes_per_item(10_000) <= 250


async def peak_of_a_stream(items):
    processor = processor_of(5)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        async with processor.stream((no_op, 1) for _ in range(items)) as outcomes:
            async for _ in outcomes:
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


async def test_a_stream_keeps_nothing(autojump_clock):
    with observe_only():
        await peak_of_a_stream(200)
        small, large = await peak_of_a_stream(1000), await peak_of_a_stream(10_000)
    # What lies about until the collector comes is not the stream's; an item kept would be 600,000 bytes.
    assert large <= small + 100_000
