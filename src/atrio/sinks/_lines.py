"""What a line of a log has of an event: fields of the catalogue's types that can be encoded, and are short."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio import events
from atrio._notes import shortened
from atrio._text import cut, encodable, encoded_size, utf8_size
from atrio.events._envelope import SCHEMA

if TYPE_CHECKING:
    from atrio.events import Event

_LARGEST_INT: Final = 2**53 - 1
"""What every JSON reader holds exactly: a double's mantissa."""
_LARGEST_FLOAT: Final = 1.7976931348623157e308
_SHORT_ENOUGH: Final = 400
"""Characters of text in a line that need not be cut, even if each of them is escaped."""
_ERRORS: Final = ("error_message", "error_stack")
_NOTES: Final = "metadata"
_LONG_TEXTS: Final = frozenset({*_ERRORS, _NOTES})
_NAMES: Final = frozenset({"provider", "model", "finish_reason"})
_LONGEST_NAME: Final = 100
"""Bytes of what others named: no id, so that it need not be whole."""
_LONGEST_TEXTS: Final = 3000
"""Bytes of all texts of a line in JSON: with names, numbers and the host's own the line stays below 4,096."""
_LEAST_ROOM: Final = 300
"""Bytes that are left for a message, a stack and what was noted, however long the ids are."""
_MOST_LOOKED_AT: Final = 4096
"""Characters at the begin and at the end of a text: more than a line holds."""
_MOST_REMEMBERED: Final = 4096
_shortened: Final[dict[str, str]] = {}
"""Ids as lines have them: the same few come again and again, and looking one up costs a fifth of looking at it."""


@attrs.frozen
class _Measure:
    """How long texts may be.

    Attributes:
        size_of: says how many bytes a text fills.
        longest_id: how many bytes an id or a type may fill.
    """

    size_of: Callable[[str], int]
    longest_id: int


_ESCAPED: Final = _Measure(encoded_size, 400)
"""For whoever may escape all but ASCII."""
_UTF8: Final = _Measure(utf8_size, 300)
"""For our own encoders. Nine texts of this length, if somebody fills an event so by hand, leave room for the rest."""
LONGEST_ID: Final = _UTF8.longest_id


class _Shape:
    """How the fields of one class of events become those of a line."""

    def __init__(self, kind: type[Any]) -> None:
        types = {field.name: str(field.type).partition(" ")[0] for field in attrs.fields(kind)}
        texts = tuple(name for name, of in types.items() if of == "str")
        self.names = tuple(name for name in texts if name in _NAMES)
        self.ids = tuple(name for name in texts if name not in _LONG_TEXTS and name not in _NAMES)
        self.long_texts = tuple(name for name in texts if name in _LONG_TEXTS)
        self.ints = tuple(name for name, of in types.items() if of == "int")
        self.floats = tuple(name for name, of in types.items() if of == "float")


_SHAPES: Final = {kind: _Shape(kind) for kind in events.EVENT_KINDS}
FLOATS: Final = {kind: shape.floats for kind, shape in _SHAPES.items()}
"""The names of the fields that hold floats, by class."""


def _blank(kind: type[Any]) -> dict[str, Any]:
    names = ("schema", "event", "level", "timestamp", "logger", *(field.name for field in attrs.fields(kind)), "seq")
    return dict.fromkeys(names) | {"schema": SCHEMA, "event": kind.event_name, "logger": "atrio"}


BLANK: Final = {kind: _blank(kind) for kind in events.EVENT_KINDS}
"""The fields of a line in their order, with what all lines of a class have in common."""


