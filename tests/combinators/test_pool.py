"""Pools: the least loaded member is next, callers wait in order, and nothing that is broken attracts the load."""

import attrs
import pytest
import trio
from combinator_cases import Broken, broken, echo, open_breaker, outcome_of, refused, run_without_spinning

from atrio import AgentPool, CircuitBreaker, CircuitOpenError, PoolMember, RateLimiter
from atrio.testing import ScriptedAgent, answer, cancel_at_checkpoint, fail, run_in_virtual_time


def sleeper(seconds, agent_id="sleeper"):
    return ScriptedAgent(answer(after=seconds), agent_id=agent_id)


def active(pool):
    return [member.active for member in pool.statistics().members]


def calls(pool):
    return [member.calls for member in pool.statistics().members]


async def test_the_next_call_goes_to_the_lowest_workload_and_ties_to_the_one_used_least(autojump_clock):
    big, small = sleeper(10), sleeper(10)
    pool = AgentPool([PoolMember(big, capacity=4), PoolMember(small, capacity=2)], pool_id="p")
    seen = []
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(pool.process, None)
            await trio.testing.wait_all_tasks_blocked()
            seen.append(active(pool))
    # 0/4 and 0/2, then 1/4 beats 0/2 never: the empty one first; 1/4 < 1/2; 2/4 = 1/2 goes to the one used less.
    assert seen == [[1, 0], [1, 1], [2, 1], [2, 2], [3, 2], [4, 2]]
    assert [member.workload for member in pool.statistics().members] == [0, 0]


async def test_one_after_the_other_calls_take_turns(autojump_clock):
    pool = AgentPool([sleeper(1), sleeper(5), echo], pool_id="p")
    for number in range(9):
        assert await pool.process(number) == number
    assert calls(pool) == [3, 3, 3]


async def test_never_above_a_capacity_and_callers_wait_in_order(autojump_clock):
    first, second = sleeper(1), sleeper(1)
    pool = AgentPool([PoolMember(first, capacity=2), second], pool_id="p")
    served = []

    async def call(number):
        served.append(await pool.process(number))

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(call, number)
            await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().waiting == 9
    started = sorted((each.started_at, each.data) for agent in (first, second) for each in agent.calls)
    assert [data for _, data in started] == list(range(12))
    assert (first.most_running, second.most_running) == (2, 1)
    assert trio.current_time() == 4
    assert pool.statistics().waiting == 0


async def test_a_newcomer_does_not_overtake_those_who_wait(autojump_clock):
    pool = AgentPool([sleeper(1)], pool_id="p")
    served = []

    async def call(number, after):
        await trio.sleep(after)
        await pool.process(number)
        served.append(number)

    async with trio.open_nursery() as nursery:
        for number, after in enumerate([0, 0.1, 0.2, 0.9, 1, 1, 1.5, 2]):
            nursery.start_soon(call, number, after)
    assert sorted(served[4:6]) == [4, 5]
    assert served[:4] + served[6:] == [0, 1, 2, 3, 6, 7]


async def test_a_cancelled_waiter_is_passed_over(autojump_clock):
    agent = sleeper(1)
    pool = AgentPool([agent], pool_id="p")

    async def call(number, patience):
        with trio.move_on_after(patience):
            await pool.process(number)

    async with trio.open_nursery() as nursery:
        for number, patience in enumerate([9, 0.5, 1, 9, 2.5, 9]):
            nursery.start_soon(call, number, patience)
            await trio.testing.wait_all_tasks_blocked()
    assert [each.data for each in agent.calls if each.outcome == "returned"] == [0, 3, 5]
    assert active(pool) == [0]
    assert pool.statistics().waiting == 0
    assert trio.current_time() <= 3.5


async def test_cancelled_at_any_checkpoint_its_place_is_free_again(autojump_clock):
    pool = AgentPool([sleeper(1), sleeper(1)], pool_id="p")
    number = 1
    while await cancel_at_checkpoint(number, pool.process, None):
        assert active(pool) == [0, 0]
        number += 1
    assert number > 1
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(pool.process, None)
        await trio.testing.wait_all_tasks_blocked()
        assert active(pool) == [1, 1]
        number = 1
        while await cancel_at_checkpoint(number, pool.process, None):
            number += 1
            assert pool.statistics().waiting == 0
    assert number > 1
    assert active(pool) == [0, 0]


@pytest.mark.parametrize("capacities", [(1, 1), (4, 1, 1)])
@pytest.mark.parametrize("seconds", [(1.0, 1.0, 1.0), (0.5, 2.0, 4.0), (0.03, 3.0, 0.7)])
def test_members_of_unequal_speed_are_done_within_the_ideal_time_plus_the_longest_job(capacities, seconds):
    async def run():
        agents = [sleeper(each) for each in seconds[: len(capacities)]]
        pool = AgentPool(list(map(PoolMember, agents, capacities)), pool_id="p")
        jobs = 100 * sum(capacities)
        async with trio.open_nursery() as nursery:
            for _ in range(jobs):
                nursery.start_soon(pool.process, None)
        return jobs, trio.current_time()

    jobs, took = run_in_virtual_time(run)
    speed = sum(capacity / each for capacity, each in zip(capacities, seconds, strict=False))
    assert took <= jobs / speed + max(seconds[: len(capacities)]) + 1e-6


