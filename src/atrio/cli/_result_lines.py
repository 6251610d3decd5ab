"""Results as JSON lines: whole ones, whoever reads them and however this ends."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import select
import stat
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import trio

from atrio import PipelineError, TaskResult, TaskStatus
from atrio.cli._render import stdout_is_ascii_only
from atrio.cli._secrets import text_without_secrets
from atrio.cli._streams import Refused, Unwritable, above_the_bar, results_stream, write_out

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from atrio.cli._tasks_input import TaskInput

_AT_ONCE: Final = select.PIPE_BUF
"""Bytes that a pipe takes without waiting, if it takes any."""


class Lines(Protocol):
    """Where result lines go.

    Attributes:
        ascii_only: whether it takes nothing but ASCII.
    """

    ascii_only: bool

    async def write(self, line: bytes) -> None:
        """Write `line`, and wait until whoever reads it has room for it.

        Raises:
            BrokenPipeError: whoever read has gone.
            Unwritable: it cannot be written.
        """
        ...


class _DescriptorLines:
    def __init__(self, descriptor: int, name: str, *, ascii_only: bool) -> None:
        self.ascii_only = ascii_only
        self._descriptor = descriptor
        self._name = name
        mode = os.fstat(descriptor).st_mode
        self._is_file = stat.S_ISREG(mode)
        self._may_wait = not self._is_file and not os.isatty(descriptor)

    async def write(self, line: bytes) -> None:
        try:
            if self._may_wait and not (len(line) <= _AT_ONCE and self._has_room()):
                await trio.to_thread.run_sync(self._put, line)
            else:
                with above_the_bar():
                    self._put(line)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unwritable(f"the results cannot be written to {self._name}: {error.strerror}.") from error

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def _put(self, line: bytes) -> None:
        written = 0
        try:
            # Once, but for a disk that is full and for a line that is longer than what a pipe holds.
            while written < len(line):
                written += os.write(self._descriptor, memoryview(line)[written:])
        except OSError:
            if self._is_file and written:
                self._take_back(written)
            raise

    def _take_back(self, size: int) -> None:
        """Take half a line out of a file, if it is the end of it."""
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size == end:
            os.ftruncate(self._descriptor, end - size)


class _CapturedLines:
    """To a stdout that is none of the system's: a host has put its own in its place."""

    ascii_only = True

    async def write(self, line: bytes) -> None:
        with above_the_bar():
            write_out((line.decode(),))


class _NoLines:
    ascii_only = True

    async def write(self, line: bytes) -> None:
        """Write nothing."""


@contextlib.contextmanager
def result_lines(output: Path | None, *, wanted: bool) -> Generator[Lines]:
    """Return where result lines go in the block: to the file `output`, else to stdout if they are `wanted` there.

    Raises:
        Refused: `output` cannot be written, or holds something already.
        Unwritable: stdout is closed.
    """
    if output is not None:
        with _opened(output) as descriptor:
            yield _DescriptorLines(descriptor, repr(str(output)), ascii_only=False)
    elif not wanted:
        yield _NoLines()
    else:
        yield _to_stdout()


def _to_stdout() -> Lines:
    stream = results_stream()
    if stream is None:
        raise Unwritable("the results have nowhere to go: stdout is closed.")
    try:
        return _DescriptorLines(stream.fileno(), "stdout", ascii_only=stdout_is_ascii_only())
    except io.UnsupportedOperation:
        return _CapturedLines()


@contextlib.contextmanager
def _opened(path: Path) -> Generator[int]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Refused(f"the output file {str(path)!r} cannot be opened: {error.strerror}.") from error
    try:
        _lock(descriptor, path)
        if os.fstat(descriptor).st_size and stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused(f"the output file {str(path)!r} holds something already: name another, or remove it first.")
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Keep a file from other batches; one that cannot be locked, as on some network drives, is used as it is."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Refused(f"another batch writes to the output file {str(path)!r} now: name another.") from error
    except OSError:
        pass


def line_of(outcome: TaskResult[Any], task: TaskInput, *, ascii_only: bool) -> bytes:
    """Return the result line of a task, in ASCII if nothing else is understood."""
    fields: dict[str, Any] = {
        "index": outcome.index,
        "input": task.name,
        "status": outcome.status.value,
        "duration_s": round(outcome.duration_s, 6),
    }
    if outcome.status is TaskStatus.SUCCESS:
        fields["result"] = outcome.to_dict()["result"]
        if task.skipped:
            fields["skipped"] = task.skipped
    else:
        fields["error"] = error_of(outcome)
    if task.usage is not None and task.usage.calls:
        fields["usage"] = attrs.asdict(task.usage)
    # A path may hold bytes that are no text; what stands for them is escaped as JSON does it.
    return f"{json.dumps(fields, ensure_ascii=ascii_only)}\n".encode(errors="backslashreplace")


def error_of(outcome: TaskResult[Any]) -> dict[str, str | None]:
    """Return what ended a task: the agent's own error, and the stage in which it was raised."""
    info = outcome.error
    if info is None:
        return {"error_type": outcome.status.value, "message": "it was stopped", "stage_id": None}
    error = info.exception
    if isinstance(error, PipelineError) and error.result is not None and error.result.errors:
        entry = error.result.errors[-1]
        return _told(entry.error_type, entry.message, entry.stage_id)
    return _told(info.error_type, info.message, None)


def _told(error_type: str, message: str, stage_id: str | None) -> dict[str, str | None]:
    # Neither is a result: they go wherever the line does, and what they repeat is nobody's to keep.
    told = {"error_type": text_without_secrets(error_type), "message": text_without_secrets(message)}
    return {**told, "stage_id": stage_id}
