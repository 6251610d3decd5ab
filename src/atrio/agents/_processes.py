"""Child processes: fed, listened to within limits, and never left behind."""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from subprocess import PIPE
from typing import Final, NamedTuple

import trio

_CHUNK: Final = 1 << 16
_TAIL: Final = 4_096
_DRAIN: Final = 0.2
"""Seconds after a program's end for which its pipes may stay open: who left its group has them still."""


class Ended(NamedTuple):
    """How a program ended.

    Attributes:
        exit_code: its exit code; negative for the signal that ended it.
        stdout: what it wrote there.
        stderr: the end of what it wrote there.
        is_cut: whether it wrote more to stdout than was allowed, and was stopped for that.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    is_cut: bool


async def run(
    command: Sequence[str],
    given: bytes,
    *,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    max_output: int,
    grace: float,
) -> Ended:
    """Run a program in a session and process group of its own, and return how it ended.

    When it ends, and when the caller is cancelled, the whole group is killed: with SIGTERM and, once the program has
    ended or had ``grace`` seconds for that, SIGKILL. No shell is involved.

    Args:
        command: the program and its arguments.
        given: what it reads from stdin.
        cwd: the directory it runs in, or None for the current one.
        environment: its environment variables, or None for those of this process.
        max_output: bytes that it may write to stdout.
        grace: seconds from SIGTERM to SIGKILL.

    Raises:
        OSError: it cannot be run.
    """
    process = await trio.lowlevel.open_process(
        list(command),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=cwd,
        env=None if environment is None else dict(environment),
        start_new_session=True,
    )
    return await _Program(process, max_output, grace).run(given)


class _Program:
    """A program while it runs."""

    def __init__(self, process: trio.Process, max_output: int, grace: float) -> None:
        assert process.stdin is not None  # noqa: S101 - all three are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._grace = grace
        self._max_output = max_output
        self._written = bytearray()
        self._tail = bytearray()
        self._is_cut = False
        self._has_ended = trio.Event()

    async def run(self, given: bytes) -> Ended:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._feed, given)
                nursery.start_soon(self._listen)
                nursery.start_soon(self._keep_tail)
                await self._wait()
                self._signal(signal.SIGKILL)
                # A descendant that left the group may hold the pipes for ever.
                nursery.cancel_scope.deadline = trio.current_time() + _DRAIN
            self._take(_left_in(self._stdout))
            self._note(_left_in(self._stderr))
        finally:
            with trio.CancelScope(shield=True):
                await self._stop()
        return Ended(await self._process.wait(), bytes(self._written), bytes(self._tail), self._is_cut)

    async def _feed(self, given: bytes) -> None:
        # A program need not read what it is given.
        with suppress(trio.BrokenResourceError):
            await self._stdin.send_all(given)
        await self._stdin.aclose()

    async def _listen(self) -> None:
        with suppress(trio.BrokenResourceError):
            while chunk := await self._stdout.receive_some(_CHUNK):
                self._take(chunk)
                if self._is_cut:
                    await self._terminate()
                    return

    async def _keep_tail(self) -> None:
        with suppress(trio.BrokenResourceError):
            while chunk := await self._stderr.receive_some(_CHUNK):
                self._note(chunk)

    def _take(self, chunk: bytes | bytearray) -> None:
        self._written += chunk
        if len(self._written) > self._max_output:
            self._is_cut = True
            del self._written[self._max_output :]

    def _note(self, chunk: bytes | bytearray) -> None:
        self._tail += chunk
        del self._tail[:-_TAIL]

    async def _wait(self) -> None:
        """Wait until the program has ended, and leave it unreaped, so that nobody else gets its number."""
        if self._has_ended.is_set():
            return
        try:
            watched = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):  # not on Linux, or a kernel without it
            await self._process.wait()
        else:
            try:
                await trio.lowlevel.wait_readable(watched)
            finally:
                os.close(watched)
        self._has_ended.set()

    def _signal(self, number: signal.Signals) -> None:
        # It is its group's leader. macOS refuses signals to a group of which nobody is left but the dead.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _terminate(self) -> None:
        self._signal(signal.SIGTERM)
        with trio.move_on_after(self._grace):
            await self._wait()
        self._signal(signal.SIGKILL)

    async def _stop(self) -> None:
        if not self._has_ended.is_set():
            await self._terminate()
            await self._wait()
        await self._process.wait()
        for stream in self._stdin, self._stdout, self._stderr:
            await stream.aclose()


def _left_in(stream: trio.abc.ReceiveStream) -> bytes:
    """Return what is in a pipe now, a chunk at most: as much as a program that has ended can have left there."""
    assert isinstance(stream, trio.lowlevel.FdStream)  # noqa: S101 - as Trio makes them
    with suppress(BlockingIOError):
        return os.read(stream.fileno(), _CHUNK)
    return b""
