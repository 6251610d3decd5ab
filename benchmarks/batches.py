"""Who is measured with many items: every way to run a batch, and the check that all do the same work."""

import asyncio
import gc
import logging
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import orjson
import trio

import atrio
import handwritten
import twin_batch
from contestants import NoOp, UnfairError, asyncio_run, opener
from json_lines import task_end_lines
from rows import Row, Samples
from sampling import interleave, spread_of
from startup import Cost
from steps import steps
from twin_events import batch_log
from twin_logging import logging_to
from twin_stage import Call, call_by_timeout, call_by_wait_for

PLACES = 50
SIZES = (10_000, 100_000)
TASK_TIMEOUT_S = 60

# A batch that is over too soon to be measured is run as often as this many items take.
ITEMS_A_SAMPLE = 30_000

SLEEPING_ITEMS = 10_000
SLEEPING_PLACES = 1_000
DELAYS_S = (0.05, 0.1)

Execute = Callable[[Sequence[Any]], Awaitable[Any]]
Build = Callable[[Any, int], AbstractContextManager[Execute]]


@dataclass(frozen=True)
class Contestant:
    """One way to run an agent over many items, so many at once."""

    label: str
    run: Callable[..., Any]
    build: Build
    lines: Path | None = None
    small_only: bool = False
    collecting: bool = True

    def outputs(self, agent: Any, places: int, inputs: Sequence[Any]) -> list[Any]:
        """Run the batch and return its outputs, in input order."""

        async def main() -> Any:
            with self.build(agent, places) as execute:
                return await execute(inputs)

        result = self.run(main)
        return result if isinstance(result, list) else result.unwrap()

    def cost(self, agent: Any, places: int, inputs: Sequence[Any], repetitions: int = 1) -> Cost:
        """Return what one batch takes, inside the event loop; its result is freed within."""

        async def main() -> Cost:
            with self.build(agent, places) as execute:
                await execute(inputs[:places])
                cpu_began, wall_began = process_time(), perf_counter()
                for _ in range(repetitions):
                    await execute(inputs)
                cpu_s, wall_s = process_time() - cpu_began, perf_counter() - wall_began
                return Cost(cpu_s / repetitions, wall_s / repetitions)

        gc.collect()
        if self.collecting:
            return self.run(main)
        gc.disable()
        try:
            return self.run(main)
        finally:
            gc.enable()

    def cpu_s(self, agent: Any, places: int, inputs: Sequence[Any], repetitions: int) -> float:
        """Return the CPU seconds that one batch takes."""
        return self.cost(agent, places, inputs, repetitions).cpu_s


# --- The contestants ---


@contextmanager
def _handwritten(agent: Any, places: int) -> Iterator[Execute]:
    yield lambda inputs: handwritten.run_batch(agent, inputs, places)


def _processor(places: int, task_timeout: float | None = None) -> atrio.BatchProcessor:
    return atrio.BatchProcessor(atrio.BatchConfig(max_concurrent=places, task_timeout=task_timeout))


@contextmanager
def _atrio(agent: Any, places: int, task_timeout: float | None = None) -> Iterator[Execute]:
    yield partial(_processor(places, task_timeout).map, agent)


@contextmanager
def _atrio_heard(agent: Any, places: int) -> Iterator[Execute]:
    with atrio.observe_only(lambda _: None):
        yield partial(_processor(places).map, agent)


@contextmanager
def _atrio_lines(agent: Any, places: int, path: Path) -> Iterator[Execute]:
    with opener(path)() as file, atrio.observe_only(task_end_lines(file)):
        yield partial(_processor(places).map, agent)


@contextmanager
def _atrio_pairs(agent: Any, places: int) -> Iterator[Execute]:
    processor = _processor(places)
    yield lambda inputs: processor.process_batch([(agent, data) for data in inputs])


@contextmanager
def _atrio_stream(agent: Any, places: int) -> Iterator[Execute]:
    processor = _processor(places)

    async def execute(inputs: Sequence[Any]) -> list[Any]:
        outputs = {}
        async with processor.stream([(agent, data) for data in inputs]) as outcomes:
            async for outcome in outcomes:
                outputs[outcome.index] = outcome.result
        return [outputs[index] for index in range(len(outputs))]

    yield execute


@contextmanager
def _twin(
    agent: Any, places: int, task_timeout: float | None = None, call: Call = call_by_wait_for
) -> Iterator[Execute]:
    processor = twin_batch.BatchProcessor(max_concurrent=places, task_timeout=task_timeout, call=call)
    yield partial(processor.map, agent)


@contextmanager
def _twin_lines(agent: Any, places: int, path: Path) -> Iterator[Execute]:
    with opener(path)() as file, logging_to(file, batch_log, logging.DEBUG), _twin(agent, places) as execute:
        yield execute


