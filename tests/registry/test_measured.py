"""The wrapper that measures an agent's calls, and is otherwise not noticed."""

import copy
import gc
import inspect
import math
import sys
import traceback

import pytest
import trio

from atrio import Agent, AgentPool, CircuitBreaker, CircuitOpenError, Pipeline, Stage, StageConfig
from atrio.registry.measuring import Measured, MeasuredGuard, measured
from atrio.registry.performance import WINDOW, Calls, CallsSnapshot, Traffic
from atrio.registry.ranking import Standing, candidates_of
from atrio.testing import ScriptedAgent, answer, fail, run_in_virtual_time


class Broken(Exception):
    pass


class Echo:
    """An agent with attributes of all kinds."""

    temperature = 0.3

    def __init__(self):
        self.seen = []
        self._secret = 7

    def __len__(self):
        return len(self.seen)

    @property
    def last(self):
        return self.seen[-1]

    def forget(self):
        self.seen.clear()

    async def process(self, data):
        self.seen.append(data)
        return data


class Door:
    """An agent that has something to close."""

    def __init__(self):
        self.log = []

    async def __aenter__(self):
        self.log.append("open")
        return self

    async def __aexit__(self, *exc_info):
        self.log.append("closed")

    async def process(self, data):
        return data


def test_calls_are_measured_on_trios_clock():
    calls = Calls()
    agent = measured(ScriptedAgent(answer(after=2), fail(Broken, after=9), answer(after=4)), calls)

    async def run():
        assert await agent.process(1) == 1
        with pytest.raises(Broken):
            await agent.process(2)
        assert await agent.process(3) == 3

    run_in_virtual_time(run)
    known = calls.snapshot()
    assert (known.seen, known.failures, known.recent_failures, known.mean_s) == (3, 1, 1, 3.0)


@pytest.mark.parametrize("timeout", [5, 20, math.inf])
def test_a_cancelled_call_counts_as_neither(timeout):
    calls = Calls()
    agent = measured(ScriptedAgent(answer(after=9)), calls)

    async def run():
        with trio.move_on_after(timeout):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(agent.process, 1)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()

    run_in_virtual_time(run)
    assert calls.snapshot() == CallsSnapshot()


def test_a_call_whose_time_is_up_counts_as_failed():
    """Whoever's deadline it was: the agent did not answer in the time that it was given."""
    calls = Calls()
    agent = measured(ScriptedAgent(answer(after=9)), calls)

    async def run():
        with trio.move_on_after(5), trio.move_on_after(7):
            await agent.process(1)
        stage = Stage("s", agent, config=StageConfig(attempts=2, timeout=3))
        assert (await Pipeline("p").add_stage(stage).execute(1)).status == "failed"

    run_in_virtual_time(run)
    known = calls.snapshot()
    assert (known.seen, known.failures, known.active) == (3, 3, 0)


@pytest.mark.parametrize("cancel", [lambda scope: scope.cancel(), lambda scope: setattr(scope, "deadline", -5)])
def test_a_call_that_was_given_no_time_counts_as_neither(cancel):
    calls = Calls()
    agent = measured(ScriptedAgent(answer(after=9)), calls)

    async def run():
        await trio.sleep(1)
        with trio.CancelScope() as scope:
            cancel(scope)
            await agent.process(1)

    run_in_virtual_time(run)
    assert calls.snapshot() == CallsSnapshot()


def test_an_agent_that_hangs_loses_its_place():
    traffic = Traffic()
    hanging, rival = traffic.record_for(["c"]), traffic.record_for(["c"])
    agents = {
        "hanging": measured(ScriptedAgent(answer(after=100)), hanging),
        "rival": measured(ScriptedAgent(answer()), rival),
    }
    chosen = []

    async def run():
        for number in range(100):
            known = [Standing("hanging", 1.0, hanging.snapshot("c")), Standing("rival", 0.5, rival.snapshot("c"))]
            chosen.append(candidates_of(known)[0].agent_id)
            stage = Stage("s", agents[chosen[-1]], config=StageConfig(attempts=1, timeout=1))
            await Pipeline("p").add_stage(stage).execute(number)

    run_in_virtual_time(run)
    assert chosen[:50].count("rival") > 0
    assert chosen[50:].count("hanging") <= 3


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (ExceptionGroup("", [Broken()]), 1),
        (BaseExceptionGroup("", [Broken(), KeyboardInterrupt()]), 0),
        (KeyboardInterrupt(), 0),
        (TimeoutError(), 1),
        (trio.TooSlowError(), 1),
    ],
)
async def test_a_failure_is_an_exception_that_is_no_more_than_that(error, failures):
    calls = Calls()
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - whatever it is
        await measured(ScriptedAgent(fail(error)), calls).process(1)
    assert raised.value is error
    known = calls.snapshot()
    assert (known.seen, known.failures, known.active) == (failures, failures, 0)


