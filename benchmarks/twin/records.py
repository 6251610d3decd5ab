"""What the twin keeps of a run: its context, a record per stage, the result."""

import time
from collections import Counter
from collections.abc import Sized
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from random import getrandbits
from typing import Any


class RunStatus(StrEnum):
    """How a run stands, or ended."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    DEGRADED = "degraded"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class StageStatus(StrEnum):
    """How a stage, or a task of a batch, ended."""

    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class PipelineError(Exception):
    """A pipeline could not be run, or ended without an output."""


class AttemptTimeoutError(PipelineError, TimeoutError):
    """The time of one attempt ran out; never an agent's own ``TimeoutError``."""


def error_type_of(error: BaseException) -> str:
    """Return the name that records and logs give to an error."""
    return "timeout" if isinstance(error, AttemptTimeoutError) else type(error).__name__


def new_run_id() -> str:
    """Return a UUIDv7 as 32 hex digits: sortable by time."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{milliseconds << 80 | 0x7 << 76 | getrandbits(12) << 64 | 0b10 << 62 | getrandbits(62):032x}"


def size_of(data: Any) -> int | None:
    """Return the length of what has one, in constant time; never a conversion."""
    # The exact types first: an isinstance check of an abstract class costs ten times as much.
    kind = type(data)
    if kind is str or kind is dict or kind is list or kind is bytes or kind is tuple:
        return len(data)
    return len(data) if isinstance(data, Sized) else None


@dataclass(slots=True)
class Failure:
    """One failed attempt."""

    attempt: int
    error_type: str
    message: str
    duration_s: float
    backoff_s: float


@dataclass(slots=True)
class StageRecord:
    """What happened in one stage."""

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
    error: BaseException | None
    failures: tuple[Failure, ...]


@dataclass(slots=True)
class ErrorEntry:
    """An error that ended a stage."""

    message: str
    error_type: str
    stage_id: str | None
    timestamp: datetime


@dataclass(slots=True)
class RunContext:
    """The state of one run, shared with agents and middleware."""

    pipeline_id: str
    metadata: dict[str, Any] = field(default_factory=dict)
    run_id: str = field(default_factory=new_run_id)
    status: RunStatus = RunStatus.PENDING
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stage_history: list[StageRecord] = field(default_factory=list)
    error_log: list[ErrorEntry] = field(default_factory=list)
    stage_id: str | None = None
    parent_run_id: str | None = None
    parent_stage_id: str | None = None
    parent_task_id: str | None = None

    def begin(self, parent: "RunContext | None", task_id: str | None) -> None:
        """Mark the run as begun, once, and note what it runs inside."""
        if self.status is not RunStatus.PENDING:
            raise ValueError("a context serves one run; make a new one")
        self.status = RunStatus.RUNNING
        self.parent_task_id = task_id
        if parent is not None:
            self.parent_run_id, self.parent_stage_id = parent.run_id, parent.stage_id

    def add_error(self, error: BaseException, stage_id: str | None = None) -> None:
        """Note an error."""
        self.error_log.append(ErrorEntry(str(error), error_type_of(error), stage_id, datetime.now(UTC)))


@dataclass(slots=True)
class PipelineSummary:
    """The counts of a run."""

    total_stages: int
    successful_stages: int
    failed_stages: int
    skipped_stages: int
    total_execution_time_s: float
    average_stage_time_s: float


@dataclass(slots=True)
class PipelinePerformance:
    """The figures of a run, over the stages that were run."""

    failure_rate: float
    stage_efficiency: float
    average_stage_time_s: float
    min_stage_time_s: float
    p95_stage_time_s: float
    max_stage_time_s: float
    total_stage_time_s: float


@dataclass(slots=True)
class PipelineResult:
    """How a run ended."""

    run_id: str
    pipeline_id: str
    status: RunStatus
    output: Any
    stages: tuple[StageRecord, ...]
    errors: tuple[ErrorEntry, ...]
    metadata: dict[str, Any]
    started_at: datetime
    duration_s: float
    stage_count: int

    @property
    def last_output(self) -> Any:
        """What the last successful stage gave."""
        return next((record.output for record in reversed(self.stages) if record.status is StageStatus.SUCCESS), None)

    @property
    def summary(self) -> PipelineSummary:
        """The counts of the run."""
        counts = Counter(record.status for record in self.stages)
        total_s = sum(record.duration_s for record in self.stages)
        return PipelineSummary(
            self.stage_count, counts[StageStatus.SUCCESS], counts[StageStatus.ERROR], counts[StageStatus.SKIPPED],
            self.duration_s, total_s / (len(self.stages) or 1),
        )  # fmt: skip

    @property
    def performance(self) -> PipelinePerformance:
        """The figures of the run, over the stages that were run."""
        durations = sorted(record.duration_s for record in self.stages) or [0.0]
        counts, run, total_s = Counter(record.status for record in self.stages), len(self.stages) or 1, sum(durations)
        return PipelinePerformance(
            counts[StageStatus.ERROR] / run, counts[StageStatus.SUCCESS] / run, total_s / run, durations[0],
            durations[-(-95 * len(durations) // 100) - 1], durations[-1], total_s,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, by the means of the standard library."""
        return {**asdict(self), "summary": asdict(self.summary), "performance": asdict(self.performance)}

    def unwrap(self) -> Any:
        """Return the output, or raise what ended the run."""
        if self.status is RunStatus.FAILED:
            failed = self.stages[-1]
            raise PipelineError(f"pipeline {self.pipeline_id!r} failed in stage {failed.stage_id!r}") from failed.error
        return self.output


# What an agent or a middleware may ask: which run, and which task of a batch, called it.
current_run: ContextVar[RunContext | None] = ContextVar("current_run", default=None)
current_task_id: ContextVar[str | None] = ContextVar("current_task_id", default=None)
