"""Where events go: to stderr, for people or as JSON, and to a file, as JSON from debug up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, Final

from atrio import observe_only
from atrio.cli._console import for_people, is_for_people
from atrio.cli._options import LogLevel, Options
from atrio.cli._secrets import without_secrets
from atrio.cli._streams import PATIENCE_S, Refused, above_the_bar, say
from atrio.sinks import JsonLinesSink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from atrio import Event, Sink
    from atrio.sinks import StructlogSink

_STDERR: Final = 2


@contextlib.contextmanager
def logging_as(options: Options, shown: Callable[[Event], bool] | None = None) -> Generator[None]:
    """Write the events of what runs in the block to stderr and to the log file, as `options` have it.

    Args:
        options: what is logged where.
        shown: says of an event whether stderr shows it, if its level suffices; by default it does.

    Raises:
        Refused: the log file cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        if sys.stderr is not None:  # closed by whoever started us
            descriptor = _stderr_descriptor()
            _append_to(descriptor)
            on_stderr: StructlogSink | _AboveTheBar
            if is_for_people(options):
                on_stderr = stack.enter_context(for_people(descriptor, options))
            else:
                on_stderr = stack.enter_context(_as_json(descriptor, options))
            sinks.append(on_stderr if shown is None else _Chosen(on_stderr, shown))
        if options.log_file is not None:
            sinks.append(stack.enter_context(_in_file(options.log_file)))
        stack.enter_context(observe_only(*map(without_secrets, sinks)))
        yield


class _Chosen:
    """A sink that passes on what is to be shown.

    It chooses before lines are counted: a gap in their numbers stays a sign of a loss.
    """

    def __init__(self, sink: StructlogSink | _AboveTheBar, shown: Callable[[Event], bool]) -> None:
        self._shown = shown
        self._sink = sink
        self.minimum_level = sink.minimum_level

    def __call__(self, event: Event, /) -> None:
        if self._shown(event):
            self._sink(event)


class _AboveTheBar:
    """A sink whose lines go above the bar, if a terminal shows one."""

    def __init__(self, sink: JsonLinesSink) -> None:
        self._sink = sink
        self.minimum_level = sink.minimum_level

    def __call__(self, event: Event, /) -> None:
        is_line = LogLevel[event.level.upper()].value >= self.minimum_level()
        with above_the_bar() if is_line else contextlib.nullcontext():
            self._sink(event)


@contextlib.contextmanager
def _as_json(descriptor: int, options: Options) -> Generator[_AboveTheBar]:
    level: Any = options.shown_level.name.lower()
    with JsonLinesSink(descriptor, level=level, patience_s=PATIENCE_S) as lines:
        yield _AboveTheBar(lines)


def _stderr_descriptor() -> int:
    try:
        return sys.stderr.fileno()
    except OSError:  # a host has put an object of its own in its place
        return _STDERR


def _append_to(descriptor: int) -> None:
    """Let every line go to the end of a file, whoever else writes there: a shell's ``2>`` has not asked for it."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)


@contextlib.contextmanager
def _in_file(path: Path) -> Generator[JsonLinesSink]:
    try:
        lines = JsonLinesSink(path)
    except OSError as error:
        raise Refused(f"the log file {str(path)!r} cannot be opened: {error.strerror}.") from error
    try:
        with lines:
            yield lines
    finally:
        if lines.dropped:
            count = "1 line" if lines.dropped == 1 else f"{lines.dropped:,} lines"
            say(f"{count} could not be written to the log file {str(path)!r}.")
