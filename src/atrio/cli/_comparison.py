"""One pipeline against another, on the inputs that both finished, and what may be said of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import attrs

from atrio.cli._bootstrap import FEWEST, Differences, differences, mean
from atrio.cli._samples import ENDED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from atrio.cli._bootstrap import Pair
    from atrio.cli._samples import Sample


class Verdict(StrEnum):
    """What a comparison comes to, by the interval of the difference of the means."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no_difference"
    TOO_FEW_RUNS = "too_few_runs"


@attrs.frozen
class Comparison:
    """A pipeline against the baseline.

    Attributes:
        pipeline: which, by its label.
        baseline: against which.
        pairs: runs of both on one input in one round that both reached their end: what is compared.
        left_out: runs of either that are in no pair.
        rounds: of how many rounds there are pairs.
        inputs: of how many inputs there are pairs.
        faster_inputs: on how many of them its mean is lower.
        clusters: what was drawn for the intervals, rounds or inputs; None if there were too few.
        differences: how far it is from the baseline; None as above.
    """

    pipeline: str
    baseline: str
    pairs: int
    left_out: int
    rounds: int
    inputs: int
    faster_inputs: int
    clusters: Literal["rounds", "inputs"] | None
    differences: Differences | None

    @property
    def cluster_count(self) -> int:
        """How many clusters were drawn from."""
        return self.inputs if self.clusters == "inputs" else self.rounds

    @property
    def verdict(self) -> Verdict:
        """What may be said."""
        if self.differences is None:
            return Verdict.TOO_FEW_RUNS
        if self.differences.mean.low > 0:
            return Verdict.SLOWER
        return Verdict.FASTER if self.differences.mean.high < 0 else Verdict.NO_DIFFERENCE


def compare(baseline: Sequence[Sample], other: Sequence[Sample], random: Random, *, at_once: int) -> Comparison:
    """Compare two pipelines, each with a run at least.

    Args:
        baseline: the runs of the one.
        other: the runs of the other.
        random: where the draws of the bootstrap come from.
        at_once: how many runs went on at once; if several, only rounds are independent of each other.
    """
    pairs = _paired(baseline, other)
    by_round, by_input = (_grouped(pairs, which) for which in (0, 1))
    clusters: Literal["rounds", "inputs"] | None = None
    groups = by_round
    if len(by_round) >= FEWEST:
        clusters = "rounds"
    elif at_once == 1 and len(by_input) >= FEWEST:
        clusters, groups = "inputs", by_input
    count = sum(map(len, groups))
    return Comparison(
        other[0].pipeline,
        baseline[0].pipeline,
        count,
        len(baseline) + len(other) - 2 * count,
        len(by_round),
        len(by_input),
        sum(_is_faster(group) for group in by_input),
        clusters,
        differences(groups, random) if clusters else None,
    )


def _paired(baseline: Sequence[Sample], other: Sequence[Sample]) -> dict[tuple[int, str], list[Pair]]:
    """Return the durations of both by round and input; several of one cell are paired as they come."""
    first, second = _durations(baseline), _durations(other)
    # In their order, so that the same seed draws the same.
    return {cell: list(zip(first[cell], second[cell], strict=False)) for cell in sorted(first) if cell in second}


def _durations(samples: Sequence[Sample]) -> dict[tuple[int, str], list[float]]:
    found: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
    for sample in samples:
        if sample.status in ENDED:
            found[sample.round, sample.input].append(sample.duration_s)
    return found


def _grouped(pairs: dict[tuple[int, str], list[Pair]], which: int) -> list[list[Pair]]:
    found: defaultdict[int | str, list[Pair]] = defaultdict(list)
    for cell, each in pairs.items():
        found[cell[which]] += each
    return list(found.values())


def _is_faster(pairs: Sequence[Pair]) -> bool:
    return mean([other for _, other in pairs]) < mean([baseline for baseline, _ in pairs])
