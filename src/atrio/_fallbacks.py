"""That a fallback asked its next agent, told to the run or the batch that it happened in."""

from __future__ import annotations

from atrio._context import current_run
from atrio._inside import InnerEvents
from atrio._results import type_name_of
from atrio._stamps import utc_now
from atrio._tasks import nearer_task
from atrio._text import message_of
from atrio.events import FallbackUsed
from atrio.events import _levels as levels
from atrio.events._observing import current_listeners


def record_fallback(ids: tuple[str, str, str], error: Exception) -> None:
    """Count it for the stage that runs here and for all that this runs inside, and say it. It never raises.

    Args:
        ids: those of the fallback, of the agent that failed, and of the next one.
        error: what that agent failed with.
    """
    context = current_run.get()
    task = nearer_task(context)
    if task is not None:
        task.batch._fall_back()
        _tell(task.batch.events, None, task.task_id, ids, error)
    elif context is not None:
        context._fall_back()
        _tell(context._events, context._stage_id, None, ids, error)
    else:
        _tell(None, None, None, ids, error)


def _tell(
    run: InnerEvents | None,
    stage_id: str | None,
    task_id: str | None,
    ids: tuple[str, str, str],
    error: Exception,
) -> None:
    if run is not None:
        run.fallback_used(stage_id, task_id, ids, error)
        return
    # Outside of runs, or after the end of one, whose last event was told.
    listeners = current_listeners()
    if listeners.level <= levels.WARNING:
        said = type_name_of(error), message_of(error)
        listeners.emit(FallbackUsed(None, None, None, None, utc_now(), stage_id, task_id, *ids, *said))
