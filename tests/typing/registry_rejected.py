"""What both type checkers must reject of registries. `rejected.py` says how to read the comments; never run."""

from __future__ import annotations

from atrio import AgentDefinition, AgentRegistry, Capability, Pipeline, ResourceRequirements, Stage


async def length(text: str) -> int:
    return len(text)


async def half(number: int) -> float:
    return number / 2


def assembled_pipelines_keep_to_their_types(registry: AgentRegistry) -> None:
    pipeline = registry.assemble([Capability.REPORTING], input=str, output=bytes)
    other: Pipeline[str, int] = pipeline  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Pipeline("p").add_stage(Stage("assembled", pipeline)).add_stage(Stage("half", half))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pipeline("p").add_stage(Stage("half", half)).add_stage(Stage("assembled", pipeline))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(other)


async def what_goes_in_and_comes_out(registry: AgentRegistry) -> None:
    pipeline = registry.assemble([Capability.REPORTING], input=str, output=bytes)
    await pipeline.process(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    number: int = await pipeline.process("text")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(number)


def types_are_classes(registry: AgentRegistry) -> None:
    registry.assemble([Capability.REPORTING], input="str")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    registry.assemble([Capability.REPORTING], output=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def arguments_of_registries(registry: AgentRegistry) -> None:
    registry.assemble([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    registry.plan([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    registry.suggest_pipelines("validation", "reporting", "10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    registry.register("agent", length)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    registry.register("agent", AgentDefinition("A", "m", ["c"], "any", "any"), capacity="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def arguments_of_definitions() -> None:
    AgentDefinition(1, "m", ["c"], "any", "any")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", None, ["c"], "any", "any")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", 3, "any", "any")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", ["c"], str, "any")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", ["c"], "any", [])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", ["c"], "any", "any", configuration=4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", ["c"], "any", "any", resource_requirements=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", ["c"], "any", "any", scores="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentDefinition("A", "m", ["c"], "any", "any", needs=0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ResourceRequirements(memory_mb="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ResourceRequirements(cpu_cores="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