def emptiest(kind: type[Any]) -> Event:
    """Return an event of a `kind` whose line is as short as one can be."""
    values = {"str": "", "int": 0, "float": 0.0, "datetime": datetime.fromtimestamp(0, UTC)}
    event: Event = kind(*(values[str(field.type).partition(" ")[0]] for field in attrs.fields(kind)))
    return event


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of `event` as a line has them, whoever encodes it.

    When it happened is not among them: a host's processors say that in their own way.
    """
    shape = _SHAPES[type(event)]
    fields = event.__dict__.copy()
    del fields["timestamp"]
    for name in shape.floats:
        value = fields[name]
        fields[name] = round(value, 6) if type(value) is float and -inf < value < inf else rounded(value)
    for name in shape.ints:
        number = fields[name]
        if number is not None and not -_LARGEST_INT <= number <= _LARGEST_INT:
            fields[name] = _bounded(number)
    for name in shape.ids:
        text = fields[name]
        if text is not None:
            fields[name] = _shortened.get(text) or _short_id(text)
    for name in shape.names:
        if fields[name] is not None:
            fields[name] = cut(_text_of(fields[name]), _LONGEST_NAME)
    for name in shape.long_texts:
        if fields[name] is not None:
            _cut_long_texts(fields, shape, _ESCAPED)
            break
    return fields


def make_plain(line: dict[str, Any], kind: type[Event]) -> None:
    """Make the fields of a `kind` of event in `line` such that UTF-8 can hold them, and in less than a line.

    It changes nothing in a line that is short and can be encoded as it is, so that only others need it.
    """
    shape = _SHAPES[kind]
    for name in (*shape.floats, *shape.ints):
        if isinstance(line[name], int):
            line[name] = _bounded(line[name])
        elif not (line[name] is None or isinstance(line[name], float)):
            line[name] = cut(_text_of(line[name]), LONGEST_ID, utf8_size)
    for name in (*shape.ids, *shape.names, *shape.long_texts):
        if line[name] is not None:
            line[name] = _text_of(line[name])
    for name in shape.names:
        if line[name] is not None:
            line[name] = cut(line[name], _LONGEST_NAME, utf8_size)
    for name in shape.ids:
        if line[name] is not None:
            line[name] = cut(line[name], LONGEST_ID, utf8_size)
    _cut_long_texts(line, shape, _UTF8)


def rounded(value: Any) -> Any:
    """Return a float as a line has it: to the microsecond, and no other than JSON can hold.

    A field keeps its type, because a column of numbers with a text in it is none: an int becomes a float, infinity the
    largest one, NaN null.
    """
    if not isinstance(value, int | float):  # None, or nothing that is ours
        return value
    if value != value:  # noqa: PLR0124 - only NaN is not itself
        return None
    # An int may be larger than any float.
    return round(float(min(max(value, -_LARGEST_FLOAT), _LARGEST_FLOAT)), 6)


def _bounded(value: int) -> int:
    return min(max(int(value), -_LARGEST_INT), _LARGEST_INT)


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        try:
            value = repr(value)
        except Exception:  # noqa: BLE001 - a repr may raise anything, and an event nothing
            value = f"<{type(value).__name__}, whose repr() raises>"
    text = str.__str__(value)
    if len(text) > 2 * _MOST_LOOKED_AT:
        text = text[:_MOST_LOOKED_AT] + text[-_MOST_LOOKED_AT:]  # what is between is cut anyway
    return encodable(text)


def _short_id(text: str) -> str:
    # An id is the same on every line of a run, whatever else the line holds, so that lines can be joined by it.
    if len(_shortened) >= _MOST_REMEMBERED:
        _shortened.clear()
    short = _shortened[text] = cut(encodable(text), _ESCAPED.longest_id)
    return short


def _cut_long_texts(fields: dict[str, Any], shape: _Shape, measure: _Measure) -> None:
    for name in shape.long_texts:
        if fields[name] is not None:
            fields[name] = _text_of(fields[name])
    long_texts = [fields[name] or "" for name in shape.long_texts]
    ids = [fields[name] or "" for name in shape.ids]
    if sum(map(len, long_texts)) + sum(map(len, ids)) <= _SHORT_ENOUGH:
        return
    left = max(_LONGEST_TEXTS - sum(map(measure.size_of, ids)), _LEAST_ROOM)
    notes = fields.get(_NOTES)
    if notes is not None:
        is_alone = not any(fields[name] for name in _ERRORS)
        fields[_NOTES] = shortened(notes, left if is_alone else left // 3, measure.size_of)
        left -= measure.size_of(fields[_NOTES])
    # The stack repeats the message, so the message gets the smaller part.
    sizes = {"error_message": left // 3, "error_stack": left - left // 3}
    for name, size in sizes.items():
        if name in shape.long_texts and fields[name] is not None:
            fields[name] = cut(fields[name], size, measure.size_of)
