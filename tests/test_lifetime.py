"""``async with pipeline:`` - agents that have something to close are entered once and closed by the last exit."""

import pytest
import trio

from atrio import Pipeline, Stage
from atrio.testing import ScriptedAgent


class Resource:
    """An agent that is an async context manager, and keeps a log of it."""

    def __init__(self, name, log, *, enter=None, leave=None, seconds=0.0, swallow=False):
        self.agent_id = name
        self.log = log
        self.enter, self.leave, self.seconds, self.swallow = enter, leave, seconds, swallow
        self.exits = []

    async def process(self, data):
        return data

    async def __aenter__(self):
        self.log.append(f"enter {self.agent_id}")
        await trio.sleep(self.seconds)
        if self.enter is not None:
            raise self.enter
        self.log.append(f"entered {self.agent_id}")
        return self

    async def __aexit__(self, kind, error, trace):
        self.exits.append(error)
        self.log.append(f"leave {self.agent_id}")
        await trio.sleep(self.seconds)
        self.log.append(f"left {self.agent_id}")
        if self.leave is not None:
            raise self.leave
        return self.swallow


def pipeline_of(*agents, pipeline_id="p"):
    pipeline = Pipeline(pipeline_id)
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent))
    return pipeline


def brief(log):
    return [line for line in log if line.startswith(("entered", "left"))]


@pytest.fixture
def log():
    return []


async def test_agents_are_entered_in_order_and_left_in_reverse(log):
    pipeline = pipeline_of(Resource("a", log), ScriptedAgent(), Resource("b", log))
    async with pipeline as entered:
        assert entered is pipeline
        assert brief(log) == ["entered a", "entered b"]
        assert await pipeline.process("x") == "x"
    assert brief(log) == ["entered a", "entered b", "left b", "left a"]


async def test_without_a_block_nothing_is_entered(log):
    await pipeline_of(Resource("a", log)).execute("x")
    assert log == []


async def test_one_agent_in_two_stages_is_entered_once(log):
    agent = Resource("a", log)
    async with pipeline_of(agent, agent):
        assert brief(log) == ["entered a"]
    assert brief(log) == ["entered a", "left a"]


async def test_an_agent_shared_by_two_pipelines_is_closed_by_the_last_exit(log):
    agent = Resource("a", log)
    first, second = pipeline_of(agent), pipeline_of(agent, Resource("b", log))
    async with second:
        async with first:
            pass
        assert brief(log) == ["entered a", "entered b"]
    assert brief(log) == ["entered a", "entered b", "left b", "left a"]


async def test_the_last_exit_closes_also_when_it_is_that_of_the_first_to_enter(log):
    agent = Resource("a", log)
    first, second = pipeline_of(agent), pipeline_of(agent)
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert brief(log) == ["entered a"]
    await second.__aexit__(None, None, None)
    assert brief(log) == ["entered a", "left a"]


async def test_one_pipeline_may_be_entered_twice_and_again(log):
    pipeline = pipeline_of(Resource("a", log))
    async with pipeline, pipeline:
        assert brief(log) == ["entered a"]
    async with pipeline:
        assert brief(log) == ["entered a", "left a", "entered a"]
    assert brief(log)[-1] == "left a"


async def test_the_agents_of_a_nested_pipeline_are_entered_too(log):
    inner = pipeline_of(Resource("inner", log), pipeline_id="inner")
    async with pipeline_of(Resource("a", log), inner, Resource("b", log)):
        pass
    assert brief(log) == ["entered a", "entered inner", "entered b", "left b", "left inner", "left a"]


async def test_a_stage_added_in_the_block_is_not_left(log):
    pipeline = pipeline_of(Resource("a", log))
    async with pipeline:
        pipeline.add_stage(Stage("late", Resource("late", log)))
    assert brief(log) == ["entered a", "left a"]


async def test_a_failure_while_entering_leaves_those_before(log):
    error = OSError("no connection")
    agents = [Resource("a", log), Resource("b", log, swallow=True), Resource("c", log, enter=error), Resource("d", log)]
    pipeline = pipeline_of(*agents)
    with pytest.raises(OSError, match="no connection") as caught:
        await pipeline.__aenter__()
    assert caught.value is error
    assert brief(log) == ["entered a", "entered b", "left b", "left a"]
    agents[2].enter = None
    async with pipeline:
        assert brief(log)[4:] == ["entered a", "entered b", "entered c", "entered d"]
    assert brief(log)[-1] == "left a"


async def test_a_failure_while_entering_leaves_what_others_use(log):
    shared = Resource("shared", log)
    async with pipeline_of(shared):
        with pytest.raises(OSError, match="no"):
            await pipeline_of(shared, Resource("bad", log, enter=OSError("no"))).__aenter__()
        assert brief(log) == ["entered shared"]
    assert brief(log) == ["entered shared", "left shared"]


