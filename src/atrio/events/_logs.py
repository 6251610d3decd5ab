"""The events of the log itself."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level


@attrs.frozen(slots=False)
class LogDropped(Envelope):
    """Lines of the log could not be written; told as soon as writing works again.

    Attributes:
        count: how many lines are missing.
        reason: why the last of them was not written.
    """

    event_name: ClassVar[str] = "log.dropped"
    level: ClassVar[Level] = "warning"

    count: int
    reason: str
