"""What every event carries."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

import attrs

SCHEMA: Final = 1
"""The version of the event catalogue; a changed field raises it, an added one does not."""


# Without slots: a frozen object is built in half the time where its fields are in a dict, and events are many.
@attrs.frozen(slots=False)
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
