"""What single steps of an item cost, so that a ratio can be explained: each in a loop of its own, CPU time.

They are written out here as atrio does them; their sum is no measurement of atrio, as a step in a loop of its own finds
everything in the caches.
"""

import gc
import io
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from itertools import repeat
from operator import is_
from time import process_time
from typing import Any

import trio

import atrio
from atrio import TaskResult, TaskStatus
from atrio._stamps import new_run_id, utc_clock, utc_now
from atrio._tasks import BatchIdentity
from atrio.events import TaskEnd
from atrio.events._observing import current_listeners
from json_lines import task_line_of

TIMES = 50_000
PLACES = 50

# Set once, as atrio's own are in a batch.
_task: ContextVar[Any] = ContextVar("yardstick_task", default=None)


@dataclass(frozen=True)
class Step:
    """One step, done so many times by a function, which is async if the step is."""

    label: str
    repeated: Callable[[int], Awaitable[None] | None]

    def seconds(self) -> float:
        """Return the CPU seconds that it takes once."""

        async def main() -> float:
            began = process_time()
            waiting = self.repeated(TIMES)
            if waiting is not None:
                await waiting
            return (process_time() - began) / TIMES

        gc.collect()
        return trio.run(main)


async def _checkpoint(times: int) -> None:
    async def worker() -> None:
        for _ in repeat(None, times // PLACES):
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(PLACES):
            nursery.start_soon(worker)


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


def _event(index: int, now: Any) -> TaskEnd:
    return TaskEnd(
        "run", None, None, None, now, "batch", "task", "agent", index, "success", 0.5, 0.25, None, None, None
    )


def _events(times: int) -> None:
    now = utc_now()
    for index in range(times):
        _event(index, now)


def _identify(times: int) -> None:
    for outcome in _outcomes(1):
        for _ in repeat(None, times):
            _ = outcome.task_id


def _hand_over(times: int) -> None:
    event = _event(1, utc_now())
    with atrio.observe_only(lambda _: None):
        emit = current_listeners().emit
        for _ in repeat(None, times):
            emit(event)


def _lines(times: int) -> None:
    event, file = _event(1, utc_now()), io.BytesIO()
    for _ in repeat(None, times):
        file.write(task_line_of(event))


def steps() -> dict[str, Step]:
    """Return the steps by name."""
    all_steps = (
        Step("a checkpoint of Trio's, 50 tasks in turn: what the hand-written loop does for each item", _checkpoint),
        Step("ask for a pending cancellation", _checkpoint_if_cancelled),
        Step("pull the source in a context of its own", _pull),
        Step("copy the context variables before and after, and compare them", _compare),
        Step("set the context variable that says whose task it is", _set),
        Step("read Trio's clock, once of twice", _clock),
        Step("make an outcome and note status, times and output", _outcome),
        Step("take the time of day for an event, once of twice", _stamp),
        Step("make a frozen event object, once of twice", _events),
        Step("make a task's id, once of twice", _identify),
        Step("hand an event to a sink that does nothing, once of twice", _hand_over),
        Step("make a line of JSON of an event and write it to a buffer", _lines),
    )
    return {f"step {step.repeated.__name__.strip('_')}": step for step in all_steps}
