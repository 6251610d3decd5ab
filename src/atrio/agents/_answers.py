"""What an HTTP endpoint answers, read as what it is: untrusted."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from atrio.agents._jsonable import Json, decoded
from atrio.agents._offload import Poll

TRANSIENT: Final = frozenset({408, 425, 429})
"""Statuses below 500 that are worth another attempt: the endpoint says try later."""

_SECONDS: Final = re.compile(r"[0-9]{1,300}(?:\.[0-9]{1,20})?", flags=re.ASCII)
_LONGEST: Final = 1e15
_JSON_TYPE: Final = re.compile(r"application/(?:[^\s;]+\+)?json|text/json", flags=re.ASCII)
_CHARSET: Final = re.compile(r"charset=\"?([^\s;\"]+)", flags=re.ASCII)
# Codecs that cannot make much of little, nor text of something else.
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"})


def seconds_of(retry_after: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None if it says nothing.

    Args:
        retry_after: the header: seconds, of which some endpoints give fractions, or a date.
        now: the present, aware of its time zone.
    """
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST)
    try:
        asked = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = asked if asked.tzinfo is not None else asked.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def meant(body: bytes, content_type: str, poll: Poll) -> Json:
    """Return what the body of an answer means: JSON by default, text if it is said to be that, None if it is empty.

    Raises:
        ValueError: it is no JSON, or neither JSON nor text.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return None
    if not kind or _JSON_TYPE.fullmatch(kind):
        return decoded(body, poll)
    if kind.startswith("text/"):
        return body.decode(_charset(content_type), errors="replace")
    raise ValueError(f"it is {kind}, which is neither JSON nor text")


def _charset(content_type: str) -> str:
    found = _CHARSET.search(content_type.lower())
    return found[1] if found is not None and found[1] in _CHARSETS else "utf-8"
