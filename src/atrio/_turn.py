"""Taking turns: how agents that never block are kept from starving a Trio program.

A yield to Trio costs more than a small stage, so it is not made after each one: whoever runs agents may go on for a
millisecond, and then rests. The millisecond is shared by all who run agents in one Trio loop. Trio resumes every
runnable task in each tick, so with a millisecond *each*, fifty workers would keep the host's own tasks waiting for
fifty of them.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

import trio
from trio.lowlevel import RunVar

SECONDS: Final = 0.001
"""How long a turn lasts. Real time and not Trio's: what starves others is the processor, also under a MockClock."""

_ABANDONED: Final = 10 * SECONDS
"""How long after its end a turn is free, though its holder has not come back (its agent blocks)."""


class Turn:
    """The turn of one Trio loop. One holder at a time goes on until the turn ends; the others do one step a tick."""

    __slots__ = ("_holder", "ends")

    def __init__(self) -> None:
        self._holder: object = None
        self.ends = 0.0

    async def rest(self, worker: object) -> None:
        """Yield to Trio; then take the turn if it is this worker's, or nobody's."""
        await trio.lowlevel.checkpoint()
        now = perf_counter()
        if self._holder is worker or self._holder is None or now >= self.ends + _ABANDONED:
            self._holder = worker
            self.ends = now + SECONDS

    def release(self, worker: object) -> None:
        """Give the turn back when `worker` has nothing more to do."""
        if self._holder is worker:
            self._holder = None


_turn: RunVar[Turn] = RunVar("atrio_turn")


def current_turn() -> Turn:
    """Return the turn of this Trio loop."""
    try:
        return _turn.get()
    except LookupError:
        turn = Turn()
        _turn.set(turn)
        return turn
