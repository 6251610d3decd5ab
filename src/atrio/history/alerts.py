"""When something is wrong: rules over what the history has, as functions of values."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from typing import Final

import attrs

from atrio import _validation as valid

__all__ = [
    "BREAKER_OPENED",
    "FAILURE_RATE",
    "SLOW_STAGE",
    "Finding",
    "Thresholds",
    "evaluate",
    "judged_breaker",
    "judged_runs",
    "judged_stage",
]

SLOW_STAGE: Final = "slow_stage"
FAILURE_RATE: Final = "failure_rate"
BREAKER_OPENED: Final = "breaker_opened"

SHORTEST_S: Final = 0.001
"""Seconds of a stage that are never too many: below, a busy machine makes three times of anything."""
_PERCENTILE: Final = 0.95
_FAILED: Final = "failed"


def _check_share(_instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    what = f"Thresholds.{attribute.name}"
    if valid.check_at_least(value, what, 0) > 1:
        raise ValueError(f"{what} must be a number from 0 to 1, not {value!r}")


@attrs.frozen
class Thresholds:
    """What must not be exceeded.

    Attributes:
        p95_factor: by how much the 95th percentile of a stage's durations may be longer than it was, at least 1.
        failure_rate: the share of a pipeline's runs that may fail, from 0 to 1.
        runs: how many runs are looked at: the latest ones; with fewer nothing is judged. Of a stage there must be as
            many before them, with which they are compared.

    Raises:
        TypeError: one of them is no number.
        ValueError: one of them is out of its range.
    """

    p95_factor: float = attrs.field(default=3.0, validator=valid.at_least(1))
    failure_rate: float = attrs.field(default=0.2, validator=_check_share)
    runs: int = attrs.field(default=20, validator=valid.count)


@attrs.frozen
class Finding:
    """What a rule measured.

    Attributes:
        rule: slow_stage, failure_rate or breaker_opened.
        subject: what it is about: ``pipeline/stage``, a pipeline, a breaker.
        value: what was measured: seconds, a share of runs, how many breakers of that name are open.
        threshold: what it must not exceed, in the same unit.
    """

    rule: str
    subject: str
    value: float
    threshold: float

    @property
    def key(self) -> tuple[str, str]:
        """Rule and subject, of which there is one alert at a time."""
        return self.rule, self.subject

    @property
    def is_exceeded(self) -> bool:
        """Whether this is an alert."""
        return self.value > self.threshold


def judged_stage(
    subject: str,
    latest_s: Sequence[float],
    before_s: Sequence[float],
    thresholds: Thresholds,
    *,
    allowed_s: float | None = None,
) -> Finding | None:
    """Return how the latest runs of a stage compare with those before; None with too few to tell.

    Args:
        subject: the stage, as ``pipeline/stage``.
        latest_s: seconds of its latest runs, of those in which it succeeded.
        before_s: seconds of the runs before these.
        thresholds: what is too much, and of how many runs.
        allowed_s: what it exceeded when an alert was raised that is open still: it is resolved by that, or else what
            has been slow for long would seem right.
    """
    few = len(latest_s) < thresholds.runs
    if few or (allowed_s is None and len(before_s) < thresholds.runs):
        return None
    if allowed_s is None:
        allowed_s = max(thresholds.p95_factor * _p95(before_s), SHORTEST_S)
    return Finding(SLOW_STAGE, subject, _p95(latest_s), allowed_s)


def judged_runs(subject: str, states: Sequence[str], thresholds: Thresholds) -> Finding | None:
    """Return how many of the latest runs of a pipeline failed; None with too few to tell.

    Args:
        subject: the pipeline.
        states: how its runs ended that succeeded, were degraded or failed, the latest first.
        thresholds: what is too much, and of how many runs.
    """
    latest = states[: thresholds.runs]
    if len(latest) < thresholds.runs:
        return None
    return Finding(FAILURE_RATE, subject, latest.count(_FAILED) / len(latest), thresholds.failure_rate)


def judged_breaker(subject: str, open_count: int) -> Finding:
    """Return whether a circuit breaker is open.

    Args:
        subject: its name.
        open_count: how many of that name are open.
    """
    return Finding(BREAKER_OPENED, subject, float(open_count), 0.0)


def evaluate(
    findings: Iterable[Finding], open_alerts: Container[tuple[str, str]]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return what is to be raised and what is to be resolved. What nothing was found of stays as it is.

    Args:
        findings: what the rules measured.
        open_alerts: the keys, rule and subject, of what is raised already.
    """
    each_once = {finding.key: finding for finding in findings}.values()
    raised = tuple(each for each in each_once if each.is_exceeded and each.key not in open_alerts)
    resolved = tuple(each for each in each_once if not each.is_exceeded and each.key in open_alerts)
    return raised, resolved


def _p95(durations_s: Sequence[float]) -> float:
    """Return the 95th percentile, by nearest rank."""
    return sorted(durations_s)[math.ceil(_PERCENTILE * len(durations_s)) - 1]
