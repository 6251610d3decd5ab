"""How many calls of a registered agent run at once, over all its instances: first come, first served."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, TypeVar

import trio
from trio.lowlevel import ParkingLot, RunVar, Task, current_task

from atrio._agent import agent_id_of
from atrio.combinators.circuit_breaker import CircuitBreaker
from atrio.combinators.composite import Guard
from atrio.errors import CircuitOpenError, RegistryError
from atrio.registry.measuring import PassesThrough

__all__ = ["Capacity", "CapacityGuard"]

In = TypeVar("In")
Out = TypeVar("Out")


class _Place:
    """One of an agent's places, while a call holds it."""

    __slots__ = ("deadline", "is_held", "outer", "outer_nurseries", "task", "waited_for")

    def __init__(self, outer: _Place | None) -> None:
        self.outer: _Place | None = outer  # that of the call which made this one
        self.is_held: bool = True
        self.deadline: float = trio.current_effective_deadline()
        self.task: Task = current_task()
        self.outer_nurseries: int = len(self.task.child_nurseries)
        self.waited_for: tuple[_Line, ...] = ()  # where calls that it made wait, themselves or through others


_innermost: ContextVar[_Place | None] = ContextVar("atrio_place", default=None)


class _Line:
    """The places of an agent in one Trio loop, and the calls that wait for one."""

    __slots__ = ("__weakref__", "agent_id", "breaker", "holders", "limit", "parked", "refused", "taken")

    def __init__(self, agent_id: str, limit: int, breaker: CircuitBreaker | None) -> None:
        self.agent_id: str = agent_id
        self.limit: int = limit
        self.breaker: CircuitBreaker | None = breaker
        self.taken: int = 0  # held, or handed over to a call that is about to go on
        self.holders: set[_Place] = set()
        self.parked: ParkingLot = ParkingLot()
        self.refused: set[Task] = set()  # they waited, and are about to learn that the breaker opened
        if breaker is not None:
            breaker.wakes(self.refuse)

    async def wait(self, outer: _Place | None) -> None:
        """Wait in order until a place is handed over.

        Args:
            outer: the innermost place that the call holds already.

        Raises:
            CircuitOpenError: the breaker is open, or opens.
            RegistryError: it would wait for ever, as all places are held by calls that wait for it in turn.
        """
        refusal = None if self.breaker is None else self.breaker.refusal()
        if refusal is not None:
            await trio.lowlevel.checkpoint()
            raise refusal
        waiting = _waiting_with(outer)
        for place in waiting:
            place.waited_for += (self,)
        try:
            if waiting and self.is_stuck():
                await trio.lowlevel.checkpoint()
                raise RegistryError(
                    f"a call of agent {self.agent_id!r} would wait for ever: its capacity is {self.limit}, and all of "
                    "it is held by calls that wait for this one. Register it with a higher capacity",
                    agent_id=self.agent_id,
                )
            await self.parked.park()
        finally:
            for place in waiting:
                lines = place.waited_for
                end = lines.index(self)
                place.waited_for = lines[:end] + lines[end + 1 :]
        task = current_task()
        if self.breaker is not None and task in self.refused:
            self.refused.remove(task)
            raise self.breaker.refusal() or CircuitOpenError(f"circuit breaker {self.breaker.name!r} was open")

    def refuse(self) -> None:
        """Let those that wait go on, and be refused, if the breaker is open now."""
        if self.parked and self.breaker is not None and self.breaker.retry_after() is not None:
            self.refused.update(self.parked.unpark_all())

    def is_stuck(self) -> bool:
        """Say whether no place can become free any more: each holder waits, itself or through others, where that is so.

        Of all lines that are asked about those are taken out that can move, until only such are left as cannot.
        """
        stuck: set[_Line] = set()
        asked = [self]
        while asked:
            line = asked.pop()
            # With fewer, a place was handed over to a call that is about to go on.
            if line not in stuck and len(line.holders) == line.limit:
                stuck.add(line)
                asked += [other for place in line.holders for other in place.waited_for]
        size = 0
        while size != len(stuck):
            size = len(stuck)
            stuck = {line for line in stuck if all(not stuck.isdisjoint(place.waited_for) for place in line.holders)}
        return self in stuck


