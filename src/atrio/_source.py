"""Where a batch's inputs come from: any iterable or async iterable of pairs, or of data for one agent.

A sync source is pulled by the workers themselves. An async one is pulled by one feeder task: several workers in one
async generator would corrupt its cancel scopes.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, Final

import trio

from atrio._agent import agent_id_of, as_agent
from atrio._validation import derived_id

_KNOWN_AGENTS: Final = 1000
"""How many agents of a batch are remembered as checked; more are checked again as they come."""


EACH_ITS_OWN: Final = object()


class Pairs:
    """Makes the agent and the data of a task out of what a source gave.

    Args:
        agent: the one agent of all inputs; by default each input is an ``(agent, data)`` pair.

    Raises:
        TypeError: `agent` is no agent.
    """

    __slots__ = ("_agent", "_known")

    def __init__(self, agent: Any = EACH_ITS_OWN) -> None:
        self._agent: tuple[Any, Any, str] | None = None if agent is EACH_ITS_OWN else _checked(agent)
        self._known: dict[int, tuple[Any, Any, str]] = {}

    @property
    def agent_id(self) -> str | None:
        """The id of the one agent of all inputs, None if each input brings its own."""
        return None if self._agent is None else self._agent[2]

    def split(self, item: Any) -> tuple[Any, str, Any]:
        """Return the agent, its id and the data of `item`.

        Raises:
            TypeError: `item` is no pair, or what is in it is no agent.
            ValueError: the agent's id is none.
        """
        if self._agent is not None:
            _, agent, agent_id = self._agent
            return agent, agent_id, item
        if not isinstance(item, tuple) or len(item) != 2:
            raise TypeError(
                f"a batch takes (agent, data) pairs, not {_shown(item)}: use map(agent, inputs) for one agent"
            )
        candidate, data = item
        known = self._known.get(id(candidate))
        if known is None:
            known = _checked(candidate)
            if len(self._known) >= _KNOWN_AGENTS:
                self._known.clear()
            # With the candidate itself, so that no other object gets its id.
            self._known[id(candidate)] = known
        _, agent, agent_id = known
        return agent, agent_id, data


def _shown(item: object) -> str:
    return f"a tuple of {len(item)}" if isinstance(item, tuple) else f"{type(item).__name__}"


def _checked(candidate: Any) -> tuple[Any, Any, str]:
    agent = as_agent(candidate)
    return candidate, agent, agent_id_of(agent)


class RefusedPair:
    """Stands in for the agent of an input that is no pair of an agent and data: that task's error.

    Args:
        item: what the source gave.
        error: why it was refused.
    """

    __slots__ = ("_error", "agent_id")

    def __init__(self, item: Any, error: Exception) -> None:
        candidate = item[0] if isinstance(item, tuple) and item else item
        self.agent_id = derived_id(type(candidate).__name__)
        self._error = error

    async def process(self, _data: Any, /) -> Any:
        """Raise the error."""
        raise self._error


def length_of(inputs: Any) -> int | None:
    """Return how many inputs there are, None if their source does not say."""
    try:
        return len(inputs) if hasattr(type(inputs), "__len__") else None
    except TypeError:  # what wraps an iterable may have a length that it does not know
        return None


def check_source(inputs: Any) -> None:
    """Raise TypeError unless `inputs` can be iterated, or iterated asynchronously."""
    if isinstance(inputs, str | bytes):
        kind = type(inputs).__name__
        raise TypeError(f"a batch takes an iterable of inputs, and {kind} is a single one: put it in a list")
    if any(hasattr(type(inputs), name) for name in ("__aiter__", "__iter__", "__getitem__")):
        return
    if inspect.isasyncgenfunction(inputs) or inspect.isgeneratorfunction(inputs):
        name = inputs.__name__
        raise TypeError(f"a batch takes an iterable of inputs, and {name} is a function: call it, {name}()")
    raise TypeError(f"a batch takes an iterable or an async iterable of inputs, not {type(inputs).__name__}")


class SyncSource:
    """A sync iterable, pulled by whichever worker is free.

    Args:
        inputs: the iterable.

    Attributes:
        ended: whether it was pulled to its end.
    """

    is_async: Final = False

    def __init__(self, inputs: Iterable[Any]) -> None:
        self.total: int | None = length_of(inputs)
        self.iterator: Iterator[Any] = iter(inputs)
        self.ended: bool = False

    def close(self) -> None:
        """Close what was left before its end; what ended by itself, a file say, is its owner's to close."""
        close = None if self.ended else getattr(self.iterator, "close", None)
        if close is not None:
            close()


class AsyncSource:
    """An async iterable, pulled by one feeder task, one input ahead of the workers.

    Args:
        inputs: the async iterable.

    Attributes:
        take: where the workers take what was pulled.
    """

    is_async: Final = True

    def __init__(self, inputs: AsyncIterable[Any]) -> None:
        self.total: int | None = length_of(inputs)
        self._iterator = aiter(inputs)
        self._scope = trio.CancelScope()
        self._pulling = False
        self._stopped = False
        self._ended = False
        give, take = trio.open_memory_channel[Any](0)
        self._give: trio.MemorySendChannel[Any] = give
        self.take: trio.MemoryReceiveChannel[Any] = take

    def stop(self) -> None:
        """Pull no more; what was pulled is still given."""
        self._stopped = True
        if self._pulling:
            self._scope.cancel()

    def close(self) -> None:
        """Stop, and give no more: the workers are gone."""
        self.stop()
        self.take.close()

    async def feed(self, begin: Callable[[Any], Any], failed: Callable[[Exception], None]) -> None:
        """Pull until the source ends or :meth:`stop` is called, and give what `begin` makes of each input.

        Args:
            begin: told each input as it is pulled.
            failed: told what the source raised, if it did.
        """
        try:
            try:
                # In one scope from the first input to the farewell: a generator may yield inside scopes of its own.
                with self._scope:
                    await self._feed_and_close(begin)
            finally:
                # After a cancelled scope and not in it, so that the source can still wait for what it closes.
                if self._scope.cancel_called:
                    await self._close_iterator()  # noqa: ASYNC102 - the source says itself what it shields
        except Exception as error:  # noqa: BLE001 - whatever a source raises is the batch's to report
            failed(error)

    async def _feed_and_close(self, begin: Callable[[Any], Any]) -> None:
        try:
            await self._feed(begin)
        finally:
            if not self._scope.cancel_called:
                await self._close_iterator()  # noqa: ASYNC102 - as above

    async def _feed(self, begin: Callable[[Any], Any]) -> None:
        # A worker that is gone takes nothing more: the batch's time is up, or its stream was left.
        with self._give, contextlib.suppress(trio.BrokenResourceError):
            while not self._stopped:
                self._pulling = True
                try:
                    item = await anext(self._iterator, _END)
                finally:
                    self._pulling = False
                if item is _END:
                    self._ended = True
                    return
                await self._give.send(begin(item))

    async def _close_iterator(self) -> None:
        # What ended by itself, a channel say, is its owner's to close.
        aclose = None if self._ended else getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


_END: Final = object()
