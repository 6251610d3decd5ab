"""The asyncio twin's batch: on asyncio and on uvloop, quiet and logging."""

import asyncio
import io
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, BinaryIO

from benchmarks.batch.probed import DeadlineProbed
from benchmarks.expected_lines import TaskLines, lines_in
from benchmarks.harness.agents import NoOp
from benchmarks.harness.shapes import Batches, Execute, asyncio_run, uvloop_run
from benchmarks.twin.batch import BatchProcessor
from benchmarks.twin.events import batch_log
from benchmarks.twin.logs import logging_to, silenced
from benchmarks.twin.stage import call_by_timeout, call_by_wait_for

LOOPS = {"asyncio": asyncio_run, "uvloop": uvloop_run}
CALLS = {"wait_for": call_by_wait_for, "timeout": call_by_timeout}


class Twin(DeadlineProbed, Batches):
    """The twin's batch, with nobody listening.

    Args:
        items: how many items are timed.
        places: how many run at once.
        sleeps_s: what items sleep, in turn.
        loop: the event loop: ``asyncio`` or ``uvloop``.
        timeout_s: seconds for each item, or None.
        call: how an item gets its deadline: by ``asyncio.wait_for``, or by ``asyncio.timeout``.
    """

    def __init__(
        self,
        items: int,
        places: int,
        sleeps_s: Sequence[float] = (),
        loop: str = "asyncio",
        timeout_s: float | None = None,
        call: str = "wait_for",
    ) -> None:
        super().__init__(items, places, LOOPS[loop], asyncio.sleep, sleeps_s)
        self.timeout_s = timeout_s
        self._call = CALLS[call]

    def build(self, agent: Any, places: int) -> Execute:
        """Return ``map`` of a processor."""
        processor = BatchProcessor(max_concurrent=places, task_timeout=self.timeout_s, call=self._call)
        return partial(processor.map, agent)

    def listening(self) -> AbstractContextManager[Any]:
        """Log nothing."""
        return silenced()

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs in input order."""
        return result.unwrap()

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return, of each item, its output or its error."""
        return [each.output if each.error is None else each.error for each in result.results]

    def probe_events(self) -> int:
        """Return how many ends of tasks are logged for whoever wants them."""
        heard = io.BytesIO()

        async def main() -> None:
            with self.listening(), logging_to(heard, batch_log, logging.DEBUG):
                await self.build(NoOp(), 2)([0, 1, 2])

        self.run(main)
        return len(lines_in(heard.getvalue(), "task.end"))


class TwinLines(TaskLines, Twin):
    """The twin's batch; each end of a task becomes a line of JSON through ``logging``."""

    def writing_to(self, file: BinaryIO) -> AbstractContextManager[Any]:
        """Return the context in which the batch's events go to the file."""
        return logging_to(file, batch_log, logging.DEBUG)
