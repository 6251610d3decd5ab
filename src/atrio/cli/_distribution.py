"""Distributions as lines of bars, all on one scale. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARS: Final = " ▁▂▃▄▅▆▇█"
_LEAST: Final = 1e-9
"""Seconds below which the scale does not begin: it is one of ratios, and those of 0 would be endless."""


def bars(samples: Sequence[Sequence[float]], width: int) -> list[str]:
    """Return for each of `samples` a line of `width` bars: how many durations fall into each step of a common scale.

    Each step is by the same factor longer than the one before. Within a line the highest bar is the fullest step; a
    step with anything in it has a bar.

    Args:
        samples: durations, each with one at least.
        width: how many steps the scale has.
    """
    low = max(min(map(min, samples)), _LEAST)
    span = math.log(max(_LEAST, *map(max, samples)) / low)
    return [_line(durations, low, span, width) for durations in samples]


def _line(durations: Sequence[float], low: float, span: float, width: int) -> str:
    counts = [0] * width
    for duration_s in durations:
        place = math.log(max(duration_s, low) / low) / span if span else 0.0
        counts[min(int(place * width), width - 1)] += 1
    most = max(counts)
    return "".join(_BARS[math.ceil(count / most * (len(_BARS) - 1))] for count in counts)
