"""What a batch came to, in memory that does not grow with it: counts, figures, the slowest and the failed tasks."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from atrio import InMemoryMetrics, RunStatus, TaskResult, TaskStatus, Usage
from atrio.cli._render import seconds, shortened, table_of
from atrio.cli._result_lines import error_of
from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atrio.cli._render import Cell
    from atrio.cli._tasks_input import TaskInput

_LISTED: Final = 10
_STYLES: Final = {TaskStatus.SUCCESS: "green", TaskStatus.ERROR: "red", TaskStatus.TIMEOUT: "red"}


class Summary:
    """Counts outcomes.

    Args:
        pipeline_id: whose.
        total: how many tasks there are, or None.

    Attributes:
        started: how many tasks were started; known at the end.
        duration_s: seconds that the batch took; known at the end.
        usage: what its calls of language models used; known at the end.
    """

    def __init__(self, pipeline_id: str, total: int | None) -> None:
        self.pipeline_id = pipeline_id
        self.total = total
        self.counts: Counter[TaskStatus] = Counter()
        self.degraded = 0
        self.started = 0
        self.duration_s = 0.0
        self.usage = Usage()
        self._metrics = InMemoryMetrics()
        self._slowest: list[tuple[float, int, str, TaskStatus]] = []
        self._failed: list[tuple[str, Cell, str]] = []

    def add(self, outcome: TaskResult[Any], task: TaskInput) -> None:
        """Count the outcome of a task that was begun."""
        self.counts[outcome.status] += 1
        self._metrics.record_stage_execution(self.pipeline_id, outcome.duration_s, outcome.status)
        slow = (outcome.duration_s, -outcome.index, task.name, outcome.status)
        if len(self._slowest) < _LISTED:
            heapq.heappush(self._slowest, slow)
        else:
            heapq.heappushpop(self._slowest, slow)
        self.degraded += bool(task.skipped)
        if outcome.status is not TaskStatus.SUCCESS and len(self._failed) < _LISTED:
            self._failed.append((task.name, _state(outcome.status), _described(outcome)))

    @property
    def ended(self) -> int:
        """How many tasks ended by themselves, or because their time was up."""
        return self.counts.total() - self.counts[TaskStatus.CANCELLED]

    @property
    def failed(self) -> int:
        """How many of them did not succeed."""
        return self.ended - self.counts[TaskStatus.SUCCESS]

    def status_of(self, status: RunStatus) -> RunStatus:
        """Return what a batch that ended with `status` is to its caller: one whose runs skipped stages is degraded."""
        return RunStatus.DEGRADED if status is RunStatus.SUCCESS and self.degraded else status

    def stopped(self) -> str:
        """Return what became of the tasks of a batch that was stopped, in a clause."""
        waiting = "the rest of the input not read"
        if self.total is not None:
            waiting = f"{max(self.total - self.started, 0):,} not started"
        return f"{self.ended:,} finished, {self.started - self.ended:,} cancelled, {waiting}"

    def complaint(self, status: RunStatus) -> str | None:
        """Return what went wrong in a batch that ended with `status`, in sentences; None if nothing did."""
        sentences: list[str] = []
        if status is RunStatus.TIMEOUT:
            sentences.append(
                f"{self.pipeline_id} ran out of time after {seconds(self.duration_s)}: {self.stopped()}. "
                "Give it more with --timeout."
            )
        if self.failed:
            kinds = (TaskStatus.ERROR, TaskStatus.TIMEOUT)
            counts = ", ".join(f"{self.counts[kind]:,} {kind.value}" for kind in kinds if self.counts[kind])
            name, _, why = self._failed[0]
            of = f"{self.failed:,} of {self.ended:,} tasks ({counts})"
            sentences.append(f"{self.pipeline_id} failed in {of}, first in {name}: {why}.")
        if self.degraded:
            sentences.append(f"{self.pipeline_id} skipped stages in {self.degraded:,} of {self.ended:,} tasks.")
        return " ".join(sentences) or None

    def table(self, status: RunStatus) -> str:
        """Return the summary as tables, for people."""
        title = f"{self.pipeline_id}: {status.value} in {seconds(self.duration_s)}"
        tables = [table_of(title, ("what", "figure"), self._figures())]
        slowest = sorted(self._slowest, reverse=True)
        rows = [(name, _state(status), seconds(duration_s)) for duration_s, _, name, status in slowest]
        tables.append(table_of("slowest", ("input", "state", "time"), rows))
        if self._failed:
            more = self.counts.total() - self.counts[TaskStatus.SUCCESS] - len(self._failed)
            title = f"failed, and {more:,} more" if more else "failed"
            tables.append(table_of(title, ("input", "state", "error"), self._failed))
        return "\n".join(tables)

    def _figures(self) -> Iterator[tuple[Cell, Cell]]:
        for status, count in self.counts.items():
            yield _state(status), f"{count:,}"
        if self.total is not None and self.total > self.started:
            yield _state(TaskStatus.NOT_STARTED), f"{self.total - self.started:,}"
        figures = self._metrics.stages[self.pipeline_id]
        yield "median", seconds(figures.p50_s)
        yield "95th percentile", seconds(figures.p95_s)
        yield "longest", seconds(figures.max_s)
        yield "throughput", f"{self.ended / self.duration_s if self.duration_s else 0.0:,.1f} /s"
        if self.usage.calls:
            yield "calls of models", f"{self.usage.calls:,}"
            yield "input tokens", f"{self.usage.input_tokens:,}"
            yield "output tokens", f"{self.usage.output_tokens:,}"


def _state(status: TaskStatus) -> Cell:
    return status.value, _STYLES.get(status, "yellow")


def _described(outcome: TaskResult[Any]) -> str:
    error = error_of(outcome)
    where = f"{error['stage_id']}: " if error["stage_id"] else ""
    text = f"{where}{error['error_type']}: {error['message']}" if error["message"] else f"{where}{error['error_type']}"
    return shortened(printable(text).rstrip("."))
