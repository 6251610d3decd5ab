"""A guarded call: the shape of all programs that call one agent through something. Only the standard library here."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import repeat
from time import perf_counter, process_time
from typing import Any

from benchmarks.harness.agents import DATA, Marking, NoOp, Sleep
from benchmarks.harness.programs import Cost
from benchmarks.harness.shapes import Run, asyncio_run

Call = Callable[[Any], Awaitable[Any]]

MEMBERS = 3
INPUTS = tuple(f"input {index}" for index in range(2 * MEMBERS))
ANSWER = [[f"{data} 1" for data in INPUTS], len(INPUTS)]
PLENTY = 1e9  # tokens a second: more than anything here can take

# Calls that all fail: any breaker opens before so many.
FAILING_CALLS = 30
# So many calls at this rate, whatever may be taken at once: a second's tokens are more than some libraries begin with.
RATE, PACED_CALLS, PACED_S = 20.0, 24, 0.1


class _Broken:
    """Never works, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def process(self, data: Any) -> Any:
        self.calls += 1
        raise OSError(data)


class Calls:
    """One agent, or the first free of several, called again and again. A program overrides `build`.

    Nothing is ever refused, waited for or failed where it is timed: breakers are closed, limiters have tokens.

    Args:
        run: runs an async function under the event loop.
        sleep: how an agent waits under that event loop.
    """

    def __init__(self, run: Run = asyncio_run, sleep: Sleep = asyncio.sleep) -> None:
        self.run = run
        self.sleep = sleep

    async def build(self, agents: Sequence[Any], rate: float = PLENTY) -> Call:
        """Return, inside the event loop, the async function that calls one of the agents.

        Whoever claims ``rate`` lets no more than so many calls a second through.
        """
        raise NotImplementedError

    def answer(self) -> Any:
        """Return what some calls return, one after the other, and how often agents were called."""
        agents = [Marking(1) for _ in range(MEMBERS)]

        async def main() -> list[Any]:
            call = await self.build(agents)
            return [await call(data) for data in INPUTS]

        return [self.run(main), sum(agent.calls for agent in agents)]

    def time(self, loops: int) -> Cost:
        """Make so many calls, one after the other."""
        agents = [NoOp() for _ in range(MEMBERS)]

        async def main() -> Cost:
            call = await self.build(agents)
            await call(DATA)
            cpu_began, wall_began = process_time(), perf_counter()
            for _ in repeat(None, loops):
                await call(DATA)
            return Cost(process_time() - cpu_began, perf_counter() - wall_began)

        gc.collect()
        return self.run(main)

    def probe_breaker(self) -> str:
        """Return whether an agent that always fails is called for some of the calls only."""
        agent = _Broken()

        async def main() -> int:
            call = await self.build([agent])
            returned = 0
            for _ in range(FAILING_CALLS):
                with suppress(Exception):  # each library refuses with an exception of its own
                    await call(DATA)
                    returned += 1
            return returned

        returned = self.run(main)
        if returned or not 0 < agent.calls < FAILING_CALLS:
            return f"{agent.calls} of {FAILING_CALLS} calls reached the agent, {returned} returned"
        return "left alone"

    def probe_rate(self) -> str:
        """Return whether calls take as long as their rate demands, whatever may be taken at once at the beginning."""
        agent = NoOp()

        async def main() -> float:
            call = await self.build([agent], RATE)
            began = perf_counter()
            for _ in range(PACED_CALLS):
                await call(DATA)
            return perf_counter() - began

        took_s = self.run(main)
        return "paced" if took_s >= PACED_S else f"{PACED_CALLS} calls took {took_s:.3f} s"
