"""Rate limiters: at once while there are tokens, then at the rate, in order; a cancelled waiter takes nothing."""

import attrs
import pytest
import trio
from combinator_cases import Broken, broken, echo, outcome_of

from atrio import CostError, Pipeline, RateLimiter, Stage, StageConfig, is_transient
from atrio.testing import ScriptedAgent, cancel_at_checkpoint


async def times_of(guarded, count):
    """Call at once so often, and return when the agent was called."""
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(guarded.process, number)
            await trio.testing.wait_all_tasks_blocked()
    return [call.started_at - began for call in guarded.agent.calls]


async def test_the_burst_is_the_rate_by_default(autojump_clock):
    assert RateLimiter("l", 5).burst == 5
    assert RateLimiter("l", 600, per=60).burst == 600
    guarded = RateLimiter("l", 4).guard(ScriptedAgent())
    assert await times_of(guarded, 8) == [0, 0, 0, 0, 0.25, 0.5, 0.75, 1]


async def test_per_stretches_the_rate(autojump_clock):
    guarded = RateLimiter("l", 6, per=60, burst=2).guard(ScriptedAgent())
    assert await times_of(guarded, 5) == [0, 0, 10, 20, 30]


async def test_unused_tokens_are_kept_up_to_the_burst(autojump_clock):
    limiter = RateLimiter("l", 2, burst=3)
    await times_of(limiter.guard(ScriptedAgent()), 3)
    await trio.sleep(1)
    assert limiter.statistics().tokens == 2
    await trio.sleep(1000)
    assert limiter.statistics().tokens == 3
    assert await times_of(limiter.guard(ScriptedAgent()), 5) == [0, 0, 0, 0.5, 1]


async def test_a_rate_below_1_lets_calls_through(autojump_clock):
    guarded = RateLimiter("l", 0.5).guard(ScriptedAgent())
    times = await times_of(guarded, 3)
    assert times[1:] == [times[0] + 2, times[0] + 4]


async def test_costs_are_weights(autojump_clock):
    agent = ScriptedAgent()
    limiter = RateLimiter("tokens", 10, burst=20, cost=len)
    guarded = limiter.guard(agent)
    async with trio.open_nursery() as nursery:
        for text in ["x" * 20, "x" * 5, "", "x" * 10]:
            nursery.start_soon(guarded.process, text)
            await trio.testing.wait_all_tasks_blocked()
    assert [(len(call.data), call.started_at) for call in agent.calls] == [(20, 0), (5, 0.5), (0, 0.5), (10, 1.5)]


async def test_a_small_one_does_not_overtake_a_big_one(autojump_clock):
    agent = ScriptedAgent()
    guarded = RateLimiter("l", 1, burst=10, cost=lambda data: data).guard(agent)
    async with trio.open_nursery() as nursery:
        for weight in [9, 10, 1]:
            nursery.start_soon(guarded.process, weight)
            await trio.testing.wait_all_tasks_blocked()
    assert [call.data for call in agent.calls] == [9, 10, 1]
    assert [call.started_at for call in agent.calls] == [0, 9, 10]


async def test_a_cost_above_the_burst_is_a_clear_error_at_once(autojump_clock):
    agent = ScriptedAgent()
    limiter = RateLimiter("llm", 10, burst=20, cost=lambda data: data)
    guarded = limiter.guard(agent)
    with pytest.raises(ValueError, match="llm") as caught:
        await guarded.process(21)
    assert "21" in str(caught.value)
    assert "20" in str(caught.value)
    assert await guarded.process(20) == 20  # it took nothing
    assert (len(agent.calls), trio.current_time()) == (1, 0)


async def test_a_cost_above_the_burst_does_not_wait_in_line_first(autojump_clock):
    guarded = RateLimiter("l", 1, burst=2, cost=lambda data: data).guard(echo)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(guarded.process, 2)
        await trio.testing.wait_all_tasks_blocked()
        assert type(await outcome_of(guarded, 3)) is CostError
        assert trio.current_time() == 0


@pytest.mark.parametrize("cost", [21, -1, float("inf")])
@pytest.mark.parametrize("retry_on", [is_transient, ValueError, lambda error: True])
async def test_a_cost_that_no_wait_would_help_ends_the_attempts(cost, retry_on, autojump_clock):
    limiter = RateLimiter("llm", 10, burst=20, cost=lambda data: cost)
    config = StageConfig(attempts=5, retry_on=retry_on)
    result = await Pipeline("p").add_stage(Stage("s", limiter.guard(echo), config=config)).execute(1)
    (record,) = result.stages
    assert (record.attempts, record.error.error_type, trio.current_time()) == (1, "CostError", 0)
    assert isinstance(record.error.exception, ValueError)


async def test_a_value_error_of_the_users_own_cost_is_retried(autojump_clock):
    def cost(data):
        raise ValueError("not counted yet")

    guarded = RateLimiter("llm", 10, cost=cost).guard(echo)
    result = await Pipeline("p").add_stage(Stage("s", guarded, config=StageConfig(attempts=3))).execute(1)
    assert (result.stages[0].attempts, result.stages[0].error.error_type) == (3, "ValueError")


