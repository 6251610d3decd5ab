"""Batches in batches: refused on the same processor, however deep; on another they work, and know where they are."""

import pytest
import trio
from batch_cases import assert_events_add_up, assert_permits_are_back, processor_of, statuses

from atrio import NestedBatchError, Pipeline, Stage, StageConfig, current_task
from atrio.adapters import in_thread
from atrio.testing import ScriptedAgent, answer, capture_events


async def echo(data):
    return data


async def begin_map(processor):
    await processor.map(echo, [1])


async def begin_process_batch(processor):
    await processor.process_batch([(echo, 1)])


async def begin_stream(processor):
    async with processor.stream([(echo, 1)]) as outcomes:
        async for _ in outcomes:
            pass


BEGIN = [begin_map, begin_process_batch, begin_stream]


async def directly(begin, processor):
    await begin(processor)


async def in_a_pipeline(begin, processor):
    stage = Stage("s", begin, config=StageConfig(attempts=5))
    await Pipeline("outer").add_stage(Stage("p", Pipeline("p").add_stage(stage))).process(processor)


async def in_another_processors_task(begin, processor):
    async def inner(data):
        (await processor_of(2).map(begin, [processor])).unwrap()

    (await processor_of(2).map(inner, [1])).unwrap()


async def in_another_processors_stream(begin, processor):
    async with processor_of(2).stream([(begin, processor)]) as outcomes:
        async for outcome in outcomes:
            raise outcome.error.exception


async def in_a_child_task(begin, processor):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin, processor)


def leaves_of(error):
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves_of(each)]
    if not isinstance(error, NestedBatchError) and error.__cause__ is not None:
        return leaves_of(error.__cause__)
    return [error]


@pytest.mark.parametrize("begin", BEGIN)
@pytest.mark.parametrize(
    "path", [directly, in_a_pipeline, in_another_processors_task, in_another_processors_stream, in_a_child_task]
)
@pytest.mark.parametrize("places", [1, 5])
async def test_on_the_same_processor_it_is_refused(autojump_clock, path, begin, places):
    processor = processor_of(places)

    async def outer(data):
        with trio.fail_after(99):
            await path(begin, processor)

    (task,) = (await processor.map(outer, [1])).results
    assert task.status == "error"
    assert [type(leaf) for leaf in leaves_of(task.error.exception)] == [NestedBatchError]
    (leaf,) = leaves_of(task.error.exception)
    assert isinstance(leaf, RuntimeError)
    assert "same processor" in str(leaf)
    assert task.duration_s == 0  # not retried
    assert_permits_are_back(processor)


async def test_from_a_thread_it_is_refused():
    # No virtual time: it does not wait for threads.
    processor = processor_of()

    def blocking(data):
        trio.from_thread.run(begin_map, processor)

    (task,) = (await processor.map(in_thread(blocking), [1])).results
    assert task.error.error_type == "NestedBatchError"


@pytest.mark.parametrize("begin", BEGIN)
async def test_in_a_stream_it_is_refused_too(autojump_clock, begin):
    processor = processor_of(3)
    async with processor.stream([(begin, processor)]) as outcomes:
        assert (await anext(outcomes)).error.error_type == "NestedBatchError"


@pytest.mark.parametrize("begin", BEGIN)
async def test_on_another_processor_it_works(autojump_clock, begin):
    inner = processor_of()
    assert statuses(await processor_of(3).map(begin, [inner] * 9)) == ["success"] * 9
    assert_permits_are_back(inner)


async def test_beside_a_running_batch_it_works(autojump_clock):
    processor = processor_of()
    async with processor.stream([(ScriptedAgent(answer(after=1)), 1)] * 3) as outcomes:
        async for _ in outcomes:
            assert statuses(await processor.map(echo, [1])) == ["success"]


@pytest.mark.parametrize("path", [directly, in_another_processors_task])
async def test_a_background_task_that_outlives_its_task_is_not_refused(autojump_clock, path):
    processor, went_well = processor_of(), []

    async def later():
        await trio.sleep(5)
        await path(begin_map, processor)
        went_well.append(True)

    async with trio.open_nursery() as nursery:

        async def leaves_something_behind(data):
            nursery.start_soon(later)

        (await processor.map(leaves_something_behind, [1, 2])).unwrap()
        (await processor.map(ScriptedAgent(answer(after=9)), [1])).unwrap()
    assert went_well == [True, True]