async def test_errors_leave_as_they_are():
    async def agent(data):
        try:
            raise KeyError(data)
        except KeyError as error:
            raise Broken from error

    with pytest.raises(Broken) as raised:
        await measured(agent, Calls()).process("x")
    frames = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert frames[-2:] == ["process", "agent"]
    assert isinstance(raised.value.__cause__, KeyError)
    assert raised.value.__context__ is raised.value.__cause__


async def test_a_result_is_not_lost_to_a_cancellation_that_comes_after_it():
    calls = Calls()
    with trio.CancelScope() as scope:

        async def agent(data):
            scope.cancel()
            return data

        result = await measured(agent, calls).process("kept")
        assert result == "kept"
    assert calls.snapshot().seen == 1


def test_concurrent_and_nested_calls_are_all_counted():
    inner_calls, outer_calls, most = Calls(), Calls(), []
    inner = measured(ScriptedAgent(answer(after=1)), inner_calls, agent_id="inner")

    async def twice(data):
        most.append((outer_calls.snapshot().active, inner_calls.snapshot().active))
        return await inner.process(await inner.process(data))

    async def run():
        outer = measured(twice, outer_calls)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(outer.process, number)

    run_in_virtual_time(run)
    assert max(most) == (5, 4)
    assert (outer_calls.snapshot().seen, outer_calls.snapshot().mean_s) == (5, 2.0)
    assert (inner_calls.snapshot().seen, inner_calls.snapshot().active) == (10, 0)


def test_several_agents_share_a_record():
    calls = Calls()

    async def run():
        for agent in (measured(Echo(), calls), measured(Echo(), calls)):
            await agent.process(1)

    trio.run(run)
    assert calls.snapshot().seen == 2


def test_outside_of_trio_nothing_is_counted():
    calls, agent = Calls(), Echo()
    with pytest.raises(RuntimeError, match="async context"):
        measured(agent, calls).process(1).send(None)
    assert (calls.snapshot(), agent.seen) == (CallsSnapshot(), [])


@pytest.mark.parametrize("breaker", [None, CircuitBreaker("b")])
async def test_it_is_an_agent_like_any_other(breaker):
    agent = measured(Echo(), Calls(), breaker=breaker)
    assert isinstance(agent, Agent)
    assert inspect.iscoroutinefunction(agent.process)
    assert await Pipeline("p").add_stage(Stage("s", agent)).process(5) == 5
    assert (await AgentPool([agent], pool_id="pool").process(6), agent.seen) == (6, [5, 6])


@pytest.mark.parametrize("breaker", [None, CircuitBreaker("b")])
def test_attributes_pass_through(breaker):
    inner = Echo()
    agent = measured(inner, Calls(), breaker=breaker)
    agent.seen.append(1)
    assert (agent.temperature, agent.last, agent._secret) == (0.3, 1, 7)
    agent.forget()
    agent.temperature = 0.9
    assert (inner.temperature, Echo.temperature, inner.seen) == (0.9, 0.3, [])
    del agent.temperature
    assert agent.temperature == 0.3
    assert not hasattr(agent, "absent")
    with pytest.raises(AttributeError, match=r"'Echo' object has no attribute 'absent'"):
        _ = agent.absent
    with pytest.raises(AttributeError):
        agent.last = 2  # as its class has it: a property without a setter
    with pytest.raises(AttributeError):
        del agent.absent