async def test_an_error_in_the_block_is_told_to_the_agents_and_goes_on(log):
    agents = [Resource("a", log), Resource("b", log)]
    error = ValueError("in the block")
    with pytest.raises(ValueError, match="in the block") as caught:
        async with pipeline_of(*agents):
            raise error
    assert caught.value is error
    assert agents[0].exits == agents[1].exits == [error]


async def test_an_agent_whose_exit_returns_true_swallows_nothing(log):
    with pytest.raises(ValueError, match="in the block"):
        async with pipeline_of(Resource("a", log), Resource("b", log, swallow=True)):
            raise ValueError("in the block")
    assert brief(log)[-2:] == ["left b", "left a"]


async def test_it_swallows_no_cancellation(log, autojump_clock):
    with trio.move_on_after(1) as scope:
        async with pipeline_of(Resource("a", log, swallow=True)):
            await trio.sleep(10)
    assert scope.cancelled_caught
    assert "leave a" in log


async def test_an_error_of_an_exit_leaves_after_all_were_left(log):
    error = OSError("will not close")
    pipeline = pipeline_of(Resource("a", log), Resource("b", log, leave=error), Resource("c", log))
    with pytest.raises(OSError, match="will not close") as caught:
        async with pipeline:
            pass
    assert caught.value is error
    assert brief(log)[3:] == ["left c", "left b", "left a"]
    with pytest.raises(OSError, match="will not close"):
        async with pipeline:  # nothing is left behind of the first time
            assert brief(log)[6:] == ["entered a", "entered b", "entered c"]


async def test_tasks_that_enter_at_once_enter_once_and_wait_for_it(log, autojump_clock):
    agent = Resource("a", log, seconds=1)

    async def use(number):
        async with pipeline_of(agent, pipeline_id=str(number)):
            assert brief(log) == ["entered a"]
            await trio.sleep(number)

    async with trio.open_nursery() as nursery:
        for number in range(1, 6):
            nursery.start_soon(use, number)
    assert log == ["enter a", "entered a", "leave a", "left a"]
    assert trio.current_time() == 7


async def test_who_enters_while_it_is_being_left_waits_and_enters_anew(log, autojump_clock):
    agent = Resource("a", log, seconds=10)

    async def late():
        await trio.sleep(15)
        async with pipeline_of(agent):
            assert trio.current_time() == 30

    async with trio.open_nursery() as nursery:
        nursery.start_soon(late)
        async with pipeline_of(agent):
            pass
    assert brief(log) == ["entered a", "left a", "entered a", "left a"]


async def test_if_the_first_to_enter_fails_the_one_that_waited_tries_itself(log, autojump_clock):
    agent = Resource("a", log, seconds=1)
    outcomes = []

    async def use(seconds):
        with trio.move_on_after(seconds):
            async with pipeline_of(agent):
                outcomes.append(seconds)
        outcomes.append("done")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, 0.5)  # gives up while entering
        await trio.sleep(0.1)
        nursery.start_soon(use, 10)
    assert outcomes == ["done", 10, "done"]
    assert brief(log) == ["entered a", "left a"]


@pytest.mark.parametrize("seconds", [0, 0.5, 1.5, 2.5])
async def test_cancelled_while_entering_whatever_was_entered_is_left(seconds, log, autojump_clock):
    with trio.CancelScope(deadline=trio.current_time() + seconds) as scope:
        async with pipeline_of(*(Resource(name, log, seconds=1) for name in "abc")):
            raise AssertionError("it was entered")
    assert scope.cancelled_caught
    entered = sum(line.startswith("entered") for line in log)
    assert entered == int(seconds)
    assert sum(line.startswith("leave") for line in log) == entered


async def test_a_callable_object_is_entered_too(log):
    class Callable:
        async def __call__(self, data):
            return data

        async def __aenter__(self):
            log.append("entered")

        async def __aexit__(self, kind, error, trace):
            log.append("left")

    async with pipeline_of(Callable()):
        assert log == ["entered"]
    assert log == ["entered", "left"]


async def test_a_stage_added_between_two_blocks_stays_open_for_the_second(log):
    pipeline = pipeline_of(Resource("a", log))
    await pipeline.__aenter__()
    pipeline.add_stage(Stage("late", Resource("late", log)))
    await pipeline.__aenter__()
    await pipeline.__aexit__(None, None, None)
    assert brief(log) == ["entered a", "entered late"]
    await pipeline.__aexit__(None, None, None)
    assert sorted(brief(log)[2:]) == ["left a", "left late"]
