"""What an outage costs the agent behind a breaker that many tasks, agents and stages share; what events tell of it."""

from math import inf

import pytest
import trio
from combinator_cases import EXAMPLES, Broken, broken, echo, open_breaker, outcome_of
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import (
    Backoff,
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    Stage,
    StageConfig,
    observe,
)
from atrio.testing import ScriptedAgent, answer, capture_events, fail, run_in_virtual_time


class Outage:
    """An agent that is out of order for a time, and counts what that costs it."""

    agent_id = "outage"

    def __init__(self, begins, ends, takes):
        self.begins, self.ends, self.takes = begins, ends, takes
        self.begun, self.living = [], 0

    async def process(self, data):
        self.begun.append(trio.current_time())
        self.living += 1
        try:
            await trio.sleep(self.takes * (1 + data % 3))
        finally:
            self.living -= 1
        if self.begins <= trio.current_time() < self.ends:
            raise Broken
        return data


async def callers_of(guarded, callers, pause, until, patience):
    async def call(number):
        await trio.sleep(number / 64)
        while trio.current_time() < until:
            with trio.move_on_after(patience):
                await outcome_of(guarded, number)
            await trio.sleep(pause)

    async with trio.open_nursery() as nursery:
        for number in range(callers):
            nursery.start_soon(call, number)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(
    callers=st.integers(1, 12),
    takes=st.sampled_from([0, 1 / 8, 1 / 2, 2]),
    pause=st.sampled_from([1 / 4, 1]),
    threshold=st.integers(1, 5),
    recovery=st.sampled_from([1 / 2, 3, 10]),
    probes=st.integers(1, 3),
    length=st.sampled_from([0.3, 2, 9, 25]),
)
def test_an_outage_costs_no_more_than_it_may(callers, takes, pause, threshold, recovery, probes, length):
    async def run():
        begins, ends = 1, 1 + length
        agent = Outage(begins, ends, takes)
        breaker = CircuitBreaker(
            "b", failure_threshold=threshold, recovery_timeout=recovery, half_open_max_calls=probes
        )
        guarded = breaker.guard(agent)
        opened = []

        def note(event):
            if event.event_name == "breaker.opened":
                opened.append((trio.current_time(), agent.living))

        with observe(note):
            await callers_of(guarded, callers, pause, ends, inf)
        begun = [time for time in agent.begun if begins <= time < ends]
        in_flight = opened[0][1] if opened else callers
        # A success inside of the outage: begun before, it ends neither; and the first recovery may be half an outage.
        recoveries = int(length / recovery) + 1
        assert len(begun) <= threshold + in_flight + callers + probes * recoveries
        after = [time for time in begun if opened and time > opened[0][0]]
        assert len(after) <= probes * recoveries

    run_in_virtual_time(run)


async def test_a_stages_attempts_are_not_burned_on_an_open_one(autojump_clock):
    agent = ScriptedAgent(fail(Broken))
    breaker = CircuitBreaker("b", failure_threshold=2, recovery_timeout=60)
    stage = Stage("s", breaker.guard(agent), config=StageConfig(attempts=10, backoff=Backoff(initial=1)))
    result = await Pipeline("p").add_stage(stage).execute(None)
    assert len(agent.calls) == 2
    assert type(result.stages[0].error.exception) is CircuitOpenError
    assert result.stages[0].attempts == 3
    began = trio.current_time()
    result = await Pipeline("p").add_stage(stage).execute(None)
    assert (len(agent.calls), result.stages[0].attempts) == (2, 1)
    assert trio.current_time() == began  # no wait for retry_after either


async def test_a_stages_own_timeouts_are_cancellations_to_it(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1)
    stage = Stage("s", breaker.guard(ScriptedAgent(answer(after=10))), config=StageConfig(attempts=5, timeout=1))
    result = await Pipeline("p").add_stage(stage).execute(None)
    assert [failure.error_type for failure in result.stages[0].failures] == ["timeout"] * 5
    assert breaker.state == "closed"


async def test_many_agents_share_one(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=3, recovery_timeout=10)
    agents = [ScriptedAgent(fail(Broken), agent_id=f"a{number}") for number in range(5)]
    outcomes = [type(await outcome_of(breaker.guard(agent))) for agent in agents]
    assert outcomes == [Broken] * 3 + [CircuitOpenError] * 2
    assert [len(agent.calls) for agent in agents] == [1, 1, 1, 0, 0]


async def test_many_tasks_of_a_batch_share_one(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=5, recovery_timeout=1000)
    agent = ScriptedAgent(fail(Broken, after=1), agent_id="down")
    batch = await BatchProcessor(BatchConfig(max_concurrent=8)).map(breaker.guard(agent), range(100))
    assert len(agent.calls) <= 5 + 8
    kinds = [each.error.error_type for each in batch.results]
    assert kinds.count("CircuitOpenError") == 100 - len(agent.calls)
    assert {each.agent_id for each in batch.results} == {"down"}


@pytest.mark.parametrize("inside", [False, True])
async def test_events_tell_every_change_of_state(inside, autojump_clock):
    breaker = CircuitBreaker("llm", failure_threshold=2, recovery_timeout=10, half_open_max_calls=2)

    async def story():
        for _ in range(2):
            await outcome_of(breaker.guard(broken))
        await trio.sleep(12)
        await breaker.guard(echo).process(None)
        await outcome_of(breaker.guard(broken))
        await trio.sleep(11)
        for _ in range(2):
            await breaker.guard(ScriptedAgent(answer(after=3))).process(None)

    async def told(data):
        await story()

    with capture_events() as events:
        await (Pipeline("p").add_stage(Stage("s", told)).process(None) if inside else story())
    own = [event for event in events if event.event_name.startswith("breaker.")]
    assert [event.event_name.removeprefix("breaker.") for event in own] == [
        *("opened", "half_opened"),
        *("opened", "half_opened", "closed"),
    ]
    first, second, third, fourth, fifth = own
    assert {event.breaker for event in own} == {"llm"}
    assert [event.level for event in own] == ["warning", "info", "warning", "info", "info"]
    assert (first.failures, first.recovery_timeout_s) == (2, 10)
    assert (third.failures, third.recovery_timeout_s) == (1, 10)
    assert (second.open_s, fourth.open_s, fifth.open_s) == (12, 11, 17)
    assert all(event.run_id is None or inside for event in own)
    assert all(event.timestamp.tzinfo is not None for event in own)


async def test_refusals_and_calls_are_no_events(autojump_clock):
    breaker = open_breaker()
    with capture_events() as events:
        await outcome_of(breaker.guard(echo))
        await CircuitBreaker("c").guard(echo).process(None)
    assert events == []
