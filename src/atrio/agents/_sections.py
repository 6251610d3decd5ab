"""What a report shows: any data, laid out as titled tables and texts, before a template draws them."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import date, datetime, time
from enum import Enum
from typing import Final, Literal, TypeGuard

import attrs

from atrio.agents._analysis import TextAnalysis

DEEPEST: Final = 4
"""Levels of nesting that get tables of their own; what lies deeper is written out in one cell."""

MOST_ROWS: Final = 1_000
"""Rows of a table; what is beyond is counted in a note. A page of more is read by nobody."""

MOST_SECTIONS: Final = 200
"""Sections of a report, for the same reason."""


@attrs.frozen(kw_only=True)
class Section:
    """A titled part of a report.

    Attributes:
        kind: "table" or "text".
        title: Its heading, or empty.
        heads: A table's column heads.
        rows: A table's rows, as long as the heads.
        text: What a text says.
        note: A remark below it, or empty.
    """

    kind: Literal["table", "text"] = "table"
    title: str = ""
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    note: str = ""


def plain(value: object) -> str:
    """Return a single value as people write it: no ``None``, no ``True``, no seventeen digits."""
    match value:
        case None:
            return "–"  # noqa: RUF001 - a dash for what is not there
        case Enum():
            return plain(value.value)
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
        case int():
            return f"{value:,}"
        case datetime() | date() | time():
            return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
        case bytes() | bytearray():
            return value.decode(errors="backslashreplace")
        case _:
            return str(value)
