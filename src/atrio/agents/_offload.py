"""Where CPU-bound work runs: small inputs inline, large ones in a thread that hears of cancellation."""

from collections.abc import Callable
from typing import TypeVar

import trio

_T = TypeVar("_T")

Poll = Callable[[], object]
"""Called by the work after every chunk; raises when the work is no longer wanted."""

INLINE_BELOW = 50_000
"""Characters; what is shorter takes some 15 ms at most, less than a trip through a thread is worth."""


def no_poll() -> None:
    """Poll for nothing: what work does that cannot be cancelled."""


async def compute(work: Callable[[Poll], _T], size: int, limiter: trio.CapacityLimiter) -> _T:
    """Run ``work`` where it cannot hold up the event loop, and return what it returns.

    Args:
        work: The computation. It calls the `Poll` that it is given at least every 50 ms or so.
        size: How much work there is, in characters.
        limiter: Bounds the threads of the agent that asks.

    Raises:
        trio.Cancelled: When the caller is cancelled; the thread has then ended.
    """
    if size < INLINE_BELOW:
        await trio.lowlevel.checkpoint()
        return work(no_poll)
    return await trio.to_thread.run_sync(work, trio.from_thread.check_cancelled, limiter=limiter)
