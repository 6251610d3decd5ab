"""The levels that events have, by name and by the numbers of the standard library's ``logging``."""

from __future__ import annotations

import logging
from typing import Final, Literal, TypeAlias

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

DEBUG: Final = logging.DEBUG
INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
ERROR: Final = logging.ERROR
SILENT: Final = logging.CRITICAL + 1
"""Above every level that an event can have."""

LEVEL_NUMBERS: Final[dict[Level, int]] = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}

_END_LEVELS: Final[dict[str, Level]] = {
    "success": "info",
    "degraded": "warning",
    "skipped": "warning",
    "cancelled": "warning",
}


def end_level(status: str) -> Level:
    """Return the level of an end event: info for success, warning for what is half one, error for the rest."""
    return _END_LEVELS.get(status, "error")


def task_end_level(status: str) -> Level:
    """Return the level of a task's end: debug, because there are many, and error for a failure."""
    return "error" if status in {"error", "timeout"} else "debug"
