"""An input, from a path, from stdin or from ``--value``: JSON by its suffix, else text, never binary."""

from __future__ import annotations

import codecs
import json
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from atrio.cli._streams import Refused, say

STDIN: Final = "-"

# The longer first: the mark of UTF-32-LE begins with that of UTF-16-LE.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Text has BEL to CR, ESC (colours) and the separators; a DOS file may end in SUB.
_NOT_IN_TEXT: Final = bytes({*range(0x20), 0x7F} - {*range(0x07, 0x0E), 0x1A, 0x1B, *range(0x1C, 0x20)})
_STRAYS: Final = 1000
"""Bytes of text among which one that is not in text is a slip, and no sign of binary data."""


def read_task(path: str | None, value: str | None) -> Any:
    """Return the one input of a command that takes one.

    Args:
        path: the INPUT argument, a path or ``-``.
        value: the ``--value`` option, JSON.

    Raises:
        Refused: there is none, there are several, or it cannot be read.
    """
    if path is not None and value is not None:
        raise Refused(f"there are two inputs, {path!r} and --value: give one of them.")
    if value is not None:
        return parse_json(value, "--value")
    if path is None and (sys.stdin is None or sys.stdin.isatty()):
        raise Refused("there is no input: name a file, give --value JSON, or pipe something in.")
    if path is None or path == STDIN:
        return decode(_read_stdin(), "standard input")
    return read_path(path)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise Refused("standard input is closed: name a file, or give --value JSON.")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise Refused(f"standard input cannot be read: {error.strerror}.") from error


def read_path(path: str) -> Any:
    """Return the one task that the file `path` holds, by its suffix.

    Raises:
        Refused: it cannot be read, or is not what its suffix says.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        hint = " If it is meant as an option, --help lists those that there are." if path.startswith("-") else ""
        raise Refused(f"{path!r} cannot be read: {error.strerror}.{hint}") from error
    text = decode(data, repr(path))
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return parse_json(text, repr(path))
    if suffix == ".jsonl":
        return _only_line(text, repr(path))
    return text


def _only_line(text: str, source: str) -> Any:
    # Not splitlines(): JSON strings may hold U+2028 and its like.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) != 1:
        count = f"{len(lines)} tasks" if lines else "no task"
        raise Refused(f"{source} holds {count}, a line each, and one is wanted.")
    number, line = lines[0]
    return parse_json(line, source, first_line=number)


def parse_json(text: str, source: str, *, first_line: int = 1) -> Any:
    """Return what `text` is as JSON.

    Args:
        text: strict JSON.
        source: what it is called in a refusal.
        first_line: the number of its first line there.

    Raises:
        Refused: it is no JSON.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno + first_line - 1}, column {error.colno}"
        raise Refused(f"{source} is not JSON: {error.msg}, {where}.") from error
    except ValueError as error:
        raise Refused(f"{source} is not JSON: {error}.") from error
    except RecursionError as error:
        raise Refused(f"{source} is nested too deep to be read.") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it has no {name}")


def decode(data: bytes, source: str) -> str:
    """Return `data` as text: by its byte order mark, else UTF-8, else as Windows had it, which is said on stderr.

    Args:
        data: all of it.
        source: what it is called in a refusal or in what is said.

    Raises:
        Refused: it is binary.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data, encoding, source)
    _refuse_binary(data, source)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text, name = _decode_western(data)
        say(f"{source} is not UTF-8 (byte {error.start + 1} is 0x{data[error.start]:02x}), so it is read as {name}.")
        return text


def _decode_marked(data: bytes, encoding: str, source: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise Refused(
            f"{source} begins as {name} text does, but byte {error.start + 1} is none: {error.reason}."
        ) from error
    if "\0" in text:
        raise _binary(source)
    return text


def _decode_western(data: bytes) -> tuple[str, str]:
    try:
        return data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "Latin-1"


def _refuse_binary(data: bytes, source: str) -> None:
    strays = len(data) - len(data.translate(None, _NOT_IN_TEXT))
    if b"\0" in data or strays * _STRAYS > len(data):
        raise _binary(source)


def _binary(source: str) -> Refused:
    return Refused(f"{source} is binary data, and an input is text or JSON: turn it into text first.")
