"""What type checkers must accept of registries, and what they must make of it; never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_type

import attrs

from atrio import (
    Agent,
    AgentDefinition,
    AgentRegistry,
    Candidate,
    Capability,
    CircuitBreaker,
    Pipeline,
    ResourceRequirements,
    Stage,
    StageConfig,
)


@attrs.frozen
class Report:
    text: str


async def shorten(report: Report) -> Report:
    return report


# Assembling: known are the types that the caller gives, which are checked when it runs.


def assembled_pipelines_take_and_give_what_the_caller_says(registry: AgentRegistry) -> None:
    needed = [Capability.VALIDATION, Capability.REPORTING]
    assert_type(registry.assemble(needed, input=str, output=Report), Pipeline[str, Report])
    assert_type(registry.assemble(needed, input=list[str], output=dict[str, int]), Pipeline[list[str], dict[str, int]])
    assert_type(registry.assemble(needed, input=str), Pipeline[str, Any])
    assert_type(registry.assemble(needed, output=Report), Pipeline[Any, Report])
    assert_type(registry.assemble(needed), Pipeline[Any, Any])
    assert_type(registry.assemble(["validation"], pipeline_id="p"), Pipeline[Any, Any])
    config = StageConfig(timeout=600)
    assert_type(registry.assemble(needed, input=str, output=Report, config=config), Pipeline[str, Report])
    assert_type(registry.assemble(("validation", Capability.REPORTING), input=None, output=None), Pipeline[Any, Any])


async def assembled_pipelines_are_agents(registry: AgentRegistry) -> None:
    pipeline = registry.assemble([Capability.REPORTING], input=str, output=Report, pipeline_id="reports")
    agent: Agent[str, Report] = pipeline
    assert_type(await pipeline.process("text"), Report)
    assert_type((await pipeline.execute("text")).output, Report | None)
    longer = Pipeline("longer").add_stage(Stage("report", agent)).add_stage(Stage("shorten", shorten))
    assert_type(longer, Pipeline[str, Report])


async def without_types_anything_goes(registry: AgentRegistry) -> None:
    pipeline = registry.assemble([Capability.REPORTING])
    report: Report = await pipeline.process(3)
    typed: Pipeline[str, Report] = pipeline
    print(report, typed)


# What else a registry answers.


def registering(registry: AgentRegistry, breaker: CircuitBreaker) -> None:
    definition = AgentDefinition(
        agent_class="Reporter",
        module_path="shop.agents",
        capabilities=[Capability.REPORTING, "printing"],
        input_schema="any",
        output_schema="report",
        configuration={"title": "Shop"},
        resource_requirements=ResourceRequirements(memory_mb=256, cpu_cores=0.5),
        scores={"printing": 0.5},
    )
    registry.register("reporter", definition, breaker=breaker, capacity=3)
    assert_type(registry.get("reporter"), AgentDefinition)
    assert_type(definition.capabilities, tuple[str, ...])
    assert_type(definition.scores, Mapping[str, float])


def answers(registry: AgentRegistry) -> None:
    assert_type(registry.find_by_capability(Capability.REPORTING), tuple[str, ...])
    assert_type(registry.find_compatible("text"), tuple[str, ...])
    assert_type(registry.rank("printing"), tuple[Candidate, ...])
    assert_type(registry.plan([Capability.VALIDATION, "printing"]), tuple[str, ...])
    assert_type(registry.suggest_pipelines("validation", "printing", limit=3), Iterator[tuple[str, ...]])
    assert_type(registry.instantiate("reporter", {"title": "Other"}), Any)