async def test_a_background_task_of_an_inner_batch_still_holds_the_outer_place(autojump_clock):
    processor, other = processor_of(), processor_of()

    async def outer(data):
        async with trio.open_nursery() as nursery:

            async def later():
                await trio.sleep(5)
                with trio.fail_after(99):
                    await begin_map(processor)

            async def inner(data):
                nursery.start_soon(later)

            await other.map(inner, [1])

    (task,) = (await processor.map(outer, [1])).results
    assert [type(leaf) for leaf in leaves_of(task.error.exception)] == [NestedBatchError]


class TestCurrentTask:
    async def test_outside_of_a_batch_there_is_none(self, autojump_clock):
        assert current_task() is None
        assert await Pipeline("p").add_stage(Stage("s", ask)).process(1) is None
        await processor_of().map(echo, [1])
        assert current_task() is None
        async with processor_of().stream([(echo, 1)]) as outcomes:
            async for _ in outcomes:
                assert current_task() is None

    @pytest.mark.parametrize("places", [1, 3])
    async def test_it_names_the_batch_and_the_input(self, autojump_clock, places):
        batch = await processor_of(places).map(ask, range(5))
        assert batch.unwrap() == [(batch.batch_id, str(index)) for index in range(5)]
        assert batch.results[0].result._fields == ("run_id", "key")

    async def test_in_a_pipeline(self, autojump_clock):
        batch = await processor_of().map(Pipeline("p").add_stage(Stage("s", ask)), [1])
        assert batch.unwrap() == [(batch.batch_id, "0")]

    async def test_in_a_thread(self):
        batch = await processor_of(2).map(in_thread(lambda data: current_task()), range(3))
        assert batch.unwrap() == [(batch.batch_id, str(index)) for index in range(3)]

    async def test_the_innermost_is_current(self, autojump_clock):
        async def outer(data):
            before = current_task()
            inner = await processor_of().map(ask, range(2))
            assert current_task() == before
            assert inner.unwrap() == [(inner.batch_id, "0"), (inner.batch_id, "1")]
            return before

        batch = await processor_of().map(outer, range(2))
        assert batch.unwrap() == [(batch.batch_id, "0"), (batch.batch_id, "1")]


async def ask(data):
    return current_task()


def parents(event):
    return event.parent_run_id, event.parent_stage_id, event.parent_task_id


async def test_a_batch_in_a_stage_in_a_batch_knows_its_parents(autojump_clock):
    inner = processor_of(2)

    async def begin(data):
        return (await inner.map(echo, [data, data], name="inner")).unwrap()

    pipeline = Pipeline("p").add_stage(Stage("s", begin))
    with capture_events() as events:
        batch = await processor_of(2).map(pipeline, [1, 2, 3], name="outer")
    assert batch.unwrap() == [[1, 1], [2, 2], [3, 3]]
    assert_events_add_up(events)
    outer = {parents(event) for event in events if event.run_id == batch.batch_id}
    assert outer == {(None, None, None)}
    runs = [event for event in events if event.event_name == "pipeline.start"]
    assert {parents(event) for event in runs} == {(batch.batch_id, None, each.task_id) for each in batch.results}
    of_inner = [event for event in events if getattr(event, "batch", None) == "inner"]
    assert {parents(event) for event in of_inner} == {(run.run_id, "s", None) for run in runs}
    assert len({event.run_id for event in of_inner}) == 3


async def test_a_batch_in_a_task_knows_its_task(autojump_clock):
    async def begin(data):
        await processor_of().map(echo, [1], name="inner")
        await Pipeline("p").add_stage(Stage("s", echo)).process(1)

    with capture_events() as events:
        batch = await processor_of().map(begin, [1], name="outer")
    inside = [event for event in events if event.run_id != batch.batch_id]
    assert {parents(event) for event in inside} == {(batch.batch_id, None, batch.results[0].task_id)}


async def test_a_pipeline_in_an_inner_batch_belongs_to_the_inner_task(autojump_clock):
    inner_task = []

    async def stage(data):
        batch = await processor_of().map(Pipeline("leaf").add_stage(Stage("s", echo)), [1])
        inner_task.append((batch.batch_id, None, batch.results[0].task_id))

    with capture_events() as events:
        await Pipeline("root").add_stage(Stage("s", stage)).execute(1)
    (leaf,) = [event for event in events if event.event_name == "pipeline.start" and event.pipeline_id == "leaf"]
    assert [parents(leaf)] == inner_task
