"""Whose timeout it was: the stage's, the agent's, or the caller's; each to the exact virtual second."""

import pytest
import trio

from atrio import Backoff, Pipeline, PipelineContext, PipelineError, Stage, StageConfig, StageTimeoutError
from atrio.testing import ScriptedAgent, answer, fail


def one_stage(agent, **config):
    return Pipeline("p").add_stage(Stage("s", agent, config=StageConfig(**config)))


async def run(agent, **config):
    result = await one_stage(agent, **config).execute("data")
    return result, result.stages[0]


async def shielded(data):
    with trio.CancelScope(shield=True):
        await trio.sleep(7)
    return "late"


async def test_stage_times_out_to_the_second(autojump_clock):
    result, record = await run(ScriptedAgent(answer(after=100)), attempts=3, timeout=5, backoff=Backoff(1, 2))
    assert trio.current_time() == 5 + 1 + 5 + 2 + 5
    assert record.duration_s == result.duration_s == 18
    assert record.error.error_type == "timeout"
    assert isinstance(record.error.exception, StageTimeoutError)
    assert isinstance(record.error.exception, PipelineError)
    assert isinstance(record.error.exception, TimeoutError)
    assert record.error.exception.stage_id == "s"
    assert record.error.exception.pipeline_id == "p"
    assert "5 seconds" in str(record.error.exception)
    assert [(f.error_type, f.duration_s, f.backoff_s) for f in record.failures] == [
        ("timeout", 5, 1),
        ("timeout", 5, 2),
        ("timeout", 5, 0),
    ]


async def test_unwrap_of_a_timeout_is_a_timeout(autojump_clock):
    result, record = await run(ScriptedAgent(answer(after=100)), attempts=1, timeout=5)
    with pytest.raises(StageTimeoutError) as caught:
        result.unwrap()
    assert caught.value.__cause__ is record.error.exception
    assert caught.value.result is result


@pytest.mark.parametrize("error", [trio.TooSlowError, TimeoutError("the agent's")])
async def test_agents_own_timeout_is_not_the_stages(autojump_clock, error):
    _, record = await run(ScriptedAgent(fail(error, after=1)), attempts=1, timeout=5)
    assert record.error.error_type == {trio.TooSlowError: "TooSlowError"}.get(error, "TimeoutError")
    assert record.duration_s == 1


async def test_agents_own_scope_is_not_the_stages(autojump_clock):
    async def agent(data):
        with trio.fail_after(2):
            await trio.sleep(50)

    _, record = await run(agent, attempts=1, timeout=5)
    assert (record.error.error_type, record.duration_s) == ("TooSlowError", 2)


async def test_own_timeout_is_retried_whatever_retry_on_says(autojump_clock):
    result, record = await run(
        ScriptedAgent(answer(after=100), answer("ok", after=1)), timeout=5, retry_on=KeyError, backoff=Backoff(0)
    )
    assert (result.output, record.attempts, record.duration_s) == ("ok", 2, 6)


@pytest.mark.parametrize(("outer", "stage_timeout"), [(3, 5), (5, 5)])
async def test_outer_deadline_is_not_the_stages_and_wins_a_tie(autojump_clock, outer, stage_timeout):
    context = PipelineContext("p")
    pipeline = one_stage(ScriptedAgent(answer(after=100)), timeout=stage_timeout)
    with trio.move_on_after(outer) as scope:
        await pipeline.execute("data", context)
    assert scope.cancelled_caught
    assert trio.current_time() == outer
    assert context.status == "cancelled"
    assert [(r.status, r.error, r.failures) for r in context.stage_history] == [("cancelled", None, ())]


async def test_agent_that_ends_at_its_deadline_has_timed_out(autojump_clock):
    _, record = await run(ScriptedAgent(answer(after=5)), attempts=1, timeout=5)
    assert record.error.error_type == "timeout"


