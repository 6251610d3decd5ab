"""Pipelines from what is to be done: which agents are taken, how they are built in, what is known of their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

import attrs
import pytest
import trio
from small_catalogues import definition as defined

from atrio import (
    BUILT_IN_AGENTS,
    AgentRegistry,
    Capability,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    PlanningError,
    RegistryError,
    StageConfig,
    current_context,
)
from atrio.testing import run_in_virtual_time

if TYPE_CHECKING:
    from decimal import Decimal


@attrs.frozen
class Report:
    text: str


class Reader:
    def __init__(self, fails=0):
        self.fails = fails

    async def process(self, data: str) -> list[str]:
        if self.fails:
            self.fails -= 1
            raise ConnectionError("busy")
        return data.split()


class Counter:
    async def process(self, data: list[str]) -> int:
        return len(data)


class Writer:
    async def process(self, data: object) -> Report:
        return Report(str(data))


class Silent:
    async def process(self, data):
        return data


class Vague:
    async def process(self, data: object) -> object:
        return data


class Broken:
    async def process(self, data: str) -> str:
        raise ConnectionError("down")


class Entered:
    entered = 0

    async def __aenter__(self):
        Entered.entered += 1
        return self

    async def __aexit__(self, *exc_info):
        Entered.entered -= 1

    async def process(self, data: str) -> str:
        return f"{data} {Entered.entered}"


def definition(agent_class, capabilities, takes="any", gives="text", **others):
    return defined(capabilities, takes, gives, agent_class.__name__, __name__, **others)


READS = definition(Reader, "read", "text", "words")
COUNTS = definition(Counter, "count", "words", "number")
WRITES = definition(Writer, "write", "any", "report")


def registry_of(**definitions):
    registry = AgentRegistry(allowed_modules=[__name__])
    for agent_id, each in definitions.items():
        registry.register(agent_id, each)
    return registry


def test_it_plans_makes_the_agents_and_builds():
    registry = registry_of(writer=WRITES, counter=COUNTS, reader=READS)
    pipeline = registry.assemble(["read", "count", "write"])
    assert isinstance(pipeline, Pipeline)
    assert pipeline.pipeline_id == "reader+counter+writer"
    assert [stage.stage_id for stage in pipeline.stages] == ["stage_0_reader", "stage_1_counter", "stage_2_writer"]
    assert [stage.agent_id for stage in pipeline.stages] == ["reader", "counter", "writer"]
    assert {stage.config.attempts for stage in pipeline.stages} == {2}
    assert run_in_virtual_time(pipeline.process, "three short words") == Report("3")


def test_one_capability_is_enough_and_the_pipeline_may_be_named():
    pipeline = registry_of(reader=READS).assemble(iter(["read"]), pipeline_id="words")
    assert (pipeline.pipeline_id, len(pipeline.stages)) == ("words", 1)


@pytest.mark.parametrize(("fails", "status"), [(1, "success"), (2, "failed")])
def test_each_agent_has_two_attempts(fails, status):
    registry = registry_of(reader=definition(Reader, "read", configuration={"fails": fails}))
    result = run_in_virtual_time(registry.assemble(["read"]).execute, "a b")
    assert (result.status, len(result.stages[0].failures)) == (status, fails)


def test_long_ids_are_shortened():
    one, other = "a" * 200, "b" * 200
    registry = registry_of(**{one: READS, other: COUNTS})
    pipeline = registry.assemble(["read", "count"])
    ids = [pipeline.pipeline_id, *(stage.stage_id for stage in pipeline.stages)]
    assert [len(each) for each in ids] == [200] * 3
    assert len(set(ids)) == 3
    assert registry.assemble(["read", "count"]).pipeline_id == pipeline.pipeline_id


def test_an_agent_that_serves_twice_is_made_twice():
    pipeline = registry_of(cleaner=definition(Silent, "clean", "text", "text")).assemble(["clean", "clean"])
    one, other = pipeline.stages
    assert (one.stage_id, other.stage_id) == ("stage_0_cleaner", "stage_1_cleaner")
    assert one.agent is not other.agent
    assert run_in_virtual_time(pipeline.process, "text") == "text"


def test_agents_are_entered_and_left_with_the_pipeline():
    async def run():
        async with registry_of(entered=definition(Entered, "enter")).assemble(["enter"]) as pipeline:
            return await pipeline.process("hello")

    assert run_in_virtual_time(run) == "hello 1"
    assert Entered.entered == 0


def test_its_agents_are_measured():
    registry = registry_of(broken=definition(Broken, "talk"), silent=definition(Silent, {"talk": 0.9}))
    pipeline = registry.assemble(["talk"])
    assert pipeline.pipeline_id == "broken"

    async def fail_often():
        for _ in range(15):
            await pipeline.execute("hello")

    run_in_virtual_time(fail_often)
    assert [each.agent_id for each in registry.rank("talk")] == ["silent", "broken"]


def test_the_ready_made_agents_make_a_pipeline():
    pytest.importorskip("jinja2")
    registry = AgentRegistry()
    for agent_id, each in BUILT_IN_AGENTS.items():
        registry.register(agent_id, each)
    steps = [Capability.DATA_TRANSFORMATION, Capability.CONTENT_ANALYSIS, Capability.REPORTING]
    pipeline = registry.assemble(steps, input=str, output=str)
    assert pipeline.pipeline_id == "text_cleaner+text_analyzer+report_writer"

    async def run():
        return await pipeline.process("The quick brown fox jumps over the lazy dog.")

    assert "fox" in trio.run(run)


class Unsaid:
    async def process(self, data: Decimal) -> Decimal:
        return data


def test_an_annotation_that_only_a_type_checker_knows_says_nothing():
    registry = registry_of(unsaid=definition(Unsaid, "talk"))
    for what, verb in (("input", "takes"), ("output", "gives")):
        with pytest.raises(TypeError, match=f"says what it {verb} with an annotation that is not known .*'Decimal'"):
            registry.assemble(["talk"], **{what: str})


# Agents that cannot work.


def test_who_needs_what_is_not_there_is_not_taken(monkeypatch):
    monkeypatch.delenv("ATRIO_TEST_KEY", raising=False)
    best = definition(Reader, {"read": 1.0}, gives="words", needs=("ATRIO_TEST_KEY",))
    local = definition(Reader, {"read": 0.2}, gives="words")
    registry = registry_of(best=best, local=local, counter=COUNTS)
    assert registry.plan(["read", "count"]) == ("best", "counter")
    assert registry.assemble(["read", "count"]).pipeline_id == "local+counter"
    monkeypatch.setenv("ATRIO_TEST_KEY", "secret")
    assert registry.assemble(["read", "count"]).pipeline_id == "best+counter"


def test_where_nobody_else_can_it_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("ATRIO_TEST_KEY", raising=False)
    registry = registry_of(best=definition(Reader, "read", needs=("ATRIO_TEST_KEY",)))
    with pytest.raises(PlanningError, match=r"best \(it needs ATRIO_TEST_KEY, which is not set\)"):
        registry.assemble(["read"])


def opened(name):
    breaker = CircuitBreaker(name, failure_threshold=1)

    async def fail():
        with pytest.raises(ConnectionError):
            await breaker.guard(Broken()).process("x")

    run_in_virtual_time(fail)
    return breaker


def test_who_is_behind_an_open_breaker_is_taken_only_where_there_is_no_chain_without():
    registry = registry_of(counter=COUNTS)
    registry.register("best", READS, breaker=opened("best"))
    assert registry.assemble(["read", "count"]).pipeline_id == "best+counter"
    registry.register("second best", definition(Reader, {"read": 0.1}, gives="words"))
    assert registry.assemble(["read", "count"]).pipeline_id == "second best+counter"
    # Not even now, as the fewer of them the better.
    registry.register("counter", COUNTS, breaker=opened("counter"))
    assert registry.assemble(["read", "count"]).pipeline_id == "second best+counter"


def test_who_is_behind_an_open_breaker_is_tried_later():
    registry = registry_of()
    breaker = CircuitBreaker("reader", failure_threshold=1, recovery_timeout=5)
    registry.register("reader", definition(Reader, "read", configuration={"fails": 1}), breaker=breaker)

    async def run():
        pipeline = registry.assemble(["read"])
        with pytest.raises(ConnectionError):
            await pipeline.stages[0].agent.process("a b")
        with pytest.raises(CircuitOpenError):
            await pipeline.stages[0].agent.process("a b")
        again = registry.assemble(["read"])
        await trio.sleep(5)
        assert await pipeline.process("a b") == ["a", "b"]
        return again.pipeline_id

    assert run_in_virtual_time(run) == "reader"


def test_who_is_merely_busy_is_taken():
    class Now:
        chosen = None

    registry = registry_of(other=definition(Silent, {"note": 0.1}))

    async def look():
        Now.chosen = registry.assemble(["note"]).pipeline_id

    registry.register("busy", definition(Looking, "note", configuration={"look": Look(look)}))
    run_in_virtual_time(registry.assemble(["note"]).process, "x")
    assert Now.chosen == "busy"


@attrs.frozen
class Look:
    look: object

    def __deepcopy__(self, memo):
        return self


class Looking:
    def __init__(self, look):
        self.look = look.look

    async def process(self, data: str) -> str:
        assert current_context().pipeline_id == "busy"
        await self.look()
        return data


# Types.


def test_what_it_takes_and_gives_is_checked():
    registry = registry_of(reader=READS, counter=COUNTS, writer=WRITES)
    pipeline = registry.assemble(["read", "write"], input=str, output=Report)
    assert run_in_virtual_time(pipeline.process, "a b") == Report("['a', 'b']")
    assert registry.assemble(["read", "count"], input=str).pipeline_id == "reader+counter"
    assert registry.assemble(["read", "count"], output=float).pipeline_id == "reader+counter"
    assert registry.assemble(["read"], input=str, output=list[str]).pipeline_id == "reader"


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ({"input": bytes}, "input=bytes does not fit: `process` of agent 'reader' .* takes str"),
        ({"output": str}, "output=str does not fit: `process` of agent 'counter' .* gives int"),
        ({"input": str, "output": Report}, "output=Report does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(types, said):
    with pytest.raises(TypeError, match=said):
        registry_of(reader=READS, counter=COUNTS).assemble(["read", "count"], **types)


def test_what_an_agent_does_not_say_cannot_be_checked():
    registry = registry_of(silent=definition(Silent, "note"), vague=definition(Vague, "guess"))
    with pytest.raises(
        TypeError, match="input=str cannot be checked: `process` of agent 'silent' does not say what it"
    ):
        registry.assemble(["note"], input=str)
    with pytest.raises(TypeError, match=r"output=str cannot be checked.* Annotate it, or leave output out"):
        registry.assemble(["note"], output=str)
    with pytest.raises(TypeError, match=r"output=str does not fit.* gives object"):
        registry.assemble(["guess"], input=str, output=str)
    assert registry.assemble(["guess"], input=str).pipeline_id == "vague"


@pytest.mark.parametrize("what", ["input", "output"])
def test_only_classes_can_be_checked(what):
    with pytest.raises(TypeError, match=f"{what} must be a class, as in {what}=str, not 'str'"):
        registry_of(reader=READS).assemble(["read"], **{what: "str"})


# What is refused.


def test_no_chain_is_a_planning_error():
    with pytest.raises(PlanningError, match="it breaks between 'count' and 'read'"):
        registry_of(reader=READS, counter=COUNTS).assemble(["count", "read"])


def test_an_agent_that_cannot_be_made_is_a_registry_error():
    registry = registry_of(reader=definition(Reader, "read", configuration={"failures": 1}))
    with pytest.raises(RegistryError, match="Reader has no option 'failures'"):
        registry.assemble(["read"])


@pytest.mark.parametrize(("capabilities", "error"), [("read", TypeError), ([], ValueError), ([None], TypeError)])
def test_misuse_is_refused(capabilities, error):
    with pytest.raises(error):
        registry_of(reader=READS).assemble(capabilities)


def test_a_bad_pipeline_id_is_refused_before_any_agent_is_made():
    registry = registry_of(reader=definition(Reader, "read", configuration={"failures": 1}))
    with pytest.raises(ValueError, match="pipeline_id must not be blank"):
        registry.assemble(["read"], pipeline_id=" ")


@pytest.mark.parametrize("wanted", [str | None, Optional[str], Union[str, None]])  # noqa: UP007, UP045 - all are used
def test_unions_are_asked_for_in_whichever_way_they_are_written(wanted):
    registry = registry_of(reader=READS)
    with pytest.raises(TypeError, match=r"input=.* does not fit: `process` of agent 'reader' .* takes str"):
        registry.assemble(["read"], input=wanted)
    assert registry.assemble(["read"], input=str, output=Union[list[str], None])  # noqa: UP007


def test_settings_of_the_stages():
    registry = registry_of(reader=READS, counter=COUNTS)
    stages = registry.assemble(["read", "count"]).stages
    assert {(stage.config.attempts, stage.config.timeout) for stage in stages} == {(2, 60.0)}
    config = StageConfig(attempts=5, timeout=600)
    assert [stage.config for stage in registry.assemble(["read", "count"], config=config).stages] == [config, config]
    with pytest.raises(TypeError, match="config must be a StageConfig or None, not 3"):
        registry.assemble(["read"], config=3)
