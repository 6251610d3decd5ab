"""The context of a run: who it is, what it was given, what it has done so far."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

from atrio._inside import InnerEvents, Surrounding
from atrio._results import ErrorEntry, RunStatus, StageRecord
from atrio._stamps import new_run_id, utc_now
from atrio._tasks import nearer_task
from atrio._text import message_of
from atrio._usage import USAGE_NOTE, Usage, noted_usage
from atrio._validation import check_id, copied_mapping

__all__ = ["PipelineContext", "current_context"]

_FALLBACKS_NOTE: Final = "fallbacks"
"""Under which name a stage's record has how often a fallback asked its next agent."""


class PipelineContext:
    """The context of one run of a pipeline.

    ``execute`` makes one where it is given none; make your own to hand metadata to the agents, or to watch a run from
    another task.

    Args:
        pipeline_id: the id of the pipeline that it is for.
        metadata: the caller's own; copied, so that the caller's mapping stays as it is.

    Attributes:
        run_id: the run's id, a UUIDv7 as 32 hexadecimal digits.
        pipeline_id: the pipeline's id.
        started_at: when the run began, aware, in UTC; until then, when the context was made.
        metadata: a dict, the caller's own.
        status: how the run stands, a :class:`~atrio.RunStatus`.

    Raises:
        ValueError: `pipeline_id` is no string of 1 to 200 characters.
        TypeError: `metadata` is no mapping.
    """

    __slots__ = (
        "_around",
        "_error_log",
        "_events",
        "_history",
        "_notes",
        "_stage_id",
        "metadata",
        "pipeline_id",
        "run_id",
        "started_at",
        "status",
    )

    def __init__(self, pipeline_id: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.pipeline_id: str = check_id(pipeline_id, "pipeline_id")
        self.run_id: str = new_run_id()
        self.started_at: datetime = utc_now()
        self.metadata: dict[str, Any] = copied_mapping(metadata, "metadata")
        self.status: RunStatus = RunStatus.PENDING
        self._history: list[StageRecord] = []
        self._error_log: list[ErrorEntry] = []
        # Of the stage that runs now; the run's loop resets them at each stage's begin.
        self._stage_id: str | None = None
        self._notes: dict[str, Any] = {}
        # While it runs: what it runs inside, and what tells of it.
        self._around: Surrounding | None = None
        self._events: InnerEvents | None = None

    def __repr__(self) -> str:
        return f"<context of run {self.run_id} of pipeline {self.pipeline_id!r}, {self.status}>"

    @property
    def stage_history(self) -> tuple[StageRecord, ...]:
        """A record for every stage that ended so far, in order."""
        return tuple(self._history)

    @property
    def error_log(self) -> tuple[ErrorEntry, ...]:
        """What ended stages, and what was noted with :meth:`add_error`, in order."""
        return tuple(self._error_log)

    def add_error(self, error: BaseException | str, stage_id: str | None = None) -> None:
        """Note an error that the run survives.

        Args:
            error: an exception, or a sentence.
            stage_id: the stage it belongs to, if any.

        Raises:
            TypeError: `error` is neither.
        """
        if isinstance(error, BaseException):
            self._log_error(type(error).__name__, message_of(error), stage_id)
        elif isinstance(error, str):
            self._log_error("error", error, stage_id)
        else:
            raise TypeError(f"add_error takes an exception or a sentence, not {type(error).__name__}")

    def _log_error(self, error_type: str, message: str, stage_id: str | None) -> None:
        self._error_log.append(ErrorEntry(message, error_type, stage_id, utc_now()))

    def note(self, /, **values: Any) -> None:
        """Put `values` into the metadata of the stage that runs now.

        They are told with the stage's end, too, and so are in logs and in the history, as far as they are short.

        Args:
            values: by name; a name noted twice keeps the later value. Attempts of a stage share their notes.

        Raises:
            RuntimeError: no stage of this run is running.
        """
        if self._stage_id is None:
            raise self._no_stage()
        self._notes.update(values)

    def _no_stage(self) -> RuntimeError:
        return RuntimeError(f"no stage of run {self.run_id} is running, so there is no record to note this in")

    def add_usage(self, *, input_tokens: int | None = None, output_tokens: int | None = None, calls: int = 1) -> None:
        """Add what a call of a language model used, for the stage that runs now and for all that this runs inside.

        It stands in the metadata of the stage's record, as `usage` with `calls`, `input_tokens` and `output_tokens`.
        Attempts and calls at once add up; :attr:`PipelineResult.usage` and :attr:`BatchResult.usage` are the sums. The
        agents of ``atrio.agents`` do this by themselves.

        Args:
            input_tokens: how many tokens the model was given; None if its endpoint did not say.
            output_tokens: how many it wrote; likewise.
            calls: how many calls that were.

        Raises:
            TypeError: a number is no int.
            ValueError: a number is below 0.
            RuntimeError: no stage of this run is running.
        """
        usage = Usage(
            _counted(calls, "calls"),
            0 if input_tokens is None else _counted(input_tokens, "input_tokens"),
            0 if output_tokens is None else _counted(output_tokens, "output_tokens"),
        )
        if self._stage_id is None:
            raise self._no_stage()
        task = nearer_task(self)
        (self if task is None else task.batch)._spend(usage)

    def _spend(self, usage: Usage) -> None:
        if self._stage_id is not None:
            total = noted_usage(self._notes) + usage
            self._notes[USAGE_NOTE] = {
                "calls": total.calls,
                "input_tokens": total.input_tokens,
                "output_tokens": total.output_tokens,
            }
        if self._around is not None:
            self._around._spend(usage)

    def _fall_back(self) -> None:
        if self._stage_id is not None:
            noted = self._notes.get(_FALLBACKS_NOTE)
            # An agent may have noted something else by that name.
            self._notes[_FALLBACKS_NOTE] = noted + 1 if type(noted) is int else 1
        if self._around is not None:
            self._around._fall_back()


def _counted(number: object, what: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{what} must be a whole number, not {number!r}")
    if number < 0:
        raise ValueError(f"{what} must be 0 or more, not {number!r}")
    return number


current_run: ContextVar[PipelineContext | None] = ContextVar("atrio_context", default=None)


def current_context() -> PipelineContext:
    """Return the context of the pipeline run that called this agent or middleware.

    Raises:
        RuntimeError: no pipeline run did.
    """
    context = current_run.get()
    if context is None:
        raise RuntimeError(
            "no pipeline run is going on here: current_context() works inside an agent or a middleware that a "
            "pipeline called"
        )
    return context
