"""The check of logs, a line at a time: whose it is, and whether it is valid."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from atrio.logs._decoding import fastest_loads, seems_ours
from atrio.logs._following import Follower
from atrio.logs._report import CheckReport, Problems
from atrio.logs._rules import has_place, is_ours, problem_of
from atrio.logs._sources import TOO_LONG, Block

_MOST_TORN: Final = 1000
_TOO_LONG: Final = "it is longer than 1 MiB, and a line of atrio's has less than 4,096 bytes"


class Checker:
    """Checks logs, a block of lines at a time.

    Args:
        shown: how many problems are kept, and how much of what is in flight; the rest is counted.
    """

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self._loads = fastest_loads()
        self._problems = Problems(shown)
        self._follower = Follower(self._problems)
        self._counts: Counter[str] = Counter()
        self._torn: list[str] = []
        self._cut_off: list[str] = []
        self._first: str | None = None
        self._last: str | None = None

    def take(self, block: Block) -> None:
        """Check the lines of `block`."""
        self._problems.begin(block.file)
        if block.cut_off:
            self._cut_off.append(block.file)
        for number, line in enumerate(block.lines, block.first):
            if line is TOO_LONG:
                self._counts["lines"] += 1
                self._invalid(block.file, number, _TOO_LONG)
            elif line.strip():
                self._counts["lines"] += 1
                self._take(line, block, number)

    def _take(self, line: bytes, block: Block, number: int) -> None:
        try:
            fields: Any = self._loads(line)
        except ValueError as error:
            self._undecoded(line, block, number, error)
            return
        if not isinstance(fields, dict) or not is_ours(fields):
            self._counts["foreign"] += 1
        elif wrong := problem_of(fields):
            self._invalid(block.file, number, wrong)
            if has_place(fields):  # it is not missing as well
                self._follower.follow(fields, block.file, number, valid=False)
        else:
            self._counts["events"] += 1
            timestamp = fields["timestamp"]
            self._first = min(self._first or timestamp, timestamp)
            self._last = max(self._last or timestamp, timestamp)
            self._follower.follow(fields, block.file, number)

    def _undecoded(self, line: bytes, block: Block, number: int, error: ValueError) -> None:
        if block.torn:
            self._counts["torn"] += 1
            if len(self._torn) < _MOST_TORN:
                self._torn.append(f"{block.file}:{number}")
        elif seems_ours(line):
            self._invalid(block.file, number, f"it is no JSON ({error}): it was torn, or written over by another")
        else:
            self._counts["foreign"] += 1

    def _invalid(self, file: str, number: int, text: str) -> None:
        self._counts["invalid"] += 1
        self._problems.add("invalid", file, number, text)

    def report(self, files: tuple[str, ...]) -> CheckReport:
        """Return what was found; no block may follow.

        Args:
            files: what was read.
        """
        in_flight, in_flight_count = self._follower.finish(self._shown)
        own, followed = self._counts, self._follower.counts
        return CheckReport(
            files=files,
            first=self._first,
            last=self._last,
            lines=own["lines"],
            events=own["events"],
            invalid=own["invalid"],
            foreign=own["foreign"],
            torn=tuple(self._torn),
            cut_off=tuple(self._cut_off),
            runs=followed["runs"],
            begun_earlier=followed["begun_earlier"],
            missing=followed["missing"],
            repeated=followed["repeated"],
            out_of_order=followed["out_of_order"],
            unended=followed["unended"],
            dropped=followed["dropped"],
            dropped_because=dict(self._follower.dropped_because),
            problems=self._problems.first(),
            problem_count=self._problems.count,
            in_flight=in_flight,
            in_flight_count=in_flight_count,
            forgotten=followed["forgotten"],
        )
