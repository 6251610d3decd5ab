"""Who is measured: every way to run twenty stages, each under its own event loop, and the check that all are fair."""

import asyncio
import gc
import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, BinaryIO

import orjson
import structlog
import trio

import atrio
import handwritten
import twin
from atrio.sinks import StructlogSink
from json_lines import StageEndLines, stage_end_lines
from twin_events import stage_log
from twin_logging import logging_to
from twin_stage import Call, call_by_timeout, call_by_wait_for
from twin_stage import Stage as TwinStage

STAGES = 20
PIPELINE_ID = "yardstick"
DATA = "what goes in comes out"
SAMPLE_S = 0.075

Execute = Callable[[Any], Awaitable[Any]]


class NoOp:
    """An agent that costs as little as an agent can."""

    async def process(self, data: Any) -> Any:
        """Return what was given."""
        return data


class Counting:
    """An agent that leaves its mark: the outputs of contestants are compared before they are timed."""

    agent_id = "counting"

    def __init__(self, number: int) -> None:
        self.number = number

    async def process(self, data: str) -> str:
        """Return the data with this agent's number added."""
        return f"{data} {self.number}"


@dataclass(frozen=True)
class Contestant:
    """One way to run the stages.

    ``build`` makes, inside the event loop, the function that runs them once; its context covers who listens.
    """

    label: str
    run: Callable[..., Any]
    build: Callable[[Sequence[Any]], AbstractContextManager[Execute]]
    lines: Path | None = None

    def once(self, agents: Sequence[Any], data: Any) -> Any:
        """Run the agents once and return what came out."""

        async def main() -> Any:
            with self.build(agents) as execute:
                result = await execute(data)
            return getattr(result, "output", result)

        return self.run(main)

    def cpu_s(self, agents: Sequence[Any], repetitions: int) -> float:
        """Return the CPU seconds that one run took, over many."""

        async def main() -> float:
            with self.build(agents) as execute:
                await execute(DATA)
                began = process_time()
                for _ in range(repetitions):
                    await execute(DATA)
                return (process_time() - began) / repetitions

        gc.collect()
        return self.run(main)


def sampler(contestant: Contestant) -> Callable[[], float]:
    """Return a function that takes one sample, long enough to be measured."""
    agents = [NoOp() for _ in range(STAGES)]
    return long_enough(partial(contestant.cpu_s, agents))


def long_enough(cpu_s: Callable[[int], float]) -> Callable[[], float]:
    """Return a function that takes one sample, of so many repetitions that it can be measured."""
    cpu_s(10)  # imports and caches are not what is measured
    repetitions = math.ceil(SAMPLE_S / cpu_s(20))
    return partial(cpu_s, repetitions)


# --- The contestants ---


def asyncio_run(main: Callable[[], Any]) -> Any:
    """Run under asyncio, called as trio.run is."""
    return asyncio.run(main())


@contextmanager
def _handwritten(agents: Sequence[Any]) -> Iterator[Execute]:
    yield partial(handwritten.run_pipeline, agents)


def _pipeline(agents: Sequence[Any]) -> Execute:
    pipeline = atrio.Pipeline(PIPELINE_ID)
    for index, agent in enumerate(agents):
        pipeline.add_stage(atrio.Stage(f"stage_{index}", agent))
    return pipeline.execute


@contextmanager
def _atrio(agents: Sequence[Any]) -> Iterator[Execute]:
    yield _pipeline(agents)


@contextmanager
def _atrio_observed(
    agents: Sequence[Any], opened: Callable[[], BinaryIO], sink: Callable[..., Any]
) -> Iterator[Execute]:
    with opened() as file, atrio.observe_only(sink(file)):
        yield _pipeline(agents)


