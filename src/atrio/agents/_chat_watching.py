"""Who watches what models write, piece by piece."""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import attrs

from atrio.events._observing import warn_of_observer


@attrs.frozen
class Piece:
    """A piece of what a model writes.

    Attributes:
        agent_id: the agent that asked it.
        text: the piece; all of a call, one after the other, are the whole answer.
        call: a number that all pieces of one call of a model share, and those of no other in this process: calls run
            side by side, and another attempt begins anew.
    """

    agent_id: str
    text: str
    call: int


Watcher: TypeAlias = Callable[[Piece], object]


class _Attached:
    """A watcher in a block, and whether it still works there."""

    __slots__ = ("watcher", "working")

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.working = True

    def __call__(self, piece: Piece) -> None:
        try:
            self.watcher(piece)
        except Exception as error:  # noqa: BLE001 - whatever a watcher raises must not change the run
            self.working = False
            warn_of_observer(f"watcher {getattr(self.watcher, '__qualname__', type(self.watcher).__qualname__)}", error)


_watchers: ContextVar[tuple[_Attached, ...]] = ContextVar("atrio_watchers", default=())


def current_watchers() -> tuple[Watcher, ...]:
    """Return who watches here and now."""
    return tuple(each for each in _watchers.get() if each.working)


@contextmanager
def watch(function: Watcher) -> Generator[None]:
    """Give `function` every piece that a model writes for a chat agent called in the block, or in tasks begun in it.

    Agents then ask for streams, where they else wait for whole answers; what they return is the same.

    Args:
        function: takes a :class:`Piece`. It is called in the agent's own task, where
            :func:`~atrio.current_context` tells the run, so it must be quick; it cannot await. If it raises, that is
            reported once through ``warnings``, and it is left out for the rest of the block.

    Raises:
        TypeError: `function` is not callable, is a class, or is async.
    """
    if not callable(function) or inspect.isclass(function):
        raise TypeError(f"watch takes a function of a Piece, not {function!r}")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004 - not a test for being callable
        raise TypeError(f"watch takes a function that cannot await, and {function!r} is async: write `def`")
    token: Any = _watchers.set((*_watchers.get(), _Attached(function)))
    try:
        yield
    finally:
        _watchers.reset(token)
