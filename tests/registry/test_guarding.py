"""Rate limiters and fallbacks of registered agents: their order, what they share, and what is refused."""

import sys
from types import ModuleType

import pytest
import trio

from atrio import (
    AgentDefinition,
    AgentPool,
    AgentRegistry,
    CircuitBreaker,
    CircuitOpenError,
    RateLimiter,
    RegistryError,
)
from atrio.testing import run_in_virtual_time

AGENTS = ModuleType("guarded_agents")


class Works:
    """Notes when it was called, and is open between."""

    __module__ = AGENTS.__name__

    def __init__(self, log=None, name="works", seconds=0):
        self.log = log
        self.name = name
        self.seconds = seconds
        self.is_open = False

    async def __aenter__(self):
        self.is_open = True
        return self

    async def __aexit__(self, *_):
        self.is_open = False

    def __repr__(self):
        return f"<{type(self).__module__}.{type(self).__name__} object>"

    async def process(self, data: str) -> str:
        self.log.append((self.name, trio.current_time()))
        await trio.sleep(self.seconds)
        return f"{self.name}: {data}"


class Fails(Works):
    __module__ = AGENTS.__name__

    async def process(self, data: str) -> str:
        await super().process(data)
        raise ConnectionError(f"{self.name} is down")


class Counts(Works):
    __module__ = AGENTS.__name__

    async def process(self, data: str) -> int:
        return len(await super().process(data))


@pytest.fixture(autouse=True)
def agents(monkeypatch):
    for kind in Works, Fails, Counts:
        setattr(AGENTS, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, AGENTS.__name__, AGENTS)


@pytest.fixture
def registry():
    return AgentRegistry(allowed_modules=[AGENTS.__name__, __name__])


def definition(kind="Works", name="works", takes="text", gives="answer"):
    return AgentDefinition(kind, AGENTS.__name__, ["work"], takes, gives, configuration={"name": name})


def made(registry, agent_id, log, **options):
    """Return an instance whose log is `log`, and that of those who take over for it."""
    agent = registry.instantiate(agent_id, {"log": log, **options})
    for other in getattr(agent, "agents", ())[1:]:
        other.log = log
    return agent


def test_a_limiter_bounds_the_calls_of_all_instances_together(registry):
    limiter = RateLimiter("endpoint", rate=1, per=10, burst=2)
    registry.register("works", definition(), limiter=limiter, capacity=9)
    log = []
    one, another = made(registry, "works", log), made(registry, "works", log)

    async def main():
        async with trio.open_nursery() as nursery:
            for agent in (one, another) * 2:
                nursery.start_soon(agent.process, "a")
        return limiter.statistics().calls

    assert run_in_virtual_time(main) == 4
    assert [when for _, when in log] == [0, 0, 10, 20]


def test_a_call_that_the_breaker_refuses_neither_waits_nor_takes_tokens(registry):
    limiter = RateLimiter("endpoint", rate=1, per=10, burst=1)
    breaker = CircuitBreaker("endpoint", failure_threshold=1)
    registry.register("fails", definition("Fails"), limiter=limiter, breaker=breaker)

    async def main():
        agent = made(registry, "fails", [])
        with pytest.raises(ConnectionError):
            await agent.process("a")
        with pytest.raises(CircuitOpenError):
            await agent.process("a")
        return trio.current_time(), limiter.statistics().calls

    assert run_in_virtual_time(main) == (0, 1)


def test_waiting_for_tokens_is_not_held_against_an_agent(registry):
    registry.register("works", definition(), limiter=RateLimiter("slow", rate=1, per=60, burst=1))
    registry.register("rival", definition())

    async def main():
        agent, rival = made(registry, "works", []), made(registry, "rival", [])
        for _ in range(25):
            await agent.process("a")
            await rival.process("a")

    run_in_virtual_time(main)
    assert [candidate.performance for candidate in registry.rank("work")] == [1, 1]


def test_others_take_over_in_order_behind_their_own_guards(registry):
    breakers = {name: CircuitBreaker(name, failure_threshold=2) for name in ("first", "second")}
    registry.register("first", definition("Fails", "first"), breaker=breakers["first"], fallback=["second", "third"])
    registry.register("second", definition("Fails", "second"), breaker=breakers["second"])
    registry.register("third", definition(name="third"))
    log = []

    async def main():
        agent = made(registry, "first", log)
        return [await agent.process("a") for _ in range(4)]

    assert run_in_virtual_time(main) == ["third: a"] * 4
    # Each is called until its own breaker opens.
    assert [name for name, _ in log] == ["first", "second", "third"] * 2 + ["third"] * 2


def test_those_that_take_over_do_so_without_their_own_fallback(registry):
    registry.register("ping", definition("Fails", "ping"), fallback=["pong"])
    registry.register("pong", definition("Fails", "pong"), fallback=["ping"])
    log = []

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            await made(registry, "ping", log).process("a")
        return [str(error) for error in caught.value.exceptions]

    assert run_in_virtual_time(main) == ["ping is down", "pong is down"]
    assert len(log) == 2


def test_their_capacity_is_that_of_all_instances(registry):
    registry.register("first", definition("Fails", "first"), fallback=["second"], capacity=2)
    registry.register("second", definition("Works", "second"), capacity=1)
    log = []

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(made(registry, "first", log).process, "a")
            nursery.start_soon(made(registry, "second", log, seconds=5).process, "a")

    run_in_virtual_time(main)
    assert [when for name, when in log if name == "second"] == [0, 5, 5]


