"""The progress bar: the last line of a terminal, under what is logged and printed meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import trio

from atrio.cli._streams import discard, shown_bar

if TYPE_CHECKING:
    from collections.abc import Generator

PERIOD_S: Final = 0.1
"""Seconds between two drawings."""
_ERASE: Final = "\r\x1b[2K"


class ProgressBar:
    """How far a batch is: a bar if its total is known, counts, rate, and the time left.

    rich draws it, but neither shows nor refreshes it: its way of doing so takes a thread, and only its own lines go
    above it.

    Args:
        total: how many tasks there are, or None.
    """

    def __init__(self, total: int | None) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a bar needs it
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - as above

        self._console = Console(file=sys.stderr)
        columns = (BarColumn(None), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=self._console, get_time=trio.current_time, expand=True)
        self._task = self._progress.add_task("", total=total)
        self._total = total
        self._line = ""
        self._due = trio.current_time()
        self._done = self._failed = 0
        # Files are read in threads, and what is said there goes above the bar too.
        self._lock = threading.RLock()

    def count(self, *, failed: bool) -> None:
        """Count a task that ended."""
        self._done += 1
        self._failed += failed
        self.tick()

    def tick(self) -> None:
        """Draw the bar if it is time to."""
        if trio.current_time() >= self._due:
            self.draw()

    def draw(self) -> None:
        """Draw the bar as it is now, as wide as the terminal is now."""
        self._due = trio.current_time() + PERIOD_S
        self._progress.update(self._task, completed=self._done)
        self._progress.update(self._task, description=self._said())
        # One column less: in the last one some terminals begin a new line.
        width = max(self._console.width - 1, 1)
        with self._console.capture() as captured:
            self._console.print(self._progress.get_renderable(), width=width, crop=True)
        with self._lock:
            self._line = captured.get().partition("\n")[0]
            _show(f"{_ERASE}{self._line}")

    def _said(self) -> str:
        task = self._progress.tasks[0]
        of = "" if self._total is None else f"/{self._total:,}"
        said = f"{self._done:,}{of} done, {self._failed:,} failed"
        if task.speed:
            said += f", {task.speed:,.1f}/s"
        if self._total is not None and task.time_remaining is not None:
            said += f", {timedelta(seconds=int(task.time_remaining))} left"
        return said

    @contextlib.contextmanager
    def lifted(self) -> Generator[None]:
        """Leave the line for the time of the block."""
        with self._lock:
            _show(_ERASE)
            try:
                yield
            finally:
                _show(self._line)

    def erase(self) -> None:
        """Leave the line for good."""
        with self._lock:
            self._line = ""
            _show(_ERASE)


def _show(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        # The terminal has gone; the batch does not depend on being watched.
        discard(sys.stderr)


def is_wanted(*, typed: bool) -> bool:
    """Say whether stderr can show a bar; none if the input is `typed` into the same line."""
    return not typed and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def progress_bar(total: int | None, *, wanted: bool) -> Generator[ProgressBar | None]:
    """Show a bar for the time of the block, if one is `wanted`."""
    if not wanted:
        yield None
        return
    bar = ProgressBar(total)
    token = shown_bar.set(bar)
    try:
        bar.draw()
        yield bar
    finally:
        bar.erase()
        shown_bar.reset(token)
