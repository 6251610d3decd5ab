"""What a batch says: the catalogue's events, progress at each tenth, and nothing while nobody listens."""

import pytest
import trio
from batch_cases import as_generator, assert_events_add_up, processor_of
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import observe, observe_only
from atrio.events import _levels as levels
from atrio.testing import ScriptedAgent, answer, capture_events, fail, run_in_virtual_time


async def sleep(seconds):
    await trio.sleep(seconds)


def of(events, name):
    return [event for event in events if event.event_name == name]


async def test_the_events_of_a_batch(autojump_clock):
    with capture_events() as events:
        batch = await processor_of(2, timeout=9, task_timeout=3).process_batch(
            [(sleep, 1), (ScriptedAgent(fail(OSError("no"))), 1), (sleep, 5), (sleep, 2)], name="mine"
        )
    assert_events_add_up(events)
    assert {event.run_id for event in events} == {batch.batch_id}
    assert {event.batch for event in events} == {"mine"}
    (start,), (end,) = of(events, "batch.start"), of(events, "batch.end")
    assert (start.total, start.max_concurrent, start.level) == (4, 2, "info")
    assert (end.status, end.level, end.total) == ("failed", "error", 4)
    assert (end.successful, end.failed, end.timed_out, end.cancelled, end.not_started) == (2, 1, 1, 0, 0)
    assert (end.duration_s, end.throughput_per_s, end.efficiency) == (3, 4 / 3, 1)
    starts, ends = of(events, "task.start"), of(events, "task.end")
    assert {(each.task_index, each.task_id, each.agent_id, each.queued_s, each.level) for each in starts} == {
        (each.index, each.task_id, each.agent_id, each.queued_s, "debug") for each in batch.results
    }
    told = {each.task_index: each for each in ends}
    for each in batch.results:
        event = told[each.index]
        assert (event.status, event.queued_s, event.duration_s) == (each.status, each.queued_s, each.duration_s)
        assert event.level == ("debug" if each.status == "success" else "error")
        assert event.error_type == (each.error and each.error.error_type)
        assert event.error_message == (each.error and each.error.message)
        assert (event.error_stack is None) == (each.error is None)
    assert told[2].error_type == "timeout"


@pytest.mark.parametrize(
    ("seconds", "status", "level"),
    [
        ([1], "success", "info"),
        ([1, 1, None], "degraded", "warning"),
        ([None], "failed", "error"),
        ([99], "timeout", "error"),
    ],
)
async def test_how_a_batch_ended(autojump_clock, seconds, status, level):
    async def agent(data):
        await trio.sleep(data or 0)
        if data is None:
            raise OSError

    with capture_events() as events:
        batch = await processor_of(timeout=9).map(agent, seconds)
    assert (events[-1].status, events[-1].level) == (status, level)
    assert batch.status == status


async def test_a_cancelled_batch_says_so(autojump_clock):
    with capture_events() as events, trio.move_on_after(2.5):
        await processor_of(2).map(sleep, [1, 9, 9, 9])
    assert_events_add_up(events)
    assert (events[-1].status, events[-1].level, events[-1].duration_s) == ("cancelled", "warning", 2.5)
    assert (events[-1].successful, events[-1].cancelled) == (1, 2)


async def progress_of(total, places=1):
    with capture_events() as events:
        await processor_of(places).map(ScriptedAgent(fail(times=max(total // 3, 1)), answer()), range(total))
    return of(events, "batch.progress")


@settings(deadline=None, max_examples=60)
@given(total=st.integers(1, 250), places=st.integers(1, 7))
def test_progress_at_each_tenth_and_at_most_eleven(total, places):
    progress = run_in_virtual_time(progress_of, total, places)
    completed = [event.completed for event in progress]
    assert completed == sorted({-(-tenth * total // 10) for tenth in range(1, 11)})
    assert len(progress) <= 11
    for event in progress:
        assert event.total == total
        assert event.percent == pytest.approx(100 * event.completed / total)
        assert event.failed == min(event.completed, max(total // 3, 1))
        assert event.level == "info"


async def test_a_list_that_grows_makes_eleven_progress_events_at_most(autojump_clock):
    inputs = [0]

    async def finds_more(number):
        if number < 99:
            inputs.append(number + 1)

    with capture_events() as events:
        await processor_of().map(finds_more, inputs)
    progress = of(events, "batch.progress")
    assert len(progress) <= 11
    assert all(0 <= event.percent <= 100 for event in progress)


@pytest.mark.parametrize("how", ["map", "stream"])
async def test_progress_every_five_seconds_if_the_total_is_not_known(autojump_clock, how):
    with capture_events() as events:
        if how == "map":
            await processor_of().map(sleep, as_generator([2] * 11))
        else:
            async with processor_of().stream((sleep, 2) for _ in range(11)) as outcomes:
                async for _ in outcomes:
                    pass
    assert events[0].total is None
    progress = of(events, "batch.progress")
    assert [(event.elapsed_s, event.completed) for event in progress if event.elapsed_s % 2] == [(5, 2), (15, 7)]
    assert [event.elapsed_s for event in progress] == [5, 10, 15, 20]
    assert {(event.total, event.percent) for event in progress} == {(None, None)}


async def test_no_progress_of_a_short_batch_whose_total_is_not_known(autojump_clock):
    with capture_events() as events:
        await processor_of().map(sleep, as_generator([2, 2]))
    assert of(events, "batch.progress") == []


async def test_the_end_comes_last_and_progress_never_after_it(autojump_clock):
    with capture_events() as events:
        await processor_of(3, timeout=12).map(sleep, as_generator([7] * 9))
    assert_events_add_up(events)
    assert [event.elapsed_s for event in of(events, "batch.progress")] == [5, 10]


async def test_with_nobody_listening_no_event_is_made(autojump_clock, monkeypatch):
    for name in ("BatchStart", "TaskStart", "TaskEnd", "BatchProgress", "BatchEnd"):
        monkeypatch.setattr(f"atrio.events.{name}", None)
    with observe_only():
        assert (await processor_of(2).map(sleep, [1, 1])).status == "success"
        assert (await processor_of(2).map(sleep, as_generator([9, 9]))).status == "success"


async def test_a_sink_that_raises_changes_nothing(autojump_clock):
    def broken(event):
        raise RuntimeError("a sink's")

    with pytest.warns(RuntimeWarning), observe(broken):
        assert (await processor_of(2).map(sleep, [1, 1])).status == "success"


@pytest.mark.parametrize(
    ("level", "names"),
    [
        ("DEBUG", {"batch.start", "task.start", "task.end", "batch.progress", "batch.end"}),
        ("INFO", {"batch.start", "task.end", "batch.progress", "batch.end"}),
        ("ERROR", {"task.end", "batch.end"}),
    ],
)
async def test_a_level_that_nobody_wants_is_not_made(autojump_clock, level, names):
    class Sink(list):
        __call__ = list.append

        def minimum_level(self):
            return getattr(levels, level)

    sink = Sink()
    with observe_only(sink):
        await processor_of().process_batch([(ScriptedAgent(fail()), 1), (ScriptedAgent(), 2)])
    assert {event.event_name for event in sink} == names
    assert [event.status for event in sink if event.event_name == "task.end"][:1] == ["error"]
