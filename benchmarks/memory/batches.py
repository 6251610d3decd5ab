"""Ways to run a batch of pairs: by hand, by atrio, by the twin; for what they keep, and for how they are cancelled."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import trio

import atrio
from benchmarks.harness.shapes import Batches, Execute, asyncio_run, uvloop_run
from benchmarks.rivals import handwritten_trio
from benchmarks.twin import batch as twin_batch

RUNS = {"asyncio": asyncio_run, "uvloop": uvloop_run}


class PairBatches(Batches):
    """A batch of ``(agent, data)`` pairs, which can be made before anything is measured."""

    def given(self, agent: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        """Return what `running` is given."""
        return [(agent, data) for data in inputs]

    def running(self, agent: Any, places: int) -> Execute:
        """Return, inside the event loop, the function that runs what `given` made."""
        raise NotImplementedError

    def build(self, agent: Any, places: int) -> Execute:
        """Return the function that passes a sequence of inputs through the agent."""
        execute = self.running(agent, places)
        return lambda inputs: execute(self.given(agent, inputs))


class ByHand(PairBatches):
    """The Trio loop that one would write without any library: it needs no pairs, and keeps only outputs."""

    def __init__(self, items: int, places: int) -> None:
        super().__init__(items, places, trio.run, trio.sleep)

    def given(self, agent: Any, inputs: Sequence[Any]) -> Sequence[Any]:  # noqa: ARG002
        """Return the inputs themselves."""
        return inputs

    def running(self, agent: Any, places: int) -> Execute:
        """Return the loop."""
        return partial(handwritten_trio.run_batch, agent, max_concurrent=places)


class ByAtrio(PairBatches):
    """atrio's ``process_batch``, with nobody listening."""

    def __init__(self, items: int, places: int) -> None:
        super().__init__(items, places, trio.run, trio.sleep)

    def running(self, agent: Any, places: int) -> Execute:  # noqa: ARG002
        """Return ``process_batch`` of a processor with so many places."""
        return atrio.BatchProcessor(atrio.BatchConfig(max_concurrent=places)).process_batch

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs, in input order."""
        return result.unwrap()

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return of each item its output or its error."""
        return [each.result if each.error is None else each.error.exception for each in result.results]


class ByTwin(PairBatches):
    """The twin's ``process_batch``, which logs nothing.

    Args:
        items: how many items are timed.
        places: how many run at once.
        loop: whose event loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, items: int, places: int, loop: str = "asyncio") -> None:
        super().__init__(items, places, RUNS[loop])

    def running(self, agent: Any, places: int) -> Execute:  # noqa: ARG002
        """Return ``process_batch`` of a processor with so many places."""
        return twin_batch.BatchProcessor(max_concurrent=places).process_batch

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs, in input order."""
        return result.unwrap()

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return of each item its output or its error."""
        return [each.output if each.error is None else each.error for each in result.results]
