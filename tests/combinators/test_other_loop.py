"""Used in one Trio loop and then in another, whose clock stands elsewhere: nothing starves or stays shut for ever."""

import pytest
import trio
from combinator_cases import Broken, broken, clock_at, echo, outcome_of, refused, run_without_spinning

from atrio import AgentPool, CircuitBreaker, RateLimiter
from atrio.testing import ScriptedAgent, answer, capture_events, fail

CLOCKS = [(1e6, 0), (0, 1e6), (5, 5)]


@pytest.mark.parametrize(("first", "second"), CLOCKS)
def test_a_limiter(first, second):
    limiter = RateLimiter("l", 2, burst=2)

    async def use():
        began = trio.current_time()
        for _ in range(6):
            await limiter.guard(echo).process(None)
        return trio.current_time() - began

    assert run_without_spinning(use, clock=clock_at(first)) == 2
    assert run_without_spinning(use, clock=clock_at(second)) <= 3


@pytest.mark.parametrize(("first", "second"), CLOCKS)
def test_a_limiter_whose_waiters_were_cancelled_with_the_first_loop(first, second):
    limiter = RateLimiter("l", 1)

    async def be_cancelled():
        with trio.move_on_after(0.5):
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(limiter.guard(echo).process, None)

    async def use():
        began = trio.current_time()
        await limiter.guard(echo).process(None)
        return trio.current_time() - began

    run_without_spinning(be_cancelled, clock=clock_at(first))
    assert run_without_spinning(use, clock=clock_at(second)) <= 1


@pytest.mark.parametrize(("first", "second"), CLOCKS)
def test_a_breaker_that_is_open(first, second):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)

    async def use():
        with trio.fail_after(10.5):
            while type(await outcome_of(breaker.guard(echo), 1)) is not int:
                assert await refused(breaker.guard(echo)) <= 10
                await trio.sleep(0.25)

    with capture_events() as events:
        run_without_spinning(outcome_of, breaker.guard(broken), clock=clock_at(first))
        run_without_spinning(use, clock=clock_at(second))
    assert events.names == ["breaker.opened", "breaker.half_opened", "breaker.closed"]
    assert [event.open_s >= 0 for event in events[1:]] == [True, True]
    assert breaker.state == "closed"


@pytest.mark.parametrize(("first", "second"), CLOCKS)
def test_a_breaker_that_is_half_open(first, second):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)

    async def leave_half_open():
        await outcome_of(breaker.guard(broken))
        await trio.sleep(10)
        with trio.move_on_after(1):
            await breaker.guard(ScriptedAgent(answer(after=5))).process(None)
        assert breaker.state == "half_open"

    with capture_events() as events:
        run_without_spinning(leave_half_open, clock=clock_at(first))
        run_without_spinning(breaker.guard(echo).process, None, clock=clock_at(second))
    assert breaker.state == "closed"
    # How long it was open is known to neither clock; but it was no time below nothing.
    assert events[-1].open_s >= 0


@pytest.mark.parametrize(("first", "second"), CLOCKS)
def test_a_pool_whose_members_failed(first, second):
    pool = AgentPool([ScriptedAgent(answer(after=10), agent_id="slow"), broken], pool_id="p")

    async def fail_a_few_times():
        for _ in range(4):
            await outcome_of(pool)

    async def use():
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(outcome_of, pool)
        return trio.current_time() - began

    run_without_spinning(fail_a_few_times, clock=clock_at(first))
    assert run_without_spinning(use, clock=clock_at(second)) <= 40


def test_a_pool_of_one_that_failed_as_the_first_loop_ended():
    pool = AgentPool([ScriptedAgent(fail(Broken), answer())], pool_id="p")

    async def use():
        began = trio.current_time()
        outcome = await outcome_of(pool, 1)
        return outcome, trio.current_time() - began

    run_without_spinning(outcome_of, pool, clock=clock_at(1e6))
    outcome, took = run_without_spinning(use, clock=clock_at(0))
    assert outcome == 1
    assert took <= 1


def test_events_outside_of_a_run_have_no_run_id():
    with capture_events() as events:
        run_without_spinning(outcome_of, CircuitBreaker("b", failure_threshold=1).guard(broken))
    assert [event.run_id for event in events] == [None]
