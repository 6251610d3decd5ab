"""Agents that do what they are told: `ScriptedAgent` and its steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import attrs
import trio

from atrio._validation import check_at_least, check_count, check_id


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
