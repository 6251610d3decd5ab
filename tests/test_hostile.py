"""Hostile agents, exceptions, sinks and hosts: none of them changes what a run is, or what it says of others."""

import sys
import threading
import traceback
import warnings

import pytest
import structlog
import trio

from atrio import (
    Backoff,
    BatchConfig,
    BatchProcessor,
    FanOut,
    Pipeline,
    PipelineError,
    Stage,
    StageConfig,
    StageTimeoutError,
    observe,
    observe_only,
)
from atrio._attempts import causes, retry_after
from atrio._sizes import size_of
from atrio.adapters import in_thread
from atrio.sinks import StructlogSink
from atrio.testing import ScriptedAgent, answer, capture_events, fail

ONCE = StageConfig(attempts=1)


def one_stage(agent, **config):
    return Pipeline("p").add_stage(Stage("s", agent, config=StageConfig(**config)))


@pytest.mark.parametrize("is_last", [True, False])
async def test_a_scope_that_an_agent_leaves_open_fails_the_run_and_does_not_leave_it(autojump_clock, is_last):
    async def leaves_a_scope_open(data):
        trio.CancelScope().__enter__()
        return data

    pipeline = Pipeline("p").add_stage(Stage("careless", leaves_a_scope_open))
    if not is_last:
        pipeline.add_stage(Stage("innocent", ScriptedAgent()))
    with capture_events() as events:
        result = await pipeline.execute(1)
    assert result.status == "failed"
    assert [record.attempts for record in result.stages] == [1] * len(pipeline.stages)
    assert "left a cancel scope or a nursery open" in result.stages[-1].error.exception.__notes__[0]
    assert events.names.count("pipeline.end") == 1
    with pytest.raises(PipelineError):
        result.unwrap()


async def test_a_sink_that_raises_leaves_nothing_behind(autojump_clock):
    def processor(logger, name, event):
        raise OSError("disk full")

    sink = StructlogSink(structlog.wrap_logger(None, processors=[processor], wrapper_class=structlog.BoundLogger))
    for _ in range(3):
        with pytest.warns(match="disk full"), observe_only(sink):
            await one_stage(ScriptedAgent()).execute(1)
    assert sink._runs == {}


@pytest.mark.parametrize("after", ["stage.end", "pipeline.end"])
async def test_a_host_whose_warnings_raise_changes_nothing(monkeypatch, after):
    def raises(*args, **kwargs):
        raise ValueError("the host's own")

    def sink(event):
        if event.event_name == after:
            raise OSError("no room")

    monkeypatch.setattr(warnings, "showwarning", raises)
    with warnings.catch_warnings(), observe(sink):
        warnings.simplefilter("error")
        result = await one_stage(ScriptedAgent()).execute(1)
    assert result.status == "success"


def test_what_has_no_length_any_more_has_no_size():
    released = memoryview(b"data")
    released.release()
    assert size_of(released) is None


async def test_data_without_a_length_passes(autojump_clock):
    released = memoryview(b"data")
    released.release()
    result = await one_stage(ScriptedAgent(answer(released))).execute(released)
    assert result.status == "success"
    assert result.stages[0].output is released


