"""The registry's book-keeping: what it finds, in which order, and what that costs."""

import gc
import sys
import tracemalloc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from atrio import AgentDefinition, AgentRegistry, CircuitBreaker, RegistryError, ResourceRequirements
from atrio.registry.machine import beyond, places_on, this_machine

IDS = [f"agent{number}" for number in range(6)]
CAPABILITIES = ["reading", "sorting", "writing"]
SCHEMAS = ["text", "table", "any"]


def definition(capabilities=("work",), takes="text", gives="text", **others):
    return AgentDefinition("TextCleaner", "atrio.agents", capabilities, takes, gives, **others)


class RegistryMachine(RuleBasedStateMachine):
    """Against a dict: its order is that of registration, and what is replaced keeps its place."""

    def __init__(self):
        super().__init__()
        self.registry = AgentRegistry()
        self.model = {}
        self.snapshots = []

    @rule(
        agent_id=st.sampled_from(IDS),
        capabilities=st.lists(st.sampled_from(CAPABILITIES), min_size=1, max_size=3),
        takes=st.sampled_from(SCHEMAS),
        gives=st.sampled_from(SCHEMAS),
    )
    def register(self, agent_id, capabilities, takes, gives):
        self.model[agent_id] = definition(capabilities, takes, gives)
        self.registry.register(agent_id, self.model[agent_id])

    @rule(agent_id=st.sampled_from(IDS))
    def unregister(self, agent_id):
        if self.model.pop(agent_id, None) is not None:
            self.registry.unregister(agent_id)
            return
        with pytest.raises(RegistryError, match=f"no agent '{agent_id}' is registered"):
            self.registry.unregister(agent_id)

    @rule()
    def look(self):
        self.snapshots.append((self.registry.catalogue, dict(self.model)))
        del self.snapshots[:-3]

    @invariant()
    def the_registry_agrees(self):
        registry, model = self.registry, self.model
        assert registry.agent_ids == tuple(model)
        assert len(registry) == len(model)
        for agent_id in IDS:
            assert (agent_id in registry) == (agent_id in model)
            if agent_id in model:
                assert registry.get(agent_id) is model[agent_id]
        for capability in CAPABILITIES:
            assert registry.find_by_capability(capability) == having(model, capability)
            assert {each.agent_id for each in registry.rank(capability)} == set(having(model, capability))
        for schema in [*SCHEMAS, "unknown"]:
            assert registry.find_compatible(schema) == consuming(model, schema)

    @invariant()
    def snapshots_stay_as_they_were(self):
        for catalogue, model in [*self.snapshots, (self.registry.catalogue, self.model)]:
            assert dict(catalogue) == dict(catalogue.definitions) == model
            assert tuple(catalogue) == tuple(model)
            assert len(catalogue) == len(model)
            assert set(catalogue.capabilities) == {name for each in model.values() for name in each.capabilities}
            assert set(catalogue.input_schemas) == {each.input_schema for each in model.values()}
            assert set(catalogue.output_schemas) == {each.output_schema for each in model.values()}
            for capability in CAPABILITIES:
                assert catalogue.by_capability(capability) == having(model, capability)
            for schema in SCHEMAS:
                assert catalogue.consumers(schema) == consuming(model, schema)
                assert catalogue.by_input(schema) == tuple(
                    k for k, each in model.items() if each.input_schema == schema
                )
                assert catalogue.by_output(schema) == tuple(
                    k for k, each in model.items() if each.output_schema == schema
                )


def having(model, capability):
    return tuple(agent_id for agent_id, each in model.items() if capability in each.capabilities)


def consuming(model, schema):
    return tuple(agent_id for agent_id, each in model.items() if each.input_schema in {schema, "any"})


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def definitions(count):
    return [definition([f"c{i % 200}", f"c{i * 7 % 200}"], f"s{i % 500}", f"s{i * 3 % 500}") for i in range(count)]


def registered(count):
    registry = AgentRegistry()
    for number, each in enumerate(definitions(count)):
        registry.register(f"a{number}", each)
    return registry


