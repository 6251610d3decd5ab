"""The tables of a history, and how a file with them is opened: made, brought up to date, or refused in a sentence.

Times of day are whole microseconds since 1970, in UTC; durations are seconds. Ids, statuses and numbers are those of
the log. Tables whose rows come by the million have no rowid: their key is the only tree that a new row must go into.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from atrio._stamps import elapsed_clock
from atrio.errors import AtrioError
from atrio.history.places import in_the_way, make_place
from atrio.history.transactions import transaction

APPLICATION_ID: Final = 0x61747268
"""What tells a history from other SQLite databases: ``atrh``."""
_BUSY_S: Final = 5.0
"""How long a statement waits for another process that writes, in seconds: each writes for milliseconds."""
_PAUSE_S: Final = 0.002
_MAKING_S: Final = 0.25
"""How long a reader waits for a process that makes the history just then."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_OF_DAY: Final = 24 * 3600
_MICROSECONDS: Final = 1_000_000

_FIRST: Final = """
CREATE TABLE processes (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    identity TEXT NOT NULL,
    seen_us INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX processes_open ON processes (id) WHERE closed = 0;
CREATE TABLE runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    duration_s REAL,
    parent_run_id TEXT,
    parent_stage_id TEXT,
    parent_task_id TEXT,
    process INTEGER NOT NULL,
    total INTEGER,
    max_concurrent INTEGER,
    successful INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    timed_out INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    not_started INTEGER NOT NULL DEFAULT 0,
    throughput_per_s REAL,
    efficiency REAL,
    error_type TEXT,
    error_message TEXT,
    error_stack TEXT
) WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started_us);
CREATE INDEX runs_on_top ON runs (started_us) WHERE parent_run_id IS NULL;
CREATE INDEX runs_by_name ON runs (kind, name, started_us);
CREATE INDEX runs_on_top_by_id ON runs (run_id) WHERE parent_run_id IS NULL;
CREATE INDEX runs_on_top_by_name ON runs (kind, name, started_us) WHERE parent_run_id IS NULL;
CREATE INDEX runs_inside ON runs (parent_run_id, parent_task_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX runs_running ON runs (process) WHERE state = 'running';
CREATE TABLE stages (
    run_id TEXT NOT NULL,
    stage_index INTEGER NOT NULL,
    stage_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER,
    started_us INTEGER NOT NULL,
    duration_s REAL,
    input_size INTEGER,
    output_size INTEGER,
    error_type TEXT,
    error_message TEXT,
    error_stack TEXT,
    PRIMARY KEY (run_id, stage_index)
) WITHOUT ROWID;
CREATE TABLE retries (
    run_id TEXT NOT NULL,
    stage_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    backoff_s REAL NOT NULL,
    error_type TEXT,
    error_message TEXT,
    PRIMARY KEY (run_id, stage_id, attempt)
) WITHOUT ROWID;
CREATE TABLE tasks (
    run_id TEXT NOT NULL,
    task_index INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL,
    queued_s REAL NOT NULL,
    started_us INTEGER NOT NULL,
    duration_s REAL,
    error_type TEXT,
    error_message TEXT,
    error_stack TEXT,
    PRIMARY KEY (run_id, task_index)
) WITHOUT ROWID;
CREATE INDEX tasks_by_duration ON tasks (run_id, duration_s, status);
CREATE INDEX tasks_failed ON tasks (run_id, task_index) WHERE status IN ('error', 'timeout');
CREATE TABLE model_calls (
    id INTEGER PRIMARY KEY,
    run_id TEXT,
    stage_id TEXT,
    task_id TEXT,
    agent_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    duration_s REAL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    finish_reason TEXT,
    error_type TEXT,
    error_message TEXT
);
CREATE INDEX model_calls_by_run ON model_calls (run_id);
CREATE INDEX model_calls_by_time ON model_calls (at_us);
CREATE TABLE breakers (
    id INTEGER PRIMARY KEY,
    breaker TEXT NOT NULL,
    state TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    run_id TEXT,
    failures INTEGER,
    recovery_timeout_s REAL,
    open_s REAL
);
CREATE INDEX breakers_by_name ON breakers (breaker, id);
CREATE INDEX breakers_by_time ON breakers (at_us);
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    value REAL NOT NULL,
    threshold REAL NOT NULL,
    run_name TEXT,
    raised_us INTEGER NOT NULL,
    resolved_us INTEGER
);
CREATE UNIQUE INDEX alerts_open ON alerts (rule, subject) WHERE resolved_us IS NULL;
CREATE INDEX alerts_by_time ON alerts (raised_us);
"""

