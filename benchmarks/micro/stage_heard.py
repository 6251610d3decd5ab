"""atrio's pipeline of no-op stages with somebody who listens: lines of JSON, structlog, metrics, sinks."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO

import orjson
import structlog

import atrio
from atrio.sinks import JsonLinesSink, StructlogSink
from benchmarks.expected_lines import StageLines
from benchmarks.json_lines import StageEndLines, stage_end_lines
from benchmarks.micro.stage import Atrio

SINKS = {"function": stage_end_lines, "class": StageEndLines}


class AtrioLines(StageLines, Atrio):
    """atrio's pipeline; a sink as a user would write it makes a line of JSON of each end of a stage.

    Args:
        stages: how many agents are timed.
        sink: ``function``, given every event, or ``class``, which says that it wants those from info up.
        buffering: of the file: 0 for a ``write`` a line.
    """

    def __init__(self, stages: int, sink: str = "class", buffering: int = -1) -> None:
        super().__init__(stages)
        self._sink = SINKS[sink]
        self.buffering = buffering

    def writing_to(self, file: BinaryIO) -> AbstractContextManager[Any]:
        """Return the context in which the sink, and nobody else, listens."""
        return atrio.observe_only(self._sink(file))


class AtrioJsonLines(StageLines, Atrio):
    """atrio's pipeline, all of whose events from info up are written by `JsonLinesSink`, a ``write`` a line."""

    buffering = 0

    @contextmanager
    def writing_to(self, file: BinaryIO) -> Iterator[None]:
        """Return the context in which the sink, and nobody else, listens."""
        with JsonLinesSink(file.fileno(), level="info") as sink, atrio.observe_only(sink):
            yield


class AtrioStructlog(StageLines, Atrio):
    """atrio's pipeline, all of whose events from info up are lines of structlog."""

    def writing_to(self, file: BinaryIO) -> AbstractContextManager[Any]:
        """Return the context in which structlog listens, by the shortest chain of processors that makes the line."""
        # Bytes from orjson, straight to the file; structlog's BytesLogger flushes it after each line.
        logger = structlog.wrap_logger(
            structlog.BytesLogger(file),
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            cache_logger_on_first_use=True,
        )
        return atrio.observe_only(StructlogSink(logger))


class AtrioMetrics(Atrio):
    """atrio's pipeline, whose stages are counted in memory."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Return the context in which the collector, and nobody else, listens."""
        with atrio.observe_only(atrio.InMemoryMetrics()):
            yield


class AtrioSinks(Atrio):
    """atrio's pipeline, to all of whose events some sinks listen that do nothing.

    Args:
        stages: how many agents are timed.
        sinks: how many listen.
    """

    def __init__(self, stages: int, sinks: int) -> None:
        super().__init__(stages)
        self._sinks = sinks

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Return the context in which the sinks, and nobody else, listen."""
        with atrio.observe_only(*(_deaf() for _ in range(self._sinks))):
            yield


def _deaf() -> Any:
    return lambda _: None
