"""What single parts of an item cost, so that a ratio can be explained: each in a loop of its own.

They are written out here as atrio does them; their sum is no measurement of atrio, as a part in a loop of its own finds
everything in the caches.
"""

import io
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar, copy_context
from itertools import repeat
from operator import is_
from typing import Any

import trio

import atrio
from atrio import TaskResult, TaskStatus
from atrio._stamps import new_run_id, utc_clock, utc_now
from atrio._tasks import BatchIdentity
from atrio.events import TaskEnd
from atrio.events._observing import current_listeners
from benchmarks.json_lines import task_line_of
from benchmarks.micro.repeated import Repeated

PLACES = 50

# Set once, as atrio's own are in a batch.
_task: ContextVar[Any] = ContextVar("yardstick_task", default=None)


async def _checkpoint(times: int) -> None:
    async def worker(each: int) -> None:
        for _ in repeat(None, each):
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for place in range(PLACES):
            nursery.start_soon(worker, times // PLACES + (place < times % PLACES))


async def _checkpoint_if_cancelled(times: int) -> None:
    for _ in repeat(None, times):
        await trio.lowlevel.checkpoint_if_cancelled()


def _pull(times: int) -> None:
    pull, source, end = copy_context().run, iter(range(times)), object()
    for _ in repeat(None, times):
        pull(next, source, end)


def _compare(times: int) -> None:
    _task.set("a task")
    for _ in repeat(None, times):
        one = copy_context()
        other = copy_context()
        if not (len(one) == len(other) and all(map(is_, one.values(), other.values()))):
            raise RuntimeError("nothing was set")


def _set(times: int) -> None:
    for index in range(times):
        _task.set(index)


def _clock(times: int) -> None:
    now = trio.lowlevel.current_clock().current_time
    for _ in repeat(None, times):
        now()


def _outcomes(times: int) -> Iterator[TaskResult[int]]:
    identity = BatchIdentity(new_run_id(), utc_now())
    for index in range(times):
        outcome: TaskResult[int] = TaskResult(identity, index, "agent")
        outcome.queued_s = 0.5
        outcome.result = index
        outcome.status = TaskStatus.SUCCESS
        outcome.duration_s = 0.25
        yield outcome


def _outcome(times: int) -> None:
    for _ in _outcomes(times):
        pass


def _stamp(times: int) -> None:
    now = utc_clock()
    for _ in repeat(None, times):
        now()


def _made(index: int, now: Any) -> TaskEnd:
    return TaskEnd(
        "run", None, None, None, now, "batch", "task", "agent", index, "success", 0.5, 0.25, None, None, None
    )


def _event(times: int) -> None:
    now = utc_now()
    for index in range(times):
        _made(index, now)


def _identify(times: int) -> None:
    for outcome in _outcomes(1):
        for _ in repeat(None, times):
            _ = outcome.task_id


def _hand_over(times: int) -> None:
    event = _made(1, utc_now())
    with atrio.observe_only(lambda _: None):
        emit = current_listeners().emit
        for _ in repeat(None, times):
            emit(event)


def _line(times: int) -> None:
    event, file = _made(1, utc_now()), io.BytesIO()
    for _ in repeat(None, times):
        file.write(task_line_of(event))


PARTS: dict[str, Callable[[int], Awaitable[None] | None]] = {
    "checkpoint": _checkpoint,
    "cancelled": _checkpoint_if_cancelled,
    "pull": _pull,
    "compare": _compare,
    "set": _set,
    "clock": _clock,
    "outcome": _outcome,
    "stamp": _stamp,
    "event": _event,
    "identify": _identify,
    "hand-over": _hand_over,
    "line": _line,
}


class Step(Repeated):
    """One part of an item's work.

    Args:
        part: of `PARTS`.
    """

    def __init__(self, part: str) -> None:
        self.repeat = PARTS[part]

    def answer(self) -> str:
        """Do it a few times, and say that nothing was raised."""
        self.time(3)
        return "done"
