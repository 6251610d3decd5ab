"""The measurement: pipelines take turns on the same inputs, in an order drawn anew for each round."""

from __future__ import annotations

import gc
import itertools
import json
import math
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import trio

from atrio import Pipeline, RunStatus
from atrio.cli._interrupts import Interrupt, interrupt_cancels, quit_at_once
from atrio.cli._pipelines import opened
from atrio.cli._samples import ENDED, Sample, sample_of
from atrio.cli._streams import NoSuchOption, Refused
from atrio.cli._tasks_input import InputError, inputs_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atrio.cli._progress import ProgressBar


@attrs.frozen
class Contestant:
    """A pipeline that is measured.

    Attributes:
        label: what it is called, apart from all others.
        name: what the command line called it.
        pipeline: itself.
    """

    label: str
    name: str
    pipeline: Pipeline[Any, Any]


@attrs.frozen
class Case:
    """An input, read once.

    Attributes:
        label: what it is called, apart from all others.
        fresh: makes the data anew: an agent may change what it is given.
    """

    label: str
    fresh: Callable[[], Any]


@attrs.frozen
class Plan:
    """How it is measured.

    Attributes:
        rounds: how many are counted; in each, every pipeline runs on every input.
        warmup: how many come before them.
        max_concurrent: how many runs of one pipeline go on at once.
        timeout_s: seconds for the whole, or None.
        seed: of the order of runs, and of the intervals' draws.
        logged: whether events are logged meanwhile, which takes time of its own.
    """

    rounds: int
    warmup: int
    max_concurrent: int
    timeout_s: float | None
    seed: int
    logged: bool


def labels(names: Sequence[str]) -> list[str]:
    """Return `names`, each that is there more than once with its number among those like it."""
    counts = Counter(names)
    numbers = {name: itertools.count(1) for name in names}
    return [f"{name} #{next(numbers[name])}" if counts[name] > 1 else name for name in names]


async def cases_at(paths: Sequence[str]) -> list[Case]:
    """Read all inputs that `paths` name, to their end.

    Raises:
        Refused: there is none, or one of them cannot be used.
    """
    if not paths:
        raise Refused("there is no input: name files with --input, or - for standard input, a task of JSON a line.")
    try:
        inputs = await inputs_at(paths)
    except NoSuchOption as path:
        raise Refused(f"--input {str(path)!r} cannot be read: No such file or directory.") from path
    names: list[str] = []
    data: list[Any] = []
    try:
        while (task := await anext(inputs, None)) is not None:
            names.append(task.name)
            data.append(await task.read())
    except InputError as error:
        raise Refused(str(error)) from error
    finally:
        await inputs.aclose()
    return [Case(label, _maker_of(value)) for label, value in zip(labels(names), data, strict=True)]


def _maker_of(value: Any) -> Callable[[], Any]:
    """Return what makes `value` anew: text cannot be changed, all else is JSON."""
    if isinstance(value, str):
        return lambda: value
    return partial(json.loads, json.dumps(value))


