"""What a model is to answer, and what an answer means."""

from collections.abc import Callable
from typing import Any, Final

import attrs

from atrio.agents._jsonable import Json, decoded
from atrio.agents._offload import Poll
from atrio.agents._output_schema import OutputSchema

_FENCE: Final = "```"


@attrs.frozen
class Output:
    """What a model is to answer.

    Attributes:
        response_format: how the endpoint is told, None if it need not be.
        read: returns what the text of an answer means. It raises a plain ValueError if that is no JSON, and a
            `MisfitError` if it is JSON that misses the schema.
    """

    response_format: dict[str, Json] | None
    read: Callable[[str, Poll], Any]


def output_of(output: object) -> Output:
    """Return the output that is meant: "text", "json" or a type.

    Raises:
        TypeError: no answer can be asked for in it.
        ValueError: it is another string.
    """
    if output == "text" or output is str:
        return Output(None, lambda text, _: text)
    if output == "json":
        return Output({"type": "json_object"}, _json)
    if isinstance(output, str):
        raise ValueError(f"output must be 'text', 'json' or a class, not {output!r}")  # noqa: TRY004 - it is a str, but another
    schema = OutputSchema(output)
    described: dict[str, Json] = {"name": schema.name, "strict": True, "schema": schema.schema}
    return Output(
        {"type": "json_schema", "json_schema": described}, lambda text, poll: schema.structured(_json(text, poll))
    )


def _json(text: str, poll: Poll) -> Json:
    bare = text.strip()
    if bare.startswith(_FENCE) and bare.endswith(_FENCE) and "\n" in bare:
        # So do models whose endpoint knows nothing of schemas.
        bare = bare[bare.index("\n") : -len(_FENCE)]
    return decoded(bare.encode("utf-8", "surrogatepass"), poll)
