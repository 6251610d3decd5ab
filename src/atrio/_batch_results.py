"""What a batch leaves behind, and the figures derived from it. Pure: no clock, no I/O."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import attrs

from atrio._results import ErrorInfo, RunStatus, annotate, mean, percentile
from atrio._tasks import TaskResult, TaskStatus
from atrio._usage import NO_USAGE, Usage
from atrio.errors import BatchError, TaskCancelledError, TaskNotStartedError

__all__ = ["BatchMetrics", "BatchResult"]

Out_co = TypeVar("Out_co", covariant=True)


@attrs.frozen
class BatchMetrics:
    """The figures of a batch.

    Attributes:
        total_tasks: how many outcomes there are.
        successful_tasks: how many of them succeeded.
        failed_tasks: how many did not, in whatever way.
        success_rate: successful / total, 0 to 1.
        batch_duration_s: seconds that the batch took.
        average_task_time_s: mean seconds of the tasks that were begun.
        p95_task_time_s: 95th percentile of their seconds, by nearest rank.
        concurrency_used: how many places it could use: the smaller of total and `max_concurrent`.
        throughput_per_s: tasks that ended by themselves per second; 0 for a batch that took no time.
        efficiency: summed task time / (duration x concurrency_used), 0 to 1; 1 for a batch that took no time.
    """

    total_tasks: int
    successful_tasks: int
    failed_tasks: int
    success_rate: float
    batch_duration_s: float
    average_task_time_s: float
    p95_task_time_s: float
    concurrency_used: int
    throughput_per_s: float
    efficiency: float


def throughput(finished: int, duration_s: float) -> float:
    """Return tasks per second, 0 if no time passed."""
    return finished / duration_s if duration_s else 0.0


def efficiency(task_time_s: float, duration_s: float, places: int) -> float:
    """Return which share of the places' time was spent in tasks, 0 to 1; 1 if no time passed."""
    available = duration_s * places
    return min(task_time_s / available, 1.0) if available else 1.0


def status_of(successful: int, total: int) -> RunStatus:
    """Return the status of a batch that was not stopped: SUCCESS if all succeeded, DEGRADED above half, else FAILED."""
    if successful == total:
        return RunStatus.SUCCESS
    return RunStatus.DEGRADED if 2 * successful > total else RunStatus.FAILED


@attrs.frozen
class BatchResult(Generic[Out_co]):
    """What a batch gave: exactly one outcome per input pulled, in input order.

    Attributes:
        batch_id: the batch's id, 32 hexadecimal digits.
        name: the name given to it.
        results: the outcomes, in input order.
        status: SUCCESS (all succeeded), DEGRADED (more than half), FAILED, or TIMEOUT (its time was up).
        started_at: when it began, aware, in UTC.
        duration_s: seconds that it took, on Trio's clock.
        max_concurrent: how many tasks could run at once.
        metadata: the caller's own.
        usage: what its tasks' calls of language models used.
    """

    batch_id: str
    name: str
    results: tuple[TaskResult[Out_co], ...] = attrs.field(repr=lambda results: f"<{len(results)} outcomes>")
    status: RunStatus
    started_at: datetime
    duration_s: float
    max_concurrent: int
    metadata: dict[str, Any]
    usage: Usage = NO_USAGE

    @property
    def success_count(self) -> int:
        """How many tasks succeeded."""
        return sum(1 for each in self.results if each.status is TaskStatus.SUCCESS)

    @property
    def failure_count(self) -> int:
        """How many tasks did not succeed, in whatever way."""
        return len(self.results) - self.success_count

    @property
    def success_rate(self) -> float:
        """Which share of the tasks succeeded, 0 to 1."""
        return self.success_count / len(self.results) if self.results else 0.0

    @property
    def metrics(self) -> BatchMetrics:
        """The figures. They are computed when asked for: sorting many durations takes a while."""
        durations = [each.duration_s for each in self.results if each.status is not TaskStatus.NOT_STARTED]
        finished = sum(1 for each in self.results if each.status not in _STOPPED)
        successful = self.success_count
        places = min(len(self.results), self.max_concurrent)
        return BatchMetrics(
            total_tasks=len(self.results),
            successful_tasks=successful,
            failed_tasks=len(self.results) - successful,
            success_rate=self.success_rate,
            batch_duration_s=self.duration_s,
            average_task_time_s=mean(durations),
            p95_task_time_s=percentile(durations, 0.95),
            concurrency_used=places,
            throughput_per_s=throughput(finished, self.duration_s),
            efficiency=efficiency(math.fsum(durations), self.duration_s, places),
        )

    def unwrap(self) -> list[Out_co]:
        """Return the outputs, in input order.

        Raises:
            BatchError: a task did not succeed; it holds the tasks' own errors, in input order. A task that ran out of
                time, was stopped or was not started counts as TaskTimeoutError, TaskCancelledError or
                TaskNotStartedError.
        """
        failed = [each for each in self.results if each.status is not TaskStatus.SUCCESS]
        if failed:
            message = f"batch {self.name!r}: {len(failed)} of {len(self.results)} tasks did not succeed"
            raise BatchError(message, [_error_of(each) for each in failed], result=self)
        # They succeeded, so these are Outs.
        return [cast("Out_co", each.result) for each in self.results]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists, strings and numbers, ready for ``json.dumps``."""
        from atrio._json import json_ready  # noqa: PLC0415 - cattrs costs more to import than all of this

        names = [name for name in attrs.fields_dict(type(self)) if name != "results"]
        own = {name: json_ready(getattr(self, name)) for name in (*names, "metrics")}
        return {**own, "results": [each.to_dict() for each in self.results]}


_STOPPED = frozenset({TaskStatus.CANCELLED, TaskStatus.NOT_STARTED})


def _error_of(task: TaskResult[Any]) -> Exception:
    error: ErrorInfo | None = task.error
    if error is not None and isinstance(error.exception, Exception):
        annotate(error.exception, f"raised in task {task.index} of batch {task.batch.batch_id}")
        return error.exception
    kind = TaskNotStartedError if task.status is TaskStatus.NOT_STARTED else TaskCancelledError
    return kind(task.task_id, task.index)
