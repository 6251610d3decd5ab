"""One registry, used by many tasks and threads at once: whoever looks sees it as it was at one moment."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Barrier, Event

import attrs
import pytest
import trio

from atrio import AgentDefinition, AgentRegistry, RegistryError
from atrio.testing import run_in_virtual_time

THREADS = 4
EACH = 60


@pytest.fixture
def restless():
    """Let threads take turns far more often than they usually do, so that whatever can be torn is."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def definition(capability, takes, gives, score=1.0):
    return AgentDefinition(
        agent_class="Role",
        module_path="role_agents",
        capabilities=[capability],
        input_schema=takes,
        output_schema=gives,
        configuration={"role": capability},
        scores={capability: score},
    )


# `turncoat` is now the one, now the other, and always better than who does it steadily.
FIRST, SECOND = definition("one", "a", "b"), definition("two", "b", "c")
STEADY = {"steady-one": definition("one", "a", "b", 0.5), "steady-two": definition("two", "b", "c", 0.5)}
AS_FIRST, AS_SECOND = ("turncoat", "steady-two"), ("steady-one", "turncoat")


def turncoats_registry():
    registry = AgentRegistry(allowed_modules=["role_agents"])
    for agent_id, each in {**STEADY, "turncoat": FIRST}.items():
        registry.register(agent_id, each)
    return registry


def in_threads(*works):
    """Run functions at once, each in a thread of its own, and return what they return."""
    ready = Barrier(len(works))

    def run(work):
        ready.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [each.result() for each in [pool.submit(run, work) for work in works]]


def turning(registry, stop):
    for each in cycle([SECOND, FIRST]):
        registry.register("turncoat", each)
        if stop.is_set():
            return


def looks_of(registry):
    """Return what each of the registry's questions may be answered, whichever of the two the turncoat is."""
    return {
        "plan": (lambda: registry.plan(["one", "two"]), {AS_FIRST, AS_SECOND}),
        "suggest": (
            lambda: tuple(registry.suggest_pipelines("one", "two")),
            {(AS_FIRST, ("steady-one", "steady-two")), (AS_SECOND, ("steady-one", "steady-two"))},
        ),
        "find": (
            lambda: registry.find_by_capability("one"),
            {("steady-one", "turncoat"), ("turncoat", "steady-one"), ("steady-one",)},
        ),
        "rank": (
            lambda: tuple(candidate.agent_id for candidate in registry.rank("two")),
            {("turncoat", "steady-two"), ("steady-two",)},
        ),
        "get": (lambda: registry.get("turncoat").input_schema, {"a", "b"}),
        "length": (lambda: len(registry), {3}),
    }


@pytest.mark.parametrize("question", ["plan", "suggest", "find", "rank", "get", "length"])
def test_an_agent_that_is_replaced_is_never_seen_as_both(question, restless):
    registry, stop = turncoats_registry(), Event()
    ask, possible = looks_of(registry)[question]

    def asking():
        try:
            return {ask() for _ in range(2000)}
        finally:
            stop.set()

    _, *seen = in_threads(lambda: turning(registry, stop), asking, asking)
    assert set().union(*seen) <= possible


def test_nothing_that_many_threads_register_is_lost(restless):
    registry = AgentRegistry(allowed_modules=["role_agents"])

    def registering(thread):
        for number in range(EACH):
            registry.register(f"{thread}-{number}", definition(f"of-{number}".replace("-", "_"), "a", f"b{thread}"))
            if number % 3 == 0:
                registry.unregister(f"{thread}-{number}")

    in_threads(*(lambda thread=thread: registering(thread) for thread in range(THREADS)))
    kept = {f"{thread}-{number}" for thread in range(THREADS) for number in range(EACH) if number % 3}
    assert set(registry.agent_ids) == set(registry.find_compatible("a")) == kept
    assert len(registry) == len(kept)
    for number in range(EACH):
        expected = {f"{thread}-{number}" for thread in range(THREADS)} if number % 3 else set()
        assert set(registry.find_by_capability(f"of_{number}")) == expected


def test_one_of_two_who_unregister_an_agent_is_told_that_it_is_gone(restless):
    registry = AgentRegistry(allowed_modules=["role_agents"])

    def unregistering():
        try:
            registry.unregister("a")
        except RegistryError:
            return "refused"
        return "done"

    for _ in range(50):
        registry.register("a", FIRST)
        assert sorted(in_threads(unregistering, unregistering)) == ["done", "refused"]
        assert len(registry) == 0


def test_suggestions_are_of_the_moment_when_they_were_asked_for():
    registry = turncoats_registry()
    expected = list(registry.suggest_pipelines("one", "two"))
    found = iter(registry.suggest_pipelines("one", "two"))
    begun = list(islice(found, 1))
    registry.unregister("steady-one")
    registry.unregister("steady-two")
    assert begun + list(found) == expected
    assert list(registry.suggest_pipelines("one", "two")) == []


def test_instances_that_threads_make_at_once_share_a_capacity_and_a_record(restless):
    async def seconds_for(agents):
        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            for agent in agents:
                nursery.start_soon(agent.process, "anything")
        return trio.current_time() - begun

    for _ in range(30):
        registry = AgentRegistry(allowed_modules=["role_agents"])
        registry.register("slow", attrs.evolve(FIRST, agent_class="Slow"), capacity=1)
        agents = in_threads(*[lambda registry=registry: registry.instantiate("slow")] * THREADS)
        assert run_in_virtual_time(seconds_for, agents) == THREADS
        assert registry.rank("one")[0].reasons[1].startswith(f"neutral: {THREADS} of the 20 calls seen")


async def test_tasks_register_plan_and_run_while_others_do(autojump_clock):
    registry = turncoats_registry()
    ran = []

    async def turns():
        for each in islice(cycle([SECOND, FIRST]), EACH):
            registry.register("turncoat", each)
            await trio.sleep(1)

    async def runs(first_wait):
        await trio.sleep(first_wait)
        for _ in range(EACH // 3):
            pipeline = registry.assemble(["one", "two"])
            ran.append((pipeline.pipeline_id, await pipeline.process("as it is")))
            await trio.sleep(2.5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns)
        for task in range(THREADS):
            nursery.start_soon(runs, task / 4 + 0.1)
    assert len(ran) == THREADS * (EACH // 3)
    assert {pipeline_id for pipeline_id, _ in ran} == {"+".join(AS_FIRST), "+".join(AS_SECOND)}
    assert {output for _, output in ran} == {"as it is"}


def test_what_is_assembled_is_what_was_planned_whoever_registers_in_between(restless):
    registry, stop = turncoats_registry(), Event()

    def assembling():
        try:
            pipelines = [registry.assemble(["one", "two"]) for _ in range(100)]
        finally:
            stop.set()
        return {(each.pipeline_id, *(stage.agent.role for stage in each.stages)) for each in pipelines}

    _, *seen = in_threads(lambda: turning(registry, stop), assembling, assembling)
    assert set().union(*seen) <= {("+".join(AS_FIRST), "one", "two"), ("+".join(AS_SECOND), "one", "two")}
