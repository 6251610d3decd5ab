"""Lines of a file or of standard input, read a chunk at a time and never all at once."""

from __future__ import annotations

import codecs
import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs
import trio

from atrio.cli._streams import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK: Final = 1 << 16
_LONGEST: Final = 1 << 27
"""Bytes of one line that are kept."""

# The longer first: the mark of UTF-32-LE begins with that of UTF-16-LE.
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@attrs.frozen
class Line:
    """A line that is not blank.

    Attributes:
        number: its number, from 1; blank lines count.
        content: its bytes, or None if they are too many.
    """

    number: int
    content: bytes | None


class LineSplitter:
    """Makes lines of chunks.

    Args:
        source: what it is called in a refusal.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._number = 0
        self._begun: list[bytes] = []
        self._size = 0
        self._first = True

    def lines_of(self, chunk: bytes) -> list[Line]:
        """Return the lines that end in `chunk`; an empty one is the end of all.

        Raises:
            Refused: it is the first, and begins text whose lines cannot be told by their bytes.
        """
        if self._first:
            self._first = False
            chunk = self._unmarked(chunk)
        *ends, rest = chunk.split(b"\n") if chunk else (b"", b"")
        lines = [self._line(end) for end in ends]
        self._begin(rest)
        return [line for line in lines if line.content is None or line.content.strip()]

    def _unmarked(self, chunk: bytes) -> bytes:
        for mark, encoding in _WIDE:
            if chunk.startswith(mark):
                raise Refused(
                    f"{self._source} is {encoding} text, and tasks are read line by line as UTF-8: convert it first."
                )
        return chunk.removeprefix(codecs.BOM_UTF8)

    def _line(self, end: bytes) -> Line:
        self._number += 1
        self._begin(end)
        content = b"".join(self._begun) if self._size <= _LONGEST else None
        self._begun.clear()
        self._size = 0
        return Line(self._number, content)

    def _begin(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > _LONGEST:
            self._begun.clear()
        else:
            self._begun.append(piece)


class LineReader:
    """Reads lines as they are wanted.

    Args:
        descriptor: what is read.
        source: what it is called in a refusal.
    """

    def __init__(self, descriptor: int, source: str) -> None:
        self._descriptor = descriptor
        self._splitter = LineSplitter(source)
        self._ready: deque[Line] = deque()
        self._ended = False

    async def next_line(self) -> Line | None:
        """Return the next line, or None at the end.

        Raises:
            OSError: it cannot be read.
            Refused: its lines cannot be told by their bytes.
        """
        while not self._ready and not self._ended:
            chunk = await self._chunk()
            self._ended = not chunk
            self._ready.extend(self._splitter.lines_of(chunk))
        return self._ready.popleft() if self._ready else None

    async def _chunk(self) -> bytes:
        # A thread that reads could not be stopped. What cannot be waited for is a file, and always ready.
        with contextlib.suppress(PermissionError):
            await trio.lowlevel.wait_readable(self._descriptor)
        return os.read(self._descriptor, _CHUNK)


def count_of_lines(chunks: Iterable[bytes], source: str) -> int:
    """Return how many lines there are that are not blank.

    Raises:
        Refused: they cannot be told by their bytes.
    """
    splitter = LineSplitter(source)
    return sum(len(splitter.lines_of(chunk)) for chunk in chunks) + len(splitter.lines_of(b""))
