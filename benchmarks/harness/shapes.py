"""The two shapes that nearly all programs have: agents one after the other, and one agent over many items.

A program says how its library builds such a thing; what is timed, answered and probed is the same for all. Only the
standard library is imported here.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter, process_time
from typing import Any

from benchmarks.harness.agents import DATA, Failing, Marking, NoOp, Refusing, Sleep, Sleeping
from benchmarks.harness.programs import Cost

Execute = Callable[[Any], Awaitable[Any]]
Run = Callable[[Callable[[], Awaitable[Any]]], Any]

# A probe's stage hangs for longer than its deadline, and neither is awaited for long.
DEADLINE_S, HANG_S = 0.05, 5.0


def asyncio_run(main: Callable[[], Any]) -> Any:
    """Run under asyncio, called as ``trio.run`` is."""
    return asyncio.run(main())


def uvloop_run(main: Callable[[], Any]) -> Any:
    """Run under asyncio on uvloop's event loop."""
    import uvloop  # noqa: PLC0415 - only where it is asked for

    return uvloop.run(main())


class Pipelines:
    """Agents one after the other. A program overrides `build`, and what its features need.

    Args:
        stages: how many agents are timed.
        run: runs an async function under the event loop.
        sleep: how an agent waits under that event loop.
    """

    def __init__(self, stages: int, run: Run = asyncio_run, sleep: Sleep = asyncio.sleep) -> None:
        self.stages = stages
        self.run = run
        self.sleep = sleep

    # --- What a program says ---

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return, inside the event loop, the function that passes data through the agents.

        Whoever claims ``attempts`` tries each up to three times, without a wait between two attempts; whoever claims
        ``timeout`` gives each attempt so many seconds.
        """
        raise NotImplementedError

    def timed_agents(self) -> Sequence[Any]:
        """Return the agents that are timed."""
        return [NoOp() for _ in range(self.stages)]

    def listening(self) -> AbstractContextManager[Any]:
        """Return the context in which runs are timed: who listens."""
        return nullcontext()

    def output_of(self, result: Any) -> Any:
        """Return the output of what a run returned, or raise what ended it."""
        return result

    def records_of(self, result: Any) -> list[str]:
        """Return the stages of which the result has a record, by the names that ``build`` gave: ``stage_0``."""
        raise NotImplementedError

    def timed_out(self, error: BaseException) -> bool:
        """Tell whether this is what a run raises whose stage took too long."""
        return isinstance(error, TimeoutError)

    # --- What is the same for all ---

    def once(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Any:
        """Run the agents once and return what the program's own way returns."""

        async def main() -> Any:
            with self.listening():
                return await self.build(agents, timeout_s)(DATA)

        return self.run(main)

    def answer(self) -> Any:
        """Return what marking agents make of the data, and how often each was called."""
        agents = [Marking(number) for number in range(self.stages)]
        output = self.output_of(self.once(agents))
        return [output, sum(agent.calls for agent in agents)]

    def time(self, loops: int) -> Cost:
        """Run the agents so often, one run after the other, inside one event loop."""
        agents = self.timed_agents()

        async def main() -> Cost:
            with self.listening():
                execute = self.build(agents)
                await execute(DATA)
                cpu_began, wall_began = process_time(), perf_counter()
                for _ in range(loops):
                    await execute(DATA)
                return Cost(process_time() - cpu_began, perf_counter() - wall_began)

        gc.collect()
        return self.run(main)

    def probe_records(self) -> list[str]:
        """Return the stages of which there is a record."""
        return self.records_of(self.once([NoOp(), NoOp(), NoOp()]))

    def probe_attempts(self) -> int:
        """Return how often an agent was called that fails twice, if the run gave an output after all."""
        agent = Failing(2)
        output = self.output_of(self.once([NoOp(), agent, NoOp()]))
        return agent.calls if output == DATA else -1

    def probe_timeout(self) -> str:
        """Return ``timeout`` if a stage that hangs was cut off by its deadline, and was said to be."""
        began = perf_counter()
        try:
            output = self.output_of(self.once([NoOp(), Sleeping(self.sleep, HANG_S), NoOp()], DEADLINE_S))
        except Exception as error:  # noqa: BLE001 - each library has its own
            took_s = perf_counter() - began
            return "timeout" if self.timed_out(error) and took_s < HANG_S else f"after {took_s:.1f} s: {error!r}"
        return f"it ended, with {output!r}"


