"""What was measured of one run, and the figures of many. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio import RunStatus, StageStatus
from atrio.cli._bootstrap import mean, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atrio import PipelineResult

ENDED: Final = frozenset({RunStatus.SUCCESS, RunStatus.DEGRADED})
"""The statuses of runs that reached their end, and whose durations are compared."""


@attrs.frozen
class Retries:
    """What retries cost.

    Attributes:
        retries: attempts that followed a failed one.
        failed_s: seconds of the attempts that failed and were made again.
        backoff_s: seconds of the waits between them.
    """

    retries: int = 0
    failed_s: float = 0.0
    backoff_s: float = 0.0


@attrs.frozen
class StageError:
    """What ended a stage: without the exception itself, whose frames would be kept alive for each of many runs."""

    stage_id: str
    error_type: str
    message: str


@attrs.frozen
class Sample:
    """One run that was measured.

    Attributes:
        pipeline: which one, by its label.
        input: on which input, by its label.
        round: in which round, from 0.
        status: success, degraded (it reached its end, but a stage was skipped), failed, or timeout (it failed because a
            stage's own deadline passed).
        duration_s: seconds that it took, on Trio's clock.
        cpu_s: seconds of processor time that the process spent meanwhile, or None where other runs did so too.
        attempts: how often agents were called.
        retries: what the retries of its stages cost.
        errors: what ended stages.
    """

    pipeline: str
    input: str
    round: int
    status: RunStatus
    duration_s: float
    cpu_s: float | None
    attempts: int
    retries: Retries
    errors: tuple[StageError, ...]


def sample_of(result: PipelineResult[Any], pipeline: str, case: str, number: int, cpu_s: float | None) -> Sample:
    """Return what is kept of a run: neither its output nor anything else that its agents made but errors."""
    records = result.stages
    errors = (
        StageError(record.stage_id, record.error.error_type, record.error.message)
        for record in records
        if record.error is not None
    )
    return Sample(
        pipeline,
        case,
        number,
        _status_of(result),
        result.duration_s,
        cpu_s,
        sum(record.attempts for record in records),
        retries_of(result),
        tuple(errors),
    )


def _status_of(result: PipelineResult[Any]) -> RunStatus:
    last = result.stages[-1]
    timed_out = last.status is StageStatus.ERROR and last.error is not None and last.error.timed_out
    return RunStatus.TIMEOUT if timed_out else result.status


def retries_of(result: PipelineResult[Any]) -> Retries:
    """Return what the retries of a run's stages cost; those inside of a nested pipeline are its stage's own affair."""
    # The last attempt of all was not made again, however it ended.
    again = [failure for record in result.stages for failure in record.failures if failure.attempt < record.attempts]
    return Retries(
        len(again),
        math.fsum(failure.duration_s for failure in again),
        math.fsum(failure.backoff_s for failure in again),
    )


@attrs.frozen
class Latency:
    """How long runs that reached their end took, in seconds; percentiles by nearest rank."""

    mean_s: float
    min_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    max_s: float


@attrs.frozen
class FirstError:
    """The first error of its kind, which is its stage and its type, and how many there were."""

    count: int
    input: str
    round: int
    error: StageError


@attrs.frozen
class Figures:
    """What the runs of one pipeline came to.

    Attributes:
        runs: how many were measured.
        statuses: how many ended how.
        throughput_per_s: runs that ended per second of its own time, failed ones too.
        latency: of those that reached their end; None if none did.
        cpu_s: mean seconds of processor time of a run, or None where many run at once.
        retries: what all retries cost.
        retries_share: their part of all the time that its runs took, 0 to 1.
        errors: the first of each kind.
    """

    runs: int
    statuses: Counter[RunStatus]
    throughput_per_s: float
    latency: Latency | None
    cpu_s: float | None
    retries: Retries
    retries_share: float
    errors: tuple[FirstError, ...]

    @property
    def ended(self) -> int:
        """How many reached their end."""
        return sum(self.statuses[status] for status in ENDED)

    @property
    def status(self) -> RunStatus:
        """What they are together, as of a batch: success, degraded if more than half reached their end, or failed."""
        if self.statuses[RunStatus.SUCCESS] == self.runs:
            return RunStatus.SUCCESS
        return RunStatus.DEGRADED if 2 * self.ended > self.runs else RunStatus.FAILED


def figures_of(samples: Sequence[Sample], busy_s: float) -> Figures:
    """Return the figures of one pipeline.

    Args:
        samples: its runs.
        busy_s: seconds in which one of them ran at least.
    """
    retries = _summed([sample.retries for sample in samples])
    total_s = math.fsum(sample.duration_s for sample in samples)
    cpu = [sample.cpu_s for sample in samples if sample.cpu_s is not None]
    return Figures(
        len(samples),
        Counter(sample.status for sample in samples),
        len(samples) / busy_s if busy_s else 0.0,
        _latency([sample.duration_s for sample in samples if sample.status in ENDED]),
        mean(cpu) if cpu else None,
        retries,
        (retries.failed_s + retries.backoff_s) / total_s if total_s else 0.0,
        _first_errors(samples),
    )


def _summed(retries: Sequence[Retries]) -> Retries:
    return Retries(
        sum(each.retries for each in retries),
        math.fsum(each.failed_s for each in retries),
        math.fsum(each.backoff_s for each in retries),
    )


def _latency(durations: Sequence[float]) -> Latency | None:
    if not durations:
        return None
    p50_s, p90_s, p95_s, p99_s = (percentile(durations, share) for share in (0.5, 0.9, 0.95, 0.99))
    return Latency(mean(durations), min(durations), p50_s, p90_s, p95_s, p99_s, max(durations))


def _first_errors(samples: Sequence[Sample]) -> tuple[FirstError, ...]:
    found: dict[tuple[str, str], FirstError] = {}
    for sample in samples:
        for error in sample.errors:
            kind = error.stage_id, error.error_type
            first = found.get(kind) or FirstError(0, sample.input, sample.round, error)
            found[kind] = attrs.evolve(first, count=first.count + 1)
    return tuple(found.values())
