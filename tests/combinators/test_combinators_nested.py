"""Everything that combines agents is an agent: in stages, in batches, in each other; and records name who it was."""

import io
import json

import pytest
import structlog
import trio
from combinator_cases import Broken, broken, clock_at, echo, outcome_of

from atrio import (
    Agent,
    AgentPool,
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    FanOut,
    Pipeline,
    PoolMember,
    RateLimiter,
    Router,
    Stage,
    StageConfig,
)
from atrio.testing import ScriptedAgent, answer, fail

WRAPPERS = {
    "breaker": lambda agent: CircuitBreaker("b").guard(agent),
    "limiter": lambda agent: RateLimiter("l", 1000).guard(agent),
    "pool": lambda agent: AgentPool([agent, PoolMember(agent, 2)], pool_id="p"),
    "fallback": lambda agent: Fallback(agent, echo),
    "fan_out": lambda agent: FanOut({"x": agent}),
    "router": lambda agent: Router(lambda data: "x", {"x": agent}),
    "default": lambda agent: Router(lambda data: "y", {"x": broken}, agent),
    "pipeline": lambda agent: Pipeline("inner").add_stage(Stage("s", agent)),
}


def bare(output):
    while isinstance(output, dict):
        output = output["x"]
    return output


@pytest.mark.parametrize("outer", WRAPPERS)
@pytest.mark.parametrize("inner", WRAPPERS)
async def test_any_in_any_in_a_stage_and_in_a_batch(outer, inner, autojump_clock):
    agent = WRAPPERS[outer](WRAPPERS[inner](ScriptedAgent(answer(after=1))))
    assert isinstance(agent, Agent)
    assert bare(await Pipeline("p").add_stage(Stage("s", agent)).process(7)) == 7
    batch = await BatchProcessor(BatchConfig(max_concurrent=10)).map(agent, range(12))
    assert list(map(bare, batch.unwrap())) == list(range(12))


@pytest.mark.parametrize("outer", WRAPPERS)
async def test_cancelled_in_a_batch_all_is_free_again(outer, autojump_clock):
    agent = WRAPPERS[outer](ScriptedAgent(answer(after=1)))
    batch = await BatchProcessor(BatchConfig(max_concurrent=10, timeout=0.5)).map(agent, range(30))
    assert batch.status == "timeout"
    assert bare(await agent.process(1)) == 1


ids = {
    "breaker": "a",
    "limiter": "a",
    "pool": "p",
    "fallback": "a|echo",
    "fan_out": "a",
    "router": "a",
    "default": "broken/a",
    "pipeline": "inner",
}


@pytest.mark.parametrize("kind", WRAPPERS)
async def test_records_name_who_it_was(kind, autojump_clock):
    wrapped = WRAPPERS[kind](ScriptedAgent(agent_id="a"))
    assert getattr(wrapped, "agent_id", "inner") == ids[kind]
    result = await Pipeline("p").add_stage(Stage("s", wrapped)).execute(1)
    assert result.stages[0].agent_id == ids[kind]
    batch = await BatchProcessor().map(wrapped, [1])
    assert batch.results[0].agent_id == ids[kind]


def test_guards_keep_the_id_of_the_agent_however_many_there_are():
    guarded = CircuitBreaker("b").guard(RateLimiter("l", 1).guard(CircuitBreaker("c").guard(echo)))
    assert guarded.agent_id == "echo"
    assert "'b'" in repr(guarded)
    assert "'l'" in repr(guarded)


def test_long_ids_are_shortened_with_a_hash():
    agents = [ScriptedAgent(agent_id=letter * 150) for letter in "abc"]
    by_name = {agent.agent_id: agent for agent in agents}
    others = [*agents[:2], ScriptedAgent(agent_id="d" * 150)]
    for made, other in [
        (Fallback(*agents), Fallback(*others)),
        (FanOut(by_name), FanOut({agent.agent_id: agent for agent in others})),
        (Router(str, by_name), Router(str, {agent.agent_id: agent for agent in others})),
    ]:
        assert 1 <= len(made.agent_id) <= 200
        assert made.agent_id != other.agent_id
        Stage("s", made)


def test_what_they_are_made_of_can_be_looked_at():
    breaker, limiter, agent = CircuitBreaker("b"), RateLimiter("l", 1), ScriptedAgent()
    assert (breaker.guard(agent).breaker, breaker.guard(agent).agent) == (breaker, agent)
    assert (limiter.guard(agent).limiter, limiter.guard(agent).agent) == (limiter, agent)
    assert Fallback(agent, breaker.guard(agent)).agents[0] is agent
    for each in (
        *(breaker.guard(agent), limiter.guard(agent), Fallback(agent, agent), FanOut({"x": agent})),
        *(Router(str, {"x": agent}), AgentPool([agent], pool_id="p"), PoolMember(agent, 2)),
    ):
        assert "object at" not in repr(each).replace(repr(agent), "")


