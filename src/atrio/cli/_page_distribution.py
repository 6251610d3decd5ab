"""Durations sorted into the steps of a distribution. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import attrs

from atrio.cli._bootstrap import rank
from atrio.cli._page_scales import MOST_TICKS, SHORTEST_S, Scale, Tick, round_duration
from atrio.cli._page_text import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STEPS: Final = 32
_RATIO_OF_LOGARITHMS: Final = 20.0
"""How many times longer the longest is than the shortest where a scale of ratios shows more than one of sums."""
_ROUND_S: Final = (
    *(10.0**power for power in range(-6, 2)),
    *(60.0, 600.0, 3600.0, 36000.0, 4 * 86400.0, 40 * 86400.0),
)
"""What is marked on a scale of ratios."""
_ROOM: Final = 10.0
"""What the name of a percentile takes of a phone's width, in percent."""
_SAME: Final = 0.15
"""Percent that two lines lie apart at most which look like one: a pixel and a half of a wide screen."""


@attrs.frozen
class Step:
    """A step of a distribution.

    Attributes:
        percent: where it begins, 0 to 100.
        width: how much of the scale it is, in percent.
        height: its count by that of the fullest step, in percent.
        count: how many durations fall into it.
        low_s: the shortest that would fall into it, in seconds.
        high_s: where the next one begins.
    """

    percent: float
    width: float
    height: float
    count: int
    low_s: float
    high_s: float


@attrs.frozen
class Label:
    """The name of a percentile, beside its line.

    Attributes:
        percent: where the line stands, 0 to 100.
        label: what it says: a name, or those of percentiles whose lines lie on each other.
        anchor: which end of it is at the line: start, if it stands to the right of it, or end.
        row: how high it stands, from 0: one that would lie on another's line or name stands higher.
    """

    percent: float
    label: str
    anchor: str = "start"
    row: int = 0

    @property
    def room(self) -> float:
        """What it takes of a phone's width, in percent."""
        return _ROOM * len(self.label.split())

    @property
    def begin(self) -> float:
        """Where its text begins."""
        return self.percent - (self.room if self.anchor == "end" else 0)

    @property
    def end(self) -> float:
        """Where its text ends."""
        return self.begin + self.room


@attrs.frozen
class Distribution:
    """Durations, sorted into steps.

    Attributes:
        steps: those that have any, shortest first.
        low_s: where the scale begins, in seconds.
        high_s: where it ends, which is the longest.
        by_ratio: whether each step is by the same factor longer than the one before, and not by the same time.
        percentiles: the nearest-rank duration of each, by its name.
    """

    steps: tuple[Step, ...]
    low_s: float
    high_s: float
    by_ratio: bool
    percentiles: dict[str, float]

    @classmethod
    def of(cls, durations: Sequence[float]) -> Distribution:
        """Sort durations, in seconds and in any order, of which there must be one at least."""
        ordered = sorted(max(each, SHORTEST_S) for each in durations)
        low_s, high_s = ordered[0], ordered[-1]
        by_ratio = high_s / low_s > _RATIO_OF_LOGARITHMS
        low_s = low_s if by_ratio else 0.0
        steps = _steps(ordered, _edges(low_s, high_s, by_ratio=by_ratio))
        percentiles = {f"p{share}": ordered[rank(len(ordered), share / 100)] for share in (50, 95, 99)}
        return cls(tuple(steps), low_s, high_s, by_ratio, percentiles)

    def percent(self, seconds: float) -> float:
        """Return where a duration lies, 0 to 100."""
        if not self.by_ratio:
            return Scale(self.high_s).percent(seconds)
        share = math.log(max(seconds, self.low_s) / self.low_s) / math.log(self.high_s / self.low_s)
        return round(100 * min(share, 1.0), 3)

    def ticks(self) -> list[Tick]:
        """Return marks at round durations."""
        if not self.by_ratio:
            return Scale(self.high_s).ticks()
        inside = [each for each in _ROUND_S if self.low_s <= each <= self.high_s]
        shown = inside[:: math.ceil(len(inside) / MOST_TICKS) or 1]
        return [Tick(self.percent(each), round_duration(each, each)) for each in shown]

    def labels(self) -> list[Label]:
        """Return the names of the percentiles, each beside its line; one for those whose lines lie on each other."""
        labels: list[Label] = []
        for name, seconds in self.percentiles.items():
            percent = self.percent(seconds)
            if labels and percent - labels[-1].percent <= _SAME:
                labels[-1] = attrs.evolve(labels[-1], label=f"{labels[-1].label} {name}")
            else:
                labels.append(Label(percent, name))
        return _stacked(_turned(labels))

    @property
    def said(self) -> str:
        """What it shows, in words."""
        count = counted(sum(step.count for step in self.steps), "task")
        figures = ", ".join(f"{name} {duration(seconds)}" for name, seconds in self.percentiles.items())
        return f"{count}, the longest {duration(self.high_s)}: {figures}"


def _turned(labels: Sequence[Label]) -> list[Label]:
    """Return the same with those to the left of their lines that have no room to the right."""
    turned: list[Label] = []
    limit = 100.0
    for label in reversed(labels):
        each = label if label.end <= limit else attrs.evolve(label, anchor="end")
        # Texts on both sides of two lines would lie on each other, or on a line.
        limit = each.begin if each.anchor == "end" else limit
        turned.insert(0, each)
    return turned


def _stacked(labels: Sequence[Label]) -> list[Label]:
    """Return the same, so high that each text and the line below it are clear of the others."""
    rows = [0] * len(labels)
    # A line goes down on that side of the lower texts on which they are not: its own text may be above them.
    for at in reversed(range(len(labels))):
        if labels[at].anchor == "start":
            rows[at] = _above(labels, rows, at, range(at + 1, len(labels)))
    for at, label in enumerate(labels):
        if label.anchor == "end":
            rows[at] = _above(labels, rows, at, range(at))
    return [attrs.evolve(label, row=row) for label, row in zip(labels, rows, strict=True)]


def _above(labels: Sequence[Label], rows: Sequence[int], at: int, others: Iterable[int]) -> int:
    label = labels[at]
    met = [rows[each] for each in others if label.begin < labels[each].end and labels[each].begin < label.end]
    return max(met, default=-1) + 1


def _edges(low_s: float, high_s: float, *, by_ratio: bool) -> list[float]:
    shares = [step / _STEPS for step in range(_STEPS + 1)]
    if by_ratio:
        return [low_s * (high_s / low_s) ** share for share in shares]
    return [high_s * share for share in shares]


def _steps(ordered: Sequence[float], edges: Sequence[float]) -> list[Step]:
    places = [0, *(bisect_left(ordered, edge) for edge in edges[1:-1]), len(ordered)]
    counts = [high - low for low, high in pairwise(places)]
    width, most = 100 / _STEPS, max(counts)
    return [
        Step(at * width, width, round(100 * count / most, 3), count, edges[at], edges[at + 1])
        for at, count in enumerate(counts)
        if count
    ]
