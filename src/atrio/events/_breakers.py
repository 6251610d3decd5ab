"""The events of circuit breakers."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level


@attrs.frozen(slots=False)
class BreakerOpened(Envelope):
    """A circuit breaker opened: it refuses calls from now on.

    Attributes:
        breaker: its name.
        failures: how many failures in a row opened it.
        recovery_timeout_s: seconds until it lets a probe through.
    """

    event_name: ClassVar[str] = "breaker.opened"
    level: ClassVar[Level] = "warning"

    breaker: str
    failures: int
    recovery_timeout_s: float


@attrs.frozen(slots=False)
class BreakerHalfOpened(Envelope):
    """A circuit breaker lets probes through.

    Attributes:
        breaker: its name.
        open_s: seconds that it was open.
    """

    event_name: ClassVar[str] = "breaker.half_opened"
    level: ClassVar[Level] = "info"

    breaker: str
    open_s: float


@attrs.frozen(slots=False)
class BreakerClosed(Envelope):
    """A circuit breaker closed: calls go through again.

    Attributes:
        breaker: its name.
        open_s: seconds since it opened.
    """

    event_name: ClassVar[str] = "breaker.closed"
    level: ClassVar[Level] = "info"

    breaker: str
    open_s: float
