"""The sums of logs. Millions of lines pass through here, so a line costs little more than its decoding.

What may be wrong with a line is not looked for: it shows when the line is used, or when its block is summed up.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from atrio.events import EVENT_KINDS, BatchEnd, PipelineEnd, StageEnd, TaskEnd
from atrio.events._catalogue import LARGEST_INT, LOGGER, TIMESTAMP
from atrio.events._envelope import SCHEMA
from atrio.logs._breakers import Breakers
from atrio.logs._decoding import fastest_loads, seems_ours
from atrio.logs._in_flight import Kind
from atrio.logs._rules import is_ours
from atrio.logs._sources import TOO_LONG, Block
from atrio.logs._summary import Summary
from atrio.sinks.metrics import OTHER_IDS, DurationsById

MAX_IDS: Final = 1000
MOST_OPEN: Final = 20_000
_MOST_PARTS: Final = 100_000
_BLOCKS: Final = 128
"""How many blocks pass until memory is looked after."""

Fields: TypeAlias = dict[str, Any]
Taker: TypeAlias = Callable[[Fields], object]
Durations: TypeAlias = defaultdict[tuple[str, str], list[float]]
Open: TypeAlias = defaultdict[str, dict[str | None, tuple[Kind, str]]]

_UNUSABLE: Final = (ValueError, KeyError, TypeError)
"""What reading a line of JSON raises, or using one that has not what it should."""
_NO_NAME: Final = "a name is a string"
_is_timestamp: Final = re.compile(TIMESTAMP.removesuffix("$")).fullmatch


class _Ends:
    """What ended, of one kind.

    Args:
        statuses: in which ways it can end.

    Attributes:
        durations: seconds of what ended since the last summing up, by name and status.
    """

    def __init__(self, statuses: tuple[str, ...]) -> None:
        self.durations: Durations = defaultdict(list)
        self._by_id = DurationsById(MAX_IDS)
        self._statuses = frozenset(statuses)
        self.statistics = self._by_id.statistics

    def sum_up(self) -> int:
        """Count what ended; return how much of it has no right name, status or duration."""
        unusable = 0
        for (name, status), durations in self.durations.items():
            if not durations:  # where the line had none
                continue
            right = durations
            if (
                not set(map(type, durations)) <= {float, int}
                or not 0 <= min(durations) <= max(durations) <= LARGEST_INT
            ):
                right = [each for each in durations if type(each) in {float, int} and 0 <= each <= LARGEST_INT]
            if type(name) is not str or status not in self._statuses:
                right = []
            unusable += len(durations) - len(right)
            if right:
                self._by_id[name].add_all(right, status)
        self.durations.clear()
        return unusable


class Summer:
    """Sums up logs, a block of lines at a time."""

    def __init__(self) -> None:
        self._loads = fastest_loads()
        self._counts: Counter[str] = Counter()
        self._first: str | None = None
        self._last: str | None = None
        self._ends: dict[Kind, _Ends] = {
            "pipeline": _Ends(PipelineEnd.statuses),
            "stage": _Ends(StageEnd.statuses),
            "batch": _Ends(BatchEnd.statuses),
            "task": _Ends(TaskEnd.statuses),
        }
        self._retries: Counter[str] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._breakers = Breakers(MAX_IDS)
        self._open: Open = defaultdict(dict)
        self._blocks = 0
        self._cut_off: list[str] = []
        self._takers = self._takers_by_event()

    def _takers_by_event(self) -> dict[str, Taker]:
        durations = {kind: ends.durations for kind, ends in self._ends.items()}
        nothing: dict[str, Taker] = dict.fromkeys((kind.event_name for kind in EVENT_KINDS), bool)
        return nothing | {
            "pipeline.start": _start_of_run(self._open, "pipeline", "pipeline_id"),
            "pipeline.end": _end_of_run(self._open, durations["pipeline"], "pipeline_id"),
            "stage.start": _start_of_part(self._open, "stage", "stage_id", "stage_id"),
            "stage.end": _end_of_part(self._open, durations["stage"], "stage_id", "stage_id"),
            "stage.retry": _count(self._retries, "stage_id"),
            "fallback.used": _count(self._fallbacks, "fallback"),
            "batch.start": _start_of_run(self._open, "batch", "batch"),
            "batch.end": _end_of_run(self._open, durations["batch"], "batch"),
            "task.start": _start_of_part(self._open, "task", "agent_id", "task_id"),
            "task.end": _end_of_part(self._open, durations["task"], "agent_id", "task_id"),
            "breaker.opened": self._breakers.opened,
            "breaker.half_opened": self._breakers.half_opened,
            "breaker.closed": self._breakers.closed,
            "log.dropped": self._dropped,
        }

    def take(self, block: Block) -> None:
        """Sum up the lines of `block`."""
        if block.cut_off:
            self._cut_off.append(block.file)
        loads, takers = self._loads, self._takers
        timestamps: list[str] = []
        timestamp_is = timestamps.append
        for line in block.lines:
            try:
                fields = loads(line)
                if fields["logger"] == LOGGER and fields["schema"] == SCHEMA:
                    timestamp = fields["timestamp"]
                    takers[fields["event"]](fields)
                    timestamp_is(timestamp)
                else:
                    self._counts["unusable" if is_ours(fields) else "foreign"] += 1
            except _UNUSABLE:
                self._odd(line, block)
        self._counts["lines"] += len(block.lines)
        self._counts["events"] += len(timestamps)
        self._note_time(timestamps)
        self._blocks += 1
        if self._blocks % _BLOCKS == 0:
            self._tidy()

    def _odd(self, line: bytes, block: Block) -> None:
        """Count a line that is not one of atrio's, or cannot be used."""
        if line.strip():
            self._counts["unusable" if line is TOO_LONG else self._kind_of(line, block)] += 1
        else:
            self._counts["lines"] -= 1

    def _kind_of(self, line: bytes, block: Block) -> str:
        try:
            fields = self._loads(line)
        except ValueError:
            return "torn" if block.torn else "unusable" if seems_ours(line) else "foreign"
        return "unusable" if isinstance(fields, dict) and is_ours(fields) else "foreign"

    def _note_time(self, timestamps: list[str]) -> None:
        right = timestamps
        try:
            first, last = min(right, default=""), max(right, default="")
            exact = _is_timestamp(first) and _is_timestamp(last)
        except TypeError:  # some are no text
            exact = None
        if not exact:
            right = [each for each in timestamps if type(each) is str and _is_timestamp(each)]
        if right:
            first, last = min(right), max(right)
            self._first = min(self._first or first, first)
            self._last = max(self._last or last, last)

    def _dropped(self, fields: Fields) -> None:
        count = fields["count"]
        # To JSON 3.0 is a whole number too.
        if type(count) not in {int, float} or not 0 <= count <= LARGEST_INT or count != int(count):
            raise ValueError("a count is a whole number from 0 up")
        self._counts["dropped"] += int(count)

    def _tidy(self) -> None:
        """Sum up what ended, and let go of what has been open for longest, if there is too much."""
        unusable = sum(ends.sum_up() for ends in self._ends.values())
        self._counts["unusable"] += unusable
        self._counts["events"] -= unusable
        parts = sum(map(len, self._open.values()))
        for run_id in list(self._open):
            if len(self._open) <= MOST_OPEN and parts <= _MOST_PARTS:
                break
            forgotten = len(self._open.pop(run_id))
            self._counts["forgotten"] += forgotten
            parts -= forgotten

    def summary(self, files: tuple[str, ...]) -> Summary:
        """Return what the logs come to; no block may follow.

        Args:
            files: what was read.
        """
        self._tidy()
        counts = self._counts
        return Summary(
            files=files,
            first=self._first,
            last=self._last,
            lines=counts["lines"],
            events=counts["events"],
            unusable=counts["unusable"],
            foreign=counts["foreign"],
            torn=counts["torn"],
            cut_off=tuple(self._cut_off),
            pipelines=self._ends["pipeline"].statistics(),
            stages=self._ends["stage"].statistics(),
            retries=dict(self._retries),
            fallbacks=dict(self._fallbacks),
            batches=self._ends["batch"].statistics(),
            tasks=self._ends["task"].statistics(),
            breakers=self._breakers.figures(),
            in_flight=self._in_flight(),
            forgotten=counts["forgotten"],
            dropped=counts["dropped"],
        )

    def _in_flight(self) -> dict[Kind, dict[str, int]]:
        counts: Counter[tuple[Kind, str]] = Counter(part for parts in self._open.values() for part in parts.values())
        found: dict[Kind, dict[str, int]] = {kind: {} for kind in self._ends}
        for (kind, name), count in counts.items():
            names = found[kind]
            known = name in names or len(names) < MAX_IDS
            key = name if known else OTHER_IDS
            names[key] = names.get(key, 0) + count
        return found


# Functions that hold what they need, because looking it up would cost more than using it.


def _count(counts: Counter[str], name: str) -> Taker:
    def take(fields: Fields) -> None:
        named = fields[name]
        if type(named) is not str:
            raise TypeError(_NO_NAME)
        known = named in counts or len(counts) < MAX_IDS
        counts[named if known else OTHER_IDS] += 1

    return take


def _start_of_run(open_: Open, kind: Kind, name: str) -> Taker:
    def take(fields: Fields) -> None:
        named = fields[name]
        if type(named) is not str:
            raise TypeError(_NO_NAME)
        open_[fields["run_id"]][None] = (kind, named)

    return take


def _end_of_run(open_: Open, durations: Durations, name: str) -> Taker:
    def take(fields: Fields) -> None:
        open_.pop(fields["run_id"], None)
        durations[fields[name], fields["status"]].append(fields["duration_s"])

    return take


def _start_of_part(open_: Open, kind: Kind, name: str, part: str) -> Taker:
    def take(fields: Fields) -> None:
        named, key = fields[name], fields[part]
        if type(named) is not str or type(key) is not str:
            raise TypeError(_NO_NAME)
        open_[fields["run_id"]][key] = (kind, named)

    return take


def _end_of_part(open_: Open, durations: Durations, name: str, part: str) -> Taker:
    def take(fields: Fields) -> None:
        open_[fields["run_id"]].pop(fields[part], None)
        durations[fields[name], fields["status"]].append(fields["duration_s"])

    return take
