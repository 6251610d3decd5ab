"""A class as the JSON Schema that a model is to answer by, and what it answers as an object of that class, strictly.

The schemas keep to what OpenAI's structured outputs demand of strict ones (platform.openai.com, "Structured Outputs"):
the root is an object, objects have no members but those named, and all of these are required. Other endpoints take
more, and so take this.
"""

import re
from collections.abc import Sequence
from types import NoneType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NoReturn,
    NotRequired,
    Required,
    get_args,
    get_origin,
    get_type_hints,
)

from atrio._text import message_of
from atrio.agents._chat_structuring import MisfitError, structured
from atrio.agents._chat_types import (
    MADE_OF_LISTS,
    MAPPINGS,
    SCALARS,
    TIMES,
    UNIONS,
    is_class,
    is_enum,
    members_of,
    values_of,
)
from atrio.agents._failures import DataProblem
from atrio.agents._jsonable import Json

_WRAPPED: Final = "value"
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")


class OutputSchema:
    """What a model is to answer: a JSON Schema, and the way back from JSON.

    Args:
        kind: an attrs class, a dataclass, a TypedDict, an Enum, ``str``, ``int``, ``float``, ``bool``, ``None``,
            ``date`` or ``datetime``; or a ``Literal``, a union, a list, tuple of one type, set or dict (with str for
            keys) of these. A text in ``Annotated`` describes to the model what is meant.

    Attributes:
        name: what it is called, in letters, digits, underscores and hyphens.
        schema: the JSON Schema.

    Raises:
        TypeError: `kind`, or something in it, is none of these.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        writer = _Writer(kind)
        schema = writer.root()
        self._is_wrapped = schema.get("type") != "object"
        if self._is_wrapped:
            schema = _object({_WRAPPED: schema})
        self.schema: dict[str, Json] = schema | writer.definitions()
        self.name = _NO_NAME.sub("_", getattr(kind, "__name__", "answer"))[:64]

    def structured(self, value: Json) -> Any:
        """Return the object that `value` stands for.

        Raises:
            MisfitError: it stands for none; it says where, and what would be right.
        """
        if not self._is_wrapped:
            return structured(value, self._kind)
        if not isinstance(value, dict) or value.keys() != {_WRAPPED}:
            raise MisfitError([DataProblem("", f"must be an object with one member, {_WRAPPED!r}")])
        return structured(value[_WRAPPED], self._kind, (_WRAPPED,))


def _object(members: dict[str, Json]) -> dict[str, Json]:
    return {"type": "object", "properties": members, "required": [*members], "additionalProperties": False}


class _Writer:
    """Writes the schema of `root`, with one definition for each class in it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._names: dict[Any, str] = {}
        self._schemas: dict[str, Json] = {}

    def root(self) -> dict[str, Json]:
        kind, _ = _bare(self._root)
        where = getattr(kind, "__name__", str(kind))
        return self._members(kind, where) if is_class(kind) else self.of(self._root, where)

    def definitions(self) -> dict[str, Json]:
        return {"$defs": self._schemas} if self._schemas else {}

    def of(self, kind: Any, where: str) -> dict[str, Json]:
        bare, description = _bare(kind)
        schema = self._plain(bare, where)
        if description is None:
            return schema
        # Beside a reference nothing is allowed.
        described: dict[str, Json] = {"anyOf": [schema]} if "$ref" in schema else schema
        return {**described, "description": description}

    def _plain(self, kind: Any, where: str) -> dict[str, Json]:
        if kind in SCALARS:
            return {"type": SCALARS[kind]}
        if kind in TIMES:
            return {"type": "string", "format": TIMES[kind]}
        if is_class(kind):
            return {"$ref": self._reference(kind, where)}
        if get_origin(kind) is Literal or is_enum(kind):
            return _choices(values_of(kind), where)
        return self._compound(kind, where)

    def _compound(self, kind: Any, where: str) -> dict[str, Json]:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in UNIONS:
            return {"anyOf": [self.of(each, where) for each in arguments]}
        if origin in MADE_OF_LISTS and (len(arguments) == 1 or arguments[1:] == (...,)):
            return {"type": "array", "items": self.of(arguments[0], f"{where}[]")}
        if origin in MAPPINGS and arguments[0] is str:
            # Strict schemas have no objects with free keys.
            pair: dict[str, Json] = {"key": {"type": "string"}, "value": self.of(arguments[1], f"{where}[]")}
            return {"type": "array", "items": _object(pair)}
        return _refuse(kind, where)

    def _reference(self, kind: Any, where: str) -> str:
        if kind is _bare(self._root)[0]:
            return "#"
        if kind not in self._names:
            own = _NO_NAME.sub("_", kind.__name__)
            taken = self._names.values()
            name = self._names[kind] = next(
                each for each in (own, *(f"{own}_{number}" for number in range(2, len(taken) + 3))) if each not in taken
            )
            self._schemas[name] = None  # keeps the place: a class may refer to itself
            self._schemas[name] = self._members(kind, where)
        return f"#/$defs/{self._names[kind]}"

    def _members(self, kind: Any, where: str) -> dict[str, Json]:
        try:
            hints = get_type_hints(kind, include_extras=True)
        except Exception as error:  # noqa: BLE001 - evaluating an annotation may raise anything
            raise TypeError(f"output: the annotations of {where} cannot be resolved: {message_of(error)}") from None
        return _object({name: self.of(hints.get(name, Any), f"{where}.{name}") for name in members_of(kind)})


def _bare(kind: Any) -> tuple[Any, str | None]:
    """Return a type without what is said about it, and the first text of that."""
    description: str | None = None
    while True:
        origin = get_origin(kind)
        if origin is Annotated:
            kind, *said = get_args(kind)
            description = description or next((each for each in said if isinstance(each, str)), None)
        elif origin in {Required, NotRequired}:
            kind = get_args(kind)[0]
        elif isinstance(kind, NewType):
            kind = kind.__supertype__
        else:
            return (NoneType if kind is None else kind), description


def _choices(values: Sequence[Any], where: str) -> dict[str, Json]:
    if not values:
        raise TypeError(f"output: {where} is an Enum without members, so nothing can be answered")
    by_type: dict[str, list[Json]] = {}
    for value in values:
        if type(value) not in SCALARS:
            _refuse(type(value), f"{where} has the choice {value!r}; it")
        by_type.setdefault(SCALARS[type(value)], []).append(value)
    each: list[Json] = [{"type": name, "enum": chosen} for name, chosen in by_type.items()]
    return {"anyOf": each} if len(each) > 1 else {"type": next(iter(by_type)), "enum": next(iter(by_type.values()))}


def _refuse(kind: Any, where: str) -> NoReturn:
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    hint = {
        "Any": "; say what it is",
        "dict": "; say of what, as in dict[str, int]",
        "list": "; say of what, as in list[str]",
        "tuple": "; say of what, as in tuple[str, ...]",
    }.get(name.removeprefix("typing."), "")
    raise TypeError(f"output: {where} is of type {name}, which no answer can be asked for{hint}")
