"""What is too old is taken out, in steps so small that no writer waits for one."""

from __future__ import annotations

import sqlite3
from typing import Final

from atrio._stamps import elapsed_clock
from atrio.history.transactions import transaction

_STEP_S: Final = 0.02
"""How long a step should take at most, in seconds."""
_FEWEST: Final = 16
_MOST: Final = 2048

_OLD_RUNS: Final = """
SELECT run_id FROM runs WHERE started_us < ? AND state != 'running' AND process < ? ORDER BY started_us LIMIT ?
"""
_PARTS: Final = (("stages", "stage_index"), ("tasks", "task_index"), ("retries", "stage_id, attempt"))
"""The tables of what runs have, with what tells their rows apart within a run."""
_OF_RUN: Final = """
DELETE FROM {table} WHERE (run_id, {key}) IN (SELECT run_id, {key} FROM {table} WHERE run_id IN ({runs}) LIMIT ?)
"""
_CALLS: Final = "DELETE FROM model_calls WHERE id IN (SELECT id FROM model_calls WHERE run_id IN ({runs}) LIMIT ?)"
_ALONE: Final = (
    ("model_calls", "at_us"),
    ("breakers", "at_us"),
    # Open ones too: what still holds is raised again, and what nobody runs any more would stay for ever.
    ("alerts", "raised_us"),
    # The last one stays: SQLite would give its number to the next process, and with it what else has it.
    ("processes", "closed = 1 AND id < (SELECT max(id) FROM processes) AND seen_us"),
)
"""What belongs to no run that is kept, with what says how old it is."""
_OF_NO_RUN: Final = "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {old} < ? AND id <= ? LIMIT ?)"
_BREAKERS_OF_NOBODY: Final = "DELETE FROM open_breakers WHERE process NOT IN (SELECT id FROM processes)"
_LAST: Final = 2**63 - 1


class Purge:
    """Takes runs out that began before some moment, the oldest first, with all that belongs to them.

    Those that have not ended stay. A run of many parts goes in several steps, its own row last.

    Args:
        connection: one that may write, in autocommit.
        before_us: that moment, in microseconds since 1970.
        process: only what processes with a lower number kept: what was there when this one came. None for all.

    Raises:
        sqlite3.Error: the history cannot be read.
    """

    def __init__(self, connection: sqlite3.Connection, before_us: int, process: int | None = None) -> None:
        self._connection = connection
        self._before_us = before_us
        self._process = _LAST if process is None else process
        self._last = {table: _LAST if process is None else _last_id(connection, table) for table, _ in _ALONE}
        self._rows = 64

    def step(self) -> bool:
        """Take some rows out, in a transaction of their own; say whether there may be more.

        Raises:
            sqlite3.Error: it cannot.
        """
        with transaction(self._connection):
            begun = elapsed_clock()
            more = self._take_out()
        taken_s = elapsed_clock() - begun
        if taken_s > _STEP_S / 2:
            self._rows = max(self._rows // 2, _FEWEST)
        elif taken_s < _STEP_S / 4:
            self._rows = min(self._rows * 2, _MOST)
        return more

    def _take_out(self) -> bool:
        # A run has some parts, and each row of these is one more.
        wanted = (self._before_us, self._process, self._rows // 4)
        runs = [run_id for (run_id,) in self._connection.execute(_OLD_RUNS, wanted)]
        if not runs:
            return self._take_out_what_is_alone()
        places = ", ".join("?" * len(runs))
        for table, key in _PARTS:
            statement = _OF_RUN.format(table=table, key=key, runs=places)
            if self._connection.execute(statement, (*runs, self._rows)).rowcount == self._rows:
                return True
        if self._connection.execute(_CALLS.format(runs=places), (*runs, self._rows)).rowcount == self._rows:
            return True
        self._connection.execute(f"DELETE FROM runs WHERE run_id IN ({places})", runs)  # noqa: S608 - our own marks
        return True

    def _take_out_what_is_alone(self) -> bool:
        more = False
        for table, old in _ALONE:
            values = (self._before_us, self._last[table], self._rows)
            taken = self._connection.execute(_OF_NO_RUN.format(table=table, old=old), values).rowcount
            more = more or taken == self._rows
        # As many as there are breakers and processes, which are few.
        self._connection.execute(_BREAKERS_OF_NOBODY)
        return more


def _last_id(connection: sqlite3.Connection, table: str) -> int:
    found: int | None = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
    return found or 0
