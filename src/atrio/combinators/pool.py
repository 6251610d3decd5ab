"""A pool of agents that share the load: the next call goes to the least loaded."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, overload

import attrs
import trio
from trio.lowlevel import ParkingLot

from atrio import _validation as valid
from atrio._agent import Agent, agent_id_of, as_agent
from atrio.combinators.circuit_breaker import BreakerGuard, CircuitBreaker
from atrio.combinators.composite import Composite, Guard
from atrio.errors import CircuitOpenError

__all__ = ["AgentPool", "MemberStatistics", "PoolMember", "PoolStatistics"]

In = TypeVar("In")
Out = TypeVar("Out")

_MEMORY: Final = 0.2
"""The weight of the latest call in the running mean of how long a success takes."""
_FIRST_REST_S: Final = 0.05
_LONGEST_REST_S: Final = 1.0
"""Seconds that a failed call keeps its place while it is not known how long a success takes."""


class PoolMember(Generic[In, Out]):
    """An agent of a pool, and how many calls it takes at once.

    Args:
        agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.
        capacity: calls at once, at least 1.

    Raises:
        TypeError: `agent` is no agent, or `capacity` no int.
        ValueError: `capacity` is below 1.
    """

    __slots__ = ("agent", "capacity")

    @overload
    def __init__(self, agent: Agent[In, Out], capacity: int = 1) -> None: ...
    @overload
    def __init__(self, agent: Callable[[In], Awaitable[Out]], capacity: int = 1) -> None: ...
    def __init__(self, agent: Any, capacity: int = 1) -> None:
        valid.check_count(capacity, "PoolMember.capacity")
        self.agent: Any = as_agent(agent)
        self.capacity: int = capacity

    def __repr__(self) -> str:
        return f"PoolMember({self.agent!r}, capacity={self.capacity})"


@attrs.frozen
class MemberStatistics:
    """A member of a pool, as it was when asked.

    Attributes:
        agent_id: its agent.
        capacity: calls that it takes at once.
        active: calls that it works on.
        resting: places that failed calls still hold.
        workload: (active + resting) / capacity.
        calls: calls that it was given so far.
        failures: how many of them failed.
    """

    agent_id: str
    capacity: int
    active: int
    resting: int
    workload: float
    calls: int
    failures: int


@attrs.frozen
class PoolStatistics:
    """A pool, as it was when asked.

    Attributes:
        pool_id: its id.
        members: its members, in order.
        waiting: calls that wait for a place.
    """

    pool_id: str
    members: tuple[MemberStatistics, ...]
    waiting: int


class _Member:
    """A member at work."""

    __slots__ = ("active", "agent", "breakers", "calls", "capacity", "failed_in_a_row", "failures", "resting")

    def __init__(self, member: PoolMember[Any, Any]) -> None:
        self.agent: Any = member.agent
        self.capacity = member.capacity
        self.breakers = tuple(_breakers_of(member.agent))
        self.active = 0
        # When the places that failed calls still hold become free, in ascending order, and when those calls failed.
        self.resting: list[tuple[float, float]] = []
        self.calls = 0
        self.failures = 0
        self.failed_in_a_row = 0

    def refuses_for(self) -> float | None:
        """Return the seconds for which a circuit breaker before the agent refuses calls; None if none does."""
        return max((wait for each in self.breakers if (wait := each.retry_after()) is not None), default=None)

    def places_taken(self, now: float) -> int:
        if self.resting:
            # Another Trio loop has another clock, which may stand behind the one under which the calls failed.
            self.resting = [(until, failed) for until, failed in self.resting if failed <= now < until]
        return self.active + len(self.resting)

    def statistics(self, now: float) -> MemberStatistics:
        taken = self.places_taken(now)
        return MemberStatistics(
            agent_id_of(self.agent),
            self.capacity,
            self.active,
            len(self.resting),
            taken / self.capacity,
            self.calls,
            self.failures,
        )


def _breakers_of(agent: Any) -> Iterator[CircuitBreaker]:
    # Guards stand one behind the other, and each knows the agent behind it.
    while isinstance(agent, Guard):
        if isinstance(agent, BreakerGuard):
            yield agent.breaker
        agent = agent.agent


class AgentPool(Composite[In, Out]):
    """Shares calls among agents that can stand in for each other. A pool is itself an agent.

    The next call goes to the member with the lowest *workload*, the share of its places that are taken; of equal ones
    to the one that was used least. If all places are taken, callers wait in order. A member whose circuit breaker is
    open is passed over; if all are, the call is refused.

    A member that fails fast would always be the least loaded, and attract all the load. So a failed call keeps its
    place for as long as a success of this pool takes on average: a broken member is offered no more calls than a
    working one. While nothing has succeeded yet, it keeps it for a twentieth of a second, and twice as long after each
    further failure in a row, up to a second.

    Args:
        members: agents, or :class:`PoolMember` objects that give them a capacity; at least one.
        pool_id: names it, 1 to 200 characters.

    Raises:
        TypeError: a member is no agent.
        ValueError: there are no members, or `pool_id` is no id.
    """

    __slots__ = ("_breakers", "_choosing", "_members", "_parked", "_released", "_success_s", "pool_id")

    def __init__(
        self, members: Sequence[PoolMember[In, Out] | Agent[In, Out] | Callable[[In], Awaitable[Out]]], *, pool_id: str
    ) -> None:
        self.pool_id: str = valid.check_id(pool_id, "pool_id")
        if not isinstance(members, Iterable):
            kind = type(members).__name__
            raise TypeError(
                f"pool {pool_id!r} takes its members in a list, not {kind}: write AgentPool([first, second])"
            )
        own = [each if isinstance(each, PoolMember) else PoolMember[Any, Any](each) for each in members]
        if not own:
            raise ValueError(f"pool {pool_id!r} has no members: give it one agent at least")
        super().__init__([each.agent for each in own])
        self._members = [_Member(each) for each in own]
        self._success_s = 0.0
        self._choosing = False
        self._parked = ParkingLot()
        self._released = ParkingLot()
        self._breakers = frozenset(breaker for each in self._members for breaker in each.breakers)

    @property
    def agent_id(self) -> str:
        """The pool's id, by which it goes where it is an agent itself."""
        return self.pool_id

    def __repr__(self) -> str:
        return f"<pool {self.pool_id!r} of {len(self._members)}>"

    def statistics(self) -> PoolStatistics:
        """Return how every member stands, and what it counted."""
        now = trio.current_time()
        waiting = len(self._parked) + self._choosing
        return PoolStatistics(self.pool_id, tuple(each.statistics(now) for each in self._members), waiting)

    async def process(self, data: In, /) -> Out:
        """Call the least loaded member, waiting for a place if there is none.

        Raises:
            CircuitOpenError: the circuit breakers of all members are open.
        """
        begun = trio.current_time()
        try:
            member = None if self._choosing else self._choose(begun)
            if member is None:
                member = await self._wait_for_member()
                begun = trio.current_time()
        except CircuitOpenError:
            await trio.lowlevel.checkpoint()  # noqa: ASYNC120 - whoever calls again and again must not starve others
            raise
        member.active += 1
        member.calls += 1
        try:
            output: Out = await member.agent.process(data)
        except Exception:
            member.failures += 1
            member.failed_in_a_row += 1
            self._rest(member, begun)
            raise
        else:
            member.failed_in_a_row = 0
            took = trio.current_time() - begun
            self._success_s += (took - self._success_s) * (_MEMORY if self._success_s else 1.0)
            return output
        finally:
            member.active -= 1
            self._released.unpark()

    def _choose(self, now: float) -> _Member | None:
        """Return the least loaded member with a free place, None if there is no such place.

        Raises:
            CircuitOpenError: no member's circuit breaker lets a call through.
        """
        chosen, lowest, waits = None, (math.inf, 0), []
        for member in self._members:
            taken = member.places_taken(now)
            wait = member.refuses_for() if member.breakers else None
            if wait is not None:
                waits.append(wait)
                continue
            load = (taken / member.capacity, member.calls)
            if taken < member.capacity and load < lowest:
                chosen, lowest = member, load
        if len(waits) == len(self._members):
            raise CircuitOpenError(
                f"the circuit breakers of all members of pool {self.pool_id!r} are open", retry_after=min(waits)
            )
        return chosen

    async def _wait_for_member(self) -> _Member:
        """Wait in line for a place."""
        if self._choosing:
            # Whoever is first in line hands over to the next, who then is the one that chooses.
            await self._parked.park()
        self._choosing = True
        for breaker in self._breakers:
            breaker.wakes(self._released.unpark_all)  # here, and not when the pool is made: that may be outside of Trio
        try:
            while True:
                now = trio.current_time()
                member = self._choose(now)
                if member is not None:
                    return member
                with trio.CancelScope(deadline=self._next_change(now)):
                    await self._released.park()
        finally:
            self._choosing = bool(self._parked.unpark())

    def _next_change(self, now: float) -> float:
        """Return when a place becomes free by itself, or a breaker lets a call through."""
        times = [member.resting[0][0] for member in self._members if member.resting]
        waits = [member.refuses_for() for member in self._members]
        return min([*times, *(now + wait for wait in waits if wait)], default=math.inf)

    def _rest(self, member: _Member, begun: float) -> None:
        """Let a failed call keep its place for as long as a success takes."""
        unknown = min(_FIRST_REST_S * 2 ** min(member.failed_in_a_row - 1, 10), _LONGEST_REST_S)
        until = begun + (self._success_s or unknown)
        now = trio.current_time()
        if until > now:
            member.resting = sorted([*member.resting, (until, now)])
