"""Writing an event as a line of JSON, and reading such lines: atrio beside the least that can be done."""

import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson
import structlog

from atrio.events import PipelineEnd, PipelineStart, StageEnd
from atrio.logs import summarise
from atrio.sinks import JsonLinesSink, StructlogSink
from benchmarks.micro.event import made
from benchmarks.micro.repeated import Repeated

WRITTEN = 3
STAGES, RUNS = 20, 1_000


class Written(Repeated):
    """A line for each event, in a ``write`` of its own; a program overrides `writing`."""

    @contextmanager
    def writing(self, path: str, event: StageEnd) -> Iterator[Iterable[object]]:
        """Return an endless iterator, each step of which writes the event's line to the file."""
        raise NotImplementedError

    def answer(self) -> list[str]:
        """Return of which events there are lines."""
        with NamedTemporaryFile() as file:
            with self.writing(file.name, made()) as lines:
                for _ in itertools.islice(lines, WRITTEN):
                    pass
            return [orjson.loads(line)["event"] for line in Path(file.name).read_bytes().splitlines()]

    def repeat(self, times: int) -> None:
        """Write so many lines."""
        with NamedTemporaryFile() as file, self.writing(file.name, made()) as lines:
            for _ in itertools.islice(lines, times):
                pass


def line_of(event: StageEnd) -> dict[str, Any]:
    """Return the fields that atrio's sink writes of an event."""
    with NamedTemporaryFile() as file, JsonLinesSink(file.name) as sink:
        sink(event)
        return orjson.loads(Path(file.name).read_bytes())


class ByHand(Written):
    """``orjson.dumps`` and ``os.write`` of the same fields, made beforehand."""

    @contextmanager
    def writing(self, path: str, event: StageEnd) -> Iterator[Iterable[object]]:
        """Write by two calls."""
        line, dumps, write, option = line_of(event), orjson.dumps, os.write, orjson.OPT_APPEND_NEWLINE
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            yield (write(descriptor, dumps(line, option=option)) for _ in repeat(None))
        finally:
            os.close(descriptor)


class BySink(Written):
    """`JsonLinesSink`, given a path, which it follows, or a descriptor.

    Args:
        followed: whether it is given the path.
    """

    def __init__(self, *, followed: bool) -> None:
        self._followed = followed

    @contextmanager
    def writing(self, path: str, event: StageEnd) -> Iterator[Iterable[object]]:
        """Write by a call of the sink."""
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            with JsonLinesSink(path if self._followed else descriptor) as sink:
                yield (sink(event) for _ in repeat(None))
        finally:
            os.close(descriptor)


def _logger(descriptor: int) -> Any:
    return structlog.wrap_logger(
        structlog.BytesLogger(os.fdopen(descriptor, "ab", closefd=False)),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=True,
    )


class ByStructlog(Written):
    """structlog's fastest configuration, by hand with the same fields or by `StructlogSink`.

    Args:
        sink: whether by the sink.
    """

    def __init__(self, *, sink: bool) -> None:
        self._by_sink = sink

    @contextmanager
    def writing(self, path: str, event: StageEnd) -> Iterator[Iterable[object]]:
        """Write by a call of the logger, or of the sink."""
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            logger = _logger(descriptor)
            if self._by_sink:
                sink = StructlogSink(logger)
                yield (sink(event) for _ in repeat(None))
            else:
                ours = ("event", "level", "timestamp", "logger", "pid", "host", "service")
                fields = {name: value for name, value in line_of(event).items() if name not in ours}
                info = logger.bind().info
                yield (info("stage.end", **fields) for _ in repeat(None))
        finally:
            os.close(descriptor)


class Read(Repeated):
    """A log of a thousand runs, read.

    Args:
        summed: whether it is summed by `atrio.logs`, or each line only parsed.
    """

    def __init__(self, *, summed: bool) -> None:
        self._summed = summed
        self._file = NamedTemporaryFile()  # noqa: SIM115 - it is there for as long as this is
        self._path = Path(self._file.name)
        write_log(self._path)

    def answer(self) -> list[int]:
        """Return how many runs and stages the log has."""
        if self._summed:
            summary = summarise(self._path)
            counted = (summary.pipelines, summary.stages)
            return [sum(figures.count for figures in each.values()) for each in counted]
        named = [orjson.loads(line)["event"] for line in self._path.read_bytes().splitlines()]
        return [named.count("pipeline.end"), named.count("stage.end")]

    def repeat(self, times: int) -> None:
        """Read it."""
        for _ in repeat(None, times):
            if self._summed:
                summarise(self._path)
            else:
                with self._path.open("rb") as file:
                    for line in file:
                        orjson.loads(line)


def write_log(path: Path) -> None:
    """Write a log of runs of twenty stages, each line as the sink writes it."""
    stage = made()
    with JsonLinesSink(path) as sink:
        for run in range(RUNS):
            ids = (f"{run:032x}", None, None, None, stage.timestamp, "yardstick")
            sink(PipelineStart(*ids, STAGES))
            for index in range(STAGES):
                sink(StageEnd(*ids, f"stage_{index}", "NoOp", index, "success", 1, 0.001 + run * 1e-6, 12, 12,
                              None, None, None))  # fmt: skip
            sink(PipelineEnd(*ids, "success", 0.02, STAGES, 0, 0, None, None, None))
