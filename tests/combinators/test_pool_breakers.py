"""Pools of members behind circuit breakers: the open ones are passed over, and nobody who waits is forgotten."""

import trio
from combinator_cases import Broken, broken, echo, open_breaker, outcome_of, refused, run_without_spinning

from atrio import AgentPool, BreakerState, CircuitBreaker, CircuitOpenError, PoolMember
from atrio.testing import ScriptedAgent, answer, fail


def sleeper(seconds):
    return ScriptedAgent(answer(after=seconds))


async def test_a_member_whose_breaker_is_open_is_passed_over_until_it_recovers(autojump_clock):
    breaker = open_breaker(recovery_timeout=10)
    recovered = ScriptedAgent()
    pool = AgentPool([breaker.guard(recovered), echo], pool_id="p")
    for _ in range(4):
        await pool.process(None)
    assert recovered.calls == []
    await trio.sleep(10)
    await pool.process(None)
    assert (len(recovered.calls), breaker.state) == (1, BreakerState.CLOSED)


async def test_only_as_many_probes_as_it_admits_and_the_rest_goes_elsewhere(autojump_clock):
    breaker = open_breaker(recovery_timeout=10, half_open_max_calls=2)
    probed, other = sleeper(5), sleeper(5)
    pool = AgentPool([PoolMember(breaker.guard(probed), 10), PoolMember(other, 10)], pool_id="p")
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(pool.process, None)
    assert (probed.most_running, other.most_running) == (2, 10)


async def test_all_open_refuses_those_who_wait_too(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=30)
    pool = AgentPool([breaker.guard(ScriptedAgent(fail(Broken, after=1)))], pool_id="p")
    outcomes = []

    async def call():
        outcomes.append((await outcome_of(pool), trio.current_time()))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(call)
    assert [type(each) for each, _ in outcomes] == [Broken, CircuitOpenError, CircuitOpenError, CircuitOpenError]
    assert {each.retry_after for each, _ in outcomes[1:]} == {30}
    assert {time for _, time in outcomes} == {1}
    assert pool.statistics().waiting == 0


async def test_while_the_only_members_probes_are_out_a_refusal_says_0(autojump_clock):
    breaker = open_breaker(recovery_timeout=10)
    pool = AgentPool([PoolMember(breaker.guard(sleeper(5)), 3)], pool_id="p")
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.process, None)
        await trio.testing.wait_all_tasks_blocked()
        assert await refused(pool) == 0


def test_who_waits_is_served_by_a_breaker_that_recovers():
    async def run():
        breaker = open_breaker(recovery_timeout=10)
        pool = AgentPool([breaker.guard(echo), sleeper(100)], pool_id="p")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.process, None)
            await trio.testing.wait_all_tasks_blocked()
            await pool.process(None)
            assert trio.current_time() == 10
            nursery.cancel_scope.cancel()

    run_without_spinning(run)


def test_who_waits_beside_a_member_that_failed_and_opened_does_not_spin():
    async def run():
        breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)
        pool = AgentPool([breaker.guard(broken), sleeper(100)], pool_id="p")
        assert type(await outcome_of(pool)) is Broken
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome_of, pool)
            await trio.testing.wait_all_tasks_blocked()
            assert type(await outcome_of(pool)) is Broken
            assert trio.current_time() == 10
            nursery.cancel_scope.cancel()

    run_without_spinning(run)


def test_who_waits_is_served_when_a_shared_breaker_closes_by_somebody_elses_probe():
    async def run():
        breaker = open_breaker(recovery_timeout=10)
        shared = sleeper(5)
        pool = AgentPool([breaker.guard(echo), sleeper(1000)], pool_id="p")
        await trio.sleep(10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(breaker.guard(shared).process, None)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(pool.process, None)
            await trio.testing.wait_all_tasks_blocked()
            await pool.process(None)
            # Closed at 15; who looks only now and then may take a little longer.
            assert trio.current_time() <= 17
            nursery.cancel_scope.cancel()

    run_without_spinning(run)


async def test_what_leaves_a_member_that_was_chosen_as_it_opened_is_its_refusal(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1, recovery_timeout=10)
    pool = AgentPool([PoolMember(breaker.guard(broken), 5)], pool_id="p")
    outcomes = []

    async def call():
        outcomes.append(type(await outcome_of(pool)))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(call)
    assert sorted(outcomes, key=str) == [Broken, *[CircuitOpenError] * 4] or outcomes.count(Broken) == 1


async def test_two_pools_share_a_member_and_its_breaker(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=2, recovery_timeout=10)
    shared = breaker.guard(broken)
    pools = [AgentPool([shared], pool_id=str(number)) for number in range(2)]
    for pool in pools:
        assert type(await outcome_of(pool)) is Broken
    assert [await refused(pool) for pool in pools] == [10, 10]


async def test_what_only_looks_like_a_guard_is_not_looked_into(autojump_clock):
    class Endless:
        agent_id = "endless"

        def __init__(self, depth=0):
            self.depth = depth

        @property
        def agent(self):
            assert self.depth < 100, "looked into for ever"
            return Endless(self.depth + 1)

        async def process(self, data):
            return data

    class Shy:
        breaker = "mine"

        @property
        def agent(self):
            raise RuntimeError("none of your business")

        async def process(self, data):
            return data

    pool = AgentPool([Endless(), Shy()], pool_id="p")
    assert [await pool.process(1), await pool.process(2)] == [1, 2]


async def test_a_pools_refusals_are_checkpoints_so_that_nobody_starves(autojump_clock):
    pool = AgentPool([open_breaker().guard(echo)], pool_id="p")
    with trio.testing.assert_checkpoints():
        await refused(pool)
