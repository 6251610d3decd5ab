"""Where lines are written: each in one write, waiting for no reader for long, and following a file that is rotated."""

from __future__ import annotations

import contextlib
import os
import select
import stat
from pathlib import Path
from typing import Final

from atrio._stamps import elapsed_clock

_SHARE: Final = 0.01
"""Of the time that goes by, what may be spent waiting in the long run."""
_MODE: Final = 0o644
# No path is waited for, and no terminal becomes that of the process.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class WriteError(Exception):
    """A line was not written, or not whole; its text is the reason in a few words."""


class LineFile:
    """A file, a pipe or a terminal that lines are added to.

    Args:
        path_or_fd: a path, which is made if it is not there, or a descriptor, which stays the caller's own.
        patience_s: how long lines wait, in seconds, for what takes nothing: together, and a hundredth of the time that
            goes by comes back to it.

    Raises:
        OSError: the path cannot be opened, or there is no such descriptor.
    """

    __slots__ = (
        "_asks_first",
        "_descriptor",
        "_device",
        "_inode",
        "_may_wait_s",
        "_own",
        "_path",
        "_patience_s",
        "_rotates",
        "_stalled",
        "_torn",
        "_waited_at",
        "_waits",
    )

    def __init__(self, path_or_fd: str | os.PathLike[str] | int, patience_s: float) -> None:
        self._patience_s = self._may_wait_s = patience_s
        self._waited_at = elapsed_clock()
        self._stalled = False
        self._own = not isinstance(path_or_fd, int)
        # The working directory may change.
        self._path = "" if isinstance(path_or_fd, int) else str(Path(path_or_fd).absolute())
        self._use(path_or_fd if isinstance(path_or_fd, int) else _opened(self._path))

    def _use(self, descriptor: int) -> None:
        """Write to `descriptor` from here on."""
        found = os.fstat(descriptor)
        self._descriptor, self._inode, self._device = descriptor, found.st_ino, found.st_dev
        self._torn = False
        # What is no file is not rotated.
        self._rotates = self._own and stat.S_ISREG(found.st_mode)
        # A write to a file, or to /dev/null, is over when it returns; one to these may wait for whoever reads.
        self._waits = stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode) or os.isatty(descriptor)
        self._asks_first = self._waits and not self._own and not self._open_for_ourselves()

    def _open_for_ourselves(self) -> bool:
        """Open what we were given once more, so that no write to it waits; say whether the system has a way to.

        The descriptor may be shared with other programs, and whether its writes wait is shared with it.
        """
        try:
            again = os.open(f"/proc/self/fd/{self._descriptor}", _FLAGS & ~os.O_CREAT)
        except OSError:  # a socket, somebody else's pipe, one that nobody reads, or a system without that folder
            return False
        self._descriptor, self._own = again, True
        return True

    def write(self, line: bytes) -> None:
        """Write `line`, its newline included.

        Raises:
            WriteError: it was not written, or not whole.
        """
        if self._rotates and not self._leads_here():
            self._follow()
        if self._waits or self._torn:
            # What is there of a line before must not spoil this one.
            self._write_all(b"\n" + line if self._torn else line)
            return
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise WriteError(_reason(error)) from error
        if written < len(line):
            self._torn = True
            self._write_all(line[written:])

    def _write_all(self, left: bytes) -> None:
        """Write what is `left` of a line in as many writes as it takes, and wait between them, but not for long."""
        while left:
            try:
                written = 0 if self._asks_first and not self._is_ready(0) else os.write(self._descriptor, left)
            except BlockingIOError:
                written = 0
            except OSError as error:
                raise WriteError(_reason(error)) from error
            if written:
                self._torn = left[written - 1] != ord("\n")
                left = left[written:]
                continue
            # Who waited in vain once does not wait again until a line was taken.
            if self._stalled or not self._waited():
                self._stalled = True
                raise WriteError("nobody reads")
        self._stalled = False

    def _waited(self) -> bool:
        """Wait until something may be taken, but no longer than is left to wait; say whether it may."""
        began = elapsed_clock()
        self._may_wait_s = min(self._patience_s, self._may_wait_s + (began - self._waited_at) * _SHARE)
        ready = self._may_wait_s > 0 and self._is_ready(self._may_wait_s)
        self._waited_at = elapsed_clock()
        self._may_wait_s -= self._waited_at - began
        return ready

    def _is_ready(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def _leads_here(self) -> bool:
        """Say whether the path still leads to our file."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a Path takes half as long again
        except OSError:  # it leads nowhere
            return False
        return found.st_ino == self._inode and found.st_dev == self._device

    def _follow(self) -> None:
        """Go on in the file that the path leads to now, because ours was renamed or removed."""
        try:
            descriptor = _opened(self._path)
        except OSError as error:
            if os.fstat(self._descriptor).st_nlink:
                return  # it has another name by now, and what is added to it is not lost
            raise WriteError(_reason(error)) from error
        self.close()
        self._use(descriptor)

    def close(self) -> None:
        """Close what was opened here."""
        if self._own:
            # Some file systems tell only now of what they could not keep, and nothing can be done about it.
            with contextlib.suppress(OSError):
                os.close(self._descriptor)


def _opened(path: str) -> int:
    return os.open(path, _FLAGS, _MODE)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
