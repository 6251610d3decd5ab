"""Taking turns: how agents that never block are kept from starving a Trio program.

A yield to Trio costs more than a small stage, so it is not made after each one: whoever runs agents may go on until the
turn ends, and then rests. There is one turn for all who run agents in a Trio loop: Trio resumes every runnable task in
each tick, so with a turn *each*, fifty workers would keep the host's own tasks waiting for fifty of them.
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

import trio
from trio.lowlevel import RunVar

SECONDS: Final = 0.0005
"""How long a turn lasts: half a millisecond, because Trio resumes tasks in random order, so that another task may wait
for two turns. Real time and not Trio's: what starves others is the processor, also under a MockClock."""


class Turn:
    """The turn of one Trio loop. In each tick at most one worker begins a turn; the others do one step.

    A worker begins a turn only if none was begun since it went to rest. One that was begun in this tick was begun since
    everybody went to rest, so there is never a second one in the same tick.

    Attributes:
        ends: the processor time, as of ``time.perf_counter``, at which whoever runs agents must rest.
    """

    __slots__ = ("_begun", "ends")

    def __init__(self) -> None:
        self._begun = 0
        self.ends = 0.0

    async def rest(self) -> None:
        """Yield to Trio; then begin a turn, if nobody did meanwhile."""
        begun = self._begun
        await trio.lowlevel.checkpoint()
        if begun == self._begun:
            self._begun += 1
            self.ends = perf_counter() + SECONDS


_turn: RunVar[Turn] = RunVar("atrio_turn")


def current_turn() -> Turn:
    """Return the turn of this Trio loop."""
    try:
        return _turn.get()
    except LookupError:
        turn = Turn()
        _turn.set(turn)
        return turn
