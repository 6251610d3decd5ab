"""Blocking functions as agents, each in a thread."""

import contextvars
import functools
import threading

import pytest
import trio
from trio.testing import assert_checkpoints

from atrio import Pipeline, Stage, StageConfig, current_context
from atrio.adapters import ThreadAgent, in_thread

REQUEST = contextvars.ContextVar("request", default="none")
ONCE = StageConfig(attempts=1)


def name_of_thread(data):
    return threading.get_ident()


def multiply(factor, data):
    return factor * data


class Multiplier:
    def by_two(self, data):
        return 2 * data

    def __call__(self, data):
        return 2 * data


async def asynchronous(data):
    return data


async def test_the_function_is_called_in_another_thread():
    assert await in_thread(name_of_thread).process("x") != threading.get_ident()


@pytest.mark.parametrize(
    ("function", "agent_id"),
    [
        (functools.partial(multiply, 2), "multiply"),
        (Multiplier().by_two, "by_two"),
        (Multiplier(), "Multiplier"),
        (lambda data: 2 * data, "<lambda>"),
    ],
)
async def test_any_blocking_callable_serves_under_its_own_name(function, agent_id):
    agent = in_thread(function)
    assert isinstance(agent, ThreadAgent)
    assert await agent.process(21) == 42
    assert agent.agent_id == Stage("s", agent).agent_id == agent_id


async def test_it_runs_in_a_pipeline_and_sees_its_context():
    def blocking(data):
        current_context().note(seen=True)
        return current_context().run_id

    result = await Pipeline("p").add_stage(Stage("a", in_thread(blocking, agent_id="mine"))).execute("x")
    assert result.output == result.run_id
    assert (result.stages[0].metadata, result.stages[0].agent_id) == ({"seen": True}, "mine")


async def test_an_exception_of_the_function_is_the_stages():
    error = OSError("disk")

    def blocking(data):
        raise error

    result = await Pipeline("p").add_stage(Stage("a", in_thread(blocking), config=ONCE)).execute("x")
    assert result.stages[0].error.exception is error


async def test_it_sees_the_callers_context_variables_and_changes_none():
    def blocking(data):
        seen = REQUEST.get()
        REQUEST.set("changed")
        return seen

    token = REQUEST.set("r1")
    try:
        assert await in_thread(blocking).process("x") == "r1"
        assert REQUEST.get() == "r1"
    finally:
        REQUEST.reset(token)


class Gate:
    """A blocking function that waits until it is opened, and counts who is inside."""

    def __init__(self):
        self.opened = threading.Event()
        self.inside = 0
        self.most = 0
        self.lock = threading.Lock()

    def __call__(self, data):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.opened.wait(timeout=20)
        with self.lock:
            self.inside -= 1
        return data


async def until(condition):
    """Let others run until `condition` holds."""
    with trio.fail_after(20):
        while not condition():
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("options", "limit"), [({}, 8), ({"max_threads": 2}, 2)])
async def test_each_agent_has_a_limiter_of_its_own(options, limit):
    gate, other = Gate(), in_thread(name_of_thread)
    agent = in_thread(gate, **options)
    hosts_own = trio.to_thread.current_default_thread_limiter()
    async with trio.open_nursery() as nursery:
        for number in range(limit + 3):
            nursery.start_soon(agent.process, number)
        await until(lambda: gate.inside == limit)
        assert hosts_own.borrowed_tokens == 0
        await other.process("x")  # full as the first is, the second has threads left
        assert gate.inside == limit
        gate.opened.set()
    assert (gate.most, gate.inside) == (limit, 0)


async def test_by_default_a_cancellation_waits_for_the_function():
    gate = Gate()
    agent = in_thread(gate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.process, "x")
        await until(lambda: gate.inside)
        nursery.cancel_scope.cancel()
        gate.opened.set()
    assert gate.inside == 0


async def test_a_function_that_asks_is_told_of_a_cancellation():
    asked = threading.Event()

    def patient(data):
        while True:
            trio.from_thread.check_cancelled()
            asked.set()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread(patient).process, "x")
            await until(asked.is_set)
            nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught


async def test_a_timeout_of_a_stage_reaches_a_function_that_asks():
    def patient(data):
        while True:
            trio.from_thread.check_cancelled()

    stage = Stage("a", in_thread(patient), config=StageConfig(attempts=1, timeout=0.01))
    result = await Pipeline("p").add_stage(stage).execute("x")
    assert result.errors[0].error_type == "timeout"


async def test_a_function_that_may_be_abandoned_is():
    gate = Gate()
    agent = in_thread(gate, abandon_on_cancel=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.process, "x")
        await until(lambda: gate.inside)
        nursery.cancel_scope.cancel()
    assert gate.inside == 1
    gate.opened.set()
    await until(lambda: gate.inside == 0)


async def test_its_process_is_a_checkpoint_on_success_and_failure():
    with assert_checkpoints():
        await in_thread(name_of_thread).process("x")
    with assert_checkpoints(), pytest.raises(TypeError):
        await in_thread(len).process(5)


@pytest.mark.parametrize("bad", [asynchronous, functools.partial(asynchronous)])
def test_an_async_function_needs_no_thread(bad):
    with pytest.raises(TypeError, match="asynchronous is async, so it needs no thread"):
        in_thread(bad)


@pytest.mark.parametrize("bad", [None, "f", 5])
def test_what_cannot_be_called_is_refused(bad):
    with pytest.raises(TypeError, match="in_thread takes a function"):
        in_thread(bad)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"max_threads": 0}, ValueError),
        ({"max_threads": True}, TypeError),
        ({"max_threads": 2.0}, TypeError),
        ({"agent_id": ""}, ValueError),
    ],
)
def test_bad_options_are_refused(options, kind):
    with pytest.raises(kind, match=next(iter(options))):
        in_thread(len, **options)


def test_a_long_name_makes_a_short_id():
    def blocking(data):
        return data

    blocking.__name__ = "b" * 300
    assert len(in_thread(blocking).agent_id) == 200


def test_the_repr_says_what_runs():
    assert "'len'" in repr(in_thread(len))
