"""A registered agent, as the registry keeps it."""

from __future__ import annotations

import os

import attrs

from atrio.combinators.circuit_breaker import CircuitBreaker
from atrio.combinators.rate_limiter import RateLimiter
from atrio.registry.capacity import Capacity
from atrio.registry.definitions import AgentDefinition
from atrio.registry.performance import Calls, CallsSnapshot
from atrio.registry.ranking import Standing

__all__ = ["Entry"]


@attrs.define(eq=False)
class Entry:
    """A registered agent, with what its instances share; that is made with the first of them, as many never have one.

    Attributes:
        definition: what it can do, and where its class is.
        breaker: guards every instance.
        limiter: the same.
        fallback: who takes over where the agent fails, in order.
        places: calls at once, over all instances, by which it is judged how busy it is.
        limit: calls at once that are let through; None for as many as there are.
        beyond: what a call takes that the machine has not, in words; None if the machine holds one.
        shared: the record of the calls and the capacity of all instances; None until there is one.
    """

    definition: AgentDefinition
    breaker: CircuitBreaker | None
    limiter: RateLimiter | None
    fallback: tuple[str, ...]
    places: int
    limit: int | None
    beyond: str | None
    shared: tuple[Calls, Capacity | None] | None = None

    def missing(self) -> tuple[str, ...]:
        """Return the environment variables that it needs and that are not set."""
        return tuple(name for name in self.definition.needs if not os.environ.get(name))

    def standing(self, agent_id: str, capability: str) -> Standing:
        """Return how it stands now, as far as `capability` is concerned.

        Args:
            agent_id: its id.
            capability: one that it has.
        """
        return Standing(
            agent_id,
            self.definition.score(capability),
            CallsSnapshot() if self.shared is None else self.shared[0].snapshot(capability),
            self.places,
            self.missing(),
            None if self.breaker is None else self.breaker.retry_after(),
            self.beyond,
            self.definition.unavailable,
        )
