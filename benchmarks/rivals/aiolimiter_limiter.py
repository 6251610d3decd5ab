"""aiolimiter: an agent behind its leaky bucket, which has room to spare; it is for asyncio only."""

from collections.abc import Sequence
from typing import Any

from aiolimiter import AsyncLimiter

from benchmarks.micro.calls import PLENTY, Call, Calls


class Limiter(Calls):
    """A rate limiter, by ``async with``."""

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:
        """Return what calls the first agent."""
        agent, limiter = agents[0], AsyncLimiter(rate, 1)

        async def call(data: Any) -> Any:
            async with limiter:
                return await agent.process(data)

        return call
