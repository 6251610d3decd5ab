"""The mistakes that an earlier design's registry made, one test each: none of them may come back."""

import itertools
import os
from functools import partial

import pytest
from trio.testing import wait_all_tasks_blocked

from atrio import (
    BUILT_IN_AGENTS,
    AgentDefinition,
    AgentRegistry,
    Capability,
    PlanningError,
    RegistryError,
    ResourceRequirements,
    RunStatus,
)
from atrio.testing import run_in_virtual_time


def definition(capability="work", takes="text", gives="text", **others):
    return AgentDefinition(
        capabilities=[capability] if isinstance(capability, str) else capability,
        input_schema=takes,
        output_schema=gives,
        **{"agent_class": "TextCleaner", "module_path": "atrio.agents"} | others,
    )


def registry_of(definitions, **options):
    registry = AgentRegistry(**options)
    for agent_id, each in definitions.items():
        registry.register(agent_id, each)
    return registry


@pytest.mark.parametrize("order", [*itertools.permutations(["reads", "counts", "tells"])])
def test_25_a_producer_registered_before_its_consumer_was_never_matched(order):
    agents = {
        "reads": definition("reading", "file", "text"),
        "counts": definition("counting", "text", "figures"),
        "tells": definition("telling", "figures", "report"),
    }
    registry = registry_of({agent_id: agents[agent_id] for agent_id in order})
    assert registry.find_compatible("text") == ("counts",)
    assert list(registry.suggest_pipelines("reading", "telling")) == [("reads", "counts", "tells")]


def test_26_suggestions_came_twice_and_led_back_to_their_start_and_had_three_agents_at_most():
    length = 6
    links = {f"link{i}": definition(f"step{i}", f"s{i}", f"s{i + 1}") for i in range(length)}
    # It does what the first and what the last one do, and takes what it gives.
    both = {"loop": definition(["step0", f"step{length - 1}", "spare"], "s1", "s1")}
    registry = registry_of(links | both)
    found = list(registry.suggest_pipelines("step0", f"step{length - 1}"))
    assert found[0] == ("loop",)
    assert tuple(links) in found
    assert len(set(found)) == len(found)
    assert all(len(set(chain)) == len(chain) for chain in found)


def test_27_registering_again_left_the_old_entries_in_the_indices():
    registry = registry_of({"a": definition("old", "x", "y"), "b": definition("new", "y", "z")})
    registry.register("a", definition("new", "y", "z"))
    assert registry.find_by_capability("old") == registry.find_compatible("x") == ()
    assert sorted(registry.find_by_capability("new")) == sorted(registry.find_compatible("y")) == ["a", "b"]
    registry.unregister("a")
    assert registry.find_by_capability("new") == registry.find_compatible("y") == ("b",)


def test_27_getters_gave_out_what_the_registry_itself_goes_by():
    configuration = {"form": "NFC", "nested": {"list": [1]}}
    capabilities = ["work"]
    registry = registry_of({"a": definition(capabilities, configuration=configuration)})
    capabilities.append("other")
    configuration["nested"]["list"].append(2)
    assert registry.find_by_capability("other") == ()
    assert registry.get("a").configuration["nested"]["list"] == [1]
    assert isinstance(registry.find_by_capability("work"), tuple)
    assert isinstance(registry.find_compatible("text"), tuple)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("atrio.agents.text", "trio.run_process")],
)
def test_28_a_definition_could_run_anything(module, name, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    hostile = AgentDefinition(
        agent_class=name, module_path=module, capabilities=["work"], input_schema="any", output_schema="any"
    )
    registry = registry_of({"a": hostile})
    with pytest.raises(RegistryError, match="a"):
        registry.instantiate("a", {"command": "true"})
    assert ran == []


def test_30_greedy_planning_failed_where_a_chain_existed():
    registry = registry_of({
        "tempting": definition("first", "in", "nowhere", scores={"first": 1.0}),
        "modest": definition("first", "in", "on", scores={"first": 0.1}),
        "second": definition("second", "on", "out"),
    })  # fmt: skip
    assert registry.plan(["first", "second"]) == ("modest", "second")
    registry.unregister("modest")
    with pytest.raises(PlanningError, match="nowhere"):
        registry.plan(["first", "second"])


def test_31_the_built_ins_could_neither_import_nor_chain():
    for package in ("httpx2", "jinja2", "jmespath", "jsonschema_rs", "regex", "stop_words"):
        pytest.importorskip(package, reason=f"the ready-made agents need the extra `cli`: there is no {package}")
    registry = registry_of(BUILT_IN_AGENTS)
    told = {
        "json_transformer": {"expression": "@"},
        "json_validator": {"schema": {}},
        "webhook": {"url": "http://127.0.0.1:9"},
        "command_runner": {"command": ["true"]},
    }
    for asking in ("task_processor", "content_analyzer", "data_transformer"):
        told[asking] = {"base_url": "http://127.0.0.1:9"}
    for agent_id in BUILT_IN_AGENTS:
        assert registry.instantiate(agent_id, told.get(agent_id)).agent_id == agent_id
    whole = [Capability.DATA_TRANSFORMATION, Capability.CONTENT_ANALYSIS, Capability.REPORTING]
    for start in range(len(whole)):
        result = run_in_virtual_time(registry.assemble(whole[start:]).execute, "One sentence.  And another.")
        assert result.status is RunStatus.SUCCESS
        assert result.output.startswith("# Report")
    for start in whole:
        assert list(registry.suggest_pipelines(start, Capability.REPORTING, limit=1))


async def test_32_load_balancing_was_a_semaphore(nursery, autojump_clock):
    stuck = {name: AgentDefinition("Stuck", "role_agents", ["work"], "text", "text") for name in ("large", "small")}
    registry = AgentRegistry(allowed_modules=["role_agents"])
    registry.register("large", stuck["large"], capacity=4)
    registry.register("small", stuck["small"], capacity=2)
    chosen = []
    for _ in range(6):
        chosen.append(registry.rank("work")[0].agent_id)
        nursery.start_soon(registry.instantiate(chosen[-1]).process, "text")
        await wait_all_tasks_blocked()
    # The one with the larger share of it free is next, and who is full is left alone.
    assert chosen == ["large", "small", "large", "large", "small", "large"]
    assert [candidate.availability for candidate in registry.rank("work")] == [0, 0]
    nursery.cancel_scope.cancel()


def test_32_resource_requirements_were_ignored():
    stuck = partial(definition, agent_class="Stuck", module_path="role_agents")
    agents = {
        "greedy": stuck(resource_requirements=ResourceRequirements(memory_mb=10**12)),
        "crowd": stuck(resource_requirements=ResourceRequirements(cpu_cores=10**6)),
        "modest": stuck(resource_requirements=ResourceRequirements(memory_mb=1), scores={"work": 0.1}),
    }
    registry = registry_of(agents, allowed_modules=["role_agents"])
    first, *others = registry.rank("work")
    assert first.agent_id == "modest"
    assert [each.availability for each in others] == [0, 0]
    assert "memory" in " ".join(map(str, others))
    assert registry.assemble(["work"]).pipeline_id == "modest"
