"""The smallest value that a JSON Schema allows."""

from __future__ import annotations

import math
from typing import Any, Final

_FORMATS: Final = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_WORDS: Final = ("null", "boolean", "integer", "number", "string", "array", "object")


class _ImpossibleError(Exception):
    """No value obeys the schema, or it asks for itself on the way to its smallest."""


def smallest(schema: dict[str, Any]) -> Any:
    """Return a value that the schema allows, as small as it may be.

    It knows what schemas of structured outputs consist of: types, enum and const, anyOf and oneOf (of which it takes
    the first that has a value), references within the schema, and the limits of numbers, strings and arrays. Patterns
    it does not follow.

    Raises:
        ValueError: no finite value obeys the schema.
    """
    try:
        return _value(schema, schema, ("#",))
    except _ImpossibleError:
        raise ValueError("no finite value obeys the schema") from None


def _value(schema: Any, root: dict[str, Any], entered: tuple[str, ...]) -> Any:
    if not isinstance(schema, dict):  # true: anything
        return None
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        reference = schema["$ref"]
        if reference in entered:
            raise _ImpossibleError
        return _value(_referred(reference, root), root, (*entered, reference))
    for key in "anyOf", "oneOf":
        if key in schema:
            return _first(schema[key], root, entered)
    return _of_type(schema, root, entered)


def _first(branches: list[Any], root: dict[str, Any], entered: tuple[str, ...]) -> Any:
    for branch in branches:
        try:
            return _value(branch, root, entered)
        except _ImpossibleError:
            continue
    raise _ImpossibleError


def _of_type(schema: dict[str, Any], root: dict[str, Any], entered: tuple[str, ...]) -> Any:
    kinds = schema.get("type", "object" if "properties" in schema else "null")
    kind = kinds if isinstance(kinds, str) else min(kinds, key=_WORDS.index)
    match kind:
        case "object":
            parts, required = schema.get("properties", {}), schema.get("required", ())
            return {name: _value(parts.get(name), root, entered) for name in required}
        case "array":
            first = schema.get("prefixItems", [])[: schema.get("minItems")]
            rest = [schema.get("items")] * (schema.get("minItems", 0) - len(first))
            return [_value(part, root, entered) for part in (*first, *rest)]
        case "string":
            text = _FORMATS.get(schema.get("format", ""), "")
            return text + "x" * (schema.get("minLength", 0) - len(text))
        case "integer" | "number":
            return _number(schema, kind)
        case "boolean":
            return False
        case _:
            return None


def _number(schema: dict[str, Any], kind: str) -> float:
    """Return 0, or else a number at one of the limits, or next to it."""
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    low, high = max(schema.get("minimum", -math.inf), above), min(schema.get("maximum", math.inf), below)
    step = schema.get("multipleOf", 1)
    candidates: list[float] = [0]
    if math.isfinite(low):
        candidates += [math.ceil(low / step) * step, math.ceil(low / step) * step + step]
    if math.isfinite(high):
        candidates += [math.floor(high / step) * step, math.floor(high / step) * step - step]
    if kind == "number" and "multipleOf" not in schema:
        candidates += [low, high, (low + high) / 2]
    for candidate in candidates:
        if low <= candidate <= high and above < candidate < below:
            return candidate
    raise _ImpossibleError


def _referred(reference: str, root: dict[str, Any]) -> Any:
    part: Any = root
    for name in reference.removeprefix("#/").split("/"):
        part = part[name.replace("~1", "/").replace("~0", "~")]
    return part
