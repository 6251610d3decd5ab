"""interlock-cb: an agent behind its circuit breaker, closed, as a decorator with its default window; under Trio."""

from collections.abc import Sequence
from typing import Any

import trio
from interlock import CircuitBreaker

from benchmarks.micro.calls import PLENTY, Call, Calls


class Breaker(Calls):
    """A circuit breaker with its defaults."""

    def __init__(self) -> None:
        super().__init__(trio.run, trio.sleep)

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:  # noqa: ARG002
        """Return what calls the first agent."""
        return CircuitBreaker(name="yardstick")(agents[0].process)
