"""What type checkers must accept, and what they must make of it. It is checked, never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_type

import attrs

from atrio import (
    Agent,
    Backoff,
    CircuitOpenError,
    ErrorPolicy,
    Event,
    InMemoryMetrics,
    Pipeline,
    PipelineContext,
    PipelineResult,
    RunStatus,
    Stage,
    StageConfig,
    StageRecord,
    current_context,
    observe,
    observe_only,
)
from atrio._pipeline import Empty
from atrio.adapters import ThreadAgent, in_thread
from atrio.events import StageEnd
from atrio.testing import ScriptedAgent, answer, capture_events, fail


@attrs.frozen
class Ticket:
    text: str


@attrs.frozen
class UrgentTicket(Ticket):
    minutes: int


@attrs.frozen
class Topic:
    name: str


@attrs.frozen
class Answer:
    text: str


async def clean(ticket: Ticket) -> Ticket:
    return ticket


async def classify(ticket: Ticket) -> Topic:
    return Topic(ticket.text)


async def escalate(ticket: Ticket) -> UrgentTicket:
    return UrgentTicket(ticket.text, 5)


def look_up(topic: Topic) -> Answer:
    return Answer(topic.name)


async def redact(data: Any, stage: Stage[Any, Any], context: PipelineContext) -> Any:
    context.metadata[stage.stage_id] = "redacted"
    return data


class Answerer:
    agent_id = "answerer"

    async def process(self, data: Topic, /) -> Answer:
        return Answer(data.name)


class NamedArgument:
    """An agent may call its argument what it likes, and may let it be passed by name."""

    async def process(self, topic: Topic) -> Answer:
        return Answer(topic.name)


# Stages, from every kind of agent.


def stages_know_what_they_take_and_give() -> None:
    assert_type(Stage("clean", clean), Stage[Ticket, Ticket])
    assert_type(Stage("answer", Answerer()), Stage[Topic, Answer])
    assert_type(Stage("answer", NamedArgument()), Stage[Topic, Answer])
    assert_type(Stage("answer", Answerer().process), Stage[Topic, Answer])
    assert_type(in_thread(look_up), ThreadAgent[Topic, Answer])
    assert_type(Stage("answer", in_thread(look_up, max_threads=2)), Stage[Topic, Answer])
    assert_type(Stage("scripted", ScriptedAgent(fail(OSError()), answer(3))), Stage[Any, Any])


def a_stage_shows_its_parts() -> None:
    stage = Stage(
        "answer",
        Answerer(),
        name="Answer",
        description="Writes the answer.",
        config=StageConfig(
            attempts=4, timeout=None, error_policy=ErrorPolicy.SKIP, backoff=Backoff(jitter=0.1), retry_on=OSError
        ),
    )
    assert_type(stage.stage_id, str)
    assert_type(stage.agent, Agent[Topic, Answer])
    assert_type(stage.config.timeout, float | None)


def what_is_worth_a_retry_is_a_class_a_tuple_or_a_predicate() -> None:
    def is_busy(error: Exception) -> bool:
        return "busy" in str(error)

    StageConfig(retry_on=TimeoutError)
    StageConfig(retry_on=(OSError, CircuitOpenError))
    StageConfig(retry_on=is_busy)


def objects_and_pipelines_are_agents() -> None:
    by_class: Agent[Topic, Answer] = Answerer()
    in_threads: Agent[Topic, Answer] = in_thread(look_up)
    nested: Agent[Ticket, Topic] = Pipeline("nested").add_stage(Stage("classify", classify))
    print(by_class, in_threads, nested)


def what_takes_more_or_gives_less_serves_too(agent: Agent[Ticket, UrgentTicket]) -> Agent[UrgentTicket, Ticket]:
    return agent


# The fluent form.


def a_pipeline_takes_what_its_first_stage_takes_and_gives_what_its_last_gives() -> None:
    assert_type(Pipeline("triage"), Pipeline[object, Empty])
    triage = (
        Pipeline("triage", measure=lambda data: len(str(data)))
        .add_stage(Stage("clean", clean))
        .add_stage(Stage("classify", classify))
        .add_stage(Stage("answer", Answerer()))
    )
    assert_type(triage, Pipeline[Ticket, Answer])
    assert_type(triage.stages, tuple[Stage[Any, Any], ...])


def middleware_keeps_the_type() -> None:
    assert_type(Pipeline("triage").add_middleware(redact), Pipeline[object, Empty])
    triage = (
        Pipeline("triage")
        .add_middleware(redact)
        .add_stage(Stage("classify", classify))
        .add_middleware(redact)
        .add_stage(Stage("answer", Answerer()))
        .add_middleware(redact)
    )
    assert_type(triage, Pipeline[Ticket, Answer])


def pipelines_nest() -> None:
    inner = Pipeline("inner").add_stage(Stage("clean", clean)).add_stage(Stage("classify", classify))
    assert_type(Stage("inner", inner), Stage[Ticket, Topic])
    outer = Pipeline("outer").add_stage(Stage("inner", inner)).add_stage(Stage("answer", in_thread(look_up)))
    assert_type(outer, Pipeline[Ticket, Answer])


def a_stage_may_take_more_than_the_last_one_gives() -> None:
    # Every UrgentTicket is a Ticket.
    pipeline = Pipeline("urgent").add_stage(Stage("escalate", escalate)).add_stage(Stage("classify", classify))
    assert_type(pipeline, Pipeline[Ticket, Topic])


def an_untyped_agent_goes_anywhere_and_anything_follows_it(agent: Any) -> None:
    pipeline = Pipeline("any").add_stage(Stage("classify", classify)).add_stage(Stage("any", ScriptedAgent()))
    assert_type(pipeline, Pipeline[Ticket, Any])
    # What the first stage takes is not forgotten for it.
    assert_type(pipeline.add_stage(Stage("answer", Answerer())), Pipeline[Ticket, Answer])
    assert_type(pipeline.add_stage(Stage("any too", agent)), Pipeline[Ticket, Any])


async def the_result_knows_the_output(triage: Pipeline[Ticket, Answer], ticket: Ticket) -> None:
    result = await triage.execute(ticket, PipelineContext("triage", {"customer": 7}))
    assert_type(result, PipelineResult[Answer])
    assert_type(result.unwrap(), Answer)
    assert_type(result.output, Answer | None)
    assert_type(result.status, RunStatus)
    assert_type(result.stages, tuple[StageRecord, ...])
    assert_type(result.metadata, Mapping[str, Any])
    assert_type(result.performance.p95_stage_time_s, float)
    assert_type(result.to_dict(), dict[str, Any])
    assert_type(await triage.process(ticket), Answer)


async def an_entered_pipeline_keeps_its_type(triage: Pipeline[Ticket, Answer], ticket: Ticket) -> None:
    async with triage as entered:
        assert_type(entered, Pipeline[Ticket, Answer])
        assert_type(await entered.process(ticket), Answer)


# The statement form: nothing of it is an error, with annotations and without.


async def built_in_statements() -> None:
    pipeline = Pipeline("statements")
    pipeline.add_middleware(redact)
    pipeline.add_stage(Stage("clean", clean))
    pipeline.add_stage(Stage("classify", classify))
    pipeline.add_stage(Stage("answer", Answerer()))
    result = await pipeline.execute(Ticket("help"))
    print(result.unwrap().text.upper())
    output: Answer = result.unwrap()
    direct: Answer = await pipeline.process(Ticket("help"))
    print(output, direct, result.status, result.last_output)


async def built_in_a_loop(functions: Mapping[str, Callable[[Ticket], Any]]) -> None:
    pipeline = Pipeline("loop")
    for name, function in functions.items():
        pipeline.add_stage(Stage(name, in_thread(function)))
    async with pipeline as entered:
        result = await entered.execute("whatever the first stage takes")
        print(result.unwrap().whatever_the_last_one_gives)


async def built_in_statements_and_used_as_an_agent() -> None:
    inner = Pipeline("inner")
    inner.add_stage(Stage("classify", classify))
    fluent = (
        Pipeline("fluent")
        .add_stage(Stage("clean", clean))
        .add_stage(Stage("inner", inner))
        .add_stage(Stage("answer", Answerer()))
    )
    assert_type(fluent, Pipeline[Ticket, Answer])
    statements = Pipeline("statements")
    statements.add_stage(Stage("inner", inner))
    statements.add_stage(Stage("answer", Answerer()))
    answered: Answer = await statements.process(Ticket("help"))
    print(answered, await Pipeline("nested").add_stage(Stage("statements", statements)).process(Ticket("help")))


def built_in_statements_and_handed_on() -> Pipeline[Ticket, Answer]:
    pipeline = Pipeline("handed on")
    pipeline.add_stage(Stage("classify", classify))
    pipeline.add_stage(Stage("answer", Answerer()))
    return pipeline


def built_in_statements_with_an_annotation() -> Pipeline[Ticket, Answer]:
    pipeline: Pipeline[Ticket, Answer] = Pipeline("annotated")
    return pipeline


class Triage(Pipeline[Ticket, Answer]):
    """A class of one's own, whose stages are added in statements too."""

    def __init__(self) -> None:
        super().__init__("triage")
        self.customers = 0


async def a_derived_class_stays_itself() -> None:
    triage = Triage()
    assert_type(triage, Triage)
    assert_type(await triage.process(Ticket("help")), Answer)


# Events.


def sinks_are_functions_and_objects_that_take_an_event() -> None:
    def print_failures(event: Event) -> None:
        if isinstance(event, StageEnd) and event.status == "error":
            print(event.stage_id, event.duration_s)

    seen: list[Event] = []
    with observe(print_failures, InMemoryMetrics(), seen.append), observe_only():
        pass
    with capture_events() as events:
        assert_type(events.of(StageEnd), list[StageEnd])


async def agents_see_their_run(data: Ticket) -> Ticket:
    context = current_context()
    assert_type(context, PipelineContext)
    context.note(tokens=12)
    return data
