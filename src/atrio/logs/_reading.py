"""Logs, read from their first line to their last."""

from __future__ import annotations

from atrio._validation import check_count
from atrio.logs._checking import Checker
from atrio.logs._report import CheckReport
from atrio.logs._sources import Source, blocks_of, name_of, with_rotated
from atrio.logs._summary import Summary
from atrio.logs._summing import Summer


def check(*sources: Source, rotated: bool = False, shown: int = 20) -> CheckReport:
    """Return whether logs are valid and complete, and what is in flight where they end.

    A line is atrio's if it is a JSON object whose `logger` is `atrio`, or which has a `schema` and the name of an
    event. If it is no JSON, it was meant to be one if it begins as a line of atrio's does, or has that logger in it.
    All other lines are of other programs, and are counted.

    Args:
        sources: paths of logs, or binary streams, read in this order. What is compressed with gzip is unpacked.
        rotated: whether to read, before each path, the rotated files beside it, oldest first: PATH.1, PATH.2.gz and so
            on, and PATH-20260131 and the like.
        shown: how many problems are returned, and how much of what is in flight; all is counted.

    Raises:
        UnreadableLogError: a log cannot be read.
        TypeError: `shown` is no int.
        ValueError: `shown` is below 1.
    """
    check_count(shown, "shown")
    checker = Checker(shown)
    files = _read(sources, checker, rotated=rotated)
    return checker.report(files)


def summarise(*sources: Source, rotated: bool = False) -> Summary:
    """Return what logs come to: runs, stages, batches, tasks and circuit breakers.

    The figures are those that :class:`~atrio.InMemoryMetrics` would have had, of durations rounded to microseconds.

    Args:
        sources: as for :func:`check`.
        rotated: as for :func:`check`.

    Raises:
        UnreadableLogError: a log cannot be read.
    """
    summer = Summer()
    files = _read(sources, summer, rotated=rotated)
    return summer.summary(files)


def _read(sources: tuple[Source, ...], reader: Checker | Summer, *, rotated: bool) -> tuple[str, ...]:
    """Give all lines to `reader`, and return the names of the logs."""
    every = with_rotated(sources) if rotated else sources
    for source in every:
        for block in blocks_of(source):
            reader.take(block)
    return tuple(map(name_of, every))