_NOTES_OF_STAGES: Final = "ALTER TABLE stages ADD COLUMN metadata TEXT"

_OPEN_BREAKERS: Final = """
CREATE TABLE open_breakers (
    breaker TEXT NOT NULL,
    process INTEGER NOT NULL,
    PRIMARY KEY (breaker, process)
) WITHOUT ROWID
"""

MIGRATIONS: Final = (_FIRST, _NOTES_OF_STAGES, _OPEN_BREAKERS)
"""What brings a history from one version of the schema to the next: the first from nothing to 1."""
VERSION: Final = len(MIGRATIONS)
"""The version of the schema: SQLite's ``user_version``."""


class HistoryError(AtrioError):
    """A history cannot be read or written; the message is one sentence that says which, and why."""


def connect(path: str | os.PathLike[str], *, read_only: bool, busy_s: float = _BUSY_S) -> sqlite3.Connection:
    """Return a connection to a history, in autocommit: whoever writes makes it a :func:`transaction`.

    The connection may be handed to another thread, but used by one at a time. To be written to, a file that is not
    there is made for its owner alone, with the folder that it is in, and one of an older version is brought up to date.

    Args:
        path: where the history is.
        read_only: whether it is only to be read.
        busy_s: seconds that a statement waits for another process that writes.

    Raises:
        HistoryError: there is none (to be read), it cannot be opened, is damaged or locked, is a database of something
            else, or a newer atrio made it.
    """
    file = Path(path)
    connection: sqlite3.Connection | None = None
    try:
        _check_place(file, read_only=read_only)
        if read_only:
            connection = _for_reading(file, busy_s)
        else:
            make_place(file)
            connection = _open(file, "rwc", busy_s)
            _bring_up_to_date(connection, file, busy_s)
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise HistoryError(sentence_of(error, file)) from error
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def _check_place(file: Path, *, read_only: bool) -> None:
    """Raise if what is there is no file, which SQLite might wait for, or if nothing is there to be read."""
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if read_only:
            why = in_the_way(file) or "none was kept yet, or it is elsewhere"
            raise HistoryError(f"there is no history at {file}: {why}") from None
        return
    if stat.S_ISDIR(mode):
        raise HistoryError(f"the history cannot be at {file}, which is a folder: name a file in it")
    if not stat.S_ISREG(mode):
        raise HistoryError(f"the history cannot be at {file}, which is no regular file: name another one")


