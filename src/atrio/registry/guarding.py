"""What stands before a registered agent: its rate limiter, its circuit breaker, its capacity, and who takes over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from atrio._validation import check_id
from atrio.combinators.circuit_breaker import CircuitBreaker
from atrio.combinators.fallback import Fallback
from atrio.combinators.rate_limiter import LimiterGuard, RateLimiter
from atrio.errors import RegistryError
from atrio.registry.capacity import Capacity, CapacityGuard
from atrio.registry.definitions import AgentDefinition, feeds
from atrio.registry.measuring import MeasuredGuard, PassesThrough, measured
from atrio.registry.performance import Calls

__all__ = ["LimitedGuard", "WithFallback", "check_guard", "check_stands_in", "checked_fallback", "guarded"]

In = TypeVar("In")
Out = TypeVar("Out")


class LimitedGuard(PassesThrough, LimiterGuard[In, Out]):
    """A measured agent behind its rate limiter, with all the attributes of the agent.

    What a call waits here is not held against the agent.
    """

    __slots__ = ()


class WithFallback(PassesThrough, Fallback[In, Out]):
    """A registered agent and those that take over where it fails. It has the agent's id, and all of its attributes.

    It is no guard: a pool does not look through it for a circuit breaker, since it can answer while that is open.

    Args:
        agent_id: the agent's id.
        first: the agent.
        others: those that are tried after it, in order; at least one.

    Attributes:
        agent: the agent.
    """

    __slots__ = ("agent",)

    def __init__(self, agent_id: str, first: Any, others: Sequence[Any]) -> None:
        self.agent: Any = first
        super().__init__(first, *others)
        # Records and histories of the agent meet, whether it has a fallback or not.
        self.agent_id: str = agent_id

    def __repr__(self) -> str:
        return f"<{self.agent!r}, else {', '.join(map(repr, self.agents[1:]))}>"


def guarded(
    agent: Any,
    calls: Calls,
    capacity: Capacity | None,
    *,
    agent_id: str,
    breaker: CircuitBreaker | None = None,
    limiter: RateLimiter | None = None,
) -> Any:
    """Return `agent`, measured, behind its limiter, its breaker and its capacity, from the inside to the outside.

    A call that the breaker refuses neither waits nor takes tokens.

    Args:
        agent: an object with ``async def process(self, data)``.
        calls: the record of its calls.
        capacity: how many of its calls run at once, over all instances; None for as many as there are.
        agent_id: its id in records and events.
        breaker: the circuit breaker, or None.
        limiter: the rate limiter, or None.
    """
    guarded: Any = measured(agent, calls, agent_id=agent_id)
    if limiter is not None:
        guarded = LimitedGuard[Any, Any](limiter, guarded)
    if breaker is not None:
        guarded = MeasuredGuard[Any, Any](breaker, guarded)
    return guarded if capacity is None else CapacityGuard[Any, Any](capacity, guarded)


def check_guard(guard: object, kind: type, what: str) -> None:
    """Raise TypeError unless `guard` is of `kind`."""
    if not isinstance(guard, kind):
        raise TypeError(f"{what} must be a {kind.__name__} or None, not {guard!r}")


def checked_fallback(fallback: object, agent_id: str) -> tuple[str, ...]:
    """Return the ids of those that take over for `agent_id`.

    Raises:
        TypeError: `fallback` is no sequence of ids.
        ValueError: one is no id, the agent's own, or there twice.
    """
    what = f"fallback of agent {agent_id!r}"
    if isinstance(fallback, str) or not isinstance(fallback, Iterable):
        raise TypeError(f"{what} must be the ids of agents, in order, not {fallback!r}: write ['another']")
    others = tuple(str.__str__(check_id(each, f"each id in the {what}")) for each in fallback)
    if agent_id in others:
        raise ValueError(f"{what} names the agent itself: name another one")
    twice = [other for place, other in enumerate(others) if other in others[:place]]
    if twice:
        raise ValueError(f"{what} names {twice[0]!r} twice: it is tried once")
    return others


def check_stands_in(agent_id: str, definition: AgentDefinition, other_id: str, other: AgentDefinition) -> None:
    """Raise unless `other` can stand in for an agent: it takes all that the agent takes, and gives what it gives.

    Plans are made with what the agent's own definition says.

    Raises:
        RegistryError: it cannot.
    """
    why = ""
    if not feeds(definition.input_schema, other.input_schema):
        why = f"takes {other.input_schema!r}, and the agent takes {definition.input_schema!r}"
    elif other.output_schema != definition.output_schema:
        why = f"gives {other.output_schema!r}, and the agent gives {definition.output_schema!r}"
    if why:
        raise RegistryError(f"agent {agent_id!r} cannot be made: its fallback {other_id!r} {why}", agent_id=agent_id)
