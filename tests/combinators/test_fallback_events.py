"""Each time that a fallback asks its next agent leaves a trace: an event, and a count in the stage's record."""

import json

import pytest
import trio
from combinator_cases import Broken, broken, echo, open_breaker

from atrio import (
    AgentDefinition,
    AgentRegistry,
    BatchProcessor,
    Capability,
    ErrorPolicy,
    Fallback,
    FanOut,
    Pipeline,
    Stage,
    StageConfig,
    current_context,
    observe,
    observe_only,
)
from atrio import events as ev
from atrio.events import FallbackUsed
from atrio.sinks import JsonLinesSink
from atrio.testing import ScriptedAgent, answer, capture_events, fail

ONCE = StageConfig(attempts=1)


def named(agent_id, *steps):
    return ScriptedAgent(*steps, agent_id=agent_id)


def one(agent, name="p", config=ONCE):
    return Pipeline(name).add_stage(Stage("s", agent, config=config))


def asked(events):
    """Return who asked whom after whom, as the events say it."""
    return [(each.fallback, each.agent_id, each.next_agent_id) for each in events if isinstance(each, FallbackUsed)]


class TestTheEvent:
    async def test_says_who_failed_with_what_and_who_is_asked(self, autojump_clock):
        heard = []
        fallback = Fallback(named("first", fail(OSError("down"))), named("second", answer("second")))
        with observe_only(heard.append):
            result = await one(fallback).execute("x")
        (told,) = [each for each in heard if isinstance(each, FallbackUsed)]
        assert result.output == "second"
        assert (told.event_name, told.level) == ("fallback.used", "warning")
        assert (told.fallback, told.agent_id, told.next_agent_id) == (fallback.agent_id, "first", "second")
        assert (told.error_type, told.error_message) == ("OSError", "down")
        assert (told.run_id, told.stage_id, told.task_id) == (result.run_id, "s", None)
        assert heard.index(told) == len(heard) - 3  # before the stage's end and the pipeline's

    async def test_is_there_for_each_agent_but_the_first_that_is_asked(self, autojump_clock):
        heard = []
        fallback = Fallback(named("a", fail(Broken)), named("b", fail(Broken)), named("c"), named("d"))
        with observe_only(heard.append):
            await one(fallback).execute("x")
        assert asked(heard) == [("a|b|c|d", "a", "b"), ("a|b|c|d", "b", "c")]

    async def test_is_there_before_the_next_one_is_called(self, autojump_clock):
        heard, then = [], []

        async def looks(data):
            then.append(len(asked(heard)))

        with observe_only(heard.append):
            await one(Fallback(broken, looks)).execute("x")
        assert then == [1]

    @pytest.mark.parametrize(
        ("fallback", "count"),
        [
            (Fallback(echo, broken), 0),
            (Fallback(broken, echo, on=OSError), 0),
            (Fallback(broken, broken), 1),
            # It was opened when these were collected, which may be long ago.
            (Fallback(open_breaker(recovery_timeout=1e9).guard(echo), echo), 1),
        ],
        ids=["no failure", "not covered", "all fail", "an open breaker"],
    )
    async def test_is_there_only_where_another_one_is_asked(self, fallback, count, autojump_clock):
        with capture_events() as events:
            await one(fallback).execute("x")
        assert len(asked(events)) == count

    async def test_has_the_task_where_a_batch_is_nearer(self, autojump_clock):
        heard = []

        async def in_batch(data):
            return await BatchProcessor().map(Fallback(broken, echo), [data])

        with observe_only(heard.append):
            batch = await BatchProcessor().map(one(in_batch), ["x"])
        (told,) = [each for each in heard if isinstance(each, FallbackUsed)]
        (outer,) = [each.run_id for each in heard if isinstance(each, ev.PipelineStart)]
        assert (told.parent_run_id, told.parent_stage_id) == (outer, "s")
        assert (told.stage_id, told.task_id) == (None, f"{told.run_id}-0")
        assert told.run_id != batch.batch_id

    async def test_outside_of_runs_belongs_to_none(self, autojump_clock):
        heard = []
        with observe(heard.append):
            await Fallback(broken, echo).process("x")
        (told,) = heard
        assert (told.run_id, told.stage_id, told.task_id, told.error_type) == (None, None, None, "Broken")

    async def test_after_its_run_belongs_to_none(self, autojump_clock):
        heard = []

        async def later():
            await trio.sleep(1)
            await Fallback(broken, echo).process("x")

        async def starts(data):
            nursery.start_soon(later)
            return data

        with observe(heard.append):
            async with trio.open_nursery() as nursery:
                result = await one(starts).execute("x")
        (told,) = [each for each in heard if isinstance(each, FallbackUsed)]
        assert (told.run_id, told.stage_id, told.task_id) == (None, None, None)
        assert result.stages[0].metadata == {}

    async def test_is_told_to_those_who_listened_when_the_run_began(self, autojump_clock):
        early, late = [], []

        async def falls_back(data):
            with observe(late.append):
                return await Fallback(broken, echo).process(data)

        with observe_only(early.append):
            await one(falls_back).execute("x")
        assert (len(asked(early)), late) == (1, [])

    async def test_is_not_made_where_nobody_wants_it(self, monkeypatch, autojump_clock):
        made = []
        monkeypatch.setattr(FallbackUsed, "__init__", lambda *args: made.append(args))

        class OnlyErrors(list):
            __call__ = list.append

            def minimum_level(self):
                return 40

        fallback, heard = Fallback(broken, echo), OnlyErrors()
        for sinks in ([], [heard]):
            with observe_only(*sinks):
                await one(fallback).execute("x")
                await BatchProcessor().map(fallback, ["x"])
                await fallback.process("x")
        assert made == []
        assert asked(heard) == []

    async def test_is_a_valid_line_whatever_the_agent_raised(self, tmp_path, autojump_clock):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        class timeout(Exception):  # noqa: N801 - so named as what an attempt's own deadline is told as
            pass

        agents = [named("a\ud800", fail(Mute)), named("b" * 200, fail(timeout("t" * 9000))), echo]
        with JsonLinesSink(tmp_path / "log") as sink, observe_only(sink):
            await one(Fallback(*agents)).execute("x")
        lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
        used = [line for line in lines if line["event"] == "fallback.used"]
        assert [line["error_type"] for line in used] == ["Mute", f"{__name__}.timeout"]
        assert len(used[1]["error_message"]) < 4096

    async def test_names_the_agent_of_a_registry_that_has_one(self, autojump_clock):
        registry = AgentRegistry(allowed_modules=[__name__])
        for name in ("Fails", "Answers"):
            registry.register(
                name.lower(),
                AgentDefinition(name, __name__, [Capability.REPORTING], "text", "text"),
                fallback=["answers"] if name == "Fails" else (),
            )
        with capture_events() as events:
            result = await one(registry.instantiate("fails")).execute("x")
        assert result.output == "x"
        assert asked(events) == [("fails", "fails", "answers")]