async def test_a_stage_retries_through_guards_and_pool(autojump_clock):
    agent = ScriptedAgent(fail(Broken, times=2), answer("done"))
    pool = AgentPool([CircuitBreaker("b").guard(RateLimiter("l", 10).guard(agent))], pool_id="p")
    result = await Pipeline("p").add_stage(Stage("s", pool, config=StageConfig(attempts=3))).execute(None)
    assert (result.output, result.stages[0].attempts) == ("done", 3)


async def test_an_open_breaker_deep_inside_is_not_retried(autojump_clock):
    breaker = CircuitBreaker("b", failure_threshold=1)
    agent = ScriptedAgent(fail(Broken))
    deep = WRAPPERS["router"](WRAPPERS["fan_out"](WRAPPERS["limiter"](breaker.guard(agent))))
    await outcome_of(deep)
    result = await Pipeline("p").add_stage(Stage("s", deep, config=StageConfig(attempts=5))).execute(None)
    assert (len(agent.calls), result.stages[0].attempts) == (1, 1)
    assert type(result.stages[0].error.exception) is CircuitOpenError


async def test_a_batch_larger_than_the_pool_waits_for_its_members(autojump_clock):
    members = [ScriptedAgent(answer(after=1), agent_id=name) for name in "ab"]
    pool = AgentPool([members[0], PoolMember(members[1], 3)], pool_id="p")
    batch = await BatchProcessor(BatchConfig(max_concurrent=20)).map(pool, range(40))
    assert batch.success_count == 40
    assert [agent.most_running for agent in members] == [1, 3]
    assert trio.current_time() == 10


@pytest.mark.parametrize("before", [False, True], ids=["first", "after-an-event-that-nobody-logged"])
def test_a_breakers_events_are_log_lines(before, structlog_reset):
    if before:  # the host configures its logging only now
        trio.run(outcome_of, CircuitBreaker("early", failure_threshold=1).guard(broken))
    out = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
    )

    async def story():
        breaker = CircuitBreaker("llm", failure_threshold=1, recovery_timeout=2)
        await outcome_of(breaker.guard(broken))
        await trio.sleep(3)
        await breaker.guard(echo).process(None)

    trio.run(story, clock=clock_at(0))
    lines = list(map(json.loads, out.getvalue().splitlines()))
    told = [(line["event"], line["level"], line["breaker"], line["run_id"]) for line in lines]
    assert told == [
        ("breaker.opened", "warning", "llm", None),
        ("breaker.half_opened", "info", "llm", None),
        ("breaker.closed", "info", "llm", None),
    ]
    assert (lines[0]["failures"], lines[0]["recovery_timeout_s"]) == (1, 2)
    assert [line["open_s"] for line in lines[1:]] == [3, 3]
    assert [line["seq"] - lines[0]["seq"] for line in lines] == [0, 1, 2]


NESTED = {
    "alone": lambda agent: agent,
    "behind another guard": CircuitBreaker("other").guard,
    "in a pool": lambda agent: AgentPool([echo, agent], pool_id="p"),
    "in a pool in a pool": lambda agent: AgentPool([AgentPool([agent], pool_id="q")], pool_id="p"),
    "a fallback": lambda agent: Fallback(echo, agent),
    "in a fan-out": lambda agent: FanOut({"x": agent}),
    "the default of a router": lambda agent: Router(str, {"x": echo}, agent),
    "in a pipeline": lambda agent: Pipeline("p").add_stage(Stage("s", agent)),
    "in a pool of pipelines": lambda agent: AgentPool([Pipeline("p").add_stage(Stage("s", agent))], pool_id="p"),
}


@pytest.mark.parametrize("nest", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("guard", [CircuitBreaker("twin"), RateLimiter("twin", 1)], ids=["breaker", "limiter"])
def test_a_guard_that_a_call_would_meet_twice_is_refused(nest, guard):
    inside = nest(guard.guard(echo))
    with pytest.raises(
        ValueError, match=r"^(circuit breaker|rate limiter) 'twin' guards .* already, or something in it"
    ):
        guard.guard(inside)
    guard.guard(nest(echo))


def test_a_guard_may_stand_before_what_is_side_by_side():
    breaker, limiter = CircuitBreaker("b"), RateLimiter("l", 1)
    one, other = (limiter.guard(breaker.guard(each)) for each in (ScriptedAgent(), ScriptedAgent()))
    pool = AgentPool([one, other], pool_id="p")
    assert CircuitBreaker("c").guard(RateLimiter("m", 1).guard(Fallback(pool, pool))).agent_id
