"""Files that are replaced as a whole or not at all, by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["create", "rewrite"]

_PATIENCE_S: Final = 10.0
"""Seconds to wait for other processes that write in the same directory."""
_LOOK_EVERY_S: Final = 0.01
_WITHOUT_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What file systems say that have no hard links, as FAT."""


def rewrite(path: Path, change: Callable[[bytes], bytes], *, patience: float = _PATIENCE_S) -> None:
    """Replace the content of a file by what `change` makes of it.

    Whoever reads it meanwhile, or is killed, finds or leaves the old content or the new one. Its permissions stay, and
    a symbolic link to it.

    Args:
        path: the file.
        change: is given the content as it is, which no other caller of this function changes meanwhile, and returns the
            new one. If it raises, the file stays as it is.
        patience: seconds to wait for others that have the directory locked.

    Raises:
        OSError: the file cannot be read or replaced; it is as it was. ``TimeoutError`` if the directory stays locked.
    """
    target = Path(os.path.realpath(path, strict=True))
    with _alone_in(target.parent, patience) as directory:
        former = target.stat()
        _check_replaceable(target, former)
        content = target.read_bytes()
        changed = change(content)
        with _written_beside(target, changed, former) as temporary:
            temporary.replace(target)
        _keep(directory)


def create(path: Path, content: bytes, *, patience: float = _PATIENCE_S) -> None:
    """Write a file that is not there yet; it appears with all of its content.

    Args:
        path: the file.
        content: what is written.
        patience: seconds to wait for others that have the directory locked.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written; there is nothing then. ``TimeoutError`` if the directory stays locked.
    """
    target = Path(os.path.realpath(path.parent, strict=True), path.name)
    with _alone_in(target.parent, patience) as directory:
        with _written_beside(target, content) as temporary:
            _appear(temporary, target)
        _keep(directory)


def _appear(temporary: Path, target: Path) -> None:
    """Give a file its name, and never take the place of what has it."""
    try:
        os.link(temporary, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
    else:
        return
    # The name is taken first, by an empty file, so that it can be only this one that the rename replaces.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
    try:
        temporary.replace(target)
    except BaseException:
        target.unlink()
        raise


@contextmanager
def _alone_in(directory: Path, patience: float) -> Generator[int, None, None]:
    """Keep a directory locked for the time of the block, and give its descriptor.

    The directory, because a file that is replaced takes its lock with it, and a file only to be locked would stay.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, patience)
        yield descriptor
    finally:
        os.close(descriptor)  # and with it goes the lock, as it does if the process is killed


def _lock(descriptor: int, patience: float) -> None:
    waited_until = time.perf_counter() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.perf_counter() >= waited_until:
                reason = f"another process has had its directory locked for {patience:g} s"
                raise TimeoutError(reason) from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return


def _check_replaceable(target: Path, former: os.stat_result) -> None:
    if not stat.S_ISREG(former.st_mode):
        raise OSError(errno.EINVAL, "it is no file, but a directory, a pipe or a device")
    # A rename does not ask for it, but whoever wrote-protected a file meant it.
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected")


@contextmanager
def _written_beside(target: Path, content: bytes, former: os.stat_result | None = None) -> Generator[Path, None, None]:
    """Write `content` to a temporary file beside `target`, and have it gone after the block.

    Args:
        target: what it is to become.
        content: what is written.
        former: the file that it takes the place of, whose owner and permissions it gets.
    """
    # The name is always the same, so that what a killed process left is cleared away by the next one.
    temporary = target.with_name(f".{target.name}.atrio-new")
    temporary.unlink(missing_ok=True)
    # What nobody else may read is not readable for a moment either.
    mode = 0o666 if former is None else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if former is not None:
                _give_away(descriptor, former)
            os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _give_away(descriptor: int, former: os.stat_result) -> None:
    for owner in ((-1, former.st_gid), (former.st_uid, -1)):
        with suppress(PermissionError):  # only root may; then it is theirs who changed it, as with most editors
            os.fchown(descriptor, *owner)
    os.fchmod(descriptor, stat.S_IMODE(former.st_mode))


def _keep(directory: int) -> None:
    """Have a new name in a directory outlast a failure of power."""
    with suppress(OSError):  # some file systems cannot, and the name is there: to say that it failed would be wrong
        os.fsync(directory)
