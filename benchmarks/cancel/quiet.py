"""A batch that is cancelled while all of its tasks are live: how long until whoever cancelled it can go on.

The time begins right before the cancellation and ends when the call is over, its exceptions dealt with: with Trio when
the cancelled scope is left, with asyncio when the cancelled task was awaited. A program whose tasks were not all live,
or did not all get their cancellation, or were not all over by then, has no figures.
"""

import asyncio
import gc
import statistics
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter, process_time
from typing import Any

import trio

from benchmarks.harness.programs import Cost
from benchmarks.harness.shapes import Batches, Execute
from benchmarks.memory.batches import ByAtrio, ByHand, ByTwin

TIMES, WARMUP_ITEMS = 3, 100


class Endless:
    """Waits for ever, and counts who waits.

    Args:
        forever: waits, under the event loop, until it is cancelled.
        cancelled: what it is cancelled with.
        expected: how many are waited for.
        all_live: told when so many wait.
    """

    def __init__(
        self,
        forever: Callable[[], Awaitable[Any]],
        cancelled: type[BaseException],
        expected: int,
        all_live: Callable[[], Any],
    ) -> None:
        self._forever = forever
        self._cancelled_with = cancelled
        self._expected = expected
        self._all_live = all_live
        self.began = self.cancelled = self.live = 0

    async def process(self, data: Any) -> Any:
        """Wait for ever."""
        self.began += 1
        self.live += 1
        if self.live == self._expected:
            self._all_live()
        try:
            await self._forever()
        except self._cancelled_with:
            self.cancelled += 1
            raise
        finally:
            self.live -= 1
        return data

    @property
    def counted(self) -> list[int]:
        """How many began, how many got their cancellation, how many still wait."""
        return [self.began, self.cancelled, self.live]


class _Clocks:
    def __init__(self) -> None:
        # What was garbage before is not to be collected within the time.
        gc.collect()
        self._cpu_s, self._wall_s = process_time(), perf_counter()

    def stop(self) -> Cost:
        return Cost(process_time() - self._cpu_s, perf_counter() - self._wall_s)


# --- Cancelling under either event loop ---

Build = Callable[[Any], Execute]


async def cancelled_in_trio(build: Build, inputs: Sequence[Any]) -> tuple[Cost, list[int]]:
    """Run a batch until all its tasks are live, cancel the scope around it, and return what that took."""
    all_live = trio.Event()
    agent = Endless(trio.sleep_forever, trio.Cancelled, len(inputs), all_live.set)
    scope = trio.CancelScope()
    clocks: list[_Clocks] = []

    async def cancel() -> None:
        await all_live.wait()
        clocks.append(_Clocks())
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        with scope:
            await build(agent)(inputs)
        cost = clocks[0].stop()
    if not scope.cancelled_caught:
        raise RuntimeError("the batch swallowed its cancellation")
    return cost, agent.counted


async def cancelled_in_asyncio(build: Build, inputs: Sequence[Any]) -> tuple[Cost, list[int]]:
    """Do the same with asyncio: cancel the task that runs the batch."""
    all_live = asyncio.Event()
    agent = Endless(asyncio.get_running_loop().create_future, asyncio.CancelledError, len(inputs), all_live.set)
    batch = asyncio.create_task(build(agent)(inputs))
    await all_live.wait()
    clocks = _Clocks()
    batch.cancel()
    with suppress(asyncio.CancelledError):
        await batch
        raise RuntimeError("the batch swallowed its cancellation")
    return clocks.stop(), agent.counted


# --- What is measured ---

Cancelled = Callable[[Build, Sequence[Any]], Awaitable[tuple[Cost, list[int]]]]


class Quiet:
    """A batch, as many places as items, that is cancelled once all are live.

    Args:
        batches: how it is run; its probes are this program's.
        cancelled: runs and cancels it, under its event loop.
        times: how often it is cancelled; a figure is the median.
    """

    def __init__(self, batches: Batches, cancelled: Cancelled, times: int = TIMES) -> None:
        self._batches = batches
        self._cancelled = cancelled
        self._times = times

    def __getattr__(self, name: str) -> Any:
        """Return a probe of the batch's."""
        if not name.startswith("probe_"):
            raise AttributeError(name)
        return getattr(self._batches, name)

    def answer(self) -> list[int]:
        """Return how many tasks began, how many got their cancellation, and how many were left when it was over."""
        return self._once(self._batches.items)[1]

    def figures(self) -> dict[str, float]:
        """Return the seconds until it was over.

        Raises:
            RuntimeError: a task was not live, got no cancellation, or was left.
        """
        items = self._batches.items
        self._once(min(items, WARMUP_ITEMS))
        costs = []
        for _ in range(self._times):
            cost, counted = self._once(items)
            if counted != [items, items, 0]:
                raise RuntimeError(f"of {items} tasks began, were cancelled and were left: {counted}")
            costs.append(cost)
        return {
            "quiet_s": statistics.median(cost.wall_s for cost in costs),
            "cpu_s": statistics.median(cost.cpu_s for cost in costs),
        }

    def _once(self, items: int) -> tuple[Cost, list[int]]:
        build = partial(self._batches.build, places=items)
        return self._batches.run(partial(self._cancelled, build, list(range(items))))


# --- The programs ---


class Nursery(Batches):
    """A nursery with a bare task an item: no limit, no outputs."""

    def __init__(self, items: int) -> None:
        super().__init__(items, items, trio.run, trio.sleep)

    def build(self, agent: Any, places: int) -> Execute:  # noqa: ARG002 - there is no limit
        """Return the function that starts a task for each input."""

        async def execute(inputs: Sequence[Any]) -> None:
            async with trio.open_nursery() as nursery:
                for data in inputs:
                    nursery.start_soon(agent.process, data)

        return execute


def by_hand(items: int) -> Quiet:
    """Return the hand-written Trio loop, with a worker for each item."""
    return Quiet(ByHand(items, items), cancelled_in_trio)


def by_nursery(items: int) -> Quiet:
    """Return a nursery of bare tasks."""
    return Quiet(Nursery(items), cancelled_in_trio)


def by_atrio(items: int) -> Quiet:
    """Return atrio's ``process_batch`` with a place for each item."""
    return Quiet(ByAtrio(items, items), cancelled_in_trio)


def by_twin(items: int, loop: str = "asyncio") -> Quiet:
    """Return the twin's ``process_batch`` with a place for each item."""
    return Quiet(ByTwin(items, items, loop), cancelled_in_asyncio)
