"""JSON as objects of classes, strictly, with cattrs: nothing is taken for what it is not, and all mistakes are told."""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cache
from types import NoneType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin, is_typeddict

import attrs
from cattrs import BaseConverter, ClassValidationError, Converter, ForbiddenExtraKeysError, IterableValidationError
from cattrs.cols import list_structure_factory

from atrio._text import message_of
from atrio.agents._chat_types import MADE_OF_LISTS, MAPPINGS, TIMES, UNIONS, is_class, is_enum, members_of, values_of
from atrio.agents._failures import DataProblem, shown
from atrio.agents._jsonable import Json, pointer_of

_CALLED: Final[dict[type, str]] = {
    str: "a text", bool: "true or false", int: "a number", float: "a number", NoneType: "null", list: "a list",
    dict: "an object",
}  # fmt: skip
_LARGEST_WHOLE: Final = 2.0**53

_Hook: TypeAlias = Callable[[Any, Any], Any]
_Place: TypeAlias = tuple[str | int, ...]


class MisfitError(ValueError):
    """JSON that is not as a schema asks.

    Args:
        problems: what is wrong with it.

    Attributes:
        problems: the same.
    """

    def __init__(self, problems: Sequence[DataProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class _WrongError(ValueError):
    """A value that is not what belongs in its place."""


class _LackingError(ValueError):
    """An object without all of its members; and what else is wrong with it."""

    def __init__(self, names: Sequence[str], others: ClassValidationError | None) -> None:
        super().__init__(*names)
        self.names = names
        self.others = others


def structured(value: Json, kind: Any, place: _Place = ()) -> Any:
    """Return the object of a type that `value` stands for.

    Args:
        value: plain JSON.
        kind: a type that a model can be asked for.
        place: where the value is.

    Raises:
        MisfitError: it stands for none.
    """
    try:
        return _converter().structure(value, kind)
    except Exception as error:  # noqa: BLE001 - a class may refuse values in its own ways
        problems = [DataProblem(pointer_of(where), why) for where, why in _problems_in(error, place)]
    raise MisfitError(problems)


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in (str, int, float, bool, NoneType):
        converter.register_structure_hook(kind, _scalar)
    for kind in TIMES:
        converter.register_structure_hook(kind, _time)
    converter.register_structure_hook(Enum, _choice)
    converter.register_structure_hook_func(_has_origin(Literal), _choice)
    # Of several that fit, cattrs asks the one that was registered last.
    converter.register_structure_hook_factory(is_class, _class_hook)
    converter.register_structure_hook_factory(_has_origin(*MADE_OF_LISTS), _list_hook)
    converter.register_structure_hook_factory(_has_origin(*MAPPINGS), _pairs_hook)
    converter.register_structure_hook_factory(_has_origin(*UNIONS), _union_hook)
    converter.register_structure_hook_factory(_has_origin(Annotated), _annotated_hook)
    return converter


def _has_origin(*origins: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) in origins


def kind_of(value: Json) -> str:
    """Return what a value is called."""
    return _CALLED[type(value)]


def _wrong(value: Any, right: str) -> _WrongError:
    return _WrongError(f"must be {right}, not {kind_of(value)}")


def _scalar(value: Any, kind: Any) -> Any:
    if is_enum(kind):  # of a class that is a str or an int as well
        return _choice(value, kind)
    if type(value) is kind:
        return value
    if kind is float and type(value) is int and abs(value) <= _LARGEST_WHOLE:
        return float(value)
    # JSON has one kind of numbers, and 3.0 is a whole one.
    if kind is int and type(value) is float and value.is_integer() and abs(value) <= _LARGEST_WHOLE:
        return int(value)
    if kind is int and type(value) is float:
        right = "must be a whole number, written without a point or an exponent"
        raise _WrongError(right if value.is_integer() else "must be a whole number, without a fraction")
    if kind is float and type(value) is int:
        raise _WrongError(f"must be a number of at most {_LARGEST_WHOLE:.0f}, or one with a point")
    raise _wrong(value, "a whole number" if kind is int else _CALLED[kind])


def _time(value: Any, kind: Any) -> Any:
    right = f"a {TIMES[kind].replace('-', ' and ')} as in ISO 8601"
    if not isinstance(value, str):
        raise _wrong(value, right)
    try:
        return kind.fromisoformat(value)
    except ValueError:
        raise _WrongError(f"must be {right}") from None


def _choice(value: Any, kind: Any) -> Any:
    for each in kind if is_enum(kind) else get_args(kind):
        known = each.value if is_enum(kind) else each
        if type(known) is type(value) and known == value:
            return each
    raise _WrongError(f"must be one of {', '.join(map(repr, values_of(kind)))}")


def _class_hook(kind: Any, converter: BaseConverter) -> _Hook:
    assert isinstance(converter, Converter)  # noqa: S101 - the one above
    is_typed = is_typeddict(kind)
    structure: Any = (converter.gen_structure_typeddict if is_typed else converter.gen_structure_attrs_fromdict)(kind)

    members = members_of(kind)

    def structure_object(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise _wrong(value, _CALLED[dict])
        # The schema that was sent asks for all of them, also for those that the class has a default for.
        lacking = [name for name in members if name not in value]
        if not lacking:
            return structure(value, kind)
        others: ClassValidationError | None = None
        try:
            structure(value, kind)
        except ClassValidationError as error:
            others = error
        raise _LackingError(lacking, others)

    return structure_object


def _annotated_hook(kind: Any, converter: BaseConverter) -> _Hook:
    return lambda value, _: converter.structure(value, get_args(kind)[0])


def _list_hook(kind: Any, converter: BaseConverter) -> _Hook:
    list_of: Any = list.__class_getitem__(get_args(kind)[0])
    structure = list_structure_factory(list_of, converter)
    made = MADE_OF_LISTS[get_origin(kind)]

    def structure_list(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise _wrong(value, _CALLED[list])
        return made(structure(value, list))

    return structure_list


def _pairs_hook(kind: Any, converter: BaseConverter) -> _Hook:
    fields = {"key": attrs.field(type=str), "value": attrs.field(type=get_args(kind)[1])}
    pairs_of: Any = list.__class_getitem__(attrs.make_class("Pair", fields, frozen=True))

    def structure_pairs(value: Any, _: Any) -> Any:
        pairs = converter.structure(value, pairs_of)
        made = {each.key: each.value for each in pairs}
        if len(made) < len(pairs):
            raise _WrongError("must not have a key twice")
        return made

    return structure_pairs


def _union_hook(kind: Any, converter: BaseConverter) -> _Hook:
    arms = get_args(kind)

    def structure_first(value: Any, _: Any) -> Any:
        failures: list[Exception] = []
        for arm in arms:
            try:
                return converter.structure(value, arm)
            except Exception as error:  # noqa: BLE001 - a class may refuse values in its own ways
                failures.append(error)
        # What got furthest says best what is wrong; with a choice of several, the choice does.
        within = [each for each in failures if isinstance(each, BaseExceptionGroup | _LackingError)]
        others = [each for arm, each in zip(arms, failures, strict=True) if arm is not NoneType]
        told = within or others
        raise told[0] if len(told) == 1 else _WrongError("is none of the kinds that it may be")

    return structure_first


def _problems_in(error: BaseException, place: _Place) -> Iterator[tuple[_Place, str]]:
    """Yield all that cattrs found, each with where."""
    if isinstance(error, _LackingError):
        yield from ((place, f"lacks the member {shown(name)!r}") for name in error.names)
        if error.others is not None:
            yield from _problems_in_members(error.others, place, error.names)
    elif isinstance(error, ClassValidationError):
        yield from _problems_in_members(error, place)
    elif isinstance(error, IterableValidationError):
        for each, index in error.group_exceptions()[0]:
            yield from _problems_in(each, (*place, index.index))
    elif isinstance(error, ForbiddenExtraKeysError):
        extra = ", ".join(repr(shown(key)) for key in sorted(error.extra_fields))
        yield place, f"has members that it must not have: {extra}"
    elif isinstance(error, _WrongError):
        yield place, str(error)
    else:
        yield place, f"is refused: {shown(message_of(error))}"


def _problems_in_members(
    error: ClassValidationError, place: _Place, lacking: Sequence[str] = ()
) -> Iterator[tuple[_Place, str]]:
    noted, others = error.group_exceptions()
    for each, note in noted:
        if note.name not in lacking:
            yield from _problems_in(each, (*place, note.name))
    for other in others:
        yield from _problems_in(other, place)
