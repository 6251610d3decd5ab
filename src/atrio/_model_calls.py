"""What a call of a language model used, and how it ended, told to the run or the batch that it belongs to."""

from __future__ import annotations

from typing import Any, Final

from atrio._context import current_run
from atrio._inside import InnerEvents
from atrio._stamps import utc_now
from atrio._tasks import nearer_task
from atrio._text import cut, encodable, utf8_size
from atrio._usage import Usage
from atrio.events import ModelCalled, emit

_LONGEST: Final = 100
"""Bytes of what others named: a line of a log has room for so much."""


def record_model_call(
    *,
    agent_id: str,
    provider: str,
    model: str,
    input_tokens: int | None,
    output_tokens: int | None,
    duration_s: float,
    finish_reason: str | None,
    error_type: str | None = None,
    error_message: str | None = None,
) -> None:
    """Add up what a call used for the stage or the batch that runs here, and say that it ended.

    It neither raises nor waits, so that it can be called on the way out of a cancellation.

    Args:
        agent_id: the agent that made the call.
        provider: what the endpoint is called.
        model: the model.
        input_tokens: how many tokens it was given, None if the endpoint did not say, or said what cannot be.
        output_tokens: how many it wrote; likewise.
        duration_s: seconds that it took, on Trio's clock.
        finish_reason: why the model stopped, or None.
        error_type: what the call failed with: a class, `timeout` or `cancelled`; None if it did not.
        error_message: what that says.
    """
    given, written = _possible(input_tokens), _possible(output_tokens)
    reason = None if finish_reason is None else _short(finish_reason)
    call = (agent_id, _short(provider), _short(model), given, written, duration_s, reason, error_type, error_message)
    context = current_run.get()
    task = nearer_task(context)
    if task is not None:
        _tell(task.batch.events, None, task.task_id, call)
        task.batch._spend(Usage(1, given or 0, written or 0))
    elif context is not None:
        _tell(context._events, context._stage_id, None, call)
        context._spend(Usage(1, given or 0, written or 0))
    else:
        _tell(None, None, None, call)


def _tell(run: InnerEvents | None, stage_id: str | None, task_id: str | None, call: tuple[Any, ...]) -> None:
    if run is None:  # or it is over, and its last event was
        emit(ModelCalled(None, None, None, None, utc_now(), stage_id, task_id, *call))
    else:
        run.model_called(stage_id, task_id, *call)


def _possible(tokens: int | None) -> int | None:
    return tokens if type(tokens) is int and tokens >= 0 else None


def _short(text: str) -> str:
    return cut(encodable(text), _LONGEST, utf8_size)
