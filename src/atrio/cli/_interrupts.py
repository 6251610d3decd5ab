"""An interrupt (Ctrl-C, or a signal that asks to end) as a cancellation: what runs can record that it was cancelled."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from atrio.cli._exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_ASKING: Final = (signal.SIGTERM, signal.SIGHUP)
"""Signals besides SIGINT that ask to end: of whoever supervises the process, and of a terminal that is closed."""
_ENDED_BY_SIGNAL: Final = 128
"""What a shell adds to the number of the signal that ended a program."""


class Asked(KeyboardInterrupt):
    """A signal other than SIGINT asked to end.

    Args:
        text: what was done by then.
        number: that signal's.
    """

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


class Interrupt:
    """What an interrupt was, if there was one.

    Attributes:
        number: the number of the first signal; None as long as there was none.
    """

    number: int | None = None

    def raised(self, text: str) -> KeyboardInterrupt:
        """Return what to raise for it; its text says what was done by then."""
        return KeyboardInterrupt(text) if self.number in {None, signal.SIGINT} else Asked(text, self.number or 0)


@contextlib.contextmanager
def interrupt_cancels(
    scope: trio.CancelScope, *, insist: Callable[[int, object], object] | None = None
) -> Generator[Interrupt]:
    """Let the first SIGINT, SIGTERM or SIGHUP in the block cancel `scope`.

    A second one ends the process at once; a second SIGINT interrupts as ever, where `insist` does not say otherwise.
    Trio would raise KeyboardInterrupt at whatever line is running, the recording of the run's end included. Those that
    are ignored, as SIGHUP is under nohup, and SIGINT in the background of a shell script, are as before.
    """
    interrupt = Interrupt()
    before = {
        number: handler for number in (signal.SIGINT, *_ASKING) if _is_heeded(handler := signal.getsignal(number))
    }
    token = trio.lowlevel.current_trio_token()

    def obey(number: int, _frame: object) -> None:
        interrupt.number = number
        for each, handler in before.items():
            signal.signal(each, insist or (handler if each == signal.SIGINT else quit_at_once))
        token.run_sync_soon(scope.cancel)

    for number in before:
        signal.signal(number, obey)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_heeded(handler: object) -> bool:
    return callable(handler) or handler is signal.SIG_DFL


def quit_at_once(number: int, _frame: object) -> NoReturn:
    """End the process, whatever it waits for: a task deaf to its cancellation, a reader that does not read."""
    with contextlib.suppress(OSError):
        # Past sys.stderr, in the middle of whose work a signal may come.
        os.write(2, b"\natrio: interrupted twice, so it quits at once.\n")
    os._exit(_ENDED_BY_SIGNAL + number)


def exit_of_interrupt(error: BaseException) -> int:
    """Return the exit code of what an interrupt ended: what a shell reports of a program that the signal ended."""
    return _ENDED_BY_SIGNAL + error.number if isinstance(error, Asked) else Exit.INTERRUPTED
