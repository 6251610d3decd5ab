"""Events: which, in what order, with what in them, and who hears them."""

from datetime import timedelta

import attrs
import pytest
import trio

from atrio import (
    BatchProcessor,
    ErrorPolicy,
    Event,
    Pipeline,
    Stage,
    StageConfig,
    current_context,
    events,
)
from atrio.testing import ScriptedAgent, answer, capture_events, fail

ONCE = StageConfig(attempts=1)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)
KINDS = [events.PipelineStart, events.StageStart, events.StageRetry, events.StageEnd, events.PipelineEnd]
ENVELOPE = ["run_id", "parent_run_id", "parent_stage_id", "parent_task_id", "timestamp"]
BATCH_KINDS = [events.BatchStart, events.TaskStart, events.TaskEnd, events.BatchProgress, events.BatchEnd]
CATALOGUE = {
    "pipeline.start": "pipeline_id stage_count",
    "stage.start": "pipeline_id stage_id agent_id stage_index",
    "stage.retry": "pipeline_id stage_id agent_id attempt max_attempts backoff_s error_type error_message",
    "stage.end": "pipeline_id stage_id agent_id stage_index status attempts duration_s input_size output_size "
    "error_type error_message error_stack metadata",
    "pipeline.end": "pipeline_id status duration_s stages_successful stages_failed stages_skipped error_type "
    "error_message error_stack",
    "batch.start": "batch total max_concurrent",
    "task.start": "batch task_id agent_id task_index queued_s",
    "task.end": "batch task_id agent_id task_index status queued_s duration_s error_type error_message error_stack",
    "batch.progress": "batch completed failed total percent elapsed_s",
    "batch.end": "batch status total successful failed timed_out cancelled not_started duration_s throughput_per_s "
    "efficiency",
    "model.call": "stage_id task_id agent_id provider model input_tokens output_tokens duration_s finish_reason "
    "error_type error_message",
    "fallback.used": "stage_id task_id fallback agent_id next_agent_id error_type error_message",
}
FORBIDDEN = {"name", "args", "msg", "message", "module", "process", "thread", "filename", "created"}


async def echo(data):
    return data


def pipeline_of(*agents, pipeline_id="p", config=ONCE):
    pipeline = Pipeline(pipeline_id)
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent, config=config))
    return pipeline


async def events_of(pipeline, data="x"):
    with capture_events() as captured:
        await pipeline.execute(data)
    return captured


def without(event, *names):
    return {name: value for name, value in attrs.asdict(event).items() if name not in {*ENVELOPE, *names}}


# The catalogue


@pytest.mark.parametrize("kind", [*KINDS, *BATCH_KINDS, events.ModelCalled, events.FallbackUsed])
def test_an_event_has_the_fields_of_the_catalogue(kind):
    names = [each.name for each in attrs.fields(kind)]
    assert names == [*ENVELOPE, *CATALOGUE[kind.event_name].split()]
    assert not FORBIDDEN & set(names)


def test_event_is_the_union_of_all_kinds():
    assert set(Event.__args__) >= {*KINDS, *BATCH_KINDS}
    names = [kind.event_name for kind in Event.__args__]
    assert len(set(names)) == len(names)


async def test_events_are_frozen():
    for event in await events_of(pipeline_of(ScriptedAgent(fail()))):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            event.run_id = "other"


# Order and content


async def test_the_events_of_a_run_that_succeeds():
    captured = await events_of(pipeline_of(ScriptedAgent(answer([1, 2])), ScriptedAgent(agent_id="b")), "abc")
    assert captured.names == ["pipeline.start", *["stage.start", "stage.end"] * 2, "pipeline.end"]
    assert without(captured[0]) == {"pipeline_id": "p", "stage_count": 2}
    assert without(captured[1]) == {"pipeline_id": "p", "stage_id": "s0", "agent_id": "scripted", "stage_index": 0}
    end = captured.of(events.StageEnd)
    none = {"error_type": None, "error_message": None, "error_stack": None}
    assert without(end[0], "duration_s") == {
        **without(captured[1]), "status": "success", "attempts": 1, "input_size": 3, "output_size": 2,
        "metadata": None, **none,
    }  # fmt: skip
    assert (end[1].stage_index, end[1].stage_id, end[1].agent_id, end[1].input_size) == (1, "s1", "b", 2)
    assert without(captured[-1], "duration_s") == {
        "pipeline_id": "p", "status": "success", "stages_successful": 2, "stages_failed": 0, "stages_skipped": 0,
        **none,
    }  # fmt: skip
    assert [event.level for event in captured] == ["info", "debug", "info", "debug", "info", "info"]