# Failing members.


async def load_of(*members, jobs=200, pause=0.0):
    """Give a pool jobs, and return how many calls each member got, and what came out."""
    pool = AgentPool(members, pool_id="p")
    outcomes = []

    async def call(number):
        outcomes.append(await outcome_of(pool, number))

    async with trio.open_nursery() as nursery:
        for number in range(jobs):
            nursery.start_soon(call, number)
            await trio.sleep(pause)
    return calls(pool), outcomes


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_member_that_fails_fast_does_not_attract_the_load(pause):
    given, outcomes = run_without_spinning(lambda: load_of(sleeper(1), broken, sleeper(1), pause=pause))
    assert sum(given) == 200
    # Its fair share is a third; at first nobody can know that it is broken.
    assert given[1] <= 200 / 3 + 10
    assert sum(isinstance(each, Broken) for each in outcomes) == given[1]


def test_nor_does_one_that_is_the_slower_ones_last_refuge():
    async def slow_failure(data):
        await trio.sleep(0.25)
        raise Broken

    given, _ = run_without_spinning(lambda: load_of(PoolMember(sleeper(1), capacity=3), slow_failure))
    assert given[1] <= 200 / 4 + 10


def unwilling_pool():
    return AgentPool([open_breaker(recovery_timeout=1e6).guard(echo)], pool_id="inner")


def unwilling_limited():
    return RateLimiter("l", 1000).guard(open_breaker(recovery_timeout=1e6).guard(echo))


def unwilling_behind_two():
    return CircuitBreaker("outer", failure_threshold=1000).guard(open_breaker(recovery_timeout=1e6).guard(echo))


@pytest.mark.parametrize("unwilling", [unwilling_pool, unwilling_limited, unwilling_behind_two])
def test_one_that_refuses_at_once_because_a_breaker_in_it_is_open_does_not_attract_the_load(unwilling):
    async def run():
        return await load_of(sleeper(1), unwilling())

    given, outcomes = run_without_spinning(run)
    assert given[1] <= 100 + 10
    assert sum(isinstance(each, int) for each in outcomes) >= 90


@pytest.mark.parametrize("unwilling", [unwilling_limited, unwilling_behind_two])
async def test_a_breaker_anywhere_among_the_guards_of_a_member_is_seen(unwilling, autojump_clock):
    pool = AgentPool([unwilling(), sleeper(1)], pool_id="p")
    for number in range(4):
        assert await pool.process(number) == number
    assert calls(pool) == [0, 4]


async def test_a_pool_of_broken_members_goes_on_failing_and_is_not_stuck(autojump_clock):
    pool = AgentPool([broken, broken], pool_id="p")
    for number in range(20):
        assert type(await outcome_of(pool, number)) is Broken
    assert trio.current_time() <= 20


async def test_a_failure_leaves_as_itself_and_is_counted(autojump_clock):
    error = Broken("mine")
    pool = AgentPool([ScriptedAgent(fail(error), answer(), agent_id="flaky")], pool_id="p")
    with pytest.raises(Broken) as caught:
        await pool.process(1)
    assert caught.value is error
    assert await pool.process(2) == 2
    (member,) = pool.statistics().members
    assert (member.calls, member.failures, member.active) == (2, 1, 0)


async def test_a_cancelled_call_is_no_failure(autojump_clock):
    pool = AgentPool([sleeper(1)], pool_id="p")
    with trio.move_on_after(0.5):
        await pool.process(None)
    (member,) = pool.statistics().members
    assert (member.calls, member.failures, member.active, member.resting) == (1, 0, 0, 0)
    with trio.fail_after(1.5):
        await pool.process(None)


# Statistics.


async def test_statistics_are_frozen_snapshots(autojump_clock):
    pool = AgentPool([PoolMember(sleeper(1, "a"), capacity=2), sleeper(1, "b")], pool_id="p")
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(pool.process, None)
        await trio.testing.wait_all_tasks_blocked()
        snapshot = pool.statistics()
    assert (snapshot.pool_id, snapshot.waiting) == ("p", 1)
    first, second = snapshot.members
    assert (first.agent_id, first.capacity, first.active, first.workload, first.calls) == ("a", 2, 2, 1.0, 2)
    assert (second.agent_id, second.capacity, second.active, second.workload, second.calls) == ("b", 1, 1, 1.0, 1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        snapshot.waiting = 0
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.active = 0
    assert active(pool) == [0, 0]


async def test_a_single_member_is_a_limit_of_how_many_calls_run_at_once(autojump_clock):
    agent = sleeper(1)
    pool = AgentPool([PoolMember(agent, capacity=3)], pool_id="p")
    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(pool.process, None)
    assert (agent.most_running, trio.current_time()) == (3, 3)


async def test_all_refused_is_one_refusal_with_the_smallest_retry_after(autojump_clock):
    slow = open_breaker("slow", recovery_timeout=60)
    await trio.sleep(1)
    quick = open_breaker("quick", recovery_timeout=20)
    pool = AgentPool([slow.guard(echo), quick.guard(echo)], pool_id="p")
    with pytest.raises(CircuitOpenError, match="'p'") as caught:
        await pool.process(None)
    assert caught.value.retry_after == 20
    await trio.sleep(5)
    assert await refused(pool) == 15
    assert calls(pool) == [0, 0]
