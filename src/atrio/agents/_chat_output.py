"""What a model is to answer, and what an answer means."""

from collections.abc import Callable
from typing import Any, Final

import attrs

from atrio.agents._chat_form import form_of
from atrio.agents._chat_structuring import MisfitError, kind_of
from atrio.agents._failures import DataProblem
from atrio.agents._jsonable import Json, decoded
from atrio.agents._offload import Poll
from atrio.agents._output_schema import OutputSchema

_FENCE: Final = "```"
_TAG: Final = "json"
_THOUGHT: Final = ("<think>", "</think>")
JSON_OBJECT: Final[dict[str, Json]] = {"type": "json_object"}
"""How an endpoint is told that JSON is wanted, without saying which."""


@attrs.frozen
class Output:
    """What a model is to answer.

    Attributes:
        response_format: how the endpoint is told, None if it need not be.
        form: what is to be answered, in a short form for the model; empty for a text.
        schema: the JSON Schema; None without one.
        read: returns what the text of an answer means. It raises a plain ValueError if that is no JSON, and a
            `MisfitError` if it is JSON that misses the schema.
    """

    response_format: dict[str, Json] | None
    form: str
    schema: dict[str, Json] | None
    read: Callable[[str, Poll], Any]


def output_of(output: object) -> Output:
    """Return the output that is meant: "text", "json" or a type.

    Raises:
        TypeError: no answer can be asked for in it.
        ValueError: it is another string.
    """
    if output == "text" or output is str:
        return Output(None, "", None, lambda text, _: text)
    if output == "json":
        return Output(JSON_OBJECT, "a JSON object", None, lambda text, poll: _object(_json(text, poll)))
    if isinstance(output, str):
        raise ValueError(f"output must be 'text', 'json' or a class, not {output!r}")  # noqa: TRY004 - it is a str, but another
    schema = OutputSchema(output)
    described: dict[str, Json] = {"name": schema.name, "strict": True, "schema": schema.schema}
    return Output(
        {"type": "json_schema", "json_schema": described},
        form_of(schema.schema),
        schema.schema,
        lambda text, poll: schema.structured(_json(text, poll)),
    )


def _object(value: Json) -> Json:
    if not isinstance(value, dict):
        raise MisfitError([DataProblem("", f"must be an object, not {kind_of(value)}")])
    return value


def _json(text: str, poll: Poll) -> Json:
    """Return the JSON that is an answer, or the only one in it: models whose endpoint knows no schemas write around it.

    Raises:
        ValueError: there is none, or more than one.
    """
    try:
        return _decoded(text, poll)
    except ValueError:
        within = _within(text.strip())
        if within is None:
            raise
    return _decoded(within, poll)


def _decoded(text: str, poll: Poll) -> Json:
    return decoded(text.strip().encode("utf-8", "surrogatepass"), poll)


def _within(text: str) -> str | None:
    """Return what follows the thoughts of a model, and stands in its only fence; None if there is neither."""
    thought, end, rest = text.partition(_THOUGHT[1]) if text.startswith(_THOUGHT[0]) else ("", "", text)
    said = rest.strip() if end else text
    if said.startswith(_FENCE) and said.endswith(_FENCE) and len(said) > 2 * len(_FENCE):
        # What is in it may have fences in its strings.
        return _untagged(said[len(_FENCE) : -len(_FENCE)])
    parts = said.split(_FENCE)
    blocks = parts[1::2] if len(parts) % 2 else []
    marked = [each for each in blocks if each[: len(_TAG)].lower() == _TAG]
    only = marked or blocks
    if len(only) == 1:
        return _untagged(only[0])
    return said if thought else None


def _untagged(block: str) -> str:
    return block[len(_TAG) :] if block[: len(_TAG)].lower() == _TAG else block
