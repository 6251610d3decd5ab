"""The JSON Schema of a line of a log, made from the event classes."""

from __future__ import annotations

import inspect
from typing import Any, Final

from atrio.events._catalogue import LARGEST_INT, LineField, own_fields, shared_fields
from atrio.events._envelope import SCHEMA
from atrio.events._observing import EVENT_KINDS

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NAMES: Final = {"str": "string", "int": "integer", "float": "number", "null": "null"}


def schema_of_lines() -> dict[str, Any]:
    """Return the schema of a line, whatever its event. Each call makes a new one."""
    shared = shared_fields()
    return {
        "$schema": _DIALECT,
        "title": f"A line of atrio's log, schema {SCHEMA}",
        "description": "One event. Fields may be added; none is taken away or changed without another `schema`.",
        "type": "object",
        "properties": {field.name: _property(field) for field in shared},
        "required": [field.name for field in shared],
        "additionalProperties": True,
        "oneOf": [{"$ref": f"#/$defs/{kind.event_name}"} for kind in EVENT_KINDS],
        "$defs": {kind.event_name: _event(kind) for kind in EVENT_KINDS},
    }


def _event(kind: type[Any]) -> dict[str, Any]:
    fields = own_fields(kind)
    return {
        "title": kind.__name__,
        **_described((inspect.getdoc(kind) or "").partition("\n")[0]),
        "type": "object",
        "properties": {"event": {"const": kind.event_name}, **{field.name: _property(field) for field in fields}},
        "required": ["event", *(field.name for field in fields)],
    }


def _property(field: LineField) -> dict[str, Any]:
    names = [_NAMES[each] for each in field.types]
    made: dict[str, Any] = {"type": names[0] if len(names) == 1 else names, **_described(field.meaning)}
    if len(field.values) == 1:
        made["const"] = field.values[0]
    elif field.values:
        made["enum"] = list(field.values)
    if field.pattern is not None:
        made["pattern"] = field.pattern
    if "int" in field.types:
        made |= {"minimum": -LARGEST_INT if field.minimum is None else field.minimum, "maximum": LARGEST_INT}
    elif field.minimum is not None:
        made["minimum"] = field.minimum
    return made


def _described(meaning: str) -> dict[str, str]:
    return {"description": meaning} if meaning else {}
