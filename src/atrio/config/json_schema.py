"""The JSON Schema of the configuration, by which editors complete and check it. It is made from the classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import attrs

from atrio.config.settings import SHORT_FORMS, Configuration
from atrio.config.words import meanings
from atrio.registry import BUILT_IN_AGENTS

__all__ = ["configuration_schema"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: Final[Mapping[type, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LARGEST_INT: Final = 2**63


def configuration_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``atrio.toml`` and ``atrio.json``. Each call makes a new one.

    What it refuses, reading refuses too. Reading refuses more: what one table names of another must be there.
    """
    definitions: dict[str, Any] = {}
    whole = _table(Configuration, definitions)
    whole["properties"] = {"$schema": {"type": "string", "description": "The address of this schema."}} | whole[
        "properties"
    ]
    return {"$schema": _DIALECT, "title": "atrio.toml", **whole, "$defs": dict(sorted(definitions.items()))}


def _table(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    fields = [each for each in attrs.fields(attrs.resolve_types(kind)) if not each.kw_only]
    properties = {
        each.name: _of(each.type, definitions) | _described(kind, each.name) | _default(each) for each in fields
    }
    if "extends" in properties:
        # Suggested, and not demanded: what else is there, a later version knows.
        properties["extends"]["examples"] = list(BUILT_IN_AGENTS)
    required = [each.name for each in fields if each.default is attrs.NOTHING]
    summary = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    made: dict[str, Any] = {"description": " ".join(summary.split()).replace("``", "`")}
    made |= {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def _described(kind: type[Any], name: str) -> dict[str, str]:
    meaning = meanings(kind).get(name)
    return {} if meaning is None else {"description": f"{meaning[0].upper()}{meaning[1:]}"}


def _default(field: attrs.Attribute[Any]) -> dict[str, Any]:
    value: Any = field.default.value if isinstance(field.default, Enum) else field.default
    return {"default": value} if isinstance(value, str | int | float) and value != "" else {}


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; those of tables go into `definitions`."""
    if kind is Any:
        return {}
    if attrs.has(kind):
        return _reference(kind, definitions)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [each.value for each in kind]}
    if kind is int:
        return {"type": "integer", "minimum": -_LARGEST_INT, "maximum": _LARGEST_INT - 1}
    if isinstance(kind, type):
        return {"type": _SCALARS[kind]}
    made: dict[str, Any] = _SHAPES[get_origin(kind)](get_args(kind), definitions)
    return made


def _reference(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__.removesuffix("Settings")
    if name not in definitions:
        definitions[name] = {}  # its place, should it be met again within itself
        definitions[name] = _table(kind, definitions)
    reference = {"$ref": f"#/$defs/{name}"}
    if kind not in SHORT_FORMS:
        return reference
    agent = _of(attrs.fields(kind).agent.type, definitions)
    return {"anyOf": [agent, reference]}


def _annotated(arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    kind, *rules = arguments
    made = _of(kind, definitions)
    for rule in rules:
        made = dict(rule.schema) if "anyOf" in rule.schema else made | dict(rule.schema)
    return made


def _union(arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    # None is what a field is that was left out, and nothing that can be written.
    arms = [_of(each, definitions) for each in arguments if each is not NoneType]
    return arms[0] if len(arms) == 1 else {"anyOf": arms}


def _array(arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _of(arguments[0], definitions)}


def _mapping(arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    names = _of(arguments[0], definitions)
    own = {} if set(names) == {"type"} else {"propertyNames": names}
    values = _of(arguments[1], definitions)
    return {"type": "object", "additionalProperties": values or True, **own}


def _choice(arguments: tuple[Any, ...], _: dict[str, Any]) -> dict[str, Any]:
    return {"enum": list(arguments)}


_SHAPES: Final[Mapping[Any, Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]]] = {
    Annotated: _annotated,
    Union: _union,
    UnionType: _union,
    tuple: _array,
    Mapping: _mapping,
    Literal: _choice,
}
