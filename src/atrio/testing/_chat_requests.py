"""What a test server of chat completions is asked, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

_SCHEMA_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", flags=re.ASCII)


class BadRequestError(Exception):
    """A request that an endpoint would refuse, with the reason."""


@attrs.define(eq=False)
class ChatRequest:
    """A request for a chat completion, as the server got it.

    Attributes:
        number: its place among all of them, from 0.
        body: its body, as JSON.
        headers: its headers by lower-case name, without the one that has the key.
        authorization: the header that has the key, as in ``Bearer sk-...``; not in the ``repr``. None without one.
        started_at: Trio's time when it had come, in seconds.
        ended_at: Trio's time at the end of the answer, None before.
        outcome: ``running``; ``answered``; ``disconnected`` if the client left first; ``closed`` if the server broke
            the connection as told; ``cancelled`` if the server ended before.
    """

    number: int
    body: dict[str, Any]
    headers: dict[str, str]
    authorization: str | None = attrs.field(repr=False)
    started_at: float
    ended_at: float | None = None
    outcome: str = "running"

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self.body["model"])

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, each with a role and a content."""
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    @property
    def text(self) -> str:
        """The text of the last message of the user; empty if there is none."""
        said = [message for message in self.messages if message["role"] == "user"]
        return _text(said[-1].get("content")) if said else ""

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema that the answer must obey, None without one."""
        asked = self.body.get("response_format") or {}
        schema: dict[str, Any] | None = asked.get("json_schema", {}).get("schema")
        return schema

    @property
    def streams(self) -> bool:
        """Whether the answer is to come in pieces."""
        return self.body.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether the answer says how many tokens were used; a stream does so only if asked."""
        return not self.streams or (self.body.get("stream_options") or {}).get("include_usage") is True

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be any JSON."""
        return (self.body.get("response_format") or {}).get("type") == "json_object"

    def words(self) -> int:
        """Return how many words all messages have."""
        return sum(len(_text(message.get("content")).split()) for message in self.messages)


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def checked_body(raw: bytes) -> dict[str, Any]:
    """Return the body of a request, as JSON.

    Raises:
        BadRequestError: an endpoint would refuse it.
    """
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadRequestError(f"the body of the request is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body of the request must be a JSON object")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise BadRequestError("you must provide a model parameter")
    _check_messages(body.get("messages"))
    if not isinstance(body.get("stream", False), bool | None):
        raise BadRequestError("stream must be true or false")
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise BadRequestError("stream_options is only allowed when stream is true")
    if body.get("response_format") is not None:
        _check_format(body["response_format"])
    return body


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("messages must be a list of at least one message")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequestError(f"messages[{number}] must be an object with a role")
        if not isinstance(message.get("content"), str | list | None):
            raise BadRequestError(f"messages[{number}].content must be a string, a list of parts, or null")


def _check_format(asked: object) -> None:
    kinds = ("text", "json_object", "json_schema")
    if not isinstance(asked, dict) or asked.get("type") not in kinds:
        raise BadRequestError(f"response_format.type must be one of {', '.join(kinds)}")
    if asked["type"] != "json_schema":
        return
    named = asked.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise BadRequestError("response_format.json_schema must be an object with a schema")
    if not isinstance(named.get("name"), str) or not _SCHEMA_NAME.fullmatch(named["name"]):
        raise BadRequestError("response_format.json_schema.name must be 1 to 64 letters, digits, _ or -")
    if named.get("strict"):
        _check_strict(named["schema"])


def _check_strict(schema: dict[str, Any]) -> None:
    """Raise BadRequestError unless the schema keeps to what is asked of strict ones: closed objects, all required."""
    if schema.get("type") != "object":
        raise BadRequestError("the schema of a strict response_format must be an object at its root")
    for path, part in _subschemas(schema, "schema"):
        if part.get("type") != "object" and "properties" not in part:
            continue
        if part.get("additionalProperties") is not False:
            raise BadRequestError(f"{path}: additionalProperties must be false in a strict schema")
        if sorted(part.get("required", ())) != sorted(part.get("properties", {})):
            raise BadRequestError(f"{path}: required must name every property in a strict schema")


def _subschemas(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the schema and all in it, each with the way to it."""
    yield path, schema
    inner = [
        *(
            (f"{path}.{key}.{name}", part)
            for key in ("properties", "$defs")
            for name, part in schema.get(key, {}).items()
        ),
        *((f"{path}.anyOf[{number}]", part) for number, part in enumerate(schema.get("anyOf", ()))),
        *((f"{path}.prefixItems[{number}]", part) for number, part in enumerate(schema.get("prefixItems", ()))),
        (f"{path}.items", schema.get("items")),
    ]
    for where, part in inner:
        if isinstance(part, dict):
            yield from _subschemas(part, where)
