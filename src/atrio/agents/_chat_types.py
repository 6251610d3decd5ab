"""The types that a model can be asked to answer in."""

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_type_hints, is_typeddict

import attrs

SCALARS: Final[dict[Any, str]] = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
"""Single values, and what JSON Schema calls them."""

TIMES: Final[dict[Any, str]] = {datetime: "date-time", date: "date"}
"""What is a string in JSON, and its format."""

UNIONS: Final = frozenset({Union, UnionType})
MAPPINGS: Final = frozenset({dict, Mapping, MutableMapping})
MADE_OF_LISTS: Final[dict[Any, Callable[[list[Any]], Any]]] = {
    list: list, Sequence: list, MutableSequence: list, tuple: tuple, set: set, AbstractSet: set, frozenset: frozenset,
}  # fmt: skip
"""What is a list in JSON, and how it is made of one."""


def is_class(kind: Any) -> bool:
    """Say whether `kind` is a class with named fields."""
    return isinstance(kind, type) and (attrs.has(kind) or is_dataclass(kind) or is_typeddict(kind))


def members_of(kind: Any) -> list[str]:
    """Return the names of the fields of a class that an answer has."""
    if attrs.has(kind):
        return [field.name for field in attrs.fields(kind) if field.init]
    if is_dataclass(kind):
        return [field.name for field in fields(kind) if field.init]
    return [*get_type_hints(kind)]


def is_enum(kind: Any) -> bool:
    """Say whether `kind` is a class of named values."""
    return isinstance(kind, type) and issubclass(kind, Enum)


def values_of(kind: Any) -> list[Any]:
    """Return what an Enum or a Literal may be, as JSON has it."""
    return [each.value for each in kind] if is_enum(kind) else list(get_args(kind))
