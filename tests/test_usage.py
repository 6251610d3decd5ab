"""What calls of language models use: added up for the stage, and for all that it runs inside; told of in events."""

import json

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from atrio import (
    BatchConfig,
    BatchProcessor,
    ErrorPolicy,
    FanOut,
    Pipeline,
    PipelineContext,
    Stage,
    StageConfig,
    Usage,
    current_context,
    observe,
    observe_only,
)
from atrio._model_calls import record_model_call
from atrio.events import ModelCalled, PipelineStart
from atrio.sinks import JsonLinesSink

TWICE = StageConfig(attempts=2, timeout=5)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)


def call(input_tokens=10, output_tokens=2, **fields):
    """Tell of a call of a model, as an agent does that made one."""
    values = {
        "agent_id": "asker",
        "provider": "example.org",
        "model": "small",
        "duration_s": 0.5,
        "finish_reason": "stop",
        **fields,
    }
    record_model_call(input_tokens=input_tokens, output_tokens=output_tokens, **values)


async def asker(data):
    await trio.sleep(1)
    call()
    return data


async def unheard(data):
    """Fail at the first attempt, after the call."""
    call(100, None)
    if current_context().metadata.setdefault("calls", 0) == 0:
        current_context().metadata["calls"] += 1
        raise OSError("lost")
    return data


async def plain(data):
    return data


def one(agent, name="p", config=None):
    return Pipeline(name).add_stage(Stage("s", agent, config=config or StageConfig(attempts=1)))


def figures(usage):
    return usage.calls, usage.input_tokens, usage.output_tokens


class TestTheSums:
    async def test_of_a_run_are_those_of_its_stages(self, autojump_clock):
        pipeline = Pipeline("p").add_stage(Stage("a", asker)).add_stage(Stage("b", plain)).add_stage(Stage("c", asker))
        result = await pipeline.execute("x")
        noted = {"calls": 1, "input_tokens": 10, "output_tokens": 2}
        assert [record.metadata for record in result.stages] == [{"usage": noted}, {}, {"usage": noted}]
        assert result.usage == Usage(2, 20, 4)
        assert json.loads(json.dumps(result.to_dict()))["usage"] == {
            "calls": 2,
            "input_tokens": 20,
            "output_tokens": 4,
        }

    async def test_are_nothing_where_nothing_was_asked(self):
        result = await one(plain).execute("x")
        assert result.usage == Usage(0, 0, 0)
        assert result.stages[0].metadata == {}

    async def test_hold_all_attempts(self, autojump_clock):
        result = await one(unheard, config=TWICE).execute("x")
        assert result.stages[0].attempts == 2
        assert result.usage == Usage(2, 200, 0)

    async def test_hold_what_was_used_before_a_failure(self):
        async def fails(data):
            call()
            raise ValueError

        for config in (SKIP, StageConfig(attempts=1)):
            assert (await one(fails, config=config).execute("x")).usage == Usage(1, 10, 2)

    async def test_hold_calls_at_once(self, autojump_clock):
        result = await one(FanOut({"a": asker, "b": asker, "c": one(asker)})).execute("x")
        assert result.usage == Usage(3, 30, 6)

    async def test_hold_nested_pipelines_once(self, autojump_clock):
        results = []

        async def inner(data):
            results.append(await one(asker, "inner").execute(data))
            return data

        outer = Pipeline("outer").add_stage(Stage("inner", one(inner, "middle"))).add_stage(Stage("own", asker))
        result = await outer.execute("x")
        assert results[0].usage == Usage(1, 10, 2)
        assert [record.metadata["usage"]["calls"] for record in result.stages] == [1, 1]
        assert result.usage == Usage(2, 20, 4)

    async def test_of_a_batch_are_those_of_its_tasks(self, autojump_clock):
        for agent in (asker, one(asker), one(one(asker))):
            batch = await BatchProcessor().map(agent, range(7))
            assert batch.usage == Usage(7, 70, 14)
            assert batch.to_dict()["usage"]["calls"] == 7

    async def test_of_a_stream_grow_with_it(self, autojump_clock):
        async with BatchProcessor(BatchConfig(max_concurrent=1)).stream((asker, each) for each in range(3)) as outcomes:
            seen = [outcomes.usage.calls async for _ in outcomes]
        assert seen == sorted(seen)
        assert outcomes.usage == Usage(3, 30, 6)

    async def test_of_a_batch_in_a_stage_in_a_batch_are_in_all_three(self, autojump_clock):
        inner, results = [], []

        async def in_batch(data):
            inner.append(await BatchProcessor().map(asker, range(3)))
            return data

        async def in_run(data):
            results.append(await one(in_batch).execute(data))
            return data

        outer = await BatchProcessor().map(in_run, range(2))
        assert [each.usage.calls for each in inner] == [3, 3]
        assert [each.usage.calls for each in results] == [3, 3]
        assert outer.usage == Usage(6, 60, 12)

    async def test_hold_tasks_that_failed_or_ran_out_of_time(self, autojump_clock):
        async def asks(data):
            call()
            if data == 0:
                raise ValueError
            await trio.sleep(data)
            call()

        batch = await BatchProcessor(BatchConfig(task_timeout=2)).map(asks, [0, 1, 9])
        assert batch.usage.calls == 4

    async def test_hold_cancelled_calls(self, autojump_clock):
        context = PipelineContext("p")

        async def asks(data):
            try:
                await trio.sleep(9)
            finally:
                call(error_type="cancelled", error_message="the call was cancelled")

        with trio.move_on_after(1):
            await one(asks).execute("x", context)
        assert context.stage_history[0].metadata["usage"]["calls"] == 1

    @given(st.lists(st.tuples(*[st.integers(min_value=0)] * 3)))
    def test_add(self, parts):
        total = sum((Usage(*part) for part in parts), Usage())
        assert figures(total) == tuple(sum(part[each] for part in parts) for each in range(3))

    def test_add_to_nothing_else(self):
        with pytest.raises(TypeError):
            _ = Usage() + 1


