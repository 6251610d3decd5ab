"""Runs that are asked for by the first digits of their ids."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Final, TypeAlias

from atrio.history.schema import HistoryError

Ids: TypeAlias = Callable[..., tuple[str, ...]]
"""Takes a query and its values, and returns the ids that it finds."""
_MATCHES: Final = 10
"""How many runs are named that a prefix may mean."""
_LIKE: Final = 4
"""Characters that a run's id must share with what was asked for, to be named as the nearest."""
_LAST_CHARACTER: Final = chr(0x10FFFF)


class UnknownRunError(HistoryError):
    """No run's id begins like that.

    Args:
        prefix: what was asked for.
        nearest: the id of the run that was probably meant, or None.
    """

    def __init__(self, prefix: str, nearest: str | None = None) -> None:
        super().__init__(prefix, nearest)
        self.prefix = prefix
        self.nearest = nearest

    def __str__(self) -> str:
        hint = "" if self.nearest is None else f". Did you mean {self.nearest}?"
        return f"there is no run whose id begins with {self.prefix!r}{hint}"


class AmbiguousRunError(HistoryError):
    """The ids of several runs begin like that.

    Args:
        prefix: what was asked for.
        run_ids: the ids that begin so, the first ten.
    """

    def __init__(self, prefix: str, run_ids: tuple[str, ...]) -> None:
        super().__init__(prefix, run_ids)
        self.prefix = prefix
        self.run_ids = run_ids

    def __str__(self) -> str:
        return f"the ids of several runs begin with {self.prefix!r}: {', '.join(self.run_ids)}. Give more of it"


def run_id_of(ids: Ids, prefix: str) -> str:
    """Return the id of the one run that `prefix` means.

    Args:
        ids: returns the ids that a query finds.
        prefix: a run's id, or its begin.

    Raises:
        AmbiguousRunError: several runs' ids begin so.
        UnknownRunError: none does.
    """
    asked, prefix = prefix, prefix.lower()
    span = (prefix, prefix + _LAST_CHARACTER)
    # Runs inside of a batch begin within the same millisecond, and so do their ids: those on top come first.
    on_top = "SELECT run_id FROM runs INDEXED BY runs_on_top_by_id WHERE parent_run_id IS NULL AND run_id >= ? "
    found = ids(f"{on_top} AND run_id < ? ORDER BY run_id LIMIT {_MATCHES}", *span)
    if len(found) != 1:
        everywhere = f"SELECT run_id FROM runs WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT {_MATCHES}"  # noqa: S608 - our own words
        found = found or ids(everywhere, *span)
        if prefix and ids("SELECT run_id FROM runs WHERE run_id = ?", prefix):
            found = (prefix,)
    if not prefix or not found:
        raise UnknownRunError(asked, _nearest(ids, asked))
    [run_id, *others] = found
    if others:
        raise AmbiguousRunError(asked, found)
    return run_id


def _nearest(ids: Ids, prefix: str) -> str | None:
    """Return the run whose id has most of `prefix`, or the last of that name, on top if there is one."""
    named = "SELECT run_id FROM runs WHERE kind IN ('pipeline', 'batch') AND name = ?"
    for which in ("AND parent_run_id IS NULL", ""):
        if of_name := ids(f"{named} {which} ORDER BY started_us DESC, run_id DESC LIMIT 1", prefix):
            return of_name[0]
    neighbours = (
        *ids("SELECT run_id FROM runs WHERE run_id < ? ORDER BY run_id DESC LIMIT 1", prefix),
        *ids("SELECT run_id FROM runs WHERE run_id >= ? ORDER BY run_id LIMIT 1", prefix),
    )
    shared = {run_id: _shared(run_id, prefix) for run_id in neighbours}
    nearest = max(shared, key=shared.__getitem__, default=None)
    return nearest if nearest is not None and shared[nearest] >= _LIKE else None


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
