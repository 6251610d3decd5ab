"""Runs, followed from line to line: their numbers, their ends, and in the end what is in flight."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, TypeAlias

from atrio.logs._in_flight import InFlight, Kind, fate_of
from atrio.logs._report import Problems
from atrio.logs._sequences import Gap, Sequence

MOST_OPEN: Final = 20_000
"""Runs that are followed at once, and processes."""
_MOST_PARTS: Final = 100_000
"""Stages and tasks of all of them."""
_MOST_ENDED: Final = 10_000
"""Runs that are known to have ended."""
_MOST_HOSTS: Final = 1000
_MOST_REASONS: Final = 20
_OTHER: Final = "(other)"

Process: TypeAlias = tuple[int, str]
Part: TypeAlias = tuple[Kind, str]

# What begins and ends something: its kind, and the field that has its name.
_RUN_STARTS: Final[dict[str, Part]] = {"pipeline.start": ("pipeline", "pipeline_id"), "batch.start": ("batch", "batch")}
_RUN_ENDS: Final = frozenset({"pipeline.end", "batch.end"})
_PART_STARTS: Final[dict[str, Part]] = {"stage.start": ("stage", "stage_id"), "task.start": ("task", "task_id")}
_PART_ENDS: Final[dict[str, Part]] = {"stage.end": ("stage", "stage_id"), "task.end": ("task", "task_id")}
_NAMED: Final = _RUN_STARTS | _PART_STARTS | _PART_ENDS


class _Run:
    """A run that has not ended.

    Attributes:
        numbers: those of its lines.
        process: who writes them.
        itself: what it is, if its start was seen.
        since: the timestamp of its start.
        parts: its stages or tasks that have not ended, with the timestamps of their starts.
    """

    __slots__ = ("itself", "numbers", "parts", "process", "since")

    def __init__(self, begin: int, process: Process) -> None:
        self.numbers = Sequence(begin)
        self.process = process
        self.itself: Part | None = None
        self.since = ""
        self.parts: dict[Part, str] = {}


class _Writer:
    """A process that writes lines.

    Attributes:
        numbers: those of its lines without a run, or None before the first.
        last_seen: the timestamp of its last line.
        at: that line's place among all events.
    """

    __slots__ = ("at", "last_seen", "numbers")

    def __init__(self) -> None:
        self.numbers: Sequence | None = None
        self.last_seen = ""
        self.at = 0


class Follower:
    """Follows runs through the lines of logs.

    Args:
        problems: where it says what is wrong.

    Attributes:
        counts: how many runs, begun_earlier, missing, repeated, out_of_order, unended, dropped, forgotten.
        dropped_because: how many were dropped for which reason.
    """

    def __init__(self, problems: Problems) -> None:
        self.counts: Counter[str] = Counter()
        self.dropped_because: Counter[str] = Counter()
        self._problems = problems
        self._file, self._line, self._at = "", 0, 0
        self._begins: dict[str, int] = {}
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._writers: OrderedDict[Process, _Writer] = OrderedDict()
        self._parts = 0
        self._let_go = False

    def follow(self, fields: dict[str, Any], file: str, line: int, *, valid: bool = True) -> None:
        """Take note of a line of atrio's.

        Args:
            fields: its fields.
            file: the log that it is in.
            line: its number there.
            valid: whether all of it is right, and not only what says whose it is, when, and its number.
        """
        self._file, self._line = file, line
        self._at += 1
        # To JSON 3.0 is a whole number too.
        host, run_id, seq, pid = fields["host"], fields["run_id"], int(fields["seq"]), int(fields["pid"])
        if host not in self._begins and len(self._begins) < _MOST_HOSTS:
            self._begins[host] = _milliseconds(fields["timestamp"])
        writer = self._writer((pid, host))
        writer.last_seen, writer.at = fields["timestamp"], self._at
        if run_id is None:
            self._outside(writer, seq)
            if valid and fields["event"] == "log.dropped":
                self._dropped(int(fields["count"]), fields["reason"])
        elif run_id in self._ended:
            self._after_its_end(run_id, seq)
        else:
            run = self._run(run_id, seq, (pid, host))
            if self._number(run.numbers, seq, f"run {run_id}") and (valid or _says_of_what(fields)):
                self._event(run, fields)

    def _writer(self, process: Process) -> _Writer:
        writer = self._writers.get(process)
        if writer is None:
            writer = self._writers[process] = _Writer()
            if len(self._writers) > MOST_OPEN:
                oldest, gone = self._writers.popitem(last=False)
                self._close_numbers(gone.numbers, _words(oldest))
        else:
            self._writers.move_to_end(process)
        return writer

    def _outside(self, writer: _Writer, seq: int) -> None:
        process = next(reversed(self._writers))
        if writer.numbers is None:
            # A process lives longer than a log that is rotated, and nothing says when it began.
            self.counts["begun_earlier"] += seq > 0
            writer.numbers = Sequence(seq)
        elif seq == 0 and writer.numbers.expected > 0:
            # Another process that has its number now, or another sink of the same.
            self._close_numbers(writer.numbers, _words(process))
            writer.numbers = Sequence(0)
        self._number(writer.numbers, seq, _words(process))

    def _dropped(self, count: int, reason: str) -> None:
        self.counts["dropped"] += count
        known = reason in self.dropped_because or len(self.dropped_because) < _MOST_REASONS
        self.dropped_because[reason if known else _OTHER] += count

    def _after_its_end(self, run_id: str, seq: int) -> None:
        if seq < self._ended[run_id]:
            self.counts["out_of_order"] += 1
        else:
            self.counts["repeated"] += 1
            self._problem("repeated", f"seq {seq} of run {run_id} comes after the end of that run")

    def _run(self, run_id: str, seq: int, process: Process) -> _Run:
        run = self._runs.get(run_id)
        if run is not None:
            self._runs.move_to_end(run_id)
            return run
        self.counts["runs"] += 1
        earlier = seq > 0 and self._began_earlier(run_id, process)
        self.counts["begun_earlier"] += earlier
        run = self._runs[run_id] = _Run(seq if earlier else 0, process)
        if len(self._runs) > MOST_OPEN:
            oldest, gone = self._runs.popitem(last=False)
            self.counts["forgotten"] += (gone.itself is not None) + len(gone.parts)
            self._parts -= len(gone.parts)
            self._close_numbers(gone.numbers, f"run {oldest}")
            self._let_go = True
        return run

    def _began_earlier(self, run_id: str, process: Process) -> bool:
        """Say whether a run began before the first line that was read of its machine: its id has the time."""
        return self._let_go or int(run_id[:12], 16) < self._begins.get(process[1], 0)

    def _number(self, numbers: Sequence, seq: int, whose: str) -> bool:
        """Take note of a line's number; return False if it was there already."""
        if seq == numbers.expected:
            numbers.expected += 1
        elif seq > numbers.expected:
            if lost := numbers.skip_to(seq, self._file, self._line):
                self._missing(lost, whose)
        elif numbers.fill(seq):
            self.counts["out_of_order"] += 1
        else:
            self.counts["repeated"] += 1
            self._problem("repeated", f"seq {seq} of {whose} was there already: every line has a number of its own")
            return False
        return True

    def _event(self, run: _Run, fields: dict[str, Any]) -> None:
        event = fields["event"]
        if begun := _PART_STARTS.get(event):
            if self._parts < _MOST_PARTS:
                run.parts[begun[0], fields[begun[1]]] = fields["timestamp"]
                self._parts += 1
            else:
                self.counts["forgotten"] += 1
        elif ended := _PART_ENDS.get(event):
            self._parts -= run.parts.pop((ended[0], fields[ended[1]]), None) is not None
        elif begun := _RUN_STARTS.get(event):
            kind, name = begun
            run.itself = (kind, fields[name])
            run.since = fields["timestamp"]
        elif event in _RUN_ENDS:
            self._end(run, fields["run_id"])

    def _end(self, run: _Run, run_id: str) -> None:
        del self._runs[run_id]
        self._ended[run_id] = run.numbers.begin
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        self._parts -= len(run.parts)
        if not (run.numbers.gaps or run.numbers.broken):
            self.counts["unended"] += len(run.parts)
            for kind, name in run.parts:
                self._problem("unended", f"{kind} {name} of run {run_id} began, and has no end although the run ended")
        self._close_numbers(run.numbers, f"run {run_id}")

    def _close_numbers(self, numbers: Sequence | None, whose: str) -> None:
        for gap in () if numbers is None else numbers.gaps:
            self._missing(gap, whose)

    def _missing(self, gap: Gap, whose: str) -> None:
        self.counts["missing"] += gap.size
        what = f"seq {gap.first} is" if gap.size == 1 else f"seq {gap.first} to {gap.last} are"
        self._problems.add("missing", gap.file, gap.line, f"{what} missing before this line of {whose}")

    def _problem(self, kind: Any, text: str) -> None:
        self._problems.add(kind, self._file, self._line, text)

    def finish(self, shown: int) -> tuple[tuple[InFlight, ...], int]:
        """Take note of the end of the logs; return the first of what is in flight, and how much is.

        Args:
            shown: how many are returned.
        """
        for run_id, run in self._runs.items():
            self._close_numbers(run.numbers, f"run {run_id}")
        for process, writer in self._writers.items():
            self._close_numbers(writer.numbers, _words(process))
        count = self._parts + sum(run.itself is not None for run in self._runs.values())
        first = heapq.nsmallest(shown, self._open(), key=lambda each: each[1])
        return tuple(self._in_flight(part, since, run_id) for part, since, run_id in first), count

    def _open(self) -> Iterator[tuple[Part, str, str]]:
        for run_id, run in self._runs.items():
            if run.itself is not None:
                yield run.itself, run.since, run_id
            for part, since in run.parts.items():
                yield part, since, run_id

    def _in_flight(self, part: Part, since: str, run_id: str) -> InFlight:
        pid, host = process = self._runs[run_id].process
        writer = self._writers.get(process)
        fate = fate_of(pid, host, others_wrote_on=writer is None or writer.at < self._at)
        last_seen = None if writer is None else writer.last_seen
        return InFlight(*part, run_id, since, pid, host, last_seen, fate)


def _says_of_what(fields: dict[str, Any]) -> bool:
    """Say whether a line that is not valid, if it is a start or an end, still says of what."""
    event = fields.get("event")
    if not isinstance(event, str):
        return False
    named = _NAMED.get(event)
    return named is None or isinstance(fields.get(named[1]), str)


def _words(process: Process) -> str:
    return f"process {process[0]} on {process[1]}, outside of runs"


def _milliseconds(timestamp: str) -> int:
    """Return the time that `timestamp` says in Unix milliseconds, as an id has it; 0 if there is no such time."""
    try:
        return round(datetime.fromisoformat(timestamp).timestamp() * 1_000_000) // 1000
    except ValueError:
        return 0
