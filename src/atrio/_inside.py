"""What runs inside something tells it: what it used, that a fallback was needed, and the events of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from atrio import events
from atrio._results import type_name_of
from atrio._text import message_of
from atrio._usage import Usage
from atrio.events import _levels as levels
from atrio.events._observing import Listeners


class Surrounding(Protocol):
    """What agents run inside, and what counts what they do there: a run of a pipeline, or a batch."""

    def _spend(self, usage: Usage) -> None:
        """Add `usage`, here and in all that this runs inside."""
        ...

    def _fall_back(self) -> None:
        """Count that a fallback asked its next agent, here and in all that this runs inside."""
        ...


class InnerEvents:
    """Tells those who listened when a run or a batch began of what happens inside its stages and tasks."""

    __slots__ = ()

    _ids: tuple[str, str | None, str | None, str | None]
    _listeners: Listeners
    _utc_now: Callable[[], datetime]

    def model_called(self, stage_id: str | None, task_id: str | None, *call: Any) -> None:
        """Say that a call of a language model ended.

        Args:
            stage_id: the stage that made it, if any.
            task_id: the task that made it, if any.
            call: the fields of :class:`~atrio.events.ModelCalled` from `agent_id` on.
        """
        if self._listeners.level <= levels.DEBUG:
            self._listeners.emit(events.ModelCalled(*self._ids, self._utc_now(), stage_id, task_id, *call))

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
        if self._listeners.level <= levels.WARNING:
            said = type_name_of(error), message_of(error)
            self._listeners.emit(events.FallbackUsed(*self._ids, self._utc_now(), stage_id, task_id, *ids, *said))
