"""Tables of a TOML text: added and taken out such that every other character stays."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile
from typing import Any, Final, NamedTuple, TypeAlias

import tomlkit

from atrio.config.positions import dotted

__all__ = ["inserted", "removed", "rendered_table"]

_Path: TypeAlias = tuple[str, ...]
_Place: TypeAlias = tuple[str | int, ...]

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")  # not splitlines(), which knows more ends of lines than TOML does
_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY: Final = re.compile(rf"[ \t]*({_PART}(?:[ \t]*\.[ \t]*{_PART})*)[ \t]*=")
_BLANK_LINE_BEFORE: Final = re.compile(r"(?:\A|\n)[ \t]*\r?\n\Z")
_BLANK_LINE: Final = re.compile(r"[ \t]*\r?\n")
_WIDE: Final = 100
"""Columns from which on an array is written over several lines, and options as a table of their own."""


class _Statement(NamedTuple):
    """What TOML ends with the end of a line: a header, a key with its value, a comment, or nothing.

    Attributes:
        start: where it begins.
        end: where it ends, with its last line.
        table: the table that it stands in, or that it is the header of.
        path: the key or the table that it is about; None if it is a comment or a blank line.
    """

    start: int
    end: int
    table: _Path
    path: _Path | None

    def is_within(self, path: _Path) -> bool:
        return self.path is not None and self.path[: len(path)] == path


def rendered_table(section: str, name: str, content: Mapping[str, Any]) -> str:
    """Return the table ``[section.name]`` as TOML, with a newline at its end.

    Args:
        section: the name of the outer table.
        name: the name of the table in it.
        content: its plain values: strings, numbers, booleans, lists and dicts of them.

    Raises:
        ValueError: TOML cannot say it; the message names the value.
    """
    header = f"{_key(section)}.{_key(name)}"
    lines: list[str] = []
    tables: list[str] = []
    for key, value in content.items():
        line = f"{_key(key)} = {_value(value, (section, name, key))}"
        # A table in braces is one line, and may not be longer than one reads.
        if isinstance(value, Mapping) and len(line) > _WIDE:
            own = (f"{_key(each)} = {_value(inner, (section, name, key, each))}" for each, inner in value.items())
            tables += ["", f"[{header}.{_key(key)}]", *own]
        else:
            lines.append(line)
    return "\n".join([f"[{header}]", *lines, *tables, ""])


def _key(name: str) -> str:
    return tomlkit.key(name).as_string()


def _value(value: Any, path: _Place, *, is_inside: bool = False) -> str:
    """Return a value as TOML.

    Args:
        value: the value.
        path: where it stands, for messages.
        is_inside: whether it stands in an array or in braces, and so must be one line.
    """
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {_value(each, (*path, key), is_inside=True)}" for key, each in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list):
        return _array(value, path, is_inside=is_inside)
    if isinstance(value, str | bool | int | float):
        return tomlkit.item(value).as_string()
    if value is None:
        raise ValueError(f"{dotted(path)} is null, which TOML cannot say: use a .json file, or leave it out")
    raise ValueError(f"{dotted(path)} is a {type(value).__name__}, which is no value of a configuration")


def _array(values: Sequence[Any], path: _Place, *, is_inside: bool) -> str:
    items = [_value(each, (*path, place), is_inside=True) for place, each in enumerate(values)]
    line = f"[{', '.join(items)}]"
    has_tables = any(isinstance(each, Mapping) for each in values)
    if is_inside or not (has_tables or len(line) > _WIDE):
        return line
    return "".join(["[\n", *(f"    {item},\n" for item in items), "]"])


def inserted(text: str, section: str, name: str, content: Mapping[str, Any]) -> str:
    """Return the TOML `text` with one more table, behind the others of its section, or at the end if it is the first.

    Args:
        text: valid TOML.
        section: the name of the outer table.
        name: the name of the table in it.
        content: what :func:`rendered_table` takes.

    Raises:
        ValueError: TOML cannot say it; the message names the value.
    """
    statements = list(_statements(text))
    inline = _inline(statements, section)
    if inline is not None:
        item = tomlkit.value(_value(content, (section, name), is_inside=True))
        return _with_inline_changed(text, inline, section, lambda table: table.append(name, item))
    newline = "\r\n" if "\r\n" in text else "\n"
    place = _place_behind(text, statements, section)
    before, behind = text[:place], text[place:]
    if before and not before.endswith("\n"):
        before += newline
    if before and not _BLANK_LINE_BEFORE.search(before):
        before += newline
    if behind and not _BLANK_LINE.match(behind):
        behind = newline + behind
    return before + rendered_table(section, name, content).replace("\n", newline) + behind


def _place_behind(text: str, statements: Sequence[_Statement], section: str) -> int:
    """Return where the last table of a section ends, or the text if it has none."""
    last = max(
        (place for place, each in enumerate(statements) if each.path and each.table[:1] == (section,)), default=-1
    )
    if last < 0:
        return len(text)
    following = takewhile(lambda each: each.path is None, statements[last + 1 :])
    remarks = list(takewhile(lambda each: not _BLANK_LINE.match(text, each.start), following))
    # Comments on the lines below it are its own, unless another table follows at once: then they are that one's.
    behind = statements[last + 1 + len(remarks) :]
    is_own = not behind or behind[0].path is None
    return remarks[-1].end if remarks and is_own else statements[last].end


def removed(text: str, section: str, name: str) -> str:
    """Return the TOML `text` without the table ``[section.name]``. Comments around it stay, those within it go.

    Args:
        text: valid TOML, in which the table is.
        section: the name of the outer table.
        name: the name of the table in it.
    """
    path = (section, name)
    statements = list(_statements(text))
    inline = _inline(statements, section)
    if inline is not None:
        return _with_inline_changed(text, inline, section, lambda table: table.remove(name))
    for start, end in reversed(list(_spans(statements, path))):
        text = _joined(text[:start], text[end:])
    return text


def _spans(statements: Sequence[_Statement], path: _Path) -> Iterator[tuple[int, int]]:
    """Yield from where to where something at `path` or within stands, in order."""
    rest = list(statements)
    while rest := list(dropwhile(lambda each: not each.is_within(path), rest)):
        first = rest[0]
        # Without a header of its own it is among keys that stay, as in [agents], and each is for itself.
        own = list(takewhile(lambda each: each.table[: len(path)] == path, rest)) or [first]
        rest = rest[len(own) :]
        yield first.start, [each for each in own if each.path is not None][-1].end


def _joined(before: str, behind: str) -> str:
    """Return both as one, with one blank line of those before and behind what stood between them."""
    if _BLANK_LINE_BEFORE.search(before) or not before:
        gap = _BLANK_LINE.match(behind)
        if gap is not None:
            return before + behind[gap.end() :]
        if not behind:
            return _BLANK_LINE_BEFORE.sub(lambda found: found[0][:1] if found.start() else "", before)
    return before + behind


def _inline(statements: Sequence[_Statement], section: str) -> _Statement | None:
    """Return the statement that gives a whole section as one value, in braces; None if there is none."""
    return next((each for each in statements if each.path == (section,) and not each.table), None)


def _with_inline_changed(text: str, statement: _Statement, section: str, change: Callable[[Any], Any]) -> str:
    document: Any = tomlkit.parse(text[statement.start : statement.end])
    change(document[section])
    changed: str = document.as_string()
    return text[: statement.start] + changed + text[statement.end :]


def _statements(text: str) -> Iterator[_Statement]:
    """Yield the statements of a valid text, in order: together they are all of it."""
    table: _Path = ()
    start = 0
    while start < len(text):
        line = _line_at(text, start)
        end = start + len(line)
        first = line.lstrip(" \t")[:1]
        path: _Path | None = None
        if first == "[":
            path = table = _names_in(tomllib.loads(line))
        elif first not in {"", "\r", "\n", "#"}:
            path = (*table, *_key_path(line))
            end = _end_of_value(text, start, line)
        yield _Statement(start, end, table, path)
        start = end


def _line_at(text: str, start: int) -> str:
    found = _LINE.match(text, start)
    return "" if found is None else found[0]


def _end_of_value(text: str, start: int, line: str) -> int:
    """Return where the key and value end that begin at `start`: with the first line that makes them complete."""
    end = start + len(line)
    # Only these end what is longer than a line: for all other lines there is no need to look.
    while end < len(text) and ((not _may_close(line) and end > start + len(line)) or not _is_complete(text[start:end])):
        line = _line_at(text, end)
        end += len(line)
    return end


def _may_close(line: str) -> bool:
    return any(each in line for each in ("]", "}", '"""', "'''"))


def _is_complete(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _key_path(line: str) -> _Path:
    found = _KEY.match(line)
    assert found is not None  # noqa: S101 - the text is valid
    return _names_in(tomllib.loads(f"{found[1]} = 0"))


def _names_in(content: Any) -> _Path:
    """Return the keys of a tree that has one leaf."""
    names: list[str] = []
    while content:
        if isinstance(content, list):
            content = content[0]
        else:
            ((name, content),) = content.items()
            names.append(name)
    return tuple(names)
