"""Telling the end of a stage as a run does it, to nobody and to several kinds of sinks."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import repeat
from tempfile import TemporaryFile
from typing import Any

import orjson
import structlog

import atrio
from atrio import PipelineContext, StageRecord, StageStatus
from atrio._run_events import RunEvents
from atrio._stamps import utc_now
from atrio.events import Event, StageEnd, emit
from atrio.sinks import StructlogSink
from benchmarks.json_lines import StageEndLines
from benchmarks.micro.repeated import Repeated

TOLD = 3


class FromWarningUp:
    """A sink that does not want the ends of stages that succeeded."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def minimum_level(self) -> int:
        """Return the level from which events are wanted."""
        return logging.WARNING

    def __call__(self, event: Event) -> None:
        """Keep it."""
        self.heard.append(event)


def _nobody() -> AbstractContextManager[Any]:
    return atrio.observe_only()


def _filtered() -> AbstractContextManager[Any]:
    return atrio.observe_only(FromWarningUp())


def _deaf() -> AbstractContextManager[Any]:
    return atrio.observe_only(lambda _: None)


@contextmanager
def _json() -> Iterator[None]:
    with TemporaryFile("ab") as file, atrio.observe_only(StageEndLines(file)):
        yield


@contextmanager
def _structlog() -> Iterator[None]:
    with TemporaryFile("ab") as file:
        logger = structlog.wrap_logger(
            structlog.BytesLogger(file),
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            cache_logger_on_first_use=True,
        )
        with atrio.observe_only(StructlogSink(logger)):
            yield


def _metrics() -> AbstractContextManager[Any]:
    return atrio.observe_only(atrio.InMemoryMetrics())


LISTENERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nobody": _nobody,
    "filtered": _filtered,
    "deaf": _deaf,
    "json": _json,
    "structlog": _structlog,
    "metrics": _metrics,
}


def record_of(status: StageStatus) -> StageRecord:
    """Return the record of a stage that ended so."""
    return StageRecord(0, "stage_0", "stage_0", "NoOp", status, utc_now(), 0.001, 1, 12, 12, "output", None, (), {})


def run_events() -> RunEvents:
    """Return what a run that starts now says its events by: who listens is asked once."""
    return RunEvents(PipelineContext("yardstick"), None)


class Loop(Repeated):
    """The loop itself: a call of a function that does nothing, with the record as its argument."""

    def answer(self) -> list[str]:
        """Return that nothing was told."""
        return []

    def repeat(self, times: int) -> None:
        """Call it."""
        record = record_of(StageStatus.SUCCESS)
        for _ in repeat(None, times):
            nothing(record)


def nothing(record: StageRecord) -> None:
    """Do nothing."""


class Told(Repeated):
    """The end of a stage, told as a run tells it.

    Args:
        listeners: who listens, of `LISTENERS`.
    """

    def __init__(self, listeners: str) -> None:
        self._listening = LISTENERS[listeners]

    def answer(self) -> list[str]:
        """Return what somebody heard who listens besides to everything."""
        heard: list[Event] = []
        with self._listening(), atrio.observe(heard.append):
            stage_end = run_events().stage_end
            for _ in range(TOLD):
                stage_end(record_of(StageStatus.SUCCESS))
        return [event.event_name for event in heard]

    def repeat(self, times: int) -> None:
        """Tell it."""
        record = record_of(StageStatus.SUCCESS)
        with self._listening():
            stage_end = run_events().stage_end
            for _ in repeat(None, times):
                stage_end(record)


class Emitted(Repeated):
    """An event that is made already, given to `atrio.events.emit`, which asks anew who listens; nobody does."""

    def answer(self) -> list[str]:
        """Return what somebody heard who listens."""
        heard: list[Event] = []
        with atrio.observe_only(heard.append):
            for _ in range(TOLD):
                emit(made())
        return [event.event_name for event in heard]

    def repeat(self, times: int) -> None:
        """Emit it."""
        event = made()
        with atrio.observe_only():
            for _ in repeat(None, times):
                emit(event)


def made() -> StageEnd:
    """Return an event as a run makes it."""
    heard: list[Any] = []
    with atrio.observe_only(heard.append):
        run_events().stage_end(record_of(StageStatus.SUCCESS))
    return heard[0]
