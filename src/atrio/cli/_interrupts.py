"""An interrupt (Ctrl-C) as a cancellation, so that what runs can record that it was cancelled."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def interrupt_cancels(scope: trio.CancelScope) -> Generator[None]:
    """Let the first SIGINT in the block cancel `scope`; a second one interrupts as ever.

    Trio would raise KeyboardInterrupt at whatever line is running, the recording of the run's end included.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # ignored, by whoever started us: in the background of a shell script
        yield
        return
    token = trio.lowlevel.current_trio_token()

    def interrupt(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        token.run_sync_soon(scope.cancel)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
