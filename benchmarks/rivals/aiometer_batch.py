"""aiometer: many calls at once, no more than so many, on Trio or asyncio.

``run_all`` is its function that returns what the calls returned, in their order; it wants a list of callables without
arguments, which its documentation makes by ``functools.partial``. It has no pipelines, no retries and no deadlines, and
one call that fails ends them all.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import aiometer
import anyio

from benchmarks.harness.shapes import Batches, Execute


class Batch(Batches):
    """``aiometer.run_all`` with ``max_at_once``.

    Args:
        items: how many items are timed.
        places: how many run at once.
        loop: ``trio`` or ``asyncio``.
    """

    def __init__(self, items: int, places: int, loop: str) -> None:
        super().__init__(items, places, partial(anyio.run, backend=loop), anyio.sleep)

    def build(self, agent: Any, places: int) -> Execute:
        """Return the function that makes the list of callables and runs them."""

        async def execute(inputs: Sequence[Any]) -> list[Any]:
            return await aiometer.run_all([partial(agent.process, x) for x in inputs], max_at_once=places)

        return execute
