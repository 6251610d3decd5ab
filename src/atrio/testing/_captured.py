"""The events of a block: `capture_events`."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TypeVar

from atrio.events import Event, observe

E = TypeVar("E", bound=Event)


class CapturedEvents(list[Event]):
    """The events of a block, in order."""

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class."""
        return [event for event in self if isinstance(event, kind)]

    @property
    def names(self) -> list[str]:
        """The events' dotted names."""
        return [event.event_name for event in self]


@contextlib.contextmanager
def capture_events() -> Generator[CapturedEvents]:
    """Collect the events of the block and of the tasks begun in it."""
    captured = CapturedEvents()
    with observe(captured.append):
        yield captured
