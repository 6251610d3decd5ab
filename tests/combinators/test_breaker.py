"""Circuit breakers: when they open, what they let through, and what they do not count."""

import attrs
import pytest
import trio
from combinator_cases import Broken, Harmless, broken, echo, open_breaker, outcome_of, refused

from atrio import BreakerState, CircuitBreaker, CircuitOpenError
from atrio.testing import ScriptedAgent, answer, cancel_at_checkpoint, fail

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def test_its_defaults():
    breaker = CircuitBreaker("llm")
    assert (breaker.name, breaker.failure_threshold, breaker.recovery_timeout) == ("llm", 5, 60.0)
    assert (breaker.half_open_max_calls, breaker.trips_on, breaker.state) == (1, Exception, CLOSED)


async def test_consecutive_failures_open_it_and_a_success_between_them_does_not_let_them(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=3)
    good, bad = breaker.guard(echo), breaker.guard(broken)
    for _ in range(4):
        for _ in range(2):
            assert type(await outcome_of(bad)) is Broken
        assert await good.process(7) == 7
    assert breaker.state is CLOSED
    for expected in (CLOSED, CLOSED, OPEN):
        assert type(await outcome_of(bad)) is Broken
        assert breaker.state is expected


async def test_open_it_refuses_at_once_with_the_seconds_left_and_does_not_touch_the_agent(autojump_clock):
    agent = ScriptedAgent(fail(Broken))
    breaker = CircuitBreaker("llm", failure_threshold=1, recovery_timeout=60)
    guarded = breaker.guard(agent)
    assert type(await outcome_of(guarded)) is Broken
    assert await refused(guarded) == 60
    await trio.sleep(20)
    assert await refused(guarded) == 40
    await trio.sleep(39.5)
    with pytest.raises(CircuitOpenError, match="'llm'") as caught:
        await guarded.process(None)
    assert caught.value.retry_after == 0.5
    assert len(agent.calls) == 1
    assert trio.current_time() == 59.5


async def test_after_its_recovery_time_one_probe_goes_through_and_others_are_refused_with_0(autojump_clock):
    breaker = open_breaker(recovery_timeout=10)
    agent = ScriptedAgent(answer(after=5))
    guarded = breaker.guard(agent)
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guarded.process, None)
        await trio.testing.wait_all_tasks_blocked()
        assert breaker.state is HALF_OPEN
        for _ in range(3):
            assert await refused(guarded) == 0
    assert len(agent.calls) == 1
    assert breaker.state is CLOSED
    assert breaker.retry_after() is None


@pytest.mark.parametrize("probes", [1, 2, 3])
async def test_as_many_successes_as_probes_close_it(probes, autojump_clock):
    breaker = open_breaker(recovery_timeout=10, half_open_max_calls=probes)
    guarded = breaker.guard(echo)
    await trio.sleep(10)
    for number in range(probes):
        assert breaker.state is (HALF_OPEN if number else OPEN)
        await guarded.process(None)
    assert breaker.state is CLOSED


async def test_one_failed_probe_reopens_it_for_the_whole_time(autojump_clock):
    breaker = open_breaker(recovery_timeout=10, half_open_max_calls=3)
    await trio.sleep(10)
    await breaker.guard(echo).process(None)
    assert type(await outcome_of(breaker.guard(broken))) is Broken
    assert breaker.state is OPEN
    assert await refused(breaker.guard(echo)) == 10
    await trio.sleep(10)
    for _ in range(2):
        await breaker.guard(echo).process(None)
        assert breaker.state is HALF_OPEN  # successes before it reopened do not count
    await breaker.guard(echo).process(None)
    assert breaker.state is CLOSED


async def test_what_it_says_about_retrying_is_true(autojump_clock):
    """Who sleeps for as long as it says is not refused, whatever floats make of the sum."""
    for tenths in range(1, 200):
        breaker = open_breaker(recovery_timeout=tenths / 10)
        await trio.sleep(tenths / 30)
        await trio.sleep(await refused(breaker.guard(echo)))
        assert await breaker.guard(echo).process(tenths) == tenths