def _waiting_with(innermost: _Place | None) -> list[_Place]:
    """Return the places that stay taken as long as the running task waits: `innermost` and those around it.

    Left out are those whose calls only started this task, in somebody else's nursery, and do not wait for its end; and
    those whose calls have set a deadline to this wait, and go on after it.
    """
    deadline = trio.current_effective_deadline()
    task = current_task()
    ways: dict[Task, trio.Nursery | None] = {task: None}
    while (nursery := task.parent_nursery) is not None:
        task = nursery.parent_task
        ways[task] = nursery
    found: list[_Place] = []
    place = innermost
    while place is not None:
        if place.task in ways:
            way = ways[place.task]
            waits = way is None or way in place.task.child_nurseries[place.outer_nurseries :]
            if waits and deadline >= place.deadline:
                found.append(place)
        place = place.outer
    return found


class Capacity:
    """Bounds the calls of an agent that run at once in a Trio loop; further ones wait in order.

    A call that is made while another one holds a place, be it of the same agent, waits as any other; unless that would
    be for ever, since all places are held by calls that wait for each other: then it is refused. A call that was given
    less time than those around it have waits for that time, since these go on then. That one of them means to cancel
    it, from a nursery of its own for instance, cannot be known: it is refused as others are.

    Args:
        agent_id: the agent, for the message of a refusal.
        limit: calls at once, at least 1.
        breaker: guards the agent; while it is open, no call waits.
    """

    __slots__ = ("_agent_id", "_breaker", "_lines", "limit")

    def __init__(self, agent_id: str, limit: int, breaker: CircuitBreaker | None = None) -> None:
        self.limit: int = limit
        self._agent_id = agent_id
        self._breaker = breaker
        # Of each Trio loop its own: a task of one cannot be woken from another.
        self._lines: RunVar[_Line] = RunVar("atrio_capacity")

    def line(self) -> _Line:
        """Return the places in this Trio loop."""
        try:
            return self._lines.get()
        except LookupError:
            line = _Line(self._agent_id, self.limit, self._breaker)
            self._lines.set(line)
            return line


class CapacityGuard(PassesThrough, Guard[In, Out]):
    """An agent that is called no more often at once than its capacity allows.

    It stands before the circuit breaker, so that calls that still wait when that opens do not reach the agent: they are
    refused. It has the attributes of the agent behind it, to read and to set.

    Args:
        capacity: the capacity, which all instances of the agent share.
        agent: the agent behind it.

    Attributes:
        agent: the agent behind it.
        agent_id: the agent's id, so that records name who did the work.
    """

    __slots__ = ("__capacity", "agent_id")  # mangled, as an agent may have `_capacity` itself

    def __init__(self, capacity: Capacity, agent: Any) -> None:
        super().__init__(agent)
        self.__capacity: Capacity = capacity
        self.agent_id: str = agent_id_of(agent)

    def __repr__(self) -> str:
        return f"<{self.agent!r}, {self.__capacity.limit} at once>"

    async def process(self, data: In, /) -> Out:
        """Call the agent when there is a place.

        Raises:
            CircuitOpenError: there is no place, and the agent's circuit breaker is open, or opens meanwhile.
            RegistryError: the call would wait for ever, for calls that wait for it.
        """
        line = self.__capacity.line()
        outer = _innermost.get()
        # A task that an agent started and left behind remembers a place that was given back.
        while outer is not None and not outer.is_held:
            outer = outer.outer
        if line.taken < line.limit:
            line.taken += 1
        else:
            await line.wait(outer)
        place = _Place(outer)
        line.holders.add(place)
        token = _innermost.set(place)
        try:
            output: Out = await self.agent.process(data)
        finally:
            _innermost.reset(token)
            place.is_held = False
            line.holders.discard(place)
            # A place is handed over and never free between two calls, so that nobody can jump the line.
            if line.parked:
                line.parked.unpark()
            else:
                line.taken -= 1
        return output
