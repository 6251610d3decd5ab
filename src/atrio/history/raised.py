"""The alerts that a history has: raised and resolved once each, whichever processes share it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from os import PathLike
from typing import Any, Final

import attrs

from atrio.history.alerts import BREAKER_OPENED, Finding
from atrio.history.schema import HistoryError, connect, microseconds, moment_of, sentence_of
from atrio.history.transactions import transaction

__all__ = ["Alert", "alerts_in", "open_alerts", "record"]

_COLUMNS: Final = "rule, subject, value, threshold, run_name, raised_us, resolved_us"
_KINDS: Final[tuple[Any, ...]] = (str, str, float, float, str | None)


@attrs.frozen
class Alert:
    """What a rule found wrong.

    Attributes:
        rule: slow_stage, failure_rate, task_failure_rate or breaker_opened.
        subject: what it is about: ``pipeline/stage``, where a pipeline's id that holds a slash is in quotation marks; a
            pipeline; batches of a name; a breaker.
        value: what was measured when it was raised: seconds, a share of runs or tasks, in how many processes the
            breaker was open.
        threshold: what it should not have exceeded.
        run_name: the pipeline or the batch that ran when it was raised, or None.
        raised_at: when that was, aware, in UTC.
        resolved_at: when it was right again, or None.
    """

    rule: str
    subject: str
    value: float
    threshold: float
    run_name: str | None
    raised_at: datetime
    resolved_at: datetime | None

    @property
    def key(self) -> tuple[str, str]:
        """Rule and subject, of which there is one open alert at a time."""
        return self.rule, self.subject


def alerts_in(path: str | PathLike[str], *, resolved: int = 10) -> tuple[Alert, ...]:
    """Return the alerts of a history: those that are open, then those that were resolved, the latest first of each.

    Args:
        path: where the history is.
        resolved: how many of those that were resolved are wanted at most.

    Raises:
        HistoryError: it cannot be read.
    """
    query = f"SELECT {_COLUMNS} FROM alerts WHERE resolved_us IS NOT NULL ORDER BY resolved_us DESC, id DESC LIMIT ?"  # noqa: S608 - our own words
    with closing(connect(path, read_only=True)) as database:
        try:
            past = database.execute(query, (resolved,)).fetchall()
            return (*open_alerts(database), *map(_alert, past))
        except sqlite3.Error as error:
            raise HistoryError(sentence_of(error, path)) from error


def open_alerts(database: sqlite3.Connection) -> tuple[Alert, ...]:
    """Return the alerts that are not resolved, the latest first.

    Raises:
        sqlite3.Error: they cannot be read, or make no sense.
    """
    # By itself SQLite might go through all that ever were, as they are in order.
    query = f"SELECT {_COLUMNS} FROM alerts INDEXED BY alerts_open WHERE resolved_us IS NULL ORDER BY raised_us DESC, id DESC"  # noqa: S608, E501 - as above
    return tuple(map(_alert, database.execute(query)))


def record(
    database: sqlite3.Connection,
    raised: Sequence[Finding],
    resolved: Sequence[Finding],
    *,
    run_name: str | None = None,
    now: datetime,
    first: Callable[[sqlite3.Connection], object] | None = None,
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Write what is raised and what is resolved, and return what of it no other process had written before.

    Args:
        database: the history, in no transaction.
        raised: what is to be raised.
        resolved: what is to be resolved.
        run_name: what runs, for those that do not say it, or None.
        now: the time of day.
        first: writes what is to be written before, in the same transaction, or None.

    Raises:
        sqlite3.Error: it cannot be written; then nothing of it was.
    """
    at = microseconds(now)
    with transaction(database):
        if first is not None:
            first(database)
        ours = tuple(each for each in raised if _raise(database, each, each.run_name or run_name, at))
        theirs = tuple(each for each in resolved if _resolve(database, each, at))
    return ours, theirs


def _raise(database: sqlite3.Connection, found: Finding, run_name: str | None, at: int) -> bool:
    values = (found.rule, found.subject, found.value, found.threshold, run_name, at)
    written = database.execute(
        "INSERT OR IGNORE INTO alerts (rule, subject, value, threshold, run_name, raised_us) VALUES (?, ?, ?, ?, ?, ?)",
        values,
    )
    return written.rowcount == 1


def _resolve(database: sqlite3.Connection, found: Finding, at: int) -> bool:
    # Another process may have told a moment ago that there it is open, too.
    written = database.execute(
        "UPDATE alerts SET resolved_us = ? WHERE rule = ? AND subject = ? AND resolved_us IS NULL "
        "AND NOT (rule = ? AND EXISTS (SELECT 1 FROM open_breakers WHERE breaker = subject))",
        (at, found.rule, found.subject, BREAKER_OPENED),
    )
    return written.rowcount == 1


def _alert(row: tuple[Any, ...]) -> Alert:
    *begin, raised_us, resolved_us = row
    try:
        if not all(map(isinstance, begin, _KINDS)):
            raise TypeError(f"its values are {begin}")  # noqa: TRY301 - so it is told with the others
        resolved_at = None if resolved_us is None else moment_of(resolved_us)
        values: list[Any] = [*begin, moment_of(raised_us), resolved_at]
        return Alert(*values)
    except (OverflowError, TypeError, ValueError) as error:
        # As SQLite says it of what it finds out itself.
        raise sqlite3.DatabaseError(f"malformed row of alerts: {error}") from error
