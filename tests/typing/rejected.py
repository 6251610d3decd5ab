"""What both type checkers must reject.

Each line has two comments: mypy obeys only the first, pyright only the second, and each of them calls a comment that
hides no error an error. So a mistake that one of the two no longer sees fails the check. It is checked, never run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atrio import Agent, Pipeline, PipelineContext, Stage, StageConfig, observe
from atrio.adapters import in_thread
from atrio.testing import ScriptedAgent


async def length(text: str) -> int:
    return len(text)


async def half(number: int) -> float:
    return number / 2


async def exclaim(text: str) -> str:
    return text + "!"


async def perhaps(text: str) -> int | None:
    return len(text) or None


def blocking_half(number: int) -> float:
    return number / 2


class Halver:
    async def process(self, data: int, /) -> float:
        return data / 2


class Blocking:
    def process(self, data: int, /) -> float:
        return data / 2


async def pass_on(data: Any, stage: Stage[Any, Any], context: PipelineContext) -> Any:
    return data


async def greet(name: str, greeting: str) -> str:
    return greeting + name


async def no_middleware(data: Any) -> Any:
    return data


# The fluent form: a stage that cannot take what the stage before it gives, whatever kind of agent it has.


def a_stage_after_one_that_gives_something_else() -> None:
    exclaim_stage, half_stage = Stage("exclaim", exclaim), Stage("halver", Halver())
    counted = Pipeline("counted").add_stage(Stage("length", length))
    text = Pipeline("text").add_stage(exclaim_stage)
    nested = Stage("nested", text)
    threaded = Stage("threaded", in_thread(blocking_half))
    counted.add_stage(exclaim_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    counted.add_stage(nested)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.add_stage(threaded)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.add_stage(half_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text.add_middleware(pass_on).add_stage(half_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def in_one_expression() -> None:
    Pipeline("at the end").add_stage(Stage("length", length)).add_stage(
        Stage("exclaim", exclaim)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    )
    Pipeline("in the middle").add_stage(Stage("exclaim", exclaim)).add_stage(
        Stage("halver", Halver())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ).add_stage(Stage("any", ScriptedAgent()))


def what_may_be_none_is_not_what_may_not() -> None:
    half_stage = Stage("half", half)
    pipeline = Pipeline("perhaps").add_stage(Stage("perhaps", perhaps))
    pipeline.add_stage(half_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_follows_a_typed_agent_behind_an_untyped_one() -> None:
    half_stage = Stage("half", half)
    pipeline = Pipeline("untyped").add_stage(Stage("any", ScriptedAgent())).add_stage(Stage("exclaim", exclaim))
    pipeline.add_stage(half_stage)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def input_and_output(counted: Pipeline[str, int]) -> None:
    await counted.execute(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await counted.process(b"3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text: str = await counted.process("3")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    result = await counted.execute("3")
    text = result.unwrap()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number: int = result.output  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    result.output = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    print(text, number)


def a_pipeline_as_an_agent_of_other_types(counted: Pipeline[str, int]) -> None:
    other_output: Agent[str, str] = counted  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    other_input: Agent[bytes, int] = counted  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(other_output, other_input)


# What is no agent, no stage, no middleware, no setting, no sink. Each of it is refused at run time as well.


def what_is_no_agent() -> None:
    Stage("sync", blocking_half)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Stage("sync", Blocking())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Stage("two", greet)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Stage("class", Halver)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    in_thread(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_is_no_part_of_a_pipeline(counted: Pipeline[str, int]) -> None:
    counted.add_stage(half)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    counted.add_middleware(no_middleware)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_is_no_setting() -> None:
    StageConfig(attempts="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    StageConfig(retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    StageConfig(error_policy="stop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    StageConfig(retry_on="OSError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    StageConfig().attempts = 4  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def what_is_no_sink(takes_text: Callable[[str], None]) -> None:
    with observe(takes_text):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass
