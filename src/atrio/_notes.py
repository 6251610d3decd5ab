"""What stages noted, as JSON text: an event's fields hold no objects.

The text is made on a run's way, of whatever an agent noted. So it is bounded: what is too large for it is told as such
and not cut, because half of a secret would be found by nobody.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from enum import Enum
from itertools import islice
from math import inf
from pathlib import PurePath
from typing import Any, Final, NoReturn

import attrs

from atrio._text import cut, encodable

LONGEST: Final = 4_000
"""Characters of the text."""
_LONGEST_NAME: Final = 200
_MOST_ENTRIES: Final = 100
_MUCH: Final = 4 * LONGEST
"""Characters after which no more time is spent on large entries."""
_LITTLE: Final = 100
"""Characters that an entry may have from then on."""
_DEEPEST: Final = 64
_LARGEST_INT: Final = 2**2048
"""Python writes any int below it, and reads it again."""
_LARGEST_FLOAT: Final = 1.7976931348623157e308
_MORE: Final = "\N{HORIZONTAL ELLIPSIS}"
_ROOM_FOR_MORE: Final = 60
# By identity: a class may be one that cannot be hashed.
_BYTES: Final = frozenset(map(id, (bytes, bytearray)))
_SIZED: Final = _BYTES | frozenset(map(id, (str, list, tuple, dict, set, frozenset)))
_HIDDEN: Final = '{"***":"***"}'

_TOLD: Final = re.compile(r'"<[^<>]+, too large>"')

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _TooLargeError(Exception):
    """An entry has more in it than there is room for."""


def noted(notes: Mapping[str, Any]) -> str | None:
    """Return `notes` as the JSON text of an object, at most 4,000 characters long; None if there are none.

    Values are as in :meth:`~atrio.PipelineResult.to_dict`, with these exceptions: NaN is null, an infinity the largest
    float, and bytes are their ``repr``. An entry that is too large is a text that says so; what is left over after that
    is counted under ``…``. It never raises for what the values do.
    """
    if not notes:
        return None
    entries: dict[str, Any] = {}
    looked_at = 0
    for name, value in tuple(islice(notes.items(), _MOST_ENTRIES)):
        entry = _Entry(LONGEST if looked_at < _MUCH else _LITTLE)
        entries[_name(name)] = entry.of(value)
        looked_at += entry.looked_at
    more = max(len(notes) - _MOST_ENTRIES, 0)
    text = _encode(entries)
    return text if len(text) <= LONGEST and not more else _fitted(entries, more, LONGEST, len)


def parsed(text: str) -> dict[str, Any] | None:
    """Return the object that a JSON text is, None if it is none."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def shortened(text: str, size: int, size_of: Callable[[str], int] = len) -> str:
    """Return what :func:`noted` made, in less room: the largest entries are told as such.

    Args:
        text: what it made; any other text is cut in the middle.
        size: how much it may fill; at least 100.
        size_of: says how much a text fills.
    """
    if len(text) <= size and size_of(text) <= size:
        return text
    entries = parsed(text)
    return cut(text, size, size_of) if entries is None else _fitted(entries, 0, size, size_of)


def without(text: str, hide: Callable[[str], str]) -> str:
    """Return what :func:`noted` made as `hide` leaves it, and still the JSON text of an object.

    Args:
        text: what it made; any other text is what `hide` makes of it.
        hide: returns a text without what is to be hidden.
    """
    masked = hide(text)
    if masked == text or (len(masked) <= LONGEST and parsed(masked) is not None):
        return masked
    entries = parsed(text)
    if entries is None:
        return masked
    # What is hidden was a number, went beyond a text, or is shorter than what stands for it.
    again = shortened(encodable(_encode(_masked(entries, hide))), LONGEST)
    return again if hide(again) == again else _HIDDEN


def _masked(value: Any, hide: Callable[[str], str]) -> Any:
    """Return plain `value` with each name, text and number in it as `hide` leaves it."""
    if isinstance(value, dict):
        return {hide(name): _masked(each, hide) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, hide) for each in value]
    if isinstance(value, str):
        return hide(value)
    text = _encode(value)
    masked = hide(text)
    return value if masked == text else masked


