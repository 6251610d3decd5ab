"""The inputs of a batch: a file each, read when its task begins, or a line each of a ``.jsonl`` file or of stdin."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import attrs
import trio

from atrio import Usage
from atrio.cli._inputs import STDIN, parse_json, read_path
from atrio.cli._streams import NoSuchOption, Refused
from atrio.cli._task_lines import Line, LineReader, count_of_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK: Final = 1 << 20
_LONG_LINE: Final = 1 << 18
"""Bytes of JSON whose parsing would keep everything else waiting."""
_STDIN_NAME: Final = "standard input"


class InputError(ValueError):
    """The input of a task cannot be used; its text says which, and why."""


@attrs.define
class TaskInput:
    """The input of one task.

    Attributes:
        name: the path, or path:line.
        read: gives the data; InputError if it cannot be used.
        skipped: the stages that were skipped when the pipeline ran on it.
        usage: what its calls of language models used; None if it was stopped.
    """

    name: str
    read: Callable[[], Awaitable[Any]]
    skipped: tuple[str, ...] = ()
    usage: Usage | None = None


@attrs.frozen
class _Part:
    """A path of the command line, and how many tasks it holds, as far as that is known."""

    path: str
    by_line: bool
    tasks: int | None


class TaskInputs:
    """The inputs of a batch, in order; each pulled with ``anext()``; they have a length where that is known.

    Args:
        parts: where they come from.

    Attributes:
        total: how many there are, or None.
        typed: whether some are typed at a terminal.
    """

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = iter(parts)
        self._lines: LineReader | None = None
        self._path = ""
        self._descriptor: int | None = None
        self._first: TaskInput | None = None
        counts = [part.tasks for part in parts]
        self.total = None if None in counts else sum(filter(None, counts))
        self.typed = any(part.path == STDIN for part in parts) and sys.stdin.isatty()

    def __len__(self) -> int:
        if self.total is None:
            raise TypeError("standard input does not say how many tasks there are")
        return self.total

    async def check_not_empty(self) -> None:
        """Wait for the first input.

        Raises:
            Refused: there is none.
        """
        self._first = await anext(self, None)
        if self._first is None:
            raise Refused("there is no task in the input: it is empty, or every line of it is blank.")

    async def __anext__(self) -> TaskInput:
        first, self._first = self._first, None
        if first is not None:
            return first
        while True:
            if self._lines is not None:
                task = await self._next_of_lines(self._lines)
                if task is not None:
                    return task
                await self.aclose()
            part = next(self._parts, None)
            if part is None:
                raise StopAsyncIteration
            if not part.by_line:
                return TaskInput(part.path, partial(_file_data, part.path))
            self._path = part.path
            try:
                await self._open(part.path)
            except OSError as error:
                return _unreadable(part.path, error)

    async def _open(self, path: str) -> None:
        if path == STDIN:
            self._lines = LineReader(sys.stdin.fileno(), _STDIN_NAME)
            return
        # In a thread: opening a named pipe waits for who writes to it.
        self._descriptor = await trio.to_thread.run_sync(
            os.open, path, os.O_RDONLY | os.O_CLOEXEC, abandon_on_cancel=True
        )
        self._lines = LineReader(self._descriptor, repr(path))

    async def _next_of_lines(self, lines: LineReader) -> TaskInput | None:
        try:
            line = await lines.next_line()
        except OSError as error:
            await self.aclose()
            return _unreadable(self._path, error)
        if line is None:
            return None
        return TaskInput(f"{self._path}:{line.number}", partial(_line_data, _called(self._path), line))

    async def aclose(self) -> None:
        """Close the file that is being read."""
        self._lines = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _called(path: str) -> str:
    return _STDIN_NAME if path == STDIN else repr(path)


def _unreadable(path: str, error: OSError) -> TaskInput:
    async def read() -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise InputError(f"{_called(path)} cannot be read: {error.strerror}.") from error

    return TaskInput(path, read)


async def _file_data(path: str) -> Any:
    try:
        return await trio.to_thread.run_sync(read_path, path, abandon_on_cancel=True)
    except Refused as refusal:
        raise InputError(str(refusal)) from refusal


async def _line_data(source: str, line: Line) -> Any:
    try:
        if line.content is not None and len(line.content) > _LONG_LINE:
            return await trio.to_thread.run_sync(_parsed, source, line, abandon_on_cancel=True)
        return _parsed(source, line)
    except Refused as refusal:
        raise InputError(str(refusal)) from refusal


def _parsed(source: str, line: Line) -> Any:
    if line.content is None:
        raise Refused(f"{source} is not JSON lines: line {line.number} is too long to be a task.")
    try:
        text = line.content.decode()
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} of line {line.number} is 0x{line.content[error.start]:02x}"
        raise Refused(f"{source} is not JSON: {where}, and JSON is UTF-8.") from error
    return parse_json(text, source, first_line=line.number)


async def inputs_at(paths: Sequence[str]) -> TaskInputs:
    """Return the inputs that `paths` name; standard input if there are none.

    Raises:
        Refused: they cannot be used, or there is no task in them.
    """
    stdin = sys.stdin
    if not paths and (stdin is None or stdin.isatty()):
        raise Refused("there is no input: name files, or pipe something in, a task of JSON a line.")
    if paths.count(STDIN) > 1:
        raise Refused("standard input can be read once: give - once.")
    if STDIN in paths and stdin is None:
        raise Refused("standard input is closed: name files.")
    # In a thread: lines are counted, and there may be gigabytes of them.
    parts = await trio.to_thread.run_sync(_examined, paths or (STDIN,), abandon_on_cancel=True)
    inputs = TaskInputs(parts)
    await inputs.check_not_empty()
    return inputs


def _examined(paths: Sequence[str]) -> list[_Part]:
    parts: list[_Part] = []
    bad: list[str] = []
    for path in paths:
        try:
            parts.append(_part(path))
        except OSError as error:
            if path.startswith("-"):
                raise NoSuchOption(path.partition("=")[0]) from error
            bad.append(f"{path!r} cannot be read: {error.strerror}")
    if bad:
        raise Refused(f"{'; '.join(bad)}.")
    return parts


def _part(path: str) -> _Part:
    if path == STDIN:
        return _Part(path, by_line=True, tasks=None)
    by_line = Path(path).suffix.lower() == ".jsonl"
    if not stat.S_ISREG(Path(path).stat().st_mode) and not Path(path).is_dir():
        # A pipe can be opened once.
        return _Part(path, by_line, None if by_line else 1)
    with Path(path).open("rb") as file:
        return _Part(path, by_line, count_of_lines(iter(partial(file.read, _CHUNK), b""), repr(path)) if by_line else 1)