class TestAddUsage:
    async def test_counts_for_the_stage_the_run_and_the_batch(self):
        async def own(data):
            current_context().add_usage(input_tokens=5, output_tokens=1)
            current_context().add_usage(input_tokens=5, calls=2)
            return await BatchProcessor().map(from_a_task, [1, 2])

        async def from_a_task(data):
            current_context().add_usage(output_tokens=100)

        result = await one(own).execute("x")
        assert result.usage == Usage(5, 10, 201)
        assert result.output.usage == Usage(2, 0, 200)

    async def test_adds_to_what_was_noted_in_that_form_and_replaces_what_was_not(self):
        async def notes(data):
            current_context().note(usage=data)
            current_context().add_usage(input_tokens=1)
            return data

        known = {"input_tokens": 7, "output_tokens": -1, "calls": True, "cached": 3}
        assert (await one(notes).execute(known)).usage == Usage(1, 8, 0)
        assert (await one(notes).execute("seven")).usage == Usage(1, 1, 0)

    async def test_a_note_of_another_form_counts_nothing(self):
        async def notes(data):
            current_context().note(usage=["seven", {}])

        result = await one(notes).execute("x")
        assert result.usage == Usage()
        assert result.stages[0].metadata == {"usage": ["seven", {}]}

    @pytest.mark.parametrize(
        ("wrong", "kind", "message"),
        [
            ({"input_tokens": -1}, ValueError, "input_tokens must be 0 or more, not -1"),
            ({"output_tokens": True}, TypeError, "output_tokens must be a whole number, not True"),
            ({"input_tokens": 1.5}, TypeError, "input_tokens must be a whole number, not 1.5"),
            ({"calls": "1"}, TypeError, "calls must be a whole number, not '1'"),
        ],
    )
    async def test_refuses_what_is_no_count(self, wrong, kind, message):
        async def adds(data):
            current_context().add_usage(**wrong)

        result = await one(adds).execute("x")
        assert (type(result.stages[0].error.exception), result.stages[0].error.message) == (kind, message)
        assert result.usage == Usage()

    def test_needs_a_stage_that_runs(self):
        with pytest.raises(RuntimeError, match=r"no stage of run .* is running"):
            PipelineContext("p").add_usage(input_tokens=1)