@pytest.mark.parametrize("breaker", [None, CircuitBreaker("b")])
def test_what_does_not_pass_through(breaker):
    inner = Echo()
    agent = measured(inner, Calls(), breaker=breaker)
    innermost = agent if breaker is None else agent.agent
    assert innermost.agent is inner
    assert not isinstance(agent, Echo)
    assert not hasattr(agent, "__len__")
    for change in (lambda: setattr(agent, "process", 1), lambda: delattr(agent, "process")):
        with pytest.raises(AttributeError):
            change()
    with pytest.raises(AttributeError):
        agent.__dunder__ = 1


def test_an_object_not_yet_made_has_no_attributes():
    for kind in (Measured, MeasuredGuard):
        with pytest.raises(AttributeError):
            _ = kind.__new__(kind).anything
    with pytest.raises(TypeError, match="pickle"):
        copy.deepcopy(measured(Echo(), Calls()))


def test_its_id_is_the_agents_or_the_one_given():
    inner = ScriptedAgent(agent_id="own")
    assert measured(inner, Calls()).agent_id == "own"
    assert measured(inner, Calls(), breaker=CircuitBreaker("b")).agent_id == "own"
    assert measured(Echo(), Calls()).agent_id == "Echo"
    given = measured(inner, Calls(), agent_id="given", breaker=CircuitBreaker("b"))
    assert (given.agent_id, inner.agent_id) == ("given", "own")
    with pytest.raises(ValueError, match="agent_id must not be blank"):
        measured(inner, Calls(), agent_id=" ")
    with pytest.raises(TypeError, match="is not async"):
        measured(len, Calls())


@pytest.mark.parametrize("breaker", [None, CircuitBreaker("b")])
async def test_an_agent_that_has_something_to_close_is_entered(breaker):
    door, calls = Door(), Calls()
    first, second = (measured(door, calls, breaker=breaker) for _ in range(2))
    async with first as entered, second:
        assert entered is first
        assert door.log == ["open"]
    assert door.log == ["open", "closed"]
    async with measured(Echo(), calls, breaker=breaker) as entered:
        assert await entered.process(1) == 1


def test_a_breaker_stands_in_front():
    calls, breaker = Calls(), CircuitBreaker("b", failure_threshold=2, recovery_timeout=10)
    agent = measured(ScriptedAgent(fail(Broken, times=2), answer()), calls, agent_id="a", breaker=breaker)

    async def run():
        for _ in range(2):
            with pytest.raises(Broken):
                await agent.process(1)
        assert breaker.retry_after() == 10
        with pytest.raises(CircuitOpenError):
            await agent.process(1)
        assert calls.snapshot().seen == 2, "a refused call is none of the agent's"
        pool = AgentPool([agent, Echo()], pool_id="pool")
        assert await pool.process(2) == 2
        assert calls.snapshot().seen == 2, "a pool passes it over"
        await trio.sleep(10)
        assert breaker.retry_after() is None, "else nobody would probe it"
        assert await agent.process(3) == 3

    run_in_virtual_time(run)
    assert breaker.retry_after() is None
    assert repr(agent) == f"<<{agent.agent.agent!r}, measured> behind circuit breaker 'b'>"


def calls_made(agent, seen):
    """Return the calls of functions, Python's and C's, that a call of `agent` makes after so many."""
    made = []

    async def run():
        for number in range(seen):
            await agent.process(number)
        gc.collect()
        gc.disable()  # what it calls when it comes by is none of the agent's
        sys.setprofile(lambda frame, event, what: made.append(event) if event.endswith("call") else None)
        try:
            await agent.process(0)
        finally:
            sys.setprofile(None)
            gc.enable()

    trio.run(run)
    return made.count("call"), made.count("c_call") - 1  # the last one is setprofile itself


class Timed:
    """What a measured call takes at least: to look at the clock twice, and at the deadline."""

    async def process(self, data):
        trio.current_time()
        trio.current_effective_deadline()
        trio.current_time()
        return data


@pytest.mark.parametrize("seen", [0, 5, WINDOW // 2, WINDOW, WINDOW + 7, 2 * WINDOW + 3])
def test_measuring_costs_a_few_calls_however_many_were_seen(seen):
    timed = calls_made(Timed(), seen)
    python, c = calls_made(measured(Echo(), Traffic().record_for(["a"])), seen)
    assert python - timed[0] <= 3, "the wrapper, begin and succeed"
    assert c - timed[1] <= 5, "of the active calls, and of the new ones"
