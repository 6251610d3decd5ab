"""What goes to stdout (results) and to stderr (everything else), and the refusal of what cannot be used."""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from atrio.cli._secrets import text_without_secrets
from atrio.sinks import LineFile, WriteError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractContextManager

# What a terminal might obey, and lone surrogates, which no encoding has.
_CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

PATIENCE_S: Final = 1.0
"""Seconds that a reader of stderr may take nothing before lines are dropped."""


class Refused(Exception):  # noqa: N818 - it is a sentence for the user, and no error of the program
    """The command line or the input cannot be used; its text is a sentence that says why, and what would be right."""


class NoSuchOption(Refused):
    """What begins as an option does is neither one nor a file; its text is the option alone."""


class Unwritable(Exception):  # noqa: N818 - as above
    """The results cannot be written to stdout; its text says why."""


class Unopened(Exception):  # noqa: N818 - as above
    """A pipeline's agents cannot be opened; its text says why."""


class Bar(Protocol):
    """What stays in the last line of a terminal while others are written above it."""

    def lifted(self) -> AbstractContextManager[None]:
        """Leave its line for the time of the block."""
        ...


shown_bar: Final[ContextVar[Bar | None]] = ContextVar("atrio_cli_bar", default=None)
"""The bar that the terminal shows now."""


_set_aside: Final[ContextVar[tuple[TextIO | None] | None]] = ContextVar("atrio_cli_stdout", default=None)


@contextmanager
def stdout_for_results() -> Generator[None]:
    """Keep stdout for results in the block: what a module of the user's own prints there goes to stderr.

    That is Python's own ``sys.stdout``; what writes to the descriptor itself, as an extension in C may, is not seen.
    """
    kept = sys.stdout
    token = _set_aside.set((kept,))
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = kept
        _set_aside.reset(token)


def results_stream() -> TextIO | None:
    """Return the stdout that results go to; None if it is closed."""
    kept = _set_aside.get()
    return sys.stdout if kept is None else kept[0]


def above_the_bar() -> AbstractContextManager[None]:
    """Leave the terminal's last line to what is written in the block, if a bar has it."""
    bar = shown_bar.get()
    return nullcontext() if bar is None else bar.lifted()


def printable(text: str) -> str:
    r"""Return `text` in one line that a terminal only shows: control characters become escapes, a newline ``\n``."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def as_sentence(text: str) -> str:
    """Return `text` with a full stop at its end, unless it has an end of its own."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def say(sentence: str) -> None:
    """Write `sentence` to stderr, as a line that names who speaks, without the environment's secrets."""
    if sys.stderr is None:  # closed by whoever started us
        return
    line = f"atrio: {printable(text_without_secrets(sentence))}\n"
    # If nobody listens, there is nowhere left to say so; the exit code still tells.
    with suppress(OSError, WriteError), above_the_bar():
        try:
            descriptor = sys.stderr.fileno()
        except OSError:  # a host has put an object of its own in its place
            sys.stderr.write(line)
            sys.stderr.flush()
            return
        with closing(LineFile(descriptor, PATIENCE_S)) as file:
            file.write(line.encode(sys.stderr.encoding or "utf-8", "backslashreplace"))


def write_out(pieces: Iterable[str]) -> None:
    """Write `pieces` to stdout, one after the other, and flush.

    Raises:
        BrokenPipeError: whoever read stdout has gone.
        Unwritable: stdout is closed, or what it leads to is full.
    """
    stream = results_stream()
    if stream is None:
        raise Unwritable("the results have nowhere to go: stdout is closed.")
    try:
        for piece in pieces:
            stream.write(piece)
        stream.flush()
    except BrokenPipeError:
        discard(stream)
        raise
    except OSError as error:
        discard(stream)
        raise Unwritable(f"the results cannot be written to stdout: {error.strerror}.") from error


def discard(stream: TextIO) -> None:
    """Lead `stream` nowhere, so that what it still holds does not fail a second time when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
