"""One run of a pipeline: the loop over its stages, and the record of each.

The loop makes first attempts in one cancel scope whose deadline moves from stage to stage, because entering a scope for
each costs more than all the rest of a stage. The scope is left on any failure, when a call ended at or after its
deadline, and when the turn is over: so it is never cancelled when the next stage begins. What follows a failed first
attempt happens outside of it, with a scope per attempt (`_attempts`). A test compares the two on random runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from math import inf
from time import perf_counter
from typing import Any, TypeAlias

import trio
from trio.lowlevel import checkpoint_if_cancelled, current_clock

from atrio._attempts import Attempts, attempt_again
from atrio._context import PipelineContext
from atrio._results import ErrorInfo, PipelineResult, RunStatus, StageRecord, StageStatus, annotate, without_callers
from atrio._run_events import RunEvents
from atrio._sizes import size_of
from atrio._stage import ErrorPolicy, Stage
from atrio._stamps import utc_now
from atrio._turn import current_turn
from atrio.errors import StageTimeoutError

Middleware: TypeAlias = Callable[[Any, Stage[Any, Any], PipelineContext], Awaitable[Any]]
"""``async def middleware(data, stage, context) -> data``."""

Measure: TypeAlias = Callable[[Any], int | None]
"""Gives the size of data, or None where it has none."""


class Run:
    """The state of one run, while it runs.

    Args:
        stages: what runs, frozen when the run starts.
        middleware: called before each stage, in order.
        measure: gives the sizes in records.
        context: the run's; its status is kept here.
        parent: the context of the run that this one runs inside, or None.
    """

    __slots__ = (
        "_attempt_begun",
        "_attempts",
        "_begun",
        "_calls",
        "_context",
        "_epoch",
        "_events",
        "_given",
        "_index",
        "_input_size",
        "_measure",
        "_middleware",
        "_stage_begun",
        "_stages",
        "_status",
        "_turn",
        "_value",
    )

    def __init__(
        self,
        stages: tuple[Stage[Any, Any], ...],
        middleware: tuple[Middleware, ...],
        measure: Measure,
        context: PipelineContext,
        parent: PipelineContext | None,
    ) -> None:
        self._stages = stages
        self._middleware = middleware
        self._measure = measure
        self._context = context
        self._events = RunEvents(context, parent)
        self._turn = current_turn()
        self._status = RunStatus.SUCCESS
        # Of the stage that runs now: its place, its calls so far, and its attempts once the first one failed.
        self._index = 0
        self._calls = 0
        self._attempts: Attempts | None = None
        self._begun = self._stage_begun = self._attempt_begun = trio.current_time()
        context.started_at = utc_now()
        # The time of day at which Trio's clock was 0: it makes a time stamp of any time of this run, virtual ones too.
        self._epoch = context.started_at.timestamp() - self._begun

    async def execute(self, data: Any) -> PipelineResult[Any]:
        """Run the stages on `data`, to the end, to a failure, or until cancelled."""
        # What the stage is given, and what middleware made of it, which is what the agent is given.
        self._given = self._value = data
        self._input_size = self._measure(data)
        self._context.status = RunStatus.RUNNING
        self._events.pipeline_start(len(self._stages))
        try:
            await self._turn.rest()
            await self._run_stages()
        except BaseException:
            # A cancellation or a KeyboardInterrupt on its way out: say so, synchronously, and let it through.
            if self._context._stage_id is not None:
                self._close_stage(StageStatus.CANCELLED)
            self._status = RunStatus.CANCELLED
            raise
        finally:
            duration_s = trio.current_time() - self._begun
            self._context.status = self._status
            self._events.pipeline_end(self._status.value, duration_s, self._context._history)
            # A context may be kept, and must not keep alive what it ran in.
            self._context._events = self._context._around = None
        return self._result(duration_s)

    async def _run_stages(self) -> None:
        while True:
            error = None
            scope = trio.CancelScope()
            try:
                with scope:
                    await self._run_stretch(scope)
            except Exception as raised:  # noqa: BLE001 - an agent's failure, of whatever class, is the stage's
                error = without_callers(raised)
            if error is not None and self._context._stage_id is None:
                self._blame_last_stage(error)
            elif error is not None or scope.cancelled_caught:
                await self._after_failure(error, timed_out=scope.cancelled_caught)
            if self._index == len(self._stages) or self._status is RunStatus.FAILED:
                return
            if perf_counter() >= self._turn.ends:
                await self._turn.rest()

    async def _run_stretch(self, scope: trio.CancelScope) -> None:
        """Run stages by their first attempts in one scope, until one fails, or it is time to leave the scope."""
        stages, context, measure, turn = self._stages, self._context, self._measure, self._turn
        # Nothing before the call can take time, so that the time at which the last stage ended need not be read anew.
        plain = self._events.quiet and not self._middleware and measure is size_of
        # The clock itself, asked once or twice for each stage: trio.current_time() finds it anew each time.
        current_time = current_clock().current_time
        now = current_time()
        while True:
            stage = stages[self._index]
            context._stage_id = stage.stage_id
            self._stage_begun = now
            self._calls = 0
            value = self._given
            if not plain:
                self._events.stage_start(stage, self._index)
                if self._middleware:
                    value = await self._apply_middleware(stage, scope)
                now = current_time()
            self._attempt_begun = now
            timeout = stage.config.timeout
            scope.deadline = deadline = inf if timeout is None else now + timeout
            await checkpoint_if_cancelled()
            self._calls = 1
            output = await stage.agent.process(value)
            # No checkpoint from here until it is kept: a finished result is never thrown away.
            now = current_time()
            size = measure(output)
            self._keep(
                StageRecord(
                    self._index,
                    stage.stage_id,
                    stage.name,
                    stage.agent_id,
                    StageStatus.SUCCESS,
                    datetime.fromtimestamp(self._epoch + self._stage_begun, UTC),
                    now - self._stage_begun,
                    1,
                    self._input_size,
                    size,
                    output,
                    None,
                    (),
                    context._notes,
                )
            )
            self._given = output
            self._input_size = size
            if self._index == len(stages) or now >= deadline or perf_counter() >= turn.ends:
                return

    async def _apply_middleware(self, stage: Stage[Any, Any], scope: trio.CancelScope) -> Any:
        """Return what the middleware makes of the data of `stage`."""
        # The deadline of the stage before still stands, and middleware has none.
        scope.deadline = inf
        await checkpoint_if_cancelled()
        self._value = self._given
        self._input_size = None
        for function in self._middleware:
            self._value = await function(self._value, stage, self._context)
        self._input_size = self._measure(self._value)
        return self._value

    async def _after_failure(self, error: Exception | None, *, timed_out: bool) -> None:
        """Make what attempts are left to the stage that failed, and keep how it ended."""
        stage = self._stages[self._index]
        value = self._value if self._middleware else self._given
        attempts = self._attempts = Attempts(self._calls, error)
        output = None
        # Without a call it was the middleware that failed, and that is not retried.
        if self._calls:
            timeout = self._timeout_error() if timed_out else None
            attempts.fail(error, timeout, trio.current_time() - self._attempt_begun)
            output = await attempt_again(
                lambda: stage.agent.process(value),
                stage.config._policy,
                attempts,
                timeout_error=self._timeout_error,
                on_retry=partial(self._events.stage_retry, stage, attempts),
            )
        if attempts.error is None:
            size = self._measure(output)
            self._close_stage(StageStatus.SUCCESS, output=output, size=size)
            self._given, self._input_size = output, size
        else:
            if attempts.remark is not None:
                self._context._log_error("RuntimeError", attempts.remark, stage.stage_id)
            self._fail(stage, ErrorInfo.of(attempts.error, timed_out=attempts.timed_out))

    def _blame_last_stage(self, error: Exception) -> None:
        """Fail with what came after a stage was kept: an agent left a cancel scope or a nursery of its own open."""
        record, info = self._context._history[-1], ErrorInfo.of(error)
        annotate(error, f"stage {record.stage_id!r}, or one before it, left a cancel scope or a nursery open")
        record.status, record.output, record.error = StageStatus.ERROR, None, info
        self._context._log_error(info.error_type, info.message, record.stage_id)
        self._status = RunStatus.FAILED

    def _fail(self, stage: Stage[Any, Any], error: ErrorInfo) -> None:
        annotate(error.exception, f"raised in stage {stage.stage_id!r} of pipeline {self._context.pipeline_id!r}")
        self._context._log_error(error.error_type, error.message, stage.stage_id)
        skip = stage.config.error_policy is ErrorPolicy.SKIP
        self._close_stage(StageStatus.SKIPPED if skip else StageStatus.ERROR, error=error)
        self._status = RunStatus.DEGRADED if skip else RunStatus.FAILED

    def _timeout_error(self) -> StageTimeoutError:
        stage = self._stages[self._index]
        return StageTimeoutError(
            f"stage {stage.stage_id!r} timed out: an attempt took {stage.config.timeout:g} seconds",
            pipeline_id=self._context.pipeline_id,
            stage_id=stage.stage_id,
        )

    def _close_stage(
        self, status: StageStatus, *, output: Any = None, size: int | None = None, error: ErrorInfo | None = None
    ) -> None:
        """Keep how the stage that runs now ended, in any way but by its first attempt."""
        stage, attempts = self._stages[self._index], self._attempts
        self._attempts = None
        self._keep(
            StageRecord(
                self._index,
                stage.stage_id,
                stage.name,
                stage.agent_id,
                status,
                datetime.fromtimestamp(self._epoch + self._stage_begun, UTC),
                trio.current_time() - self._stage_begun,
                self._calls if attempts is None else attempts.made,
                self._input_size,
                size,
                output,
                error,
                () if attempts is None else tuple(attempts.failures),
                self._context._notes,
            )
        )

    def _keep(self, record: StageRecord) -> None:
        context = self._context
        context._history.append(record)
        context._notes = {}
        context._stage_id = None
        self._index += 1
        if not self._events.quiet:
            self._events.stage_end(record)

    def _result(self, duration_s: float) -> PipelineResult[Any]:
        context = self._context
        reached_end = self._status is not RunStatus.FAILED
        outputs = (record.output for record in reversed(context._history) if record.status is StageStatus.SUCCESS)
        return PipelineResult(
            context.run_id,
            context.pipeline_id,
            self._status,
            self._given if reached_end else None,
            next(outputs, None),
            context.stage_history,
            context.error_log,
            dict(context.metadata),
            context.started_at,
            duration_s,
            len(self._stages),
        )
