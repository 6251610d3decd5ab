"""Cancelling an async function at each of its checkpoints: `cancel_at_checkpoint`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from atrio._validation import check_count


class _CancelAt(trio.abc.Instrument):
    """Cancels a scope when a task has stopped for the nth time since it was watched."""

    def __init__(self, task: trio.lowlevel.Task, scope: trio.CancelScope, number: int) -> None:
        self._task = task
        self._scope = scope
        self._left = number

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


async def cancel_at_checkpoint(number: int, function: Callable[..., Awaitable[Any]], *args: Any) -> bool:
    """Call an async function and cancel it at one of its checkpoints.

    Call it with 1, 2, 3, ... until it returns False: so every way out of the function is taken once.

    Args:
        number: at which checkpoint of the calling task, from 1.
        function: the async function.
        args: its arguments.

    Returns:
        Whether it was cancelled: False if it ended before, or went on in spite of it.

    Raises:
        TypeError: `number` is no int.
        ValueError: `number` is below 1.
    """
    check_count(number, "number")
    with trio.CancelScope() as scope:
        instrument = _CancelAt(trio.lowlevel.current_task(), scope, number)
        trio.lowlevel.add_instrument(instrument)
        try:
            await function(*args)
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught
