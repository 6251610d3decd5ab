"""What is wrong with the options of an agent: all of it at once, each with its own key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from atrio._text import message_of
from atrio.config.rules import variable_in
from atrio.registry.making import misfit

__all__ = ["Mistake", "misfits", "wrong_values"]

_KEY_VARIABLE: Final = (
    "must be the name of an environment variable, as in 'SHOP_KEY', or a scheme and a name, as in 'Bearer SHOP_TOKEN', "
    "and what stands here is none; a secret itself does not belong in this file"
)
# What is right where a ready-made agent needs an option that is wrong or not given: others are checked all the same.
_RIGHT: Final[Mapping[str, Any]] = {
    "base_url": "http://localhost/",
    "command": ["true"],
    "expression": "@",
    "model": "any",
    "schema": {},
    "url": "http://localhost/",
}
_NO_TYPE: Final = re.compile(r"(?s).*/type: .*is not valid under any of the schemas listed in the 'anyOf' keyword.*")
_TYPES: Final = (
    "the schema is none: a type must be 'array', 'boolean', 'integer', 'null', 'number', 'object' or 'string', or an "
    "array of them"
)
# Python's words in what classes say of their arguments, and those of TOML and JSON.
_WORDS: Final = (
    (r"\bnot NoneType\b", "not null"),
    (r"\bnot (?:an? )?str\b", "not a string"),
    (r"\bnot (?:an? )?bool\b", "not true or false"),
    (r"\bnot (?:an? )?int\b", "not a whole number"),
    (r"\bnot (?:an? )?float\b", "not a number with a point"),
    (r"\bnot (?:an? )?(?:list|tuple)\b", "not an array"),
    (r"\bnot (?:an? )?dict\b", "not a table"),
    (r"\ba str\b", "a string"),
    (r"\ba bool\b", "true or false"),
    (r"\ban int\b", "a whole number"),
    (r"\ba float\b", "a number"),
    (r"\ba (?:list|tuple|sequence)\b", "an array"),
    (r"\ba (?:dict|mapping)\b", "a table"),
)


class Mistake(NamedTuple):
    """Something that is wrong with options.

    Attributes:
        path: the keys that lead to it from the table of the options; none for something that is not in it.
        message: what is wrong.
    """

    path: tuple[str, ...]
    message: str


def misfits(kind: type, options: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the options that a class does not take, and then what it needs besides; it is not called.

    Args:
        kind: the class.
        options: the options, by name.
    """
    meant: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for option, value in options.items():
        wrong = misfit(kind, {option: value})
        if wrong is None or wrong.option is None:
            known[option] = value
        else:
            meant |= dict.fromkeys(wrong.nearest[:1])
            yield Mistake((option,), wrong.why)
    # What is needed is not told to be missing where it was probably meant.
    lacking = misfit(kind, {**meant, **known})
    if lacking is not None:
        yield Mistake((), lacking.why)


def wrong_values(kind: type, options: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong with the values of the options of a ready-made agent, which is made for that.

    Args:
        kind: its class, whose call does nothing but check its arguments.
        options: the options, by name; those that it does not take are left out.
    """
    left = {option: value for option, value in options.items() if (wrong := misfit(kind, {option: value})) is None
            or wrong.option is None}  # fmt: skip
    headers = left.get("headers_env")
    strange = (
        [name for name, value in headers.items() if not _names_variable(value)] if isinstance(headers, dict) else []
    )
    for name in strange:
        yield Mistake(("headers_env", name), _KEY_VARIABLE)
    if strange:
        del left["headers_env"]
    suspects = list(left)
    left = {**_needed(kind, left), **left}
    while (said := _said_by(kind, left)) is not None:
        culprit = next((each for each in suspects if _said_by(kind, _without(kind, left, each)) != said), None)
        yield Mistake(() if culprit is None else (culprit,), in_words_of_files(said))
        if culprit is None:
            return
        suspects.remove(culprit)
        left = _without(kind, left, culprit)


def _names_variable(value: object) -> bool:
    # Of what is no string the class itself says what is right.
    return not isinstance(value, str) or variable_in(value) is not None


def _needed(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return something right for the options that a class needs and was not given."""
    return {name: right for name, right in _RIGHT.items() if name not in options and _is_needed(kind, name)}


def _is_needed(kind: type, option: str) -> bool:
    lacking = misfit(kind, {})
    return lacking is not None and repr(option) in lacking.why


def _without(kind: type, options: Mapping[str, Any], option: str) -> dict[str, Any]:
    rest = {name: value for name, value in options.items() if name != option}
    return {**_needed(kind, rest), **rest}


def _said_by(kind: type, options: Mapping[str, Any]) -> str | None:
    """Return what the call of a class says of its arguments; None if nothing is wrong with them."""
    try:
        kind(**options)
    except Exception as error:  # noqa: BLE001 - a wrong option may raise anything
        return message_of(error) or type(error).__name__
    return None


def in_words_of_files(message: str) -> str:
    """Return what a ready-made agent says of its arguments, in one line and in the words of TOML and JSON."""
    message = " ".join(message.split())
    if _NO_TYPE.fullmatch(message):
        return _TYPES
    for pattern, word in _WORDS:
        message = re.sub(pattern, word, message)
    return message