class TestEvents:
    async def test_say_all_of_a_call(self):
        heard = []

        async def asks(data):
            call(3, None, error_type="EndpointError", error_message="too busy", finish_reason=None)

        with observe_only(heard.append):
            result = await one(asks).execute("x")
        told = next(event for event in heard if isinstance(event, ModelCalled))
        assert (told.run_id, told.stage_id, told.task_id) == (result.run_id, "s", None)
        assert (told.agent_id, told.provider, told.model) == ("asker", "example.org", "small")
        assert (told.input_tokens, told.output_tokens, told.duration_s) == (3, None, 0.5)
        assert (told.finish_reason, told.error_type, told.error_message) == (None, "EndpointError", "too busy")

    async def test_say_where_a_call_belongs(self, autojump_clock):
        heard = []

        async def in_batch(data):
            return await BatchProcessor().map(asker, [data])

        with observe_only(heard.append):
            batch = await BatchProcessor().map(one(in_batch), ["x"])
        (told,) = (event for event in heard if isinstance(event, ModelCalled))
        (inner,) = (event.run_id for event in heard if isinstance(event, PipelineStart))
        assert (told.parent_run_id, told.parent_stage_id) == (inner, "s")
        assert told.task_id == f"{told.run_id}-0"
        assert told.stage_id is None
        assert batch.batch_id not in {told.run_id, told.parent_run_id}

    async def test_outside_of_runs_belong_to_none(self):
        heard = []
        with observe(heard.append):
            call()
        assert [(each.run_id, each.stage_id, each.agent_id) for each in heard] == [(None, None, "asker")]

    async def test_after_a_run_belong_to_none(self, autojump_clock, tmp_path):
        async def begins(nursery):
            nursery.start_soon(asker, "later")
            return "done"

        with JsonLinesSink(tmp_path / "log") as sink, observe_only(sink):
            for agent in (one(begins), begins):
                async with trio.open_nursery() as nursery:
                    await BatchProcessor().map(agent, [nursery])
        lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
        assert [line["run_id"] for line in lines if line["event"] == "model.call"] == [None, None]

    async def test_are_told_to_those_who_listened_when_the_run_began(self):
        early, late = [], []

        async def asks(data):
            with observe(late.append):
                call()

        with observe_only(early.append):
            await one(asks).execute("x")
        assert [type(each) for each in early].count(ModelCalled) == 1
        assert late == []

    async def test_are_not_made_for_those_who_want_more_important_ones(self):
        class Loud(list):
            def __call__(self, event):
                self.append(event)

            def minimum_level(self):
                return 20

        heard = Loud()
        with observe_only(heard):
            await one(asker).execute("x")
            await BatchProcessor().map(asker, ["x"])
        assert [event for event in heard if isinstance(event, ModelCalled)] == []

    async def test_never_raise_and_hold_what_is_possible(self):
        heard = []
        with observe(heard.append):
            call(-1, True, provider="\ud800" * 5000, model="m" * 5000, finish_reason="r" * 5000)
        assert (heard[0].input_tokens, heard[0].output_tokens) == (None, None)
        assert max(len(each) for each in (heard[0].provider, heard[0].model, heard[0].finish_reason)) <= 100


async def test_a_context_that_is_kept_keeps_nothing_of_what_it_ran_in():
    context = PipelineContext("inner")

    async def runs_inner(data):
        return await one(plain, "inner").execute(data, context)

    await BatchProcessor().map(one(runs_inner), ["x"])
    assert (context._around, context._events) == (None, None)
