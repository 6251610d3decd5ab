"""Durations as a line of bars, one each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARS: Final = "▁▂▃▄▅▆▇█"
_IN_ASCII: Final = "_.:-=+*#"


def sparkline(durations_s: Sequence[float], *, ascii_only: bool = False) -> str:
    """Return a bar for each of `durations_s`, on a scale from 0 to the longest of them.

    Args:
        durations_s: seconds, none of them negative.
        ascii_only: whether nothing but ASCII can be shown.
    """
    steps = _IN_ASCII if ascii_only else _BARS
    longest = max(durations_s, default=0.0) or 1.0
    return "".join(steps[min(int(each / longest * len(steps)), len(steps) - 1)] for each in durations_s)
