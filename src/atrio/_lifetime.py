"""Entering and leaving agents that are async context managers, each once however many pipelines share it."""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import trio
from trio.lowlevel import RunVar

from atrio._agent import FunctionAgent

if TYPE_CHECKING:
    from collections.abc import Iterable

ExcInfo: TypeAlias = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class _Entry:
    """An agent that is being entered, is open, or is being left."""

    __slots__ = ("agent", "settled", "users")

    def __init__(self, agent: Any) -> None:
        self.agent = agent  # also keeps the agent, and so its id, alive
        self.users = 0
        self.settled = trio.Event()


_entries: RunVar[dict[int, _Entry]] = RunVar("atrio_entries")


def _open_agents() -> dict[int, _Entry]:
    try:
        return _entries.get()
    except LookupError:
        _entries.set({})
        return _entries.get()


async def enter(agent: Any) -> None:
    """Enter `agent`, or count one more user of it if it is open in this Trio loop already."""
    entries = _open_agents()
    while (entry := entries.get(id(agent))) is not None:
        if entry.users:
            entry.users += 1
            return
        await entry.settled.wait()  # somebody else is entering or leaving it
    entry = entries[id(agent)] = _Entry(agent)
    try:
        await agent.__aenter__()
        entry.users = 1
    finally:
        if not entry.users:
            del entries[id(agent)]
        entry.settled.set()


async def leave(agent: Any, exc_info: ExcInfo) -> None:
    """Count one user of `agent` less, and leave it with the last one.

    What its ``__aexit__`` returns is not looked at: closing an agent cannot swallow an exception or a cancellation.
    """
    entries = _open_agents()
    entry = entries[id(agent)]
    entry.users -= 1
    if entry.users:
        return
    entry.settled = trio.Event()
    try:
        await agent.__aexit__(*exc_info)
    finally:
        del entries[id(agent)]
        entry.settled.set()


def _managed(agent: Any) -> Any | None:
    """Return what of `agent` is an async context manager, None if nothing is."""
    candidate = agent.process if isinstance(agent, FunctionAgent) else agent
    is_one = hasattr(type(candidate), "__aenter__") and hasattr(type(candidate), "__aexit__")
    return candidate if is_one else None


async def _leave_with(
    agent: Any, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    await leave(agent, (kind, error, trace))


class Lifetime:
    """Enters the agents it is given, and leaves them in reverse; any number of times, also at once."""

    __slots__ = ("_stacks",)

    def __init__(self) -> None:
        # Of each Trio loop its own: what one entered, another must not leave.
        self._stacks: RunVar[deque[AsyncExitStack]] = RunVar("atrio_stacks")

    async def enter(self, agents: Iterable[Any]) -> None:
        """Enter those of `agents` that are async context managers, in order; if one fails, leave the ones before."""
        # Here, because a cancellation after the last agent was entered would leave them all open, and one after the
        # block would throw away what it returns.
        await trio.lowlevel.checkpoint()
        async with AsyncExitStack() as stack:
            for agent in agents:
                managed = _managed(agent)
                if managed is not None:
                    await enter(managed)
                    stack.push_async_exit(partial(_leave_with, managed))
            self._of_this_loop().append(stack.pop_all())

    def _of_this_loop(self) -> deque[AsyncExitStack]:
        try:
            return self._stacks.get()
        except LookupError:
            self._stacks.set(deque())
            return self._stacks.get()

    async def leave(self, exc_info: ExcInfo) -> None:
        """Leave, in reverse, what the earliest :meth:`enter` entered that was not left yet."""
        # The earliest has the fewest agents, as stages are only ever added: so none is left while a block that knows it
        # goes on, in whatever order the blocks end.
        await self._of_this_loop().popleft().__aexit__(*exc_info)
