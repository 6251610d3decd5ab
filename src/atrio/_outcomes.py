"""The outcomes of a stream, as its consumer takes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Generic, Self, TypeVar

import trio

from atrio._batch_run import BatchRun
from atrio._batch_work import BatchWork
from atrio._nurseries import unseen_nursery
from atrio._results import RunStatus
from atrio._tasks import TaskResult, TaskStatus
from atrio._usage import Usage

__all__ = ["Outcomes"]

Out = TypeVar("Out")


class Outcomes(Generic[Out]):
    """The outcomes of a stream as its tasks finish; made by :meth:`BatchProcessor.stream`."""

    def __init__(self, work: BatchWork) -> None:
        self._send, self._receive = trio.open_memory_channel[TaskResult[Out]](0)
        # What was pulled and not delivered: what did not end, by when it was pulled, then what ended, by when it did.
        self._undelivered: dict[int, TaskResult[Out]] = {}
        self._run = BatchRun(work, self._keep, self._settle, self._deliver)
        self._error_raised = False

    @property
    def batch_id(self) -> str:
        """The batch's id, 32 hexadecimal digits."""
        return self._run.identity.batch_id

    @property
    def status(self) -> RunStatus:
        """How the batch stands: RUNNING, and once it ended what :attr:`BatchResult.status` would say."""
        return self._run.status

    @property
    def usage(self) -> Usage:
        """What the tasks' calls of language models used so far."""
        return self._run.identity.usage

    def drain(self) -> None:
        """Pull no more inputs. What runs finishes, and its outcomes still come."""
        self._run.drain()

    def cancel(self) -> None:
        """Pull no more inputs, and cancel what runs. What finished still comes, and then what was cancelled."""
        self._run.abort()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TaskResult[Out]:
        """Return the next outcome, in order of completion.

        Raises:
            StopAsyncIteration: there are no more.
            Exception: whatever the source raised, after the last outcome.
        """
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            await trio.lowlevel.checkpoint()
        if self._undelivered or await self._run.keep_waiting():
            return self._undelivered.pop(next(iter(self._undelivered)))
        self._raise_source_error()
        raise StopAsyncIteration

    def _raise_source_error(self) -> None:
        error = self._run.source_error
        if error is not None and not self._error_raised:
            self._error_raised = True
            raise error

    def _keep(self, task: TaskResult[Out]) -> None:
        self._undelivered[task.index] = task

    def _settle(self, task: TaskResult[Out]) -> None:
        self._keep(self._undelivered.pop(task.index))

    async def _deliver(self, task: TaskResult[Out]) -> None:
        await self._send.send(task)
        del self._undelivered[task.index]

    async def _produce(self) -> None:
        with self._send:
            await self._run.execute()
            # What was stopped, or finished as the time was up, could not be sent any more. A stable sort: what ended
            # stays in the order in which it did.
            left = sorted(self._undelivered.values(), key=lambda task: task.status is TaskStatus.NOT_STARTED)
            self._undelivered = {task.index: task for task in left}

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[Self]:
        left_with: Exception | None = None
        try:
            async with unseen_nursery() as nursery:
                nursery.start_soon(self._produce)
                try:
                    yield self
                except Exception as error:  # noqa: BLE001 - raised again below, when all is quiet
                    # Not through the nursery, which would cancel the source's farewell.
                    left_with = error
                finally:
                    self._run.abort()
                    self._receive.close()
        except BaseException as error:
            if left_with is None:
                raise
            both = [left_with, error]
            raise BaseExceptionGroup("a stream was left, and its end failed", both) from None  # noqa: ASYNC104 - in it
        finally:
            self._run.close_source()
        if left_with is not None:
            raise left_with
        self._raise_source_error()


@asynccontextmanager
async def running_outcomes(work: BatchWork) -> AsyncGenerator[Outcomes[Any]]:
    """Run `work` for the time of the block, and give its outcomes."""
    outcomes: Outcomes[Any] = Outcomes(work)
    async with outcomes._running():
        yield outcomes
