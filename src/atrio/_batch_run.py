"""One run of a batch: a worker for each place, and one outcome for each input.

A worker is a Trio task that takes one input after the other. It holds its permit only while its turn lasts, so that
batches that share a processor share its limit, and one turn is shared by all, so that the host's tasks need not wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from math import inf
from time import perf_counter
from typing import Any, Final, Self, TypeAlias, cast

import attrs
import trio
from trio.lowlevel import current_clock

from atrio._batch_events import BatchEvents, Tally
from atrio._batch_results import status_of
from atrio._context import current_run
from atrio._nurseries import unseen_nursery
from atrio._results import ErrorInfo, RunStatus
from atrio._source import AsyncSource, Pairs, RefusedPair, SyncSource
from atrio._stamps import new_run_id, utc_now
from atrio._tasks import BatchIdentity, TaskResult, TaskStatus, running_task
from atrio._turn import current_turn
from atrio.errors import TaskCancelledError, TaskTimeoutError

PROGRESS_EVERY_S: Final = 5.0
"""Seconds between progress events where the total is not known."""

Pulled: TypeAlias = tuple[TaskResult[Any], Any, Any]
"""What a worker works on: the task, its agent, and the data."""

_END: Final = object()


class Permit:
    """A permit of a processor, as one worker takes it and gives it back."""

    __slots__ = ("_limiter", "held")

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter = limiter
        self.held = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    async def take(self) -> None:
        """Wait for a permit."""
        try:
            self._limiter.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            await self._limiter.acquire_on_behalf_of(self)
        self.held = True

    def give_back(self) -> None:
        """Give the permit back, if one is held."""
        if self.held:
            self._limiter.release_on_behalf_of(self)
            self.held = False


@attrs.frozen
class BatchWork:
    """What a batch does, and with what: all that is known before it starts.

    Attributes:
        owner: the processor, which refuses a batch of its own tasks.
        limiter: its permits.
        max_concurrent: how many tasks run at once at most.
        timeout: seconds for the whole batch, or None.
        task_timeout: seconds for each task, or None.
        source: where the inputs come from.
        pairs: makes a task of each.
        name: the name given to the batch.
    """

    owner: object
    limiter: trio.CapacityLimiter
    max_concurrent: int
    timeout: float | None
    task_timeout: float | None
    source: SyncSource | AsyncSource
    pairs: Pairs
    name: str


class BatchRun:
    """The state of one batch, while it runs.

    Args:
        work: what it does.
        keep: told each task when its input is pulled. What is kept has its outcome when the batch ends.
        deliver: awaited with each task that ended before its worker takes the next input; None if nobody waits for it.

    Attributes:
        identity: what its tasks have in common.
        status: how it stands.
        pulled: how many inputs were pulled.
        duration_s: seconds that it took, once it ended.
        source_error: what the source raised, or None.
    """

    def __init__(
        self,
        work: BatchWork,
        keep: Callable[[TaskResult[Any]], object],
        deliver: Callable[[TaskResult[Any]], Awaitable[None]] | None = None,
    ) -> None:
        self.identity = BatchIdentity(new_run_id(), utc_now())
        self.identity.owner = work.owner
        self.identity.task = running_task.get()
        self.identity.context = current_run.get()
        self.status = RunStatus.PENDING
        self.pulled = 0
        self.duration_s = 0.0
        self.source_error: Exception | None = None
        self._work = work
        self._keep = keep
        self._deliver = deliver
        self._tally = Tally()
        self._events = BatchEvents(self.identity, work.name, work.source.total, work.max_concurrent)
        self._turn = current_turn()
        self._context = copy_context()
        self._begun = trio.current_time()
        self._scope = trio.CancelScope(deadline=inf if work.timeout is None else self._begun + work.timeout)
        self._drained = False
        self._aborted = False

    def drain(self) -> None:
        """Pull no more; what runs finishes."""
        self._drained = True
        if isinstance(self._work.source, AsyncSource):
            self._work.source.stop()

    def abort(self) -> None:
        """Pull no more, and cancel what runs."""
        self.drain()
        if self.status is RunStatus.RUNNING:
            self._aborted = True
            self._scope.cancel()

    async def execute(self) -> None:
        """Run the batch to its end, until its time is up, or until it is cancelled or aborted."""
        self.status = RunStatus.RUNNING
        self._events.batch_start()
        try:
            await self._run_workers()
            if self._scope.cancelled_caught and not self._aborted:
                await self._keep_what_waited()
            self.status = self._final_status()
        except BaseException:
            # The caller's cancellation, on its way out: say so, synchronously, and let it through.
            self.status = RunStatus.CANCELLED
            raise
        finally:
            self.duration_s = trio.current_time() - self._begun
            self._tally.by_status[TaskStatus.NOT_STARTED.value] = self.pulled - self._tally.ended
            self._events.batch_end(self.status.value, self._tally, self.pulled, self.duration_s)
            # The outcomes outlive the batch, and must not keep alive what it ran inside.
            self.identity.owner = self.identity.task = self.identity.context = None

    def _final_status(self) -> RunStatus:
        if self._scope.cancelled_caught:
            return RunStatus.CANCELLED if self._aborted else RunStatus.TIMEOUT
        return status_of(self._tally.successful, self.pulled)

    async def _run_workers(self) -> None:
        source, total = self._work.source, self._work.source.total
        places = self._work.max_concurrent if total is None else min(total, self._work.max_concurrent)
        async with unseen_nursery() as beside:
            ticking = trio.CancelScope()
            if self._events.wants_ticks:
                beside.start_soon(self._tick, ticking)
            if isinstance(source, AsyncSource):
                beside.start_soon(source.feed, self._begin, self._source_failed)
            with self._scope:
                async with unseen_nursery() as workers:
                    for _ in range(places):
                        workers.start_soon(self._worker, workers)
            ticking.cancel()
            source.close()

    async def _tick(self, ticking: trio.CancelScope) -> None:
        with ticking:
            while True:
                await trio.sleep(PROGRESS_EVERY_S)
                self._events.progress(self._tally, trio.current_time() - self._begun)

    async def _keep_what_waited(self) -> None:
        """Pull what the time did not suffice for, where the source's length says that it ends."""
        while self.pulled < (self._work.source.total or 0) and self._pull() is not None:
            if perf_counter() >= self._turn.ends:
                await self._turn.rest()

    def _source_failed(self, error: Exception) -> None:
        self.source_error = error
        self._drained = True

    def _begin(self, item: Any) -> Pulled:
        """Make a task of `item`, which was pulled."""
        try:
            agent, agent_id, data = self._work.pairs.split(item)
        except (TypeError, ValueError) as error:
            agent = RefusedPair(item, error)
            agent_id, data = agent.agent_id, item
        task: TaskResult[Any] = TaskResult(self.identity, self.pulled, agent_id)
        self.pulled += 1
        self._keep(task)
        return task, agent, data

    def _pull(self) -> Pulled | None:
        """Pull an input from a sync source; None at its end."""
        source = self._work.source
        if self._drained or isinstance(source, AsyncSource):
            return None
        try:
            item = next(source.iterator, _END)
        except Exception as error:  # noqa: BLE001 - whatever a source raises is the batch's to report
            self._source_failed(error)
            return None
        return None if item is _END else self._begin(item)

    async def _take(self, source: AsyncSource, permit: Permit) -> Pulled | None:
        """Take an input that the feeder pulled; None at the source's end."""
        try:
            return cast("Pulled", source.take.receive_nowait())
        except trio.EndOfChannel:
            return None
        except trio.WouldBlock:
            # Whoever waits for an input needs no permit for it.
            permit.give_back()
        try:
            return cast("Pulled", await source.take.receive())
        except trio.EndOfChannel:
            return None

    async def _worker(self, workers: trio.Nursery) -> None:
        """Take one input after the other, until there are no more."""
        source, turn, timeout = self._work.source, self._turn, self._work.task_timeout
        current_time = current_clock().current_time
        with Permit(self._work.limiter) as permit:
            while True:
                if perf_counter() >= turn.ends:
                    permit.give_back()
                    await turn.rest()
                pulled = await self._take(source, permit) if isinstance(source, AsyncSource) else self._pull()
                if pulled is None:
                    return
                task, agent, data = pulled
                if not permit.held:
                    await permit.take()
                running_task.set(task)
                context = copy_context()
                begun = current_time()
                task.queued_s = begun - self._begun
                self._events.task_start(task)
                try:
                    task.result = await (agent.process(data) if timeout is None else self._timed(agent, data, task))
                    # No checkpoint until it is kept: a finished result is never thrown away.
                    task.status = TaskStatus.SUCCESS
                except Exception as error:  # noqa: BLE001 - an agent's failure is its task's, of whatever class
                    self._fail(task, error)
                except BaseException as error:  # noqa: BLE001 - it is raised, but for the errors beside it
                    task.status = TaskStatus.CANCELLED
                    raise what_stops(task, error) from error.__cause__
                finally:
                    task.duration_s = current_time() - begun
                    self._end(task)
                if self._deliver is not None:
                    permit.give_back()
                    await self._deliver(task)
                # Identical, and so compared at once, unless the agent set a context variable: then the next task needs
                # a new Trio task, that begins with the caller's.
                if copy_context() != context:
                    self._context.run(workers.start_soon, self._worker, workers)
                    return

    async def _timed(self, agent: Any, data: Any, task: TaskResult[Any]) -> Any:
        """Call `agent`, for as long as a task may take."""
        error = None
        scope = trio.CancelScope(deadline=trio.current_time() + (self._work.task_timeout or inf))
        try:
            with scope:
                return await agent.process(data)
        except Exception as raised:  # noqa: BLE001 - the agent's, raised again below unless it is the timeout's cause
            error = raised
        if scope.cancelled_caught:
            raise TaskTimeoutError(task.task_id, task.index) from error
        assert error is not None  # noqa: S101 - the call neither returned nor was cancelled
        raise error

    def _fail(self, task: TaskResult[Any], error: Exception) -> None:
        timed_out = isinstance(error, TaskTimeoutError) and error.task_id == task.task_id
        task.status = TaskStatus.TIMEOUT if timed_out else TaskStatus.ERROR
        task.error = ErrorInfo.of(error, timed_out=timed_out)

    def _end(self, task: TaskResult[Any]) -> None:
        self._tally.count(task)
        if not self._events.quiet:
            self._events.task_end(task)
            if self._tally.ended == self._events.next_progress:
                self._events.progress(self._tally, trio.current_time() - self._begun)


def what_stops(task: TaskResult[Any], error: BaseException) -> BaseException:
    """Return what of `error` stops `task`; errors that the agent raised beside its cancellation become the task's.

    One task's failure never touches another, so they must not leave with the cancellation of the batch.
    """
    errors, stop = error.split(Exception) if isinstance(error, BaseExceptionGroup) else (None, error)
    if errors is None or stop is None:
        return error
    cancelled = TaskCancelledError(task.task_id, task.index)
    cancelled.__cause__ = errors
    task.error = ErrorInfo.of(cancelled)
    return stop
