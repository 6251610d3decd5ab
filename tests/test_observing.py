"""Who hears the events: observe, observe_only, sinks that raise, and what is not even made."""

import functools
import logging
import warnings
from unittest import mock

import pytest
import trio

from atrio import ErrorPolicy, Pipeline, RunStatus, SinkWarning, Stage, StageConfig, events, observe, observe_only
from atrio.testing import ScriptedAgent, answer, capture_events, fail

ONCE = StageConfig(attempts=1)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)
KINDS = [events.PipelineStart, events.StageStart, events.StageRetry, events.StageEnd, events.PipelineEnd]


async def echo(data):
    return data


def pipeline_of(*agents, pipeline_id="p", config=ONCE):
    pipeline = Pipeline(pipeline_id)
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent, config=config))
    return pipeline


async def test_sinks_of_nested_blocks_hear_as_their_scopes_say():
    heard = {name: [] for name in "abc"}

    async def run(name):
        await pipeline_of(echo, pipeline_id=name).execute("x")

    def sink(name):
        return lambda event: heard[name].append(event.pipeline_id)

    await run("before")
    with observe(sink("a")):
        await run("1")
        with observe(sink("b")):
            await run("2")
            with observe_only(sink("c")):
                await run("3")
            await run("4")
        await run("5")
    await run("after")
    assert {name: list(dict.fromkeys(ids)) for name, ids in heard.items()} == {
        "a": ["1", "2", "4", "5"],
        "b": ["2", "4"],
        "c": ["3"],
    }


async def test_one_block_may_have_several_sinks():
    one, other = [], []
    with observe(one.append, other.append):
        await pipeline_of(echo).execute("x")
    assert one == other
    assert len(one) == 4


async def test_tasks_begun_in_a_block_are_heard_to_their_end_and_others_not(autojump_clock):
    async def run(name):
        await trio.sleep(1)
        await pipeline_of(echo, pipeline_id=name).execute("x")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "begun before")
        with capture_events() as captured:
            nursery.start_soon(run, "begun inside")
        nursery.start_soon(run, "begun after")
    assert {event.pipeline_id for event in captured} == {"begun inside"}


async def test_a_block_inside_an_agent_holds_for_what_runs_in_it():
    captured = []

    async def nest(data):
        with observe(captured.append):
            return await pipeline_of(echo, pipeline_id="inner").process(data)

    await pipeline_of(nest, echo).execute("x")
    assert {event.pipeline_id for event in captured} == {"inner"}


async def test_observe_only_without_sinks_is_silence():
    with capture_events() as captured, observe_only():
        await pipeline_of(echo).execute("x")
    assert captured == []


class Falsy(list):
    def __call__(self, event):
        self.append(event)

    def __bool__(self):
        return False


@pytest.mark.parametrize("attach", [observe, observe_only])
async def test_a_falsy_sink_is_kept(attach):
    sink = Falsy()
    with attach(sink):
        await pipeline_of(echo).execute("x")
    assert len(sink) == 4


async def _async_sink(event):
    pass


class AsyncSink:
    async def __call__(self, event):
        pass


@pytest.mark.parametrize("attach", [observe, observe_only])
@pytest.mark.parametrize("bad", [None, [], _async_sink, AsyncSink(), AsyncSink, functools.partial(_async_sink)])
def test_what_cannot_take_events_synchronously_is_refused(attach, bad):
    with pytest.raises(TypeError, match="sink"):
        attach(bad).__enter__()


# Sinks that raise


class Broken:
    def __init__(self, after=0):
        self.calls = 0
        self.after = after

    def __call__(self, event):
        self.calls += 1
        if self.calls > self.after:
            raise RuntimeError("no room")


