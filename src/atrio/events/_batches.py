"""The events of a batch and of its tasks."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level, end_level, task_end_level


@attrs.frozen(slots=False)
class BatchStart(Envelope):
    """A batch began. Its id is its `run_id`.

    Attributes:
        batch: the name given to it.
        total: how many inputs it has, None if its source does not say.
        max_concurrent: how many tasks run at once at most.
    """

    event_name: ClassVar[str] = "batch.start"
    level: ClassVar[Level] = "info"

    batch: str
    total: int | None
    max_concurrent: int


@attrs.frozen(slots=False)
class TaskStart(Envelope):
    """A task of a batch began.

    Attributes:
        batch: the batch's name.
        task_id: the task.
        agent_id: its agent.
        task_index: its input's place, from 0.
        queued_s: seconds from the batch's start to the task's.
    """

    event_name: ClassVar[str] = "task.start"
    level: ClassVar[Level] = "debug"

    batch: str
    task_id: str
    agent_id: str
    task_index: int
    queued_s: float


@attrs.frozen(slots=False)
class TaskEnd(Envelope):
    """A task that was begun ended, in whatever way.

    Attributes:
        batch: the batch's name.
        task_id: the task.
        agent_id: its agent.
        task_index: its input's place, from 0.
        status: success, error, timeout or cancelled.
        queued_s: seconds from the batch's start to the task's.
        duration_s: seconds that it took, on Trio's clock.
        error_type: the class of what ended it; `timeout` when its time ran out.
        error_message: what that says.
        error_stack: its traceback, without local variables.
    """

    event_name: ClassVar[str] = "task.end"
    statuses: ClassVar[tuple[str, ...]] = ("success", "error", "timeout", "cancelled")

    batch: str
    task_id: str
    agent_id: str
    task_index: int
    status: str
    queued_s: float
    duration_s: float
    error_type: str | None
    error_message: str | None
    error_stack: str | None

    @property
    def level(self) -> Level:
        """Debug, error if it failed."""
        return task_end_level(self.status)


@attrs.frozen(slots=False)
class BatchProgress(Envelope):
    """How far a batch is: at each tenth, or every five seconds if its total is not known.

    Attributes:
        batch: the batch's name.
        completed: how many tasks ended.
        failed: how many of them did not succeed.
        total: how many inputs there are, or None.
        percent: completed of total, 0 to 100, or None.
        elapsed_s: seconds since the batch began.
    """

    event_name: ClassVar[str] = "batch.progress"
    level: ClassVar[Level] = "info"

    batch: str
    completed: int
    failed: int
    total: int | None
    percent: float | None
    elapsed_s: float


@attrs.frozen(slots=False)
class BatchEnd(Envelope):
    """A batch ended, in whatever way.

    Attributes:
        batch: the batch's name.
        status: success, degraded, failed, timeout or cancelled.
        total: how many outcomes there are.
        successful: how many tasks succeeded.
        failed: how many raised.
        timed_out: how many ran out of their own time.
        cancelled: how many were stopped.
        not_started: how many had not begun.
        duration_s: seconds that it took, on Trio's clock.
        throughput_per_s: finished tasks per second.
        efficiency: how much of its places was used, 0 to 1.
    """

    event_name: ClassVar[str] = "batch.end"
    statuses: ClassVar[tuple[str, ...]] = ("success", "degraded", "failed", "timeout", "cancelled")

    batch: str
    status: str
    total: int
    successful: int
    failed: int
    timed_out: int
    cancelled: int
    not_started: int
    duration_s: float
    throughput_per_s: float
    efficiency: float

    @property
    def level(self) -> Level:
        """Info, warning if it was degraded or cancelled, error if it failed or ran out of time."""
        return end_level(self.status)
