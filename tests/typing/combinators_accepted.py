"""What type checkers must accept of agents that wrap and combine agents, and what they must make of it; never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type

import attrs

from atrio import (
    Agent,
    AgentPool,
    BreakerGuard,
    BreakerState,
    BreakerStatistics,
    CircuitBreaker,
    Fallback,
    FanOut,
    LimiterGuard,
    LimiterStatistics,
    MemberStatistics,
    Pipeline,
    PoolMember,
    PoolStatistics,
    RateLimiter,
    Router,
    Stage,
)
from atrio.adapters import in_thread
from atrio.testing import ScriptedAgent


@attrs.frozen
class Ticket:
    text: str


@attrs.frozen
class UrgentTicket(Ticket):
    minutes: int


@attrs.frozen
class Topic:
    name: str


async def classify(ticket: Ticket) -> Topic:
    return Topic(ticket.text)


async def guess(ticket: Ticket) -> Topic:
    return Topic(ticket.text[:5])


async def escalate(ticket: Ticket) -> UrgentTicket:
    return UrgentTicket(ticket.text, 5)


def look_up(ticket: Ticket) -> Topic:
    return Topic(ticket.text)


def topic_of(ticket: Ticket) -> str:
    return ticket.text


class Classifier:
    async def process(self, data: Ticket, /) -> Topic:
        return Topic(data.text)


class NamedArgument:
    async def process(self, ticket: Ticket) -> Topic:
        return Topic(ticket.text)


# Guards keep the types of the agent behind them.


def a_guard_takes_and_gives_what_its_agent_does(breaker: CircuitBreaker, limiter: RateLimiter) -> None:
    assert_type(breaker.guard(classify), BreakerGuard[Ticket, Topic])
    assert_type(breaker.guard(Classifier()), BreakerGuard[Ticket, Topic])
    assert_type(breaker.guard(NamedArgument()), BreakerGuard[Ticket, Topic])
    assert_type(breaker.guard(in_thread(look_up)), BreakerGuard[Ticket, Topic])
    assert_type(limiter.guard(classify), LimiterGuard[Ticket, Topic])
    assert_type(limiter.guard(Classifier()), LimiterGuard[Ticket, Topic])
    assert_type(breaker.guard(limiter.guard(classify)), BreakerGuard[Ticket, Topic])
    assert_type(breaker.guard(ScriptedAgent()), BreakerGuard[Any, Any])
    agent: Agent[Ticket, Topic] = limiter.guard(breaker.guard(Classifier()))
    wider: Agent[UrgentTicket, object] = breaker.guard(classify)
    print(agent, wider)


def guards_in_stages(breaker: CircuitBreaker) -> None:
    assert_type(Stage("classify", breaker.guard(classify)), Stage[Ticket, Topic])
    pipeline = Pipeline("p").add_stage(Stage("escalate", escalate)).add_stage(Stage("c", breaker.guard(classify)))
    assert_type(pipeline, Pipeline[Ticket, Topic])
    assert_type(breaker.guard(pipeline), BreakerGuard[Ticket, Topic])


def settings_of_guards() -> None:
    CircuitBreaker("b", failure_threshold=3, recovery_timeout=10, half_open_max_calls=2, trips_on=OSError)
    CircuitBreaker("b", trips_on=(OSError, TimeoutError))
    RateLimiter("l", 5, 1.0, 10, len)
    RateLimiter("l", rate=5, per=60, burst=None, cost=lambda data: data.tokens)


# What is made of several that agree.


def pools() -> None:
    assert_type(AgentPool([classify, guess], pool_id="p"), AgentPool[Ticket, Topic])
    assert_type(AgentPool([Classifier(), Classifier()], pool_id="p"), AgentPool[Ticket, Topic])
    assert_type(PoolMember(classify, capacity=2), PoolMember[Ticket, Topic])
    assert_type(PoolMember(Classifier(), 2), PoolMember[Ticket, Topic])
    assert_type(AgentPool([PoolMember(classify), PoolMember(Classifier(), 3)], pool_id="p"), AgentPool[Ticket, Topic])
    assert_type(AgentPool((PoolMember(Classifier(), 3),), pool_id="p"), AgentPool[Ticket, Topic])
    mixed: AgentPool[Ticket, Topic] = AgentPool([classify, Classifier(), PoolMember(guess, 2)], pool_id="p")
    assert_type(Stage("s", mixed), Stage[Ticket, Topic])


def a_pool_of_unlike_guards(breaker: CircuitBreaker, limiter: RateLimiter) -> None:
    assert_type(AgentPool([breaker.guard(Classifier()), limiter.guard(guess)], pool_id="p"), AgentPool[Ticket, Topic])
    assert_type(AgentPool([breaker.guard(classify), Fallback(classify, guess)], pool_id="p"), AgentPool[Ticket, Topic])


def a_pool_of_a_list_made_before(
    agents: list[Agent[Ticket, Topic]], guards: Sequence[BreakerGuard[Ticket, Topic]]
) -> None:
    assert_type(AgentPool(agents, pool_id="p"), AgentPool[Ticket, Topic])
    assert_type(AgentPool(guards, pool_id="p"), AgentPool[Ticket, Topic])
    assert_type(AgentPool([PoolMember(each, 2) for each in agents], pool_id="p"), AgentPool[Ticket, Topic])


def fallbacks(breaker: CircuitBreaker) -> None:
    assert_type(Fallback(classify, guess), Fallback[Ticket, Topic])
    assert_type(Fallback(Classifier(), NamedArgument()), Fallback[Ticket, Topic])
    assert_type(Fallback(breaker.guard(Classifier()), guess), Fallback[Ticket, Topic])
    assert_type(Fallback(classify, Classifier(), on=(OSError, TimeoutError)), Fallback[Ticket, Topic])
    assert_type(Fallback(classify, guess, on=lambda error: "busy" in str(error)), Fallback[Ticket, Topic])
    assert_type(Stage("s", Fallback(classify, guess)), Stage[Ticket, Topic])


def fan_outs() -> None:
    assert_type(FanOut({"a": classify, "b": guess}), FanOut[Ticket, Topic])
    assert_type(FanOut({"a": Classifier(), "b": Classifier()}), FanOut[Ticket, Topic])
    assert_type(Stage("s", FanOut({"a": classify, "b": guess})), Stage[Ticket, dict[str, Topic]])
    pipeline = Pipeline("p").add_stage(Stage("s", FanOut({"a": Classifier()})))
    assert_type(pipeline, Pipeline[Ticket, dict[str, Topic]])


def routers() -> None:
    assert_type(Router(topic_of, {"a": classify, "b": guess}), Router[Ticket, Topic])
    assert_type(Router(topic_of, {"a": Classifier()}, Classifier()), Router[Ticket, Topic])
    assert_type(Router(topic_of, {"a": classify}, default=guess), Router[Ticket, Topic])
    assert_type(Router(topic_of, {"a": classify}, default=Classifier()), Router[Ticket, Topic])
    assert_type(Router(topic_of, {"a": Classifier()}, default=guess), Router[Ticket, Topic])
    assert_type(Stage("s", Router(topic_of, {"a": classify})), Stage[Ticket, Topic])


def they_nest(breaker: CircuitBreaker) -> None:
    fallback = Fallback(breaker.guard(Classifier()), AgentPool([Classifier(), Classifier()], pool_id="p"))
    assert_type(fallback, Fallback[Ticket, Topic])
    assert_type(breaker.guard(fallback), BreakerGuard[Ticket, Topic])


# What they show.


async def what_they_give_and_show(
    ticket: Ticket, breaker: CircuitBreaker, limiter: RateLimiter, pool: AgentPool[Ticket, Topic]
) -> None:
    assert_type(await breaker.guard(classify).process(ticket), Topic)
    assert_type(await limiter.guard(classify).process(ticket), Topic)
    assert_type(await pool.process(ticket), Topic)
    assert_type(await Fallback(classify, guess).process(ticket), Topic)
    assert_type(await FanOut({"a": classify}).process(ticket), dict[str, Topic])
    assert_type(await Router(topic_of, {"a": classify}).process(ticket), Topic)
    async with breaker.guard(classify) as guard, pool as entered:
        assert_type(guard, BreakerGuard[Ticket, Topic])
        assert_type(entered, AgentPool[Ticket, Topic])
    assert_type(breaker.state, BreakerState)
    assert_type(breaker.statistics(), BreakerStatistics)
    assert_type(limiter.statistics(), LimiterStatistics)
    assert_type(pool.statistics(), PoolStatistics)
    assert_type(pool.statistics().members, tuple[MemberStatistics, ...])
    assert_type(pool.statistics().members[0].workload, float)
