"""What a test server of chat completions answers, or does instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, Literal

import attrs

from atrio._validation import at_least, check_at_least, count, is_number

_seconds = at_least(0)
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT: Final = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})


def _usage(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    right = 'must be "counted", None, or two whole numbers from 0, of input and output tokens, as in (12, 3)'
    if value is None or value == "counted":
        return
    if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(each, int) for each in value):
        raise TypeError(f"Reply.{attribute.name} {right}, not {value!r}")
    if min(value) < 0:
        raise ValueError(f"Reply.{attribute.name} {right}, not {value!r}")


def _fewer_than_pieces(instance: HalfStream | Hang, attribute: attrs.Attribute[Any], value: object) -> None:
    what = f"{type(instance).__name__}.{attribute.name}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be a whole number, not {value!r}")
    if not 0 <= value < instance.pieces:
        raise ValueError(f"{what} must be from 0 to {instance.pieces - 1}, below pieces, not {value!r}")


def _code(_: object, __: attrs.Attribute[Any], value: object) -> None:
    right = "Status.code must be a whole number from 300 to 599: what is no failure is a Reply"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{right}, not {value!r}")
    if not 300 <= value <= 599:
        raise ValueError(f"{right}, not {value!r}")


def _retry_after(_: object, __: attrs.Attribute[Any], value: object) -> None:
    if is_number(value):
        check_at_least(value, "Status.retry_after", 0)
    elif value is not None and not isinstance(value, str):
        raise TypeError(f"Status.retry_after must be seconds, the text of the header, or None, not {value!r}")


def _headers(_: object, __: attrs.Attribute[Any], value: object) -> None:
    right = "Status.headers must be a mapping of names to texts"
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise TypeError(f"{right}, not {value!r}")
    for name, text in value.items():
        if not _HEADER.fullmatch(name) or name.lower() in _FRAMING:
            raise ValueError(f"{right}, and {name!r} is no name of a header that can be set")
        if not _HEADER_TEXT.fullmatch(text):
            raise ValueError(f"{right}, and that of {name!r} must be visible ASCII characters, blanks between them")


@attrs.frozen
class Reply:
    """A good answer.

    Attributes:
        content: what the model says: text as it is, anything else written as JSON. None stands for the least that is
            right: the smallest value that the schema of the request allows, or ``OK`` where it has none.
        delay: seconds on Trio's clock before anything is sent.
        pieces: in how many pieces it comes, if the request asks for a stream.
        piece_delay: seconds between two of them.
        usage: how many tokens it says were used: of the input and of the output; counted means one for each word, None
            that it does not say.
        finish_reason: why the model stopped: ``length`` for an answer that was cut, ``content_filter`` for one that was
            held back.
        refusal: what the model says in place of an answer; the content is null then.
    """

    content: Any = None
    delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)
    pieces: int = attrs.field(default=4, kw_only=True, validator=count)
    piece_delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)
    usage: tuple[int, int] | Literal["counted"] | None = attrs.field(default="counted", kw_only=True, validator=_usage)
    finish_reason: str = attrs.field(default="stop", kw_only=True)
    refusal: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Status:
    """An answer that is an error.

    Attributes:
        code: the status, 300 to 599.
        retry_after: the header ``Retry-After``: seconds, or its text, as for a date; None for no header.
        message: what the error says, in the form of OpenAI's errors.
        body: the whole body in place of that.
        headers: further headers, texts by name; how long the body is, and how it is sent, is not for them to say.
        delay: seconds on Trio's clock before anything is sent.
    """

    code: int = attrs.field(validator=_code)
    retry_after: float | str | None = attrs.field(default=None, kw_only=True, validator=_retry_after)
    message: str | None = attrs.field(default=None, kw_only=True)
    body: str | None = attrs.field(default=None, kw_only=True)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], kw_only=True, validator=_headers)
    delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)


@attrs.frozen
class BrokenJson:
    """An answer with status 200 that is no JSON; in a stream, an event that is none.

    For an answer that is right by the protocol and whose content is no JSON, write ``Reply('{"answer": ')``.

    Attributes:
        delay: seconds on Trio's clock before anything is sent.
    """

    delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)


@attrs.frozen
class HalfStream:
    """An answer that stops in the middle: of the stream, or of the body where none was asked for.

    Attributes:
        content: as of :class:`Reply`.
        pieces: how many pieces it would have.
        sent: how many of them are sent.
        piece_delay: seconds between two of them.
        breaks: whether the connection breaks there; if not, the response ends as HTTP wants it, without its rest.
        delay: seconds on Trio's clock before anything is sent.
    """

    content: Any = None
    pieces: int = attrs.field(default=4, kw_only=True, validator=count)
    sent: int = attrs.field(default=2, kw_only=True, validator=_fewer_than_pieces)
    piece_delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)
    breaks: bool = attrs.field(default=True, kw_only=True)
    delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)


@attrs.frozen
class CloseConnection:
    """No answer: the connection is closed.

    Attributes:
        reset: whether by a reset, as when a server is killed, and not by the end of the stream.
        delay: seconds on Trio's clock before that.
    """

    reset: bool = attrs.field(default=False, kw_only=True)
    delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)


@attrs.frozen
class Hang:
    """An answer that never comes, or that never goes on, until the client leaves.

    Attributes:
        content: as of :class:`Reply`.
        pieces: how many pieces it would have.
        sent: how many of them are sent before it hangs; at 0 nothing is.
        piece_delay: seconds between two of them.
        delay: seconds on Trio's clock before anything is sent.
    """

    content: Any = None
    pieces: int = attrs.field(default=4, kw_only=True, validator=count)
    sent: int = attrs.field(default=0, kw_only=True, validator=_fewer_than_pieces)
    piece_delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)
    delay: float = attrs.field(default=0.0, kw_only=True, validator=_seconds)


ChatReply = Reply | Status | BrokenJson | HalfStream | CloseConnection | Hang
"""What a :class:`ChatServer` can be told to do."""


def cut(text: str, pieces: int) -> list[str]:
    """Return the text in about equal pieces, none of them empty: fewer, if it has fewer characters."""
    ends = [len(text) * number // pieces for number in range(pieces + 1)]
    return [text[begin:end] for begin, end in pairwise(ends) if begin < end]