async def test_agent_that_returns_after_its_deadline_has_succeeded(autojump_clock):
    pipeline = one_stage(shielded, timeout=5).add_stage(Stage("next", ScriptedAgent(answer(after=4))))
    result = await pipeline.execute("data")
    assert result.status == "success"
    assert [(r.output, r.duration_s) for r in result.stages] == [("late", 7), ("late", 4)] or result.stages[
        0
    ].duration_s == 7


async def test_cancellation_turned_into_another_exception_is_that_one(autojump_clock):
    async def agent(data):
        try:
            await trio.sleep(100)
        except trio.Cancelled:
            raise KeyError("instead") from None

    _, record = await run(agent, attempts=1, timeout=5)
    assert (record.error.error_type, record.duration_s) == ("KeyError", 5)


async def test_errors_beside_the_cancellation_are_its_cause(autojump_clock):
    async def breaks_when_cancelled():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while closing")

    async def agent(data):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(breaks_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    _, record = await run(agent, attempts=2, timeout=5, backoff=Backoff(0))
    assert record.attempts == 2
    assert record.error.error_type == "timeout"
    cause = record.error.exception.__cause__
    assert pytest.RaisesGroup(ValueError).matches(cause) or isinstance(cause, ValueError)


async def test_no_timeout(autojump_clock):
    result, _ = await run(ScriptedAgent(answer(after=10_000)), timeout=None)
    assert result.duration_s == 10_000


async def test_wait_is_not_part_of_the_next_attempts_time(autojump_clock):
    _, record = await run(ScriptedAgent(fail(), answer("ok", after=4.9)), timeout=5, backoff=Backoff(4.9, maximum=9))
    assert (record.output, record.duration_s) == ("ok", 9.8)


async def nested(inner_timeout, inner_attempts, outer_timeout, outer_attempts):
    contexts = []

    async def look(data, stage, context):
        contexts.append(context)
        return data

    inner = Pipeline("inner").add_middleware(look)
    inner.add_stage(
        Stage(
            "in",
            ScriptedAgent(answer(after=100)),
            config=StageConfig(timeout=inner_timeout, attempts=inner_attempts, backoff=Backoff(1)),
        )
    )
    outer = Pipeline("outer").add_stage(
        Stage("out", inner, config=StageConfig(timeout=outer_timeout, attempts=outer_attempts, backoff=Backoff(1)))
    )
    return await outer.execute("data"), contexts


async def test_nested_inner_timeout_comes_first(autojump_clock):
    result, contexts = await nested(2, 2, 10, 2)
    # Each outer attempt: 2 s, 1 s of backoff, 2 s. Between the two of them 1 s.
    assert trio.current_time() == 5 + 1 + 5
    record = result.stages[0]
    assert [f.error_type for f in record.failures] == ["StageTimeoutError", "StageTimeoutError"]
    assert [context.status for context in contexts] == ["failed", "failed"]
    cause = record.error.exception.__cause__
    assert (cause.stage_id, cause.pipeline_id) == ("in", "inner")


async def test_nested_outer_timeout_comes_first(autojump_clock):
    result, contexts = await nested(10, 2, 3, 2)
    assert trio.current_time() == 3 + 1 + 3
    assert [f.error_type for f in result.stages[0].failures] == ["timeout", "timeout"]
    assert result.stages[0].error.exception.stage_id == "out"
    assert [context.status for context in contexts] == ["cancelled", "cancelled"]


async def test_nested_on_the_same_instant_the_outer_wins(autojump_clock):
    result, contexts = await nested(3, 1, 3, 1)
    assert trio.current_time() == 3
    assert result.stages[0].error.exception.stage_id == "out"
    assert [context.status for context in contexts] == ["cancelled"]


async def test_nested_timeout_is_asked_of_retry_on_as_what_it_is(autojump_clock):
    inner = one_stage(ScriptedAgent(answer(after=100)), timeout=1, attempts=1)
    _, record = await run(inner, attempts=3, retry_on=ValueError, backoff=Backoff(0))
    assert record.attempts == 1
    _, record = await run(inner, attempts=3, retry_on=StageTimeoutError, backoff=Backoff(0))
    assert record.attempts == 3
