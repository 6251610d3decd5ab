"""Many runs of one pipeline, started at once in one event loop: how long each takes.

A stage sleeps, so what a run takes at best is known: what is above that, it waited for its turn or was worked on. A
run's time begins when it is asked for, not when the event loop first gets to it: whoever asked waits for that too.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter, process_time
from typing import Any

import trio

from benchmarks.harness.agents import DATA, Sleep, Sleeping
from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.latency.quantiles import SHOWN, distribution
from benchmarks.micro import stage, stage_heard, stage_twin

STAGES, SLEEP_S = 5, 0.01
IDEAL_S = STAGES * SLEEP_S
WARMUP_RUNS = 100

One = Callable[[int, float], Awaitable[None]]
StartAll = Callable[[One, int], Awaitable[None]]


# --- Starting many at once ---


async def start_all_in_trio(one: One, count: int) -> None:
    """Run so many at once, each told its number and when it was asked for."""
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number, perf_counter())


async def start_all_in_asyncio(one: One, count: int) -> None:
    """Do the same with asyncio's tasks."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number, perf_counter()))


# --- What is measured ---


class MarkingLate(Sleeping):
    """Sleeps, then adds its number to the data, and counts its calls."""

    def __init__(self, sleep: Sleep, number: int) -> None:
        super().__init__(sleep, SLEEP_S)
        self.number = number
        self.calls = 0

    async def process(self, data: str) -> str:
        """Return the data with this agent's number added, later."""
        self.calls += 1
        return f"{await super().process(data)} {self.number}"


class Wave:
    """Runs that are started at once.

    Attributes:
        latencies: seconds that each took from when it was asked for, as they ended.
        most: how many had begun and not ended, at most.
    """

    def __init__(self, execute: Execute, output_of: Callable[[Any], Any]) -> None:
        self._execute = execute
        self._output_of = output_of
        self._live = self.most = 0
        self.latencies: list[float] = []

    async def run(self, data: Any, asked_at: float) -> Any:
        """Run the pipeline once and return its output."""
        self._live += 1
        self.most = max(self.most, self._live)
        result = await self._execute(data)
        self.latencies.append(perf_counter() - asked_at)
        self._live -= 1
        return self._output_of(result)


class Runs:
    """So many runs at once, in waves of which each begins when the one before is over.

    Args:
        pipelines: what is run; its probes are this program's.
        start_all: starts many under its event loop.
        runs: how many are started at once.
        waves: how many waves are measured.
    """

    def __init__(self, pipelines: Pipelines, start_all: StartAll, runs: int, waves: int) -> None:
        self._pipelines = pipelines
        self._start_all = start_all
        self.runs = runs
        self.waves = waves

    def __getattr__(self, name: str) -> Any:
        """Return a probe of the pipeline's."""
        if not name.startswith("probe_"):
            raise AttributeError(name)
        return getattr(self._pipelines, name)

    def answer(self) -> list[int]:
        """Return of one wave how many outputs are right, how often agents were called, how many ran at once."""
        agents = [MarkingLate(self._pipelines.sleep, number) for number in range(STAGES)]
        marks = "".join(f" {number}" for number in range(STAGES))
        right = 0

        async def main() -> int:
            with self._pipelines.listening():
                wave = self._wave(agents)

                async def one(number: int, asked_at: float) -> None:
                    nonlocal right
                    output = await wave.run(f"run {number}", asked_at)
                    right += output == f"run {number}{marks}"

                await self._start_all(one, self.runs)
            return wave.most

        most = self._pipelines.run(main)
        return [right, sum(agent.calls for agent in agents), most]

    def figures(self) -> dict[str, float]:
        """Return percentiles of the latency, what is above the ideal of the same, and what a run cost.

        Raises:
            RuntimeError: a run ended without its output, or not all ran at once.
        """
        latencies, cpu_s = self._pipelines.run(self._measured)
        figures = distribution(latencies)
        excess = {f"excess_{name}": figures[name] - IDEAL_S for name in SHOWN}
        return {**figures, **excess, "cpu_s": cpu_s / len(latencies)}

    async def _measured(self) -> tuple[list[float], float]:
        agents = [Sleeping(self._pipelines.sleep, SLEEP_S) for _ in range(STAGES)]
        latencies: list[float] = []
        cpu_s = 0.0
        with self._pipelines.listening():
            await self._waved(agents, min(self.runs, WARMUP_RUNS))
            for _ in range(self.waves):
                gc.collect()
                began = process_time()
                latencies += await self._waved(agents, self.runs)
                cpu_s += process_time() - began
        return latencies, cpu_s

    async def _waved(self, agents: Sequence[Any], runs: int) -> list[float]:
        wave = self._wave(agents)

        async def one(_: int, asked_at: float) -> None:
            if await wave.run(DATA, asked_at) != DATA:
                raise RuntimeError("a run gave another output")

        await self._start_all(one, runs)
        if wave.most != runs:
            raise RuntimeError(f"{wave.most} ran at once, and not {runs}")
        return wave.latencies

    def _wave(self, agents: Sequence[Any]) -> Wave:
        return Wave(self._pipelines.build(agents), self._pipelines.output_of)


# --- The programs ---


def by_hand(runs: int, waves: int) -> Runs:
    """Return runs of the hand-written Trio loop."""
    return Runs(stage.Handwritten(STAGES), start_all_in_trio, runs, waves)


def by_atrio(runs: int, waves: int, *, metrics: bool = False) -> Runs:
    """Return runs of atrio's pipeline; its metrics hear of them, or nobody does."""
    return Runs((stage_heard.AtrioMetrics if metrics else stage.Atrio)(STAGES), start_all_in_trio, runs, waves)


def by_twin(runs: int, waves: int, call: str, loop: str) -> Runs:
    """Return runs of the twin's pipeline; see `stage_twin.Twin`."""
    return Runs(stage_twin.Twin(STAGES, call, loop), start_all_in_asyncio, runs, waves)
