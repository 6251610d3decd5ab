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
    """The turn of one Trio loop. In each tick at most one is begun, by the worker that stands by for it.

    The others are parked, in order, so that they cost nothing while they wait. Whoever comes from a turn wakes the next
    in line and parks behind the others, so that turns go round. Whoever may go on wakes two: if the turn is soon over
    they wait again, and if it is not, because agents block, all are awake after a few ticks.

    Attributes:
        ends: the time, as of ``time.perf_counter``, at which whoever runs agents must rest.
    """

    __slots__ = ("_moves", "_parked", "_standing_by", "_woken_at", "ends")

    def __init__(self) -> None:
        self._parked = trio.lowlevel.ParkingLot()
        self._standing_by = False
        # How often somebody began a turn, or went on in one. For those who were woken and did not run yet: how often it
        # had been by then.
        self._moves = 0
        self._woken_at: dict[trio.lowlevel.Task, int] = {}
        self.ends = 0.0

    async def rest(self) -> None:
        """Yield to Trio, until it is this worker's turn or there is time left in another's."""
        if not self._standing_by and not self._woken_at:
            self._wake(1)
        # Whoever waits runs in a later tick than the one in which it began to wait, or was woken.
        before = await self._park() if self._standing_by or self._woken_at else None
        while perf_counter() >= self.ends:
            if before == self._moves:
                # Nobody had a turn in this tick: the last one was over, or ended by what the host's own tasks took.
                self._begin()
            elif self._standing_by:
                before = await self._park()
            else:
                before = self._moves
                await self._stand_by()
        self._moves += 1
        self._wake(2)

    def _begin(self) -> None:
        self._moves += 1
        self.ends = perf_counter() + SECONDS

    def _wake(self, count: int) -> None:
        for task in self._parked.unpark(count=count):
            self._woken_at[task] = self._moves

    async def _park(self) -> int:
        """Wait to be woken, and return how many moves there had been by then."""
        await self._parked.park()
        return self._woken_at.pop(trio.lowlevel.current_task())

    async def _stand_by(self) -> None:
        """Wait for the next tick, alone: so there is one new turn a tick."""
        self._standing_by = True
        try:
            await trio.lowlevel.checkpoint()
        except BaseException:
            # Somebody else must stand by, or those who are parked would sleep for ever.
            self._wake(1)
            raise
        finally:
            self._standing_by = False


_turn: RunVar[Turn] = RunVar("atrio_turn")


def current_turn() -> Turn:
    """Return the turn of this Trio loop."""
    try:
        return _turn.get()
    except LookupError:
        turn = Turn()
        _turn.set(turn)
        return turn
