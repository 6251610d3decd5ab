"""What passes and differs from run to run, held still: the clock, ids and times of day."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

from atrio._stamps import Stamps, stamps

T = TypeVar("T")


@contextlib.contextmanager
def fixed_stamps(start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, seed: int = 0) -> Generator[None]:
    """Make run ids and times of day reproducible: with a MockClock and seeded jitter, a run is the same to the byte.

    Args:
        start: the time of day at which Trio's clock is 0.
        seed: of the run ids.
    """
    ids = random.Random(seed)  # noqa: S311 - reproducible is what these are for
    ordered = itertools.count()

    def new_run_id() -> str:
        # A UUIDv7 like any other, in the order of their making: a count in place of the time.
        return f"{next(ordered) << 80 | 7 << 76 | 2 << 62 | ids.getrandbits(62):032x}"

    def utc_now() -> datetime:
        try:
            return start + timedelta(seconds=trio.current_time())
        except RuntimeError:  # outside of Trio, where no time passes
            return start

    token = stamps.set(Stamps(new_run_id, utc_now))
    try:
        yield
    finally:
        stamps.reset(token)


def run_in_virtual_time(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run an async function with ``trio.run`` on a clock that jumps over every wait, and return what it returns.

    For tests that cannot be async themselves, as with Hypothesis. An agent that works in a thread needs real time.

    Args:
        function: the async function.
        args: its arguments.
    """
    return trio.run(function, *args, clock=MockClock(autojump_threshold=0))
