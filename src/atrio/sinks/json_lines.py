"""Events as lines of JSON in a file, a pipe or on a terminal: complete, typed, and never in a run's way."""

from __future__ import annotations

import os
import threading
import weakref
from math import inf
from types import TracebackType
from typing import Final, Self

from atrio import events
from atrio._stamps import utc_now
from atrio._text import cut, encodable, utf8_size
from atrio._validation import check_above_zero
from atrio.events import Event, LogDropped
from atrio.events import _levels as levels
from atrio.events._levels import Level
from atrio.sinks._encoders import encoder
from atrio.sinks._line_files import LineFile, WriteError
from atrio.sinks._lines import BLANK, FLOATS, LONGEST_ID, emptiest, make_plain, rounded

_LONGEST_NAME: Final = 200
"""Bytes of a host's or a service's name in JSON."""
_LAST: Final = frozenset({events.PipelineEnd, events.BatchEnd})
"""The last events of a run."""


class JsonLinesSink:
    """A sink that writes one line of JSON per event, as the event catalogue has it.

    Each line is one write, so that it is there or not, whoever else writes to the same place and however the process
    ends. A file that is rotated is followed: before each line the sink looks whether its path still leads to it. What
    cannot be written is counted, and told as `log.dropped` as soon as writing works again; the run never notices.

    It is a context manager, which closes it. Several threads may share it, and a process that is forked may go on with
    it. With orjson installed a line takes less than half of the time.

    Args:
        path_or_fd: where lines are added: a path, made if it is not there, or an open file descriptor, which stays the
            caller's to close. A file that others write to as well must have been opened with ``O_APPEND``. The
            descriptor of a pipe is opened once more, so that no write to it waits: whoever reads it sees its end only
            after `close`.
        level: the lowest level that is written: debug, info, warning or error.
        service: the name of the service in each line, or None.
        patience_s: how long a line waits for a pipe, a socket or a terminal that takes nothing, in seconds. After that
            it is dropped, and so is without a wait whatever comes until a line is taken again. All lines together wait
            for that long at most, and what they have waited comes back at a hundredth of the time that goes by: a
            reader that stalls blocks the event loop once, and one that is slow for a hundredth of the time.

    Raises:
        OSError: the path cannot be opened, there is no such descriptor, or nobody reads the named pipe.
        TypeError: `patience_s` is no number, or `service` no text.
        ValueError: there is no such level, or `patience_s` is not above 0.
    """

    def __init__(
        self,
        path_or_fd: str | os.PathLike[str] | int,
        *,
        level: Level = "debug",
        service: str | None = None,
        patience_s: float = 0.1,
    ) -> None:
        if level not in levels.LEVEL_NUMBERS:
            raise ValueError(f"level must be one of {', '.join(levels.LEVEL_NUMBERS)}, not {level!r}")
        if service is not None and not isinstance(service, str):
            raise TypeError(f"service must be a text or None, not {service!r}")
        check_above_zero(patience_s, "patience_s")
        self._level = levels.LEVEL_NUMBERS[level]
        self._host = _name(os.uname().nodename)
        self._service = None if service is None else _name(service)
        self._dumps, self._stamp = encoder()
        self._begin(pid=0)  # that of a child may be shorter than ours
        self._surely_short: dict[type[Event], float] = dict.fromkeys(events.EVENT_KINDS, inf)
        self._surely_short.update(self._shortest_lines_with_a_long_id())
        self._begin(os.getpid())
        self._file: LineFile | None = LineFile(path_or_fd, patience_s)
        _sinks.add(self)

    def _begin(self, pid: int) -> None:
        """Begin to count, in the process that has this number."""
        ours = {"pid": pid, "host": self._host, "service": self._service}
        # All that lines of a kind share, and the places of the rest.
        self._blank = {kind: line | ours for kind, line in BLANK.items()}
        # Several Trio loops, in threads of their own, may share the file. What is called while a line is written, a
        # finalizer, may write one too.
        self._lock = threading.RLock()
        self._next_seq: dict[str | None, int] = {}
        self._dropped = self._told = 0
        self._reason = ""

    def _shortest_lines_with_a_long_id(self) -> dict[type[Event], float]:
        lines = {kind: self._line_of(emptiest(kind), "info", 0) for kind in events.EVENT_KINDS}
        return {kind: len(line) + LONGEST_ID for kind, line in lines.items()}

    @property
    def dropped(self) -> int:
        """How many lines could not be written, whether that could be told by then or not."""
        return self._dropped

    def minimum_level(self) -> int:
        """Return the lowest level that is written, as a number of ``logging``; after `close`, above all of them."""
        return levels.SILENT if self._file is None else self._level

    def __call__(self, event: Event, /) -> None:
        """Write `event` as one line, unless it is below the sink's level."""
        level = event.level
        if levels.LEVEL_NUMBERS[level] >= self._level:
            with self._lock:
                file = self._file
                if file is not None:
                    self._write(file, event, level)
        if type(event) in _LAST:
            self._next_seq.pop(event.run_id, None)

    def _write(self, file: LineFile, event: Event, level: Level) -> None:
        run_id = event.run_id
        seq = self._next_seq.get(run_id, 0)
        self._next_seq[run_id] = seq + 1
        line = self._line_of(event, level, seq)
        try:
            if self._dropped > self._told:
                self._tell_of_drops(file)
            file.write(line)
        except WriteError as error:
            self._dropped += 1
            self._reason = str(error)

    def _tell_of_drops(self, file: LineFile) -> None:
        dropped = self._dropped
        told = LogDropped(None, None, None, None, utc_now(), dropped - self._told, self._reason)
        seq = self._next_seq.get(None, 0)
        # Whatever the sink's level is: without this line nothing says why others are missing.
        file.write(self._line_of(told, told.level, seq))
        self._told = dropped
        # Only now, because one that was not written is not missing: it is told of the next time.
        self._next_seq[None] = seq + 1

    def _line_of(self, event: Event, level: Level, seq: int) -> bytes:
        kind = type(event)
        line = self._blank[kind] | event.__dict__
        line["level"] = level
        line["timestamp"] = self._stamp(event.timestamp)
        line["seq"] = seq
        for name in FLOATS[kind]:
            value = line[name]
            line[name] = round(value, 6) if type(value) is float and -inf < value < inf else rounded(value)
        try:
            encoded = self._dumps(line)
            # Looking at each text first would cost as much as all of this: few lines have one that must be changed.
            if len(encoded) <= self._surely_short[kind]:
                return encoded
        except (TypeError, ValueError):  # what JSON cannot hold
            pass
        make_plain(line, kind)
        return self._dumps(line)

    def close(self) -> None:
        """Say what was dropped, if anything was, and close the file; what comes after this is not written."""
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            try:
                if self._dropped > self._told:
                    self._tell_of_drops(file)
            except WriteError as error:
                self._reason = str(error)
            finally:
                self._next_seq.clear()
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _name(text: str) -> str:
    return cut(encodable(text), _LONGEST_NAME, utf8_size)


_sinks: Final[weakref.WeakSet[JsonLinesSink]] = weakref.WeakSet()


def _after_fork() -> None:  # pragma: no cover - it runs in a child, which tests leave without a report
    # The lock may have been another thread's, which the child has not; and the child is another process in its lines.
    for sink in _sinks:
        sink._begin(os.getpid())


os.register_at_fork(after_in_child=_after_fork)