class Lines:
    """Counts the lines of Python that are run: a cost that is the same on every machine."""

    def __enter__(self):
        self.count = 0
        self.former = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self.former)

    def trace(self, frame, event, argument):
        self.count += event == "line"
        return self.trace


def lines_of(function, *arguments):
    with Lines() as lines:
        function(*arguments)
    return lines.count


def bytes_of(function, *arguments):
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        function(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def register_all(registry, made):
    for number, each in enumerate(made):
        registry.register(f"a{number}", each)


def test_ten_times_as_many_registrations_cost_about_ten_times_as_much():
    few, many = definitions(200), definitions(2000)
    assert lines_of(register_all, AgentRegistry(), many) <= 11 * lines_of(register_all, AgentRegistry(), few)
    # What is not lines of Python, but copying in C, would be memory.
    assert bytes_of(register_all, AgentRegistry(), many) <= 15 * bytes_of(register_all, AgentRegistry(), few)


@pytest.mark.parametrize("look_up", ["find_by_capability", "find_compatible", "get", "rank"])
def test_lookups_cost_their_answer_whatever_the_size(look_up):
    costs = []
    for count in (100, 3000):
        registry = AgentRegistry()
        for number in range(count):
            registry.register(f"a{number}", definition([f"c{number}"], f"s{number}"))
        function, argument = getattr(registry, look_up), {"find_by_capability": "c7", "rank": "c7", "get": "a7"}
        argument = argument.get(look_up, "s7")
        assert function(argument)
        registry.register("a7", definition(["c7"], "s7"))  # so that nothing is remembered
        costs.append((lines_of(function, argument), bytes_of(function, argument)))
    (few_lines, _), (many_lines, many_bytes) = costs
    assert many_lines <= few_lines
    assert many_bytes < 10_000


def test_what_was_never_called_leaves_little_to_the_garbage_collector():
    """One object: looking at several of each of ten thousand agents would take longer than registering them."""
    registry, what = AgentRegistry(), definition()
    registry.register("the first", what)
    before = len(gc.get_objects())
    for number in range(1000):
        registry.register(f"agent{number}", what)
    assert len(gc.get_objects()) - before < 1100


def test_lookups_after_many_were_taken_out_cost_their_answer():
    registry = AgentRegistry()
    for number in range(3000):
        registry.register(f"a{number}", definition())
    for number in range(2999):
        registry.unregister(f"a{number}")
    assert registry.find_by_capability("work") == ("a2999",)
    assert bytes_of(registry.find_by_capability, "work") < 1000


def test_a_change_after_a_look_leaves_the_look_alone():
    registry = registered(50)
    catalogue = registry.catalogue
    assert registry.catalogue is catalogue
    before = dict(catalogue), catalogue.by_capability("c1"), catalogue.consumers("s1")
    registry.register("new", definition(["c1"], "s1", "s2"))
    registry.unregister("a1")
    assert (dict(catalogue), catalogue.by_capability("c1"), catalogue.consumers("s1")) == before
    assert "new" in registry.catalogue
    assert "a1" not in registry.catalogue
    assert repr(catalogue) == "<catalogue of 50>"
    assert repr(registry) == "<registry of 50>"


def test_what_is_replaced_keeps_its_place_and_what_comes_again_does_not():
    registry = AgentRegistry()
    for agent_id in "abc":
        registry.register(agent_id, definition())
    registry.register("a", definition(["other"]))
    registry.register("a", definition())
    assert registry.find_by_capability("work") == registry.agent_ids == ("a", "b", "c")
    assert registry.find_by_capability("other") == ()
    registry.unregister("a")
    registry.register("a", definition())
    assert registry.find_by_capability("work") == registry.find_compatible("text") == ("b", "c", "a")


def test_who_takes_anything_is_found_beside_who_takes_just_that():
    registry = AgentRegistry()
    for agent_id, takes in [("a", "any"), ("b", "text"), ("c", "any"), ("d", "table"), ("e", "text")]:
        registry.register(agent_id, definition(takes=takes))
    assert registry.find_compatible("text") == ("a", "b", "c", "e")
    assert registry.find_compatible("any") == registry.find_compatible("unknown") == ("a", "c")


@pytest.mark.parametrize("method", ["get", "unregister", "instantiate"])
def test_an_unknown_agent_is_an_error_with_the_nearest_names(method):
    registry = AgentRegistry()
    with pytest.raises(RegistryError, match=r"no agent 'cleaner' is registered; none is registered"):
        getattr(registry, method)("cleaner")
    for agent_id in ["text_cleaner", "text_analyzer", "x"]:
        registry.register(agent_id, definition())
    with pytest.raises(RegistryError, match="did you mean 'text_cleaner'") as caught:
        getattr(registry, method)("cleaner")
    assert caught.value.agent_id == "cleaner"
    assert caught.value.nearest == ("text_cleaner",)
    with pytest.raises(RegistryError, match="the nearest are 'text_cleaner', 'text_analyzer'") as caught:
        getattr(registry, method)("text_cleanr")
    with pytest.raises(RegistryError, match="there are text_cleaner, text_analyzer, x") as caught:
        getattr(registry, method)("zzz")
    assert caught.value.nearest == ()
    with pytest.raises(RegistryError, match="no agent 7 is registered"):
        getattr(registry, method)(7)


def test_of_many_names_some_are_shown():
    registry = registered(100)
    with pytest.raises(RegistryError, match=r"there are a0, .*, a7 and 92 more$"):
        registry.get("zzz")


def test_bad_arguments_of_register_leave_the_registry_alone():
    class Own(AgentDefinition):
        pass

    registry = AgentRegistry()
    own = Own("A", "m", ["work"], "any", "any")
    for arguments, options, error in [
        (("", definition()), {}, ValueError),
        ((" ", definition()), {}, ValueError),
        (("a" * 201, definition()), {}, ValueError),
        ((3, definition()), {}, ValueError),
        (("a", None), {}, TypeError),
        (("a", {"agent_class": "A"}), {}, TypeError),
        (("a", own), {}, TypeError),
        (("a", definition()), {"breaker": "b"}, TypeError),
        (("a", definition()), {"breaker": CircuitBreaker}, TypeError),
        (("a", definition()), {"capacity": 0}, ValueError),
        (("a", definition()), {"capacity": 1.5}, TypeError),
        (("a", definition()), {"capacity": True}, TypeError),
        (("a", definition()), {"capacity": "2"}, TypeError),
    ]:
        with pytest.raises(error):
            registry.register(*arguments, **options)
        assert registry.agent_ids == registry.find_by_capability("work") == ()
    with pytest.raises(TypeError, match="machine must be"):
        AgentRegistry(machine={"memory_mb": 3})


@pytest.mark.parametrize(
    ("machine", "needed", "capacity", "places"),
    [
        ((1000, 4), (100, 1), 2, 2),
        ((1000, 4), (300, None), 8, 3),
        ((1000, 4), (None, 2), 8, 2),
        ((1000, 4), (300, 2), 8, 2),
        ((1000, 4), (None, 0.5), 100, 8),
        ((1000, 4), (2000, None), 8, 1),
        ((1000, 4), (None, 5), 8, 1),
        ((None, None), (2000, 5), 8, 8),
        ((1000, 4), (None, None), 8, 8),
    ],
)
def test_a_machine_holds_so_many_calls_at_once(machine, needed, capacity, places):
    machine, needed = ResourceRequirements(*machine), ResourceRequirements(*needed)
    assert places_on(machine, needed, capacity) == places
    too_much = beyond(machine, needed)
    registry = AgentRegistry(machine=machine)
    registry.register("a", definition(resource_requirements=needed), capacity=capacity)
    (candidate,) = registry.rank("work")
    assert candidate.availability == (0 if too_much else 1)
    assert (too_much or f"{places} of {places} place") in str(candidate)


def test_the_machine_is_looked_up():
    assert this_machine().memory_mb >= 1
    assert this_machine().cpu_cores >= 1
