"""purgatory: an agent behind its circuit breaker, closed, kept in memory; under Trio.

It is used in the two ways of its documentation: as a decorator, which looks the breaker up by its name for each call,
and by ``async with`` a breaker that was got once. Nobody listens to its events.
"""

from collections.abc import Sequence
from typing import Any

import trio
from purgatory import AsyncCircuitBreakerFactory

from benchmarks.micro.calls import PLENTY, Call, Calls


class Breaker(Calls):
    """A circuit breaker with its default threshold.

    Args:
        way: ``decorator`` or ``kept``.
    """

    def __init__(self, way: str) -> None:
        super().__init__(trio.run, trio.sleep)
        self.way = way

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:  # noqa: ARG002
        """Return what calls the first agent."""
        agent, breakers = agents[0], AsyncCircuitBreakerFactory()
        if self.way == "decorator":
            return breakers("yardstick")(agent.process)
        breaker = await breakers.get_breaker("yardstick")

        async def call(data: Any) -> Any:
            async with breaker:
                return await agent.process(data)

        return call
