"""Pipelines: building them, running them, nesting them, and embedding them in a Trio program."""

import contextlib
import dataclasses
import inspect
from collections import deque

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from atrio import (
    Pipeline,
    PipelineContext,
    PipelineError,
    PipelineResult,
    RunStatus,
    Stage,
    StageConfig,
    current_context,
)
from atrio.testing import ScriptedAgent, answer, capture_events, fail

ONCE = StageConfig(attempts=1)


async def echo(data):
    return data


async def upper(data):
    return data.upper()


def pipeline_of(*agents, pipeline_id="p", config=ONCE):
    pipeline = Pipeline(pipeline_id)
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent, config=config))
    return pipeline


# Building


def test_the_fluent_form_returns_the_pipeline():
    async def middleware(data, stage, context):
        return data

    pipeline = Pipeline("p")
    stage = Stage("a", echo)
    assert pipeline.add_stage(stage) is pipeline
    assert pipeline.add_middleware(middleware) is pipeline
    assert pipeline.stages == (stage,)
    assert pipeline.pipeline_id == "p"


def test_the_stages_are_a_tuple_that_does_not_change():
    pipeline = pipeline_of(echo)
    before = pipeline.stages
    pipeline.add_stage(Stage("later", echo))
    assert type(before) is tuple
    assert [len(before), len(pipeline.stages)] == [1, 2]


@pytest.mark.parametrize("bad", [echo, None, "a", ("a", echo), Stage])
def test_what_is_no_stage_is_refused(bad):
    pipeline = Pipeline("p")
    with pytest.raises(TypeError, match=r"'p' takes a Stage"):
        pipeline.add_stage(bad)
    assert pipeline.stages == ()


def test_a_stage_id_twice_is_refused():
    pipeline = Pipeline("p").add_stage(Stage("a", echo)).add_stage(Stage("b", echo))
    with pytest.raises(ValueError, match="stage 'a'"):
        pipeline.add_stage(Stage("a", upper))
    assert [stage.agent_id for stage in pipeline.stages] == ["echo", "echo"]


def test_one_stage_may_be_in_two_pipelines():
    stage = Stage("a", echo)
    assert Pipeline("p").add_stage(stage).stages == Pipeline("q").add_stage(stage).stages


# Running


async def test_each_stage_gets_what_the_one_before_gave():
    agents = [ScriptedAgent(answer(1)), ScriptedAgent(answer(2)), ScriptedAgent(answer(3))]
    result = await pipeline_of(*agents).execute(0)
    assert [agent.calls[0].data for agent in agents] == [0, 1, 2]
    assert isinstance(result, PipelineResult)
    assert (result.output, result.status, result.pipeline_id) == (3, RunStatus.SUCCESS, "p")


async def test_process_is_the_output_of_execute():
    assert await pipeline_of(upper).process("x") == (await pipeline_of(upper).execute("x")).unwrap() == "X"


async def test_process_raises_what_unwrap_would():
    error = OSError("gone")
    with pytest.raises(PipelineError) as caught:
        await pipeline_of(ScriptedAgent(fail(error))).process("x")
    assert caught.value.__cause__ is error
    assert (caught.value.pipeline_id, caught.value.stage_id) == ("p", "s0")


async def test_a_pipeline_without_stages_is_an_error_when_executed():
    context = PipelineContext("p")
    for call in (Pipeline("p").execute("x"), Pipeline("p").process("x"), Pipeline("p").execute("x", context)):
        with pytest.raises(PipelineError, match="no stages") as caught:
            await call
        assert (caught.value.pipeline_id, caught.value.stage_id, caught.value.result) == ("p", None, None)
    assert context.status is RunStatus.PENDING


@pytest.mark.parametrize("error", [OSError("x"), TypeError("x"), trio.TooSlowError(), ExceptionGroup("g", [OSError()])])
async def test_a_stages_failure_never_leaves_execute_as_an_exception(error):
    result = await pipeline_of(ScriptedAgent(fail(error)), echo).execute("x")
    assert result.status is RunStatus.FAILED
    assert result.stages[0].error.exception is error
    assert len(result.stages) == 1


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    code: int = 7


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None


class NoNotes(Exception):
    __notes__ = 5


@pytest.mark.parametrize("kind", [FrozenError, Unspeakable, NoNotes])
async def test_an_exception_that_cannot_be_annotated_is_still_the_stages_failure(kind):
    context = PipelineContext("p")
    with capture_events() as events:
        result = await pipeline_of(ScriptedAgent(fail(kind()))).execute("x", context)
    assert result.status is context.status is RunStatus.FAILED
    assert result.stages[0].error.error_type == kind.__name__
    assert events.names[-1] == "pipeline.end"
    assert result.to_dict()["status"] == "failed"


async def test_what_is_added_while_it_runs_belongs_to_the_next_run():
    async def mark(data, stage, context):
        return data + "!"

    async def extend(data):
        if len(pipeline.stages) == 1:
            pipeline.add_stage(Stage("late", upper)).add_middleware(mark)
        return data

    pipeline = pipeline_of(extend)
    first, second = await pipeline.execute("x"), await pipeline.execute("x")
    assert (first.output, len(first.stages), first.summary.total_stages) == ("x", 1, 1)
    assert (second.output, len(second.stages), second.summary.total_stages) == ("X!!", 2, 2)


async def test_a_stage_added_by_another_task_belongs_to_the_next_run(autojump_clock):
    slow = ScriptedAgent(answer(after=1))
    pipeline = pipeline_of(slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.execute, "x")
        await wait_all_tasks_blocked()
        late = ScriptedAgent()
        pipeline.add_stage(Stage("late", late))
    assert (len(slow.calls), len(late.calls)) == (1, 0)


