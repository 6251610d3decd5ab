"""JSON at the border of an agent: strict, bounded, and never a surprise."""

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from enum import Enum
from math import isfinite
from typing import Any, Final, NoReturn, TypeAlias, cast

from atrio._text import encodable
from atrio.agents._failures import DataProblem, InvalidDataError, shown
from atrio.agents._offload import Poll, no_poll
from atrio.agents._sections import fields_of

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

DEEPEST: Final = 100
"""Levels of nesting that are accepted."""

LARGEST: Final = 50_000_000
"""Characters of data, counted as `Plain` does."""

_CONTAINERS: Final = (dict, list, tuple)
_PER_VALUE: Final = 20
_POLL_EVERY: Final = 1 << 16
_MOST_BITS: Final = 13_000
"""Of an integer, some 3,900 digits: Python refuses to write or read some more, as that takes quadratic time."""
_MOST_DIGITS: Final = 3_900


def escaped(key: str) -> str:
    """Return a key as it stands in a JSON Pointer."""
    return shown(key.replace("~", "~0").replace("/", "~1"))


def pointer_of(path: Iterable[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) that leads along ``path``."""
    return "".join(f"/{escaped(str(part))}" for part in path)


class Plain:
    """Makes plain JSON of data: a copy that consists of nothing but dicts, lists, str, int, float, bool and None.

    Objects of attrs classes and dataclasses become dicts, tuples and sets lists, members of enums their values, dates
    and times ISO 8601 strings. What else JSON cannot hold is refused, never replaced.

    Args:
        poll: called now and then.
        what: what is copied, for the messages.
        surrogates: whether strings may have lone surrogates in them, as a JSON text can, but no Unicode text.

    Attributes:
        size: characters of what was copied so far, roughly; each value counts as 20 at least.
        depth: levels of nesting that it has.
        has_long_integers: whether an integer needs more than 64 bits.
    """

    def __init__(self, poll: Poll = no_poll, what: str = "the data", *, surrogates: bool = True) -> None:
        self._surrogates = surrogates
        self._what = what
        self.size = 0
        self.depth = 0
        self.has_long_integers = False
        self._poll = poll
        self._next_poll = _POLL_EVERY
        self._path: list[str | int] = []

    def of(self, value: Any) -> Json:
        """Return a copy of ``value``.

        Raises:
            InvalidDataError: JSON cannot hold it; or it is nested more than 100 levels deep, or larger than 50 million
                characters.
        """
        kind = type(value)
        self._count(len(value) if kind is str else 0)
        if kind in _CONTAINERS:
            return self._nested(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return cast("Json", value)
        if kind is int:
            return self._whole(value)
        return self._real(value) if kind is float else self._other(value)

    def _count(self, characters: int) -> None:
        self.size += _PER_VALUE + characters
        if self.size >= self._next_poll:
            self._next_poll = self.size + _POLL_EVERY
            self._poll()
            if self.size > LARGEST:
                raise InvalidDataError(f"{self._what} is larger than {LARGEST:,} characters")

    def _text(self, value: str) -> str:
        if not self._surrogates and encodable(value) is not value:
            self._refuse("text with half of a surrogate pair in it")
        return value

    def _whole(self, value: int) -> int:
        if value.bit_length() > _MOST_BITS:
            self._refuse(f"an integer of more than {_MOST_BITS:,} bits")
        self.has_long_integers |= value.bit_length() > 63
        return value

    def _real(self, value: float) -> float:
        if not isfinite(value):
            self._refuse(f"{value}, which JSON does not have")
        return value

    def _other(self, value: Any) -> Json:
        """Return what an object stands for, of a class that JSON does not know."""
        if isinstance(value, Enum):
            return self.of(value.value)
        # Of a subclass the value itself, whatever its own methods say of it.
        if isinstance(value, str):
            return self.of(str.__str__(value))
        if isinstance(value, int):
            return self.of(int.__int__(value))
        if isinstance(value, float):
            return self.of(float.__float__(value))
        return value.isoformat() if isinstance(value, date | time) else self._nested(value)

    def _nested(self, value: Any) -> Json:
        if len(self._path) >= DEEPEST:
            raise InvalidDataError(f"{self._what} is nested more than {DEEPEST} levels deep")
        self.depth = max(self.depth, len(self._path) + 1)
        if isinstance(value, list | tuple):
            return self._items(value)
        fields = fields_of(value)
        if fields is not None:
            return self._mapping(fields)
        if isinstance(value, AbstractSet):
            return sorted(self._items(value), key=repr)  # sets have no order; lists must always have the same
        hint = "; decode it first" if isinstance(value, bytes | bytearray | memoryview) else ""
        return self._refuse(f"of type {type(value).__name__}, which JSON does not have{hint}")

    def _items(self, values: Iterable[Any]) -> list[Json]:
        copied: list[Json] = []
        self._path.append(0)
        for number, value in enumerate(values):
            self._path[-1] = number
            copied.append(self.of(value))
        self._path.pop()
        return copied

    def _mapping(self, fields: Mapping[Any, Any]) -> dict[str, Json]:
        copied: dict[str, Json] = {}
        for name, value in fields.items():
            key = self._key(name)
            if key in copied:
                self._refuse(f"a mapping with the key {shown(key)!r} twice")
            self._count(len(key))
            self._path.append(key)
            copied[key] = self.of(value)
            self._path.pop()
        return copied

    def _key(self, name: object) -> str:
        if isinstance(name, Enum):
            return self._key(name.value)
        if isinstance(name, str):
            return self._text(str.__str__(name))
        if isinstance(name, int) and not isinstance(name, bool):
            return str(self._whole(int.__int__(name)))
        return self._refuse(f"a mapping with a key of type {type(name).__name__}, which JSON does not have")

    def _refuse(self, what: str) -> NoReturn:
        raise InvalidDataError(f"{self._what} is not JSON", [DataProblem(pointer_of(self._path), f"it is {what}")])


def weight_of(data: object, limit: int) -> int:
    """Return roughly how many characters ``data`` has; counting ends once ``limit`` is passed."""
    total, waiting = 0, [data]
    while waiting and total < limit:
        value = waiting.pop()
        total += _PER_VALUE
        if isinstance(value, str | bytes | bytearray):
            total += len(value)
        elif isinstance(value, list | tuple | AbstractSet):
            total += _PER_VALUE * len(value)
            if total < limit:
                waiting.extend(value)
        elif (fields := fields_of(value)) is not None:
            total += _PER_VALUE * len(fields)
            if total < limit:
                waiting.extend(fields.values())
    return total


def encoded(data: object, poll: Poll = no_poll) -> bytes:
    """Return ``data`` as JSON text in UTF-8, on one line.

    Raises:
        InvalidDataError: as `Plain.of` does.
    """
    plain = Plain(poll).of(data)
    try:
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold where UTF-8 cannot
        return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode()


def decoded(text: bytes, poll: Poll = no_poll, *, huge_is_null: bool = False) -> Json:
    """Return what a JSON text means.

    Args:
        text: the text, in UTF-8.
        poll: called now and then.
        huge_is_null: whether what no number can hold is null.

    Raises:
        ValueError: it is no JSON, or has what no number can hold, or is nested more than 100 levels deep. The message
            has nothing of the text in it but where it ends to be JSON.
    """
    try:
        numbers: dict[str, Any] = (
            {"parse_float": _finite_or_none, "parse_int": _whole_or_none} if huge_is_null else {"parse_float": _finite}
        )
        value: Json = json.loads(text.decode("utf-8-sig"), parse_constant=_no_constant, **numbers)
        is_flat = text.count(b"[") + text.count(b"{") <= DEEPEST
        return value if is_flat else Plain(poll).of(value)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    except InvalidDataError as error:
        raise ValueError(str(error)) from None


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError("a number is too large")
    return value


def _finite_or_none(digits: str) -> float | None:
    value = float(digits)
    return value if isfinite(value) else None


def _whole_or_none(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
