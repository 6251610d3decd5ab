"""What an endpoint answers, whole or in pieces, read as what it is: untrusted (the protocol of chat completions)."""

from typing import Any, Final

import attrs

from atrio.agents._jsonable import Json

_MOST_TOKENS: Final = 2**53


@attrs.frozen
class Chunk:
    """A whole answer, or a piece of one.

    Attributes:
        text: what the model wrote.
        refusal: what it said instead, where it refuses.
        finish_reason: why it ended, in the piece that ends it.
        input_tokens: tokens that it was given, where that is said.
        output_tokens: tokens that it wrote, likewise.
    """

    text: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def chunk_of(answer: Json, member: str) -> Chunk:
    """Return what an answer says, or an event of a stream.

    Args:
        answer: what the endpoint sent.
        member: where a choice has the text: "message" in a whole answer, "delta" in a piece.

    Raises:
        ValueError: it is no such answer.
    """
    if not isinstance(answer, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of what was received, not of an argument
    choices = answer.get("choices")
    if choices is None and member == "delta":
        choices = []  # so do some servers in the event that has the usage alone
    if not isinstance(choices, list) or (member == "message" and not choices):
        raise ValueError("it has no choices")
    first: Any = choices[0] if choices else {}
    said: Any = first.get(member) if isinstance(first, dict) else None
    if member == "message" and not isinstance(said, dict):
        raise ValueError("its first choice has no message")
    said = said if isinstance(said, dict) else {}
    usage: Any = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Chunk(
        _content(said.get("content")),
        _text(said.get("refusal")),
        _text(first.get("finish_reason") if isinstance(first, dict) else None) or None,
        _tokens(usage.get("prompt_tokens")),
        _tokens(usage.get("completion_tokens")),
    )


def _content(value: Any) -> str:
    """Return what is written in a message: a text, or parts of which some are texts."""
    if not isinstance(value, list):
        return _text(value)
    return "".join(
        each if isinstance(each, str) else _text(each.get("text"))
        for each in value
        if isinstance(each, str) or (isinstance(each, dict) and each.get("type", "text") == "text")
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _tokens(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else None


def failure_in(answer: Json) -> tuple[str, str] | None:
    """Return message and code of a failure that an endpoint tells in JSON, either may be empty; None if it tells none.

    Most say ``{"error": {"message": ..., "code": ...}}``, some ``{"error": ...}`` or ``{"message": ...}``.
    """
    if not isinstance(answer, dict):
        return None
    told = answer.get("error")
    if isinstance(told, dict) and (told or "choices" not in answer):
        code = told.get("code")
        return _text(told.get("message")), _text(code) or (str(code) if type(code) is int else _text(told.get("type")))
    message = _text(told) or ("" if "choices" in answer else _text(answer.get("message")))
    return (message, "") if message else None
