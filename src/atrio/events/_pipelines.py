"""The events of a pipeline's run."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level, end_level


@attrs.frozen(slots=False)
class PipelineStart(Envelope):
    """A run of a pipeline began.

    Attributes:
        pipeline_id: the pipeline.
        stage_count: how many stages this run has.
    """

    event_name: ClassVar[str] = "pipeline.start"
    level: ClassVar[Level] = "info"

    pipeline_id: str
    stage_count: int


@attrs.frozen(slots=False)
class StageStart(Envelope):
    """A stage began, before its middleware.

    Attributes:
        pipeline_id: the pipeline.
        stage_id: the stage.
        agent_id: the stage's agent.
        stage_index: the stage's place, from 0.
    """

    event_name: ClassVar[str] = "stage.start"
    level: ClassVar[Level] = "debug"

    pipeline_id: str
    stage_id: str
    agent_id: str
    stage_index: int


@attrs.frozen(slots=False)
class StageRetry(Envelope):
    """An attempt failed and another one follows.

    Attributes:
        pipeline_id: the pipeline.
        stage_id: the stage.
        agent_id: the stage's agent.
        attempt: the attempt that failed, from 1.
        max_attempts: how many the stage may make.
        backoff_s: the wait that follows, in seconds.
        error_type: the class of the failure; `timeout` when the attempt's time ran out.
        error_message: what the failure says.
    """

    event_name: ClassVar[str] = "stage.retry"
    level: ClassVar[Level] = "warning"

    pipeline_id: str
    stage_id: str
    agent_id: str
    attempt: int
    max_attempts: int
    backoff_s: float
    error_type: str | None
    error_message: str | None


@attrs.frozen(slots=False)
class StageEnd(Envelope):
    """A stage that was begun ended, in whatever way.

    Attributes:
        pipeline_id: the pipeline.
        stage_id: the stage.
        agent_id: the stage's agent.
        stage_index: the stage's place, from 0.
        status: success, error, skipped or cancelled.
        attempts: how often the agent was called.
        duration_s: seconds on Trio's clock, middleware and waits included.
        input_size: the size of what the agent was given, or None.
        output_size: the size of what it gave, or None.
        error_type: the class of what ended it; `timeout` when the last attempt's time ran out.
        error_message: what that says.
        error_stack: its traceback, without local variables.
        metadata: what was noted, as the JSON text of an object of at most 4,000 characters, or None.
    """

    event_name: ClassVar[str] = "stage.end"
    statuses: ClassVar[tuple[str, ...]] = ("success", "error", "skipped", "cancelled")

    pipeline_id: str
    stage_id: str
    agent_id: str
    stage_index: int
    status: str
    attempts: int
    duration_s: float
    input_size: int | None
    output_size: int | None
    error_type: str | None
    error_message: str | None
    error_stack: str | None
    metadata: str | None = None

    @property
    def level(self) -> Level:
        """Info, error if it failed, warning if it was skipped or cancelled."""
        return end_level(self.status)


@attrs.frozen(slots=False)
class PipelineEnd(Envelope):
    """A run of a pipeline ended, in whatever way.

    Attributes:
        pipeline_id: the pipeline.
        status: success, degraded, failed or cancelled.
        duration_s: seconds on Trio's clock.
        stages_successful: how many stages succeeded.
        stages_failed: how many failed.
        stages_skipped: how many were skipped.
        error_type: the class of what ended the run, if it failed.
        error_message: what that says.
        error_stack: its traceback, without local variables.
    """

    event_name: ClassVar[str] = "pipeline.end"
    statuses: ClassVar[tuple[str, ...]] = ("success", "degraded", "failed", "cancelled")

    pipeline_id: str
    status: str
    duration_s: float
    stages_successful: int
    stages_failed: int
    stages_skipped: int
    error_type: str | None
    error_message: str | None
    error_stack: str | None

    @property
    def level(self) -> Level:
        """Info, warning if it was degraded or cancelled, error if it failed."""
        return end_level(self.status)
