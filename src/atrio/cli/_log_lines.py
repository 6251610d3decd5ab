"""Where log lines are written: each in one write, and none ever failing a run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from atrio.cli._streams import Refused, above_the_bar, discard, say

if TYPE_CHECKING:
    from pathlib import Path


class StderrLines:
    """Lines on stderr, for structlog to write to."""

    def msg(self, line: bytes) -> None:
        """Write `line`; once nobody reads stderr any more, nothing."""
        if sys.stderr is None:  # closed by whoever started us
            return
        try:
            with above_the_bar():
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
        except OSError:
            # There is nowhere left to say so, and the run does not depend on being watched.
            discard(sys.stderr)

    debug = info = warning = error = msg


class FileLines:
    """Lines at the end of a file, for structlog to write to.

    Args:
        path: made if it is not there.

    Raises:
        Refused: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lost = 0
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Refused(f"the log file {str(path)!r} cannot be opened: {error.strerror}.") from error

    def msg(self, line: bytes) -> None:
        """Write `line`, or count it as lost."""
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            written = 0
        if written < len(line):
            self._lost += 1

    debug = info = warning = error = msg

    def close(self) -> None:
        """Close the file, and say how many lines were lost, if any were."""
        os.close(self._descriptor)
        if self._lost:
            say(f"{self._lost} lines could not be written to the log file {str(self._path)!r}.")
