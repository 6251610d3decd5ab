"""Events as lines of structlog, whatever configuration the host has.

structlog is not imported here: importing it costs half of what importing Trio does, and a program that has not imported
it cannot have configured it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import attrs

from atrio import events
from atrio.events import Event

SCHEMA: Final = 1
"""The version of the event catalogue; a changed field raises it, an added one does not."""

# What the host's processors say themselves, in their own way.
_NOT_FIELDS: Final = frozenset({"timestamp"})
_LONGEST: Final = {"error_message": 500, "error_stack": 2000}
"""Characters of the fields that would make a line long; more is cut in the middle."""


def _shape_of(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[Event], tuple[Any, ...]]]:
    names = tuple(field.name for field in attrs.fields(kind) if field.name not in _NOT_FIELDS)
    return names, attrgetter(*names)


_SHAPES: Final = {
    kind: _shape_of(kind)
    for kind in (events.PipelineStart, events.StageStart, events.StageRetry, events.StageEnd, events.PipelineEnd)
}


def cut(text: str, longest: int) -> str:
    """Return `text`, cut in the middle with `…` where it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    head = longest // 2
    return f"{text[:head]}…{text[head + 1 - longest :]}"


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of `event` by name but its timestamp, durations rounded to microseconds, long texts cut."""
    names, values_of = _SHAPES[type(event)]
    fields = dict(zip(names, values_of(event), strict=True))
    for name, value in fields.items():
        if type(value) is float:
            fields[name] = round(value, 6)
        elif name in _LONGEST and value is not None:
            fields[name] = cut(value, _LONGEST[name])
    return fields


class _RunLog:
    """The lines of one run: the logger as it was bound when the run started, and how many lines there are."""

    __slots__ = ("level", "logger", "seq")

    def __init__(self, logger: Any, level: int) -> None:
        self.logger = logger
        self.level = level
        # Counts without a lock, also where several Trio loops share the lines that belong to no run.
        self.seq = itertools.count()


class StructlogSink:
    """A sink that writes one line of structlog per event.

    Args:
        logger: a structlog logger; by default ``structlog.get_logger("atrio")``, fetched anew for each run, if the host
            has configured structlog by then, and else none: the sink is silent.
    """

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger
        self._runs: dict[str | None, _RunLog] = {}

    def minimum_level(self) -> int:
        """Return the lowest level that the logger writes now, as a number of ``logging``."""
        logger = self._bound()
        return events.SILENT if logger is None else _lowest_enabled(logger)

    def _bound(self) -> Any:
        logger = self._logger
        if logger is None:
            structlog = sys.modules.get("structlog")
            if structlog is None or not structlog.is_configured():
                return None
            logger = structlog.get_logger("atrio")
        return logger.bind()

    def __call__(self, event: Event, /) -> None:
        """Write `event` as one line, unless its level is filtered out."""
        log = self._runs.get(event.run_id)
        if log is None:
            log = self._open(event.run_id)
        level = event.level
        if events.LEVEL_NUMBERS[level] >= log.level:
            getattr(log.logger, level)(event.event_name, schema=SCHEMA, **fields_of(event), seq=next(log.seq))
        if type(event) is events.PipelineEnd:
            self._runs.pop(event.run_id, None)

    def _open(self, run_id: str | None) -> _RunLog:
        logger = self._bound()
        log = _RunLog(logger, events.SILENT if logger is None else _lowest_enabled(logger))
        return self._runs.setdefault(run_id, log)


def _lowest_enabled(logger: Any) -> int:
    # structlog's filtering loggers know is_enabled_for, those of the standard library isEnabledFor; others filter
    # nothing before their processors.
    is_enabled = getattr(logger, "is_enabled_for", None) or getattr(logger, "isEnabledFor", None)
    if is_enabled is None:
        return events.DEBUG
    return next((level for level in events.LEVEL_NUMBERS.values() if is_enabled(level)), events.SILENT)


events.install_default(StructlogSink())
