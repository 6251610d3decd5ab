"""The hand-written asyncio loops: the hand-written Trio loops, in asyncio's terms.

A deadline and a turn for others per stage, a task group of workers that share one iterator; nothing kept, nothing
logged, nothing retried. On asyncio's own event loop, or on uvloop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from benchmarks.harness.shapes import Batches, Execute, Pipelines
from benchmarks.rivals.loops import RUNS

STAGE_TIMEOUT_S = 60


class Agent(Protocol):
    """Anything with an async ``process``."""

    process: Callable[[Any], Awaitable[Any]]


# --- The loops ---


async def run_pipeline(agents: Sequence[Agent], x: Any, timeout_s: float = STAGE_TIMEOUT_S) -> Any:
    """Pass ``x`` through the agents, each within a minute."""
    for agent in agents:
        async with asyncio.timeout(timeout_s):
            x = await agent.process(x)
        # asyncio's shortest way to let others run, outside the deadline as in the Trio loop.
        await asyncio.sleep(0)
    return x


async def run_unyielding(agents: Sequence[Agent], x: Any, timeout_s: float = STAGE_TIMEOUT_S) -> Any:
    """Pass ``x`` through the agents, each within a minute, and let nobody else run in between: less than atrio does."""
    for agent in agents:
        async with asyncio.timeout(timeout_s):
            x = await agent.process(x)
    return x


async def run_batch(agent: Agent, inputs: Iterable[Any], max_concurrent: int) -> list[Any]:
    """Pass every input through the agent, ``max_concurrent`` at a time; outputs in input order."""
    outputs: dict[int, Any] = {}
    source = enumerate(inputs)

    async def worker() -> None:
        for index, x in source:
            outputs[index] = await agent.process(x)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(max_concurrent):
            group.create_task(worker())
    return [outputs[index] for index in range(len(outputs))]


# --- As programs ---


class Pipeline(Pipelines):
    """The loop over agents.

    Args:
        stages: how many agents are timed.
        loop: ``asyncio`` or ``uvloop``.
        yields: whether others may run after each stage.
    """

    def __init__(self, stages: int, loop: str = "asyncio", *, yields: bool = True) -> None:
        super().__init__(stages, RUNS[loop])
        self._loop = run_pipeline if yields else run_unyielding

    def build(self, agents: Sequence[Any], timeout_s: float = STAGE_TIMEOUT_S) -> Execute:
        """Return the loop."""
        return partial(self._loop, agents, timeout_s=timeout_s)


class Batch(Batches):
    """The loop over items.

    Args:
        items: how many items are timed.
        places: how many run at once.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, items: int, places: int, loop: str = "asyncio") -> None:
        super().__init__(items, places, RUNS[loop])

    def build(self, agent: Any, places: int) -> Execute:
        """Return the loop."""
        return partial(run_batch, agent, max_concurrent=places)
