"""Blocking functions as agents, each in a thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Generic, TypeVar

import trio
from trio.lowlevel import RunVar

from atrio._agent import name_of
from atrio._validation import check_count, check_id, derived_id

In = TypeVar("In")
Out = TypeVar("Out")


class ThreadAgent(Generic[In, Out]):
    """A blocking function as an agent; :func:`in_thread` makes one.

    Attributes:
        agent_id: its id in records and events.
    """

    __slots__ = ("_abandon_on_cancel", "_function", "_limiters", "_max_threads", "agent_id")

    def __init__(
        self, function: Callable[[In], Out], agent_id: str, max_threads: int, *, abandon_on_cancel: bool
    ) -> None:
        self._function = function
        self._max_threads = max_threads
        # A limiter belongs to one Trio loop, and an agent may be used in several.
        self._limiters: RunVar[trio.CapacityLimiter] = RunVar("atrio_threads")
        self._abandon_on_cancel = abandon_on_cancel
        self.agent_id: str = agent_id

    def __repr__(self) -> str:
        return f"<agent {self.agent_id!r}, the function {self._function!r} in a thread>"

    @property
    def _limiter(self) -> trio.CapacityLimiter:
        try:
            return self._limiters.get()
        except LookupError:
            self._limiters.set(trio.CapacityLimiter(self._max_threads))
            return self._limiters.get()

    async def process(self, data: In, /) -> Out:
        """Call the function with `data` in a thread, and return what it returns."""
        return await trio.to_thread.run_sync(
            self._function, data, limiter=self._limiter, abandon_on_cancel=self._abandon_on_cancel
        )


def in_thread(
    function: Callable[[In], Out],
    *,
    agent_id: str | None = None,
    max_threads: int = 8,
    abandon_on_cancel: bool = False,
) -> ThreadAgent[In, Out]:
    """Turn a blocking function into an agent.

    A thread cannot be stopped from outside. A timeout or a cancellation therefore waits for the function, unless it
    asks for itself by calling ``trio.from_thread.check_cancelled()`` now and then, or may be abandoned.

    Args:
        function: ``def function(data)``; called in a thread, with the caller's context variables.
        agent_id: its id in records and events; by default the function's name.
        max_threads: how many calls of this agent run at once in a Trio loop; further ones wait. The limit is this
            agent's own, so that it cannot use up the host's threads.
        abandon_on_cancel: whether a timeout or a cancellation leaves the thread behind, to finish unheard.

    Raises:
        TypeError: `function` is async or not callable, or `max_threads` no int.
        ValueError: `agent_id` is no string of 1 to 200 characters, or `max_threads` below 1.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name_of(function)} is async, so it needs no thread: pass it as the agent itself")
    if not callable(function):
        raise TypeError(f"in_thread takes a function of the data, not {function!r}")
    check_count(max_threads, "max_threads")
    own_id = derived_id(name_of(function)) if agent_id is None else check_id(agent_id, "agent_id")
    return ThreadAgent(function, own_id, max_threads, abandon_on_cancel=abandon_on_cancel)