def _structlog_sink(file: BinaryIO) -> StructlogSink:
    # The shortest chain of processors that makes the line: bytes from orjson, straight to the file.
    logger = structlog.wrap_logger(
        structlog.BytesLogger(file),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return StructlogSink(logger)


def _twin_pipeline(agents: Sequence[Any], call: Call) -> Execute:
    pipeline = twin.Pipeline(PIPELINE_ID, call=call)
    for index, agent in enumerate(agents):
        pipeline.add_stage(TwinStage(f"stage_{index}", agent))
    return pipeline.execute


@contextmanager
def _twin(agents: Sequence[Any], call: Call = call_by_wait_for) -> Iterator[Execute]:
    yield _twin_pipeline(agents, call)


@contextmanager
def _twin_logging(
    agents: Sequence[Any], opened: Callable[[], BinaryIO], call: Call = call_by_wait_for
) -> Iterator[Execute]:
    with opened() as file, logging_to(file, stage_log, logging.INFO):
        yield _twin_pipeline(agents, call)


def opener(path: Path, buffering: int = -1) -> Callable[[], BinaryIO]:
    """Return a function that opens the file, empty."""

    def opened() -> BinaryIO:
        path.unlink(missing_ok=True)  # a sample's lines are its own: the file must not grow all day
        return path.open("ab", buffering=buffering)

    return opened


def contestants(folder: Path) -> dict[str, Contestant]:
    """Return all contestants by name; their lines go to files in the folder."""

    def observed(name: str, label: str, sink: Callable[..., Any], buffering: int = -1) -> Contestant:
        path = folder / f"{name}.jsonl"
        return Contestant(label, trio.run, partial(_atrio_observed, opened=opener(path, buffering), sink=sink), path)

    def logging_twin(name: str, label: str, buffering: int = -1, call: Call = call_by_wait_for) -> Contestant:
        path = folder / f"{name}.jsonl"
        build = partial(_twin_logging, opened=opener(path, buffering), call=call)
        return Contestant(label, asyncio_run, build, path)

    return {
        "hand": Contestant("hand-written Trio loop", trio.run, _handwritten),
        "hand again": Contestant("the same once more (control)", trio.run, _handwritten),
        "atrio": Contestant("atrio, nobody listening", trio.run, _atrio),
        "atrio json": observed("atrio_json", "atrio, `stage.end` as JSON, plain function, buffered", stage_end_lines),
        "atrio json at info": observed(
            "atrio_json_at_info", "atrio, `stage.end` as JSON, sink at info, buffered", StageEndLines
        ),
        "atrio json unbuffered": observed(
            "atrio_json_unbuffered", "atrio, `stage.end` as JSON, sink at info, a `write` a line", StageEndLines, 0
        ),
        "atrio structlog": observed(
            "atrio_structlog", "atrio, `StructlogSink` at info, buffered file, flushed a line", _structlog_sink
        ),
        "twin": Contestant("twin, quiet", asyncio_run, _twin),
        "twin timeout": Contestant(
            "twin with `asyncio.timeout`, quiet", asyncio_run, partial(_twin, call=call_by_timeout)
        ),
        "twin json": logging_twin("twin_json", "twin, `stage.end` through `logging`, buffered"),
        "twin json unbuffered": logging_twin(
            "twin_json_unbuffered", "twin, `stage.end` through `logging`, a `write` a line", 0
        ),
        "twin timeout json": logging_twin(
            "twin_timeout_json",
            "twin with `asyncio.timeout`, `stage.end` through `logging`, buffered",
            call=call_by_timeout,
        ),
    }


# --- Fairness ---

# What differs between two runs of the same pipeline, or names the library.
VOLATILE = frozenset({"timestamp", "run_id", "duration_s", "logger"})


class UnfairError(Exception):
    """Contestants did not do the same work."""


def stage_lines(path: Path) -> list[dict[str, Any]]:
    """Return the ``stage.end`` lines of a file, without what must differ."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [
        {name: value for name, value in line.items() if name not in VOLATILE}
        for line in lines
        if line["event"] == "stage.end"
    ]


def check_fairness(entered: dict[str, Contestant]) -> None:
    """Run every contestant once; outputs must be equal, and so must the lines of those that write them."""
    agents = [Counting(number) for number in range(STAGES)]
    outputs = {name: contestant.once(agents, DATA) for name, contestant in entered.items()}
    if len(set(outputs.values())) != 1:
        raise UnfairError(f"the outputs differ: {outputs}")
    reference = stage_lines(entered["twin json"].lines)
    if len(reference) != STAGES:
        raise UnfairError(f"the twin wrote {len(reference)} lines, not {STAGES}")
    for name, contestant in entered.items():
        if contestant.lines is not None and not _covers(stage_lines(contestant.lines), reference):
            raise UnfairError(f"{name} wrote other lines than the twin: {contestant.lines.read_text()}")


def _covers(lines: list[dict[str, Any]], reference: list[dict[str, Any]]) -> bool:
    # StructlogSink adds fields of its own (seq), and structlog decides about those of the line itself.
    return len(lines) == len(reference) and all(
        here.items() >= there.items() for here, there in zip(lines, reference, strict=True)
    )
