"""Plain JSON out of whatever a run holds: the border where cattrs does the work.

Imported when first used, because importing cattrs costs more than importing all the rest of atrio.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import attrs
from cattrs.preconf.json import make_converter

from atrio._results import ErrorInfo
from atrio._text import digits, encodable

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_DEEPEST: Final = 64
_WRITABLE: Final = 2**2048
"""Python writes any int below it: it may be told to refuse more than 640 digits, but not fewer."""

_converter: Final = make_converter()


def json_ready(value: Any) -> Any:
    """Return `value` as dicts, lists, strings, numbers, booleans and None that ``json.dumps`` takes.

    Objects of attrs classes and dataclasses become dicts, sets become lists, dates ISO 8601 strings, an
    :class:`~atrio.ErrorInfo` its type, message and stack. Integers stay what they are, of any size; only one of so many
    digits that Python refuses to write them becomes a string of hexadecimal ones. What JSON cannot hold becomes a
    string: NaN and the infinities, foreign objects, cycles, and what is nested too deep. A lone surrogate, which UTF-8
    cannot hold, becomes the six characters of its escape. It never raises for what the data does.
    """
    return _plain(value, ())


def _plain(value: Any, around: tuple[int, ...]) -> Json:
    scalar = _SCALARS.get(id(type(value)))
    if scalar is not None:
        return scalar(value)
    if id(value) in around or len(around) >= _DEEPEST:
        return f"<{type(value).__name__}, cyclic or nested too deep>"
    try:
        return _compound(value, (*around, id(value)))
    except Exception:  # noqa: BLE001 - hostile data must not make a result unreadable
        return _described(value)


def _integer(value: int) -> int | str:
    if -_WRITABLE < value < _WRITABLE:
        return value
    written = digits(value)
    return written if "x" in written else value


def _real(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


# By identity: a class may be one that cannot be hashed.
_SCALARS: Final[dict[int, Callable[[Any], Json]]] = {
    id(type(None)): lambda _: None,
    id(bool): bool,
    id(int): _integer,
    id(float): _real,
    id(str): encodable,
}
# What the value is of an object of a subclass, an enum's for instance, whatever its own methods say.
_VALUES: Final[dict[type, Callable[[Any], Any]]] = {str: str.__str__, int: int.__int__, float: float.__float__}


def _compound(value: Any, around: tuple[int, ...]) -> Json:
    for kind, value_of in _VALUES.items():
        if isinstance(value, kind):
            return _SCALARS[id(kind)](value_of(value))
    fields = _fields_of(value)
    if fields is not None:
        return {_key(key): _plain(each, around) for key, each in fields.items()}
    if isinstance(value, list | tuple | AbstractSet):
        return [_plain(each, around) for each in value]
    converted = _converter.unstructure(value)
    return _described(value) if converted is value else _plain(converted, around)


def _fields_of(value: Any) -> Mapping[Any, Any] | None:
    # Field by field, so that one hostile value costs its own place and not the whole object.
    if isinstance(value, ErrorInfo):
        return {"error_type": value.error_type, "message": value.message, "stack": value.stack}
    if attrs.has(type(value)):
        return {each.name: getattr(value, each.name) for each in attrs.fields(type(value))}
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return value if isinstance(value, Mapping) else None


def _key(key: object) -> str:
    plain = _plain(key, ())
    return plain if isinstance(plain, str) else _described(key)


def _described(value: object) -> str:
    try:
        return encodable(repr(value))
    except Exception:  # noqa: BLE001 - a repr may raise anything
        return f"<{type(value).__name__}, whose repr() raises>"
