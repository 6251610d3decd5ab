"""What one batch says, and to whom. Each saying costs one comparison while nobody wants it."""

from __future__ import annotations

from typing import Any, Final

from atrio import events
from atrio._batch_results import efficiency, throughput
from atrio._context import PipelineContext
from atrio._inside import InnerEvents
from atrio._parents import parent_ids
from atrio._results import error_fields
from atrio._stamps import utc_clock
from atrio._tasks import BatchIdentity, TaskResult, TaskStatus, nearer_task
from atrio.events import _levels as levels
from atrio.events._observing import current_listeners

TENTHS: Final = 10


class Tally:
    """The counts of a batch while it runs.

    Attributes:
        by_status: how many tasks ended in each status, by its value: an enum's own hash is slow.
        ended: how many ended in all.
        task_time_s: summed seconds of their work.
    """

    __slots__ = ("by_status", "ended", "task_time_s")

    def __init__(self) -> None:
        self.by_status: dict[str, int] = {status.value: 0 for status in TaskStatus}
        self.ended = 0
        self.task_time_s = 0.0

    def count(self, task: TaskResult[Any]) -> None:
        """Count a task that ended."""
        # Not `.value`: a descriptor in Python costs more than all the rest of this.
        self.by_status[task.status._value_] += 1
        self.ended += 1
        self.task_time_s += task.duration_s

    @property
    def successful(self) -> int:
        """How many tasks succeeded."""
        return self.by_status[TaskStatus.SUCCESS.value]


class BatchEvents(InnerEvents):
    """The events of one batch, for those who listened when it started.

    Args:
        identity: the batch.
        context: the context of the pipeline run that it runs inside, or None.
        name: the name given to it.
        total: how many inputs it has, or None.
        max_concurrent: how many tasks run at once at most.

    Attributes:
        quiet: whether nobody listens to anything.
        next_progress: the count of ended tasks at which progress is to be told next.
    """

    __slots__ = ("_ids", "_listeners", "_max_concurrent", "_name", "_total", "_utc_now", "next_progress", "quiet")

    def __init__(
        self,
        identity: BatchIdentity,
        context: PipelineContext | None,
        name: str,
        total: int | None,
        max_concurrent: int,
    ) -> None:
        self._listeners = current_listeners()
        self._name = name
        self._utc_now = utc_clock()
        self._total = total
        self._max_concurrent = max_concurrent
        self._ids = (identity.batch_id, *parent_ids(context, nearer_task(context)))
        self.quiet = self._listeners.level > levels.ERROR
        # Never reached where the total is not known: then a clock tells when.
        self.next_progress = -1 if total is None else _count_at(1, total)

    def batch_start(self) -> None:
        """Say that the batch began."""
        if self._listeners.level <= levels.INFO:
            self._listeners.emit(
                events.BatchStart(*self._ids, self._utc_now(), self._name, self._total, self._max_concurrent)
            )

    def task_start(self, task: TaskResult[Any]) -> None:
        """Say that `task` began."""
        if self._listeners.level <= levels.DEBUG:
            self._listeners.emit(
                events.TaskStart(
                    *self._ids, self._utc_now(), self._name, task.task_id, task.agent_id, task.index, task.queued_s
                )
            )

    def task_end(self, task: TaskResult[Any]) -> None:
        """Say that `task` ended."""
        if self._listeners.level <= levels.LEVEL_NUMBERS[levels.task_end_level(task.status)]:
            self._listeners.emit(
                events.TaskEnd(
                    *self._ids,
                    self._utc_now(),
                    self._name,
                    task.task_id,
                    task.agent_id,
                    task.index,
                    task.status.value,
                    task.queued_s,
                    task.duration_s,
                    *error_fields(task.error),
                )
            )

    @property
    def wants_ticks(self) -> bool:
        """Whether progress is to be told by the clock: somebody listens, and the total is not known."""
        return self._total is None and self._listeners.level <= levels.INFO

    def progress(self, tally: Tally, elapsed_s: float) -> None:
        """Say how far the batch is, and find out when to say it next."""
        if self._total is not None:
            next_tenth = tally.ended * TENTHS // self._total + 1
            # A list may have grown while it was worked on; then there is nothing more to be a tenth of.
            self.next_progress = _count_at(next_tenth, self._total) if next_tenth <= TENTHS else -1
        if self._listeners.level <= levels.INFO:
            self._listeners.emit(
                events.BatchProgress(
                    *self._ids,
                    self._utc_now(),
                    self._name,
                    tally.ended,
                    tally.ended - tally.successful,
                    self._total,
                    None if self._total is None else 100.0 * tally.ended / self._total,
                    elapsed_s,
                )
            )

    def batch_end(self, status: str, tally: Tally, total: int, duration_s: float) -> None:
        """Say that the batch ended; to all who listen, so that they forget the batch."""
        if self.quiet:
            return
        count = tally.by_status
        stopped = count["cancelled"] + count["not_started"]
        self._listeners.emit(
            events.BatchEnd(
                *self._ids,
                self._utc_now(),
                self._name,
                status,
                total,
                count["success"],
                count["error"],
                count["timeout"],
                count["cancelled"],
                count["not_started"],
                duration_s,
                throughput(total - stopped, duration_s),
                efficiency(tally.task_time_s, duration_s, min(total, self._max_concurrent)),
            )
        )


def _count_at(tenth: int, total: int) -> int:
    # The first count at which that many tenths are done, rounded up.
    return -(-tenth * total // TENTHS)