@pytest.mark.parametrize("cost", ["many", None, True, float("nan"), float("inf"), -1, 1j, [1]])
async def test_a_cost_that_is_no_cost_is_refused_and_named(cost, autojump_clock):
    limiter = RateLimiter("llm", 10, cost=lambda data: cost)
    agent = ScriptedAgent()
    with pytest.raises((TypeError, ValueError), match="llm") as caught:
        await limiter.guard(agent).process(None)
    assert repr(cost) in str(caught.value)
    assert agent.calls == []
    assert limiter.statistics().tokens == 10


async def test_what_cost_raises_is_the_calls_own_failure(autojump_clock):
    limiter = RateLimiter("l", 1, cost=len)
    with pytest.raises(TypeError):
        await limiter.guard(echo).process(3)
    assert await limiter.guard(echo).process("x") == "x"


async def test_refused_calls_are_checkpoints_so_that_nobody_starves(autojump_clock):
    guarded = RateLimiter("l", 1, burst=1, cost=lambda data: 2).guard(echo)
    with trio.testing.assert_checkpoints():
        await outcome_of(guarded)


async def test_a_failed_call_has_taken_its_token(autojump_clock):
    limiter = RateLimiter("l", 2)
    assert type(await outcome_of(limiter.guard(broken))) is Broken
    assert limiter.statistics().tokens == 1


async def test_many_agents_share_one(autojump_clock):
    limiter = RateLimiter("l", 1)
    agents = [ScriptedAgent(agent_id=str(number)) for number in range(4)]
    async with trio.open_nursery() as nursery:
        for agent in agents:
            nursery.start_soon(limiter.guard(agent).process, None)
            await trio.testing.wait_all_tasks_blocked()
    assert [agent.calls[0].started_at for agent in agents] == [0, 1, 2, 3]


async def test_a_cancelled_waiter_takes_nothing_and_nobody_behind_it_is_forgotten(autojump_clock):
    agent = ScriptedAgent()
    guarded = RateLimiter("l", 1).guard(agent)

    async def call(number, patience):
        with trio.move_on_after(patience):
            await guarded.process(number)

    async with trio.open_nursery() as nursery:
        for number, patience in enumerate([9, 0.5, 9, 0.7, 1.5, 9]):
            nursery.start_soon(call, number, patience)
            await trio.testing.wait_all_tasks_blocked()
    assert [(call.data, call.started_at) for call in agent.calls] == [(0, 0), (2, 1), (5, 2)]


async def test_all_waiters_cancelled_at_once_leave_it_as_if_they_had_never_come(autojump_clock):
    limiter = RateLimiter("l", 1)
    await limiter.guard(echo).process(None)
    with trio.move_on_after(0.5):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(limiter.guard(echo).process, None)
    statistics = limiter.statistics()
    assert (statistics.waiting, statistics.tokens, statistics.calls) == (0, 0.5, 1)
    await limiter.guard(echo).process(None)
    assert trio.current_time() == 1


async def test_cancelled_at_any_checkpoint_it_takes_nothing(autojump_clock):
    limiter = RateLimiter("l", 1)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(limiter.guard(echo).process, None)
        await trio.testing.wait_all_tasks_blocked()
        number = 1
        while await cancel_at_checkpoint(number, limiter.guard(echo).process, None):
            assert limiter.statistics().waiting in {0, 2}
            number += 1
    assert number > 1
    assert limiter.statistics().waiting == 0
    assert limiter.statistics().calls == 4


async def test_statistics_are_frozen_snapshots(autojump_clock):
    limiter = RateLimiter("l", 2)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(limiter.guard(echo).process, None)
        await trio.testing.wait_all_tasks_blocked()
        snapshot = limiter.statistics()
    assert (snapshot.name, snapshot.tokens, snapshot.waiting, snapshot.calls) == ("l", 0, 3, 2)
    assert limiter.statistics().calls == 5
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        snapshot.waiting = 0


async def test_an_unused_bucket_is_full_whenever_it_was_made(autojump_clock):
    limiter = RateLimiter("l", 3)
    await trio.sleep(7)
    assert limiter.statistics().tokens == 3
    assert await times_of(limiter.guard(ScriptedAgent()), 3) == [0, 0, 0]


async def test_tiny_remainders_do_not_keep_it_awake(autojump_clock):
    """Rates of which no float holds the reciprocal: each call comes after one sleep, and they keep their pace."""
    await trio.sleep(1e6 / 3)
    guarded = RateLimiter("l", 3, per=0.7, burst=1).guard(ScriptedAgent())
    with trio.fail_after(100 * 0.7 / 3):
        times = await times_of(guarded, 100)
    assert times[-1] == pytest.approx(99 * 0.7 / 3)


async def costs(data):
    return 1


def test_an_async_cost_is_refused():
    with pytest.raises(TypeError, match="cost is async"):
        RateLimiter("l", 1, cost=costs)


@pytest.mark.parametrize("tokens", [-1, 3.5, float("nan")])
async def test_what_the_bucket_never_holds_cannot_be_taken(tokens):
    limiter = RateLimiter("l", 3)
    with pytest.raises(CostError, match="gives 0 to 3 tokens"):
        await limiter.take(tokens)
    assert limiter.statistics().tokens == 3


def test_it_says_what_it_is():
    assert repr(RateLimiter("model", 90, per=60, burst=10)) == "RateLimiter('model', rate=90, per=60, burst=10)"
