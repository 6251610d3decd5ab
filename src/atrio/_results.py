"""What a run leaves behind: records, results, and the figures derived from them. Pure: no clock, no I/O."""

from __future__ import annotations

import contextlib
import math
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

import attrs

from atrio._text import message_of
from atrio._usage import NO_USAGE, Usage, noted_usage
from atrio.errors import PipelineError, StageTimeoutError

__all__ = [
    "AttemptFailure",
    "ErrorEntry",
    "ErrorInfo",
    "PipelinePerformance",
    "PipelineResult",
    "PipelineSummary",
    "RunStatus",
    "StageRecord",
    "StageStatus",
]

Out_co = TypeVar("Out_co", covariant=True)


class RunStatus(StrEnum):
    """How a run stands. TIMEOUT is for batches; DEGRADED reached its end with something skipped or failed."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    DEGRADED = "degraded"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class StageStatus(StrEnum):
    """How a stage ended."""

    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


TIMEOUT_ERROR_TYPE = "timeout"
"""The `error_type` of an attempt whose own deadline stopped it."""


_CALLERS: Final = frozenset({"atrio._run", "atrio._attempts", "atrio._batch_run"})


def without_callers(error: Exception) -> Exception:
    """Return `error` with a traceback that begins in the agent, and not in the loops of ours that called it.

    Their frames would keep alive all that a run holds for as long as its errors are kept, and tell nobody anything.
    """
    # By the class, here and below: an exception may do anything when its own attributes are looked up.
    trace: TracebackType | None = vars(BaseException)["__traceback__"].__get__(error)
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in _CALLERS:
        trace = trace.tb_next
    if trace is not None:
        BaseException.with_traceback(error, trace)
    return error


_MOST_NOTES: Final = 10
"""Notes on one exception: an agent may raise the same one for ever."""


def annotate(error: BaseException, note: str) -> None:
    """Add `note` to `error`, once, if it takes notes."""
    # Frozen exceptions refuse; a note is not worth a failure of its own.
    with contextlib.suppress(Exception):
        notes = getattr(error, "__notes__", ())
        if note not in notes and len(notes) < _MOST_NOTES:
            error.add_note(note)


def type_name_of(error: BaseException) -> str:
    """Return the name of the class of `error`, with its module where it would pass for a stage's own timeout."""
    name = str(type.__getattribute__(type(error), "__name__"))
    return f"{type(error).__module__}.{name}" if name == TIMEOUT_ERROR_TYPE else name


@attrs.frozen
class ErrorInfo:
    """What ended a stage or a task.

    Attributes:
        error_type: the exception's class name, or ``timeout`` if the attempt's own deadline stopped it.
        message: what the exception says.
        exception: the exception itself, its traceback from the agent on.
        timed_out: whether the attempt's, or the task's, own deadline made it.
    """

    error_type: str
    message: str
    exception: BaseException = attrs.field(eq=False)
    timed_out: bool = False

    @classmethod
    def of(cls, error: BaseException, *, timed_out: bool = False) -> ErrorInfo:
        """Describe `error`; `timed_out` says that the attempt's own deadline made it."""
        error_type = TIMEOUT_ERROR_TYPE if timed_out else type_name_of(error)
        return cls(error_type, message_of(error), error, timed_out)

    @property
    def stack(self) -> str:
        """The traceback as text, causes included, without local variables (they may hold secrets)."""
        try:
            return "".join(traceback.format_exception(self.exception))
        except Exception:  # noqa: BLE001 - an exception can break its own formatting
            return f"{self.error_type}: {self.message}\n"


def error_fields(error: ErrorInfo | None) -> tuple[str | None, str | None, str | None]:
    """Return the error fields of an end event: type, message and stack."""
    return (None, None, None) if error is None else (error.error_type, error.message, error.stack)


@attrs.frozen
class ErrorEntry:
    """A line of a run's error log.

    Attributes:
        message: what happened.
        error_type: the exception's class name, ``timeout``, or ``error`` for a text without an exception.
        stage_id: the stage it belongs to, or None.
        timestamp: when it was noted, aware, in UTC.
    """

    message: str
    error_type: str
    stage_id: str | None
    timestamp: datetime