async def test_the_events_of_a_run_that_fails_after_a_retry(autojump_clock):
    agent = ScriptedAgent(fail(KeyError("one"), after=1), fail(OSError("two"), after=2))
    captured = await events_of(pipeline_of(echo, agent, echo, config=StageConfig(attempts=2)))
    assert captured.names == [
        "pipeline.start", "stage.start", "stage.end", "stage.start", "stage.retry", "stage.end", "pipeline.end",
    ]  # fmt: skip
    (retry,) = captured.of(events.StageRetry)
    assert without(retry) == {
        "pipeline_id": "p", "stage_id": "s1", "agent_id": "scripted", "attempt": 1, "max_attempts": 2, "backoff_s": 1,
        "error_type": "KeyError", "error_message": "'one'",
    }  # fmt: skip
    end, last = captured.of(events.StageEnd)[-1], captured[-1]
    assert (end.status, end.attempts, end.duration_s, end.output_size) == ("error", 2, 4, None)
    assert (last.status, last.duration_s) == ("failed", 4)
    assert (last.stages_successful, last.stages_failed, last.stages_skipped) == (1, 1, 0)
    for event in (end, last):
        assert (event.error_type, event.error_message, event.level) == ("OSError", "two", "error")
        assert event.error_stack.startswith("Traceback")
        assert "OSError: two" in event.error_stack
    assert retry.level == "warning"


async def test_the_events_of_a_run_with_a_skipped_stage():
    captured = await events_of(pipeline_of(ScriptedAgent(fail()), echo, config=SKIP))
    end, last = captured.of(events.StageEnd)[0], captured[-1]
    assert (end.status, end.level, end.error_type) == ("skipped", "warning", "OSError")
    assert (last.status, last.level, last.error_type, last.error_stack) == ("degraded", "warning", None, None)
    assert (last.stages_successful, last.stages_failed, last.stages_skipped) == (1, 0, 1)


async def test_the_events_of_a_run_that_is_cancelled(autojump_clock):
    with capture_events() as captured, trio.move_on_after(5):
        await pipeline_of(ScriptedAgent(answer(after=10))).execute("x")
    assert captured.names == ["pipeline.start", "stage.start", "stage.end", "pipeline.end"]
    assert [(event.status, event.level, event.duration_s) for event in captured[2:]] == [
        ("cancelled", "warning", 5)
    ] * 2


async def test_a_timeout_is_the_error_type_timeout(autojump_clock):
    config = StageConfig(attempts=2, timeout=1)
    captured = await events_of(pipeline_of(ScriptedAgent(answer(after=10)), config=config))
    assert [event.error_type for event in captured[2:]] == ["timeout"] * 3


async def test_events_of_a_run_have_its_id_and_the_time_of_day():
    with capture_events() as captured:
        first, second = await pipeline_of(echo).execute(1), await pipeline_of(echo).execute(2)
    assert [event.run_id for event in captured] == [first.run_id] * 4 + [second.run_id] * 4
    assert all(event.timestamp.utcoffset() == timedelta(0) for event in captured)
    assert [event.timestamp for event in captured] == sorted(event.timestamp for event in captured)
    assert {(event.parent_run_id, event.parent_stage_id, event.parent_task_id) for event in captured} == {(None,) * 3}


async def test_events_of_nested_runs_name_the_run_and_the_stage_around_them():
    ids = {}

    async def remember(data):
        ids[current_context().pipeline_id] = current_context().run_id
        return data

    async def nest(data, stage, context):
        if stage.stage_id == "s0" and context.pipeline_id == "outer":
            await pipeline_of(remember, pipeline_id="in middleware").execute(data)
        return data

    inner = pipeline_of(remember, pipeline_id="inner")
    middle = pipeline_of(remember, inner, pipeline_id="middle")
    captured = await events_of(pipeline_of(remember, middle, pipeline_id="outer").add_middleware(nest))
    parents = {(event.pipeline_id, event.run_id, event.parent_run_id, event.parent_stage_id) for event in captured}
    assert parents == {
        ("outer", ids["outer"], None, None),
        ("middle", ids["middle"], ids["outer"], "s1"),
        ("inner", ids["inner"], ids["middle"], "s1"),
        ("in middleware", ids["in middleware"], ids["outer"], "s0"),
    }
    nested = [event.pipeline_id for event in captured if event.event_name.startswith("pipeline")]
    assert nested == ["outer", "in middleware", "in middleware", "middle", "inner", "inner", "middle", "outer"]


async def test_events_of_a_run_in_a_batch_name_the_batch_and_the_task():
    with capture_events() as captured:
        batch = await BatchProcessor().map(pipeline_of(echo), ["a", "b"])
    found = {
        (event.parent_run_id, event.parent_stage_id, event.parent_task_id)
        for event in captured
        if event.event_name.startswith(("pipeline", "stage"))
    }
    assert found == {(batch.batch_id, None, task.task_id) for task in batch.results}


async def test_emit_reaches_those_who_listen_here_and_now():
    event = events.PipelineStart("0" * 32, None, None, None, None, "p", 1)
    with capture_events() as captured:
        events.emit(event)
    events.emit(event)
    assert captured == [event]