class _Entry:
    """An entry, made plain with so much of it looked at as fits.

    Args:
        room: how many characters it may have.

    Attributes:
        looked_at: about how many characters were looked at.
    """

    __slots__ = ("_room", "looked_at")

    def __init__(self, room: int) -> None:
        self._room = room
        self.looked_at = 0

    def of(self, value: Any) -> Any:
        """Return `value` as what JSON can hold, or a text that says that it is too large."""
        try:
            return self._plain(value, ())
        except _TooLargeError:
            return _too_large(value)

    def _take(self, size: int) -> None:
        self.looked_at += size
        if self.looked_at > self._room:
            raise _TooLargeError

    def _plain(self, value: Any, around: tuple[int, ...]) -> Any:
        scalar = _SCALARS.get(id(type(value)))
        if scalar is not None:
            return scalar(self, value)
        if id(value) in around or len(around) >= _DEEPEST:
            return self._text(f"<{_kind(value)}, cyclic or nested too deep>")
        try:
            return self._compound(value, (*around, id(value)))
        except _TooLargeError:
            raise
        except Exception:  # noqa: BLE001 - an agent may note anything, and its run must not notice
            return self._described(value)

    def _text(self, text: str) -> str:
        if len(text) > self._room:
            text = _too_large(text)
        self._take(len(text) + 2)
        return encodable(text)

    def _integer(self, value: int) -> int | str:
        if -_LARGEST_INT < value < _LARGEST_INT:
            self._take(1 + value.bit_length() // 4)
            return value
        return self._text(_too_large(value))

    def _real(self, value: float) -> float | None:
        self._take(4)
        # Infinity minus itself is no number, and neither is NaN.
        return value if value - value == 0 else _finite(value)

    def _word(self, value: bool | None) -> bool | None:  # noqa: FBT001 - it is what is noted
        self._take(4)
        return value

    def _compound(self, value: Any, around: tuple[int, ...]) -> Any:
        if isinstance(value, list | tuple | deque | AbstractSet):
            return self._items(value, around)
        for kind, value_of in _VALUES.items():
            if isinstance(value, kind):
                return _SCALARS[id(kind)](self, value_of(value))
        fields = value if type(value) is dict else _fields_of(value)
        if fields is not None:
            return self._fields(fields, around)
        return self._plain(value.value, around) if isinstance(value, Enum) else self._described(value)

    def _items(self, value: Any, around: tuple[int, ...]) -> list[Any] | str:
        # Each fills two characters at least.
        if len(value) > self._room // 2:
            return self._text(_too_large(value))
        self._take(2 + len(value))
        # A length may be a lie.
        return [self._plain(each, around) for each in islice(value, self._room)]

    def _fields(self, fields: Mapping[Any, Any], around: tuple[int, ...]) -> dict[str, Any] | str:
        if len(fields) > self._room // 4:
            return self._text(_too_large(fields))
        self._take(2)
        plain: dict[str, Any] = {}
        for key, each in islice(fields.items(), self._room):
            plain[self._key(key)] = self._plain(each, around)
        return plain

    def _key(self, key: object) -> str:
        if type(key) is not str:
            plain = self._plain(key, ())
            key = plain if isinstance(plain, str) else self._described(key)
        name = _name(key)
        self._take(len(name) + 4)
        return name

    def _described(self, value: Any) -> str:
        kind = type(value)
        try:
            if issubclass(kind, date):
                return self._text(str.__str__(value.isoformat()))
            if issubclass(kind, PurePath):
                return self._text(str.__str__(str(value)))
            is_large = id(kind) in _BYTES and len(value) > self._room
            return self._text(_too_large(value) if is_large else str.__str__(repr(value)))
        except _TooLargeError:
            raise
        except Exception:  # noqa: BLE001 - a repr may raise anything
            return self._text(f"<{_kind(value)}, whose repr() raises>")


_SCALARS: Final[dict[int, Callable[[_Entry, Any], Any]]] = {
    id(type(None)): _Entry._word,
    id(bool): _Entry._word,
    id(int): _Entry._integer,
    id(float): _Entry._real,
    id(str): _Entry._text,
}
_NAME: Final[Any] = type.__dict__["__name__"]
# What the value is of an object of a subclass, an enum's for instance, whatever its own methods say.
_VALUES: Final[dict[type, Callable[[Any], Any]]] = {str: str.__str__, int: int.__int__, float: float.__float__}


def _finite(value: float) -> float | None:
    if value != value:  # noqa: PLR0124 - only NaN is not itself
        return None
    return _LARGEST_FLOAT if value == inf else -_LARGEST_FLOAT


def _fields_of(value: Any) -> Mapping[Any, Any] | None:
    # Field by field, so that a large one, or one that raises, is found before all of the object is written.
    if attrs.has(type(value)):
        return {each.name: getattr(value, each.name) for each in attrs.fields(type(value))}
    if hasattr(type(value), "__dataclass_fields__"):
        from dataclasses import fields  # noqa: PLC0415 - whoever noted one has imported it

        return {each.name: getattr(value, each.name) for each in fields(value)}
    return value if isinstance(value, Mapping) else None


def _name(name: str) -> str:
    text = str.__str__(name)
    return encodable(text) if len(text) <= _LONGEST_NAME else _too_large(text)


def _kind(value: object) -> str:
    # A metaclass may have a name of its own.
    name: str = _NAME.__get__(type(value))
    return encodable(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME])


def _too_large(value: Any) -> str:
    size = f" of length {len(value):,}" if id(type(value)) in _SIZED else ""
    return f"<{_kind(value)}{size}, too large>"


def _fitted(entries: Mapping[str, Any], more: int, size: int, size_of: Callable[[str], int]) -> str:
    """Return the JSON text of `entries`, in the room that there is.

    Args:
        entries: plain ones.
        more: how many there are besides.
        size: how much it may fill.
        size_of: says how much a text fills.
    """
    pieces = {name: _piece(name, value) for name, value in entries.items()}
    sizes = {name: size_of(piece) + 1 for name, piece in pieces.items()}
    left = size - 1 - sum(sizes.values())
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if left >= (_ROOM_FOR_MORE if more else 0):
            break
        if _TOLD.fullmatch(pieces[name].removeprefix(f"{_encode(name)}:")):
            continue
        short = _piece(name, _too_large(entries[name]))
        saved = sizes[name] - size_of(short) - 1
        if saved > 0:
            pieces[name], sizes[name] = short, sizes[name] - saved
            left += saved
    while pieces and left < (_ROOM_FOR_MORE if more else 0):
        name, _ = pieces.popitem()
        left += sizes[name]
        more += 1
    if more:
        pieces[_MORE] = _piece(_MORE, f"{more:,} more")
    return f"{{{','.join(pieces.values())}}}"


def _piece(name: str, value: object) -> str:
    return encodable(f"{_encode(name)}:{_encode(value)}")
