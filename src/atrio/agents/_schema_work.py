"""How much work a schema can make of data, told before it is done: a call of the validator is not interrupted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, NamedTuple, TypeAlias

_Place: TypeAlias = tuple[str, ...]

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_IDS: Final = ("$id", "id")
"""Below the root they change what references mean. A property of that name does no harm here."""

_DEFINITIONS: Final = ("$defs", "definitions")
_BESIDE: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
"""Keywords whose schemas look at the same value again."""

_FOLLOWED: Final = 300
_MOST: Final = 1 << 60

_ATOM: Final = re.compile(
    r"(?P<open>\((?:\?(?:[:=!]|<[=!]|P?<\w+>|[a-zA-Z-]+[:)]))?)|(?P<close>\))"
    r"|(?P<atom>\\[pPuxkN]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])*\]?|[^*+?{}|^$])|(?P<other>.)",
    flags=re.DOTALL,
)
_QUANTIFIER: Final = re.compile(r"(?:(?P<other>[*+?])|\{(?P<least>[0-9]+)(?P<comma>,(?P<most>[0-9]*))?\})\??")
_ONE_OF_A_KIND: Final = re.compile(
    r"\^(?:\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])*\]|[^\\()*+?{}|\[])\{[0-9]+,?[0-9]*\}\$?"
)
"""Whatever the text, such a pattern is in one place at a time."""


class SchemaWork(NamedTuple):
    """What a schema can make of data.

    Attributes:
        references: how many it has.
        is_recursive: whether one may lead back to where it stands.
        ways: the ways in which the same part of it is reached, if none leads back; at least 1. A value may be looked at
            so often.
        repetition: the size of the patterns that look at one text, counted repetitions written out.
    """

    references: int
    is_recursive: bool
    ways: int
    repetition: int


def work_of(schema: Any) -> SchemaWork:
    """Return what `schema` can make of data."""
    targets = dict(_references(schema, ()))
    ways = _ways(targets)
    return SchemaWork(len(targets), ways is None, ways or 1, max(_repetitions_in(schema)))


def _ways(targets: Mapping[_Place, _Place | None]) -> int | None:
    """Return in how many ways the same target is reached, at most; None if one may lead back to where it is."""
    if len(targets) > _FOLLOWED or None in targets.values():
        return None
    # A reference leads to all that stand within its target.
    leading_to = {
        place: [each for each, target in targets.items() if target is not None and place[: len(target)] == target]
        for place in targets
    }
    try:
        order = list(TopologicalSorter(leading_to).static_order())
    except CycleError:
        return None
    reached: dict[_Place, int] = {}
    for place in order:
        own = 0 if place[0] in _DEFINITIONS else 1
        reached[place] = min(own + sum(reached[each] for each in leading_to[place]), _MOST)
    together: dict[_Place | None, int] = {}
    for place, target in targets.items():
        together[target] = together.get(target, 0) + reached[place]
    return max([1, *together.values()])


def _references(schema: Any, place: _Place) -> Iterator[tuple[_Place, _Place | None]]:
    """Yield where each reference stands, and where it leads to; None if only the validator knows."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in _REFERENCES:
                yield (*place, key), _target(value)
            elif key in _IDS and place:
                yield (*place, key), None
            yield from _references(value, (*place, key))
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from _references(value, (*place, str(number)))


def _target(text: object) -> _Place | None:
    if text == "#":
        return ()
    if not isinstance(text, str) or not text.startswith("#/") or "%" in text:
        return None
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[2:].split("/"))


def _repetitions_in(schema: Any) -> tuple[int, int]:
    """Return the size of the patterns that look at the value that `schema` describes, and the most of a value in it."""
    here = within = 0
    if isinstance(schema, list):
        # In a list they are beside each other, or each describes an item; then it is too much, which does no harm.
        parts = [_repetitions_in(each) for each in schema]
        return sum(own for own, _ in parts), max((inner for _, inner in parts), default=0)
    if not isinstance(schema, Mapping):
        return 0, 0
    for key, value in schema.items():
        if key == "pattern" and isinstance(value, str):
            here += repetition_of(value)
            continue
        own, inner = _repetitions_in(value)
        if key == "patternProperties" and isinstance(value, Mapping):
            # They look at the names of properties, all of them at each.
            inner = max(inner, sum(repetition_of(each) for each in value))
        if key in _BESIDE:
            here += own
            within = max(within, inner)
        else:
            within = max(within, own, inner)
    return here, within


def repetition_of(pattern: str) -> int:
    """Return the size of a pattern with its counted repetitions written out; 0 if that makes no difference."""
    if "{" not in pattern or _ONE_OF_A_KIND.fullmatch(pattern):
        return 0
    # Of each group that is open, how large it is so far.
    sizes, last, at, is_counted = [0], 0, 0, False
    while at < len(pattern):
        found = _QUANTIFIER.match(pattern, at)
        if found is not None:
            if found["least"] is not None:
                most = int((found["most"] or found["least"])[:9]) + (found["most"] == "")
                is_counted |= most > 1
                sizes[-1] = min(sizes[-1] + last * max(most - 1, 0), _MOST)
            last = 0
            at = found.end()
            continue
        found = _ATOM.match(pattern, at)
        if found is None:  # pragma: no cover - it finds any character
            break
        at = found.end()
        if found["open"] is not None:
            if not found["open"].endswith(")"):
                sizes.append(0)
            last = 0
        elif found["close"] is not None:
            last = max(sizes.pop(), 1) if len(sizes) > 1 else 0
            sizes[-1] += last
        else:
            last = 1 if found["atom"] is not None else 0
            sizes[-1] += last
    return sum(sizes) if is_counted else 0
