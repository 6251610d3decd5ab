"""What one run of a pipeline says, and to whom. Each saying costs one comparison while nobody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atrio import events
from atrio._inside import InnerEvents
from atrio._notes import noted
from atrio._parents import parent_ids
from atrio._results import StageRecord, StageStatus, error_fields
from atrio._stamps import utc_clock
from atrio._tasks import nearer_task
from atrio.events import _levels as levels
from atrio.events._observing import current_listeners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atrio._attempts import Attempts
    from atrio._context import PipelineContext
    from atrio._stage import Stage


class RunEvents(InnerEvents):
    """The events of one run, for those who listened when it started.

    Args:
        context: the run's.
        parent: the context of the run that this one runs inside, or None.

    Attributes:
        quiet: whether nobody listens to anything.
    """

    __slots__ = ("_ids", "_listeners", "_pipeline_id", "_utc_now", "quiet")

    def __init__(self, context: PipelineContext, parent: PipelineContext | None) -> None:
        self._listeners = current_listeners()
        self._pipeline_id = context.pipeline_id
        self._utc_now = utc_clock()
        task = nearer_task(parent)
        self._ids = (context.run_id, *parent_ids(parent, task))
        context._events = self
        context._around = parent if task is None else task.batch
        self.quiet = self._listeners.level > levels.ERROR

    def pipeline_start(self, stage_count: int) -> None:
        """Say that the run began."""
        if self._listeners.level <= levels.INFO:
            self._listeners.emit(events.PipelineStart(*self._ids, self._utc_now(), self._pipeline_id, stage_count))

    def stage_start(self, stage: Stage[Any, Any], index: int) -> None:
        """Say that `stage` began."""
        if self._listeners.level <= levels.DEBUG:
            self._listeners.emit(
                events.StageStart(*self._ids, self._utc_now(), self._pipeline_id, stage.stage_id, stage.agent_id, index)
            )

    def stage_retry(self, stage: Stage[Any, Any], attempts: Attempts, backoff_s: float) -> None:
        """Say that the attempt made last failed, and that another follows after `backoff_s` seconds."""
        if self._listeners.level <= levels.WARNING:
            failure = attempts.failures[-1]
            self._listeners.emit(
                events.StageRetry(
                    *self._ids,
                    self._utc_now(),
                    self._pipeline_id,
                    stage.stage_id,
                    stage.agent_id,
                    failure.attempt,
                    stage.config.attempts,
                    backoff_s,
                    failure.error_type,
                    failure.message,
                )
            )

    def stage_end(self, record: StageRecord) -> None:
        """Say that the stage of `record` ended."""
        # Not `.value`, a descriptor in Python that costs as much as building half of the event.
        status = record.status._value_
        if self._listeners.level > levels.LEVEL_NUMBERS[levels.end_level(status)]:
            return
        self._listeners.emit(
            events.StageEnd(
                *self._ids,
                self._utc_now(),
                self._pipeline_id,
                record.stage_id,
                record.agent_id,
                record.index,
                status,
                record.attempts,
                record.duration_s,
                record.input_size,
                record.output_size,
                *error_fields(record.error),
                noted(record.metadata) if record.metadata else None,
            )
        )

    def pipeline_end(self, status: str, duration_s: float, records: Sequence[StageRecord]) -> None:
        """Say that the run ended, with what became of its stages; to all who listen, so that they forget the run."""
        if self.quiet:
            return
        statuses = [record.status for record in records]
        ended_by = records[-1].error if StageStatus.ERROR in statuses else None
        self._listeners.emit(
            events.PipelineEnd(
                *self._ids,
                self._utc_now(),
                self._pipeline_id,
                status,
                duration_s,
                statuses.count(StageStatus.SUCCESS),
                statuses.count(StageStatus.ERROR),
                statuses.count(StageStatus.SKIPPED),
                *error_fields(ended_by),
            )
        )