async def test_one_pipeline_a_thousand_times_at_once_is_a_thousand_runs(autojump_clock):
    results, seen = {}, {}

    async def slow(data):
        await trio.sleep(1)
        return current_context().run_id

    async def last(run_id):
        seen[run_id] = current_context()
        current_context().note(run=run_id)
        assert current_context().metadata["run"] == results[run_id]
        return current_context().metadata["run"]

    pipeline = pipeline_of(slow, last)

    async def run(number):
        context = PipelineContext("p", {"run": number})
        results[context.run_id] = number
        result = await pipeline.execute(number, context)
        assert (result.output, result.run_id) == (number, context.run_id)
        assert result.stages[1].metadata == {"run": context.run_id}

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(run, number)
    assert len(seen) == len(set(map(id, seen.values()))) == 1000
    assert trio.current_time() == 1


# Nesting


async def test_a_pipeline_is_an_agent_in_a_pipeline():
    inner = pipeline_of(upper, echo, pipeline_id="inner")
    result = await pipeline_of(inner, echo).execute("x")
    assert result.output == "X"
    assert [record.agent_id for record in result.stages] == ["inner", "echo"]


async def test_the_failure_of_a_nested_pipeline_is_a_failure_like_any_other():
    error = OSError("deep")
    inner = pipeline_of(ScriptedAgent(fail(error)), pipeline_id="inner")
    middle = pipeline_of(inner, pipeline_id="middle")
    result = await pipeline_of(middle).execute("x")
    with pytest.raises(PipelineError) as caught:
        result.unwrap()
    outer = caught.value
    assert outer.pipeline_id == "p"
    assert outer.__cause__.pipeline_id == "middle"
    assert outer.__cause__.__cause__.pipeline_id == "inner"
    assert outer.__cause__.__cause__.__cause__ is error


async def test_a_pipeline_may_run_itself_while_it_runs():
    async def descend(number):
        return await pipeline.process(number - 1) if number else "bottom"

    pipeline = pipeline_of(descend)
    assert await pipeline.process(20) == "bottom"


# Embedding


PUBLIC = {
    "execute": (lambda: pipeline_of(echo).execute("x"), None),
    "execute, failing": (lambda: pipeline_of(ScriptedAgent(fail())).execute("x"), None),
    "execute, of nothing": (lambda: Pipeline("p").execute("x"), PipelineError),
    "execute, misused": (lambda: pipeline_of(echo).execute("x", PipelineContext("another")), ValueError),
    "execute, with no context": (lambda: pipeline_of(echo).execute("x", "context"), TypeError),
    "process": (lambda: pipeline_of(echo).process("x"), None),
    "process, failing": (lambda: pipeline_of(ScriptedAgent(fail())).process("x"), PipelineError),
    "process, of nothing": (lambda: Pipeline("p").process("x"), PipelineError),
    "enter": (lambda: pipeline_of(echo).__aenter__(), None),
}


@pytest.mark.parametrize("name", PUBLIC)
async def test_every_public_async_function_is_a_checkpoint_on_success_and_failure(name):
    call, error = PUBLIC[name]
    # In this order: assert_checkpoints looks only at a block that ends without an exception.
    with assert_checkpoints(), pytest.raises(error) if error else contextlib.nullcontext():
        await call()


async def test_entering_a_pipeline_is_a_checkpoint():
    pipeline = pipeline_of(echo)
    with assert_checkpoints():
        await pipeline.__aenter__()
    await pipeline.__aexit__(None, None, None)


async def test_leaving_a_pipeline_throws_no_finished_result_away():
    result = None
    with trio.CancelScope() as scope:
        async with pipeline_of(echo) as pipeline:
            result = await pipeline.process("finished")
            scope.cancel()
    assert result == "finished"
    assert not scope.cancelled_caught


async def test_a_host_nursery_and_its_cancel_scope_rule(autojump_clock):
    agent = ScriptedAgent(answer(after=100))
    with trio.move_on_after(5) as scope:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(pipeline_of(agent).execute, number)
    assert scope.cancelled_caught
    assert [call.outcome for call in agent.calls] == ["cancelled"] * 3
    assert trio.current_time() == 5


async def test_a_run_can_be_started_from_a_thread():
    def in_a_thread():
        return trio.from_thread.run(pipeline_of(upper).execute, "x")

    assert (await trio.to_thread.run_sync(in_a_thread)).output == "X"


async def test_under_a_mock_clock_durations_are_virtual(autojump_clock):
    result = await pipeline_of(ScriptedAgent(answer(after=36))).execute("x")
    assert result.duration_s == result.stages[0].duration_s == 36


def test_it_runs_as_a_guest_of_another_loop():
    todo, done = deque(), []
    trio.lowlevel.start_guest_run(
        pipeline_of(upper, echo).process,
        "x",
        run_sync_soon_threadsafe=todo.append,
        done_callback=done.append,
        host_uses_signal_set_wakeup_fd=True,
    )
    deadline = 1_000_000
    while not done and deadline:
        deadline -= 1
        if todo:
            todo.popleft()()
    assert done[0].unwrap() == "X"


async def test_no_task_outlives_a_call():
    before = trio.lowlevel.current_statistics().tasks_living
    await pipeline_of(echo, ScriptedAgent(fail())).execute("x")
    assert trio.lowlevel.current_statistics().tasks_living == before


def test_the_repr_says_which_pipeline():
    assert repr(pipeline_of(echo, upper)) == "<pipeline 'p': s0 -> s1>"
    assert "no stages" in repr(Pipeline("p"))


def test_execute_and_process_are_coroutine_functions():
    assert inspect.iscoroutinefunction(Pipeline.execute)
    assert inspect.iscoroutinefunction(Pipeline.process)
