"""Places on a page: a scale of time, and its ticks. Pure."""

from __future__ import annotations

import math
from typing import Final

import attrs

_STEPS_S: Final = (
    *(digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0),
)
"""What may lie between two ticks, so that each is a round number of some unit."""
MOST_TICKS: Final = 5
"""As many as have room on a phone."""
SHORTEST_S: Final = 1e-6
"""What a scale covers at least: durations are rounded to it."""
_NEAR_THE_END: Final = 5
"""Percent."""
_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (0.0, "us"))


@attrs.frozen
class Tick:
    """A mark on a scale.

    Attributes:
        percent: where it stands, 0 to 100.
        label: what it says.
    """

    percent: float
    label: str

    @property
    def anchor(self) -> str:
        """Where its label begins, so that it stays beside the scale: start, middle or end."""
        return "start" if self.percent < _NEAR_THE_END else "end" if self.percent > 100 - _NEAR_THE_END else "middle"


def _at_least_the_shortest(span_s: float) -> float:
    return max(span_s, SHORTEST_S)


@attrs.frozen
class Scale:
    """A scale of seconds from 0.

    Attributes:
        span_s: what lies at its end.
    """

    span_s: float = attrs.field(converter=_at_least_the_shortest)

    def percent(self, at_s: float) -> float:
        """Return where a moment lies, 0 to 100; one that lies beside the scale is put at its end."""
        return round(100 * min(max(at_s / self.span_s, 0.0), 1.0), 3)

    def ticks(self) -> list[Tick]:
        """Return marks at round numbers."""
        step_s = next((each for each in _STEPS_S if self.span_s / each <= MOST_TICKS), None)
        if step_s is None:
            step_s = _STEPS_S[-1] * math.ceil(self.span_s / _STEPS_S[-1] / MOST_TICKS)
        # A little more, so that a span of 0.3 has its tick at 0.1 times 3.
        marks = range(int(self.span_s / step_s * (1 + 1e-9)) + 1)
        return [Tick(self.percent(mark * step_s), round_duration(mark * step_s, step_s)) for mark in marks]


def round_duration(seconds: float, step_s: float) -> str:
    """Return a round duration in a unit that suits `step_s`: ``0``, ``200 ms``, ``5 min``."""
    if not seconds:
        return "0"
    # Parts of a second are told as durations are: 1 s, and not 1000 ms.
    told_s = min(seconds, 1.0) if step_s < 1 else step_s
    size, unit = next(each for each in _UNITS if told_s >= each[0] * (1 - 1e-9))
    return f"{seconds / (size or 1e-6):.10g} {unit}"
