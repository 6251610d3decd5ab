"""stamina: its decorator around an agent that fails once, three attempts without a wait; on Trio or asyncio.

Agents are decorated once (its ``AsyncRetryingCaller`` takes longer). Its hooks, which log each retry if nothing else is
said, are off: nobody listens to the others either. Its ``timeout`` ends the retries, it does not cut an attempt off.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import stamina
import trio

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

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return what tries one agent after the other."""
        stamina.instrumentation.set_on_retry_hooks([])
        retry = stamina.retry(on=Exception, attempts=3, timeout=timeout_s, wait_initial=0, wait_max=0, wait_jitter=0)
        stages = [retry(agent.process) for agent in agents]

        async def execute(data: Any) -> Any:
            for stage in stages:
                data = await stage(data)
            return data

        return execute