@attrs.frozen
class AttemptFailure:
    """A failed attempt.

    Attributes:
        attempt: which one, from 1.
        error_type: the exception's class name, or ``timeout``.
        message: what the exception says.
        duration_s: seconds that the attempt took.
        backoff_s: seconds to wait after it; 0 if no attempt was to follow.
    """

    attempt: int
    error_type: str
    message: str
    duration_s: float
    backoff_s: float


# Not frozen: a record is built for every stage of every run, and frozen attrs classes take five times as long to build.
@attrs.define
class StageRecord:
    """What became of a stage that was begun. Read it; nothing in atrio looks at changes made to it.

    Attributes:
        index: its place in the pipeline, from 0.
        stage_id: the stage's id.
        stage_name: the stage's name.
        agent_id: the id of its agent.
        status: success, error, skipped or cancelled.
        started_at: when it began, aware, in UTC: the run's start plus Trio's clock since.
        duration_s: seconds from its begin, middleware and waits between attempts included.
        attempts: how often the agent was called.
        input_size: the size of what the agent was given, after middleware, or None.
        output_size: the size of what it gave, or None.
        output: what it gave; None unless it succeeded.
        error: what ended it, or None.
        failures: its failed attempts, in order.
        metadata: what the agent noted with ``current_context().note(...)``; as `usage` what calls of language models
            used, in `calls`, `input_tokens` and `output_tokens`; as `fallbacks` how often a
            :class:`~atrio.Fallback` asked its next agent, all attempts together.
    """

    index: int
    stage_id: str
    stage_name: str
    agent_id: str
    status: StageStatus
    started_at: datetime
    duration_s: float
    attempts: int
    input_size: int | None
    output_size: int | None
    output: Any
    error: ErrorInfo | None
    failures: tuple[AttemptFailure, ...]
    metadata: dict[str, Any]


@attrs.frozen
class PipelineSummary:
    """The counts of a run.

    Attributes:
        total_stages: how many stages the pipeline had when the run started.
        successful_stages: how many succeeded.
        failed_stages: how many failed.
        skipped_stages: how many were skipped.
        total_execution_time_s: seconds that the run took.
        average_stage_time_s: mean seconds of the stages that were run, not of those configured.
    """

    total_stages: int
    successful_stages: int
    failed_stages: int
    skipped_stages: int
    total_execution_time_s: float
    average_stage_time_s: float


@attrs.frozen
class PipelinePerformance:
    """The figures of a run, over the stages that were run.

    Attributes:
        failure_rate: failed / run, 0 to 1.
        stage_efficiency: successful / run, 0 to 1.
        average_stage_time_s: mean seconds of a stage.
        min_stage_time_s: seconds of the fastest stage.
        p95_stage_time_s: 95th percentile of the stages' seconds, by nearest rank.
        max_stage_time_s: seconds of the slowest stage.
        total_stage_time_s: seconds of all stages together.
    """

    failure_rate: float
    stage_efficiency: float
    average_stage_time_s: float
    min_stage_time_s: float
    p95_stage_time_s: float
    max_stage_time_s: float
    total_stage_time_s: float


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of `values`, 0 if there are none.

    The smallest value with at least `share` of all values at or below it (Hyndman & Fan 1996, definition 1): always one
    of the values, never above the largest.

    Args:
        values: in any order.
        share: above 0, up to 1.
    """
    if not values:
        return 0.0
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, 0 if there are no values; kept between the extremes, whatever rounding says."""
    if not values:
        return 0.0
    return min(max(math.fsum(values) / len(values), min(values)), max(values))


def _count(stages: Sequence[StageRecord], status: StageStatus) -> int:
    return sum(1 for record in stages if record.status == status)


