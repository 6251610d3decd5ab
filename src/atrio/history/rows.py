"""What is read from a history: runs, with their stages, tasks and retries. Values are those of the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

import attrs

RunKind: TypeAlias = Literal["pipeline", "batch"]
"""What ran: a pipeline, or a batch."""
RunState: TypeAlias = Literal["running", "success", "degraded", "failed", "timeout", "cancelled", "interrupted"]
"""How a run ended; `running` if it has not, `interrupted` if its process has ended and it had not."""
StageState: TypeAlias = Literal["running", "success", "error", "skipped", "cancelled", "interrupted"]
"""How a stage ended; `running` and `interrupted` as for runs."""
TaskState: TypeAlias = Literal["running", "success", "error", "timeout", "cancelled", "interrupted"]
"""How a task of a batch ended; `running` and `interrupted` as for runs."""


@attrs.frozen
class RunRow:
    """A run: one of a pipeline, or a batch.

    Attributes:
        run_id: 32 hexadecimal digits; a batch's id is its run's.
        kind: pipeline or batch.
        name: the pipeline's id, or the name given to the batch.
        state: running, success, degraded, failed, timeout (batches), cancelled, or interrupted: its process ended
            before it did.
        started_at: when it began, aware, in UTC.
        duration_s: seconds on Trio's clock; None unless it ended by itself.
        parent_run_id: the run that this one runs inside, or None.
        parent_stage_id: the stage there, or None.
        parent_task_id: the batch task there, or None.
        pid: the process that it runs in.
        host: the machine.
        total: how many stages the pipeline has, or tasks the batch; None if its source does not say and it runs yet.
        successful: how many stages or tasks succeeded; of a batch that has no end, as far as is known.
        failed: how many failed; as `successful`.
        skipped: how many stages were skipped; 0 for a batch.
        timed_out: how many tasks ran out of their own time; 0 for a pipeline, as the next two.
        cancelled: how many tasks were stopped.
        not_started: how many tasks had not begun when the batch ended.
        error_type: the class of what ended the run of a pipeline, or None.
        error_message: what that says, or None.
        error_stack: its traceback, or None; always None in lists of runs.
    """

    run_id: str
    kind: RunKind
    name: str
    state: RunState
    started_at: datetime
    duration_s: float | None
    parent_run_id: str | None
    parent_stage_id: str | None
    parent_task_id: str | None
    pid: int
    host: str
    total: int | None
    successful: int
    failed: int
    skipped: int
    timed_out: int
    cancelled: int
    not_started: int
    error_type: str | None
    error_message: str | None
    error_stack: str | None = attrs.field(default=None, repr=False)

    @property
    def failures(self) -> int:
        """How many of its stages or tasks failed, or ran out of their time."""
        return self.failed + self.timed_out


@attrs.frozen
class RetryRow:
    """An attempt of a stage that failed, and that another one followed.

    Attributes:
        attempt: which one failed, from 1.
        max_attempts: how many the stage may make.
        at: when it had failed, aware, in UTC.
        backoff_s: the wait that followed, in seconds.
        error_type: the class of the failure, `timeout` when the attempt's time ran out, or None.
        error_message: what it says, or None.
    """

    attempt: int
    max_attempts: int
    at: datetime
    backoff_s: float
    error_type: str | None
    error_message: str | None


@attrs.frozen
class StageRow:
    """A stage of a run that was begun.

    Attributes:
        index: its place, from 0.
        stage_id: the stage.
        agent_id: its agent.
        status: running, success, error, skipped, cancelled, or interrupted.
        started_at: when it began, aware, in UTC.
        duration_s: seconds on Trio's clock, waits included; None unless it ended by itself.
        attempts: how often its agent was called; while it runs, how often as far as is known.
        input_size: the size of what the agent was given, or None.
        output_size: the size of what it gave, or None.
        error_type: the class of what ended it, or None.
        error_message: what that says, or None.
        error_stack: its traceback, or None.
        retries: its attempts that failed and were followed by another one, in their order.
        metadata: what was noted in it, as the log has it; empty if nothing was. Notes that are not the JSON text of an
            object, which nothing but an event made by hand or changed by a sink has, are that text, under `metadata`.
    """

    index: int
    stage_id: str
    agent_id: str
    status: StageState
    started_at: datetime
    duration_s: float | None
    attempts: int
    input_size: int | None
    output_size: int | None
    error_type: str | None
    error_message: str | None
    error_stack: str | None = attrs.field(repr=False)
    retries: tuple[RetryRow, ...] = ()
    metadata: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class TaskRow:
    """A task of a batch that was begun.

    Attributes:
        index: its input's place, from 0.
        task_id: the task.
        agent_id: its agent.
        status: running, success, error, timeout, cancelled, or interrupted.
        queued_s: seconds from the batch's start to the task's.
        started_at: when it began, aware, in UTC.
        duration_s: seconds on Trio's clock; None unless it ended by itself.
        error_type: the class of what ended it, or None.
        error_message: what that says, or None.
        error_stack: its traceback, or None.
        run_id: the pipeline's run inside the task, the first one if there are several, or None.
    """

    index: int
    task_id: str
    agent_id: str
    status: TaskState
    queued_s: float
    started_at: datetime
    duration_s: float | None
    error_type: str | None
    error_message: str | None
    error_stack: str | None = attrs.field(repr=False)
    run_id: str | None


@attrs.frozen
class ModelRow:
    """What the calls of one language model by one agent come to, in one stage, or in all tasks of a batch.

    Attributes:
        stage_id: the stage that called it, or None.
        agent_id: the agent.
        provider: what the endpoint is called.
        model: the model.
        calls: how many calls were made.
        failed: how many of them failed.
        input_tokens: tokens that it was given, as far as the endpoint said.
        output_tokens: tokens that it wrote, as far as the endpoint said.
        duration_s: summed seconds of the calls.
    """

    stage_id: str | None
    agent_id: str
    provider: str
    model: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    duration_s: float


@attrs.frozen
class TaskFigures:
    """The tasks of a batch, counted. Percentiles are by nearest rank, of the tasks that ended; 0 if none did.

    Attributes:
        max_concurrent: how many ran at once at most; None if the batch began before what is kept of it.
        throughput_per_s: finished tasks per second; None unless the batch ended.
        efficiency: how much of its places was used, 0 to 1; None unless the batch ended.
        successful: how many succeeded.
        failed: how many raised.
        timed_out: how many ran out of their own time.
        cancelled: how many were stopped.
        not_started: how many had not begun when the batch ended.
        running: how many run, or ran when the process ended.
        mean_s: mean of their seconds.
        shortest_s: the fewest seconds.
        p50_s: the median of their seconds.
        p95_s: the 95th percentile.
        p99_s: the 99th percentile.
        longest_s: the most seconds.
        slowest: those that took longest, the slowest first; at most as many as were asked for.
        failures: those that failed or ran out of their time, in their order; at most as many as were asked for.
        measured: of how many tasks the times are: those whose ends are kept. They are less than :attr:`ended` if
            the batch began before what is kept of it.
        not_begun: how many of a batch that has no end had not begun by what is known; None of one that has an end, or
            of which nobody knows how many tasks it has.
    """

    max_concurrent: int | None
    throughput_per_s: float | None
    efficiency: float | None
    successful: int
    failed: int
    timed_out: int
    cancelled: int
    not_started: int
    running: int
    mean_s: float
    shortest_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    longest_s: float
    slowest: tuple[TaskRow, ...]
    failures: tuple[TaskRow, ...]
    measured: int = 0
    not_begun: int | None = None

    @property
    def ended(self) -> int:
        """How many tasks ended, as the batch's end says, or as far as is known."""
        return self.successful + self.failed + self.timed_out + self.cancelled


