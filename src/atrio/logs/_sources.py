"""Where logs are read from: files, their rotated siblings, compressed ones and streams, a chunk at a time."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import attrs

from atrio.errors import AtrioError

Source: TypeAlias = str | os.PathLike[str] | BinaryIO
"""What a log is read from: a path, or a binary stream that is open."""

LONGEST: Final = 1 << 20
"""Bytes of a line; of a longer one nothing is kept."""
TOO_LONG: Final = b"\xff of a line that is too long"
_CHUNK: Final = 1 << 17
_GZIP: Final = b"\x1f\x8b"
_GZIP_BITS: Final = 31
"""What tells zlib that there is a header of gzip's before the data, and a sum after it."""
_MARK: Final = b"\xef\xbb\xbf"
_BEGINS_AN_OBJECT: Final = re.compile(rb"^[\0 \t]*\{", re.MULTILINE)
_ROTATED: Final = re.compile(r"(?:\.(?P<number>[0-9]+)|-(?P<date>[0-9][0-9-]*))(?:\.gz)?")


class UnreadableLogError(AtrioError):
    """A log cannot be read; its text says which and why."""


class _CutOffError(Exception):
    """What was compressed has no end; what there is of it was unpacked."""


@attrs.frozen
class Block:
    """Lines of a log that follow each other.

    Attributes:
        file: the path of the log, `-` for a stream.
        first: the number of the first of the lines, from 1.
        lines: their bytes, without the newline; `TOO_LONG` itself in the place of one that is longer than `LONGEST`.
        torn: whether no newline ends the last of them.
        cut_off: whether the log is compressed, and its end, which would follow, is missing; there may be no line then.
    """

    file: str
    first: int
    lines: list[bytes]
    torn: bool = False
    cut_off: bool = False


def with_rotated(sources: Iterable[Source]) -> list[Source]:
    """Return `sources`, each path preceded by the rotated files beside it, oldest first.

    Those are PATH.1, PATH.2 and so on, the oldest with the highest number, and before these PATH-20260131 and the like,
    oldest first; each may end in .gz. Of a file that is there both ways the compressed one may be half done, and is
    left out. A path that is not there any more is left out too, if a rotated file is.

    Raises:
        UnreadableLogError: the folder of a path cannot be read.
    """
    found: list[Source] = []
    for source in sources:
        if not isinstance(source, str | os.PathLike):
            found.append(source)
            continue
        path = Path(source)
        siblings = _siblings(path)
        found += siblings
        if path.exists() or not siblings:
            found.append(path)
    return found


def _siblings(path: Path) -> list[Path]:
    try:
        names = {each.name for each in path.parent.iterdir()}
    except OSError as error:
        raise _unreadable(str(path), error) from error
    dated: list[tuple[str, str]] = []
    numbered: list[tuple[int, str]] = []
    for name in names:
        match = _ROTATED.fullmatch(name, len(path.name)) if name.startswith(path.name) else None
        if match is None or (name.endswith(".gz") and name.removesuffix(".gz") in names):
            continue
        if match["date"] is None:
            numbered.append((int(match["number"]), name))
        else:
            dated.append((match["date"], name))
    in_order = [name for _, name in sorted(dated)] + [name for _, name in sorted(numbered, reverse=True)]
    return [path.parent / name for name in in_order]


def name_of(source: Source) -> str:
    """Return what a log is called: its path, or `-` for a stream."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "-"


def blocks_of(source: Source) -> Iterator[Block]:
    """Yield the lines of `source`, in blocks that a memory of a few megabytes holds.

    Raises:
        UnreadableLogError: it cannot be read, is no text, or is compressed and damaged.
    """
    name = name_of(source)
    try:
        with _opened(source) as file:
            yield from _blocks(name, _unpacked(name, file))
    except OSError as error:
        raise _unreadable(name, error) from error


def _opened(source: Source) -> AbstractContextManager[BinaryIO]:
    return Path(source).open("rb") if isinstance(source, str | os.PathLike) else nullcontext(source)


def _unreadable(name: str, error: OSError) -> UnreadableLogError:
    return UnreadableLogError(f"{name!r} cannot be read: {error.strerror or type(error).__name__}")


def _unpacked(name: str, file: BinaryIO) -> Iterator[bytes]:
    """Yield what is in `file`, uncompressed, in chunks."""
    # One read of the system's at a time, where that can be had: between two of them an interrupt could go unheard.
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    chunks = iter(partial(read, _CHUNK), b"")
    first = next(chunks, b"")
    if len(first) < len(_GZIP):
        first += next(chunks, b"")
    chunks = _inflated(name, first, chunks) if first.startswith(_GZIP) else _joined(first, chunks)
    first = next(chunks, b"").removeprefix(_MARK)
    if b"\0" in first and first.strip(b"\0") and not _BEGINS_AN_OBJECT.search(first):
        raise UnreadableLogError(f"{name!r} is binary data, and a log has a JSON object a line")
    return _joined(first, chunks)


def _joined(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _inflated(name: str, first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(_GZIP_BITS)
    try:
        for chunk in chain((first,), others):
            # Files can be put together, and be filled up with zeros.
            packed = chunk.lstrip(b"\0") if inflater.eof else chunk
            while packed:
                if inflater.eof:
                    inflater = zlib.decompressobj(_GZIP_BITS)
                # A few bytes may unpack to gigabytes, so what is unpacked at once is limited.
                yield inflater.decompress(packed, _CHUNK)
                packed = inflater.unused_data.lstrip(b"\0") if inflater.eof else inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error as error:
        raise UnreadableLogError(f"{name!r} is compressed, and damaged: it cannot be unpacked") from error
    if not inflater.eof:
        raise _CutOffError


def _blocks(name: str, chunks: Iterator[bytes]) -> Iterator[Block]:
    number = 1
    rest = b""
    too_long = False
    cut_off = False
    try:
        for chunk in chunks:
            *ended, last = chunk.split(b"\n")
            if not ended:
                rest += b"" if too_long else last
            else:
                ended[0] = rest + ended[0]
                if too_long or len(ended[0]) > LONGEST:
                    ended[0] = TOO_LONG
                yield Block(name, number, ended)
                number += len(ended)
                rest, too_long = last, False
            if len(rest) > LONGEST:
                rest, too_long = b"", True
    except _CutOffError:
        cut_off = True
    if rest or too_long or cut_off:
        last_lines = [TOO_LONG] if too_long else [rest] if rest else []
        yield Block(name, number, last_lines, torn=True, cut_off=cut_off)
