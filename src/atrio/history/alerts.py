"""When something is wrong: rules over what the history has, as functions of values."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from typing import Final

import attrs

from atrio import _validation as valid
from atrio._results import percentile

__all__ = [
    "BREAKER_OPENED",
    "FAILURE_RATE",
    "SLOW_STAGE",
    "TASK_FAILURE_RATE",
    "Finding",
    "Thresholds",
    "evaluate",
    "is_stage_of",
    "judged_breaker",
    "judged_runs",
    "judged_stage",
    "judged_tasks",
    "stage_subject",
]

SLOW_STAGE: Final = "slow_stage"
FAILURE_RATE: Final = "failure_rate"
TASK_FAILURE_RATE: Final = "task_failure_rate"
BREAKER_OPENED: Final = "breaker_opened"

SHORTEST_S: Final = 0.001
"""Seconds of a stage that are never too many: below, a busy machine makes three times of anything."""
_PERCENTILE: Final = 0.95
_DIGITS: Final = 6
"""Of seconds, as the log has them."""
_FAILED: Final = "failed"
_LONGEST_PIPELINE: Final = 150
"""Characters of a subject that say the pipeline, at most: what follows may be cut, these never."""


def _check_share(_instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    what = f"Thresholds.{attribute.name}"
    if valid.check_at_least(value, what, 0) > 1:
        raise ValueError(f"{what} must be a number from 0 to 1, not {value!r}")


@attrs.frozen
class Thresholds:
    """What must not be exceeded.

    Attributes:
        p95_factor: by how much the 95th percentile of a stage's durations may be longer than it was, at least 1.
        failure_rate: the share of a pipeline's runs, or of the tasks of batches, that may fail, from 0 to 1.
        runs: how many runs or tasks are looked at: the latest ones; with fewer nothing is judged. Of a stage there must
            be as many before them, with which they are compared.

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
        rule: slow_stage, failure_rate, task_failure_rate or breaker_opened.
        subject: what it is about: ``pipeline/stage``, a pipeline, batches of a name, a breaker.
        value: what was measured: seconds, a share of runs or tasks, in how many processes the breaker is open.
        threshold: what it must not exceed, in the same unit.
        run_name: the outermost pipeline or batch that it was found in, or None.
    """

    rule: str
    subject: str
    value: float
    threshold: float
    run_name: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Rule and subject, of which there is one alert at a time."""
        return self.rule, self.subject

    @property
    def is_exceeded(self) -> bool:
        """Whether this is an alert."""
        return self.value > self.threshold


def stage_subject(pipeline_id: str, stage_id: str) -> str:
    """Return what an alert about a stage has for its subject: ``pipeline/stage``, which tells any two stages apart.

    A pipeline's id that holds a slash itself stands in quotation marks, as JSON writes it.

    Args:
        pipeline_id: the pipeline.
        stage_id: the stage.
    """
    return valid.derived_id(_begin_of_stages(pipeline_id) + stage_id)


def is_stage_of(subject: str, pipeline_id: str) -> bool:
    """Say whether `subject` is :func:`stage_subject` of any stage of that pipeline."""
    return subject.startswith(_begin_of_stages(pipeline_id))


def _begin_of_stages(pipeline_id: str) -> str:
    plain = "/" not in pipeline_id and not pipeline_id.startswith('"')
    said = pipeline_id if plain else json.dumps(pipeline_id, ensure_ascii=False)
    return valid.derived_id(said, _LONGEST_PIPELINE) + "/"


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
        subject: the stage, as :func:`stage_subject` has it.
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
        allowed_s = round(max(thresholds.p95_factor * percentile(before_s, _PERCENTILE), SHORTEST_S), _DIGITS)
    return Finding(SLOW_STAGE, subject, percentile(latest_s, _PERCENTILE), allowed_s)


def judged_runs(subject: str, states: Sequence[str], thresholds: Thresholds) -> Finding | None:
    """Return how many of the latest runs of a pipeline failed; None with too few to tell.

    Args:
        subject: the pipeline.
        states: how its runs ended that succeeded, were degraded or failed, the latest first.
        thresholds: what is too much, and of how many runs.
    """
    return _failure_rate(FAILURE_RATE, subject, [state == _FAILED for state in states], thresholds)


def judged_tasks(subject: str, failed: Sequence[bool], thresholds: Thresholds) -> Finding | None:
    """Return how many of the latest tasks of batches of a name failed; None with too few to tell.

    Args:
        subject: the name of the batches.
        failed: of each task that succeeded, failed or ran out of its time, whether it was one of the latter two; the
            latest first.
        thresholds: what is too much, and of how many tasks.
    """
    return _failure_rate(TASK_FAILURE_RATE, subject, failed, thresholds)


def _failure_rate(rule: str, subject: str, failed: Sequence[bool], thresholds: Thresholds) -> Finding | None:
    latest = failed[: thresholds.runs]
    if len(latest) < thresholds.runs:
        return None
    return Finding(rule, subject, sum(latest) / len(latest), thresholds.failure_rate)


def judged_breaker(subject: str, open_count: int) -> Finding:
    """Return whether a circuit breaker is open.

    Args:
        subject: its name.
        open_count: in how many processes one of that name is open.
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
