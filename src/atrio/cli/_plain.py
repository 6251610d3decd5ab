"""Settings and past runs as plain values, ready for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import attrs


def plain(value: Any) -> Any:
    """Return `value`, an object of attrs or what is in it, ready for ``json.dumps``; moments as the log has them."""
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    return value.value if isinstance(value, Enum) else value


def in_words(value: Any) -> str:
    """Return a plain value as people read it: a text as it is, and all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
