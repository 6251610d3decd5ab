"""A history, written: a sink that only queues events, and one thread that writes them in bursts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from atrio import events
from atrio._stamps import elapsed_clock, utc_now
from atrio._validation import check_above_zero
from atrio.errors import SinkWarning
from atrio.history._bursts import Burst
from atrio.history.processes import HEARTBEAT_S, dead_processes, own_identity
from atrio.history.retention import Purge
from atrio.history.schema import HistoryError, connect, microseconds, sentence_of

if TYPE_CHECKING:
    from atrio.events import Event

BURST_S: Final = 0.05
"""Seconds for which events are gathered: what a process may lose that is killed."""
_LARGEST_BURST: Final = 4096
"""Events that one transaction writes at most."""
_MANY: Final = 8_000
"""Events that may wait; then whoever brings one more waits too."""
_TOO_MANY: Final = 1_000_000
_PATIENCE_S: Final = 0.25
"""Seconds that the end of a run waits to be written."""
_LONG_PATIENCE_S: Final = 1.0
_OPENING_S: Final = 2.0
"""Seconds that opening waits for another process."""
_BUSY_S: Final = 5.0
"""Seconds that a burst waits for another process."""
_PURGE_EVERY_S: Final = 3600.0
_PURGE_AT_CLOSE_S: Final = 0.05
_REST_S: Final = 0.005
"""The pause between two steps of purging, at least."""
_DAY_US: Final = 24 * 3600 * 1_000_000
_MOST_DAYS: Final = 10**6
_ENDS: Final = frozenset({events.PipelineEnd, events.BatchEnd})


class HistorySink:
    """A sink that keeps runs, stages, batches and their tasks in a SQLite database, for :class:`History` to read.

    It is a context manager, which opens the database and closes it::

        with HistorySink(".atrio/history.db") as history, observe(history):
            ...

    An event is only queued. One thread writes what was gathered in 0.05 seconds, in one transaction. The end of a run
    that runs inside no other is written before the run goes on, or 0.05 seconds later if another end was just waited
    for. So a process that is killed loses what the last 0.05 seconds brought and what the thread has not come to;
    opening the history again, by whatever process, marks its runs that had not ended as interrupted.

    Several processes may write to one history, and several threads to one sink. A process that is forked keeps nothing.
    Wherever the file cannot be written (a full disk, a database of something else, one that is locked for 5 seconds),
    the sink says so, once, and keeps nothing from there on: it never raises, and no run notices.

    Args:
        path: the database; it is made if it is not there, with the folder it is in.
        retention_days: days for which runs are kept, counted from their begin. Those that are older are taken out in
            small steps while the sink is open.
        on_problem: is called once, with a sentence, if something cannot be kept: on entering, on closing, or in the
            thread that brings the next event. By default a :class:`~atrio.SinkWarning` says it.

    Attributes:
        path: the database.

    Raises:
        TypeError: `retention_days` is no number.
        ValueError: `retention_days` is not above 0.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention_days: float = 7,
        on_problem: Callable[[str], object] | None = None,
    ) -> None:
        check_above_zero(retention_days, "retention_days")
        self.path: Path = Path(path)
        self._kept_us = int(min(retention_days, _MOST_DAYS) * _DAY_US)
        self._on_problem = _warn if on_problem is None else on_problem
        self._queue: deque[Event | threading.Event] = deque()
        self._idle = False
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self._keeping = False
        self._closing = False
        self._lagging = False
        self._waited_at = -BURST_S
        self._problem: str | None = None
        self._told = False

    def __enter__(self) -> Self:
        """Open the database, mark runs of dead processes as interrupted, and begin to write.

        Raises:
            RuntimeError: it was entered before.
        """
        if self._thread is not None or self._told:
            raise RuntimeError("a HistorySink is entered once: make another one")
        try:
            self._connection = connect(self.path, read_only=False, busy_s=_OPENING_S)
            self._process = _register(self._connection)
            self._connection.execute(f"PRAGMA busy_timeout = {round(_BUSY_S * 1000)}").fetchone()
        except (HistoryError, sqlite3.Error) as error:
            self._give_up(str(error) if isinstance(error, HistoryError) else sentence_of(error, self.path))
            self._tell()
            return self
        self._keeping = True
        self._thread = threading.Thread(target=self._write_all, name="atrio-history", daemon=True)
        self._thread.start()
        _sinks.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event, /) -> None:
        """Queue `event` to be kept.

        Raises:
            RuntimeError: the sink was never entered.
        """
        if not self._keeping:
            if self._thread is None and not self._told:
                raise RuntimeError("a HistorySink keeps what happens in its block: with HistorySink(path) as history")
            self._tell()
            return
        queue = self._queue
        queue.append(event)
        if self._idle:
            self._work.set()
        if len(queue) > _MANY:
            self._hold_back()
        if type(event) in _ENDS and event.parent_run_id is None:
            self._commit_end()

    def _commit_end(self) -> None:
        now = elapsed_clock()
        # Many short runs in a row are a burst, too.
        if now - self._waited_at >= BURST_S and not self._lagging:
            self._lagging = not self._wait_until_written(_PATIENCE_S)
            self._waited_at = elapsed_clock()

    def _hold_back(self) -> None:
        """Let the thread catch up: it gets too little time where tasks never wait."""
        if len(self._queue) > _TOO_MANY:
            self._give_up(f"the history {self.path} cannot be used: it takes events slower than they come")
        elif not self._lagging:
            self._lagging = not self._wait_until_written(_LONG_PATIENCE_S)

    def _wait_until_written(self, patience_s: float) -> bool:
        written = threading.Event()
        self._queue.append(written)
        self._hurry.set()
        self._work.set()
        return written.wait(patience_s)

    def flush(self) -> bool:
        """Wait until all that was given so far is in the file; return whether it is.

        It waits for as long as another process may lock the file, some seconds.
        """
        thread = self._thread
        if not self._keeping or thread is None or thread is threading.current_thread():
            return False
        while not self._wait_until_written(_LONG_PATIENCE_S):
            if not (self._keeping and thread.is_alive()):
                break
        self._tell()
        return self._keeping

    def close(self) -> None:
        """Write what is queued, and close the database; what comes after this is not kept."""
        thread, self._closing = self._thread, True
        if thread is not None and thread.is_alive():
            self._hurry.set()
            self._work.set()
            thread.join()
        self._keeping = False
        if self._problem is not None and self._process:
            _mark_interrupted(self.path, self._process)
        self._told = self._told or self._problem is None
        self._tell()

    def _give_up(self, sentence: str) -> None:
        self._problem = self._problem or sentence
        self._keeping = False

    def _tell(self) -> None:
        if self._problem is not None and not self._told:
            self._told = True
            self._on_problem(f"{self._problem}; nothing more is kept")

    # What follows runs in the thread that writes.

    def _write_all(self) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101 - the thread is started once there is one
        try:
            self._write_until_closed(connection)
            connection.execute(
                "UPDATE processes SET closed = NOT EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND process = id)"
                ", seen_us = ? WHERE id = ?",
                (microseconds(utc_now()), self._process),
            )
        except sqlite3.Error as error:
            self._give_up(sentence_of(error, self.path))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be told, and no run may notice
            self._give_up(f"the history {self.path} cannot be used: {type(error).__name__}: {error}")
        finally:
            self._keeping = False
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            while self._queue:
                if isinstance(waiting := self._queue.popleft(), threading.Event):
                    waiting.set()

    def _write_until_closed(self, connection: sqlite3.Connection) -> None:
        purge: Purge | None = Purge(connection, self._oldest(), self._process)
        purged_at = seen_at = elapsed_clock()
        while True:
            if not self._queue and not self._closing:
                self._rest(0.0 if purge else HEARTBEAT_S)
            if self._queue:
                # Whoever waits for this, and whoever closes, is in a hurry.
                if not self._closing and len(self._queue) < _LARGEST_BURST:
                    self._hurry.wait(BURST_S)
                self._hurry.clear()
                self._write_burst(connection)
            elif self._closing:
                break
            elif purge:
                begun = elapsed_clock()
                purge = purge if purge.step() else None
                self._rest(max(elapsed_clock() - begun, _REST_S))
            now = elapsed_clock()
            if now - seen_at >= HEARTBEAT_S:
                _say_alive(connection, self._process)
                seen_at = now
            if now - purged_at >= _PURGE_EVERY_S:
                purge, purged_at = Purge(connection, self._oldest()), now
        until = elapsed_clock() + _PURGE_AT_CLOSE_S
        while purge and elapsed_clock() < until and purge.step():
            pass

    def _oldest(self) -> int:
        return microseconds(utc_now()) - self._kept_us

    def _rest(self, seconds: float) -> None:
        """Wait until there is something to do, at most for so many seconds."""
        self._work.clear()
        self._idle = True
        # What was queued in between has not seen that anybody is idle.
        if not self._queue and not self._closing and seconds:
            self._work.wait(seconds)
        self._idle = False

    def _write_burst(self, connection: sqlite3.Connection) -> None:
        queue = self._queue
        burst = Burst(self._process)
        waiting: list[threading.Event] = []
        for _ in range(min(len(queue), _LARGEST_BURST)):
            event = queue.popleft()
            if isinstance(event, threading.Event):
                waiting.append(event)
            else:
                burst.add(event)
        try:
            connection.execute("BEGIN IMMEDIATE")
            burst.write(connection)
            connection.execute("COMMIT")
        except BaseException:
            # Whoever waits is told when it is known that nothing more is kept.
            queue.extend(waiting)
            raise
        for each in waiting:
            each.set()
        if not queue:
            self._lagging = False

    def _forget_after_fork(self) -> None:
        # The thread is the parent's, and so is the connection: closing it here would drop the parent's locks.
        self._keeping = False
        self._told = True
        _inherited.append(self._connection)
        self._thread = None


