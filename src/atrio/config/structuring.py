"""Parsed TOML or JSON to settings, strictly: no unknown keys, and nothing is taken for what it is not."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, cast, get_args, get_origin

import attrs
from cattrs import BaseConverter, ClassValidationError, Converter, ForbiddenExtraKeysError, IterableValidationError
from cattrs.cols import is_mapping, list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn, override

from atrio.config.rules import Rule
from atrio.config.settings import SHORT_FORMS, Configuration, KeyPath, ProviderSettings
from atrio.config.words import called, did_you_mean, listed, meanings, right_of, shown

__all__ = ["Found", "structured", "unfit_values"]

Found: TypeAlias = dict[KeyPath, str]
"""What is wrong, by where it stands."""

_Hook: TypeAlias = Callable[[Any, Any], Any]

_OWN: Final = tuple(each.name for each in attrs.fields(Configuration) if each.kw_only)
"""Fields of a configuration that are no keys of a file."""

_NO_TEXT: Final = "is no text: there is half of a surrogate pair in it, \\ud800 to \\udfff"
_LARGEST_INT: Final = 2**63
_DEEPEST: Final = 64


class _WrongError(ValueError):
    """A value that is not what belongs in its place."""


def structured(tree: Mapping[str, Any]) -> tuple[Configuration | None, Found]:
    """Return the configuration that a parsed file says, None if something in it is wrong; and all that is.

    Args:
        tree: the file's content, as ``tomllib`` or ``json`` give it.
    """
    try:
        return _converter().structure(tree, Configuration), {}
    except ClassValidationError as error:
        return None, dict(_found_in(error, ()))


def unfit_values(tree: Mapping[str, Any]) -> Found:
    """Return what no place of a file may hold, whatever it is for: both formats must be able to say it."""
    found: Found = {}
    left: list[tuple[KeyPath, Any]] = [((), tree)]
    while left:
        path, value = left.pop()
        kind = type(value)
        if kind is dict or kind is list:
            if len(path) > _DEEPEST:
                found[path[:_DEEPEST]] = f"is nested more than {_DEEPEST} deep"
                continue
            inside: Any = value.items() if kind is dict else enumerate(value)
            left += (((*path, key), each) for key, each in inside)
            if kind is dict:
                found |= {(*path, key): _NO_TEXT for key in value if not _is_encodable(key)}
        elif message := _unfit(value, path):
            found[path] = message
    return found


def _unfit(value: object, path: KeyPath) -> str:
    if isinstance(value, str):
        return "" if _is_encodable(value) else _NO_TEXT
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return "" if -_LARGEST_INT <= value < _LARGEST_INT else f"must fit into 64 bits, and {shown(value)} does not"
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"must be a finite number, not {value}"
    if value is None:
        # None is a fine value of a keyword argument, and no value of our own keys.
        is_option = len(path) > 3 and path[0] == "agents" and path[2] == "configuration"
        return "" if is_option else "must have a value, not null: leave the key out for its default"
    return f"must be no date or time: write it in quotes, {str(value)!r}"


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    with contextlib.suppress(UnicodeEncodeError):
        text.encode()
        return True
    return False


def _found_in(error: BaseException, path: KeyPath) -> list[tuple[KeyPath, str]]:
    """Return all that cattrs found, each with where."""
    if isinstance(error, ClassValidationError):
        parts: list[tuple[KeyPath, str]] = []
        noted, others = error.group_exceptions()
        for each, note in noted:
            if isinstance(each, KeyError):
                parts.append((path, _missing(error.cl, note.name)))
            else:
                parts += _found_in(each, (*path, note.name))
        strange = [key for each in others if isinstance(each, ForbiddenExtraKeysError) for key in each.extra_fields]
        return [*parts, *(((*path, key), _unknown(error.cl, key)) for key in strange)]
    if isinstance(error, IterableValidationError):
        return [found for each, note in error.group_exceptions()[0] for found in _found_in(each, (*path, note.index))]
    return [(path, str(error))]


def _keys(kind: type[Any]) -> list[str]:
    return [each.name for each in attrs.fields(kind) if kind is not Configuration or each.name not in _OWN]


def _unknown(kind: type[Any], key: str) -> str:
    if kind is ProviderSettings and key in {"api_key", "key", "token", "secret"}:
        return (
            "is not read, and an API key does not belong in this file: put it into an environment variable, and give "
            "the name of that variable as 'api_key_env'"
        )
    what = "table of this file" if kind is Configuration else f"key of {called(kind)}"
    return f"is no {what}{did_you_mean(key, _keys(kind)) or f', which can have {listed(_keys(kind))}'}"


def _missing(kind: type[Any], key: str) -> str:
    meaning = meanings(kind).get(key, "").partition(";")[0].removesuffix(".")
    return f"lacks {key!r}, which {called(kind)} needs{f' ({meaning})' if meaning else ''}"


def _wrong(value: object, kind: Any) -> _WrongError:
    hint = ""
    if isinstance(value, str) and _strip(kind) in {int, float}:
        with contextlib.suppress(ValueError):
            float(value)
            hint = ": write it without quotes"
    elif isinstance(value, str) and _strip(kind) is bool and value.lower() in {"true", "false"}:
        hint = ": write it in lower case and without quotes"
    elif isinstance(value, int | float) and _strip(kind) is str:
        hint = ": write it in quotes"
    elif isinstance(value, dt.date | dt.time) and _strip(kind) is str:
        hint = f": write it in quotes, {str(value)!r}"
    elif value is None:
        hint = ": leave the key out for its default"
    elif isinstance(value, str) and get_origin(_strip(kind)) is tuple:
        hint = f": write it in brackets, [{shown(value)}]"
    return _WrongError(f"must be {right_of(kind)}, not {shown(value)}{hint}")


def _strip(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in (str, int, bool, float):
        converter.register_structure_hook(kind, _scalar)
    # The hook for str would serve its subclasses too, and enums are among them.
    converter.register_structure_hook(StrEnum, _choice)
    converter.register_structure_hook_func(_has_origin(Literal), _choice)
    # Of several that fit, cattrs asks the one that was registered last.
    converter.register_structure_hook_factory(is_mapping, _mapping_hook)
    converter.register_structure_hook_factory(_has_origin(tuple), _tuple_hook)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(_has_origin(Union, UnionType), _union_hook)
    converter.register_structure_hook_factory(_has_origin(Annotated), _rule_hook)
    return converter


def _has_origin(*origins: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) in origins


def _scalar(value: Any, kind: type[Any]) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int and -_LARGEST_INT <= value < _LARGEST_INT:
        return float(value)
    raise _wrong(value, kind)


def _mapping_hook(kind: Any, converter: BaseConverter) -> _Hook:
    if get_args(kind)[1] is Any:
        return _options
    structure = mapping_structure_factory(kind, converter, structure_to=dict)
    return lambda value, _: structure(_checked(value, dict, kind), kind)


def _options(value: Any, kind: Any) -> Any:
    return _checked(value, dict, kind)


def _checked(value: Any, needed: type[Any], kind: Any) -> Any:
    if not isinstance(value, needed):
        raise _wrong(value, kind)
    return value


def _tuple_hook(kind: Any, converter: BaseConverter) -> _Hook:
    structure = list_structure_factory(kind, converter)
    return lambda value, _: tuple(structure(_checked(value, list, kind), kind))


def _choice(value: Any, kind: Any) -> Any:
    choices = {str(each): each for each in (get_args(kind) if get_origin(kind) is Literal else kind)}
    if not isinstance(value, str):
        raise _wrong(value, kind)
    if value not in choices:
        raise _WrongError(f"{_wrong(value, kind)}{did_you_mean(value, choices)}")
    return choices[value]


def _class_hook(kind: Any, converter: BaseConverter) -> _Hook:
    omitted = {name: override(omit=True) for name in _OWN} if kind is Configuration else {}
    structure = make_dict_structure_fn(
        kind,
        cast("Converter", converter),
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        **cast("Any", omitted),
    )
    if kind in SHORT_FORMS:
        agent: Any = converter.get_structure_hook(attrs.fields(kind).agent.type)

        def structure_short(value: Any, _: Any) -> Any:
            if isinstance(value, str):
                return kind(agent=agent(value, str))
            if not isinstance(value, dict):
                raise _WrongError(f"must be a name, or a table with one as 'agent', not {shown(value)}")
            return structure(value, kind)

        return structure_short
    return lambda value, _: structure(_checked(value, dict, kind), kind)


def _union_hook(kind: Any, converter: BaseConverter) -> _Hook:
    """Choose by the type of what was found. What may be left out is None only where it was."""
    arms = [each for each in get_args(kind) if each is not NoneType]
    if len(arms) == 1:
        only = converter.get_structure_hook(arms[0])
        return lambda value, _: only(value, arms[0])
    by_type = {_type_in_file(arm): (converter.get_structure_hook(arm), arm) for arm in arms}
    if float in by_type:
        by_type[int] = by_type[float]

    def structure(value: Any, _: Any) -> Any:
        if type(value) not in by_type:
            raise _wrong(value, kind)
        hook, arm = by_type[type(value)]
        return hook(value, arm)

    return structure


def _type_in_file(kind: Any) -> type[Any]:
    bare = _strip(kind)
    if get_origin(bare) is Literal:
        return str
    return dict if attrs.has(bare) else cast("type[Any]", bare)


def _rule_hook(kind: Any, converter: BaseConverter) -> _Hook:
    plain, *metadata = get_args(kind)
    structure = converter.get_structure_hook(plain)
    rules = [each for each in metadata if isinstance(each, Rule)]

    def structure_by_rule(value: Any, _: Any) -> Any:
        try:
            made = structure(value, plain)
        except _WrongError as error:
            # The rule knows better what would be right, but not which key within a table was wrong.
            raise (_wrong(value, kind) if any(rule.right for rule in rules) else error) from None
        for rule in rules:
            try:
                rule.check(value)
            except (TypeError, ValueError) as error:
                raise _WrongError(str(error)) from None
        return made

    return structure_by_rule