def contestants(folder: Path) -> dict[str, Contestant]:
    """Return all contestants by name; their lines go to files in the folder."""
    ours, twins = folder / "atrio.jsonl", folder / "twin.jsonl"
    limited = partial(_atrio, task_timeout=TASK_TIMEOUT_S)
    twin_limited = partial(_twin, task_timeout=TASK_TIMEOUT_S)
    return {
        "hand": Contestant("hand-written Trio loop", trio.run, _handwritten),
        "hand again": Contestant("the same once more (control)", trio.run, _handwritten),
        "atrio": Contestant("atrio's `map`, nobody listening", trio.run, _atrio),
        "atrio json": Contestant(
            "atrio's `map`, `task.end` as JSON, plain function, buffered",
            trio.run,
            partial(_atrio_lines, path=ours),
            ours,
        ),
        "twin": Contestant("twin, quiet", asyncio_run, _twin),
        "twin json": Contestant(
            "twin, `task.end` through `logging`, buffered", asyncio_run, partial(_twin_lines, path=twins), twins
        ),
        "hand uncollected": Contestant(
            "hand-written Trio loop, garbage collector off", trio.run, _handwritten, collecting=False
        ),
        "atrio uncollected": Contestant(
            "atrio's `map`, nobody listening, garbage collector off", trio.run, _atrio, collecting=False
        ),
        "atrio heard": Contestant(
            "atrio's `map`, a sink that does nothing with any event", trio.run, _atrio_heard, small_only=True
        ),
        "atrio pairs": Contestant(
            "atrio's `process_batch`, its list of pairs made within, quiet", trio.run, _atrio_pairs, small_only=True
        ),
        "atrio stream": Contestant(
            "atrio's `stream`, its list of pairs made within, quiet", trio.run, _atrio_stream, small_only=True
        ),
        "atrio limited": Contestant("atrio's `map`, a time limit a task, quiet", trio.run, limited, small_only=True),
        "twin limited": Contestant(
            "twin, `asyncio.wait_for` around each task, quiet", asyncio_run, twin_limited, small_only=True
        ),
        "twin limited by timeout": Contestant(
            "twin, `asyncio.timeout` around each task, quiet",
            asyncio_run,
            partial(twin_limited, call=call_by_timeout),
            small_only=True,
        ),
    }


# --- Fairness ---

# What differs between two runs of the same batch, or names the library.
VOLATILE = frozenset({"timestamp", "run_id", "task_id", "queued_s", "duration_s", "logger"})


class _Doubling:
    agent_id = "doubling"

    async def process(self, data: int) -> int:
        return 2 * data


def task_lines(path: Path) -> list[dict[str, Any]]:
    """Return the ``task.end`` lines of a file in input order, without what must differ."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    ends = [line for line in lines if line["event"] == "task.end"]
    ends.sort(key=lambda line: line["task_index"])
    return [{name: value for name, value in line.items() if name not in VOLATILE} for line in ends]


def check_fairness(entered: Mapping[str, Contestant]) -> None:
    """Run every contestant once; outputs must be right, and those that write lines must have written the twin's."""
    inputs = range(3 * PLACES)
    for name, contestant in entered.items():
        if contestant.outputs(_Doubling(), PLACES, inputs) != [2 * data for data in inputs]:
            raise UnfairError(f"{name} gave other outputs")
    reference = task_lines(entered["twin json"].lines)
    if len(reference) != len(inputs):
        raise UnfairError(f"the twin wrote {len(reference)} lines, not {len(inputs)}")
    for name, contestant in entered.items():
        if contestant.lines is not None and not _covers(task_lines(contestant.lines), reference):
            raise UnfairError(f"{name} wrote other lines than the twin")


def _covers(lines: list[dict[str, Any]], reference: list[dict[str, Any]]) -> bool:
    return len(lines) == len(reference) and all(
        here.items() >= there.items() for here, there in zip(lines, reference, strict=True)
    )


# --- CPU time: agents that do nothing ---

HAND = "hand-written loop"
LINE = "a JSON line a task"


def _both_sizes(size: int) -> tuple[Row, ...]:
    at = f"{size:,} items"
    return (
        Row(f"{at}: atrio, nobody listening / {HAND}", f"atrio {size}", f"hand {size}", at_most=1.2),
        Row(f"{at}: atrio, {LINE} / {HAND}", f"atrio json {size}", f"hand {size}", at_most=3.5),
        Row(
            f"{at}, garbage collector off: atrio, nobody listening / {HAND}",
            f"atrio uncollected {size}",
            f"hand uncollected {size}",
        ),
        Row(f"{at}: twin / atrio, both quiet", f"twin {size}", f"atrio {size}", at_least=3),
        Row(f"{at}: twin / atrio, both {LINE}", f"twin json {size}", f"atrio json {size}"),
        Row(f"{at}: control: {HAND} / itself", f"hand again {size}", f"hand {size}", control=True),
    )