class Bench:
    """A measurement, and what it has measured so far.

    Args:
        contestants: what runs.
        cases: on what.
        plan: how often, how many at once, for how long.

    Attributes:
        contestants: as given.
        cases: as given.
        plan: as given.
        samples: the runs that ended and count, in order of their end.
        busy_s: of each pipeline, by its label, the seconds in which one of its runs that count went on.
        started_at: when it began, in UTC; known at the end.
        duration_s: seconds that all of it took; known at the end.
        interrupt: what stopped it, if anything did; known at the end.
    """

    def __init__(self, contestants: Sequence[Contestant], cases: Sequence[Case], plan: Plan) -> None:
        self.contestants = contestants
        self.cases = cases
        self.plan = plan
        self.samples: list[Sample] = []
        self.busy_s: dict[str, float] = {contestant.label: 0.0 for contestant in contestants}
        self.started_at = datetime.now(UTC)
        self.duration_s = 0.0
        self.interrupt = Interrupt()
        self._bar: ProgressBar | None = None
        self._random = Random(plan.seed)  # noqa: S311 - an order, and no secret

    @property
    def repeats(self) -> int:
        """How often an input is run in a round, so that there are as many runs as can go on at once."""
        return math.ceil(self.plan.max_concurrent / len(self.cases))

    @property
    def planned(self) -> int:
        """How many runs are to count."""
        return self._in_rounds(self.plan.rounds)

    @property
    def all_runs(self) -> int:
        """The same with those that only warm up."""
        return self._in_rounds(self.plan.rounds + self.plan.warmup)

    def _in_rounds(self, rounds: int) -> int:
        return rounds * len(self.contestants) * len(self.cases) * self.repeats

    async def run(self, bar: ProgressBar | None = None) -> RunStatus:
        """Measure, and return SUCCESS if all was measured, TIMEOUT if time was up before, CANCELLED if interrupted.

        Args:
            bar: shows how far it is.

        Raises:
            Unopened: the agents of a pipeline cannot be opened.
        """
        self._bar = bar
        self.started_at, begun = datetime.now(UTC), trio.current_time()
        scope = trio.CancelScope()
        with interrupt_cancels(scope, insist=quit_at_once) as self.interrupt, scope:
            async with AsyncExitStack() as stack:
                for contestant in self.contestants:
                    await stack.enter_async_context(opened(contestant.pipeline))
                await self._measure_in_time()
        self.duration_s = trio.current_time() - begun
        if len(self.samples) == self.planned:
            return RunStatus.SUCCESS
        return RunStatus.CANCELLED if scope.cancelled_caught else RunStatus.TIMEOUT

    async def _measure_in_time(self) -> None:
        # A task in place of a deadline: a stage does not begin a wait that would outlast its caller's deadline, so runs
        # near the end would fail that otherwise would not.
        async with trio.open_nursery() as nursery:
            if self.plan.timeout_s is not None:
                nursery.start_soon(_cancel_after, self.plan.timeout_s, nursery.cancel_scope)
            await self._measure()
            nursery.cancel_scope.cancel()

    async def _measure(self) -> None:
        for number in range(-self.plan.warmup, self.plan.rounds):
            if number == 0:
                gc.collect()  # what loading and warming up left behind is nobody's to clean up
            if self.plan.max_concurrent == 1:
                await self._take_turns(number)
            else:
                await self._take_blocks(number)

    async def _take_turns(self, number: int) -> None:
        turns = [(contestant, case) for contestant in self.contestants for case in self.cases]
        self._random.shuffle(turns)
        for contestant, case in turns:
            data = case.fresh()
            cpu_before = time.process_time()
            result = await contestant.pipeline.execute(data)
            cpu_s = time.process_time() - cpu_before
            sample = sample_of(result, contestant.label, case.label, number, cpu_s)
            self._keep([sample], sample.duration_s)

    async def _take_blocks(self, number: int) -> None:
        for contestant in self._random.sample(self.contestants, len(self.contestants)):
            turns = list(self.cases) * self.repeats
            self._random.shuffle(turns)
            ended: list[Sample] = []
            begun = trio.current_time()
            try:
                await self._run_block(contestant, [(case, case.fresh()) for case in turns], number, ended)
            finally:
                # Only now: drawing the bar meanwhile would take time from those that run.
                self._keep(ended, trio.current_time() - begun)

    async def _run_block(
        self, contestant: Contestant, turns: list[tuple[Case, Any]], number: int, ended: list[Sample]
    ) -> None:
        waiting = iter(turns)

        async def work() -> None:
            for case, data in waiting:
                result = await contestant.pipeline.execute(data)
                ended.append(sample_of(result, contestant.label, case.label, number, None))

        async with trio.open_nursery() as nursery:
            for _ in range(self.plan.max_concurrent):
                nursery.start_soon(work)

    def _keep(self, samples: Sequence[Sample], busy_s: float) -> None:
        for sample in samples:
            if sample.round >= 0:
                self.samples.append(sample)
            if self._bar is not None:
                self._bar.count(failed=sample.status not in ENDED)
        if samples and samples[0].round >= 0:
            self.busy_s[samples[0].pipeline] += busy_s


async def _cancel_after(seconds: float, scope: trio.CancelScope) -> None:
    await trio.sleep(seconds)
    scope.cancel()
