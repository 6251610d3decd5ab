"""The thread that writes a history: what was queued, a transaction a burst, and again where the file took nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atrio._stamps import elapsed_clock, utc_now
from atrio.history._bursts import Burst
from atrio.history.marks import Mark
from atrio.history.places import file_at
from atrio.history.processes import HEARTBEAT_S, close_process, mark_interrupted, register, say_alive
from atrio.history.retention import Purge
from atrio.history.schema import HistoryError, connect, microseconds, sentence_of
from atrio.history.transactions import transaction

if TYPE_CHECKING:
    from atrio.events import Event

BURST_S: Final = 0.05
"""Seconds for which events are gathered: what a process may lose that is killed."""
_LARGEST_BURST: Final = 4096
"""Events that one transaction writes at most."""
TOO_MANY: Final = 50_000
"""Events that wait at most while nothing can be written: some 35 MB, and at worst 12 kB more for each that failed."""
_BUSY_S: Final = 2.0
"""Seconds that a transaction waits for another process."""
_BUSY_SHORT_S: Final = 0.25
"""The same of opening, and once it was waited for in vain: whoever closes meanwhile is not kept for long."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
"""Seconds between two tries to write what could not be written."""
_PATIENT_S: Final = 5.0
"""Seconds for which nothing is said of such: most of it passes, and what closes meanwhile says all at once."""
_PURGE_EVERY_S: Final = 3600.0
_PURGE_AT_CLOSE_S: Final = 0.05
_REST_S: Final = 0.005
"""The pause between two steps of purging, at least."""
_MAY_PASS: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_MAY_PASS_AT_THE_OPENING: Final = _MAY_PASS - {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""Nobody has been able to write there yet, so it is rather a mistake."""


class Writer:
    """Writes what is queued until it is told to close.

    What can pass (another process that locks the file, a full disk) is waited for: what could not be written stays, and
    is written when it can be. Beyond 50,000 events it is lost, and the runs that it was about count as interrupted,
    unless their ends are told later. A file that was moved or removed is made anew.

    Args:
        path: the database.
        kept_us: microseconds for which runs are kept.

    Attributes:
        queue: what is to be written, events and marks.
        problems: sentences that were not told yet.
        keeps: whether it takes anything.
        is_idle: whether it waits for `work`.
        is_behind: whether it was too slow for somebody who waited, or cannot write at all.
        work: is set for an idle one.
    """

    def __init__(self, path: Path, kept_us: int) -> None:
        self.queue: deque[Event | Mark] = deque()
        self.problems: deque[str] = deque()
        self.keeps = False
        self.is_idle = False
        self.is_behind = False
        self.work = threading.Event()
        self._path = path
        self._kept_us = kept_us
        self._hurry = threading.Event()
        self._room = threading.Event()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = 0
        self._purge: Purge | None = None
        self._purged_at = self._seen_at = elapsed_clock()
        # What could not be written, and why and since when not; and what was lost since the file took something last.
        self._burst: Burst | None = None
        self._marks: list[Mark] = []
        self._asked = 0
        self._trouble: sqlite3.Error | HistoryError | None = None
        self._since = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._has_gap = False
        self._lost = 0
        self._is_incomplete = False
        # Re-entrant: what a signal handler does may be heard, too.
        self._losing = threading.RLock()
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="atrio-history", daemon=True)

    def start(self) -> None:
        """Open the database and begin to write.

        Raises:
            HistoryError: it cannot be opened, for a reason that does not pass.
        """
        try:
            self._open()
        except HistoryError as error:
            if isinstance(error.__cause__, OSError) or not _may_pass(error, _MAY_PASS_AT_THE_OPENING):
                raise
            self._note(error)
        self.keeps = True
        self._thread.start()

    def hurry(self) -> None:
        """Let it write now what is queued."""
        self._hurry.set()
        self.work.set()

    def wait_for_room(self, seconds: float) -> None:
        """Wait until it takes something out of the queue, at most for so many seconds."""
        self._room.clear()
        self.hurry()
        self._room.wait(seconds)

    def lose_all(self) -> None:
        """Forget what is queued: the file takes nothing, and there is too much of it."""
        with self._losing:
            # What others add meanwhile stays; nobody else takes anything out.
            for _ in range(len(self.queue)):
                waiting = self.queue.popleft()
                if isinstance(waiting, Mark):
                    waiting.settle(is_kept=False)
                else:
                    self._lost += 1
                    self._has_gap = True
        self._say_of_trouble("events are lost until it can be written")

    def close(self) -> None:
        """Write what is queued, if that is possible by now, and end."""
        self._closing = True
        if self._thread.is_alive():
            self.hurry()
            self._thread.join()
        if self._is_incomplete and self._process:
            mark_interrupted(self._path, self._process)

    def give_up(self, sentence: str) -> None:
        """Take nothing any more, and let `sentence` be told."""
        self.keeps = False
        self.problems.append(f"{sentence}; nothing more is kept")

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            self._write_until_closed()
        except (sqlite3.Error, HistoryError) as error:
            self.give_up(self._said_of(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be told, and no run may notice
            self.give_up(f"the history {self._path} cannot be used: {type(error).__name__}: {error}")
        finally:
            was_kept, self.keeps = self.keeps, False
            self._end(was_kept=was_kept)

    def _write_until_closed(self) -> None:
        while True:
            if self._trouble is not None:
                self.work.clear()
            # Whoever asks from here on is not answered by what is tried now.
            self._asked = len(self.queue)
            try:
                if not self._go_on():
                    break
            except (sqlite3.Error, HistoryError) as error:
                if not _may_pass(error, _MAY_PASS):
                    raise
                self._note(error)
                if self._closing:
                    break
                self._pause()
        if self._trouble is None and self._connection is not None:
            until = elapsed_clock() + _PURGE_AT_CLOSE_S
            with contextlib.suppress(sqlite3.OperationalError):  # the next process goes on with it
                while self._purge and elapsed_clock() < until:
                    self._purge = self._purge if self._purge.step() else None
                close_process(self._connection, self._process)

    def _go_on(self) -> bool:
        """Do the next thing there is to do; say whether there may be more."""
        if not self.queue and self._burst is None and not self._closing and self._trouble is None:
            self._rest(0.0 if self._purge else HEARTBEAT_S)
        if self.queue or self._burst is not None:
            # Whoever waits for this, and whoever closes, is in a hurry.
            if not self._closing and self._burst is None and len(self.queue) < _LARGEST_BURST:
                self._hurry.wait(BURST_S)
            self._hurry.clear()
            self._write_burst(self._opened())
        elif self._closing:
            return False
        elif self._purge:
            begun = elapsed_clock()
            self._purge = self._purge if self._purge.step() else None
            self._rest(max(elapsed_clock() - begun, _REST_S))
        now = elapsed_clock()
        if self._trouble is not None or now - self._seen_at >= HEARTBEAT_S:
            say_alive(self._opened(), self._process)
            self._seen_at = now
            self._forget_trouble()
        if now - self._purged_at >= _PURGE_EVERY_S:
            self._purge, self._purged_at = Purge(self._opened(), self._oldest()), now
        return True

    def _opened(self) -> sqlite3.Connection:
        """Return the connection to the file that is at the path now."""
        connection = self._connection
        if connection is not None:
            if not self._was_moved():
                return connection
            # SQLite sees, too, that it was moved, and leaves alone what is there now; but also what stands beside the
            # file that was moved, and was not taken over yet.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.close()
            self._connection = self._purge = None
            self.problems.append(f"the history {self._path} was moved or removed: another one is begun there")
        return self._open()

    def _was_moved(self) -> bool:
        try:
            return self._file != file_at(self._path)
        except OSError:  # who may not look there can still write to what he has opened
            return False

    def _open(self) -> sqlite3.Connection:
        # Whoever enters waits no longer for it either: it is opened again in the thread.
        connection = connect(self._path, read_only=False, busy_s=_BUSY_SHORT_S)
        try:
            self._process = register(connection)
            self._purge = Purge(connection, self._oldest(), self._process)
        except sqlite3.Error as error:
            connection.close()
            raise HistoryError(sentence_of(error, self._path)) from error
        with contextlib.suppress(OSError):
            self._file = file_at(self._path)
        self._connection = connection
        self._wait_for_others(_BUSY_S)
        return connection

    def _oldest(self) -> int:
        return microseconds(utc_now()) - self._kept_us

    def _rest(self, seconds: float) -> None:
        """Wait until there is something to do, at most for so many seconds."""
        self.work.clear()
        self.is_idle = True
        # What was queued in between has not seen that anybody is idle.
        if not self.queue and not self._closing and seconds:
            self.work.wait(seconds)
        self.is_idle = False

    def _write_burst(self, connection: sqlite3.Connection) -> None:
        if self._burst is None:
            self._burst = self._gathered()
        if not self._burst.is_empty:
            with transaction(connection):
                self._burst.write(connection, self._process)
        for mark in self._marks:
            mark.settle(is_kept=True)
        self._burst, self._marks = None, []
        self._forget_trouble()
        if not self.queue:
            self.is_behind = False

    def _gathered(self) -> Burst:
        with self._losing:
            burst, self._has_gap = Burst(after_a_gap=self._has_gap), False
            many = min(len(self.queue), _LARGEST_BURST)
            self._asked = max(self._asked - many, 0)
            for _ in range(many):
                event = self.queue.popleft()
                if isinstance(event, Mark):
                    self._marks.append(event)
                else:
                    burst.add(event)
        self._room.set()
        return burst

    def _note(self, error: sqlite3.Error | HistoryError) -> None:
        """Take note of what prevents writing for now; nobody waits for it to pass."""
        if self._trouble is None:
            self._since = elapsed_clock()
            self._wait_for_others(_BUSY_SHORT_S)
        self._trouble = error
        self.is_behind = True
        for mark in (*self._marks, *islice(self.queue.copy(), self._asked)):
            if isinstance(mark, Mark) and not mark.is_settled:
                mark.settle(is_kept=False)
        if elapsed_clock() - self._since >= _PATIENT_S and not self._closing:
            self._say_of_trouble("what happens waits in memory until it can be written")

    def _forget_trouble(self) -> None:
        if self._trouble is not None:
            self._trouble, self._pause_s = None, _FIRST_PAUSE_S
            self._wait_for_others(_BUSY_S)

    def _wait_for_others(self, busy_s: float) -> None:
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {round(busy_s * 1000)}").fetchone()

    def _say_of_trouble(self, consequence: str) -> None:
        if self._trouble is not None and consequence not in self._told:
            self._told.add(consequence)
            self.problems.append(f"{self._said_of(self._trouble)}; {consequence}")

    def _said_of(self, error: sqlite3.Error | HistoryError) -> str:
        return str(error) if isinstance(error, HistoryError) else sentence_of(error, self._path)

    def _pause(self) -> None:
        self.work.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _end(self, *, was_kept: bool) -> None:
        """Close the file, let nobody wait, and say what of it all is not there."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        events = 0 if self._burst is None else self._burst.count
        for waiting in (*self._marks, *self.queue):
            if isinstance(waiting, Mark):
                waiting.settle(is_kept=False)
            else:
                events += 1
        self.queue.clear()
        lost = self._lost + events
        self._is_incomplete = lost > 0 or not was_kept
        if was_kept and lost:
            said = f"the history {self._path} could not be used for a while"
            if self._trouble is not None:
                said = self._said_of(self._trouble)
            self.problems.append(f"{said}; {lost:,} of the events could not be kept")


def _may_pass(error: sqlite3.Error | HistoryError, codes: frozenset[int]) -> bool:
    cause = error.__cause__ if isinstance(error, HistoryError) else error
    return isinstance(cause, OSError) or getattr(cause, "sqlite_errorcode", 0) & 0xFF in codes
