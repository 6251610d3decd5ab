"""On which line a key stands. Parsers do not keep it, so a text that was parsed without an error is scanned again.

That is done only where there is something to tell, and so costs a good file nothing.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from atrio._text import encodable

__all__ = ["dotted", "line_of", "lines_of", "repeated_key"]

_Path: TypeAlias = tuple[str | int, ...]
_Found: TypeAlias = Iterator[tuple[_Path, int]]

_LONGEST_KEY: Final = 200
_DEEPEST: Final = 100
"""Parts of the longest path that is kept: what reading tells of is not so deep, and each path is as long as it is."""
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r"'''.*?'''(?:'{0,2})"
    r'|"""(?:[^"\\]|\\.|"(?!""))*"""(?:"{0,2})'
    r"|'[^'\n]*'"
    r'|"(?:[^"\\\n]|\\.)*"',
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}\n#]*")
_TOML_GAP: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANKS: Final = re.compile(r"[ \t]*")
_JSON_GAP: Final = re.compile(r"[ \t\r\n]*")
_JSON_SCALAR: Final = re.compile(r"[^,\]} \t\r\n]*")
_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_JSON_BRACKET: Final = re.compile(rf"{_JSON_STRING.pattern}|[\[\]{{}}]")


def dotted(path: _Path) -> str:
    """Return a path as problems name it: ``pipelines.triage.stages[1].agent``, with odd keys in quotes."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def _key(key: str) -> str:
    short = key if len(key) <= _LONGEST_KEY else f"{key[: _LONGEST_KEY // 2]}..."
    return short if _BARE.fullmatch(short) else json.dumps(encodable(short), ensure_ascii=not short.isprintable())


def lines_of(text: str, format: Literal["toml", "json"]) -> Mapping[_Path, int]:  # noqa: A002 - the field's word
    """Return the line of every key and every element of an array, from 1.

    Args:
        text: what was parsed without an error, except that keys of JSON may be repeated; then the first counts.
        format: what it is.
    """
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    lines: dict[_Path, int] = {}
    for path, offset in _Toml(text).keys() if format == "toml" else _json_keys(text):
        lines.setdefault(path, bisect_right(starts, offset))
    return lines


def line_of(lines: Mapping[_Path, int], path: _Path) -> int | None:
    """Return the line of a path, or of the nearest table or array around it that has one."""
    return next((lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in lines), None)


def repeated_key(text: str) -> tuple[_Path, int] | None:
    """Return the first key of a JSON text that its object has already, with its line; None if there is none."""
    seen: set[_Path] = set()
    for path, offset in _json_keys(text):
        if path in seen:
            return path, text.count("\n", 0, offset) + 1
        seen.add(path)
    return None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _json_keys(text: str) -> _Found:
    yield from _json_value(text, _end(_JSON_GAP, text, 0), (), [0])


def _json_value(text: str, at: int, path: _Path, end: list[int]) -> _Found:
    """Yield the keys of the value that begins at `at`, and put where it ends into `end`."""
    opening = text[at]
    if opening == '"':
        end[0] = _json_string(text, at)[1]
        return
    if opening not in "{[":
        end[0] = _end(_JSON_SCALAR, text, at)
        return
    if len(path) == _DEEPEST:
        end[0] = _behind(text, at)
        return
    at = _end(_JSON_GAP, text, at + 1)
    place = 0
    while text[at] not in "}]":
        begin = at
        if opening == "{":
            key, at = _json_string(text, at)
            part: str | int = key
            at = _end(_JSON_GAP, text, _end(_JSON_GAP, text, at) + 1)  # the colon
        else:
            part, place = place, place + 1
        own = (*path, part)
        yield own, begin
        yield from _json_value(text, at, own, end)
        at = _end(_JSON_GAP, text, end[0])
        if text[at] == ",":
            at = _end(_JSON_GAP, text, at + 1)
    end[0] = at + 1


def _behind(text: str, at: int) -> int:
    """Return where the array or object that begins at `at` has ended, however deep it is."""
    depth = 0
    while True:
        found = _JSON_BRACKET.search(text, at)
        assert found is not None  # noqa: S101 - the text was parsed
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        at = found.end()
        if not depth:
            return at


def _json_string(text: str, at: int) -> tuple[str, int]:
    found = _JSON_STRING.match(text, at)
    assert found is not None  # noqa: S101 - the text was parsed
    return cast("str", json.loads(found[0])), found.end()


class _Toml:
    """A TOML text that is known to be right.

    Args:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        # How many tables every array of tables has so far.
        self._arrays: dict[_Path, int] = {}

    def keys(self) -> _Found:
        table: _Path = ()
        self._skip(_TOML_GAP)
        while self._at < len(self._text):
            begin = self._at
            if self._text[begin] == "[":
                is_array = self._text.startswith("[[", begin)
                self._at += 2 if is_array else 1
                parts = self._dotted_key()
                self._at += 2 if is_array else 1
                table = yield from self._header(parts, begin, is_array=is_array)
            else:
                yield from self._pair(table)
            self._skip(_TOML_GAP)

    def _header(self, parts: list[str], begin: int, *, is_array: bool) -> Any:
        path: _Path = ()
        for number, part in enumerate(parts[:_DEEPEST], 1):
            path = (*path, part)
            yield path, begin
            if is_array and number == len(parts):
                self._arrays[path] = self._arrays.get(path, 0) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path] - 1)
                yield path, begin
        return path

    def _pair(self, table: _Path) -> _Found:
        begin = self._at
        path = table
        for part in self._dotted_key():
            if len(path) < _DEEPEST:
                path = (*path, part)
                yield path, begin
        self._at += 1  # the equals sign
        self._skip(_BLANKS)
        yield from self._value(path)

    def _value(self, path: _Path) -> _Found:
        opening = self._text[self._at]
        if opening in "\"'":
            self._skip(_STRING)
        elif opening == "[":
            for place, _ in enumerate(self._elements("]")):
                own = (*path, place)
                yield own, self._at
                yield from self._value(own)
        elif opening == "{":
            for _ in self._elements("}"):
                yield from self._pair(path)
        else:
            self._skip(_SCALAR)

    def _elements(self, closing: str) -> Iterator[None]:
        """Stand at the begin of each element of an array or of a table in braces, and last behind it."""
        self._at += 1
        self._skip(_TOML_GAP)
        while self._text[self._at] != closing:
            yield
            self._skip(_TOML_GAP)
            if self._text[self._at] == ",":
                self._at += 1
                self._skip(_TOML_GAP)
        self._at += 1

    def _dotted_key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_BLANKS)
            begin = self._at
            if self._text[begin] in "\"'":
                self._skip(_STRING)
                parts.append(tomllib.loads(f"key = {self._text[begin : self._at]}")["key"])
            else:
                self._skip(_BARE)
                parts.append(self._text[begin : self._at])
            self._skip(_BLANKS)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._at = _end(pattern, self._text, self._at)
