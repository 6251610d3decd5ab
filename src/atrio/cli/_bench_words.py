"""What a measurement came to, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atrio import RunStatus
from atrio.cli._bootstrap import FEWEST
from atrio.cli._comparison import Verdict
from atrio.cli._render import seconds, shortened, to_three_digits
from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atrio.cli._bench_run import Plan
    from atrio.cli._bootstrap import Differences
    from atrio.cli._comparison import Comparison
    from atrio.cli._samples import Figures, StageError


def counted(count: int, what: str) -> str:
    """Return ``1 round``, ``20 rounds``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def described(error: StageError) -> str:
    """Return `error` in one line that a terminal can show, without a full stop at its end."""
    said = f"{error.stage_id}: {error.error_type}"
    return shortened(printable(f"{said}: {error.message}" if error.message else said).rstrip("."))


def conditions_of(plan: Plan, inputs: int) -> str:
    """Return how it was measured, in a clause."""
    at_once = "one run at a time" if plan.max_concurrent == 1 else f"{plan.max_concurrent:,} runs at once"
    warm = f" after {plan.warmup:,} to warm up" if plan.warmup else ""
    logged = ", with logging" if plan.logged else ""
    return f"{counted(inputs, 'input')}, {counted(plan.rounds, 'round')}{warm}, {at_once}{logged}, seed {plan.seed}"


def complaint_of(status: RunStatus, figures: Mapping[str, Figures], *, planned: int, duration_s: float) -> str | None:
    """Return what went wrong, in sentences; None if nothing did.

    Args:
        status: how the measurement ended.
        figures: of the pipelines, by their labels.
        planned: how many runs were to be measured.
        duration_s: seconds that it took.
    """
    sentences = [sentence for label, each in figures.items() for sentence in _failures(label, each)]
    if status is RunStatus.TIMEOUT:
        measured = sum(each.runs for each in figures.values())
        sentences.insert(
            0,
            f"time was up after {seconds(duration_s)}: {measured:,} of {counted(planned, 'run')} were measured. Give "
            "it more with --timeout, or ask for fewer --rounds.",
        )
    return " ".join(sentences) or None


def _failures(label: str, figures: Figures) -> Iterator[str]:
    kinds = (RunStatus.FAILED, RunStatus.TIMEOUT)
    of = counted(figures.runs, "run")
    if failed := figures.runs - figures.ended:
        counts = ", ".join(f"{figures.statuses[kind]:,} {kind.value}" for kind in kinds if figures.statuses[kind])
        yield f"{label} failed in {failed:,} of {of} ({counts})."
    if degraded := figures.statuses[RunStatus.DEGRADED]:
        yield f"{label} skipped stages in {degraded:,} of {of}."


def sentence_of(comparison: Comparison) -> str:
    """Return what may be said of one pipeline against another, and on what ground."""
    if comparison.differences is None:
        return f"{_too_few(comparison)}{_left_out(comparison)}"
    ground = f"Measured over {comparison.cluster_count:,} {comparison.clusters}"
    if comparison.inputs > 1:
        ground += f"; it is faster on {comparison.faster_inputs:,} of {comparison.inputs:,} inputs"
    said = f"{_said(comparison, comparison.differences)}{_but(comparison.differences)}"
    return f"{said} {ground}.{_left_out(comparison)}"


def _said(comparison: Comparison, differences: Differences) -> str:
    this, baseline = comparison.pipeline, comparison.baseline
    ratio, mean = differences.mean_ratio, differences.mean
    if comparison.verdict is Verdict.NO_DIFFERENCE:
        return (
            f"No difference between {this} and {baseline} can be told: the mean of {this} is {times(ratio.value)} "
            f"times that of {baseline}, and may be {times(ratio.low)} to {times(ratio.high)} times."
        )
    word, more = ("slower", "more") if comparison.verdict is Verdict.SLOWER else ("faster", "less")
    low, high = sorted((abs(mean.low), abs(mean.high)))
    return (
        f"{this} is {word} than {baseline}: its mean is {times(ratio.value)} times that of {baseline} "
        f"({times(ratio.low)} to {times(ratio.high)}), {to_three_digits(abs(mean.value))} {more} "
        f"({to_three_digits(low)} to {to_three_digits(high)})."
    )


def _but(differences: Differences) -> str:
    """Return what the median says, if it says the opposite of the mean."""
    mean, median, ratio = differences.mean, differences.median, differences.median_ratio
    if not (mean.low > 0 > median.high or median.low > 0 > mean.high):
        return ""
    which = "shorter" if median.high < 0 else "longer"
    return f" But its median is {which}, {times(ratio.value)} times ({times(ratio.low)} to {times(ratio.high)})."


def times(ratio: float) -> str:
    """Return a ratio in digits."""
    return f"{ratio:.3f}" if ratio < 100 else f"{ratio:,.0f}"


def _too_few(comparison: Comparison) -> str:
    this, baseline = comparison.pipeline, comparison.baseline
    if not comparison.pairs:
        return f"{this} and {baseline} cannot be compared: there is no input on which both reached their end."
    rounds, inputs = counted(comparison.rounds, "round"), counted(comparison.inputs, "input")
    return (
        f"There are too few runs to tell {this} from {baseline}: {rounds} of {inputs}. Intervals need {FEWEST} rounds, "
        f"or {FEWEST} inputs that run one at a time."
    )


def _left_out(comparison: Comparison) -> str:
    if not comparison.left_out:
        return ""
    return f" {counted(comparison.left_out, 'run')} left out: they, or their counterparts, did not reach their end."
