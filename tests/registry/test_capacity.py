"""Capacity: calls at once over all instances of an agent, in order, whatever is cancelled, and never a deadlock."""

import math
import sys
import threading
import time
from functools import partial
from types import ModuleType

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import (
    AgentDefinition,
    AgentRegistry,
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    RegistryError,
    ResourceRequirements,
    Stage,
    StageConfig,
)
from atrio.testing import run_in_virtual_time

AGENTS = ModuleType("busy_agents")


class Busy:
    """Works for as many seconds as it is told to, and counts."""

    __module__ = AGENTS.__name__

    def __init__(self, log=None):
        self.log = log

    async def process(self, data):
        name, seconds = data
        log = self.log
        log.now += 1
        log.most = max(log.most, log.now)
        log.begun.append(name)
        try:
            await trio.sleep(seconds)
        finally:
            log.now -= 1
        log.ended.append(name)
        return name


class Calls:
    """Calls what it is given, inside its own call."""

    __module__ = AGENTS.__name__

    async def process(self, data):
        return await data()


class Fails:
    __module__ = AGENTS.__name__

    async def process(self, data):
        await trio.sleep(1)
        raise OSError(data)


class Log:
    def __init__(self):
        self.now = self.most = 0
        self.begun, self.ended = [], []


@pytest.fixture(autouse=True)
def agents_module(monkeypatch):
    for each in (Busy, Calls, Fails):
        monkeypatch.setattr(AGENTS, each.__name__, each, raising=False)
    monkeypatch.setitem(sys.modules, AGENTS.__name__, AGENTS)


def registry_of(**capacities):
    registry = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__])
    for name, capacity in capacities.items():
        made = AgentDefinition(name.rstrip("123").title(), AGENTS.__name__, [name], "any", "any")
        registry.register(name, made, capacity=capacity)
    return registry


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_it_bounds_the_calls_of_all_instances_and_keeps_their_order(capacity):
    registry, log = registry_of(busy=capacity), Log()

    async def use():
        async with trio.open_nursery() as nursery:
            for name in range(12):
                nursery.start_soon(registry.instantiate("busy", {"log": log}).process, (name, 1))
                await trio.testing.wait_all_tasks_blocked()
                free = max(capacity - name - 1, 0)
                assert registry.rank("busy")[0].availability == free / capacity
        return trio.current_time()

    assert run_in_virtual_time(use) >= 12 / capacity
    assert log.most == capacity
    # Those that were handed their places at the same instant begin in any order.
    together = [log.begun[start : start + capacity] for start in range(0, 12, capacity)]
    assert [name for group in together for name in sorted(group)] == list(range(12))
    assert registry.rank("busy")[0].availability == 1


CALLS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.none() | st.integers(0, 6)), max_size=12)


@settings(deadline=None)
@given(st.integers(1, 3), CALLS)
def test_whatever_is_cancelled_no_place_is_lost_and_nobody_jumps_the_line(capacity, calls):
    registry, log = registry_of(busy=capacity), Log()

    async def call(name, start, seconds, patience):
        await trio.sleep(start + name / 1000)
        with trio.move_on_after(math.inf if patience is None else patience + 1 / 7):
            await registry.instantiate("busy", {"log": log}).process(
                (name, seconds + name / 700)
            )  # no two end together

    async def use():
        async with trio.open_nursery() as nursery:
            for name, (start, seconds, patience) in enumerate(calls):
                nursery.start_soon(call, name, start, seconds, patience)
        log.most_before, log.most = log.most, 0
        async with trio.open_nursery() as nursery:
            for name in range(2 * capacity):
                nursery.start_soon(registry.instantiate("busy", {"log": log}).process, (f"then {name}", 1))

    run_in_virtual_time(use)
    assert log.most_before <= capacity
    assert log.most == capacity
    asked = sorted((start, name) for name, (start, _, _) in enumerate(calls))
    begun = [name for name in log.begun if isinstance(name, int)]
    assert begun == [name for _, name in asked if name in begun]
    assert {name for name, call in enumerate(calls) if call[2] is None} <= set(log.ended)


def test_a_place_is_given_back_by_a_failure():
    registry = registry_of(fails=1)

    async def use():
        made = registry.instantiate("fails")
        for _ in range(3):
            with pytest.raises(OSError, match="x"):
                await made.process("x")

    run_in_virtual_time(use)
    assert registry.rank("fails")[0].availability == 1


