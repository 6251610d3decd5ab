"""Calls through atrio's guards and pool, and the bare calls beside which they are held."""

from collections.abc import Sequence
from typing import Any

import trio

import atrio
from benchmarks.harness.agents import Sleeping
from benchmarks.harness.shapes import asyncio_run
from benchmarks.micro.calls import PLENTY, Call, Calls


class Bare(Calls):
    """``await agent.process(data)``, under Trio or asyncio.

    Args:
        loop: ``trio`` or ``asyncio``.
    """

    def __init__(self, loop: str = "trio") -> None:
        super().__init__({"trio": trio.run, "asyncio": asyncio_run}[loop])

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:  # noqa: ARG002
        """Return the method of the first agent."""
        return agents[0].process


class _Guarded(Calls):
    def __init__(self) -> None:
        super().__init__(trio.run, trio.sleep)


class Breaker(_Guarded):
    """An agent behind a circuit breaker, closed."""

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:  # noqa: ARG002
        """Return the method of the guarded agent."""
        return atrio.CircuitBreaker("yardstick").guard(agents[0]).process


class Limiter(_Guarded):
    """An agent behind a rate limiter with tokens to spare."""

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:
        """Return the method of the guarded agent."""
        return atrio.RateLimiter("yardstick", rate).guard(agents[0]).process


class Pool(_Guarded):
    """A pool of agents, all of them free."""

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:  # noqa: ARG002
        """Return the method of the pool."""
        return atrio.AgentPool(agents, pool_id="yardstick").process

    def probe_limit(self) -> int:
        """Return how many of twenty calls were at work at once in five places."""
        agent = Sleeping(trio.sleep, 0.005)

        async def main() -> None:
            pool = atrio.AgentPool([atrio.PoolMember(agent, capacity=5)], pool_id="yardstick")
            async with trio.open_nursery() as nursery:
                for index in range(20):
                    nursery.start_soon(pool.process, index)

        trio.run(main)
        return agent.most
