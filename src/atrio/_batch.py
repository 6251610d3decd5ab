"""Batches and streams: many inputs, a limit, and exactly one outcome for each input."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, overload

import attrs
import trio
from trio.lowlevel import RunVar

from atrio import _validation as valid
from atrio._agent import Agent
from atrio._batch_results import BatchResult
from atrio._batch_run import BatchRun
from atrio._batch_work import BatchWork, Permits
from atrio._engine import Journal
from atrio._local_engine import LocalEngine
from atrio._outcomes import Outcomes, running_outcomes
from atrio._results import RunStatus
from atrio._source import AsyncSource, Pairs, SyncSource, check_source
from atrio._tasks import TaskResult, TaskStatus, running_task
from atrio.errors import BatchError, NestedBatchError

__all__ = ["BatchConfig", "BatchProcessor"]

In = TypeVar("In")
Out = TypeVar("Out")


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
_LOCAL_ENGINE = LocalEngine()


def _check_not_empty(name: str, inputs: int | None) -> None:
    if inputs == 0:
        raise ValueError(f"batch {name!r} is empty: it needs one input at least")


class BatchProcessor:
    """Runs batches of tasks, at most so many at once, whichever batches they belong to.

    Args:
        config: the limits. That of tasks at once holds across all batches that share the processor.
        engine: where the tasks run. This version knows one place: the Trio loop that the processor is used in.

    Raises:
        TypeError: `config` is no BatchConfig, or `engine` no LocalEngine.
    """

    def __init__(self, config: BatchConfig = _DEFAULT_CONFIG, engine: LocalEngine = _LOCAL_ENGINE) -> None:
        if not isinstance(config, BatchConfig):
            raise TypeError(f"config must be a BatchConfig, not {config!r}: write BatchConfig(max_concurrent=5)")
        if not isinstance(engine, LocalEngine):
            raise TypeError(f"engine must be a LocalEngine, not {engine!r}: this version runs batches nowhere else")
        self.config = config
        # Permits belong to one Trio loop, and a processor may be used in several.
        self._permits_of: RunVar[Permits] = RunVar("atrio_permits")

    @overload
    async def process_batch(
        self,
        pairs: Iterable[tuple[Agent[Any, Out], Any]] | AsyncIterable[tuple[Agent[Any, Out], Any]],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> BatchResult[Out]: ...
    @overload
    async def process_batch(
        self,
        pairs: Iterable[tuple[Callable[[Any], Awaitable[Out]], Any]]
        | AsyncIterable[tuple[Callable[[Any], Awaitable[Out]], Any]],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> BatchResult[Out]: ...
    async def process_batch(
        self,
        pairs: Any,
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> BatchResult[Any]:
        """Run ``(agent, data)`` pairs, and return exactly one outcome for each, in their order.

        Args:
            pairs: any iterable or async iterable. A generator is pulled as places become free.
            name: names the batch in results and events, 1 to 200 characters.
            metadata: the caller's own; copied to the result.
            journal: keeps the outputs, so that a later batch can go on where this one stops.
            key: names an input in the journal, as ``key(data)``; by default its index does.
            resume: the id of the batch to go on with: what the journal has of it is not run again.

        Returns:
            Every outcome. When the batch's time is up it is returned too, with what finished by then.

        Raises:
            ValueError: there are no pairs, or `name` is no string of 1 to 200 characters.
            TypeError: `pairs` cannot be iterated.
            NestedBatchError: this is called in a task that this processor runs.
            BatchError: the iterable raised; its only exception is what that raised, and its `result` has every outcome
                of what was pulled before.
        """
        return await self._collect(pairs, Pairs, name, metadata, journal, key, resume)

    @overload
    async def map(
        self,
        agent: Agent[In, Out],
        inputs: Iterable[In] | AsyncIterable[In],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> BatchResult[Out]: ...
    @overload
    async def map(
        self,
        agent: Callable[[In], Awaitable[Out]],
        inputs: Iterable[In] | AsyncIterable[In],
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> BatchResult[Out]: ...
    async def map(
        self,
        agent: Any,
        inputs: Any,
        *,
        name: str = "batch",
        metadata: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> BatchResult[Any]:
        """Run one agent on many inputs: as :meth:`process_batch`, with that agent in each pair.

        Args:
            agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.
            inputs: any iterable or async iterable of data.
            name: names the batch in results and events, 1 to 200 characters.
            metadata: the caller's own; copied to the result.
            journal: keeps the outputs, so that a later batch can go on where this one stops.
            key: names an input in the journal, as ``key(data)``; by default its index does.
            resume: the id of the batch to go on with: what the journal has of it is not run again.

        Returns:
            Every outcome, in the order of the inputs.

        Raises:
            TypeError: `agent` is no agent, or `inputs` cannot be iterated.
            ValueError: there are no inputs, or `name` is no string of 1 to 200 characters.
            NestedBatchError: this is called in a task that this processor runs.
            BatchError: the iterable raised.
        """
        return await self._collect(inputs, lambda: Pairs(agent), name, metadata, journal, key, resume)

    async def _collect(
        self,
        inputs: Any,
        pairs: Callable[[], Pairs],
        name: str,
        metadata: Mapping[str, Any] | None,
        *durability: Any,
    ) -> BatchResult[Any]:
        try:
            work = self._work(inputs, pairs(), name, *durability)
            _check_not_empty(name, work.source.total)
            own = valid.copied_mapping(metadata, "metadata")
        except Exception:
            await trio.lowlevel.checkpoint()  # noqa: ASYNC120 - a call that is refused is a checkpoint too
            raise
        results: list[TaskResult[Any]] = []
        run = BatchRun(work, results.append)
        await run.execute()
        try:
            while await run.keep_waiting():
                pass
        finally:
            run.close_source()
        if run.source_error is None and run.status is not RunStatus.TIMEOUT:
            _check_not_empty(name, len(results))
        result = BatchResult(
            run.identity.batch_id,
            name,
            tuple(results),
            run.status,
            run.identity.started_at,
            run.duration_s,
            self.config.max_concurrent,
            own,
            run.identity.usage,
        )
        if run.source_error is not None:
            said = f"batch {name!r}: its source raised after {len(results)} inputs"
            raise BatchError(said, [run.source_error], result=result)
        return result

    def stream(
        self,
        pairs: Iterable[tuple[Agent[Any, Out] | Callable[[Any], Awaitable[Out]], Any]]
        | AsyncIterable[tuple[Agent[Any, Out] | Callable[[Any], Awaitable[Out]], Any]],
        *,
        name: str = "batch",
        journal: Journal | None = None,
        key: Callable[[Any], object] | None = None,
        resume: str | None = None,
    ) -> AbstractAsyncContextManager[Outcomes[Out]]:
        """Run ``(agent, data)`` pairs, and give the outcomes as the tasks finish.

        For inputs without end, or too many to keep: no more than ``max_concurrent + 1`` inputs are pulled whose
        outcomes were not taken yet, so a slow consumer holds the source back. Leaving the block cancels what runs and
        closes the source; :meth:`Outcomes.drain` lets it finish instead.

        Args:
            pairs: any iterable or async iterable.
            name: names the batch in events, 1 to 200 characters.
            journal: keeps the outputs, so that a later stream can go on.
            key: names an input in the journal, as ``key(data)``; by default its index does.
            resume: the id of the batch to go on with.

        Raises:
            TypeError: `pairs` cannot be iterated.
            ValueError: `name` is no string of 1 to 200 characters.
            NestedBatchError: this is called in a task that this processor runs.
        """
        return running_outcomes(self._work(pairs, Pairs(), name, journal, key, resume))

    def _work(
        self,
        inputs: Any,
        pairs: Pairs,
        name: str,
        journal: Journal | None,
        key: Callable[[Any], object] | None,
        resume: str | None,
    ) -> BatchWork:
        valid.check_id(name, "name")
        check_source(inputs)
        self._refuse_nested(name)
        if key is not None and not callable(key):
            raise TypeError(f"key must be a function of an input's data, not {key!r}")
        if resume is not None:
            valid.check_id(resume, "resume")
            if journal is None:
                raise ValueError(f"batch {name!r} cannot go on with {resume!r} without a journal: give journal=")
        return BatchWork(
            self,
            self._permits,
            self.config.max_concurrent,
            self.config.timeout,
            self.config.task_timeout,
            AsyncSource(inputs) if hasattr(type(inputs), "__aiter__") else SyncSource(inputs),
            pairs,
            name,
            journal,
            key,
            resume,
        )

    @property
    def _permits(self) -> Permits:
        try:
            return self._permits_of.get()
        except LookupError:
            self._permits_of.set(Permits(trio.CapacityLimiter(self.config.max_concurrent)))
            return self._permits_of.get()

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
