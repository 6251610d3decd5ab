"""How late deadlines are in a busy event loop: many stages that hang, and a task that computes beside them.

So many stages hang at any time, and their deadlines are spread evenly: were they all at once, whoever begins stages
slowly would have it easier. The load is the same for all: it computes for a millisecond, lets the others have their
turn, and so on. A stage is late by the time from its deadline until its caller goes on.

Whoever lets few stages begin has few deadlines to keep, so there is a second figure: how much later than it asked for a
caller goes on, its wait until the stage began included.

When its deadline is cannot be seen from outside: a pipeline may be kept waiting before its stage begins. Trio tells it
to the agent. asyncio does not; there the time is noted right before the attempt's timer is set. Neither is ever after
the deadline, so whoever is early is found out.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter, process_time
from typing import Any, NamedTuple

import trio

import atrio
from benchmarks.harness.agents import Sleep
from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.latency.quantiles import distribution
from benchmarks.latency.runs import StartAll, start_all_in_asyncio, start_all_in_trio
from benchmarks.micro import stage, stage_twin
from benchmarks.twin import pipeline as twin
from benchmarks.twin import stage as twin_stage

STAGE_TIMEOUT_S, CALLS = 0.25, 2
COMPUTING_S = 0.001
# Times are sums and differences of floating-point numbers.
ROUNDING_S = 1e-6
# libuv counts in whole milliseconds.
UVLOOP_RESOLUTION_S = 0.001


@dataclass(eq=False)
class Call:
    """What goes into a stage that will hang: it is told when its deadline is.

    Attributes:
        deadline: of the stage, on the event loop's clock.
    """

    deadline: float = 0.0


class Late(NamedTuple):
    """Seconds by which a caller went on later.

    Attributes:
        than_deadline: than the stage's deadline.
        than_asked: than its timeout after the caller asked for it.
    """

    than_deadline: float
    than_asked: float


# --- Both event loops ---


@dataclass(frozen=True)
class Ways:
    """What is done differently under Trio and under asyncio.

    Args:
        start_all: starts many at once.
        sleep: waits for so many seconds.
        now: the clock of deadlines.
        forever: waits until it is cancelled.
        turn: lets the others have their turn.
        deadline: the deadline of whoever asks; None if it is noted elsewhere.
        beside: runs a function beside another until that is over.
    """

    start_all: StartAll
    sleep: Sleep
    now: Callable[[], float]
    forever: Callable[[], Awaitable[Any]]
    turn: Callable[[], Awaitable[Any]]
    deadline: Callable[[], float] | None
    beside: Callable[[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]], Awaitable[None]]


async def _beside_in_trio(load: Callable[[], Awaitable[Any]], main: Callable[[], Awaitable[Any]]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        await main()
        nursery.cancel_scope.cancel()


async def _beside_in_asyncio(load: Callable[[], Awaitable[Any]], main: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.TaskGroup() as group:
        loading = group.create_task(load())
        await main()
        loading.cancel()


async def _wait_in_asyncio() -> None:
    await asyncio.get_running_loop().create_future()


TRIO = Ways(
    start_all_in_trio,
    trio.sleep,
    trio.current_time,
    trio.sleep_forever,
    trio.lowlevel.checkpoint,
    trio.current_effective_deadline,
    _beside_in_trio,
)
ASYNCIO = Ways(
    start_all_in_asyncio,
    asyncio.sleep,
    perf_counter,
    _wait_in_asyncio,
    partial(asyncio.sleep, 0),
    None,
    _beside_in_asyncio,
)


# --- What is measured ---


class Hanging:
    """An agent that never ends, and counts how often it was called and how often it was cut off."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self.calls = self.cut_off = 0

    async def process(self, data: Call) -> Call:
        """Tell the deadline, and wait for ever."""
        self.calls += 1
        if self._ways.deadline is not None:
            data.deadline = self._ways.deadline()
        try:
            await self._ways.forever()
        finally:
            self.cut_off += 1
        return data


