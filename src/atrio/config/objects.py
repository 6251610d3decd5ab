"""Objects of a JSON text: members added and taken out such that every other character stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

__all__ = ["inserted", "removed"]

_GAP: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()
_UNIT: Final = "  "
"""The indentation of a text that has none of its own."""


class _Member(NamedTuple):
    """A member of an object: where its key begins, the key, and where its value begins and ends."""

    start: int
    key: str
    value: int
    end: int


def inserted(text: str, section: str, name: str, content: Any) -> str:
    """Return the JSON `text` with one more member, behind the others of its section.

    Args:
        text: a valid JSON object, in which `section` is an object if it is there.
        section: the name of the outer object.
        name: the key of the member.
        content: its value, of plain values.

    Raises:
        TypeError: JSON cannot say it.
    """
    outer = _start(text)
    unit = _unit(text)
    depth, key, value = 1, section, {name: content}
    for member in _members(text, outer):
        if member.key == section:
            outer, depth, key, value = member.value, 2, name, content
            break
    members = list(_members(text, outer))
    end = _close(text, outer)
    newline = "\r\n" if "\r\n" in text else "\n"
    closing = ""
    if members:
        gap = text[outer + 1 : members[0].start]
        place, comma = members[-1].end, ","
    else:
        gap = newline + unit * depth if unit else ""
        closing = newline + unit * (depth - 1) if unit else ""
        place, comma, text = outer + 1, "", text[: outer + 1] + text[end:]
    new = f"{json.dumps(key, ensure_ascii=False)}: {_written(value, gap, unit, newline)}"
    # Without a line of its own it has a blank before it, as after every comma.
    return text[:place] + comma + (gap or " " * bool(comma)) + new + closing + text[place:]


def removed(text: str, section: str, name: str) -> str:
    """Return the JSON `text` without a member.

    Args:
        text: a valid JSON object, in which the member is.
        section: the name of the outer object.
        name: the key of the member.
    """
    outer = next(each.value for each in _members(text, _start(text)) if each.key == section)
    members = list(_members(text, outer))
    place = [each.key for each in members].index(name)
    if len(members) == 1:
        start, end = outer + 1, _close(text, outer)
    elif place + 1 < len(members):
        start, end = members[place].start, members[place + 1].start
    else:
        start, end = members[place - 1].end, members[place].end
    return text[:start] + text[end:]


def _written(value: Any, gap: str, unit: str, newline: str) -> str:
    """Return a value as JSON, over several lines if the members around it have lines of their own."""
    if "\n" not in gap:
        return json.dumps(value, ensure_ascii=False)
    indentation = gap[gap.rindex("\n") + 1 :]
    return json.dumps(value, ensure_ascii=False, indent=unit or _UNIT).replace("\n", newline + indentation)


def _unit(text: str) -> str:
    """Return the indentation of one level; empty if the text is one line."""
    found = _GAP.match(text, _start(text) + 1)
    gap = "" if found is None else found[0]
    indentation = gap[gap.rindex("\n") + 1 :] if "\n" in gap else ""
    return indentation or (_UNIT if "\n" in text.strip() else "")


def _start(text: str) -> int:
    return _behind_gap(text, 0)


def _behind_gap(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    return at if found is None else found.end()


def _close(text: str, opening: int) -> int:
    """Return where the brace stands that closes the object which begins at `opening`."""
    return _DECODER.raw_decode(text, opening)[1] - 1


def _members(text: str, opening: int) -> Iterator[_Member]:
    at = _behind_gap(text, opening + 1)
    while text[at] != "}":
        start = at
        key, at = _DECODER.raw_decode(text, start)
        value = _behind_gap(text, _behind_gap(text, at) + 1)  # the colon
        end = _DECODER.raw_decode(text, value)[1]
        yield _Member(start, key, value, end)
        at = _behind_gap(text, end)
        if text[at] == ",":
            at = _behind_gap(text, at + 1)
