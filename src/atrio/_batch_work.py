"""What a batch does and with what, and the permits of its processor."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from operator import is_
from typing import Any, Self

import attrs
import trio

from atrio._engine import Journal
from atrio._source import AsyncSource, Pairs, SyncSource


class Permits:
    """The permits of a processor, for all of its batches.

    Args:
        limiter: gives them out, in order.

    Attributes:
        limiter: the same.
        waiting: how many workers wait for one.
    """

    __slots__ = ("limiter", "waiting")

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self.limiter: trio.CapacityLimiter = limiter
        self.waiting: int = 0


class Permit:
    """A permit of a processor, as one worker takes it and gives it back.

    Attributes:
        held: whether the worker has it now.
    """

    __slots__ = ("_permits", "held")

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self.held = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    async def take(self) -> None:
        """Wait for a permit."""
        permits = self._permits
        try:
            permits.limiter.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            permits.waiting += 1
            try:
                await permits.limiter.acquire_on_behalf_of(self)
            finally:
                permits.waiting -= 1
        self.held = True

    def give_back(self) -> None:
        """Give the permit back, if it is held."""
        if self.held:
            self._permits.limiter.release_on_behalf_of(self)
            self.held = False


@attrs.frozen
class BatchWork:
    """What a batch does, and with what: all that is known before it starts.

    Attributes:
        owner: the processor, which refuses a batch of its own tasks.
        permits: its permits.
        max_concurrent: how many tasks run at once at most.
        timeout: seconds for the whole batch, or None.
        task_timeout: seconds for each task, or None.
        source: where the inputs come from.
        pairs: makes a task of each.
        name: the name given to the batch.
        journal: where outputs are kept, or None.
        key: names an input in the journal; None for its index.
        resume: the id of the batch to go on with, or None.
    """

    owner: object
    permits: Permits
    max_concurrent: int
    timeout: float | None
    task_timeout: float | None
    source: SyncSource | AsyncSource
    pairs: Pairs
    name: str
    journal: Journal | None = None
    key: Callable[[Any], object] | None = None
    resume: str | None = None


def same_variables(one: Context, other: Context) -> bool:
    """Say whether a context and a later copy of it hold the very same objects.

    ``==`` compares what is in them, so that an equal other object would pass for no change, and an object that cannot
    be compared would raise. The variables themselves need no comparison: none can be unset that was set before the copy
    was made, as its token belongs to another context.
    """
    return len(one) == len(other) and all(map(is_, one.values(), other.values()))