# What counts neither way.


async def test_cancellations_never_open_it(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=2)
    guarded = breaker.guard(ScriptedAgent(answer(after=10)))
    for _ in range(20):
        with trio.move_on_after(1):
            await guarded.process(None)
    assert breaker.state is CLOSED
    assert breaker.statistics().consecutive_failures == 0


async def test_nor_do_they_count_as_a_success(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=2)
    assert type(await outcome_of(breaker.guard(broken))) is Broken
    with trio.move_on_after(1):
        await breaker.guard(ScriptedAgent(answer(after=10))).process(None)
    assert type(await outcome_of(breaker.guard(broken))) is Broken
    assert breaker.state is OPEN


async def test_an_error_beside_the_cancellation_counts_no_more(autojump_clock):
    async def stubborn(data):
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("both", [cancelled, Broken()]) from None

    breaker = CircuitBreaker("b", failure_threshold=1)
    with pytest.RaisesGroup(Broken), trio.move_on_after(1):
        await breaker.guard(stubborn).process(None)
    assert breaker.state is CLOSED


@pytest.mark.parametrize("end", ["cancelled", "harmless"])
async def test_a_probe_that_counts_neither_way_gives_its_place_back(end, autojump_clock):
    breaker = open_breaker(recovery_timeout=10, trips_on=Broken)
    await trio.sleep(10)
    for _ in range(3):
        if end == "cancelled":
            with trio.move_on_after(1):
                await breaker.guard(ScriptedAgent(answer(after=10))).process(None)
        else:
            assert type(await outcome_of(breaker.guard(ScriptedAgent(fail(Harmless))))) is Harmless
        assert breaker.state is HALF_OPEN
    assert await breaker.guard(echo).process(1) == 1
    assert breaker.state is CLOSED


async def test_cancelled_at_any_checkpoint_a_probe_gives_its_place_back(autojump_clock):
    breaker = open_breaker(recovery_timeout=10)

    async def three_steps(data):
        for _ in range(3):
            await trio.sleep(1)

    await trio.sleep(10)
    number = 1
    while await cancel_at_checkpoint(number, breaker.guard(three_steps).process, None):
        assert breaker.state is HALF_OPEN
        assert breaker.retry_after() is None
        number += 1
    assert number == 4
    assert breaker.state is CLOSED


async def test_what_trips_it_not_counts_neither_way(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=2, trips_on=(Broken, OSError))
    script = [fail(Broken()), fail(Harmless(), times=5), fail(ConnectionError())]
    guarded = breaker.guard(ScriptedAgent(*script))
    for _ in range(6):
        await outcome_of(guarded)
        assert breaker.state is CLOSED
    await outcome_of(guarded)
    assert breaker.state is OPEN


@pytest.mark.parametrize(
    ("error", "opens"),
    [
        (ExceptionGroup("g", [Broken()]), True),
        (ExceptionGroup("g", [Harmless(), ExceptionGroup("h", [Broken()])]), True),
        (ExceptionGroup("g", [Harmless(), Harmless()]), False),
    ],
)
async def test_a_group_trips_it_if_anything_in_it_does(error, opens, autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1, trips_on=Broken)
    assert await outcome_of(breaker.guard(ScriptedAgent(fail(error)))) is error
    assert breaker.state is (OPEN if opens else CLOSED)


# Calls that began before it last changed state.


async def test_failures_in_flight_when_it_opened_are_not_looked_at(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)
    agent = ScriptedAgent(*(fail(Broken(), after=seconds) for seconds in (1, 2, 5, 9)))
    guarded = breaker.guard(agent)
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(outcome_of, guarded)
    assert trio.current_time() == 9
    assert await refused(guarded) == 2  # it opened at 1, and nothing after prolonged it
    assert breaker.statistics().opened == 1


