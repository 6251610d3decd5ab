"""Pools: random callers, capacities, jobs and cancellations against a plain model of places and a line before them."""

import heapq
from math import inf

import attrs
import trio
from combinator_cases import EXAMPLES, Broken, run_without_spinning
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrio import AgentPool, CircuitBreaker, CircuitOpenError, PoolMember

TICK = 1 / 64
# Callers come at ticks, jobs end between them, and cancellations between those: no two kinds at one instant.
JOB, CANCEL = TICK / 4, TICK / 1024


@attrs.frozen
class Caller:
    """Comes at a tick with a job of so many ticks, and leaves after so many, done or not."""

    comes: int
    job: int
    patience: float = inf

    @property
    def leaves(self):
        # A bit later for each who comes later, so that never two leave at one instant: then either may be first.
        return (self.comes + self.patience) * TICK + CANCEL * (1 + self.comes / 1024)


def expected_of(callers, capacities):
    """Return of each caller when and where it is served, None if it left the line; all jobs succeed.

    Jobs last a time of their own each (`JOB` and a bit), so that never two end at once.
    """
    active, calls = [0] * len(capacities), [0] * len(capacities)
    line, served, running = [], [None] * len(callers), []
    happenings = sorted((caller.comes * TICK, number) for number, caller in enumerate(callers))

    def serve(now):
        while line:
            free = [at for at, capacity in enumerate(capacities) if active[at] < capacity]
            if not free:
                return
            number = line.pop(0)
            member = min(free, key=lambda at: (active[at] / capacities[at], calls[at], at))
            active[member] += 1
            calls[member] += 1
            served[number] = (now, member)
            heapq.heappush(running, (min(now + duration(number, callers), callers[number].leaves), member))

    def until(time):
        while running and running[0][0] <= time:
            now, member = heapq.heappop(running)
            line[:] = [number for number in line if callers[number].leaves > now]
            active[member] -= 1
            serve(now)

    for time, number in happenings:
        until(time)
        line[:] = [each for each in line if callers[each].leaves > time]
        line.append(number)
        serve(time)
    until(inf)
    return served


def duration(number, callers):
    return callers[number].job * TICK + JOB + number * JOB / 64


class Worker:
    """A member that does each job in the job's own time, and counts."""

    def __init__(self, at, callers, log, fails=()):
        self.agent_id, self.at = f"worker-{at}", at
        self.callers, self.log, self.fails = callers, log, fails
        self.living = self.most_living = 0

    async def process(self, number):
        self.log[number] = (trio.current_time(), self.at)
        self.living += 1
        self.most_living = max(self.living, self.most_living)
        try:
            await trio.sleep(duration(number, self.callers))
        finally:
            self.living -= 1
        if number in self.fails:
            raise Broken(number)
        return number


async def play(pool, callers, outcomes):
    async def call(number, caller):
        with trio.CancelScope(deadline=caller.leaves) as scope:
            try:
                outcomes[number] = await pool.process(number)
            except (Broken, CircuitOpenError) as error:
                outcomes[number] = error
        if scope.cancelled_caught:
            outcomes[number] = "left"

    async with trio.open_nursery() as nursery:
        for number, caller in enumerate(callers):
            await trio.sleep_until(caller.comes * TICK)
            nursery.start_soon(call, number, caller)
            await trio.testing.wait_all_tasks_blocked()


def in_order(drawn):
    made, time = [], 0
    for gap, job, patience in drawn:
        time += gap
        made.append(Caller(time, job, patience))
    return made


callers = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 60), st.just(inf) | st.just(inf) | st.integers(0, 80)), max_size=25
)
capacities = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@settings(max_examples=EXAMPLES, deadline=None)
@given(callers, capacities)
@example([(1, 60, inf), (1, 60, inf), (1, 60, 5), (1, 60, inf), (1, 60, 30), (1, 60, inf)], [1])
def test_everybody_is_served_in_order_at_the_very_time_by_the_least_loaded(drawn, capacities):
    asked, log, outcomes = in_order(drawn), {}, {}
    workers = [Worker(at, asked, log) for at in range(len(capacities))]
    pool = AgentPool(list(map(PoolMember, workers, capacities)), pool_id="p")
    run_without_spinning(play, pool, asked, outcomes)
    expected = expected_of(asked, capacities)
    assert [log.get(number) for number in range(len(asked))] == expected
    for number, caller in enumerate(asked):
        begun = expected[number]
        in_time = begun is not None and begun[0] + duration(number, asked) < caller.leaves
        assert outcomes[number] == (number if in_time else "left")
    at_rest(pool, workers, capacities)


def at_rest(pool, workers, capacities):
    async def look():
        return pool.statistics()

    statistics = trio.run(look)
    assert statistics.waiting == 0
    assert [member.active for member in statistics.members] == [0] * len(capacities)
    assert all(worker.most_living <= capacity for worker, capacity in zip(workers, capacities, strict=True))
    assert [worker.living for worker in workers] == [0] * len(workers)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    callers,
    capacities,
    st.sets(st.integers(0, 24)),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    st.sampled_from([10 * TICK, 1.0]),
)
def test_with_failures_and_breakers_nobody_is_forgotten(drawn, capacities, fails, breakers_of, recovery):
    asked, log, outcomes = in_order(drawn), {}, {}
    shared = [
        CircuitBreaker(f"b{number}", failure_threshold=number + 1, recovery_timeout=recovery) for number in range(2)
    ]
    workers = [Worker(at, asked, log, fails) for at in range(len(capacities))]
    members = [
        shared[number].guard(worker) if number < 2 else worker
        for worker, number in zip(workers, breakers_of, strict=False)
    ]
    pool = AgentPool(list(map(PoolMember, members, capacities)), pool_id="p")
    run_without_spinning(play, pool, asked, outcomes)
    assert sorted(outcomes) == list(range(len(asked)))
    for number, outcome in outcomes.items():
        if outcome == "left":
            assert asked[number].patience < inf
        elif isinstance(outcome, CircuitOpenError):
            assert 0 <= outcome.retry_after <= recovery
            assert number not in log
        else:
            assert isinstance(outcome, Broken) == (number in fails)
            assert number in log
    begun = sorted((time, number) for number, (time, _) in log.items())
    assert [number for _, number in begun] == sorted(log)
    at_rest(pool, workers, capacities)
    counted = [member.failures for member in trio.run(statistics_of, pool).members]
    assert sum(counted) >= sum(isinstance(outcome, Broken) for outcome in outcomes.values())


async def statistics_of(pool):
    return pool.statistics()
