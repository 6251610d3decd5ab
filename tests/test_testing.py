"""The helpers for users' tests: scripted agents, captured events, stamps, virtual time."""

import gc
import weakref

import pytest
import trio

from atrio import Agent, Pipeline, Stage, StageConfig, events, observe_only
from atrio.testing import (
    ECHO,
    ScriptedAgent,
    answer,
    cancel_at_checkpoint,
    capture_events,
    fail,
    fixed_stamps,
    run_in_virtual_time,
)

ONCE = StageConfig(attempts=1)


async def test_without_steps_a_scripted_agent_echoes():
    agent = ScriptedAgent()
    assert isinstance(agent, Agent)
    assert (await agent.process("x"), await agent.process("y")) == ("x", "y")
    assert agent.agent_id == "scripted"


async def test_it_does_its_steps_in_order_and_the_last_for_ever():
    agent = ScriptedAgent(answer("one"), fail(OSError("two"), times=2), answer())
    assert await agent.process(0) == "one"
    for _ in range(2):
        with pytest.raises(OSError, match="two"):
            await agent.process(0)
    assert [await agent.process("last"), await agent.process("again")] == ["last", "again"]


async def test_an_answer_may_be_anything_none_too():
    assert await ScriptedAgent(answer(None)).process("x") is None
    assert await ScriptedAgent(answer(ECHO)).process("x") == "x"
    assert repr(ECHO) == "ECHO"


async def test_it_records_its_calls(autojump_clock):
    agent = ScriptedAgent(answer(after=1), fail(KeyError, after=2), answer(after=10))
    await agent.process("a")
    with pytest.raises(KeyError):
        await agent.process("b")
    with trio.move_on_after(3):
        await agent.process("c")
    found = [(call.data, call.started_at, call.ended_at, call.outcome) for call in agent.calls]
    assert found == [("a", 0, 1, "returned"), ("b", 1, 3, "raised"), ("c", 3, 6, "cancelled")]


async def test_it_counts_how_many_calls_run_at_once(autojump_clock):
    agent = ScriptedAgent(answer(after=5))
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(agent.process, "x")
        await trio.sleep(1)
        assert (agent.running, agent.calls[0].outcome, agent.calls[0].ended_at) == (3, "running", None)
    assert (agent.running, agent.most_running) == (0, 3)


async def test_a_default_failure_is_new_each_time():
    errors = []
    for name in "ab":
        stage = Stage(f"stage of {name}", ScriptedAgent(fail()), config=ONCE)
        errors.append((await Pipeline(name).add_stage(stage).execute("x")).stages[0].error)
    assert [error.message for error in errors] == ["scripted failure"] * 2
    assert errors[0].exception is not errors[1].exception
    assert "stage of a" not in errors[1].stack


async def test_a_default_failure_keeps_nothing_of_a_run_alive():
    class Data:
        pass

    data = Data()
    watched = weakref.ref(data)
    await Pipeline("p").add_stage(Stage("a", ScriptedAgent(fail()), config=ONCE)).execute(data)
    del data
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("make", [answer, fail])
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"after": -1}, ValueError),
        ({"after": float("nan")}, ValueError),
        ({"after": "1"}, TypeError),
        ({"times": 0}, ValueError),
        ({"times": 1.5}, TypeError),
    ],
)
def test_a_step_with_bad_numbers_is_refused(make, options, kind):
    with pytest.raises(kind, match=next(iter(options))):
        make(**options)


@pytest.mark.parametrize("bad", ["error", 5, int, None])
def test_a_failure_without_an_exception_is_refused(bad):
    with pytest.raises(TypeError, match="error must be an exception"):
        fail(bad)


@pytest.mark.parametrize("bad", ["x", OSError("x"), None])
def test_a_step_that_is_none_is_refused(bad):
    with pytest.raises(TypeError, match="a step is made by"):
        ScriptedAgent(bad)


async def test_captured_events_are_found_by_class_and_name():
    with capture_events() as captured:
        await Pipeline("p").add_stage(Stage("a", ScriptedAgent())).execute("x")
    await Pipeline("p").add_stage(Stage("a", ScriptedAgent())).execute("x")
    assert captured.names == ["pipeline.start", "stage.start", "stage.end", "pipeline.end"]
    assert captured.of(events.StageEnd) == [captured[2]]
    assert captured.of(events.StageRetry) == []


async def test_captures_nest():
    with capture_events() as outer, capture_events() as inner:
        await Pipeline("p").add_stage(Stage("a", ScriptedAgent())).execute("x")
    assert outer == inner
    with capture_events() as captured, observe_only():
        await Pipeline("p").add_stage(Stage("a", ScriptedAgent())).execute("x")
    assert captured == []


def test_virtual_time_jumps_over_every_wait():
    async def main(first, second):
        await trio.sleep(10_000)
        return first, second, trio.current_time()

    assert run_in_virtual_time(main, 1, 2) == (1, 2, 10_000)


@pytest.mark.parametrize("number", range(1, 4))
async def test_cancel_at_checkpoint_cancels_at_the_checkpoint_named(number):
    passed = []

    async def three_checkpoints():
        for each in range(1, 4):
            await trio.lowlevel.checkpoint()
            passed.append(each)

    assert await cancel_at_checkpoint(number, three_checkpoints)
    assert passed == list(range(1, number))


async def test_cancel_at_checkpoint_counts_those_of_the_calling_task_only():
    async def many_checkpoints():
        for _ in range(10):
            await trio.lowlevel.checkpoint()

    async def two_checkpoints(passed):
        for _ in range(2):
            await trio.lowlevel.checkpoint()
            passed.append(1)

    passed = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(many_checkpoints)
        assert await cancel_at_checkpoint(2, two_checkpoints, passed)
    assert passed == [1]


async def test_cancel_at_checkpoint_says_when_the_function_has_no_more():
    async def one_checkpoint(result):
        await trio.lowlevel.checkpoint()
        result.append("done")

    done = []
    assert await cancel_at_checkpoint(1, one_checkpoint, done)
    assert not await cancel_at_checkpoint(2, one_checkpoint, done)
    assert done == ["done"]


@pytest.mark.parametrize(("bad", "kind"), [(0, ValueError), (True, TypeError), ("1", TypeError)])
async def test_a_checkpoint_that_is_none_is_refused(bad, kind):
    with pytest.raises(kind, match="number must be"):
        await cancel_at_checkpoint(bad, trio.lowlevel.checkpoint)


def test_stamps_are_restored_after_the_block():
    with fixed_stamps(seed=1):
        fixed = Pipeline("p").add_stage(Stage("a", ScriptedAgent()))
        inside = run_in_virtual_time(fixed.execute, "x")
    outside = run_in_virtual_time(fixed.execute, "x")
    with fixed_stamps(seed=1):
        assert run_in_virtual_time(fixed.execute, "x") == inside
    assert outside.run_id != inside.run_id
