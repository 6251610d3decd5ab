"""The twin's batch: a task per item, a semaphore, ``asyncio.as_completed``."""

import asyncio
import logging
from asyncio import CancelledError, Task
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from time import perf_counter
from typing import Any

from benchmarks.twin.events import batch_log, error_fields
from benchmarks.twin.logs import log_event
from benchmarks.twin.records import RunStatus, current_run, current_task_id, new_run_id
from benchmarks.twin.stage import Call, agent_id_of, call_by_wait_for, process_of


class TaskStatus(StrEnum):
    """How a task ended."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"


@dataclass(slots=True)
class TaskResult:
    """What happened to one item."""

    index: int
    task_id: str
    agent_id: str
    status: TaskStatus
    output: Any
    error: BaseException | None
    started_at: datetime | None
    queued_s: float
    duration_s: float


@dataclass(slots=True)
class BatchResult:
    """What happened to all items, in input order."""

    batch_id: str
    name: str
    results: tuple[TaskResult, ...]
    status: RunStatus
    started_at: datetime
    duration_s: float
    max_concurrent: int

    @property
    def counts(self) -> Counter[TaskStatus]:
        """How many tasks ended in which way."""
        return Counter(result.status for result in self.results)

    @property
    def concurrency_used(self) -> int:
        """How many tasks may have run at once."""
        return min(len(self.results), self.max_concurrent)

    @property
    def throughput_per_s(self) -> float:
        """Successful tasks a second."""
        return self.counts[TaskStatus.SUCCESS] / self.duration_s if self.duration_s else 0.0

    @property
    def efficiency(self) -> float:
        """The share of the slots' time that tasks used, 0 to 1."""
        slots_s = self.duration_s * self.concurrency_used
        return min(1.0, sum(result.duration_s for result in self.results) / slots_s) if slots_s else 0.0

    @property
    def p95_task_time_s(self) -> float:
        """The duration that 95 of 100 tasks did not exceed."""
        durations = sorted(result.duration_s for result in self.results)
        return durations[max(0, -(-95 * len(durations) // 100) - 1)]

    def unwrap(self) -> list[Any]:
        """Return the outputs in input order, or raise the tasks' errors."""
        errors = [error for error in map(_error_of, self.results) if error is not None]
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(self.results)} tasks of batch {self.name!r} failed", errors)
        return [result.output for result in self.results]


def _error_of(result: TaskResult) -> Exception | None:
    if result.status is TaskStatus.SUCCESS:
        return None
    if isinstance(result.error, Exception):
        return result.error
    return RuntimeError(f"task {result.task_id} ended as {result.status}")


class BatchProcessor:
    """Run agents over many items, a limited number at a time; the limit holds across its batches."""

    def __init__(
        self,
        *,
        max_concurrent: int = 5,
        timeout: float | None = 300.0,
        task_timeout: float | None = None,
        call: Call = call_by_wait_for,
    ) -> None:
        self.max_concurrent = max_concurrent
        self.timeout = timeout
        self.task_timeout = task_timeout
        self._call = call
        self._semaphore = asyncio.Semaphore(max_concurrent)

    async def map(self, agent: Any, inputs: Iterable[Any], *, name: str = "batch") -> BatchResult:
        """Run one agent over the inputs."""
        return await self.process_batch(((agent, data) for data in inputs), name=name)

    async def process_batch(self, pairs: Iterable[tuple[Any, Any]], *, name: str = "batch") -> BatchResult:
        """Run every (agent, data) pair; a task's failure is part of the result."""
        batch = _Batch(name, self.max_concurrent)
        tasks = [asyncio.create_task(self._run_task(batch, batch.add(agent), agent, data)) for agent, data in pairs]
        if not tasks:
            raise ValueError("a batch needs at least one task")
        batch.log_start()
        try:
            await self._collect(batch, tasks)
        except CancelledError:
            batch.end(RunStatus.CANCELLED)
            raise
        return batch.end(batch.status())

    async def _collect(self, batch: "_Batch", tasks: list[Task[None]]) -> None:
        try:
            for finished in asyncio.as_completed(tasks, timeout=self.timeout):
                await finished
                batch.progress()
        except TimeoutError:  # only as_completed raises it: what an agent raises is in its task's record
            batch.timed_out = True
        finally:
            unfinished = [task for task in tasks if not task.done()]
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished)

    async def _run_task(self, batch: "_Batch", result: TaskResult, agent: Any, data: Any) -> None:
        async with self._semaphore:
            result.started_at, began = datetime.now(UTC), perf_counter()
            result.queued_s = began - batch.began
            current_task_id.set(result.task_id)  # the task's own context ends with it: nothing to reset
            try:
                result.output = await self._call(process_of(agent), data, self.task_timeout)
                result.status = TaskStatus.SUCCESS
            except Exception as error:  # noqa: BLE001 - an agent may raise what it likes
                result.status, result.error = TaskStatus.ERROR, error
            except CancelledError:
                result.status = TaskStatus.TIMEOUT if batch.timed_out else TaskStatus.CANCELLED
                raise
            finally:
                result.duration_s = perf_counter() - began
                batch.end_task(result)


class _Batch:
    """One batch as it runs."""

    def __init__(self, name: str, max_concurrent: int) -> None:
        self.name = name
        self.batch_id = new_run_id()
        parent, task_id = current_run.get(), current_task_id.get()
        self.parent_run_id = None if parent is None else parent.run_id
        self.parent_stage_id = None if parent is None else parent.stage_id
        self.parent_task_id = task_id
        self.max_concurrent = max_concurrent
        self.results: list[TaskResult] = []
        self.started_at, self.began = datetime.now(UTC), perf_counter()
        self.timed_out = False
        self.completed = self.failed = self.tenths = 0
        self._log_debug = batch_log.isEnabledFor(logging.DEBUG)

    def add(self, agent: Any) -> TaskResult:
        index = len(self.results)
        result = TaskResult(
            index, f"task_{index}", agent_id_of(agent), TaskStatus.NOT_STARTED, None, None, None, 0.0, 0.0
        )
        self.results.append(result)
        return result

    def log_start(self) -> None:
        if batch_log.isEnabledFor(logging.INFO):
            self._log(logging.INFO, "batch.start", total=len(self.results), max_concurrent=self.max_concurrent)

    def progress(self) -> None:
        self.completed += 1
        total = len(self.results)
        tenths = 10 * self.completed // total
        if tenths > self.tenths:
            self.tenths = tenths
            if batch_log.isEnabledFor(logging.INFO):
                self._log(logging.INFO, "batch.progress", completed=self.completed, total=total,
                          failed=self.failed, percent=100 * self.completed / total,
                          elapsed_s=round(perf_counter() - self.began, 6))  # fmt: skip

    def end_task(self, result: TaskResult) -> None:
        self.failed += result.status is not TaskStatus.SUCCESS
        level = logging.ERROR if result.status is TaskStatus.ERROR else logging.DEBUG
        if (self._log_debug or level > logging.DEBUG) and batch_log.isEnabledFor(level):
            # One dict, written out: joining smaller ones costs a tenth of the line.
            fields = {
                "run_id": self.batch_id,
                "parent_run_id": self.parent_run_id,
                "parent_stage_id": self.parent_stage_id,
                "parent_task_id": self.parent_task_id,
                "batch": self.name,
                "task_id": result.task_id,
                "agent_id": result.agent_id,
                "task_index": result.index,
                "status": result.status,
                "queued_s": round(result.queued_s, 6),
                "duration_s": round(result.duration_s, 6),
                "error_type": None,
                "error_message": None,
                "error_stack": None,
            }
            if result.error is not None:
                fields.update(error_fields(result.error))
            log_event(batch_log, level, "task.end", fields)

    def status(self) -> RunStatus:
        total = len(self.results)
        successful = sum(result.status is TaskStatus.SUCCESS for result in self.results)
        if successful == total:
            return RunStatus.SUCCESS
        return RunStatus.DEGRADED if 2 * successful > total else RunStatus.FAILED

    def end(self, status: RunStatus) -> BatchResult:
        result = BatchResult(
            self.batch_id, self.name, tuple(self.results), status, self.started_at,
            perf_counter() - self.began, self.max_concurrent,
        )  # fmt: skip
        level = logging.INFO if status is RunStatus.SUCCESS else logging.WARNING
        if batch_log.isEnabledFor(level):
            counts = result.counts
            self._log(level, "batch.end", status=status, total=len(self.results), successful=counts[TaskStatus.SUCCESS],
                      failed=counts[TaskStatus.ERROR], timed_out=counts[TaskStatus.TIMEOUT],
                      cancelled=counts[TaskStatus.CANCELLED], not_started=counts[TaskStatus.NOT_STARTED],
                      duration_s=round(result.duration_s, 6), throughput_per_s=result.throughput_per_s,
                      efficiency=result.efficiency)  # fmt: skip
        return result

    def _log(self, level: int, event: str, **fields: Any) -> None:
        ids = {
            "run_id": self.batch_id,
            "parent_run_id": self.parent_run_id,
            "parent_stage_id": self.parent_stage_id,
            "parent_task_id": self.parent_task_id,
            "batch": self.name,
        }
        log_event(batch_log, level, event, {**ids, **fields})
