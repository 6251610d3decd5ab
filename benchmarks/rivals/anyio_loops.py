"""anyio: the hand-written loops in the terms of anyio, which run on Trio, on asyncio and on uvloop.

The pipeline has ``fail_after`` and a checkpoint a stage. There are two batches. One is that of anyio's documentation, a
task per item in a task group and a ``CapacityLimiter`` that lets so many of them work at once; the other is the
hand-written one, so many workers that share one iterator.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from benchmarks.harness.shapes import Batches, Execute, Pipelines

BACKENDS: dict[str, dict[str, Any]] = {
    "trio": {"backend": "trio"},
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
}


def run_on(loop: str) -> Callable[..., Any]:
    """Return what runs an async function on ``trio``, ``asyncio`` or ``uvloop``."""
    return partial(anyio.run, **BACKENDS[loop])


class Pipeline(Pipelines):
    """Agents one after the other, each within a minute.

    Args:
        stages: how many agents are timed.
        loop: ``trio``, ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str) -> None:
        super().__init__(stages, run_on(loop), anyio.sleep)

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return the loop over the agents."""

        async def execute(x: Any) -> Any:
            for agent in agents:
                with anyio.fail_after(timeout_s):
                    x = await agent.process(x)
                await checkpoint()
            return x

        return execute


async def limited(agent: Any, places: int, inputs: Sequence[Any]) -> list[Any]:
    """Start a task per input, so many of them within a limiter; outputs in input order."""
    limiter = anyio.CapacityLimiter(places)
    outputs: list[Any] = [None] * len(inputs)

    async def task(index: int, x: Any) -> None:
        async with limiter:
            outputs[index] = await agent.process(x)

    async with anyio.create_task_group() as group:
        for index, x in enumerate(inputs):
            group.start_soon(task, index, x)
    return outputs


async def shared(agent: Any, places: int, inputs: Sequence[Any]) -> list[Any]:
    """Start so many workers that take the next input each; outputs in input order."""
    outputs: list[Any] = [None] * len(inputs)
    source = enumerate(inputs)

    async def worker() -> None:
        for index, x in source:
            outputs[index] = await agent.process(x)
            await checkpoint()

    async with anyio.create_task_group() as group:
        for _ in range(places):
            group.start_soon(worker)
    return outputs


WAYS = {"limiter": limited, "workers": shared}


class Batch(Batches):
    """An agent over many items.

    Args:
        items: how many items are timed.
        places: how many run at once.
        loop: ``trio``, ``asyncio`` or ``uvloop``.
        way: ``limiter``, a task an item, or ``workers``.
    """

    def __init__(self, items: int, places: int, loop: str, way: str) -> None:
        super().__init__(items, places, run_on(loop), anyio.sleep)
        self.way = WAYS[way]

    def build(self, agent: Any, places: int) -> Execute:
        """Return the function that passes inputs through the agent."""
        return partial(self.way, agent, places)