@pytest.mark.parametrize("late", [fail(Broken(), after=15), answer(after=15)])
async def test_nor_what_comes_of_a_call_that_began_before_it_opened_while_its_probe_is_out(late, autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)
    guarded = breaker.guard(ScriptedAgent(late, fail(Broken()), answer(after=100)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outcome_of, guarded)
        await trio.testing.wait_all_tasks_blocked()
        assert type(await outcome_of(guarded)) is Broken
        await trio.sleep(10)
        nursery.start_soon(outcome_of, guarded)
        await trio.sleep(50)
        assert breaker.state is HALF_OPEN
        assert await refused(guarded) == 0
    assert breaker.state is CLOSED


async def test_a_cancelled_call_of_older_times_gives_no_place_back(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)
    agent = ScriptedAgent(answer(after=1000), fail(Broken()), answer(after=100))
    guarded = breaker.guard(agent)

    async def old():
        with trio.move_on_after(15):
            await guarded.process(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(old)
        await trio.testing.wait_all_tasks_blocked()
        await outcome_of(guarded)
        await trio.sleep(10)
        nursery.start_soon(guarded.process, None)
        await trio.sleep(20)
        assert await refused(guarded) == 0
    assert len(agent.calls) == 3


async def test_a_late_success_after_it_recovered_does_not_undo_new_failures(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=2, recovery_timeout=10)
    slow = breaker.guard(ScriptedAgent(answer(after=30)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow.process, None)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            await outcome_of(breaker.guard(broken))
        await trio.sleep(10)
        await breaker.guard(echo).process(None)
        assert breaker.state is CLOSED
        await outcome_of(breaker.guard(broken))
    assert breaker.statistics().consecutive_failures == 1
    await outcome_of(breaker.guard(broken))
    assert breaker.state is OPEN


# What it shows.


async def test_refused_calls_are_checkpoints_so_that_nobody_starves(autojump_clock):
    guarded = open_breaker().guard(echo)
    with trio.testing.assert_checkpoints():
        await outcome_of(guarded)
    with trio.move_on_after(0) as scope:
        while True:
            await outcome_of(guarded)
    assert scope.cancelled_caught


async def test_statistics_are_frozen_snapshots(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=3, recovery_timeout=10)
    before = breaker.statistics()
    for agent in (echo, broken, broken):
        await outcome_of(breaker.guard(agent))
    snapshot = breaker.statistics()
    assert (snapshot.name, snapshot.state, snapshot.consecutive_failures) == ("b", CLOSED, 2)
    assert (snapshot.calls, snapshot.failures, snapshot.refused, snapshot.opened) == (3, 2, 0, 0)
    await outcome_of(breaker.guard(broken))
    await refused(breaker.guard(echo))
    after = breaker.statistics()
    assert (after.state, after.calls, after.failures, after.refused, after.opened) == (OPEN, 4, 3, 1, 1)
    assert (before.calls, snapshot.calls) == (0, 3)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        snapshot.calls = 0


def test_states_are_values_in_lower_case():
    assert [str(state) for state in BreakerState] == ["closed", "open", "half_open"]


async def test_who_waited_for_a_change_and_is_gone_is_not_woken(autojump_clock):
    breaker = open_breaker(recovery_timeout=10)
    await trio.sleep(10)
    generation = breaker.admit()
    # As its weak reference is while another thread drops it.
    breaker._watchers[lambda: None] = trio.lowlevel.current_trio_token()
    breaker.give_back(generation)
    assert breaker.admit() == generation


class TakenFirst:
    """A lock that another thread had just before, which changed what the breaker counts by."""

    def __init__(self, breaker):
        self._breaker = breaker

    def __enter__(self):
        self._breaker._generation += 1

    def __exit__(self, *error):
        pass


@pytest.mark.parametrize("before", [CLOSED, HALF_OPEN])
async def test_what_ends_while_another_thread_changes_it_is_not_counted(before, autojump_clock):
    for record in (CircuitBreaker.record_success, lambda *call: CircuitBreaker.record_failure(*call, Broken())):
        breaker = CircuitBreaker("b", failure_threshold=1) if before is CLOSED else open_breaker(recovery_timeout=10)
        await trio.sleep(10)
        generation = breaker.admit()
        breaker._lock = TakenFirst(breaker)
        record(breaker, generation)
        assert breaker.state is before
