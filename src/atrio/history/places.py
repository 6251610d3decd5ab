"""Where a history is: its folder and its file, made for their owner alone, or what stands in their way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

from atrio._stamps import elapsed_clock

FOLDER: Final = ".atrio"
"""The folder that the command keeps its histories in."""
_IGNORED: Final = "# What ran here, which belongs to no repository.\n*\n!atrio.schema.json\n"
_OWNERS: Final = 0o600
_OWNERS_FOLDER: Final = 0o700
_PATIENCE_S: Final = 0.25
_PAUSE_S: Final = 0.002


def make_place(file: Path) -> None:
    """Make the file of a history and the folder that it is in, as far as they are not there.

    A history has the messages and tracebacks of all that ran: a file that is made here is its owner's alone, as SQLite
    has it for the files beside it, and so is a folder called ``.atrio``, in which version control is told to leave it
    out. What is there stays as it is.

    Args:
        file: where the history is to be.

    Raises:
        OSError: something cannot be made.
    """
    is_own = file.parent.name == FOLDER
    file.parent.mkdir(mode=_OWNERS_FOLDER if is_own else 0o777, parents=True, exist_ok=True)
    if file.exists():
        return
    with _alone_in(file.parent):
        if file.exists():
            return
        # What was written beside a file that was moved away or removed since, by a process that may still write there.
        # It belongs to no other one: SQLite would wait for the locks of that process, or read what is none of its own.
        for kind in ("-wal", "-shm"):
            file.with_name(f"{file.name}{kind}").unlink(missing_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, _OWNERS))
    # The history does not depend on it, and what is there is somebody's own.
    if is_own:
        with contextlib.suppress(OSError), file.with_name(".gitignore").open("x", encoding="utf-8") as ignored:
            ignored.write(_IGNORED)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Generator[None]:
    """Keep other processes from making a history in `folder` meanwhile, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    until = elapsed_clock() + _PATIENCE_S
    try:
        # Making it takes others a moment; somebody else's lock on the folder is none of ours.
        while elapsed_clock() < until:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            except OSError:
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)


def in_the_way(file: Path) -> str | None:
    """Return what stands where `file` needs a folder, and what to do about it; None if nothing does."""
    for above in map(str, file.parents):
        if os.path.lexists(above) and not os.path.isdir(above):  # noqa: PTH112 - it never raises
            what = "a file" if os.path.exists(above) else "a link that leads nowhere"  # noqa: PTH110 - as above
            return f"{above} is {what} and would have to be a folder: move it away, or name another place"
    return None


def file_at(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from every other one, or None if there is none.

    Raises:
        OSError: it is not said: the folder may not be entered, for instance.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - in half the time of Path.stat(), before each burst
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