def test_what_a_fallback_did_counts_for_who_did_it(registry):
    registry.register("first", definition("Fails", "first"), fallback=["second"])
    registry.register("second", definition(name="second"))

    async def main():
        agent = made(registry, "first", [])
        for _ in range(20):
            await agent.process("a")

    run_in_virtual_time(main)
    assert {each.agent_id: each.performance for each in registry.rank("work")} == {"first": 0, "second": 1}


def test_an_instance_is_entered_with_all_that_take_over(registry):
    registry.register("first", definition("Fails", "first"), fallback=["second"])
    registry.register("second", definition(name="second"))

    async def main():
        agent = made(registry, "first", [])
        async with agent:
            assert [each.is_open for each in agent.agents] == [True, True]
        assert [each.is_open for each in agent.agents] == [False, False]

    run_in_virtual_time(main)


def test_it_has_the_id_and_the_attributes_of_the_agent(registry):
    registry.register("first", definition("Fails", "first"), fallback=["second"], limiter=RateLimiter("slow", 1))
    registry.register("second", definition(name="second"), capacity=3)
    agent = made(registry, "first", [])
    assert (agent.agent_id, agent.name) == ("first", "first")
    agent.name = "renamed"
    assert agent.agents[0].name == "renamed"
    assert [stage.agent_id for stage in registry.assemble(["work"]).stages] == ["first"]
    assert repr(agent).endswith(
        "behind rate limiter 'slow'>, else <<<guarded_agents.Works object>, measured>, 3 at once>>"
    )


def test_overrides_are_for_the_agent_alone(registry):
    registry.register("first", definition("Fails", "first"), fallback=["second"])
    registry.register("second", definition(name="second"))
    agent = registry.instantiate("first", {"name": "other"})
    assert [each.name for each in agent.agents] == ["other", "second"]


def test_a_pool_does_not_pass_over_a_member_that_has_a_fallback(registry):
    breaker = CircuitBreaker("first", failure_threshold=1)
    registry.register("first", definition("Fails", "first"), fallback=["second"], breaker=breaker)
    registry.register("second", definition(name="second"))

    async def main():
        pool = AgentPool([made(registry, "first", [])], pool_id="pool")
        return [await pool.process("a") for _ in range(3)]

    assert run_in_virtual_time(main) == ["second: a"] * 3


def test_a_pool_passes_over_a_member_with_a_limiter_whose_breaker_is_open(registry):
    breaker = CircuitBreaker("first", failure_threshold=1)
    registry.register("first", definition("Fails", "first"), breaker=breaker, limiter=RateLimiter("first", 100))
    registry.register("second", definition(name="second"), limiter=RateLimiter("second", 100))
    log = []

    async def main():
        pool = AgentPool([made(registry, "first", log), made(registry, "second", log)], pool_id="pool")
        with pytest.raises(ConnectionError):
            await pool.process("a")
        for _ in range(3):
            await pool.process("a")

    run_in_virtual_time(main)
    assert [name for name, _ in log] == ["first", "second", "second", "second"]


def test_what_a_pipeline_promises_is_asked_of_all_that_may_answer(registry):
    registry.register("first", definition("Works", "first"), fallback=["second"])
    registry.register("second", definition("Counts", "second"))
    registry.assemble(["work"], input=str)
    with pytest.raises(TypeError, match="`process` of agent 'second' is annotated such that it gives int"):
        registry.assemble(["work"], output=str)


@pytest.mark.parametrize(
    ("guards", "error", "message"),
    [
        ({"limiter": 5}, TypeError, "limiter of agent 'works' must be a RateLimiter or None, not 5"),
        ({"breaker": 5}, TypeError, "breaker of agent 'works' must be a CircuitBreaker or None, not 5"),
        ({"fallback": "other"}, TypeError, "must be the ids of agents, in order, not 'other': write"),
        ({"fallback": None}, TypeError, "must be the ids of agents, in order, not None: write"),
        ({"fallback": [5]}, ValueError, "each id in the fallback of agent 'works' must be a string"),
        ({"fallback": ["other", "works"]}, ValueError, "fallback of agent 'works' names the agent itself"),
        ({"fallback": ["other", "third", "other"]}, ValueError, "fallback of agent 'works' names 'other' twice"),
    ],
)
def test_what_is_no_guard_is_refused(registry, guards, error, message):
    with pytest.raises(error, match=message):
        registry.register("works", definition(), **guards)
    assert "works" not in registry


def test_a_fallback_need_not_be_there_before_it_is_needed(registry):
    registry.register("first", definition("Fails", "first"), fallback=["secnd"])
    registry.register("second", definition(name="second"))
    with pytest.raises(RegistryError, match=r"'first' cannot be made: .* no agent 'secnd' .* did you mean 'second'\?"):
        registry.instantiate("first")
    registry.register("secnd", definition(name="second"))
    assert registry.instantiate("first").agents[1].agent_id == "secnd"


@pytest.mark.parametrize(
    ("takes", "gives", "why"),
    [
        ("table", "answer", "takes 'table', and the agent takes 'text'"),
        ("text", "number", "gives 'number', and the agent gives 'answer'"),
    ],
)
def test_a_fallback_must_be_able_to_stand_in(registry, takes, gives, why):
    registry.register("first", definition("Fails", "first"), fallback=["second"])
    registry.register("second", definition(name="second", takes=takes, gives=gives))
    with pytest.raises(RegistryError, match=f"'first' cannot be made: its fallback 'second' {why}"):
        registry.instantiate("first")


def test_one_that_takes_anything_can(registry):
    registry.register("first", definition("Fails", "first"), fallback=["second"])
    registry.register("second", definition(name="second", takes="any"))
    assert len(registry.instantiate("first").agents) == 2
