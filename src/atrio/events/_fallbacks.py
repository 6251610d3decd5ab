"""The events of fallbacks."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level


@attrs.frozen(slots=False)
class FallbackUsed(Envelope):
    """An agent of a fallback failed, and the next one is asked.

    Attributes:
        stage_id: the stage that it happened in, None outside of pipelines.
        task_id: the batch task that it happened in, None if a pipeline's stage is nearer.
        fallback: the id of the fallback, which is its agent's where a registry gave it one.
        agent_id: the agent that failed.
        next_agent_id: the agent that is asked now.
        error_type: the class of what the agent failed with.
        error_message: what that says.
    """

    event_name: ClassVar[str] = "fallback.used"
    level: ClassVar[Level] = "warning"

    stage_id: str | None
    task_id: str | None
    fallback: str
    agent_id: str
    next_agent_id: str
    error_type: str | None
    error_message: str | None
