"""Which process keeps a run, and whether it still lives: the runs of one that does not were interrupted."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

import attrs

from atrio._stamps import utc_now
from atrio.history.schema import HistoryError, connect, microseconds
from atrio.history.transactions import transaction

HEARTBEAT_S: Final = 60.0
"""Seconds after which a process says again that it lives."""
_SILENT_US: Final = 5 * 60 * 1_000_000
"""After which silence a process that cannot be looked at is taken for dead, and one that lives keeps nothing more."""
_ENDED: Final = frozenset("ZX")
"""States, in Linux's ``stat``, of a process that has ended and that its parent has not asked for yet."""
_PROC: Final = Path("/proc")
_PATIENCE_S: Final = 0.25
"""Seconds that a last word waits for another process."""


@attrs.frozen
class Identity:
    """What tells a process from every other one, whose number may be the same.

    Attributes:
        pid: its number.
        boot: what the kernel calls its run, empty where it does not say.
        namespace: where the number holds: another one in each container, empty where there are none.
        started: when it started, in the kernel's own count, empty where it does not say.
    """

    pid: int
    boot: str
    namespace: str
    started: str

    def text(self) -> str:
        """Return all but the number, in one text."""
        return f"{self.boot}/{self.namespace}/{self.started}"


def own_identity() -> Identity:
    """Return that of this process."""
    try:
        boot = Path(_PROC, "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path(_PROC, "self/ns/pid").readlink())
    except OSError:  # no Linux, or one that hides it
        boot = namespace = ""
    _, started = _state_of(os.getpid())
    return Identity(os.getpid(), boot, namespace, started)


def is_alive(pid: int, text: str, seen_us: int, *, now_us: int, here: Identity) -> bool:
    """Say whether the process still lives that once was `pid` and said `text` of itself.

    Args:
        pid: its number.
        text: its identity's text.
        seen_us: when it said last that it lives, in microseconds since 1970.
        now_us: the time of day, as `seen_us`.
        here: the identity of the process that asks.
    """
    boot, namespace, started = (*text.split("/"), "", "", "")[:3]
    if boot != here.boot:
        return False  # the machine was started anew: two machines cannot share such a file
    if namespace != here.namespace:
        return now_us - seen_us < _SILENT_US
    if pid == here.pid:
        return started == here.started
    if pid <= 0:  # none is called so, and to ask for it would ask several
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's: it lives
        pass
    state, now_started = _state_of(pid)
    return state not in _ENDED and (not now_started or not started or started == now_started)


def _state_of(pid: int) -> tuple[str, str]:
    """Return the state of a process, a letter, and when it started; two empty texts where that is not said."""
    try:
        said = Path(_PROC, str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    # After the name, which is in parentheses and may hold any: the third field is the state, the 22nd the start.
    fields = said.rpartition(")")[2].split()
    return fields[0], fields[19]


def dead_processes(connection: sqlite3.Connection, here: Identity, now_us: int) -> tuple[int, ...]:
    """Return the numbers of the processes that have died without closing their history."""
    return tuple(number for number, _, lives in _open_processes(connection, here, now_us) if not lives)


def silent_processes(connection: sqlite3.Connection, here: Identity, now_us: int) -> tuple[int, ...]:
    """Return the same, with those that live and have long said nothing: they keep nothing more, or were stopped."""
    open_ones = _open_processes(connection, here, now_us)
    return tuple(number for number, seen_us, lives in open_ones if not lives or now_us - seen_us >= _SILENT_US)


def _open_processes(connection: sqlite3.Connection, here: Identity, now_us: int) -> list[tuple[int, int, bool]]:
    """Return of each process that has not closed its history the number, when it was seen, and whether it lives."""
    open_ones = connection.execute("SELECT id, pid, identity, seen_us FROM processes WHERE closed = 0").fetchall()
    return [
        (number, seen_us, is_alive(pid, text, seen_us, now_us=now_us, here=here))
        for number, pid, text, seen_us in open_ones
    ]


def register(connection: sqlite3.Connection) -> int:
    """Add this process, mark the runs of those that are dead as interrupted, and return this one's number.

    Raises:
        sqlite3.Error: the history cannot be written.
    """
    here, now_us = own_identity(), microseconds(utc_now())
    with transaction(connection):
        for process in dead_processes(connection, here, now_us):
            connection.execute(
                "UPDATE runs SET state = 'interrupted' WHERE state = 'running' AND process = ?", (process,)
            )
            connection.execute("UPDATE processes SET closed = 1 WHERE id = ?", (process,))
        number = connection.execute(
            "INSERT INTO processes (pid, host, identity, seen_us) VALUES (?, ?, ?, ?)",
            (here.pid, os.uname().nodename, here.text(), now_us),
        ).lastrowid
    return number or 0


def say_alive(connection: sqlite3.Connection, process: int) -> None:
    """Say that this process, of that number, lives.

    Raises:
        sqlite3.Error: the history cannot be written.
    """
    connection.execute("UPDATE processes SET seen_us = ? WHERE id = ?", (microseconds(utc_now()), process))


def close_process(connection: sqlite3.Connection, process: int) -> None:
    """Say that this process, of that number, keeps nothing more, unless something runs in it of which no end was told.

    Raises:
        sqlite3.Error: the history cannot be written.
    """
    connection.execute(
        "UPDATE processes SET closed = NOT EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND process = id)"
        ", seen_us = ? WHERE id = ?",
        (microseconds(utc_now()), process),
    )


def mark_interrupted(path: Path, process: int) -> None:
    """Mark the runs of this process as interrupted whose end could not be kept, if the file can be written by now."""
    if not os.path.isfile(path):  # noqa: PTH113 - it never raises; a new one would be made
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