def test_calls_that_wait_when_the_breaker_opens_do_not_reach_the_agent():
    registry = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__])
    made = AgentDefinition("Fails", AGENTS.__name__, ["fails"], "any", "any")
    registry.register("fails", made, breaker=CircuitBreaker("b", failure_threshold=2), capacity=1)
    came = []

    async def call():
        try:
            await registry.instantiate("fails").process("x")
        except (OSError, CircuitOpenError) as error:
            came.append(type(error))

    async def use():
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(call)

    run_in_virtual_time(use)
    assert came == [OSError] * 2 + [CircuitOpenError] * 18


def test_where_nothing_is_stated_no_call_waits():
    registry, log = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__]), Log()
    made = AgentDefinition("Busy", AGENTS.__name__, ["busy"], "any", "any")
    registry.register("busy", made)
    busy = registry.instantiate("busy", {"log": log})
    free = []

    async def use():
        async with trio.open_nursery() as nursery:
            for name in range(20):
                nursery.start_soon(busy.process, (name, 1))
            await trio.testing.wait_all_tasks_blocked()
            free.append(registry.rank("busy")[0].reasons[2])
        return trio.current_time()

    assert run_in_virtual_time(use) == 1
    assert log.most == 20
    assert free == ["0 of 1 place free"], "it counts as one place in the ranking"


def test_a_batch_over_an_assembled_pipeline_has_its_own_limit_alone():
    registry, log = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__]), Log()
    registry.register("busy", AgentDefinition("Busy", AGENTS.__name__, ["busy"], "any", "any", {"log": None}))
    pipeline = registry.assemble(["busy"])
    pipeline.stages[0].agent.log = log

    async def use():
        return await BatchProcessor(BatchConfig(max_concurrent=50)).map(pipeline, [(n, 20.0) for n in range(100)])

    batch = run_in_virtual_time(use)
    assert (batch.status, log.most, batch.metrics.batch_duration_s) == ("success", 50, 40)


@pytest.mark.parametrize(("stated", "most"), [(None, 3), (2, 2), (5, 3)])
def test_what_the_machine_holds_is_kept_to_if_it_is_stated_what_a_call_takes(stated, most):
    machine = ResourceRequirements(memory_mb=100, cpu_cores=4)
    registry, log = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__], machine=machine), Log()
    takes = ResourceRequirements(memory_mb=33, cpu_cores=1)
    made = AgentDefinition("Busy", AGENTS.__name__, ["busy"], "any", "any", resource_requirements=takes)
    registry.register("busy", made, capacity=stated)
    busy = registry.instantiate("busy", {"log": log})

    async def use():
        async with trio.open_nursery() as nursery:
            for name in range(12):
                nursery.start_soon(busy.process, (name, 1))

    run_in_virtual_time(use)
    assert log.most == most


@pytest.mark.parametrize("came_before", [True, False])
def test_no_call_waits_for_a_place_while_the_breaker_is_open(came_before):
    """Neither those that come then, nor those that waited when it opened."""
    registry, log = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__]), Log()
    breaker = CircuitBreaker("b", failure_threshold=1)
    made = AgentDefinition("Busy", AGENTS.__name__, ["busy"], "any", "any")
    registry.register("busy", made, breaker=breaker, capacity=2)
    busy = registry.instantiate("busy", {"log": log})
    refused = []

    async def call(name):
        try:
            await busy.process((name, 30))
        except CircuitOpenError as error:
            refused.append((name, trio.current_time(), error.retry_after))

    async def use():
        async with trio.open_nursery() as nursery:
            for name in range(2):
                nursery.start_soon(call, name)
            await trio.sleep(1)
            if came_before:
                nursery.start_soon(call, 2)
                nursery.start_soon(call, 3)
                await trio.testing.wait_all_tasks_blocked()
            breaker.record_failure(breaker.admit(), OSError())
            if not came_before:
                nursery.start_soon(call, 2)
                nursery.start_soon(call, 3)
        breaker.record_success(0)
        await trio.sleep(60)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, 4)

    run_in_virtual_time(use)
    assert sorted(refused) == [(2, 1, 60), (3, 1, 60)]
    assert sorted(log.ended) == [0, 1, 4]
    assert breaker.statistics().refused == 2
    assert registry.rank("busy")[0].availability == 1


