"""Which circuit breakers are open, and in which of the processes that share a history: a breaker lives in one."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

import attrs

from atrio.history.alerts import BREAKER_OPENED, Finding, judged_breaker
from atrio.history.processes import Identity, silent_processes
from atrio.history.raised import Alert
from atrio.history.schema import microseconds

__all__ = ["Breakers"]


@attrs.frozen
class Breakers:
    """The circuit breakers that opened and closed in this process, and what the history has of all.

    Attributes:
        opened: those that opened here and were not told of yet, with the name of what ran then, or None.
        closed: those that closed here.
        open_in: the living processes in which each is open, as far as was told.
        living: the processes that live.
        own: this process's number, and those that it had before.
    """

    opened: Mapping[str, str | None]
    closed: Collection[str]
    open_in: Mapping[str, frozenset[int]]
    living: frozenset[int]
    own: frozenset[int]

    @property
    def are_news(self) -> bool:
        """Whether the history has not been told all of it."""
        untold = any(not self.open_in.get(breaker, frozenset()) & self.own for breaker in self.opened)
        return untold or any(self.open_in.get(breaker, frozenset()) & self.own for breaker in self.closed)

    @classmethod
    def read(
        cls,
        database: sqlite3.Connection,
        opened: Mapping[str, str | None],
        closed: Collection[str],
        here: Identity,
        now: datetime,
    ) -> Breakers:
        """Return what the history has, with what opened and closed here.

        Args:
            database: the history.
            opened: what opened here, with the name of what ran then, or None.
            closed: what closed here.
            here: this process's identity.
            now: the time of day.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        silent = set(silent_processes(database, here, microseconds(now)))
        every = database.execute("SELECT id, pid, identity FROM processes WHERE closed = 0").fetchall()
        living = frozenset(number for number, _, _ in every) - silent
        own = frozenset(number for number, pid, text in every if (pid, text) == (here.pid, here.text()))
        open_in: dict[str, frozenset[int]] = {}
        for breaker, process in database.execute("SELECT breaker, process FROM open_breakers"):
            if process in living:
                open_in[breaker] = open_in.get(breaker, frozenset()) | {process}
        return cls(dict(opened), tuple(closed), open_in, living, own)

    def findings(self, known: Mapping[tuple[str, str], Alert], passed: Mapping[str, datetime]) -> Iterator[Finding]:
        """Yield what is to be raised, and of what is raised that which is over.

        Args:
            known: the alerts that are raised.
            passed: the names of what reached its end here, with when it began.
        """
        for breaker, run_name in self.opened.items():
            where = self.open_in.get(breaker, frozenset()) - self.own
            yield attrs.evolve(judged_breaker(breaker, len(where) + 1), run_name=run_name)
        for (rule, breaker), alert in known.items():
            if rule != BREAKER_OPENED or breaker in self.opened:
                continue
            where = self.open_in.get(breaker, frozenset())
            if breaker in self.closed:
                where -= self.own
            if not where and (breaker in self.closed or _is_over(alert, passed)):
                yield judged_breaker(breaker, 0)

    def write(self, database: sqlite3.Connection) -> None:
        """Tell of this process, and forget those that have ended.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        for (process,) in database.execute("SELECT DISTINCT process FROM open_breakers").fetchall():
            if process not in self.living:
                database.execute("DELETE FROM open_breakers WHERE process = ?", (process,))
        for breaker in self.closed:
            for process in self.own:
                database.execute("DELETE FROM open_breakers WHERE breaker = ? AND process = ?", (breaker, process))
        rows = [(breaker, process) for process in sorted(self.own)[-1:] for breaker in self.opened]
        database.executemany("INSERT OR IGNORE INTO open_breakers (breaker, process) VALUES (?, ?)", rows)


def _is_over(alert: Alert, passed: Mapping[str, datetime]) -> bool:
    """Say whether what ran when a breaker opened, in a process that has ended, works again without it."""
    if alert.run_name is None:
        return True
    began = passed.get(alert.run_name)
    return began is not None and began >= alert.raised_at
