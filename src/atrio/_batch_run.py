"""One run of a batch: a worker for each place, and one outcome for each input.

A worker is a Trio task that takes one input after the other. It holds its permit only while its turn lasts, so that
batches that share a processor share its limit, and one turn is shared by all, so that the host's tasks need not wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from math import inf
from time import perf_counter
from typing import Any, Final, TypeAlias, cast

import trio
from trio.lowlevel import checkpoint_if_cancelled, current_clock

from atrio._batch_events import BatchEvents, Tally
from atrio._batch_results import status_of
from atrio._batch_work import BatchWork, Permit, same_variables
from atrio._context import current_run
from atrio._nurseries import unseen_nursery
from atrio._results import ErrorInfo, RunStatus, without_callers
from atrio._source import AsyncSource, RefusedPair
from atrio._stamps import new_run_id, utc_now
from atrio._tasks import BatchIdentity, TaskResult, TaskStatus, nearer_task, running_task
from atrio._turn import current_turn
from atrio._validation import check_id
from atrio.errors import TaskCancelledError, TaskTimeoutError

PROGRESS_EVERY_S: Final = 5.0
"""Seconds between progress events where the total is not known."""

Pulled: TypeAlias = tuple[TaskResult[Any], Any, Any]
"""What a worker works on: the task, its agent, and the data."""

_END: Final = object()


class BatchRun:
    """The state of one batch, while it runs.

    Args:
        work: what it does.
        keep: told each task when its input is pulled. What is kept has its outcome when the batch ends.
        settle: told each task when it ends; None if nobody asks.
        deliver: awaited with each task that ended before its worker takes the next input; None if nobody waits for it.

    Attributes:
        identity: what its tasks have in common.
        status: how it stands: RUNNING until it ended.
        pulled: how many inputs were pulled.
        duration_s: seconds that it took, once it ended.
        source_error: what the source raised, or None.
    """

    def __init__(
        self,
        work: BatchWork,
        keep: Callable[[TaskResult[Any]], object],
        settle: Callable[[TaskResult[Any]], object] | None = None,
        deliver: Callable[[TaskResult[Any]], Awaitable[None]] | None = None,
    ) -> None:
        self.identity = BatchIdentity(work.resume or new_run_id(), utc_now())
        self.identity.owner = work.owner
        self.identity.task = running_task.get()
        context = self.identity.context = current_run.get()
        task = nearer_task(context)
        self.identity.around = context if task is None else task.batch
        self.status = RunStatus.RUNNING
        self.pulled = 0
        self.duration_s = 0.0
        self.source_error: Exception | None = None
        self._work = work
        self._keep = keep
        self._settle = settle
        self._deliver = deliver
        self._tally = Tally()
        self._events = BatchEvents(self.identity, context, work.name, work.source.total, work.max_concurrent)
        self.identity.events = self._events
        self._turn = current_turn()
        self._context = copy_context()
        self._begun = trio.current_time()
        self._scope = trio.CancelScope(deadline=inf if work.timeout is None else self._begun + work.timeout)
        self._drained = False
        self._aborted = False
        # A source runs in a context of its own, and not in that of the task which happens to be the last.
        self._pull_in = copy_context().run
        # Nothing but the agent stands between a worker and the output.
        self._plain = work.task_timeout is None and work.journal is None and work.key is None
        self._recorded: Mapping[str, Any] = {}

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
        waiting = 0
        self._events.batch_start()
        try:
            if self._work.journal is not None:
                self._recorded = await self._work.journal.open(self.identity.batch_id, self._fingerprint())
            await self._run_workers()
            waiting = self._waiting()
            self.status = self._final_status()
        except BaseException:
            # The caller's cancellation, on its way out: say so, synchronously, and let it through.
            self.status = RunStatus.CANCELLED
            raise
        finally:
            if not waiting:
                self.close_source()
            self.duration_s = trio.current_time() - self._begun
            total = self.pulled + waiting
            self._tally.by_status[TaskStatus.NOT_STARTED.value] = total - self._tally.ended
            self._events.batch_end(self.status.value, self._tally, total, self.duration_s)
            # The outcomes outlive the batch, and must not keep alive what it ran in.
            identity = self.identity
            identity.owner = identity.context = identity.around = identity.events = None

    def _final_status(self) -> RunStatus:
        if self._scope.cancelled_caught:
            return RunStatus.CANCELLED if self._aborted else RunStatus.TIMEOUT
        if self.source_error is not None and self.pulled == 0:
            return RunStatus.FAILED
        return status_of(self._tally.successful, self.pulled)

    def _waiting(self) -> int:
        """Return how many inputs the time did not suffice for, where the source has a length to tell it by."""
        source = self._work.source
        timed_out = self._scope.cancelled_caught and not self._aborted
        if not timed_out or self.source_error is not None:
            return 0
        return max((source.total or 0) - self.pulled, 0)

    async def keep_waiting(self) -> bool:
        """After the batch's time was up, keep one more input that waited; False if there is none."""
        if self.status is not RunStatus.TIMEOUT or self.pulled >= (self._work.source.total or 0):
            return False
        if perf_counter() >= self._turn.ends:
            await self._turn.rest()
        kept = self._pull() is not None or self._count_unseen()
        if not kept or self.pulled == self._work.source.total:
            self.close_source()
        return kept

    def _count_unseen(self) -> bool:
        """Keep an input of an async source that is known by the source's length alone: nobody pulls it any more."""
        if not isinstance(self._work.source, AsyncSource):
            return False
        self._keep(TaskResult(self.identity, self.pulled, self._work.pairs.agent_id or "(not pulled)"))
        self.pulled += 1
        return True

    def close_source(self) -> None:
        """Close a source that was left before its end; once more does nothing."""
        try:
            self._work.source.close()
        except Exception as error:  # noqa: BLE001 - whatever a source raises is the batch's to report
            self._source_failed(error)

    async def _run_workers(self) -> None:
        source, total = self._work.source, self._work.source.total
        places = self._work.max_concurrent if total is None else min(total, self._work.max_concurrent)
        async with unseen_nursery() as beside:
            ticking = trio.CancelScope()
            if self._events.wants_ticks:
                beside.start_soon(self._tick, ticking)
            if isinstance(source, AsyncSource):
                beside.start_soon(source.feed, self._begin, self._source_failed)
            async with unseen_nursery(self._scope) as workers:
                for _ in range(places):
                    workers.start_soon(self._worker, workers)
            ticking.cancel()
            if isinstance(source, AsyncSource):
                source.close()

    async def _tick(self, ticking: trio.CancelScope) -> None:
        with ticking:
            while True:
                await trio.sleep(PROGRESS_EVERY_S)
                self._events.progress(self._tally, trio.current_time() - self._begun)

    def _source_failed(self, error: Exception) -> None:
        self.source_error = error
        self._drained = True

    def _begin(self, item: Any) -> Pulled:
        """Make a task of `item`, which was pulled."""
        try:
            agent, agent_id, data = self._work.pairs.split(item)
        except Exception as error:  # noqa: BLE001 - a pair that cannot even be looked at is its task's error
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
            item = self._pull_in(next, source.iterator, _END)
        except Exception as error:  # noqa: BLE001 - whatever a source raises is the batch's to report
            self._source_failed(error)
            return None
        if item is _END:
            source.ended = True
            return None
        return self._begin(item)

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
        source, permits, turn, plain = self._work.source, self._work.permits, self._turn, self._plain
        current_time = current_clock().current_time
        with Permit(permits) as permit:
            while True:
                if perf_counter() >= turn.ends:
                    permit.give_back()
                    await turn.rest()
                # An agent may have ended in spite of a cancellation; the next task must not begin.
                await checkpoint_if_cancelled()
                pulled = await self._take(source, permit) if isinstance(source, AsyncSource) else self._pull()
                if pulled is None:
                    return
                task, agent, data = pulled
                if permits.waiting:
                    permit.give_back()
                if not permit.held:
                    await permit.take()
                running_task.set(task)
                context = copy_context()
                begun = current_time()
                task.queued_s = begun - self._begun
                self._events.task_start(task)
                try:
                    task.result = await (agent.process(data) if plain else self._call(agent, data, task))
                    # No checkpoint until it is kept: a finished result is never thrown away.
                    task.status = TaskStatus.SUCCESS
                except Exception as error:  # noqa: BLE001 - an agent's failure is its task's, of whatever class
                    self._fail(task, error)
                except BaseException as error:  # noqa: BLE001 - raised, but for the errors beside it
                    task.status = TaskStatus.CANCELLED
                    raise what_stops(task, error) from error.__cause__  # noqa: ASYNC104 - it is, alone
                finally:
                    task.duration_s = current_time() - begun
                    self._end(task)
                if self._deliver is not None:
                    permit.give_back()
                    await self._deliver(task)
                # If the agent set a context variable, the next task needs a Trio task that begins with the caller's.
                if not same_variables(copy_context(), context):
                    self._context.run(workers.start_soon, self._worker, workers)
                    return

    async def _call(self, agent: Any, data: Any, task: TaskResult[Any]) -> Any:
        """Call `agent` under its time limit and with the journal, where there are such."""
        journal, make_key = self._work.journal, self._work.key
        if make_key is not None:
            task.key = check_id(str(make_key(data)), "key")
        if journal is None:
            return await self._timed(agent, data, task)
        key = str(task.index) if task.key is None else task.key
        if key in self._recorded:
            return self._recorded[key]
        output = await self._timed(agent, data, task)
        # Commit first, deliver second; and what is finished is not thrown away by a cancellation that comes now.
        with trio.CancelScope(shield=True):
            await journal.record(self.identity.batch_id, key, output)
        return output

    async def _timed(self, agent: Any, data: Any, task: TaskResult[Any]) -> Any:
        """Call `agent`, for as long as a task may take."""
        error = None
        timeout = self._work.task_timeout
        scope = trio.CancelScope(deadline=inf if timeout is None else trio.current_time() + timeout)
        try:
            with scope:
                return await agent.process(data)
        except Exception as raised:  # noqa: BLE001 - the agent's, raised again below unless it is the timeout's cause
            error = raised
        if scope.cancelled_caught:
            raise TaskTimeoutError(task.task_id, task.index) from error
        assert error is not None  # noqa: S101 - the call neither returned nor was cancelled
        raise error

    def _fingerprint(self) -> str:
        """Name the work, so that a journal of other work is not taken for its own."""
        total = self._work.source.total
        return f"agent={self._work.pairs.agent_id or '(pairs)'} inputs={'(unknown)' if total is None else total}"

    def _fail(self, task: TaskResult[Any], error: Exception) -> None:
        timed_out = isinstance(error, TaskTimeoutError) and error.task_id == task.task_id
        task.status = TaskStatus.TIMEOUT if timed_out else TaskStatus.ERROR
        task.error = ErrorInfo.of(without_callers(error), timed_out=timed_out)

    def _end(self, task: TaskResult[Any]) -> None:
        self._tally.count(task)
        if self._settle is not None:
            self._settle(task)
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
