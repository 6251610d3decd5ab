"""What a JSON Schema asks for, in few words for a language model."""

import json
from collections.abc import Mapping
from typing import Any


def form_of(schema: Mapping[str, Any]) -> str:
    """Return a schema of an answer in a short form, as in ``{"label": string, "score": integer or null}``.

    Args:
        schema: as :class:`~atrio.agents._output_schema.OutputSchema` makes it.
    """
    named = [f"{name}: {_form(each)}" for name, each in schema.get("$defs", {}).items()]
    return "\n".join([_form(schema), *named])


def _form(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "the whole again" if name == "#" else str(name)
    if "anyOf" in schema:
        return " or ".join(_form(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(json.dumps(each, ensure_ascii=False) for each in schema["enum"])
    if schema["type"] == "array":
        return f"[{_form(schema['items'])}, ...]"
    if schema["type"] == "object":
        members = (
            f"{json.dumps(name, ensure_ascii=False)}: {_form(each)}" for name, each in schema["properties"].items()
        )
        return f"{{{', '.join(members)}}}"
    return str(schema.get("format", schema["type"]))