class Fails:
    agent_id = "fails"

    async def process(self, data):
        raise Broken


class Answers:
    agent_id = "answers"

    async def process(self, data):
        return data


class TestTheCount:
    async def test_is_in_the_stages_record_and_nowhere_without_a_fallback(self, autojump_clock):
        pipeline = Pipeline("p")
        for name, agent in (("a", Fallback(echo, broken)), ("b", Fallback(broken, broken, echo)), ("c", echo)):
            pipeline.add_stage(Stage(name, agent))
        result = await pipeline.execute("x")
        assert [record.metadata for record in result.stages] == [{}, {"fallbacks": 2}, {}]
        assert json.loads(json.dumps(result.to_dict()))["stages"][1]["metadata"] == {"fallbacks": 2}

    async def test_adds_up_over_attempts(self, autojump_clock):
        last = ScriptedAgent(fail(OSError), fail(OSError), answer())
        result = await one(Fallback(broken, last), config=StageConfig(attempts=3)).execute("x")
        assert (result.status, result.stages[0].attempts) == ("success", 3)
        assert result.stages[0].metadata == {"fallbacks": 3}

    @pytest.mark.parametrize("policy", [ErrorPolicy.STOP, ErrorPolicy.SKIP])
    async def test_is_there_where_the_last_one_failed_too(self, policy, autojump_clock):
        config = StageConfig(attempts=1, error_policy=policy)
        result = await one(Fallback(broken, broken), config=config).execute("x")
        assert result.stages[0].metadata == {"fallbacks": 1}

    async def test_is_one_for_all_fallbacks_of_a_stage(self, autojump_clock):
        inner = Fallback(broken, broken)
        result = await one(FanOut({"a": Fallback(inner, echo), "b": Fallback(broken, echo)})).execute("x")
        assert result.stages[0].metadata == {"fallbacks": 3}

    async def test_holds_what_was_nested(self, autojump_clock):
        async def batched(data):
            await BatchProcessor().map(Fallback(broken, echo), [data, data])
            return data

        outer = Pipeline("outer").add_stage(Stage("a", one(Fallback(broken, echo)))).add_stage(Stage("b", batched))
        result = await outer.execute("x")
        assert [record.metadata for record in result.stages] == [{"fallbacks": 1}, {"fallbacks": 2}]

    async def test_stands_beside_what_agents_note_and_survives_other_notes_of_its_name(self, autojump_clock):
        async def notes(data):
            current_context().note(answered_by="notes", fallbacks=data)
            raise Broken

        result = await one(Fallback(notes, echo)).execute("mine")
        assert result.stages[0].metadata == {"answered_by": "notes", "fallbacks": 1}
