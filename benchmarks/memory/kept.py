"""What a batch keeps: the bytes that Python allocated between before it and after it, its result alive.

Inputs are made beforehand, and the agent returns what it was given, so that neither they nor outputs cost anything.
"""

import gc
import tracemalloc
from typing import Any

from benchmarks.harness.agents import NoOp
from benchmarks.memory.batches import ByAtrio, ByHand, ByTwin, PairBatches

PLACES = 50


class Kept:
    """The bytes an item of one batch.

    Args:
        batches: how it is run; its probes are this program's.
    """

    def __init__(self, batches: PairBatches) -> None:
        self._batches = batches

    def __getattr__(self, name: str) -> Any:
        """Return a probe of the batch's."""
        if not name.startswith("probe_"):
            raise AttributeError(name)
        return getattr(self._batches, name)

    def answer(self) -> Any:
        """Return what `Batches.answer` does."""
        return self._batches.answer()

    def figures(self) -> dict[str, float]:
        """Return the bytes an item that are there after the batch, and the most that were there during it.

        Raises:
            RuntimeError: outputs are not the inputs.
        """
        batches, agent = self._batches, NoOp()
        items, places = batches.items, batches.places
        batches.once(agent, [0], places)
        inputs = list(range(items))
        given = batches.given(agent, inputs)

        async def main() -> Any:
            return await batches.running(agent, places)(given)

        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        result = batches.run(main)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        if batches.outputs_of(result) != inputs:
            raise RuntimeError("the batch gave other outputs")
        return {"kept_bytes": (after - before) / items, "peak_bytes": (peak - before) / items}


def by_hand(items: int) -> Kept:
    """Return what the hand-written loop keeps."""
    return Kept(ByHand(items, PLACES))


def by_atrio(items: int) -> Kept:
    """Return what atrio keeps."""
    return Kept(ByAtrio(items, PLACES))


def by_twin(items: int) -> Kept:
    """Return what the twin keeps."""
    return Kept(ByTwin(items, PLACES))
