"""The numbers of lines, `seq`: which are missing and which come twice, without remembering those that came."""

from __future__ import annotations

from typing import Final

import attrs

_MOST_GAPS: Final = 64
"""Gaps of one sequence that are remembered in case that they are filled."""


@attrs.frozen
class Gap:
    """Numbers that are missing.

    Attributes:
        first: the first of them.
        last: the last of them.
        file: the log where they were missed.
        line: the number of the line there.
    """

    first: int
    last: int
    file: str
    line: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


class Sequence:
    """The numbers of one run's lines, or of those of a process that belong to no run.

    Args:
        begin: the first number; what was before it is not missed.

    Attributes:
        begin: that.
        expected: the number that should come next.
        gaps: what is missing up to now; lines may come out of their order, and fill them.
        broken: whether there was a gap that is not remembered, or was filled.
    """

    __slots__ = ("begin", "broken", "expected", "gaps")

    def __init__(self, begin: int) -> None:
        self.begin = self.expected = begin
        self.gaps: list[Gap] = []
        self.broken = False

    def skip_to(self, seq: int, file: str, line: int) -> Gap | None:
        """Note that `seq` came where a smaller one should have; return a gap that is no longer remembered."""
        self.gaps.append(Gap(self.expected, seq - 1, file, line))
        self.expected = seq + 1
        if len(self.gaps) <= _MOST_GAPS:
            return None
        self.broken = True
        return self.gaps.pop(0)

    def fill(self, seq: int) -> bool:
        """Note that `seq`, which was passed over, came after all; return False if it was there already."""
        for place, gap in enumerate(self.gaps):
            if gap.first <= seq <= gap.last:
                around = ((gap.first, seq - 1), (seq + 1, gap.last))
                self.broken = True
                self.gaps[place : place + 1] = [
                    attrs.evolve(gap, first=first, last=last) for first, last in around if first <= last
                ]
                return True
        return seq < self.begin