def test_a_call_within_a_call_takes_a_place_of_its_own_while_there_is_one():
    registry, log = registry_of(calls=2, busy=1), Log()
    busy, calls = registry.instantiate("busy", {"log": log}), registry.instantiate("calls")

    async def inner():
        return await calls.process(lambda: busy.process(("x", 1)))

    assert run_in_virtual_time(calls.process, inner) == "x"


def test_an_agent_that_would_wait_for_itself_is_refused():
    registry = registry_of(calls=2)
    calls = registry.instantiate("calls")

    async def third():
        return await calls.process(trio.lowlevel.checkpoint)

    async def second():
        return await calls.process(third)

    with pytest.raises(RegistryError, match="agent 'calls' would wait for ever: its capacity is 2") as caught:
        run_in_virtual_time(calls.process, second)
    assert caught.value.agent_id == "calls"
    assert registry.rank("calls")[0].availability == 1


def test_a_stage_does_not_try_it_again():
    registry = registry_of(calls=1)
    calls = registry.instantiate("calls")
    inner = Pipeline("inner").add_stage(Stage("s", calls, config=StageConfig(attempts=3, timeout=None)))

    async def use():
        result = await calls.process(lambda: inner.execute(trio.lowlevel.checkpoint))
        return result.stages[0].attempts, result.stages[0].error.error_type, trio.current_time()

    assert run_in_virtual_time(use) == (1, "RegistryError", 0)


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_call_that_sets_a_deadline_of_its_own_waits_for_it(timeout):
    """It goes on then, so that nobody waits for ever. A deadline around all of it changes nothing."""
    registry = registry_of(calls=1)
    calls = registry.instantiate("calls")

    async def try_again():
        with trio.move_on_after(5):
            await calls.process(trio.lowlevel.checkpoint)
        with pytest.raises(RegistryError, match="wait for ever"):
            await calls.process(trio.lowlevel.checkpoint)
        return trio.current_time()

    async def use():
        with trio.move_on_after(math.inf if timeout is None else timeout):
            return await calls.process(try_again)

    assert run_in_virtual_time(use) == 5


def test_whoever_waits_with_a_deadline_gives_its_place_to_others():
    registry = registry_of(calls1=1, calls2=1)
    one, two = registry.instantiate("calls1"), registry.instantiate("calls2")
    ended = []

    async def patient():
        await trio.sleep(2)
        await one.process(trio.lowlevel.checkpoint)

    async def impatient():
        await trio.sleep(1)
        with trio.move_on_after(5):
            await two.process(trio.lowlevel.checkpoint)

    async def call(agent, inner):
        await agent.process(inner)
        ended.append((inner.__name__, trio.current_time()))

    async def use():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, one, impatient)
            nursery.start_soon(call, two, patient)

    run_in_virtual_time(use)
    assert ended == [("impatient", 6), ("patient", 6)]


def test_asking_whether_calls_wait_for_each_other_is_quick():
    """Each agent of a layer waits for all of the next one: there are 2 ** 24 ways through."""
    layers = 24
    registry = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__])
    for name in [f"{layer}{side}" for layer in range(layers) for side in "ab"]:
        registry.register(name, AgentDefinition("Calls", AGENTS.__name__, ["calls"], "any", "any"), capacity=1)
    made = {name: registry.instantiate(name) for name in registry.agent_ids}

    async def call_both(layer):
        async with trio.open_nursery() as nursery:
            for side in "ab":
                nursery.start_soon(made[f"{layer}{side}"].process, trio.lowlevel.checkpoint)

    async def use():
        async with trio.open_nursery() as nursery:
            for side in "ab":
                nursery.start_soon(made[f"{layers - 1}{side}"].process, partial(trio.sleep, 100))
            await trio.testing.wait_all_tasks_blocked()
            for layer in range(layers - 2, -1, -1):
                for side in "ab":
                    nursery.start_soon(made[f"{layer}{side}"].process, partial(call_both, layer + 1))
                await trio.testing.wait_all_tasks_blocked()

    begun = time.process_time()
    run_in_virtual_time(use)
    assert time.process_time() - begun < 5


