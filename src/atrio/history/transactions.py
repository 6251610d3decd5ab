"""Changes to a history that are made whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Make what the block changes one transaction, which no other process's comes in between.

    Args:
        connection: one in autocommit.

    Raises:
        sqlite3.Error: another process holds the lock for too long, or the change cannot be written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Of some failures, a full disk's for instance, SQLite has made an end itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