class Batches:
    """One agent over many items, so many at once. A program overrides `build`, and what its features need.

    Args:
        items: how many items are timed.
        places: how many run at once.
        run: runs an async function under the event loop.
        sleep: how an agent waits under that event loop.
        sleeps_s: what items sleep, in turn; empty if they do nothing.
    """

    def __init__(
        self,
        items: int,
        places: int,
        run: Run = asyncio_run,
        sleep: Sleep = asyncio.sleep,
        sleeps_s: Sequence[float] = (),
    ) -> None:
        self.items = items
        self.places = places
        self.run = run
        self.sleep = sleep
        self.sleeps_s = sleeps_s

    # --- What a program says ---

    def build(self, agent: Any, places: int) -> Execute:
        """Return, inside the event loop, the function that passes a sequence of inputs through the agent."""
        raise NotImplementedError

    def listening(self) -> AbstractContextManager[Any]:
        """Return the context in which batches are timed: who listens."""
        return nullcontext()

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs of what a batch returned, in the program's own order."""
        return list(result)

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return, of each item, its output or the exception that it ended with."""
        raise NotImplementedError

    # --- What is the same for all ---

    def once(self, agent: Any, inputs: Sequence[Any], places: int) -> Any:
        """Run a batch and return what the program's own way returns."""

        async def main() -> Any:
            with self.listening():
                return await self.build(agent, places)(inputs)

        return self.run(main)

    def answer(self) -> Any:
        """Return the sorted outputs of a small batch, and how often its agent was called."""
        agent = Marking(1)
        outputs = self.outputs_of(self.once(agent, [f"{index:03}" for index in range(100)], 7))
        return [sorted(outputs), agent.calls]

    def time(self, loops: int) -> Cost:
        """Run the batch so often; its result is freed inside of the time."""
        agent: Any = NoOp()
        inputs: list[Any] = list(range(self.items))
        if self.sleeps_s:
            agent = Sleeping(self.sleep)
            inputs = [self.sleeps_s[index % len(self.sleeps_s)] for index in range(self.items)]

        async def main() -> Cost:
            with self.listening():
                execute = self.build(agent, self.places)
                await execute(inputs[: min(self.places, 100)])
                cpu_began, wall_began = process_time(), perf_counter()
                for _ in range(loops):
                    await execute(inputs)
                return Cost(process_time() - cpu_began, perf_counter() - wall_began)

        gc.collect()
        return self.run(main)

    def probe_limit(self) -> int:
        """Return how many of twenty items ran at once where five may."""
        agent = Sleeping(self.sleep, 0.005)
        self.outputs_of(self.once(agent, list(range(20)), 5))
        return agent.most

    def probe_order(self) -> list[Any]:
        """Return the outputs of items of which the first take longest, by their numbers."""
        inputs = [0.0005 * (10 - index) for index in range(10)]
        outputs = self.outputs_of(self.once(Sleeping(self.sleep), inputs, 10))
        return [inputs.index(output) for output in outputs]

    def probe_outcomes(self) -> list[Any]:
        """Return how many of ten items gave an output, and which error the refused one is kept with."""
        outcomes = self.outcomes_of(self.once(Refusing(3), list(range(10)), 5))
        errors = [type(outcome).__name__ for outcome in outcomes if isinstance(outcome, BaseException)]
        return [len(outcomes) - len(errors), *errors]