def _register(connection: sqlite3.Connection) -> int:
    """Add this process, mark the runs of those that are dead as interrupted, and return this one's number."""
    here, now_us = own_identity(), microseconds(utc_now())
    connection.execute("BEGIN IMMEDIATE")
    try:
        for process in dead_processes(connection, here, now_us):
            connection.execute(
                "UPDATE runs SET state = 'interrupted' WHERE state = 'running' AND process = ?", (process,)
            )
            connection.execute("UPDATE processes SET closed = 1 WHERE id = ?", (process,))
        number = connection.execute(
            "INSERT INTO processes (pid, host, identity, seen_us) VALUES (?, ?, ?, ?)",
            (here.pid, os.uname().nodename, here.text(), now_us),
        ).lastrowid
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return number or 0


def _mark_interrupted(path: Path, process: int) -> None:
    """Mark the runs of this process as interrupted whose end could not be kept, if the file can be written by now."""
    if not path.is_file():  # a new one would be made
        return
    here = own_identity()
    # Where it cannot, the process falls silent, and is taken for dead later.
    with contextlib.suppress(HistoryError, sqlite3.Error):
        connection = connect(path, read_only=False, busy_s=_PATIENCE_S)
        with contextlib.closing(connection):
            # The file may be another one by now, and the number another process's.
            own = "SELECT id FROM processes WHERE id = ? AND pid = ? AND identity = ?"
            connection.execute(
                f"UPDATE runs SET state = 'interrupted' WHERE state = 'running' AND process = ({own})",  # noqa: S608 - our own words
                (process, here.pid, here.text()),
            )


def _say_alive(connection: sqlite3.Connection, process: int) -> None:
    connection.execute("UPDATE processes SET seen_us = ? WHERE id = ?", (microseconds(utc_now()), process))


def _warn(sentence: str) -> None:
    # A host may turn warnings into errors, and show them by a function of its own: neither must change a run.
    with contextlib.suppress(Exception):
        try:
            warnings.warn(sentence, SinkWarning, stacklevel=2)
        except SinkWarning as warning:
            warnings.showwarning(warning, SinkWarning, __file__, 0)


_sinks: Final[weakref.WeakSet[HistorySink]] = weakref.WeakSet()
_inherited: Final[list[sqlite3.Connection | None]] = []


def _after_fork() -> None:  # pragma: no cover - it runs in a child, which tests leave without a report
    for sink in _sinks:
        sink._forget_after_fork()


os.register_at_fork(after_in_child=_after_fork)
