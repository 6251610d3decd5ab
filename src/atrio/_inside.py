"""What runs inside something tells it: what it used, that a fallback was needed, and the events of both."""

from __future__ import annotations

from typing import Any, Protocol

from atrio._usage import Usage


class Surrounding(Protocol):
    """What agents run inside, and what counts what they do there: a run of a pipeline, or a batch."""

    def _spend(self, usage: Usage) -> None:
        """Add `usage`, here and in all that this runs inside."""
        ...

    def _fall_back(self) -> None:
        """Count that a fallback asked its next agent, here and in all that this runs inside."""
        ...


class InnerEvents(Protocol):
    """What tells those who listened when a run or a batch began of what happens inside its stages and tasks."""

    def model_called(self, stage_id: str | None, task_id: str | None, *call: Any) -> None:
        """Say that a call of a language model ended.

        Args:
            stage_id: the stage that made it, if any.
            task_id: the task that made it, if any.
            call: the fields of :class:`~atrio.events.ModelCalled` from `agent_id` on.
        """
        ...

    def fallback_used(
        self, stage_id: str | None, task_id: str | None, ids: tuple[str, str, str], error: Exception
    ) -> None:
        """Say that a fallback asks its next agent.

        Args:
            stage_id: the stage that it happened in, if any.
            task_id: the task that it happened in, if any.
            ids: those of the fallback, of the agent that failed, and of the next one.
            error: what that agent failed with.
        """
        ...
