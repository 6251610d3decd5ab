"""Middleware: called in order before each stage, once per stage; its failure is that stage's."""

import functools

import pytest
import trio

from atrio import ErrorPolicy, Pipeline, PipelineContext, RunStatus, Stage, StageConfig, current_context
from atrio.testing import ScriptedAgent, answer, capture_events, fail

ONCE = StageConfig(attempts=1)


def marking(mark):
    async def middleware(data, stage, context):
        return f"{data}{mark}"

    return middleware


async def failing(data, stage, context):
    if stage.stage_id == "broken":
        raise OSError("middleware")
    return data


async def test_it_is_called_in_order_before_each_stage_with_data_stage_and_context():
    calls = []

    def recording(name):
        async def middleware(data, stage, context):
            calls.append((name, data, stage, context))
            return data + name

        return middleware

    agent = ScriptedAgent()
    stages = [Stage("a", agent), Stage("b", agent)]
    context = PipelineContext("p")
    pipeline = Pipeline("p").add_middleware(recording("1")).add_stage(stages[0]).add_middleware(recording("2"))
    result = await pipeline.add_stage(stages[1]).execute("x", context)
    assert [call[:2] for call in calls] == [("1", "x"), ("2", "x1"), ("1", "x12"), ("2", "x121")]
    assert all(call[2] is stages[number // 2] and call[3] is context for number, call in enumerate(calls))
    assert [call.data for call in agent.calls] == ["x12", "x1212"]
    assert result.output == "x1212"


async def test_it_is_called_once_per_stage_and_not_per_attempt(autojump_clock):
    calls = []

    async def counting(data, stage, context):
        calls.append(stage.stage_id)
        return f"{data}!"

    agent = ScriptedAgent(fail(times=2), answer())
    pipeline = Pipeline("p").add_stage(Stage("a", agent)).add_stage(Stage("b", agent)).add_middleware(counting)
    await pipeline.execute("x")
    assert calls == ["a", "b"]
    assert [call.data for call in agent.calls] == ["x!", "x!", "x!", "x!!"]


@pytest.mark.parametrize("policy", ErrorPolicy)
async def test_its_failure_is_the_stages_with_a_full_record_and_is_not_retried(policy, autojump_clock):
    agent, after = ScriptedAgent(), ScriptedAgent()
    config = StageConfig(attempts=4, error_policy=policy)
    pipeline = (
        Pipeline("p")
        .add_stage(Stage("first", ScriptedAgent(answer("given"))))
        .add_stage(Stage("broken", agent, name="Broken", config=config))
        .add_stage(Stage("after", after))
        .add_middleware(marking("!"))
        .add_middleware(failing)
    )
    with capture_events() as events:
        result = await pipeline.execute("x")
    record = result.stages[1]
    skipped = policy is ErrorPolicy.SKIP
    assert (agent.calls, trio.current_time()) == ([], 0)
    assert (record.index, record.stage_id, record.stage_name, record.agent_id) == (1, "broken", "Broken", "scripted")
    assert (record.status, record.attempts, record.failures) == ("skipped" if skipped else "error", 0, ())
    assert (record.output, record.output_size, record.duration_s) == (None, None, 0)
    assert (record.error.error_type, record.error.message) == ("OSError", "middleware")
    assert record.error.exception.__traceback__ is not None
    assert result.status is (RunStatus.DEGRADED if skipped else RunStatus.FAILED)
    assert [(entry.stage_id, entry.error_type) for entry in result.errors] == [("broken", "OSError")]
    assert [call.data for call in after.calls] == (["given!"] if skipped else [])
    assert events.names.count("stage.retry") == 0
    assert events.names.count("stage.start") == events.names.count("stage.end") == len(result.stages)


async def test_its_time_counts_for_the_stage_but_not_against_its_timeout(autojump_clock):
    async def slow(data, stage, context):
        await trio.sleep(100)
        return data

    agent = ScriptedAgent(answer(after=4))
    stage = Stage("a", agent, config=StageConfig(attempts=1, timeout=5))
    result = await Pipeline("p").add_stage(stage).add_middleware(slow).execute("x")
    assert (result.status, result.stages[0].duration_s) == (RunStatus.SUCCESS, 104)


async def test_it_sees_the_context_and_may_note():
    async def noting(data, stage, context):
        assert current_context() is context
        context.note(seen=stage.stage_id)
        return data

    stages = Stage("a", ScriptedAgent()), Stage("broken", ScriptedAgent(), config=ONCE)
    pipeline = Pipeline("p").add_stage(stages[0]).add_stage(stages[1]).add_middleware(noting).add_middleware(failing)
    result = await pipeline.execute("x")
    assert [record.metadata for record in result.stages] == [{"seen": "a"}, {"seen": "broken"}]


class CallableMiddleware:
    async def __call__(self, data, stage, context):
        return data + "!"

    async def method(self, data, stage, context):
        return data + "!"


async def _add(mark, data, stage, context):
    return data + mark


@pytest.mark.parametrize(
    "middleware", [marking("!"), CallableMiddleware(), CallableMiddleware().method, functools.partial(_add, "!")]
)
async def test_any_async_callable_serves(middleware):
    pipeline = Pipeline("p").add_stage(Stage("a", ScriptedAgent())).add_middleware(middleware)
    assert await pipeline.process("x") == "x!"


@pytest.mark.parametrize("bad", [None, "x", lambda data, stage, context: data, CallableMiddleware, len])
def test_what_is_no_async_function_is_refused(bad):
    with pytest.raises(TypeError, match="async def middleware"):
        Pipeline("p").add_middleware(bad)
