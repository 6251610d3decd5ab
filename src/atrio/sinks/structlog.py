"""Events as lines of structlog, whatever configuration the host has.

structlog is not imported here: importing it costs half of what importing Trio does, and a program that has not imported
it cannot have configured it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final

import attrs

from atrio import events
from atrio._text import cut, digits, encodable, encoded_size
from atrio.events import Event
from atrio.events import _levels as levels
from atrio.events._observing import install_default

SCHEMA: Final = 1
"""The version of the event catalogue; a changed field raises it, an added one does not."""

_LARGEST_INT: Final = 2**53
"""What every JSON reader holds exactly: a double's mantissa."""
_SHORT_ENOUGH: Final = 400
"""Characters of text in a line that need not be cut, even if each of them is escaped."""
_LONGEST_ID: Final = 400
"""Bytes of an id or a type in JSON."""
_SURELY_SHORT: Final = _LONGEST_ID // 12
"""Characters that are no more than that, even if each of them is escaped as a pair of surrogates."""
_LONG_TEXTS: Final = frozenset({"error_message", "error_stack"})
_LONGEST_TEXTS: Final = 3000
"""Bytes of all texts of a line in JSON: with names, numbers and the host's own the line stays below 4,096."""


class _Shape:
    """How the fields of one class of events become those of a line."""

    def __init__(self, kind: type[Any]) -> None:
        # When it happened is for the host's processors to say, in their own way.
        fields = [field for field in attrs.fields(kind) if field.name != "timestamp"]
        self.names = tuple(field.name for field in fields)
        self.values_of: Callable[[Event], tuple[Any, ...]] = attrgetter(*self.names)
        self.texts = tuple(field.name for field in fields if str(field.type).startswith("str"))
        self.seconds = tuple(field.name for field in fields if field.type == "float")
        self.sizes = tuple(field.name for field in fields if field.name.endswith("_size"))


_SHAPES: Final = {kind: _Shape(kind) for kind in events.EVENT_KINDS}


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of `event` as a line has them: encodable, short, seconds rounded to microseconds."""
    shape = _SHAPES[type(event)]
    fields = dict(zip(shape.names, shape.values_of(event), strict=True))
    for name in shape.seconds:
        fields[name] = round(fields[name], 6)
    for name in shape.sizes:
        if fields[name] is not None and abs(fields[name]) >= _LARGEST_INT:
            fields[name] = digits(fields[name])
    texts = {name: _short(name, encodable(fields[name])) for name in shape.texts if fields[name] is not None}
    fields.update(texts if sum(map(len, texts.values())) <= _SHORT_ENOUGH else _cut_all(texts))
    return fields


def _short(name: str, text: str) -> str:
    # An id is the same on every line of a run, whatever else the line holds, so that lines can be joined by it.
    return text if len(text) <= _SURELY_SHORT or name in _LONG_TEXTS else cut(text, _LONGEST_ID)


def _cut_all(texts: dict[str, str]) -> dict[str, str]:
    left = _LONGEST_TEXTS - sum(encoded_size(text) for name, text in texts.items() if name not in _LONG_TEXTS)
    # The stack repeats the message, so the message gets the smaller part.
    sizes = {"error_message": left // 3, "error_stack": left - left // 3}
    return {name: cut(text, sizes[name]) if name in sizes else text for name, text in texts.items()}


_LAST: Final = frozenset({events.PipelineEnd, events.BatchEnd})
"""The last events of a run."""


class _RunLog:
    """The lines of one run: the logger as it was bound when the run started, and how many lines there are."""

    __slots__ = ("level", "logger", "seq")

    def __init__(self, logger: Any, level: int, seq: Iterator[int]) -> None:
        self.logger = logger
        self.level = level
        self.seq = seq


class StructlogSink:
    """A sink that writes one line of structlog per event.

    Args:
        logger: a structlog logger; by default ``structlog.get_logger("atrio")``, fetched anew for each run, if the host
            has configured structlog by then, and else none: the sink is silent.
    """

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger
        self._runs: dict[str | None, _RunLog] = {}
        # Counts without a lock, also where several Trio loops share the lines that belong to no run.
        self._outside = itertools.count()

    def minimum_level(self) -> int:
        """Return the lowest level that the logger writes now, as a number of ``logging``."""
        logger = self._bound()
        return levels.SILENT if logger is None else _lowest_enabled(logger)

    def _bound(self) -> Any:
        if self._logger is not None:
            return self._logger.bind()
        structlog = sys.modules.get("structlog")
        if structlog is None or not structlog.is_configured():
            return None
        try:
            return structlog.get_logger("atrio").bind()
        except TypeError:  # a logger factory of the host's own need not take a name
            return structlog.get_logger().bind()

    def __call__(self, event: Event, /) -> None:
        """Write `event` as one line, unless its level is filtered out."""
        log = self._runs.get(event.run_id) or self._open(event.run_id)
        try:
            level = event.level
            if levels.LEVEL_NUMBERS[level] >= log.level:
                getattr(log.logger, level)(event.event_name, schema=SCHEMA, **fields_of(event), seq=next(log.seq))
        except BaseException:
            # Whoever raises is left out for the rest of the run, and hears of its end no more.
            self._runs.pop(event.run_id, None)
            raise
        if type(event) in _LAST:
            self._runs.pop(event.run_id, None)

    def _open(self, run_id: str | None) -> _RunLog:
        logger = self._bound()
        level = levels.SILENT if logger is None else _lowest_enabled(logger)
        if run_id is None:
            # Such lines come for as long as the program runs, and the host may configure its logging at any time.
            return _RunLog(logger, level, self._outside)
        return self._runs.setdefault(run_id, _RunLog(logger, level, itertools.count()))


def _lowest_enabled(logger: Any) -> int:
    # structlog's filtering loggers know is_enabled_for, those of the standard library isEnabledFor; others filter
    # nothing before their processors. The class is asked, because a generic logger takes any name for a level's.
    kind = type(logger)
    is_enabled = getattr(kind, "is_enabled_for", None) or getattr(kind, "isEnabledFor", None)
    if is_enabled is None:
        return levels.DEBUG
    return next((level for level in levels.LEVEL_NUMBERS.values() if is_enabled(logger, level)), levels.SILENT)


install_default(StructlogSink())
