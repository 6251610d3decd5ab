"""Mistakes of the original in its batches, each by its number in the list of them; and promises beside them."""

import pytest
import trio
from batch_cases import CountedInputs, as_generator, processor_of, statuses

from atrio.testing import ScriptedAgent, answer, capture_events, fixed_stamps


async def sleep(seconds):
    await trio.sleep(seconds)
    return seconds


async def test_19_a_batch_timeout_keeps_what_finished(autojump_clock):
    batch = await processor_of(2, timeout=5).map(sleep, [1, 99, 2, 1, 99])
    assert statuses(batch) == ["success", "cancelled", "success", "success", "cancelled"]
    assert [each.result for each in batch.results] == [1, None, 2, 1, None]


async def test_20_results_are_in_input_order_and_indexed(autojump_clock):
    batch = await processor_of(5).map(sleep, [5, 4, 3, 2, 1])
    assert [(each.index, each.result) for each in batch.results] == [(0, 5), (1, 4), (2, 3), (3, 2), (4, 1)]


async def test_21_nothing_is_created_up_front(autojump_clock):
    inputs, living = CountedInputs(1, 10_000), []

    async def agent(data):
        living.append((inputs.pulled, trio.lowlevel.current_statistics().tasks_living))
        await trio.sleep(1)

    before = trio.lowlevel.current_statistics().tasks_living
    with trio.move_on_after(3.5):
        await processor_of(3).map(agent, inputs)
    assert max(pulled for pulled, _ in living) <= 13
    assert max(tasks for _, tasks in living) <= before + 3 + 2


async def test_22_ids_do_not_collide_within_a_second(autojump_clock):
    ids = {(await processor_of().map(sleep, [0])).batch_id for _ in range(300)}
    assert len(ids) == 300


@pytest.mark.parametrize("places", [1, 10])
async def test_23_efficiency_at_perfect_use_is_one(autojump_clock, places):
    with capture_events() as events:
        batch = await processor_of(places).map(sleep, [1] * 10 * places)
    assert batch.metrics.efficiency == pytest.approx(1)
    assert events[-1].efficiency == pytest.approx(1)


@pytest.mark.parametrize("total", [1, 9, 10, 11, 19, 100, 1000])
async def test_24_at_most_eleven_progress_lines(autojump_clock, total):
    with capture_events() as events:
        await processor_of(3).map(ScriptedAgent(), range(total))
    assert 1 <= events.names.count("batch.progress") <= 11


async def test_the_same_batch_says_the_same_to_the_byte(autojump_clock):
    async def told():
        with fixed_stamps(seed=3), capture_events() as events:
            await processor_of().map(ScriptedAgent(answer(after=1)), [1, 2])
        return [(event.event_name, event.run_id, getattr(event, "task_id", None)) for event in events]

    assert await told() == await told()


async def test_a_processor_serves_any_number_of_batches_after_any_end(autojump_clock):
    processor = processor_of(2, timeout=5)
    for _ in range(3):
        await processor.map(sleep, [1, 9, 9])
        with trio.move_on_after(1):
            await processor.map(sleep, as_generator([9, 9, 9]))
        async with processor.stream([(sleep, 1), (sleep, 9)]) as outcomes:
            await anext(outcomes)
    assert (await processor.map(sleep, [1, 1])).duration_s == 1


def test_a_processor_serves_one_trio_run_after_another():
    processor = processor_of(2)
    for _ in range(2):
        assert statuses(trio.run(processor.map, sleep, [0, 0, 0])) == ["success"] * 3
