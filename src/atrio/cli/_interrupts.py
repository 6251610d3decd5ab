"""An interrupt (Ctrl-C) as a cancellation, so that what runs can record that it was cancelled."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, NoReturn

import trio

from atrio.cli._exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextlib.contextmanager
def interrupt_cancels(
    scope: trio.CancelScope, *, insist: Callable[[int, object], object] | None = None
) -> Generator[None]:
    """Let the first SIGINT in the block cancel `scope`; a second one interrupts as ever, or is `insist`'s to obey.

    Trio would raise KeyboardInterrupt at whatever line is running, the recording of the run's end included.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # ignored, by whoever started us: in the background of a shell script
        yield
        return
    token = trio.lowlevel.current_trio_token()

    def interrupt(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, insist or before)
        token.run_sync_soon(scope.cancel)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def quit_at_once(_number: int, _frame: object) -> NoReturn:
    """End the process, whatever it waits for: a task deaf to its cancellation, a reader that does not read."""
    with contextlib.suppress(OSError):
        # Past sys.stderr, in the middle of whose work a signal may come.
        os.write(2, b"\natrio: interrupted twice, so it quits at once.\n")
    os._exit(Exit.INTERRUPTED)
