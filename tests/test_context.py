"""The context of a run: who it is, who sees it, and what is noted in it."""

from datetime import UTC, timedelta
from types import MappingProxyType

import pytest
import trio

from atrio import ErrorPolicy, Pipeline, PipelineContext, RunStatus, Stage, StageConfig, current_context, current_task
from atrio.adapters import in_thread
from atrio.testing import ScriptedAgent, fail

ONCE = StageConfig(attempts=1)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)


async def echo(data):
    return data


async def context_of(data):
    return current_context()


def test_a_new_context_is_pending_and_empty():
    context = PipelineContext("p")
    assert (context.pipeline_id, context.metadata, context.status) == ("p", {}, RunStatus.PENDING)
    assert (tuple(context.stage_history), tuple(context.error_log)) == ((), ())
    assert context.started_at.utcoffset() == timedelta(0)
    assert context.started_at.tzinfo is UTC
    assert context.run_id in repr(context)


def test_contexts_share_no_metadata():
    one, other = PipelineContext("p"), PipelineContext("p")
    one.metadata["a"] = 1
    assert other.metadata == {}


def test_the_metadata_is_a_dict_whatever_mapping_was_given():
    context = PipelineContext("p", MappingProxyType({"a": 1}))
    assert type(context.metadata) is dict
    assert context.metadata == {"a": 1}


@pytest.mark.parametrize("bad", ["a=1", [("a", 1)], 5])
def test_metadata_that_is_no_mapping_is_refused(bad):
    with pytest.raises(TypeError, match="metadata must be a mapping"):
        PipelineContext("p", bad)


async def test_a_run_uses_the_context_that_it_is_given():
    context = PipelineContext("p", {"ticket": 5})
    pipeline = Pipeline("p").add_stage(Stage("a", context_of))
    result = await pipeline.execute("x", context)
    assert result.output is context
    assert (result.run_id, result.metadata, result.started_at) == (context.run_id, {"ticket": 5}, context.started_at)
    assert tuple(context.stage_history) == result.stages
    assert context.status is result.status is RunStatus.SUCCESS


async def test_without_one_each_run_makes_its_own():
    pipeline = Pipeline("p").add_stage(Stage("a", context_of))
    first, second = await pipeline.process("x"), await pipeline.process("x")
    assert first is not second
    assert first.pipeline_id == second.pipeline_id == "p"
    assert first.run_id != second.run_id


@pytest.mark.parametrize("first", [echo, ScriptedAgent(fail())], ids=["succeeded", "failed"])
async def test_a_context_serves_one_run(first):
    context = PipelineContext("p")
    await Pipeline("p").add_stage(Stage("a", first, config=ONCE)).execute("x", context)
    agent = ScriptedAgent()
    before = (context.status, tuple(context.stage_history))
    with pytest.raises(ValueError, match="a context serves one"):
        await Pipeline("p").add_stage(Stage("a", agent)).execute("x", context)
    assert agent.calls == []
    assert (context.status, tuple(context.stage_history)) == before


async def test_a_context_that_is_in_use_serves_no_second_run():
    context = PipelineContext("p")

    async def again(data):
        with pytest.raises(ValueError, match="a context serves one"):
            await pipeline.execute(data, current_context())
        return current_context().status

    pipeline = Pipeline("p").add_stage(Stage("a", again))
    assert (await pipeline.execute("x", context)).output is RunStatus.RUNNING


@pytest.mark.parametrize(
    ("bad", "kind"), [(PipelineContext("q"), ValueError), ({}, TypeError), ("p", TypeError), (0, TypeError)]
)
async def test_a_context_of_something_else_is_refused(bad, kind):
    agent = ScriptedAgent()
    with pytest.raises(kind):
        await Pipeline("p").add_stage(Stage("a", agent)).execute("x", bad)
    assert agent.calls == []


async def test_the_history_grows_as_stages_end_and_has_only_those():
    seen = []

    async def look(data):
        seen.append([record.stage_id for record in current_context().stage_history])
        return data

    await Pipeline("p").add_stage(Stage("a", look)).add_stage(Stage("b", look)).execute("x")
    assert seen == [[], ["a"]]


# current_context


def test_outside_of_a_run_there_is_no_context():
    with pytest.raises(RuntimeError, match="no pipeline run"):
        current_context()


async def test_after_a_run_there_is_none_again():
    await Pipeline("p").add_stage(Stage("a", ScriptedAgent(fail()), config=ONCE)).execute("x")
    with pytest.raises(RuntimeError):
        current_context()


async def test_in_a_nested_run_it_is_the_inner_one_and_after_it_the_outer_one():
    seen = []

    async def look(data):
        seen.append(current_context().pipeline_id)
        return data

    inner = Pipeline("inner").add_stage(Stage("a", look))

    async def nest(data):
        await look(data)
        await inner.process(data)
        return await look(data)

    await Pipeline("outer").add_stage(Stage("a", nest)).add_stage(Stage("b", inner)).execute("x")
    assert seen == ["outer", "inner", "outer", "inner"]