class Lateness:
    """Many stages at once that hang until their deadline, beside a task that computes.

    Args:
        pipelines: builds the pipeline of one stage, which tries once; its probes are this program's.
        ways: those of its event loop.
        callers: how many stages hang at once.
        timeout_s: for how long each.
        resolution_s: how much before its time a timer of the event loop may go off.
    """

    def __init__(
        self,
        pipelines: Pipelines,
        ways: Ways,
        callers: int,
        timeout_s: float = STAGE_TIMEOUT_S,
        resolution_s: float = 0.0,
    ) -> None:
        self._pipelines = pipelines
        self._ways = ways
        self.callers = callers
        self.timeout_s = timeout_s
        self._early_s = -(resolution_s + ROUNDING_S)
        self._turns, self._load_cpu_s = 0, 0.0

    def __getattr__(self, name: str) -> Any:
        """Return a probe of the pipeline's."""
        if not name.startswith("probe_"):
            raise AttributeError(name)
        return getattr(self._pipelines, name)

    def answer(self) -> list[Any]:
        """Return how often agents were called, cut off, and known to have timed out; and how many were early."""
        late, agent = self._measured(1)
        return [agent.calls, agent.cut_off, len(late), self._early(late)]

    def figures(self) -> dict[str, float]:
        """Return percentiles of the lateness, and how often the load had its turn while all that happened.

        Raises:
            RuntimeError: a stage was cut off before its deadline, or not at all.
        """
        self._turns, self._load_cpu_s = 0, 0.0
        began, cpu_began = perf_counter(), process_time()
        late, agent = self._measured(CALLS)
        wall_s, cpu_s = perf_counter() - began, process_time() - cpu_began
        if agent.cut_off != self.callers * CALLS:
            raise RuntimeError(f"{agent.cut_off} of {self.callers * CALLS} stages were cut off")
        early = self._early(late)
        if early:
            raise RuntimeError(f"{early} of {len(late)} stages were cut off early, by up to {-min(late)[0]:.6f} s")
        asked = distribution(each.than_asked for each in late)
        return {
            **distribution(each.than_deadline for each in late),
            "asked_p50_s": asked["p50_s"],
            "asked_p99_s": asked["p99_s"],
            "early": early,
            # Without the load's own computing: what a stage costs.
            "cpu_s": (cpu_s - self._load_cpu_s) / len(late),
            "turns_per_s": self._turns / wall_s,
        }

    def _early(self, late: Sequence[Late]) -> int:
        return sum(each.than_deadline < self._early_s for each in late)

    def _measured(self, calls: int) -> tuple[list[Late], Hanging]:
        agent = Hanging(self._ways)
        late: list[Late] = []

        async def stages() -> None:
            execute = self._pipelines.build([agent], self.timeout_s)

            async def caller(number: int, _: float) -> None:
                await self._ways.sleep(number / self.callers * self.timeout_s)
                late.extend([await self._called(execute) for _ in range(calls)])

            with self._pipelines.listening():
                await self._ways.start_all(caller, self.callers)

        self._pipelines.run(partial(self._ways.beside, self._load, stages))
        return late, agent

    async def _called(self, execute: Execute) -> Late:
        call, asked_at = Call(), self._ways.now()
        result = await execute(call)
        goes_on_at = self._ways.now()
        try:
            self._pipelines.output_of(result)
        except Exception as error:
            if not self._pipelines.timed_out(error):
                raise
            return Late(goes_on_at - call.deadline, goes_on_at - asked_at - self.timeout_s)
        raise RuntimeError("a stage that hangs gave an output")

    async def _load(self) -> None:
        while True:
            began, ends = process_time(), perf_counter() + COMPUTING_S
            while perf_counter() < ends:
                pass
            self._load_cpu_s += process_time() - began
            self._turns += 1
            await self._ways.turn()


# --- The programs ---

OUT_OF_TIME = object()


class Handwritten(stage.Handwritten):
    """A deadline around the call, as one would write it."""

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return the loop; where a deadline passed it returns that."""

        async def execute(data: Any) -> Any:
            for agent in agents:
                with trio.move_on_after(timeout_s) as scope:
                    data = await agent.process(data)
                if scope.cancelled_caught:
                    return OUT_OF_TIME
            return data

        return execute

    def output_of(self, result: Any) -> Any:
        """Return the output, or raise that there is none."""
        if result is OUT_OF_TIME:
            raise trio.TooSlowError
        return result

    def timed_out(self, error: BaseException) -> bool:
        """Tell whether the deadline passed."""
        return isinstance(error, trio.TooSlowError)

    probe_timeout = Pipelines.probe_timeout


class Atrio(stage.Atrio):
    """atrio's pipeline, each of whose stages tries once."""

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return ``execute`` of the pipeline."""
        pipeline = atrio.Pipeline(stage.PIPELINE_ID)
        config = atrio.StageConfig(attempts=1, timeout=timeout_s)
        for index, agent in enumerate(agents):
            pipeline.add_stage(atrio.Stage(f"stage_{index}", agent, config=config))
        return pipeline.execute


class Twin(stage_twin.Twin):
    """The twin's pipeline, each of whose stages tries once."""

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return ``execute`` of the pipeline; each attempt notes when its deadline is."""
        pipeline = twin.Pipeline(stage.PIPELINE_ID, call=self._noting)
        config = twin_stage.StageConfig(attempts=1, timeout=timeout_s)
        for index, agent in enumerate(agents):
            pipeline.add_stage(twin_stage.Stage(f"stage_{index}", agent, config=config))
        return pipeline.execute

    async def _noting(self, process: Any, data: Any, timeout: float | None) -> Any:  # noqa: ASYNC109
        if isinstance(data, Call) and timeout is not None:
            data.deadline = perf_counter() + timeout
        return await self._call(process, data, timeout)


def by_hand(callers: int) -> Lateness:
    """Return ``trio.move_on_after`` around the call."""
    return Lateness(Handwritten(1), TRIO, callers)


def by_atrio(callers: int) -> Lateness:
    """Return atrio's stages."""
    return Lateness(Atrio(1), TRIO, callers)


def by_twin(callers: int, call: str, loop: str) -> Lateness:
    """Return the twin's stages; see `stage_twin.Twin`."""
    resolution_s = UVLOOP_RESOLUTION_S if loop == "uvloop" else time.get_clock_info("monotonic").resolution
    return Lateness(Twin(1, call, loop), ASYNCIO, callers, resolution_s=resolution_s)
