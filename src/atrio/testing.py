"""For tests of what is built on atrio: scripted agents, captured events, virtual time.

Nothing here needs a test framework. With pytest-trio the fixture ``autojump_clock`` gives an async test virtual time;
without it, or under Hypothesis, :func:`run_in_virtual_time` does.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import attrs
import trio
from trio.testing import MockClock

from atrio._stamps import Stamps, stamps
from atrio._validation import check_at_least, check_count, check_id
from atrio.events import Event, observe

__all__ = [
    "ECHO",
    "Call",
    "CapturedEvents",
    "ScriptedAgent",
    "Step",
    "answer",
    "cancel_at_checkpoint",
    "capture_events",
    "fail",
    "fixed_stamps",
    "run_in_virtual_time",
]

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class _Echo:
    def __repr__(self) -> str:
        return "ECHO"


ECHO: Final = _Echo()
"""Stands, as an answer, for what the agent was given."""


@attrs.frozen
class Step:
    """What a scripted agent does when called; made by :func:`answer` and :func:`fail`.

    Attributes:
        after: seconds on Trio's clock that it sleeps first. At 0 it does not even reach a checkpoint.
        error: what it raises then, or what makes that; None for nothing.
        value: what it returns if it raises nothing.
        times: for how many calls.
    """

    after: float = 0.0
    error: BaseException | Callable[[], BaseException] | None = None
    value: Any = ECHO
    times: int = 1


def answer(value: Any = ECHO, *, after: float = 0.0, times: int = 1) -> Step:
    """Return a step that answers.

    Args:
        value: the answer; by default what the agent was given.
        after: seconds on Trio's clock to sleep first.
        times: for how many calls.

    Raises:
        TypeError: `after` is no number, or `times` no int.
        ValueError: `after` is negative, or `times` below 1.
    """
    check_at_least(after, "after", 0)
    check_count(times, "times")
    return Step(after, None, value, times)


def _scripted_failure() -> OSError:
    return OSError("scripted failure")


def fail(
    error: BaseException | Callable[[], BaseException] = _scripted_failure,
    *,
    after: float = 0.0,
    times: int = 1,
) -> Step:
    """Return a step that raises.

    Args:
        error: what is raised: an exception, or a class or a function that makes a new one for each call; by default a
            new ``OSError``.
        after: seconds on Trio's clock to sleep first.
        times: for how many calls.

    Raises:
        TypeError: `error` is no exception, nor makes one, `after` is no number, or `times` no int.
        ValueError: `after` is negative, or `times` below 1.
    """
    makes_one = issubclass(error, BaseException) if isinstance(error, type) else callable(error)
    if not makes_one and not isinstance(error, BaseException):
        raise TypeError(f"error must be an exception, or a class or a function that makes one, not {error!r}")
    check_at_least(after, "after", 0)
    check_count(times, "times")
    return Step(after, error, None, times)


@attrs.define
class Call:
    """A call that a scripted agent received.

    Attributes:
        data: what it was given.
        started_at: Trio's time at its begin, in seconds.
        ended_at: Trio's time at its end, None while it runs.
        outcome: returned, raised, cancelled, or running.
    """

    data: Any
    started_at: float
    ended_at: float | None = None
    outcome: str = "running"


class ScriptedAgent:
    """An agent that does what it is told, and records its calls.

    Args:
        steps: what it does, in order; the last one goes on for ever. With none it echoes.
        agent_id: its id in records and events.

    Attributes:
        calls: every call so far, in order of their begin.
        running: how many calls run now.
        most_running: how many ran at once at most.

    Raises:
        TypeError: a step is none.
        ValueError: `agent_id` is no string of 1 to 200 characters.
    """

    def __init__(self, *steps: Step, agent_id: str = "scripted") -> None:
        for step in steps:
            if not isinstance(step, Step):
                raise TypeError(f"a step is made by answer(...) or fail(...), not {step!r}")
        self.agent_id: str = check_id(agent_id, "agent_id")
        self.calls: list[Call] = []
        self.running: int = 0
        self.most_running: int = 0
        self._steps = list(itertools.chain.from_iterable([step] * step.times for step in steps)) or [Step()]

    async def process(self, data: Any, /) -> Any:
        """Do the next step."""
        step = self._steps[min(len(self.calls), len(self._steps) - 1)]
        call = Call(data, trio.current_time())
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await _play(step)
            call.outcome = "returned"
        except trio.Cancelled:
            call.outcome = "cancelled"
            raise
        except BaseException:
            call.outcome = "raised"
            raise
        finally:
            self.running -= 1
            call.ended_at = trio.current_time()
        return data if step.value is ECHO else step.value


async def _play(step: Step) -> None:
    if step.after:
        await trio.sleep(step.after)
    if step.error is not None:
        raise step.error if isinstance(step.error, BaseException) else step.error()


class CapturedEvents(list[Event]):
    """The events of a block, in order."""

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class."""
        return [event for event in self if isinstance(event, kind)]

    @property
    def names(self) -> list[str]:
        """The events' dotted names."""
        return [event.event_name for event in self]


@contextlib.contextmanager
def capture_events() -> Generator[CapturedEvents]:
    """Collect the events of the block and of the tasks begun in it."""
    captured = CapturedEvents()
    with observe(captured.append):
        yield captured


@contextlib.contextmanager
def fixed_stamps(start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, seed: int = 0) -> Generator[None]:
    """Make run ids and times of day reproducible: with a MockClock and seeded jitter, a run is the same to the byte.

    Args:
        start: the time of day at which Trio's clock is 0.
        seed: of the run ids.
    """
    ids = random.Random(seed)  # noqa: S311 - reproducible is what these are for
    ordered = itertools.count()

    def new_run_id() -> str:
        # A UUIDv7 like any other, in the order of their making: a count in place of the time.
        return f"{next(ordered) << 80 | 7 << 76 | 2 << 62 | ids.getrandbits(62):032x}"

    def utc_now() -> datetime:
        try:
            return start + timedelta(seconds=trio.current_time())
        except RuntimeError:  # outside of Trio, where no time passes
            return start

    token = stamps.set(Stamps(new_run_id, utc_now))
    try:
        yield
    finally:
        stamps.reset(token)


def run_in_virtual_time(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run an async function with ``trio.run`` on a clock that jumps over every wait, and return what it returns.

    For tests that cannot be async themselves, as with Hypothesis. An agent that works in a thread needs real time.

    Args:
        function: the async function.
        args: its arguments.
    """
    return trio.run(function, *args, clock=MockClock(autojump_threshold=0))


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