def _open(file: Path, mode: str, busy_s: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?{mode if '=' in mode else f'mode={mode}'}",
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


_NOT_WRITABLE: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


def _for_reading(file: Path, busy_s: float) -> sqlite3.Connection:
    connection = _open(file, "ro", busy_s)
    try:
        if _checked_to_read(connection, file) == VERSION:
            return connection
    except sqlite3.OperationalError as error:
        connection.close()
        written = Path(f"{file}-wal")
        # One that is locked may be half changed, and is not to be read without locks.
        if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE or (written.exists() and written.stat().st_size):
            raise
        # In a folder where nothing can be written SQLite cannot make what readers and writers share. Where nothing is
        # left to be taken over from a writer, the file by itself is whole.
        connection = _open(file, "immutable=1", busy_s)
        return connection if _checked_to_read(connection, file) == VERSION else _newer_copy(connection, file)
    except BaseException:
        connection.close()
        raise
    try:
        connect(file, read_only=False, busy_s=busy_s).close()  # which brings it up to date
    except HistoryError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF in _NOT_WRITABLE:
            return _newer_copy(connection, file)
        connection.close()
        raise
    connection.close()
    return _open(file, "ro", busy_s)


def _newer_copy(older: sqlite3.Connection, file: Path) -> sqlite3.Connection:
    """Return a connection to a copy that is brought up to date, of one that cannot be; the other one is closed."""
    # Without a name it is a file that SQLite takes away with the connection.
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        with contextlib.closing(older):
            older.backup(copy)
        _migrate(copy, file)
    except BaseException:
        copy.close()
        raise
    return copy


# One statement sees one moment: another process may be making the file.
_WHAT_IT_IS: Final = """
SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id),
    (SELECT count(*) FROM sqlite_master)
"""


def _check(connection: sqlite3.Connection, file: Path) -> int:
    """Return the version of the schema of a history, 0 for an empty file; raise if it is none, or a newer one."""
    version: int
    version, application, tables = connection.execute(_WHAT_IT_IS).fetchone()
    if application != APPLICATION_ID and (tables or application or version):
        raise HistoryError(f"{file} is not a history, but a database of something else: name another file")
    if version > VERSION:
        raise HistoryError(
            f"the history {file} was made by a newer atrio (its schema is {version}, and this atrio knows {VERSION}): "
            "upgrade atrio, or name another file"
        )
    return version


def _checked_to_read(connection: sqlite3.Connection, file: Path) -> int:
    until = elapsed_clock() + _MAKING_S
    while not (version := _check(connection, file)):
        if elapsed_clock() > until:
            raise HistoryError(f"there is no history in {file}, which is empty")
        time.sleep(_PAUSE_S)
    return version


def _switch_to_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    until = elapsed_clock() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            # This alone SQLite does not wait for, if another process does the same.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or elapsed_clock() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _bring_up_to_date(connection: sqlite3.Connection, file: Path, busy_s: float) -> None:
    version = _check(connection, file)
    # Before the first write: it cannot be changed in a transaction. A commit then waits for no disk.
    _switch_to_wal(connection, busy_s)
    connection.execute("PRAGMA synchronous = NORMAL")
    if version == VERSION:
        # A disk that is full, or a file that may not be written to, is told here and not after the first burst.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return
    _migrate(connection, file)


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    with transaction(connection):
        # Another process may have done it meanwhile.
        for migration in MIGRATIONS[_check(connection, file) :]:
            for statement in filter(None, map(str.strip, migration.split(";"))):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def sentence_of(error: sqlite3.Error | OSError, path: str | os.PathLike[str]) -> str:
    """Return what is wrong with the history at `path`, in a sentence that names it."""
    said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    if isinstance(error, FileExistsError | NotADirectoryError) and (other := in_the_way(Path(path))):
        why = other
    elif "locked" in said or "busy" in said:
        why = "another process has locked it"
    elif "malformed" in said or "not a database" in said:
        why = f"it is damaged ({said}): move it away, and a new one is begun"
    elif "readonly" in said:
        why = "it may only be read"
    elif "full" in said:
        why = "the disk is full"
    elif "disk I/O error" in said:
        why = f"it cannot be read or written ({_named(error)}): the disk may fail, or a limit be reached (ulimit -f)"
    elif "unable to open" in said:
        why = f"it cannot be opened ({_named(error)}): this user may have no right to it, or to the folder it is in"
    else:
        why = said
    return f"the history {os.fspath(path)} cannot be used: {why}"


def _named(error: sqlite3.Error | OSError) -> str:
    """Return what an error says, with SQLite's name for it, which is more exact."""
    name = getattr(error, "sqlite_errorname", None)
    return f"{error}, {name}" if name else str(error)


def microseconds(moment: datetime) -> int:
    """Return an aware `moment` as the tables have it."""
    since = moment - _EPOCH
    # In half the time of dividing it: each event has one.
    return (since.days * _SECONDS_OF_DAY + since.seconds) * _MICROSECONDS + since.microseconds


def moment_of(stored: int) -> datetime:
    """Return what :func:`microseconds` made of a moment, in UTC."""
    return _EPOCH + timedelta(microseconds=stored)
