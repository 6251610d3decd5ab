"""Used in one Trio loop and then in another, whose clock stands elsewhere: nothing starves or stays shut for ever."""

import threading

import pytest
import trio
from combinator_cases import Broken, broken, clock_at, echo, outcome_of, refused, run_without_spinning
from trio.testing import MockClock

from atrio import AgentPool, CircuitBreaker, CircuitOpenError, PoolMember, RateLimiter
from atrio.combinators import circuit_breaker
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


@pytest.mark.parametrize(("first", "second"), CLOCKS)
def test_a_look_from_another_loop_changes_nothing(first, second):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=1000)

    async def look():
        assert 999 < breaker.retry_after() <= 1000
        await trio.sleep(500)
        assert 499 < breaker.retry_after() <= 500

    async def use():
        await outcome_of(breaker.guard(broken))
        for _ in range(3):
            await trio.to_thread.run_sync(lambda: trio.run(look, clock=clock_at(second)))
        return breaker.retry_after()

    clock = MockClock()
    clock.jump(first)
    assert trio.run(use, clock=clock) == 1000


@pytest.mark.parametrize("recovery", [1, 60])
def test_the_recovery_time_passes_between_loops_and_outside_of_them(recovery, monkeypatch):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=recovery)
    trio.run(outcome_of, breaker.guard(broken))
    assert recovery - 1 < breaker.retry_after() <= recovery
    for _ in range(20):  # real clocks stand anywhere at the start of a loop
        error = trio.run(outcome_of, breaker.guard(echo))
        assert recovery - 1 < error.retry_after <= recovery
    now = circuit_breaker.elapsed_clock()
    monkeypatch.setattr(circuit_breaker, "elapsed_clock", lambda: now + recovery)
    assert breaker.retry_after() is None
    assert trio.run(outcome_of, breaker.guard(echo), 1) == 1
    assert breaker.state == "closed"


def test_a_pool_that_waits_in_another_loop_is_woken():
    """A task can only be woken in its own loop: whoever tries it from another one ends both."""
    breaker = CircuitBreaker("b", failure_threshold=1)
    waits, outcomes = threading.Event(), []

    async def use_a_pool(clock):
        breaker.record_failure(breaker.admit(), Broken())
        clock.jump(60)
        generation = breaker.admit()
        assert breaker.retry_after() == 0, "half-open, and its probe is out"
        pool = AgentPool([ScriptedAgent(answer(after=100), agent_id="slow"), breaker.guard(echo)], pool_id="p")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.process, 0)
            await trio.testing.wait_all_tasks_blocked()

            async def wait():
                outcomes.append(await pool.process(1))
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            generations.append(generation)
            waits.set()

    def first_loop():
        clock = MockClock()  # its time stands still
        try:
            trio.run(use_a_pool, clock, clock=clock)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            outcomes.append(error)

    async def close():
        breaker.record_success(generations[0])

    generations = []
    thread = threading.Thread(target=first_loop, daemon=True)
    thread.start()
    assert waits.wait(20)
    trio.run(close)
    thread.join(20)
    assert outcomes == [1]


def test_a_pool_whose_loop_has_ended_does_not_hinder_the_next():
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)
    pool = AgentPool([ScriptedAgent(answer(after=5)), breaker.guard(echo)], pool_id="p")

    async def wait_in_vain():
        await outcome_of(breaker.guard(broken))
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(pool.process, None)

    run_without_spinning(wait_in_vain)
    assert type(run_without_spinning(outcome_of, breaker.guard(echo))) is CircuitOpenError

    async def use():
        await trio.sleep(breaker.retry_after())
        return await outcome_of(breaker.guard(echo), 1)

    assert run_without_spinning(use) == 1
    assert breaker.state == "closed"


def test_threads_share_a_breaker():
    breaker = CircuitBreaker("b", failure_threshold=3, recovery_timeout=0.0001)
    errors = []

    async def use():
        pool = AgentPool([PoolMember(breaker.guard(echo), 2), PoolMember(breaker.guard(broken), 2)], pool_id="p")
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(outcome_of, pool, number)
                nursery.start_soon(outcome_of, breaker.guard(broken if number % 3 else echo))

    def loop():
        try:
            trio.run(use)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)


def test_events_outside_of_a_run_have_no_run_id():
    with capture_events() as events:
        run_without_spinning(outcome_of, CircuitBreaker("b", failure_threshold=1).guard(broken))
    assert [event.run_id for event in events] == [None]
