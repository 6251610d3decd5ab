"""How a problem speaks of what stands in a file, and of what would be right."""

from __future__ import annotations

import datetime as dt
import difflib
import inspect
import re
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import attrs

from atrio._text import digits, encodable
from atrio.config.settings import (
    SHORT_FORMS,
    BackoffSettings,
    BreakerSettings,
    CliSettings,
    MonitoringSettings,
    RateSettings,
    ResourceSettings,
)

__all__ = ["called", "did_you_mean", "listed", "meanings", "right_of", "shown"]

_LONGEST: Final = 80
_CALLED: Final[Mapping[type[Any], str]] = {
    BackoffSettings: "backoff",
    BreakerSettings: "a circuit breaker",
    CliSettings: "[cli]",
    MonitoringSettings: "[monitoring]",
    RateSettings: "a rate limit",
    ResourceSettings: "resource_requirements",
}
_SIMPLE: Final = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def shown(value: object) -> str:
    """Return a value of a file as a problem shows it: short, and of tables and arrays only that they are."""
    if isinstance(value, str):
        return repr(encodable(value if len(value) <= _LONGEST else f"{value[: _LONGEST // 2]}..."))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        text = digits(value)
        return text if len(text) <= _LONGEST else f"a number of {len(text)} digits"
    for kind, name in ((dict, "a table"), (list, "an array"), (NoneType, "null")):
        if isinstance(value, kind):
            return name
    if isinstance(value, dt.date | dt.time):
        return f"a {'time' if isinstance(value, dt.time) else 'date'}"
    return str(value)


def right_of(kind: Any) -> str:
    """Return in words what a value of type `kind` is in a file."""
    origin = get_origin(kind)
    if origin is Annotated:
        rights = [each.right for each in get_args(kind)[1:] if getattr(each, "right", "")]
        return rights[0] if rights else right_of(get_args(kind)[0])
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(right_of(each) for each in get_args(kind) if each is not NoneType))
    if origin is tuple:
        return f"an array of {_several(get_args(kind)[0])}"
    if origin is Literal:
        return listed(map(repr, get_args(kind)), "or")
    if isinstance(kind, type) and issubclass(kind, Enum):
        return listed([repr(each.value) for each in kind], "or")
    return _SIMPLE.get(kind, "a table")


def _several(kind: Any) -> str:
    return "names and tables" if kind in SHORT_FORMS else f"{right_of(kind).removeprefix('a ')}s"


def listed(words: Iterable[str], before_last: str = "and") -> str:
    """Return words as a sentence lists them: "a", "a and b", "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} {before_last} {last}" if others else last


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return "; did you mean ...?" with the one of `known` that is most like `name`; empty if none is."""
    # Upper and lower case count as alike, and the right spelling is what is offered.
    spelling = {each.lower(): each for each in known}
    nearest = difflib.get_close_matches(name[:_LONGEST].lower(), spelling, n=1)
    return f"; did you mean {spelling[nearest[0]]!r}?" if nearest else ""


def called(kind: type[Any]) -> str:
    """Return what a table of this class is called: "a stage", "a fan-out", "[cli]"."""
    if kind in _CALLED:
        return _CALLED[kind]
    noun = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__.removesuffix("Settings")).lower()
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def meanings(kind: type[Any]) -> Mapping[str, str]:
    """Return what the fields of a class mean, as its docstring says under "Attributes"; empty without docstrings."""
    entries = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w+: )", f"\n{entries}"):
        name, _, meaning = entry.strip().partition(": ")
        if meaning and name in attrs.fields_dict(kind):
            found[name] = " ".join(meaning.split())
    return found
