"""The events of alerts."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level


@attrs.frozen(slots=False)
class AlertRaised(Envelope):
    """A rule found something wrong.

    Attributes:
        rule: the rule.
        subject: what it is about: a stage, a pipeline, batches of a name, a breaker.
        value: what was measured.
        threshold: what it should not have exceeded.
    """

    event_name: ClassVar[str] = "alert.raised"
    level: ClassVar[Level] = "warning"

    rule: str
    subject: str
    value: float
    threshold: float


@attrs.frozen(slots=False)
class AlertResolved(Envelope):
    """What a rule had found wrong is right again.

    Attributes:
        rule: the rule.
        subject: what it is about: a stage, a pipeline, batches of a name, a breaker.
        value: what was measured.
        threshold: what it no longer exceeds.
    """

    event_name: ClassVar[str] = "alert.resolved"
    level: ClassVar[Level] = "info"

    rule: str
    subject: str
    value: float
    threshold: float
