"""How many calls of a registered agent run at once, over all its instances: first come, first served."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, TypeVar

import trio
from trio import Nursery
from trio.lowlevel import ParkingLot, RunVar, Task, current_task

from atrio._agent import agent_id_of
from atrio.combinators.composite import Guard
from atrio.errors import RegistryError
from atrio.registry.performance import PassesThrough

__all__ = ["Capacity", "CapacityGuard"]

In = TypeVar("In")
Out = TypeVar("Out")


class _Place:
    """One of an agent's places, while a call holds it."""

    __slots__ = ("is_held", "outer", "outer_nurseries", "task", "waited_for")

    def __init__(self, outer: _Place | None) -> None:
        self.outer = outer  # that of the call which made this one
        self.is_held = True
        self.task = current_task()
        self.outer_nurseries = len(self.task.child_nurseries)
        self.waited_for: tuple[_Line, ...] = ()  # where calls that it made wait, themselves or through others


_innermost: ContextVar[_Place | None] = ContextVar("atrio_place", default=None)


class _Line:
    """The places of an agent in one Trio loop, and the calls that wait for one."""

    __slots__ = ("agent_id", "holders", "limit", "parked", "taken")

    def __init__(self, agent_id: str, limit: int) -> None:
        self.agent_id = agent_id
        self.limit = limit
        self.taken = 0  # held, or handed over to a call that is about to go on
        self.holders: set[_Place] = set()
        self.parked = ParkingLot()

    async def wait(self, outer: _Place | None) -> None:
        """Wait in order until a place is handed over.

        Args:
            outer: the innermost place that the call holds already.

        Raises:
            RegistryError: it would wait for ever, as all places are held by calls that wait for it in turn.
        """
        waiting = _waiting_with(outer)
        for place in waiting:
            place.waited_for += (self,)
        try:
            if waiting and self.is_stuck(frozenset()):
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

    def is_stuck(self, assumed: frozenset[_Line]) -> bool:
        """Say whether no place can become free any more: each holder waits, itself or through others, where that is so.

        Args:
            assumed: the lines of which it is being asked already.
        """
        if self in assumed:
            return True
        if len(self.holders) < self.limit:
            return False  # one was handed over to a call that is about to go on
        asked = assumed | {self}
        return all(any(line.is_stuck(asked) for line in place.waited_for) for place in self.holders)


def _waiting_with(innermost: _Place | None) -> list[_Place]:
    """Return the places that stay taken as long as the running task waits: `innermost` and those around it.

    Left out are those whose calls only started this task, in somebody else's nursery, and do not wait for its end.
    """
    task = current_task()
    ways: dict[Task, Nursery | None] = {task: None}
    while (nursery := task.parent_nursery) is not None:
        task = nursery.parent_task
        ways[task] = nursery
    found: list[_Place] = []
    place = innermost
    while place is not None:
        if place.task in ways:
            way = ways[place.task]
            if way is None or way in place.task.child_nurseries[place.outer_nurseries :]:
                found.append(place)
        place = place.outer
    return found


class Capacity:
    """Bounds the calls of an agent that run at once in a Trio loop; further ones wait in order.

    A call that is made while another one holds a place, be it of the same agent, waits as any other; unless that would
    be for ever, since all places are held by calls that wait for each other: then it is refused.

    Args:
        agent_id: the agent, for the message of a refusal.
        limit: calls at once, at least 1.
    """

    __slots__ = ("_agent_id", "_lines", "limit")

    def __init__(self, agent_id: str, limit: int) -> None:
        self.limit: int = limit
        self._agent_id = agent_id
        # Of each Trio loop its own: a task of one cannot be woken from another.
        self._lines: RunVar[_Line] = RunVar("atrio_capacity")

    def line(self) -> _Line:
        """Return the places in this Trio loop."""
        try:
            return self._lines.get()
        except LookupError:
            line = _Line(self._agent_id, self.limit)
            self._lines.set(line)
            return line


class CapacityGuard(PassesThrough, Guard[In, Out]):
    """An agent that is called no more often at once than its capacity allows.

    It stands before the circuit breaker, so that calls that still wait when that opens do not reach the agent. It has
    all the attributes of the agent behind it, to read and to set.

    Args:
        capacity: the capacity, which all instances of the agent share.
        agent: the agent behind it.

    Attributes:
        agent: the agent behind it.
        agent_id: the agent's id, so that records name who did the work.
    """

    __slots__ = ("_capacity", "agent_id")

    def __init__(self, capacity: Capacity, agent: Any) -> None:
        super().__init__(agent)
        self._capacity: Capacity = capacity
        self.agent_id: str = agent_id_of(agent)

    def __repr__(self) -> str:
        return f"<{self.agent!r}, {self._capacity.limit} at once>"

    async def process(self, data: In, /) -> Out:
        """Call the agent when there is a place.

        Raises:
            RegistryError: the call would wait for ever, for calls that wait for it.
        """
        line = self._capacity.line()
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
