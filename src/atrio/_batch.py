"""Batches and streams: many inputs, a limit, and exactly one outcome for each input."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, Self, TypeVar, overload

import attrs
import trio

from atrio import _validation as valid
from atrio._agent import Agent
from atrio._batch_results import BatchResult
from atrio._batch_run import BatchRun, BatchWork
from atrio._nurseries import unseen_nursery
from atrio._results import RunStatus
from atrio._source import AsyncSource, Pairs, SyncSource, check_source
from atrio._tasks import TaskResult, TaskStatus, running_task
from atrio.errors import BatchError, NestedBatchError

__all__ = ["BatchConfig", "BatchProcessor", "Outcomes"]

In = TypeVar("In")
Out = TypeVar("Out")
T = TypeVar("T")


@attrs.frozen
class BatchConfig:
    """The limits of a batch.

    Args:
        max_concurrent: how many tasks run at once at most; at least 1.
        timeout: seconds for a whole batch, above 0, or None for no limit.
        task_timeout: seconds for each task, from its own start, above 0, or None for no limit.

    Raises:
        TypeError: an argument is of the wrong type: a bool or a string for a number.
        ValueError: a number is out of its range, infinite or NaN.
    """

    max_concurrent: int = attrs.field(default=5, validator=valid.count)
    timeout: float | None = attrs.field(default=300.0, validator=valid.seconds)
    task_timeout: float | None = attrs.field(default=None, validator=valid.seconds)


_DEFAULT_CONFIG = BatchConfig()


class Outcomes(Generic[Out]):
    """The outcomes of a stream as its tasks finish; made by :meth:`BatchProcessor.stream`."""

    def __init__(self, work: BatchWork) -> None:
        self._send, self._receive = trio.open_memory_channel[TaskResult[Out]](0)
        self._undelivered: dict[int, TaskResult[Out]] = {}
        self._left: deque[TaskResult[Out]] = deque()
        self._run = BatchRun(work, self._keep, self._deliver)
        self._error_raised = False

    @property
    def batch_id(self) -> str:
        """The batch's id, 32 hexadecimal digits."""
        return self._run.identity.batch_id

    @property
    def status(self) -> RunStatus:
        """How the batch stands: RUNNING, and once it ended what :attr:`BatchResult.status` would say."""
        return self._run.status

    def drain(self) -> None:
        """Pull no more inputs. What runs finishes, and its outcomes still come."""
        self._run.drain()

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
            if self._left:
                return self._left.popleft()
            self._raise_source_error()
            raise StopAsyncIteration from None

    def _raise_source_error(self) -> None:
        error = self._run.source_error
        if error is not None and not self._error_raised:
            self._error_raised = True
            raise error

    def _keep(self, task: TaskResult[Out]) -> None:
        self._undelivered[task.index] = task

    async def _deliver(self, task: TaskResult[Out]) -> None:
        await self._send.send(task)
        del self._undelivered[task.index]

    async def _produce(self) -> None:
        async with self._send:
            await self._run.execute()
            # What was stopped, or finished as the time was up, could not be sent any more.
            self._left.extend(self._undelivered.values())

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
            raise BaseExceptionGroup("a stream was left, and its end failed", [left_with, error]) from None
        if left_with is not None:
            raise left_with
        self._raise_source_error()