@pytest.mark.parametrize("after", [0, 2, 5])
async def test_a_sink_that_raises_is_warned_of_once_and_left_out_while_others_go_on(after):
    broken, before, behind = Broken(after), [], []

    async def four_runs():
        with observe(before.append, broken, behind.append):
            results = [await pipeline_of(echo).execute("x") for _ in range(3)]
            with observe(lambda event: None):
                return [*results, await pipeline_of(echo).execute("x")]

    with pytest.warns(SinkWarning, match="Broken raised RuntimeError: no room") as warned:
        results = await four_runs()
    assert len(warned) == 1
    assert broken.calls == after + 1
    assert len(before) == len(behind) == 16
    assert {result.status for result in results} == {RunStatus.SUCCESS}


async def test_a_sink_that_was_left_out_is_heard_again_in_another_block():
    broken = Broken()
    for calls in (1, 2):
        with pytest.warns(SinkWarning), observe(broken):
            await pipeline_of(echo).execute("x")
        assert broken.calls == calls


async def test_where_warnings_are_errors_a_sink_that_raises_still_changes_no_run():
    broken, behind = Broken(), []
    with warnings.catch_warnings(record=True) as shown, observe(broken, behind.append):
        warnings.simplefilter("error")
        result = await pipeline_of(echo).execute("x")
    assert (result.status, len(behind), broken.calls) == (RunStatus.SUCCESS, 4, 1)
    assert [str(each.message) for each in shown if each.category is SinkWarning]


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no")


class HostileSink:
    def __getattr__(self, name):
        raise RuntimeError(name)

    def __call__(self, event):
        raise Unspeakable


async def test_a_sink_whose_attributes_raise_never_changes_a_run():
    behind = []
    with pytest.warns(SinkWarning, match="raised"), observe(HostileSink(), behind.append):
        result = await pipeline_of(echo).execute("x")
    assert (result.status, len(behind)) == (RunStatus.SUCCESS, 4)


async def test_a_sink_whose_exception_cannot_be_described_is_warned_of_too():
    def sink(event):
        raise Unspeakable

    with (
        pytest.warns(
            SinkWarning, match=r"sink raised Unspeakable: <Unspeakable, whose str\(\) raises>; it is left out"
        ),
        observe(sink),
    ):
        result = await pipeline_of(echo).execute("x")
    assert result.status is RunStatus.SUCCESS


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock])
async def test_a_mock_is_a_sink(kind):
    sink = kind()
    with observe(sink):
        await pipeline_of(echo).execute("x")
    assert sink.call_count == 4


# With nobody listening


class Levelled:
    def __init__(self, level):
        self.level = level
        self.heard = []

    def minimum_level(self):
        return self.level

    def __call__(self, event):
        self.heard.append(event.level)


@pytest.fixture
def made(monkeypatch):
    """The names of the events of which an object was made."""
    names = []

    def counting(kind, *args):
        names.append(kind.event_name)
        return kind(*args)

    for kind in KINDS:
        monkeypatch.setattr(events, kind.__name__, functools.partial(counting, kind))
    return names


@pytest.mark.parametrize("sinks", [[], [Levelled(logging.CRITICAL + 1)]], ids=["none", "silent"])
async def test_with_nobody_listening_no_event_object_is_made(sinks, made, autojump_clock):
    agent = ScriptedAgent(fail(), answer(), fail(OSError))
    pipeline = pipeline_of(agent, agent, config=StageConfig(attempts=2, error_policy=ErrorPolicy.SKIP))
    with observe_only(*sinks):
        assert (await pipeline.execute("x")).status is RunStatus.DEGRADED
    assert made == []
    with capture_events() as captured:
        await pipeline.execute("x")
    assert made == captured.names != []


async def test_by_default_nobody_listens_and_no_event_object_is_made(made):
    # Other tests import structlog perhaps, but none leaves it configured.
    assert (await pipeline_of(ScriptedAgent(fail()), config=SKIP).execute("x")).status is RunStatus.DEGRADED
    assert made == []


async def test_what_no_sink_wants_is_not_made_but_for_the_end_of_the_run(made, autojump_clock):
    sink = Levelled(logging.WARNING)
    with observe_only(sink):
        await pipeline_of(ScriptedAgent(fail(), answer()), echo, config=StageConfig(attempts=2)).execute(1)
    assert made == ["stage.retry", "pipeline.end"]
    assert sink.heard == ["warning", "info"]
