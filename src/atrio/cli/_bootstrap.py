"""How far two samples of durations differ, and how sure that is: a bootstrap over clusters of pairs. Pure.

Measured is in pairs: what the baseline and the other pipeline took for the same input in the same round. Pairs are not
drawn one by one: those of one round share what the machine did meanwhile, and those of one input share the input, so to
take them for independent would promise more than was measured. Whole clusters of pairs are drawn, with replacement: the
cluster bootstrap (Field and Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B, 2007).

- The clusters are rounds, if there are enough. The inputs are then always the same mix, and the interval says how far
  another such measurement of these inputs may differ.
- With fewer rounds they are inputs, if there are enough of those: each counts once, however often it was measured, and
  the interval also allows for other inputs of their kind. Not if many run at once: all that ran in a block shared it.
- Otherwise nothing is told. :data:`FEWEST` says how many are enough.

Intervals are of percentiles, expanded for small samples: the plain ones are too narrow by what distinguishes Student's
quantiles and n - 1 from the normal ones and n (Hesterberg, "What Teachers Should Know About the Bootstrap", The
American Statistician, 2015).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    Pair: TypeAlias = tuple[float, float]
    """What the baseline took, and what the other took."""

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2000
FEWEST: Final = 6
"""Clusters below which nothing is told: of five, all point the same way by chance alone in 2 * 2**-5 = 6 % of cases."""

_NORMAL: Final = NormalDist()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of `values`, as the figures of atrio's results have it; 0 if there are none.

    The smallest value with at least `share` of all values at or below it (Hyndman & Fan 1996, definition 1).

    Args:
        values: in any order.
        share: above 0, up to 1.
    """
    return sorted(values)[rank(len(values), share)] if values else 0.0


def rank(count: int, share: float) -> int:
    """Return where, from 0, the nearest-rank percentile stands among `count` sorted values."""
    return max(math.ceil(share * count), 1) - 1


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, 0 if there are no values; kept between the extremes, whatever rounding says."""
    if not values:
        return 0.0
    return min(max(math.fsum(values) / len(values), min(values)), max(values))


@attrs.frozen
class Estimate:
    """A figure, and the interval in which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@attrs.frozen
class Differences:
    """How far the other's durations are from the baseline's.

    Attributes:
        mean: the difference of the means, in seconds; above 0, the other is slower.
        mean_ratio: the other's mean as a multiple of the baseline's.
        median: the difference of the medians, in seconds.
        median_ratio: the other's median as a multiple of the baseline's.
    """

    mean: Estimate
    mean_ratio: Estimate
    median: Estimate
    median_ratio: Estimate


def differences(clusters: Sequence[Sequence[Pair]], random: Random, *, resamples: int = RESAMPLES) -> Differences:
    """Return how far the second members of pairs are from the first.

    Args:
        clusters: what is drawn as a whole, each with a pair at least; at least two.
        random: where the draws come from.
        resamples: how many there are.
    """
    sides = tuple(_Side([[pair[which] for pair in cluster] for cluster in clusters]) for which in (0, 1))
    count = len(clusters)
    drawn = [_drawn(count, random) for _ in range(resamples)]
    means = _compared(*([side.mean(times) for times in ([1] * count, *drawn)] for side in sides))
    medians = _compared(*([side.median(times) for times in ([1] * count, *drawn)] for side in sides))
    tail = tail_of(count)
    return Differences(*(_estimate(figures, tail) for figures in (*means, *medians)))


def _drawn(count: int, random: Random) -> list[int]:
    """Return how often each of `count` clusters is drawn in as many draws with replacement."""
    times = [0] * count
    for each in random.choices(range(count), k=count):
        times[each] += 1
    return times


def _compared(first: list[float], second: list[float]) -> tuple[list[float], list[float]]:
    pairs = list(zip(first, second, strict=True))
    return [other - baseline for baseline, other in pairs], [ratio(other, baseline) for baseline, other in pairs]


def ratio(duration_s: float, baseline_s: float) -> float:
    """Return how many times as long `duration_s` is as `baseline_s`; two that took no time are alike."""
    if baseline_s:
        return duration_s / baseline_s
    return math.inf if duration_s else 1.0


def _estimate(figures: list[float], tail: float) -> Estimate:
    """Return the first of `figures`, which is what was measured, and the interval of the rest."""
    measured, *resampled = figures
    resampled.sort()
    low, high = (resampled[rank(len(resampled), share)] for share in (tail, 1 - tail))
    return Estimate(measured, min(low, measured), max(high, measured))


def tail_of(count: int) -> float:
    """Return the share of resamples outside of either end of an interval from `count` clusters."""
    return _NORMAL.cdf(-math.sqrt(count / (count - 1)) * students_quantile((1 + CONFIDENCE) / 2, count - 1))


def students_quantile(share: float, freedom: int) -> float:
    """Return a quantile of Student's t, by its expansion (Abramowitz & Stegun 26.7.5): good to 0.5 % from 4 up.

    Args:
        share: above 0, below 1.
        freedom: degrees of freedom.
    """
    z = _NORMAL.inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


class _Side:
    """The durations of one pipeline, made so that figures of many resamples cost little.

    Args:
        clusters: the durations, by cluster.
    """

    def __init__(self, clusters: Sequence[Sequence[float]]) -> None:
        self._sums = [math.fsum(cluster) for cluster in clusters]
        self._counts = [len(cluster) for cluster in clusters]
        ordered = sorted((value, number) for number, cluster in enumerate(clusters) for value in cluster)
        self._values = [value for value, _ in ordered]
        self._clusters = [number for _, number in ordered]

    def mean(self, times: Sequence[int]) -> float:
        """Return the mean, if each cluster is there so many `times`."""
        return math.fsum(map(float.__mul__, self._sums, map(float, times))) / self._count(times)

    def median(self, times: Sequence[int]) -> float:
        """Return the median, by nearest rank, if each cluster is there so many `times`."""
        places = list(accumulate(map(times.__getitem__, self._clusters)))
        return self._values[bisect_left(places, rank(self._count(times), 0.5) + 1)]

    def _count(self, times: Sequence[int]) -> int:
        return sum(map(int.__mul__, self._counts, times))
