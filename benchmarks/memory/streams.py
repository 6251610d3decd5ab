"""How large a process gets that takes the outcomes of a stream as they come: only what it needs is imported here."""

import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

import atrio
from benchmarks.harness.agents import NoOp
from benchmarks.harness.shapes import Batches, Execute

PLACES = 50


def largest_mb() -> float:
    """Return the largest size that this process had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss there: that begins with the size of the process which started this one.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 2**20 if sys.platform == "darwin" else largest / 1024


class Streamed(Batches):
    """atrio's ``stream`` of a generator, whose outcomes are taken and let go.

    Args:
        items: how many come by.
    """

    def __init__(self, items: int) -> None:
        super().__init__(items, PLACES, trio.run, trio.sleep)

    def build(self, agent: Any, places: int) -> Execute:
        """Return a function that keeps all outcomes, for the answer and the probes."""
        processor = self._processor(places)

        async def execute(inputs: Sequence[Any]) -> list[Any]:
            async with processor.stream((agent, data) for data in inputs) as outcomes:
                return [outcome async for outcome in outcomes]

        return execute

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs in the order in which they came."""
        return [outcome.result for outcome in result]

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return of each item its output or its error."""
        return [each.result if each.error is None else each.error.exception for each in result]

    def figures(self) -> dict[str, float]:
        """Return the largest size of the whole process once all items came by.

        Raises:
            RuntimeError: items were lost.
        """
        taken = trio.run(self._taken)
        if taken != self.items:
            raise RuntimeError(f"{taken} of {self.items} items came out of the stream")
        return {"largest_mb": largest_mb()}

    async def _taken(self) -> int:
        agent, taken = NoOp(), 0
        async with self._processor(self.places).stream((agent, index) for index in range(self.items)) as outcomes:
            async for outcome in outcomes:
                taken += outcome.status == "success"
        return taken

    @staticmethod
    def _processor(places: int) -> atrio.BatchProcessor:
        return atrio.BatchProcessor(atrio.BatchConfig(max_concurrent=places, timeout=None))