async def test_tasks_and_threads_of_an_agent_see_its_context():
    def blocking(data):
        current_context().note(thread=True)
        return current_context().run_id

    async def spread(data):
        found = []

        async def task():
            found.append(current_context().run_id)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
            nursery.start_soon(task)
        return found

    pipeline = Pipeline("p").add_stage(Stage("a", spread)).add_stage(Stage("b", in_thread(blocking)))
    result = await pipeline.execute("x")
    assert result.stages[0].output == [result.run_id] * 2
    assert result.output == result.run_id
    assert result.stages[1].metadata == {"thread": True}


async def test_runs_side_by_side_see_their_own(autojump_clock):
    async def slow(data):
        before = current_context()
        await trio.sleep(data)
        assert current_context() is before
        return before.run_id

    pipeline = Pipeline("p").add_stage(Stage("a", slow))
    results = []

    async def run(seconds):
        results.append(await pipeline.execute(seconds))

    async with trio.open_nursery() as nursery:
        for seconds in range(5):
            nursery.start_soon(run, seconds)
    assert all(result.output == result.run_id for result in results)
    assert len({result.run_id for result in results}) == 5


async def test_without_a_batch_there_is_no_task():
    async def look(data):
        return current_task()

    assert await Pipeline("p").add_stage(Stage("a", look)).process("x") is None
    assert current_task() is None


# note


async def test_notes_go_into_the_record_of_the_stage_that_runs():
    async def noting(data):
        current_context().note(tokens=data, model="m")
        current_context().note(tokens=data + 1)
        return data * 10

    pipeline = Pipeline("p").add_stage(Stage("a", noting)).add_stage(Stage("b", echo)).add_stage(Stage("c", noting))
    result = await pipeline.execute(1)
    assert [record.metadata for record in result.stages] == [
        {"tokens": 2, "model": "m"},
        {},
        {"tokens": 11, "model": "m"},
    ]
    assert result.metadata == {}


@pytest.mark.parametrize("config", [ONCE, SKIP, StageConfig()], ids=["failed", "skipped", "retried"])
async def test_notes_are_kept_whatever_becomes_of_the_stage(config, autojump_clock):
    async def noting(data):
        seen = current_context().metadata.setdefault("calls", [])
        seen.append(1)
        current_context().note(**{f"call_{len(seen)}": True})
        if len(seen) < 3:
            raise OSError
        return data

    result = await Pipeline("p").add_stage(Stage("a", noting, config=config)).execute(1)
    assert list(result.stages[0].metadata) == [f"call_{number + 1}" for number in range(result.stages[0].attempts)]


async def test_a_note_may_have_any_name():
    async def noting(data):
        current_context().note(self=1, values=2)
        return data

    result = await Pipeline("p").add_stage(Stage("a", noting, config=ONCE)).execute(1)
    assert result.stages[0].metadata == {"self": 1, "values": 2}


async def test_a_note_without_a_stage_is_an_error():
    context = PipelineContext("p")
    with pytest.raises(RuntimeError, match="no stage"):
        context.note(a=1)
    await Pipeline("p").add_stage(Stage("a", echo)).execute("x", context)
    with pytest.raises(RuntimeError, match="no stage"):
        context.note(a=1)
    assert context.stage_history[0].metadata == {}


# The error log


async def test_the_error_log_holds_what_ended_stages_and_what_was_added():
    async def warn(data):
        current_context().add_error(KeyError("k"), "a")
        current_context().add_error("a sentence")
        return data

    stages = Stage("a", warn), Stage("b", ScriptedAgent(fail(OSError("b"))), config=SKIP)
    pipeline = Pipeline("p").add_stage(stages[0]).add_stage(stages[1])
    pipeline.add_stage(Stage("c", ScriptedAgent(fail(ValueError("c"))), config=ONCE))
    context = PipelineContext("p")
    result = await pipeline.execute("x", context)
    found = [(entry.stage_id, entry.error_type, entry.message) for entry in result.errors]
    assert found == [
        ("a", "KeyError", "'k'"),
        (None, "error", "a sentence"),
        ("b", "OSError", "b"),
        ("c", "ValueError", "c"),
    ]
    assert type(result.errors) is tuple
    assert tuple(context.error_log) == result.errors
    assert all(entry.timestamp.utcoffset() == timedelta(0) for entry in result.errors)


async def test_an_attempt_that_another_followed_ended_nothing_and_is_not_in_the_log(autojump_clock):
    agent = ScriptedAgent(fail(times=2), fail(OSError("last")))
    result = await Pipeline("p").add_stage(Stage("a", agent)).execute("x")
    assert [entry.message for entry in result.errors] == ["last"]


async def test_an_error_that_was_added_does_not_fail_the_run():
    context = PipelineContext("p")
    context.add_error("before")
    result = await Pipeline("p").add_stage(Stage("a", echo)).execute("x", context)
    assert (result.status, [entry.message for entry in result.errors]) == (RunStatus.SUCCESS, ["before"])


@pytest.mark.parametrize("bad", [None, 5, OSError])
def test_an_error_that_is_none_is_refused(bad):
    with pytest.raises(TypeError, match="add_error takes"):
        PipelineContext("p").add_error(bad)
