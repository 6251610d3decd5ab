"""What every event carries, and the levels that events have."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import ClassVar, Final, Literal, TypeAlias

import attrs

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


@attrs.frozen
class Envelope:
    """What every event carries.

    Attributes:
        run_id: 32 lower-case hexadecimal digits, a UUIDv7; None outside a run.
        parent_run_id: the pipeline run or batch that this one runs inside.
        parent_stage_id: the stage there.
        parent_task_id: the batch task there.
        timestamp: when it happened, aware, in UTC.
    """

    event_name: ClassVar[str]

    run_id: str | None
    parent_run_id: str | None
    parent_stage_id: str | None
    parent_task_id: str | None
    timestamp: datetime
