"""Text that goes into a line of a log: what cannot be encoded, and what is too long."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def encodable(text: str) -> str:
    """Return `text` with lone surrogates, which UTF-8 cannot hold, written as escapes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def digits(value: int) -> str:
    """Return `value` in decimal digits, in hexadecimal ones where Python refuses to write so many."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def encoded_size(text: str) -> int:
    """Return how many bytes `text` fills in JSON at most, without its quotes: as if everything but ASCII is escaped."""
    return len(json.dumps(text)) - 2


def utf8_size(text: str) -> int:
    """Return how many bytes `text` fills in JSON, without its quotes, where only what must be escaped is."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def cut(text: str, size: int, size_of: Callable[[str], int] = encoded_size) -> str:
    """Return `text`, cut in the middle with an ellipsis where it would fill more than `size` bytes of JSON.

    Args:
        text: one that can be encoded.
        size: how many bytes it may fill; at least those of the ellipsis.
        size_of: says how many bytes a text fills.
    """
    if len(text) <= size and size_of(text) <= size:
        return text
    half = (size - size_of(_ELLIPSIS)) // 2
    # Every character fills a byte at least, so that no more than `half` of them need be looked at.
    lengths = range(min(half, len(text)) + 1)
    head = bisect_right(lengths, half, key=lambda length: size_of(text[:length])) - 1
    tail = bisect_right(lengths, half, key=lambda length: size_of(text[len(text) - length :])) - 1
    return f"{text[:head]}{_ELLIPSIS}{text[len(text) - tail :]}"


LONGEST_MESSAGE: Final = 10_000
"""Characters of what a group says of what is in it."""


def message_of(error: BaseException) -> str:
    """Return what `error` says, even if its ``str`` raises; a group also says what is in it."""
    try:
        message = str(error)
        if isinstance(error, BaseExceptionGroup):
            # Else it says how many there are, and not what they are: "Exceptions from Trio nursery (1 sub-exception)".
            inside = "; ".join(f"{type(each).__name__}: {message_of(each)}" for each in error.exceptions[:5])
            message = f"{message}: {inside}"[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001 - describing an error must never be one
        return f"<{type(error).__name__}, whose str() raises>"
    return message
