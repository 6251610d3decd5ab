"""The bytes of a file to the tree that they say, or to a sentence about why they say none."""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final, NoReturn

from atrio._text import encodable
from atrio.config.positions import dotted, repeated_key
from atrio.config.settings import Format
from atrio.errors import ConfigError, ConfigProblem

__all__ = ["content_of", "name_of", "tree_of"]

_LARGEST: Final = 10_000_000
"""Bytes that a file may have."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "begins with a byte order mark: save it as UTF-8 without one"),
    (codecs.BOM_UTF16_LE, "is UTF-16: save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "is UTF-16: save it as UTF-8"),
)

_NUMBER: Final = r"after '\u' and '\U' comes the number of a character; else double the backslash, or use single quotes"
# What tomllib says, by how it begins, and what that means.
_SYNTAX: Final = {
    "Cannot overwrite a value": "this key has a value already, or is a table: keep one of the two",
    "Duplicate inline table key": "this key has a value already: keep one of the two",
    "Cannot declare": "this table has begun already, further up: put all its keys there",
    "Cannot redefine namespace": "this table has begun already, further up: put all its keys there",
    "Cannot mutate immutable namespace": "this table is complete already, further up: add the key there",
    "Escaped character is not": _NUMBER,
    "Invalid hex value": _NUMBER,
    "Expected '=' after a key": "after a key comes '=' and its value",
    "Expected newline or end of document": "this is no value, or something follows it; strings are in quotes",
    "Expected ']' at the end of a table": (
        "a table's name ends with ']', as in [agents.cleaner]; a name with a blank in it is in quotes, as in "
        "[agents.'my agent']"
    ),
    "Expected ']]' at the end of an array": "a table's name ends with ']]' if it begins with '[['",
    "Expected \"'": "a string is not closed: its last quote is missing",
    "Found invalid character '\\n'": "a string ends on its line; one of several lines has three quotes at each end",
    "Found invalid character": "a control character stands here, and tabs are the only ones that may",
    "Illegal character '\\n'": "a string ends on its line; one of several lines has three quotes at each end",
    "Illegal character": "a control character stands here, and tabs are the only ones that may",
    "Invalid initial character for a key": "here a key is needed: letters, digits, '_' and '-', or a string in quotes",
    "Invalid statement": "a line is a table, as in [agents.cleaner], or a key with '=' and its value",
    "Invalid value": "here a value is needed, as in 'text', 7, true, ['a', 'b'] or { key = 7 }",
    "Unclosed array": "an array is not closed: a comma or ']' is missing",
    "Unclosed inline table": "a table in braces is not closed: a comma or '}' is missing",
    "Unescaped '\\' in a string": r"in double quotes '\' begins an escape: double it, or use single quotes",
    "Unterminated string": "a string is not closed: its last quote is missing",
}
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_WORD: Final = re.compile(r"[A-Za-z][\w.-]*")
_SCHEMA: Final = "$schema"


def name_of(path: Path) -> str:
    """Return a path as problems show it: one that is not UTF-8 has escapes."""
    return encodable(str(path))


def content_of(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        ConfigError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        message = "is not there: give the path of a configuration, or let `atrio init` write one"
        if path.is_symlink():
            message = "is a link to a file that is not there"
        _refuse(path, message)
    except IsADirectoryError:
        _refuse(path, "is a directory, and not a file: give the path of the configuration in it")
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}")
    except ValueError:  # a null character in the path
        _refuse(path, "is no path of a file")
    return content


def tree_of(source: str | bytes, path: Path, form: Format) -> tuple[str, dict[str, Any]]:
    """Return a text, and the tree that it says.

    Args:
        source: the text, or its bytes.
        path: what problems name as its file.
        form: what it is.

    Raises:
        ConfigError: it is not what it should be.
    """
    text = source if isinstance(source, str) else _text_of(source, path)
    try:
        tree = _toml(text, path) if form == "toml" else _json(text, path)
    except RecursionError:
        _refuse(path, "is nested too deep")
    # By it editors find the schema.
    if not isinstance(tree.pop(_SCHEMA, ""), str):
        _refuse(path, "must be a string, the address of a JSON Schema", key=_SCHEMA)
    return text, tree


def _refuse(path: Path, message: str, line: int | None = None, key: str = "") -> NoReturn:
    raise ConfigError([ConfigProblem(name_of(path), line, key, message)]) from None


def _text_of(content: bytes, path: Path) -> str:
    for mark, message in _MARKS:
        if content.startswith(mark):
            _refuse(path, message)
    if len(content) > _LARGEST:
        _refuse(path, f"has more than {_LARGEST // 1_000_000} MB, and is no configuration")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(path, f"is not UTF-8: byte 0x{content[error.start]:02x} is none of its characters", line)


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _PLACE.search(said)
        what = said if place is None else said[: place.start()]
        line, column = (None, None) if place is None else (place[1], place[2])
        meaning = next((meaning for begin, meaning in _SYNTAX.items() if what.startswith(begin)), what)
        if line is not None and column is not None:
            meaning = _seen_at(text.split("\n")[int(line) - 1][int(column) - 1 :], what) or meaning
        where = " at its end" if line is None else f", column {column}"
        last = text.rstrip().count("\n") + 1
        _refuse(path, f"is no TOML{where}: {meaning}", last if line is None else int(line))
    except ValueError:  # a number that Python refuses to read
        _refuse(path, "has a number in it that is too long, or a date that does not exist")


def _seen_at(rest: str, what: str) -> str | None:
    """Return what is wrong by what stands there, where that says more than tomllib does; `rest` is that of the line."""
    if what.startswith(("Unclosed inline table", "Invalid initial character for a key")) and not rest.strip("\r "):
        return "a table in braces stays on one line: write it on one, or as a table with a name of its own in brackets"
    word = _WORD.match(rest)
    if not what.startswith("Invalid value") or word is None:
        return None
    if word[0].lower() in {"true", "false"}:
        return f"{word[0]} is written in lower case, {word[0].lower()}"
    return f"a string is in quotes, '{word[0]}'"


def _json(text: str, path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        meaning = error.msg[0].lower() + error.msg[1:]
        _refuse(path, f"is no JSON, column {error.colno}: {meaning}", error.lineno)
    except _RepeatedError:
        repeated = repeated_key(text)
        assert repeated is not None  # noqa: S101 - that is what was raised
        key, line = repeated
        _refuse(path, "stands there twice: keep one of the two", line, dotted(key))
    except ValueError:  # a number that Python refuses to read
        _refuse(path, "has a number in it that is too long")
    if not isinstance(tree, dict):
        _refuse(path, "must be one JSON object, in braces")
    return tree


class _RepeatedError(Exception):
    """A key stands in an object twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedError
    return made