class BatchProcessor:
    """Runs batches of tasks, at most so many at once, whichever batches they belong to.

    Args:
        config: the limits. That of tasks at once holds across all batches that share the processor.

    Raises:
        TypeError: `config` is no BatchConfig.
    """

    def __init__(self, config: BatchConfig = _DEFAULT_CONFIG) -> None:
        if not isinstance(config, BatchConfig):
            raise TypeError(f"config must be a BatchConfig, not {config!r}: write BatchConfig(max_concurrent=5)")
        self.config = config
        self._limiter = trio.CapacityLimiter(config.max_concurrent)

    @overload
    async def process_batch(
        self,
        pairs: Iterable[tuple[Agent[Any, Out], Any]] | AsyncIterable[tuple[Agent[Any, Out], Any]],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchResult[Out]: ...
    @overload
    async def process_batch(
        self,
        pairs: Iterable[tuple[Callable[[Any], Awaitable[Out]], Any]]
        | AsyncIterable[tuple[Callable[[Any], Awaitable[Out]], Any]],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchResult[Out]: ...
    async def process_batch(
        self, pairs: Any, *, name: str = "batch", metadata: Mapping[str, Any] | None = None
    ) -> BatchResult[Any]:
        """Run ``(agent, data)`` pairs, and return exactly one outcome for each, in their order.

        Args:
            pairs: any iterable or async iterable. A generator is pulled as places become free.
            name: names the batch in results and events, 1 to 200 characters.
            metadata: the caller's own; copied to the result.

        Returns:
            Every outcome. When the batch's time is up it is returned too, with what finished by then.

        Raises:
            ValueError: there are no pairs, or `name` is no string of 1 to 200 characters.
            TypeError: `pairs` cannot be iterated.
            NestedBatchError: this is called in a task that this processor runs.
            BatchError: the iterable raised; its only exception is what that raised, and its `result` has every outcome
                of what was pulled before.
        """
        return await self._collect(pairs, Pairs(), name, metadata, "pairs")

    @overload
    async def map(
        self,
        agent: Agent[In, Out],
        inputs: Iterable[In] | AsyncIterable[In],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchResult[Out]: ...
    @overload
    async def map(
        self,
        agent: Callable[[In], Awaitable[Out]],
        inputs: Iterable[In] | AsyncIterable[In],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchResult[Out]: ...
    async def map(
        self, agent: Any, inputs: Any, *, name: str = "batch", metadata: Mapping[str, Any] | None = None
    ) -> BatchResult[Any]:
        """Run one agent on many inputs: as :meth:`process_batch`, with that agent in each pair.

        Args:
            agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.
            inputs: any iterable or async iterable of data.
            name: names the batch in results and events, 1 to 200 characters.
            metadata: the caller's own; copied to the result.

        Returns:
            Every outcome, in the order of the inputs.

        Raises:
            TypeError: `agent` is no agent, or `inputs` cannot be iterated.
            ValueError: there are no inputs, or `name` is no string of 1 to 200 characters.
            NestedBatchError: this is called in a task that this processor runs.
            BatchError: the iterable raised.
        """
        return await self._collect(inputs, Pairs(agent), name, metadata, "inputs")

    async def _collect(
        self, inputs: Any, pairs: Pairs, name: str, metadata: Mapping[str, Any] | None, what: str
    ) -> BatchResult[Any]:
        work = self._work(inputs, pairs, name, what)
        if work.source.total == 0:
            raise ValueError(f"batch {name!r} is empty: {what} must give one input at least")
        results: list[TaskResult[Any]] = []
        run = BatchRun(work, results.append)
        await run.execute()
        if not results and run.source_error is None and run.status is not RunStatus.TIMEOUT:
            raise ValueError(f"batch {name!r} is empty: {what} gave no input")
        result = BatchResult(
            run.identity.batch_id,
            name,
            tuple(results),
            run.status,
            run.identity.started_at,
            run.duration_s,
            self.config.max_concurrent,
            {} if metadata is None else dict(metadata),
        )
        if run.source_error is not None:
            said = f"batch {name!r}: its source raised after {len(results)} inputs"
            raise BatchError(said, [run.source_error], result=result)
        return result

    @asynccontextmanager
    async def stream(
        self,
        pairs: Iterable[tuple[Agent[Any, Out] | Callable[[Any], Awaitable[Out]], Any]]
        | AsyncIterable[tuple[Agent[Any, Out] | Callable[[Any], Awaitable[Out]], Any]],
        *,
        name: str = "batch",
    ) -> AsyncGenerator[Outcomes[Out]]:
        """Run ``(agent, data)`` pairs, and give the outcomes as the tasks finish.

        For inputs without end, or too many to keep: no more than ``max_concurrent + 1`` inputs are pulled whose
        outcomes were not taken yet, so a slow consumer holds the source back. Leaving the block cancels what runs and
        closes the source; :meth:`Outcomes.drain` lets it finish instead.

        Args:
            pairs: any iterable or async iterable.
            name: names the batch in events, 1 to 200 characters.

        Raises:
            TypeError: `pairs` cannot be iterated.
            ValueError: `name` is no string of 1 to 200 characters.
            NestedBatchError: this is called in a task that this processor runs.
        """
        outcomes: Outcomes[Out] = Outcomes(self._work(pairs, Pairs(), name, "pairs"))
        async with outcomes._running():
            yield outcomes

    def _work(self, inputs: Any, pairs: Pairs, name: str, what: str) -> BatchWork:
        valid.check_id(name, "name")
        check_source(inputs, what)
        self._refuse_nested(name)
        return BatchWork(
            self,
            self._limiter,
            self.config.max_concurrent,
            self.config.timeout,
            self.config.task_timeout,
            AsyncSource(inputs) if hasattr(type(inputs), "__aiter__") else SyncSource(inputs),
            pairs,
            name,
        )

    def _refuse_nested(self, name: str) -> None:
        task = running_task.get()
        while task is not None:
            # A background task may outlive the task that began it, and then waits for nobody.
            if task.batch.owner is self and task.status is TaskStatus.NOT_STARTED:
                raise NestedBatchError(
                    f"batch {name!r} was begun in a task of the same processor, and would wait for the place of the "
                    f"task that waits for it: give it a BatchProcessor of its own"
                )
            task = task.batch.task
