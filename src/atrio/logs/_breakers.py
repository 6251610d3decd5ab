"""What logs say of circuit breakers."""

from __future__ import annotations

from typing import Any

from atrio.events._catalogue import LARGEST_INT
from atrio.logs._summary import BreakerFigures, State
from atrio.sinks.metrics import OTHER_IDS


class _Figures:
    """The figures of one name, as they are counted."""

    __slots__ = ("open_s", "opened", "state")

    def __init__(self) -> None:
        self.opened = 0
        self.open_s = 0.0
        self.state: State = "closed"


class Breakers:
    """Counts what circuit breakers do.

    Args:
        max_ids: how many names get figures of their own.
    """

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._by_name: dict[str, _Figures] = {}

    def opened(self, fields: dict[str, Any]) -> None:
        """Take note of a line of `breaker.opened`."""
        figures = self._named(fields["breaker"])
        figures.opened += 1
        figures.state = "open"

    def half_opened(self, fields: dict[str, Any]) -> None:
        """Take note of a line of `breaker.half_opened`."""
        open_s = _seconds(fields["open_s"])
        figures = self._named(fields["breaker"])
        # Not what `breaker.closed` says: that counts from the same opening.
        figures.open_s += open_s
        figures.state = "half_open"

    def closed(self, fields: dict[str, Any]) -> None:
        """Take note of a line of `breaker.closed`."""
        self._named(fields["breaker"]).state = "closed"

    def _named(self, name: Any) -> _Figures:
        if not isinstance(name, str):
            raise TypeError("a breaker's name is a string")
        known = name in self._by_name or len(self._by_name) < self._max_ids
        return self._by_name.setdefault(name if known else OTHER_IDS, _Figures())

    def figures(self) -> dict[str, BreakerFigures]:
        """Return what was counted, by name."""
        return {name: BreakerFigures(each.opened, each.open_s, each.state) for name, each in self._by_name.items()}


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("seconds are a number")
    if not 0 <= value <= LARGEST_INT:
        raise ValueError("seconds are a number from 0 up, and can be added up")
    return value
