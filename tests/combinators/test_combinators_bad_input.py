"""What is refused when it is built, with a message that names it."""

import re

import pytest
from combinator_cases import echo

from atrio import AgentPool, CircuitBreaker, Fallback, FanOut, PoolMember, RateLimiter, Router

NAN, INF = float("nan"), float("inf")


def blocking(data):
    return data


class Unborn:
    async def process(self, data):
        return data


class Blocking:
    def process(self, data):
        return data


BUILDERS = {
    "breaker": lambda agent: CircuitBreaker("b").guard(agent),
    "limiter": lambda agent: RateLimiter("l", 1).guard(agent),
    "member": PoolMember,
    "pool": lambda agent: AgentPool([echo, agent], pool_id="p"),
    "fallback first": lambda agent: Fallback(agent, echo),
    "fallback": lambda agent: Fallback(echo, echo, agent),
    "fan-out": lambda agent: FanOut({"a": echo, "b": agent}),
    "router": lambda agent: Router(str, {"a": echo, "b": agent}),
    "default": lambda agent: Router(str, {"a": echo}, agent),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize(
    ("no_agent", "message"),
    [
        (blocking, "in_thread"),
        (Unborn, "Unborn"),
        (Blocking(), "in_thread"),
        (3, "no agent"),
        ("echo", "no agent"),
        ([echo], "no agent"),
    ],
)
def test_no_agent(build, no_agent, message):
    with pytest.raises(TypeError, match=message):
        build(no_agent)


@pytest.mark.parametrize("build", [build for name, build in BUILDERS.items() if name != "default"])
def test_none_is_no_agent(build):
    with pytest.raises(TypeError, match="no agent"):
        build(None)


@pytest.mark.parametrize("name", ["", "  \n", "x" * 201, None, 3, b"b", True])
@pytest.mark.parametrize(
    ("build", "what"),
    [
        (CircuitBreaker, "CircuitBreaker.name"),
        (lambda name: RateLimiter(name, 1), "RateLimiter.name"),
        (lambda name: AgentPool([echo], pool_id=name), "pool_id"),
        (lambda name: FanOut({name: echo}), "name"),
        (lambda name: Router(str, {name: echo}), "name"),
    ],
)
def test_names(build, what, name):
    with pytest.raises(ValueError, match=re.escape(what)):
        build(name)


@pytest.mark.parametrize("setting", ["failure_threshold", "half_open_max_calls"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("5", TypeError), (True, TypeError)]
)
def test_counts_of_a_breaker(setting, value, error):
    with pytest.raises(error, match=rf"CircuitBreaker\.{setting} .*at least 1.*{re.escape(repr(value))}"):
        CircuitBreaker("b", **{setting: value})


BAD_NUMBERS = [
    *((0, ValueError), (-1, ValueError), (NAN, ValueError), (INF, ValueError), (10**400, ValueError)),
    *(("1", TypeError), (True, TypeError), (1j, TypeError), ([], TypeError)),
]


@pytest.mark.parametrize(("value", "error"), [*BAD_NUMBERS, (None, TypeError)])
@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda value: CircuitBreaker("b", recovery_timeout=value), "CircuitBreaker.recovery_timeout"),
        (lambda value: RateLimiter("l", value), "RateLimiter.rate"),
        (lambda value: RateLimiter("l", 1, per=value), "RateLimiter.per"),
        (lambda value: RateLimiter("l", 1, 1, value), "RateLimiter.burst"),
    ],
)
def test_numbers(build, what, value, error):
    if value is None and what == "RateLimiter.burst":
        return  # the default
    with pytest.raises(error, match=re.escape(what)) as caught:
        build(value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("burst", [0.5, 0.999])
def test_a_burst_below_1_could_let_no_call_through(burst):
    with pytest.raises(ValueError, match=rf"RateLimiter\.burst .*at least 1.*{burst}"):
        RateLimiter("l", 5, burst=burst)
    # Calls that cost less could.
    assert RateLimiter("l", 5, burst=burst, cost=len).burst == burst


@pytest.mark.parametrize("cost", [3, "len", True, []])
def test_a_cost_that_is_no_function(cost):
    with pytest.raises(TypeError, match=r"RateLimiter\.cost"):
        RateLimiter("l", 1, cost=cost)


@pytest.mark.parametrize(
    "trips_on",
    [None, "OSError", OSError(), BaseException, KeyboardInterrupt, (OSError, BaseException), (), [OSError], 3],
)
def test_what_cannot_trip_a_breaker(trips_on):
    with pytest.raises(TypeError, match=r"CircuitBreaker\.trips_on"):
        CircuitBreaker("b", trips_on=trips_on)


@pytest.mark.parametrize("on", [None, "OSError", OSError(), BaseException, KeyboardInterrupt, (OSError, 3), [OSError]])
def test_what_a_fallback_cannot_go_by(on):
    with pytest.raises(TypeError, match=r"Fallback\.on"):
        Fallback(echo, echo, on=on)


@pytest.mark.parametrize(
    ("capacity", "error"),
    [(0, ValueError), (-3, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError), (None, TypeError)],
)
def test_capacities(capacity, error):
    with pytest.raises(error, match=r"PoolMember\.capacity .*at least 1"):
        PoolMember(echo, capacity)
    with pytest.raises(error, match=r"PoolMember\.capacity"):
        PoolMember(echo, capacity=capacity)


@pytest.mark.parametrize("members", [[], (), iter([])])
def test_a_pool_without_members(members):
    with pytest.raises(ValueError, match=r"'p'.*no members"):
        AgentPool(members, pool_id="p")


@pytest.mark.parametrize("members", [echo, None, 3, PoolMember(echo), Unborn()])
def test_members_that_are_no_sequence(members):
    with pytest.raises(TypeError, match="members"):
        AgentPool(members, pool_id="p")


def test_a_fallback_to_nothing():
    with pytest.raises(ValueError, match="Fallback"):
        Fallback(echo)


@pytest.mark.parametrize("build", [FanOut, lambda agents: Router(str, agents)])
def test_no_agents_or_no_mapping(build):
    with pytest.raises(ValueError, match="no agents"):
        build({})
    for no_mapping in ([echo], echo, None, "ab", [("a", echo)]):
        with pytest.raises(TypeError, match="mapping"):
            build(no_mapping)


@pytest.mark.parametrize("choose", [None, "a", 3, {"a": "b"}])
def test_what_cannot_choose(choose):
    with pytest.raises(TypeError, match="choose"):
        Router(choose, {"a": echo})


async def test_an_async_choose_is_refused_when_the_router_is_built():
    async def choose(data):
        return "a"

    with pytest.raises(TypeError, match="choose"):
        Router(choose, {"a": echo})


async def test_an_async_cost_is_refused_when_the_limiter_is_built():
    async def cost(data):
        return 1

    with pytest.raises(TypeError, match="cost"):
        RateLimiter("l", 1, cost=cost)


def test_a_breaker_cannot_be_made_wrong_afterwards():
    breaker = CircuitBreaker("b")
    for name, value in {"failure_threshold": 0, "recovery_timeout": NAN, "trips_on": BaseException}.items():
        with pytest.raises((AttributeError, TypeError, ValueError)):
            setattr(breaker, name, value)
    assert (breaker.failure_threshold, breaker.recovery_timeout, breaker.trips_on) == (5, 60.0, Exception)
