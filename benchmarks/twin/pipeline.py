"""The asyncio twin: the same pipeline as atrio's, on asyncio and the standard library, written to be fast.

Attempts with a deadline each, backoff with a cap and jitter, error policies, middleware, a record per stage, a context
with a run id, events through ``logging``. Its habits: a call that succeeds at once stays on a short path, what happens
after a failure is elsewhere; records are built by position; whether somebody listens is asked once a run.

    pipeline.py  the pipeline
    stage.py     stages, their attempts and deadlines
    records.py   contexts, records, results
    events.py    what is logged
    logs.py      how it is logged: JSON lines through logging
    batch.py     the batch
"""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from benchmarks.twin.events import (
    log_pipeline_end,
    log_pipeline_start,
    log_retry,
    log_stage_end,
    log_stage_start,
    stage_end_fields,
    stage_log,
)
from benchmarks.twin.logs import log_event
from benchmarks.twin.records import (
    Failure,
    PipelineError,
    PipelineResult,
    RunContext,
    RunStatus,
    StageRecord,
    StageStatus,
    current_run,
    current_task_id,
    error_type_of,
    size_of,
)
from benchmarks.twin.stage import Call, ErrorPolicy, Stage, call_by_wait_for

# How long agents that never block may keep the event loop's other tasks waiting.
TURN_S = 0.001

Middleware = Callable[[Any, Stage, RunContext], Awaitable[Any]]


# --- One stage of a run ---


async def _run_stage(
    call: Call, middleware: tuple[Middleware, ...], run: RunContext, index: int, stage: Stage, data: Any
) -> StageRecord:
    started_at, began, attempts = datetime.now(UTC), perf_counter(), 0
    try:
        for function in middleware:
            data = await function(data, stage, run)
        attempts = 1
        output = await call(stage.process, data, stage.timeout)
        return StageRecord(
            index, stage.stage_id, stage.name, stage.agent_id, StageStatus.SUCCESS, started_at,
            perf_counter() - began, 1, size_of(data), size_of(output), output, None, (),
        )  # fmt: skip
    except (Exception, CancelledError) as error:  # noqa: BLE001 - an agent may raise what it likes
        record = StageRecord(
            index, stage.stage_id, stage.name, stage.agent_id, StageStatus.ERROR, started_at,
            perf_counter() - began, attempts, size_of(data), None, None, error, (),
        )  # fmt: skip
        await _settle(call, run, stage, data, record)
        return record


async def _settle(call: Call, run: RunContext, stage: Stage, data: Any, record: StageRecord) -> None:
    """Take a record whose first attempt failed to its end."""
    began = perf_counter() - record.duration_s
    try:
        if isinstance(record.error, CancelledError):
            raise record.error
        if record.attempts:
            await _try_again(call, run, stage, data, record)
    except CancelledError as error:
        record.status, record.error = StageStatus.CANCELLED, error
        record.duration_s = perf_counter() - began
        _end_unsuccessful(run, record)
        raise
    record.duration_s = perf_counter() - began
    if record.error is None:
        record.status, record.output_size = StageStatus.SUCCESS, size_of(record.output)
    elif stage.config.error_policy is ErrorPolicy.SKIP:
        record.status = StageStatus.SKIPPED


async def _try_again(call: Call, run: RunContext, stage: Stage, data: Any, record: StageRecord) -> None:
    """Make the attempts that are left; a record without an error has succeeded."""
    duration = record.duration_s
    while isinstance(record.error, Exception):
        error, wait = record.error, stage.config.wait_after(record.attempts, record.error)
        failure = Failure(record.attempts, error_type_of(error), str(error), duration, wait or 0.0)
        record.failures = (*record.failures, failure)
        if wait is None:
            return
        log_retry(run, stage, record, failure)
        await asyncio.sleep(wait)
        record.attempts += 1
        began = perf_counter()
        try:
            record.output = await call(stage.process, data, stage.timeout)
            record.error = None
        except Exception as next_error:  # noqa: BLE001 - an agent may raise what it likes
            record.error = next_error
        duration = perf_counter() - began


def _end_unsuccessful(run: RunContext, record: StageRecord) -> None:
    run.stage_history.append(record)
    if record.error is not None:
        run.add_error(record.error, record.stage_id)
    log_stage_end(run, record)


# --- The pipeline ---


class Pipeline:
    """Stages, run one after the other."""

    def __init__(self, pipeline_id: str, *, call: Call = call_by_wait_for) -> None:
        self.pipeline_id = pipeline_id
        self._call = call
        self._stages: dict[str, Stage] = {}
        self._middleware: list[Middleware] = []

    def add_stage(self, stage: Stage) -> "Pipeline":
        """Add a stage at the end."""
        if stage.stage_id in self._stages:
            raise ValueError(f"stage {stage.stage_id!r} is already there")
        self._stages[stage.stage_id] = stage
        return self

    def add_middleware(self, middleware: Middleware) -> "Pipeline":
        """Add a function that sees the data before each stage."""
        self._middleware.append(middleware)
        return self

    async def process(self, data: Any) -> Any:
        """Run the stages and return the output: a pipeline is an agent."""
        return (await self.execute(data)).unwrap()

    async def execute(self, data: Any, context: RunContext | None = None) -> PipelineResult:
        """Run the stages; a stage's failure is part of the result."""
        stages, middleware = tuple(self._stages.values()), tuple(self._middleware)
        if not stages:
            raise PipelineError(f"pipeline {self.pipeline_id!r} has no stages")
        run = RunContext(self.pipeline_id) if context is None else context
        run.begin(current_run.get(), current_task_id.get())
        token = current_run.set(run)
        began, output = perf_counter(), None
        log_pipeline_start(run, len(stages))
        try:
            output = await self._run_stages(run, stages, middleware, data)
        except CancelledError:
            run.status = RunStatus.CANCELLED
            raise
        finally:
            current_run.reset(token)
            duration = perf_counter() - began
            log_pipeline_end(run, duration)
        return PipelineResult(
            run.run_id, run.pipeline_id, run.status, output, tuple(run.stage_history), tuple(run.error_log),
            run.metadata, run.started_at, duration, len(stages),
        )  # fmt: skip

    async def _run_stages(
        self, run: RunContext, stages: tuple[Stage, ...], middleware: tuple[Middleware, ...], data: Any
    ) -> Any:
        call, keep = self._call, run.stage_history.append
        log_start, log_end = stage_log.isEnabledFor(logging.DEBUG), stage_log.isEnabledFor(logging.INFO)
        ended = RunStatus.SUCCESS
        await asyncio.sleep(0)
        turn_ends = perf_counter() + TURN_S
        for index, stage in enumerate(stages):
            run.stage_id = stage.stage_id
            if log_start:
                log_stage_start(run, index, stage)
            record = await _run_stage(call, middleware, run, index, stage, data)
            if record.status is StageStatus.SUCCESS:
                keep(record)
                data = record.output
                if log_end:
                    log_event(stage_log, logging.INFO, "stage.end", stage_end_fields(run, record))
            else:
                _end_unsuccessful(run, record)
                if record.status is StageStatus.ERROR:
                    run.status = RunStatus.FAILED
                    return None
                ended = RunStatus.DEGRADED
            if perf_counter() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = perf_counter() + TURN_S
        run.status = ended
        return data
