"""`async with` goes through guards, pools and all else that agents are made of, to the agents; each once."""

from contextlib import AsyncExitStack

import pytest
import trio
from combinator_cases import Broken, broken, echo

from atrio import AgentPool, CircuitBreaker, Fallback, FanOut, Pipeline, PoolMember, RateLimiter, Router, Stage


class Resource:
    """Has something to close, and keeps a log."""

    def __init__(self, name, log, *, fails=False):
        self.agent_id, self.log, self.fails = name, log, fails
        self.is_open = False

    async def __aenter__(self):
        await trio.lowlevel.checkpoint()
        assert not self.is_open
        if self.fails:
            raise Broken(self.agent_id)
        self.log.append(f"+{self.agent_id}")
        self.is_open = True
        return self

    async def __aexit__(self, kind, error, trace):
        assert self.is_open
        self.is_open = False
        self.log.append(f"-{self.agent_id}" + (f" {kind.__name__}" if kind else ""))

    async def process(self, data):
        assert self.is_open
        return data


@pytest.fixture
def log():
    return []


def breaker_guard(agent):
    return CircuitBreaker("b").guard(agent)


def limiter_guard(agent):
    return RateLimiter("l", 1000).guard(agent)


def pool(*agents):
    return AgentPool(
        [PoolMember(agent, 2) if number % 2 else agent for number, agent in enumerate(agents)], pool_id="p"
    )


def fan_out(*agents):
    return FanOut({str(number): agent for number, agent in enumerate(agents)})


def router(*agents):
    return Router(lambda data: "0", {str(number): agent for number, agent in enumerate(agents)})


def router_with_default(first, *others):
    return Router(
        lambda data: "none", {str(number): agent for number, agent in enumerate(others)} or {"e": echo}, first
    )


MANY = [pool, Fallback, fan_out, router]
ONE = [breaker_guard, limiter_guard, router_with_default, pool, fan_out]
ONE += [lambda agent: Fallback(agent, echo), lambda agent: Fallback(broken, agent)]


@pytest.mark.parametrize("wrap", ONE)
async def test_what_is_wrapped_is_entered_and_left(wrap, log):
    agent = Resource("a", log)
    wrapped = wrap(agent)
    async with wrapped as entered:
        assert entered is wrapped
        assert log == ["+a"]
        await wrapped.process(1)
    assert log == ["+a", "-a"]


@pytest.mark.parametrize("combine", MANY)
async def test_many_are_entered_in_order_and_left_in_reverse(combine, log):
    async with combine(*(Resource(name, log) for name in "abc")):
        assert log == ["+a", "+b", "+c"]
    assert log[3:] == ["-c", "-b", "-a"]


@pytest.mark.parametrize("outer", ONE)
@pytest.mark.parametrize("inner", ONE)
async def test_nested_it_goes_all_the_way_down(outer, inner, log):
    async with Pipeline("p").add_stage(Stage("s", outer(inner(Resource("a", log))))) as pipeline:
        assert log == ["+a"]
        await pipeline.process(1)
    assert log == ["+a", "-a"]


async def test_an_agent_shared_by_all_is_entered_once_and_left_with_the_last(log):
    agent = Resource("shared", log)
    breaker = CircuitBreaker("b")
    shared_guard = breaker.guard(agent)
    everything = [
        shared_guard,
        breaker.guard(agent),
        pool(agent, shared_guard, agent),
        Fallback(agent, shared_guard),
        fan_out(agent, shared_guard),
        router(agent),
    ]
    pipeline = Pipeline("p")
    for number, each in enumerate([*everything, agent]):
        pipeline.add_stage(Stage(str(number), each))
    async with pipeline, shared_guard, fan_out(*everything):
        assert log == ["+shared"]
    assert log == ["+shared", "-shared"]


async def test_left_in_whatever_order_the_last_one_closes(log):
    agent = Resource("a", log)
    one, other = breaker_guard(agent), pool(agent)
    stack, late = AsyncExitStack(), AsyncExitStack()
    await stack.enter_async_context(one)
    await late.enter_async_context(other)
    await stack.aclose()
    assert agent.is_open
    assert await other.process(3) == 3
    await late.aclose()
    assert log == ["+a", "-a"]


@pytest.mark.parametrize("combine", MANY)
async def test_if_one_cannot_be_entered_those_before_it_are_left(combine, log):
    members = [Resource("a", log), Resource("b", log, fails=True), Resource("c", log)]
    with pytest.raises(Broken):
        async with combine(*members):
            raise AssertionError("it was entered")
    assert [line.split()[0] for line in log] == ["+a", "-a"]


@pytest.mark.parametrize("wrap", ONE)
async def test_the_error_of_the_block_is_told_and_leaves(wrap, log):
    with pytest.raises(ZeroDivisionError):
        async with wrap(Resource("a", log)):
            raise ZeroDivisionError
    assert log == ["+a", "-a ZeroDivisionError"]


async def test_it_can_be_entered_again_and_more_than_once_at_a_time(log):
    guard = breaker_guard(Resource("a", log))
    async with guard, guard:
        assert log == ["+a"]
    async with guard:
        await guard.process(1)
    assert log == ["+a", "-a"] * 2


@pytest.mark.parametrize("wrap", ONE)
async def test_what_has_nothing_to_close_needs_nothing(wrap):
    async with wrap(echo) as wrapped:
        assert await wrapped.process(1) in (1, {"0": 1})