def _failure_sentence(pipeline_id: str, stage_id: str | None, error: ErrorInfo | None) -> str:
    where = f"pipeline {pipeline_id!r} failed"
    if stage_id is not None:
        where += f" in stage {stage_id!r}"
    if error is None:
        return where
    kind = type(error.exception).__name__
    return f"{where}: {kind}: {error.message}" if error.message else f"{where}: {kind}"


@attrs.frozen
class PipelineResult(Generic[Out_co]):
    """What a run of a pipeline gave.

    Attributes:
        run_id: the run's id, 32 hexadecimal digits.
        pipeline_id: the pipeline's id.
        status: SUCCESS, DEGRADED (a stage was skipped) or FAILED.
        output: what the run gave, set only if it reached its end, else None.
        last_output: what the last successful stage gave, or None.
        stages: a record for every stage that was begun, in order.
        errors: what ended stages, and what was noted with ``add_error``.
        metadata: the context's, as it was when the run ended.
        started_at: when the run began, aware, in UTC.
        duration_s: seconds that it took, on Trio's clock.
        stage_count: how many stages the pipeline had when the run started.
    """

    run_id: str
    pipeline_id: str
    status: RunStatus
    output: Out_co | None
    last_output: Any
    stages: tuple[StageRecord, ...]
    errors: tuple[ErrorEntry, ...]
    metadata: Mapping[str, Any]
    started_at: datetime
    duration_s: float
    stage_count: int = attrs.field(default=attrs.Factory(lambda self: len(self.stages), takes_self=True))

    @property
    def summary(self) -> PipelineSummary:
        """The counts of the run."""
        return PipelineSummary(
            self.stage_count,
            _count(self.stages, StageStatus.SUCCESS),
            _count(self.stages, StageStatus.ERROR),
            _count(self.stages, StageStatus.SKIPPED),
            self.duration_s,
            mean([record.duration_s for record in self.stages]),
        )

    @property
    def performance(self) -> PipelinePerformance:
        """The figures of the run, over the stages that were run."""
        durations = [record.duration_s for record in self.stages]
        run = max(len(durations), 1)
        return PipelinePerformance(
            _count(self.stages, StageStatus.ERROR) / run,
            _count(self.stages, StageStatus.SUCCESS) / run,
            mean(durations),
            min(durations, default=0.0),
            percentile(durations, 0.95),
            max(durations, default=0.0),
            math.fsum(durations),
        )

    @property
    def usage(self) -> Usage:
        """What the calls of language models used, those of nested pipelines and batches included."""
        return sum((noted_usage(record.metadata) for record in self.stages), NO_USAGE)

    def unwrap(self) -> Out_co:
        """Return the output of a run that reached its end.

        Raises:
            PipelineError: the run failed; its ``__cause__`` is the agent's own exception. It is a
                :class:`~atrio.errors.StageTimeoutError` if a stage's deadline ended the run.
        """
        if self.status in {RunStatus.SUCCESS, RunStatus.DEGRADED}:
            # It reached its end, so this is an Out, of which None may be one.
            return cast("Out_co", self.output)
        # A stage that fails ends the run, so what ended it stands in the last record.
        last = self.stages[-1] if self.stages else None
        error = last.error if last else None
        stage_id = last.stage_id if last else None
        kind = StageTimeoutError if error is not None and error.timed_out else PipelineError
        raise kind(
            _failure_sentence(self.pipeline_id, stage_id, error),
            pipeline_id=self.pipeline_id,
            stage_id=stage_id,
            result=self,
        ) from (error.exception if error else None)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists, strings and numbers, ready for ``json.dumps``.

        Foreign objects go through cattrs; what even that leaves foreign becomes a string. An exception becomes its
        type, message and stack. Integers keep all their digits; libraries that take none above 64 bits refuse them. A
        lone surrogate, which UTF-8 cannot hold, becomes the six characters of its escape.
        """
        from atrio._json import json_ready  # noqa: PLC0415 - cattrs costs more to import than all of this

        names = [*attrs.fields_dict(type(self)), "summary", "performance", "usage"]
        return {name: json_ready(getattr(self, name)) for name in names}
