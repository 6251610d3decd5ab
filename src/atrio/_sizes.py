"""Sizes of data, in O(1) and without touching what the data does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from atrio.events._observing import warn_of_observer

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZED: Final = (str, bytes, bytearray, memoryview, list, tuple, dict, set, frozenset, deque, range)
_SIZED_EXACTLY: Final = frozenset(_SIZED)
_BUILT_IN_LENGTHS: Final = frozenset(kind.__len__ for kind in _SIZED)


def size_of(data: Any) -> int | None:
    """Return the length of text, bytes or a built-in container, else None.

    A class of the user's own is asked only if it inherits a built-in container's ``len``: any other may be slow, raise,
    or, as that of a database query, do the work that it is the size of.
    """
    kind = type(data)
    try:
        if kind in _SIZED_EXACTLY or (issubclass(kind, _SIZED) and kind.__len__ in _BUILT_IN_LENGTHS):
            return len(data)
    except Exception:  # noqa: BLE001 - a released memoryview, a class that cannot be hashed: they have no size
        return None
    return None


def _checked(size: object) -> int | None:
    if size is None or (isinstance(size, int) and not isinstance(size, bool)):
        return size
    raise TypeError(f"a size is an int or None, not {size!r}")


def guarded(measure: Callable[[Any], int | None]) -> Callable[[Any], int | None]:
    """Return `measure` so that it cannot change a run: once it raised or gave no int, it is warned of and left out."""
    working = True

    def measured(data: Any) -> int | None:
        nonlocal working
        if not working:
            return None
        try:
            return _checked(measure(data))
        except Exception as error:  # noqa: BLE001 - measuring must not turn a good stage into a bad one
            working = False
            warn_of_observer("measure", error)
            return None

    return measured
