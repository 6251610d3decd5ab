"""The task of a batch: its outcome, and what an agent can know of it while it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

import attrs

from atrio._inside import InnerEvents, Surrounding
from atrio._results import ErrorInfo
from atrio._usage import NO_USAGE, Usage

__all__ = ["CurrentTask", "TaskResult", "TaskStatus", "current_task"]

Out_co = TypeVar("Out_co", covariant=True)


class TaskStatus(StrEnum):
    """How a task of a batch ended."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"


class BatchIdentity:
    """What the tasks of a batch have in common; while the batch runs, also whose it is and what it runs inside.

    Attributes:
        batch_id: the batch's id, 32 hexadecimal digits.
        started_at: when it began, aware, in UTC.
        owner: the processor that runs it; None once it ended.
        task: the task of another batch that it runs inside; None once it ended.
        context: the context of the pipeline run that it runs inside; None once it ended.
        around: what it runs inside, a batch or a pipeline run, whichever is nearer; None once it ended.
        events: tells of it; None once it ended.
        usage: what its tasks' calls of language models used so far.
    """

    __slots__ = ("around", "batch_id", "context", "events", "owner", "started_at", "task", "usage")

    def __init__(self, batch_id: str, started_at: datetime) -> None:
        self.batch_id: str = batch_id
        self.started_at: datetime = started_at
        self.owner: object = None
        self.task: TaskResult[Any] | None = None
        self.context: object = None
        self.around: Surrounding | None = None
        self.events: InnerEvents | None = None
        self.usage: Usage = NO_USAGE

    def _spend(self, usage: Usage) -> None:
        self.usage += usage
        if self.around is not None:
            self.around._spend(usage)

    def _fall_back(self) -> None:
        if self.around is not None:
            self.around._fall_back()

    def __reduce__(self) -> tuple[Callable[..., BatchIdentity], tuple[str, datetime]]:
        # What runs stays in this process; outcomes may leave it.
        return BatchIdentity, (self.batch_id, self.started_at)


# Not frozen, and with nothing that can be derived: there is one for every input, kept until the batch is read.
@attrs.define(eq=False)
class TaskResult(Generic[Out_co]):
    """What became of one input of a batch. Read it; nothing in atrio looks at changes made to it.

    Attributes:
        batch: what the outcomes of a batch have in common.
        index: the input's place, from 0.
        agent_id: the id of its agent.
        key: names the input in a journal; by default its index.
        queued_s: seconds from the batch's start to the task's.
        status: success, error, timeout, cancelled or not_started.
        result: what the agent gave; None unless it succeeded.
        error: what ended it, or None.
        duration_s: seconds that it took, on Trio's clock.
    """

    batch: BatchIdentity = attrs.field(repr=False)
    index: int
    agent_id: str
    key: str | None = None
    queued_s: float = 0.0
    status: TaskStatus = TaskStatus.NOT_STARTED
    result: Out_co | None = None
    error: ErrorInfo | None = None
    duration_s: float = 0.0

    @property
    def task_id(self) -> str:
        """The task's id: the batch's and the index."""
        return f"{self.batch.batch_id}-{self.index}"

    @property
    def started_at(self) -> datetime | None:
        """When it began, aware, in UTC: the batch's start plus Trio's clock since; None if it did not begin."""
        if self.status is TaskStatus.NOT_STARTED:
            return None
        return self.batch.started_at + timedelta(seconds=self.queued_s)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists, strings and numbers, ready for ``json.dumps``."""
        from atrio._json import json_ready  # noqa: PLC0415 - cattrs costs more to import than all of this

        names = ("index", "task_id", "agent_id", "status", "result", "error", "started_at", "queued_s", "duration_s")
        return {name: json_ready(getattr(self, name)) for name in names}


class CurrentTask(NamedTuple):
    """What an agent can use as an idempotency key: a task may run again, and is recorded once.

    Attributes:
        run_id: the batch's id, the same when it is resumed.
        key: names the input in it.
    """

    run_id: str
    key: str


running_task: ContextVar[TaskResult[Any] | None] = ContextVar("atrio_task", default=None)


def nearer_task(context: object) -> TaskResult[Any] | None:
    """Return the task that works here, if it is nearer than the pipeline run of `context`, or there is no such run."""
    task = running_task.get()
    # A batch remembers the pipeline run that it began in. If that is still the nearest one, the task is nearer.
    return task if task is not None and task.batch.context is context else None


def current_task() -> CurrentTask | None:
    """Return the batch task that this agent works for, or None if no batch called it."""
    task = running_task.get()
    if task is None:
        return None
    return CurrentTask(task.batch.batch_id, str(task.index) if task.key is None else task.key)