def in_two_loops(function):
    """Run an async function in two Trio loops at once, each in a thread; return what is still alive after a while."""
    threads = [threading.Thread(target=trio.run, args=(function,), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [thread for thread in threads if thread.is_alive()]


def test_one_thread_agent_serves_several_loops():
    agent = in_thread(lambda data: data, agent_id="shared", max_threads=1)

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(agent.process, 1)

    assert in_two_loops(main) == []


def test_one_processor_serves_several_loops():
    processor = BatchProcessor(BatchConfig(max_concurrent=2))

    async def pauses(data):
        await trio.lowlevel.checkpoint()
        return data

    async def main():
        assert (await processor.map(pauses, range(200))).status == "success"

    assert in_two_loops(main) == []


def test_one_pipeline_is_entered_and_left_in_several_loops():
    class Resource:
        def __init__(self):
            self.open = 0

        async def process(self, data):
            return data

        async def __aenter__(self):
            self.open += 1

        async def __aexit__(self, *exc_info):
            self.open -= 1

    resource = Resource()
    pipeline = Pipeline("p").add_stage(Stage("s", resource))

    async def main():
        async with pipeline:
            await trio.lowlevel.checkpoint()

    assert in_two_loops(main) == []
    assert resource.open == 0


class AsksForTooMuch(Exception):
    retry_after = 10**400


async def test_a_retry_after_that_no_float_holds_asks_for_nothing(autojump_clock):
    assert retry_after(AsksForTooMuch()) == 0
    result = await one_stage(ScriptedAgent(fail(AsksForTooMuch)), attempts=2).execute(1)
    assert result.stages[0].error.error_type == "AsksForTooMuch"


async def test_a_group_however_deep_keeps_its_error(autojump_clock):
    leaf = error = OSError("deep inside")
    for _ in range(2_000):
        error = ExceptionGroup("g", [error])
    assert causes(error) == [leaf]
    result = await one_stage(ScriptedAgent(fail(error)), attempts=2).execute(1)
    assert result.stages[0].error.exception is error
    assert result.stages[0].attempts == 2


def test_a_failure_that_is_its_own_cause_is_asked_about_once():
    error = PipelineError("mine", pipeline_id="p", result=object())
    error.__cause__ = error
    assert causes(error) == []


class Unlookable(Exception):
    def __getattribute__(self, name):
        raise RuntimeError(name)


async def test_an_exception_that_cannot_be_looked_at_is_still_the_stages_failure(autojump_clock):
    result = await one_stage(ScriptedAgent(fail(Unlookable)), attempts=1).execute(1)
    assert result.status == "failed"
    assert result.stages[0].error.error_type == "Unlookable"


class timeout(Exception):  # noqa: N801 - as a careless library might name it
    pass


async def test_an_agents_class_called_timeout_is_no_timeout(autojump_clock):
    result = await one_stage(ScriptedAgent(fail(timeout)), attempts=1).execute(1)
    assert result.stages[0].error.error_type == f"{__name__}.timeout"
    with pytest.raises(PipelineError) as caught:
        result.unwrap()
    assert not isinstance(caught.value, StageTimeoutError)


async def test_our_nursery_keeps_the_context_of_what_leaves_it(autojump_clock):
    async def breaks(data):
        try:
            raise KeyError("the real reason")
        except KeyError:
            raise OSError("what it led to")  # noqa: B904 - it is the context that is looked for

    result = await one_stage(FanOut({"only": breaks}), attempts=1).execute(1)
    error = result.stages[0].error.exception
    assert isinstance(error.__context__, KeyError)
    assert "the real reason" in "".join(traceback.format_exception(error))


async def test_a_host_factory_without_arguments_is_served(autojump_clock):
    lines = []
    structlog.configure(
        processors=[lambda logger, name, event: lines.append(event["event"]) or ""],
        logger_factory=lambda: structlog.PrintLogger(file=sys.stderr),
    )
    try:
        await one_stage(ScriptedAgent()).execute(1)
    finally:
        structlog.reset_defaults()
    assert "pipeline.start" in lines


async def test_an_id_is_the_same_on_every_line(autojump_clock):
    lines = []

    def keep(logger, name, event):
        lines.append(event)
        raise structlog.DropEvent

    sink = StructlogSink(structlog.wrap_logger(None, processors=[keep], wrapper_class=structlog.BoundLogger))
    pipeline = Pipeline("ä" * 200).add_stage(Stage("ö" * 200, ScriptedAgent(fail(OSError("x" * 5000))), config=ONCE))
    with observe_only(sink):
        await pipeline.execute(1)
    assert len(lines) == 4
    assert len({line["pipeline_id"] for line in lines}) == 1


def test_a_pipeline_cannot_be_a_stage_of_itself():
    pipeline = Pipeline("p")
    with pytest.raises(ValueError, match="cannot be a stage of itself"):
        pipeline.add_stage(Stage("s", pipeline))


async def test_a_nested_pipeline_without_stages_is_not_tried_again(autojump_clock):
    result = await one_stage(Pipeline("empty"), attempts=3, backoff=Backoff(1)).execute(1)
    assert result.stages[0].attempts == 1
    assert result.duration_s == 0


async def test_one_exception_raised_for_ever_does_not_grow(autojump_clock):
    error = OSError("always the same")
    for number in range(50):
        await Pipeline(f"p{number}").add_stage(Stage("s", ScriptedAgent(fail(error)), config=ONCE)).execute(1)
    assert len(error.__notes__) <= 10


def test_an_async_predicate_is_refused():
    async def judge(error):
        return False

    with pytest.raises(TypeError, match="is async"):
        StageConfig(retry_on=judge)
