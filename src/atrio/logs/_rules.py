"""What a line of each event must be, made from the event classes as its JSON Schema is."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, TypeAlias

from atrio._text import cut, encodable
from atrio.events import EVENT_KINDS
from atrio.events._catalogue import LARGEST_INT, LOGGER, LineField, own_fields, shared_fields

Test: TypeAlias = Callable[[Any], bool]

_KINDS: Final[dict[str, frozenset[type]]] = {
    "str": frozenset({str}),
    "int": frozenset({int}),
    "float": frozenset({float, int}),
    "null": frozenset({type(None)}),
}
_WORDS: Final = {"str": "a string", "int": "a whole number below 2^53", "float": "a number", "null": "null"}
_PATTERN_WORDS: Final = {
    "timestamp": "UTC as in 2026-01-31T23:59:59.123456Z",
    "run_id": "32 lower-case hexadecimal digits",
}
_PLACE: Final = frozenset({"run_id", "seq", "pid", "host", "timestamp"})
_LONGEST: Final = 60
"""Bytes of a value that are shown."""


class Rules:
    """What a line of one kind of event must be.

    Args:
        kind: the event's class.
    """

    def __init__(self, kind: type[Any]) -> None:
        fields = (*shared_fields(), *own_fields(kind))
        self._fields = fields
        self._values_of = itemgetter(*(field.name for field in fields))
        # The types of whole lines that were found right. There are few, because there are few for each field.
        self._right: set[tuple[type, ...]] = set()
        tests = ((number, _test_of(field)) for number, field in enumerate(fields))
        self._tests = [(number, test) for number, test in tests if test is not None]

    def problem(self, line: dict[str, Any]) -> str | None:
        """Return what is wrong with `line`, and what would be right; None if nothing is."""
        try:
            values: tuple[Any, ...] = self._values_of(line)
        except KeyError as missing:
            (field,) = (field for field in self._fields if field.name == missing.args[0])
            return f"it has no {field.name}, which must be {_wanted(field)}"
        types = tuple(map(type, values))
        if types not in self._right:
            for field, value in zip(self._fields, values, strict=True):
                if not _is_of_type(field, value):
                    return _not(field, value)
            if all(self._is_exact(field, kind) for field, kind in zip(self._fields, types, strict=True)):
                self._right.add(types)
        for number, test in self._tests:
            if not test(values[number]):
                return _not(self._fields[number], values[number])
        return None

    @staticmethod
    def _is_exact(field: LineField, kind: type) -> bool:
        return any(kind in _KINDS[name] for name in field.types)


_EVENTS: Final = frozenset(kind.event_name for kind in EVENT_KINDS)


@functools.cache
def _rules() -> dict[str, Rules]:
    return {kind.event_name: Rules(kind) for kind in EVENT_KINDS}


def is_ours(line: dict[str, Any]) -> bool:
    """Say whether `line` is one of atrio's: its logger says so, or, where that is missing, its event and a schema."""
    if line.get("logger") == LOGGER:
        return True
    event = line.get("event")
    return "schema" in line and isinstance(event, str) and event in _EVENTS


def problem_of(line: dict[str, Any]) -> str | None:
    """Return what is wrong with a line of atrio's, and what would be right; None if nothing is."""
    event = line.get("event")
    rules = _rules().get(event) if isinstance(event, str) else None
    if rules is not None:
        return rules.problem(line)
    if "event" not in line:
        return "it has no event, which must be the name of one"
    return f"event must be the name of one, as stage.end is, not {shown(event)}"


def has_place(line: dict[str, Any]) -> bool:
    """Say whether a line that is not valid still says whose it is, and its number there."""
    return all(field.name in line and _is_right(field, line[field.name]) for field in _fields_of_place())


@functools.cache
def _fields_of_place() -> tuple[LineField, ...]:
    return tuple(field for field in shared_fields() if field.name in _PLACE)


def _is_right(field: LineField, value: Any) -> bool:
    test = _test_of(field)
    return _is_of_type(field, value) and (test is None or test(value))


def _is_of_type(field: LineField, value: Any) -> bool:
    if any(type(value) in _KINDS[name] for name in field.types):
        return True
    # To JSON 3.0 is an integer too.
    return "int" in field.types and isinstance(value, float) and value.is_integer()


def _test_of(field: LineField) -> Test | None:
    if field.values:
        return frozenset(field.values).__contains__
    if field.pattern is not None:
        matches = re.compile(field.pattern.removesuffix("$")).fullmatch
        return lambda value: value is None or matches(value) is not None
    if "int" in field.types:
        least = -LARGEST_INT if field.minimum is None else field.minimum
        return lambda value: value is None or least <= value <= LARGEST_INT
    if field.minimum is not None:
        lowest = field.minimum
        return lambda value: value is None or lowest <= value
    return None


def _not(field: LineField, value: Any) -> str:
    return f"{field.name} must be {_wanted(field)}, not {shown(value)}"


def _wanted(field: LineField) -> str:
    if field.values:
        return " or ".join(map(str, field.values))
    words = [_WORDS[name] for name in field.types]
    if field.pattern is not None:
        words[0] = _PATTERN_WORDS[field.name.removeprefix("parent_")]
    elif field.minimum is not None:
        words[0] = "a whole number from 0 up, below 2^53" if "int" in field.types else "a number from 0 up"
    return " or ".join(words)


def shown(value: Any) -> str:
    """Return `value` as JSON, short."""
    return cut(encodable(json.dumps(value, ensure_ascii=False)), _LONGEST)
