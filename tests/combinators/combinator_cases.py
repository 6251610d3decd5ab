"""What the tests of combinators share: runs that must not spin, refusals, and agents that keep a log."""

import os

import trio
from trio.testing import MockClock

from atrio import CircuitBreaker, CircuitOpenError

EXAMPLES = int(os.environ.get("ATRIO_EXAMPLES", "1000")) // 5
"""Random cases of each model; a tenfold before a release."""

FOR_EVER = 1e9


class _StepLimit(trio.abc.Instrument):
    """Cancels a scope if a task goes on and on while no time passes."""

    def __init__(self, scope, steps):
        self.scope, self.limit, self.steps, self.now = scope, steps, 0, None
        self.spun = False

    def before_task_step(self, task):
        now = trio.current_time()
        self.steps = self.steps + 1 if now == self.now else 1
        self.now = now
        if self.steps > self.limit:
            self.spun = True
            self.scope.cancel()


def run_without_spinning(function, *args, steps=20_000, clock=None):
    """Run an async function in virtual time; fail, instead of hanging, if it spins at one instant or waits for ever."""

    async def guarded():
        with trio.CancelScope(deadline=trio.current_time() + FOR_EVER) as scope:
            limit = _StepLimit(scope, steps)
            trio.lowlevel.add_instrument(limit)
            result = await function(*args)
        assert scope.cancelled_caught <= limit.spun, "it waits for ever"
        assert not limit.spun, f"more than {steps} steps of tasks at {limit.now} seconds"
        return result

    return trio.run(guarded, clock=clock or MockClock(autojump_threshold=0))


def clock_at(seconds):
    """Return a clock of another Trio loop, that begins elsewhere."""
    clock = MockClock(autojump_threshold=0)
    clock.jump(seconds)
    return clock


class Broken(Exception):
    pass


class Harmless(Exception):
    pass


async def echo(data):
    return data


async def broken(data):
    raise Broken(data)


async def outcome_of(agent, data=None):
    """Return what a call gives, or else what it raises."""
    try:
        return await agent.process(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error


async def refused(agent, data=None):
    """Return the seconds that a refused call says; fail if it was not refused."""
    error = await outcome_of(agent, data)
    assert type(error) is CircuitOpenError, error
    return error.retry_after


def open_breaker(name="b", **settings):
    """Return a breaker that opened just now."""
    breaker = CircuitBreaker(name, failure_threshold=1, **settings)
    breaker.record_failure(breaker.admit(), Broken())
    return breaker
