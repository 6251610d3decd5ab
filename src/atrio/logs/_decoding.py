"""Lines of JSON as objects, strictly: what is no JSON by the standard is an error, whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

Loads: TypeAlias = Callable[[bytes], Any]

LOOKS_OURS: Final = (b'"logger":"atrio"', b'"logger": "atrio"')
_BEGIN: Final = b'{"schema":'


def fastest_loads() -> Loads:
    """Return what reads a line of JSON, and raises ValueError if it is none: orjson's if it is installed."""
    try:
        import orjson  # noqa: PLC0415 - found out when a log is read, and not when atrio is imported
    except ImportError:
        return _loads
    return orjson.loads


def _loads(line: bytes) -> Any:
    text = line.decode()
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False).encode()  # raises for half of a surrogate pair
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def seems_ours(line: bytes) -> bool:
    """Say whether a line that is no JSON was meant to be one of atrio's."""
    return line.startswith(_BEGIN) or any(mark in line for mark in LOOKS_OURS)
