"""Fallbacks: in order, until one succeeds; every failure is told."""

import pytest
import trio
from combinator_cases import Broken, Harmless, broken, echo, open_breaker, outcome_of

from atrio import CircuitOpenError, Fallback, Pipeline, Stage, StageConfig
from atrio.testing import ScriptedAgent, answer, cancel_at_checkpoint, fail


async def test_the_first_that_succeeds_answers_and_none_after_it_is_called(autojump_clock):
    first, second, third = ScriptedAgent(fail(Broken)), ScriptedAgent(answer("second")), ScriptedAgent()
    assert await Fallback(first, second, third).process("data") == "second"
    assert [len(agent.calls) for agent in (first, second, third)] == [1, 1, 0]
    assert second.calls[0].data == "data"


async def test_one_after_the_other_never_at_once(autojump_clock):
    agents = [
        ScriptedAgent(fail(Broken, after=1)),
        ScriptedAgent(fail(Broken, after=2)),
        ScriptedAgent(answer(after=3)),
    ]
    await Fallback(*agents).process(None)
    assert [agent.calls[0].started_at for agent in agents] == [0, 1, 3]


async def test_a_falsy_answer_is_an_answer(autojump_clock):
    for value in (None, 0, "", [], False):
        assert await Fallback(ScriptedAgent(answer(value)), broken).process(1) == value


async def test_all_failed_is_a_group_of_every_failure_in_order(autojump_clock):
    errors = [Broken(1), ExceptionGroup("own", [Harmless()]), OSError(3)]
    agents = [ScriptedAgent(fail(error)) for error in errors]
    with pytest.raises(ExceptionGroup) as caught:
        await Fallback(*agents).process(None)
    assert list(caught.value.exceptions) == errors
    assert all(mine is theirs for mine, theirs in zip(caught.value.exceptions, errors, strict=True))


@pytest.mark.parametrize("on", [Broken, (OSError, Broken), lambda error: isinstance(error, Broken)])
async def test_what_on_does_not_cover_leaves_at_once_as_itself(on, autojump_clock):
    error, last = Harmless(), ScriptedAgent()
    with pytest.raises(Harmless) as caught:
        await Fallback(ScriptedAgent(fail(error)), last, on=on).process(None)
    assert caught.value is error
    assert last.calls == []
    assert await Fallback(broken, last, on=on).process(1) == 1


async def test_what_a_later_one_raises_is_asked_about_too(autojump_clock):
    error = Harmless()
    with pytest.raises(Harmless) as caught:
        await Fallback(broken, ScriptedAgent(fail(error)), echo, on=Broken).process(None)
    assert caught.value is error


async def test_an_open_breaker_in_front_falls_back(autojump_clock):
    agent = ScriptedAgent()
    fallback = Fallback(open_breaker().guard(agent), echo)
    assert await fallback.process(3) == 3
    assert agent.calls == []
    only_open = Fallback(open_breaker().guard(agent), echo, on=CircuitOpenError)
    assert await only_open.process(3) == 3


async def test_two_open_breakers_are_told_as_such_and_not_retried(autojump_clock):
    fallback = Fallback(open_breaker("a").guard(echo), open_breaker("b").guard(echo))
    with pytest.RaisesGroup(CircuitOpenError, CircuitOpenError):
        await fallback.process(None)
    result = await Pipeline("p").add_stage(Stage("s", fallback, config=StageConfig(attempts=5))).execute(None)
    assert result.stages[0].attempts == 1


@pytest.mark.parametrize(("error", "calls"), [(OSError, 3), (TypeError, 1)])
async def test_a_stage_retries_it_only_if_all_failures_are_worth_it(error, calls, autojump_clock):
    last = ScriptedAgent(fail(error))
    stage = Stage("s", Fallback(ScriptedAgent(fail(OSError)), last), config=StageConfig(attempts=3))
    result = await Pipeline("p").add_stage(stage).execute(None)
    assert (result.stages[0].attempts, len(last.calls)) == (calls, calls)


async def test_a_cancellation_is_no_failure(autojump_clock):
    second = ScriptedAgent()
    with trio.move_on_after(1) as scope:
        await Fallback(ScriptedAgent(answer(after=5)), second).process(None)
    assert scope.cancelled_caught
    assert second.calls == []


async def test_nor_is_an_error_beside_it(autojump_clock):
    async def stubborn(data):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise Broken

    second = ScriptedAgent()
    with pytest.RaisesGroup(Broken), trio.move_on_after(1):
        await Fallback(stubborn, second).process(None)
    assert len(second.calls) <= 1


async def test_cancelled_at_any_checkpoint_it_lets_the_cancellation_through(autojump_clock):
    number, fallback = 1, Fallback(ScriptedAgent(fail(Broken, after=1)), ScriptedAgent(answer(after=1)))
    while await cancel_at_checkpoint(number, fallback.process, None):
        number += 1
    assert number > 1


async def test_a_fallback_of_fallbacks(autojump_clock):
    inner = Fallback(broken, ScriptedAgent(fail(Harmless)))
    assert await Fallback(inner, echo).process(1) == 1
    outcome = await outcome_of(Fallback(inner, broken))
    assert [type(each) for each in outcome.exceptions] == [ExceptionGroup, Broken]


async def test_every_failure_of_on_itself_is_the_calls_failure(autojump_clock):
    def bad(error):
        raise Harmless

    with pytest.raises(Harmless):
        await Fallback(broken, echo, on=bad).process(None)


async def test_a_nested_pipelines_failure_is_asked_about_by_its_cause(autojump_clock):
    inner = Pipeline("inner").add_stage(Stage("s", broken, config=StageConfig(attempts=1)))
    assert await Fallback(inner, echo, on=Broken).process(5) == 5
