"""Ids of runs and wall-clock stamps, both of which a test can replace (`atrio.testing.fixed_stamps`)."""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable


def uuid7() -> str:
    """Return a new UUIDv7 as 32 lower-case hexadecimal digits.

    RFC 9562, section 5.7: 48 bits of Unix milliseconds, then, by its method 3 (section 6.2), 12 bits of the fraction of
    that millisecond, then 62 random bits. Ids made within a second therefore neither collide nor lose their order.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    random_bits = int.from_bytes(os.urandom(8)) >> 2
    return f"{milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random_bits:032x}"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen
class Stamps:
    """Where ids and wall-clock times come from."""

    new_run_id: Callable[[], str] = uuid7
    utc_now: Callable[[], datetime] = _utc_now


stamps: ContextVar[Stamps] = ContextVar("atrio_stamps", default=Stamps())  # noqa: B039 - Stamps is frozen


def new_run_id() -> str:
    """Return an id for a run, sortable by time: 32 lower-case hexadecimal digits."""
    return stamps.get().new_run_id()


def utc_clock() -> Callable[[], datetime]:
    """Return what gives the time of day, for those who ask it often."""
    return stamps.get().utc_now


def utc_now() -> datetime:
    """Return the time of day, aware, in UTC."""
    return stamps.get().utc_now()


def elapsed_clock() -> float:
    """Return seconds on a clock for what waits outside Trio's loop, or in spite of it."""
    return time.monotonic()
