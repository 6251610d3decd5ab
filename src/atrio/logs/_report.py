"""What a check of logs found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

from atrio.logs._in_flight import InFlight

ProblemKind: TypeAlias = Literal["invalid", "missing", "repeated", "unended"]


@attrs.frozen
class Problem:
    """Something that is wrong in a log.

    Attributes:
        kind: invalid for a line that is not as it should be; missing for numbers that `seq` passes over; repeated for a
            line whose number was there already; unended for a stage or a task that has no end although its run has one,
            and no line of that run is missing.
        file: the log, `-` for a stream.
        line: the number of the line, from 1.
        text: what is wrong, and what would be right.
    """

    kind: ProblemKind
    file: str
    line: int
    text: str


class Problems:
    """Counts what is wrong, and keeps the first of it, in the order of the files and their lines.

    Args:
        shown: how many are kept.

    Attributes:
        count: how many there are.
    """

    def __init__(self, shown: int) -> None:
        self.count = 0
        self._shown = shown
        self._kept: list[tuple[int, int, int, Problem]] = []
        self._files: dict[str, int] = {}

    def begin(self, file: str) -> None:
        """Take note that lines of `file` follow."""
        self._files.setdefault(file, len(self._files))

    def add(self, kind: ProblemKind, file: str, line: int, text: str) -> None:
        """Count a problem; it need not come in its order."""
        self.count += 1
        self._kept.append((self._files[file], line, self.count, Problem(kind, file, line, text)))
        if len(self._kept) > 2 * self._shown:
            self._kept = sorted(self._kept)[: self._shown]

    def first(self) -> tuple[Problem, ...]:
        """Return the first of them."""
        return tuple(problem for _, _, _, problem in sorted(self._kept)[: self._shown])


@attrs.frozen
class CheckReport:
    """What a check of logs found.

    Attributes:
        files: what was read, in this order; `-` for a stream.
        first: the earliest timestamp of an event, or None if there is no event.
        last: the latest one.
        lines: how many lines were read, blank ones aside.
        events: how many of them are atrio's, and valid.
        invalid: how many are, or were meant to be, atrio's, and are not valid.
        foreign: how many are of others: they are no JSON object, or one with another logger.
        torn: where a last line is no JSON and no newline ends it, as `file:line`. That is no problem: its writer was
            cut off, or is about to go on.
        cut_off: the compressed logs whose end is missing; what could be unpacked was read.
        runs: how many runs were seen.
        begun_earlier: how many runs had begun before what was read, and how many counts of a process's own lines: what
            came before is not missing.
        missing: how many lines are missing, by the gaps in `seq`.
        repeated: how many lines were there already.
        out_of_order: how many lines stand after lines that were written later.
        unended: how many stages and tasks have no end although their run has one.
        dropped: how many lines could not be written, as the log itself says.
        dropped_because: how many for which reason.
        problems: the first of what is wrong.
        problem_count: how much is wrong.
        in_flight: the first of what had begun and had not ended.
        in_flight_count: how much that is.
        forgotten: how many runs, stages and tasks were not followed to their end, because too many were open at once.
    """

    files: tuple[str, ...]
    first: str | None
    last: str | None
    lines: int
    events: int
    invalid: int
    foreign: int
    torn: tuple[str, ...]
    cut_off: tuple[str, ...]
    runs: int
    begun_earlier: int
    missing: int
    repeated: int
    out_of_order: int
    unended: int
    dropped: int
    dropped_because: Mapping[str, int]
    problems: tuple[Problem, ...]
    problem_count: int
    in_flight: tuple[InFlight, ...]
    in_flight_count: int
    forgotten: int

    @property
    def ok(self) -> bool:
        """Whether all is well: no problem, nothing dropped or cut off, and of the lines, if any, some are atrio's.

        What is in flight, a torn last line and the lines of others are no fault of a log.
        """
        return not (self.problem_count or self.dropped or self.cut_off) and bool(self.events or not self.lines)
