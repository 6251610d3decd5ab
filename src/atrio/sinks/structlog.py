"""Events as lines of structlog, whatever configuration the host has.

structlog is not imported here: importing it costs half of what importing Trio does, and a program that has not imported
it cannot have configured it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any, Final

from atrio import events
from atrio.events import Event
from atrio.events import _levels as levels
from atrio.events._envelope import SCHEMA
from atrio.events._observing import install_default
from atrio.sinks._lines import fields_of

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
