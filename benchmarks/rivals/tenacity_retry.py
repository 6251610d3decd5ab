"""tenacity: ``AsyncRetrying`` around an agent that fails once, three attempts without a wait; on Trio or asyncio.

The retrying object is made once and called with the function, as its documentation does where the function is not one's
own. (The decorator makes a copy of the object for each call, and takes longer.) It has no deadline for an attempt: its
``stop_after_delay`` is looked at between two attempts.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import trio
from tenacity import AsyncRetrying, stop_after_attempt

from benchmarks.harness.shapes import Execute, Pipelines, asyncio_run
from benchmarks.micro.attempting import Attempted

LOOPS = {"trio": (trio.run, trio.sleep), "asyncio": (asyncio_run, asyncio.sleep)}


class Attempt(Attempted, Pipelines):
    """An agent that is tried again.

    Args:
        loop: ``trio`` or ``asyncio``.
    """

    def __init__(self, loop: str = "trio") -> None:
        super().__init__(1, *LOOPS[loop])

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:  # noqa: ARG002 - it has no deadlines
        """Return what tries one agent after the other."""
        retrying = AsyncRetrying(stop=stop_after_attempt(3), reraise=True)

        async def execute(data: Any) -> Any:
            for agent in agents:
                data = await retrying(agent.process, data)
            return data

        return execute
