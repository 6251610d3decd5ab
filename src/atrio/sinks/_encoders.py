"""What makes a line of JSON, and what it takes for a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

Dumps: TypeAlias = Callable[[dict[str, Any]], bytes]
Stamp: TypeAlias = Callable[[datetime], datetime | str]

_LARGEST_INT: Final = 2**53 - 1


def encoder() -> tuple[Dumps, Stamp]:
    """Return what makes a line of JSON, its newline included, and what it takes for a time.

    It raises TypeError or ValueError for what UTF-8 or a double cannot hold. orjson's is returned where that is
    installed: it takes a tenth of the time, and writes most times of day by itself.
    """
    try:
        import orjson  # noqa: PLC0415 - found out when a sink is made, and not when atrio is imported
    except ImportError:
        return _standard_dumps, stamp
    dumps = orjson.dumps
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_STRICT_INTEGER
    return lambda line: dumps(line, None, options), _stamp_for_orjson


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _standard_dumps(line: dict[str, Any]) -> bytes:
    for value in line.values():
        if isinstance(value, int) and not -_LARGEST_INT <= value <= _LARGEST_INT:
            raise ValueError("an int that no double holds")
    return f"{_encode(line)}\n".encode()


def stamp(when: datetime) -> str:
    """Return a time as the catalogue has it: UTC, always six digits of a fraction, and Z."""
    text = when.isoformat(timespec="microseconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") else stamp(when.astimezone(UTC))


def _stamp_for_orjson(when: datetime) -> datetime | str:
    # It leaves a fraction of zero out, and writes what another zone is apart from UTC.
    return when if when.microsecond and when.tzinfo is UTC else stamp(when)