def rows() -> tuple[Row, ...]:
    """Return the rows of a batch of no-op agents."""
    small = SIZES[0]
    at = f"{small:,} items"
    timed = f"{at}, a time limit a task"
    return (
        *(row for size in SIZES for row in _both_sizes(size)),
        Row(f"{at}: atrio, a sink that does nothing / {HAND}", f"atrio heard {small}", f"hand {small}"),
        Row(f"{at}: atrio's `process_batch` of pairs / {HAND}", f"atrio pairs {small}", f"hand {small}"),
        Row(f"{at}: atrio's `stream` / {HAND}", f"atrio stream {small}", f"hand {small}"),
        Row(f"{timed}: twin by `asyncio.wait_for` / atrio", f"twin limited {small}", f"atrio limited {small}"),
        Row(
            f"{timed}: twin by `asyncio.timeout` / atrio", f"twin limited by timeout {small}", f"atrio limited {small}"
        ),
    )


def samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each contestant is, and its CPU seconds per batch, round by round."""
    labels, measures = {}, {}
    agent, inputs = NoOp(), {size: list(range(size)) for size in SIZES}
    with TemporaryDirectory() as folder:
        entered = contestants(Path(folder))
        check_fairness(entered)
        for size in SIZES:
            often = max(1, ITEMS_A_SAMPLE // size)
            for name, each in entered.items():
                if size == SIZES[0] or not each.small_only:
                    labels[f"{name} {size}"] = f"{size:,} items: {each.label}"
                    measures[f"{name} {size}"] = partial(each.cpu_s, agent, PLACES, inputs[size], often)
        taken = interleave({**measures, **{name: step.seconds for name, step in steps().items()}}, rounds, rng)
        return {**labels, **{name: step.label for name, step in steps().items()}}, taken


def costs(labels: Mapping[str, str], taken: Samples) -> str:
    """Return what an item costs, as a Markdown table."""
    lines = ["| contestant | us an item | spread |", "|---|---|---|"]
    single = ["| a step, by itself | us | spread |", "|---|---|---|"]
    for name, label in labels.items():
        us, spread = statistics.median(taken[name]) * 1e6, spread_of(taken[name])
        if name.startswith("step "):
            single.append(f"| {label} | {us:.2f} | {spread:.0%} |")
        else:
            lines.append(f"| {label} | {us / int(name.rsplit(' ', 1)[1]):.2f} | {spread:.0%} |")
    return "\n".join([*lines, "", *single])


# --- Wall time: agents that sleep ---

SLEEPING_ROWS = (
    Row("atrio's throughput / the hand-written loop's", "hand", "atrio", at_least=0.93),
    Row("the twin's throughput / the hand-written loop's", "hand", "twin"),
    Row("CPU time: atrio / the hand-written loop", "atrio, CPU", "hand, CPU"),
    Row("control: the hand-written loop's / its own", "hand again", "hand", control=True),
)


class _Sleeping:
    def __init__(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._sleep = sleep

    async def process(self, data: float) -> float:
        await self._sleep(data)
        return data


def delays(items: int) -> list[float]:
    """Return how long each item sleeps: short and long in turn."""
    return [DELAYS_S[index % len(DELAYS_S)] for index in range(items)]


def sleeping_samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each contestant is, and its seconds per batch, round by round: wall, and CPU beside it."""
    inputs, measures, labels = delays(SLEEPING_ITEMS), {}, {}
    with TemporaryDirectory() as folder:
        entered = contestants(Path(folder))
        for name in ("hand", "hand again", "atrio", "twin"):
            agent = _Sleeping(asyncio.sleep if name == "twin" else trio.sleep)
            labels[name] = entered[name].label
            measures[name] = partial(entered[name].cost, agent, SLEEPING_PLACES, inputs)
        taken = interleave(measures, rounds, rng)
    wall = {name: [cost.wall_s for cost in each] for name, each in taken.items()}
    return labels, wall | {f"{name}, CPU": [cost.cpu_s for cost in each] for name, each in taken.items()}


def sleeping_costs(labels: Mapping[str, str], taken: Samples) -> str:
    """Return what was got through, as a Markdown table."""
    ideal_s = sum(delays(SLEEPING_ITEMS)) / SLEEPING_PLACES
    lines = [
        "| contestant | items a second | share of what sleep alone allows | spread | CPU us an item |",
        "|---|---|---|---|---|",
    ]
    for name, label in labels.items():
        took_s = statistics.median(taken[name])
        cpu_us = statistics.median(taken[f"{name}, CPU"]) * 1e6 / SLEEPING_ITEMS
        share, spread = ideal_s / took_s, spread_of(taken[name])
        lines.append(f"| {label} | {SLEEPING_ITEMS / took_s:,.0f} | {share:.1%} | {spread:.0%} | {cpu_us:.1f} |")
    return "\n".join(lines)
