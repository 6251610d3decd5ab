"""The hand-written Trio loops: what a user would write without any library.

They are the yardstick of the speed targets, so they stay as they are: a deadline and a checkpoint per stage, nothing
kept, nothing logged, nothing retried.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import trio

STAGE_TIMEOUT_S = 60


class Agent(Protocol):
    """Anything with an async ``process``."""

    process: Callable[[Any], Awaitable[Any]]


# --- The pipeline loop ---


async def run_pipeline(agents: Sequence[Agent], x: Any) -> Any:
    """Pass ``x`` through the agents, each within a minute."""
    for agent in agents:
        with trio.fail_after(STAGE_TIMEOUT_S):
            x = await agent.process(x)
        # Outside the deadline: a checkpoint inside could throw away what the agent has already returned.
        await trio.lowlevel.checkpoint()
    return x


# --- The batch loop ---


async def run_batch(agent: Agent, inputs: Iterable[Any], max_concurrent: int) -> list[Any]:
    """Pass every input through the agent, ``max_concurrent`` at a time; outputs in input order."""
    outputs: dict[int, Any] = {}
    source = enumerate(inputs)

    async def worker() -> None:
        for index, x in source:
            outputs[index] = await agent.process(x)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(max_concurrent):
            nursery.start_soon(worker)
    return [outputs[index] for index in range(len(outputs))]