def test_two_agents_that_would_wait_for_each_other():
    registry = registry_of(calls1=1, calls2=1)
    one, two = registry.instantiate("calls1"), registry.instantiate("calls2")
    outcomes = []

    async def outer(first, second):
        async def inner():
            await trio.sleep(1)
            return await second.process(returned)

        try:
            outcomes.append(await first.process(inner))
        except RegistryError as error:
            outcomes.append(error.agent_id)

    async def returned():
        await trio.lowlevel.checkpoint()
        return "done"

    async def use():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outer, one, two)
            nursery.start_soon(outer, two, one)

    run_in_virtual_time(use)
    # One of them is refused, and gives its place to the other.
    assert outcomes[1] == "done"
    assert outcomes[0] in {"calls1", "calls2"}


def test_a_call_within_a_call_waits_where_a_place_will_become_free():
    registry, log = registry_of(calls=1, busy=1), Log()
    calls, busy = registry.instantiate("calls"), registry.instantiate("busy", {"log": log})

    async def use():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy.process, ("first", 5))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(calls.process, lambda: busy.process(("second", 1)))

    run_in_virtual_time(use)
    assert log.ended == ["first", "second"]


def test_a_task_left_behind_holds_no_place():
    """What it calls later waits as any call, though its context remembers the place."""
    registry = registry_of(calls=1)
    calls = registry.instantiate("calls")
    ended = []

    async def later():
        await trio.sleep(1)
        ended.append(await calls.process(done))

    async def done():
        await trio.sleep(1)
        return "done"

    async def use():
        async with trio.open_nursery() as nursery:

            async def leave_behind():
                await trio.lowlevel.checkpoint()
                nursery.start_soon(later)
                nursery.start_soon(later)

            await calls.process(leave_behind)

    run_in_virtual_time(use)
    assert ended == ["done", "done"]


@pytest.mark.parametrize("seconds", [0, 5])
@pytest.mark.parametrize("is_own_task", [True, False])
def test_a_call_that_another_only_started_waits_for_it(seconds, is_own_task):
    """The one that started it does not wait for it, so that nobody waits for ever, and nobody is refused."""
    registry = registry_of(calls=1)
    calls = registry.instantiate("calls")
    ended = []

    async def started():
        ended.append(await calls.process(done))

    async def done():
        await trio.sleep(1)
        return trio.current_time()

    async def use():
        async with trio.open_nursery() as nursery:

            async def start():
                async with trio.open_nursery():
                    nursery.start_soon(started)
                    await trio.sleep(seconds)

            if is_own_task:
                await calls.process(start)
            else:
                nursery.start_soon(calls.process, start)
        return trio.current_time()

    assert run_in_virtual_time(use) == ended[0] >= seconds + 1


PLANS = st.recursive(
    st.just(()), lambda plans: st.lists(st.tuples(st.integers(1, 3), plans), max_size=3).map(tuple), max_leaves=12
)


@settings(deadline=None)
@given(st.lists(st.integers(1, 2), min_size=3, max_size=3), PLANS)
def test_calls_within_calls_always_end(capacities, plan):
    """Whatever calls what, one after the other or at once: each call returns or is refused, and no place is lost."""
    registry = registry_of(**{f"calls{number}": capacity for number, capacity in enumerate(capacities, 1)})
    made = {number: registry.instantiate(f"calls{number}") for number in (1, 2, 3)}
    refused = []

    async def run(plan):
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            for number, inner in plan:
                nursery.start_soon(call, number, inner)

    async def call(number, inner):
        try:
            await made[number].process(lambda: run(inner))
        except RegistryError as error:
            refused.append(error)

    async def use():
        with trio.fail_after(1000):
            await run(plan)

    run_in_virtual_time(use)
    assert all(registry.rank(f"calls{number}")[0].availability == 1 for number in made)


def test_each_trio_loop_has_places_of_its_own():
    """A task cannot be woken from another loop, so that loops in several threads do not wait for each other."""
    registry = registry_of(busy=1)
    logs = [Log(), Log()]

    async def use(log):
        async with trio.open_nursery() as nursery:
            for name in range(50):
                nursery.start_soon(registry.instantiate("busy", {"log": log}).process, (name, 0))

    threads = [threading.Thread(target=trio.run, args=(use, log)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [log.most for log in logs] == [1, 1]
    assert [sorted(log.ended) for log in logs] == [list(range(50))] * 2
    assert registry.rank("busy")[0].availability == 1
