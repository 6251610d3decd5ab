"""Places in what a history is given, to know from which one on it is not safe yet."""

from __future__ import annotations

import threading


class Mark:
    """A place in what a sink was given: it says whether all that came before is in the file.

    What was lost before that, and told as such, does not count: where there was too much of it while nothing could be
    written.

    Attributes:
        is_settled: whether it is known by now.
        is_kept: whether all of it is there; False as long as it is not known.
    """

    __slots__ = ("_event", "is_kept", "is_settled")

    def __init__(self, event: threading.Event | None = None) -> None:
        self.is_settled: bool = False
        self.is_kept: bool = False
        self._event = event

    def settle(self, *, is_kept: bool) -> None:
        """Say whether it is; only the sink does."""
        self.is_kept = is_kept
        self.is_settled = True
        if self._event is not None:
            self._event.set()