@attrs.frozen
class RunDetail:
    """A run with all that is kept of it.

    Attributes:
        run: the run.
        stages: the stages that were begun, in their order; none for a batch.
        tasks: the figures of a batch; None for a pipeline.
        models: what its calls of language models come to; those of runs inside it are theirs.
        inside: runs that run inside it, the first ones, at most as many as were asked for. Those inside of tasks are
            found through `TaskRow.run_id`, and with :meth:`History.runs`, too.
        last_seen_at: the last moment at which an interrupted run is known to have gone on, aware, in UTC: that of its
            last event that was kept, or of the last sign of life of its process. It ended some time later. None of
            any other run.
    """

    run: RunRow
    stages: tuple[StageRow, ...]
    tasks: TaskFigures | None
    models: tuple[ModelRow, ...] = ()
    inside: tuple[RunRow, ...] = ()
    last_seen_at: datetime | None = None


@attrs.frozen
class StageFigures:
    """A stage over the runs of its pipeline in the tasks of a batch. Percentiles are by nearest rank.

    Attributes:
        index: its place, from 0.
        stage_id: the stage.
        agent_id: its agent.
        begun: in how many of the runs it was begun.
        successful: in how many it succeeded.
        failed: in how many it failed.
        skipped: in how many it was skipped.
        cancelled: in how many it was stopped.
        running: in how many it runs, or ran when the process ended.
        p50_s: the median of its seconds, of those that ended; 0 if none did.
        p95_s: their 95th percentile.
    """

    index: int
    stage_id: str
    agent_id: str
    begun: int
    successful: int
    failed: int
    skipped: int
    cancelled: int
    running: int
    p50_s: float
    p95_s: float


@attrs.frozen
class PipelineFigures:
    """A pipeline over its runs in the tasks of a batch.

    Attributes:
        pipeline_id: the pipeline.
        total: how many stages it has, or None.
        runs: how many of its runs were looked at.
        every: 1 if these are all of them; n if they are those of every nth task.
        stages: those that were begun in any of them, in their order.
        models: what their calls of language models come to, with those of runs inside them.
    """

    pipeline_id: str
    total: int | None
    runs: int
    every: int
    stages: tuple[StageFigures, ...]
    models: tuple[ModelRow, ...] = ()
