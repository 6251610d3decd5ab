"""What cannot work is refused with a sentence that says why, at the earliest moment it can be known."""

import math

import pytest
from batch_cases import as_async, assert_permits_are_back, processor_of, statuses

from atrio import BatchConfig, BatchProcessor
from atrio.testing import ScriptedAgent, capture_events


async def echo(data):
    return data


@pytest.mark.parametrize("value", [0, -1, -(10**9)])
def test_a_capacity_below_one(value):
    with pytest.raises(ValueError, match="max_concurrent"):
        BatchConfig(value)


@pytest.mark.parametrize("value", [True, False, 1.0, 1.5, math.nan, math.inf, "5", None, [5]])
def test_a_capacity_that_is_no_whole_number(value):
    with pytest.raises(TypeError, match="max_concurrent"):
        BatchConfig(value)


@pytest.mark.parametrize("field", ["timeout", "task_timeout"])
@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, math.inf, -math.inf, 10**400])
def test_seconds_out_of_range(field, value):
    with pytest.raises(ValueError, match=field):
        BatchConfig(**{field: value})


@pytest.mark.parametrize("field", ["timeout", "task_timeout"])
@pytest.mark.parametrize("value", [True, False, "5", [5], 1j])
def test_seconds_that_are_no_number(field, value):
    with pytest.raises(TypeError, match=field):
        BatchConfig(**{field: value})


def test_the_defaults():
    assert BatchProcessor().config == BatchConfig() == BatchConfig(max_concurrent=5, timeout=300.0, task_timeout=None)
    assert BatchConfig(timeout=None).timeout is None


@pytest.mark.parametrize("config", [None, 5, {"max_concurrent": 5}, BatchConfig])
def test_a_config_that_is_none(config):
    with pytest.raises(TypeError, match="BatchConfig"):
        BatchProcessor(config)


class SyncAgent:
    def process(self, data):
        return data


class Agent:
    async def process(self, data):
        return data


def blocking(data):
    return data


NO_AGENTS = [None, 5, "agent", object(), blocking, Agent, SyncAgent(), lambda data: data, [echo]]


@pytest.mark.parametrize("agent", NO_AGENTS)
async def test_map_refuses_what_is_no_agent(autojump_clock, agent):
    pulled = []
    with capture_events() as events, pytest.raises(TypeError):
        await processor_of().map(agent, (pulled.append(number) for number in range(3)))
    assert (pulled, events) == ([], [])


async def test_the_refusal_names_the_adapter(autojump_clock):
    with pytest.raises(TypeError, match="in_thread"):
        await processor_of().map(blocking, [1])


@pytest.mark.parametrize("agent", NO_AGENTS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_bad_agent_in_a_pair_is_that_tasks_error(autojump_clock, agent, is_async):
    pairs = [(echo, 1), (agent, 2), (echo, 3)]
    batch = await processor_of(2).process_batch(as_async(pairs) if is_async else pairs)
    assert statuses(batch) == ["success", "error", "success"]
    assert batch.results[1].error.error_type == "TypeError"


@pytest.mark.parametrize("pair", [None, 5, echo, "ab", (), (echo,), (echo, 1, 2), [echo, 1], {echo: 1}])
@pytest.mark.parametrize("how", ["process_batch", "stream"])
async def test_a_pair_that_is_none_is_that_tasks_error(autojump_clock, pair, how):
    pairs, processor = [(echo, 1), pair, (echo, 3)], processor_of()
    if how == "stream":
        async with processor.stream(pairs) as outcomes:
            results = [outcome async for outcome in outcomes]
    else:
        results = (await processor.process_batch(pairs)).results
    assert statuses(results) == ["success", "error", "success"]
    assert results[1].error.error_type == "TypeError"
    assert "pair" in results[1].error.message
    assert 1 <= len(results[1].agent_id) <= 200


async def test_a_pair_that_is_none_says_map_if_one_agent_was_meant(autojump_clock):
    (task,) = (await processor_of().process_batch([5])).results
    assert "map" in task.error.message


@pytest.mark.parametrize("name", ["agent_id", "process"])
@pytest.mark.parametrize("error", [RuntimeError, OSError, ValueError])
async def test_an_agent_that_cannot_be_looked_at_is_its_tasks_error(autojump_clock, name, error):
    def raises(self):
        raise error("not now")

    broken = type("Broken", (Agent,), {name: property(raises)})()
    processor = processor_of()
    batch = await processor.process_batch([(echo, 1), (broken, 2), (echo, 3)])
    assert statuses(batch) == ["success", "error", "success"]
    assert batch.results[1].error.error_type == error.__name__
    assert_permits_are_back(processor)


@pytest.mark.parametrize("agent_id", ["", "  ", "x" * 201, 5])
async def test_a_bad_agent_id_is_its_tasks_error(autojump_clock, agent_id):
    agent = Agent()
    agent.agent_id = agent_id
    batch = await processor_of().process_batch([(agent, 1), (echo, 2)])
    assert statuses(batch) == ["error", "success"]
    with pytest.raises(ValueError, match="agent_id"):
        await processor_of().map(agent, [1])


def generator_function():
    yield 1


async def async_generator_function():
    yield 1


class NotIterable:
    pass


NO_SOURCES = ["text", b"bytes", "", 5, None, echo, object(), generator_function, async_generator_function, NotIterable]


@pytest.mark.parametrize("inputs", NO_SOURCES)
async def test_inputs_that_are_none(autojump_clock, inputs):
    agent = ScriptedAgent()
    with capture_events() as events:
        with pytest.raises(TypeError):
            await processor_of().map(agent, inputs)
        with pytest.raises(TypeError):
            await processor_of().process_batch(inputs)
        with pytest.raises(TypeError):
            async with processor_of().stream(inputs):
                pytest.fail("entered")
    assert (agent.calls, events) == ([], [])


async def test_a_generator_function_is_told_to_be_called(autojump_clock):
    with pytest.raises(TypeError, match=r"generator_function\(\)"):
        await processor_of().map(echo, generator_function)


@pytest.mark.parametrize("inputs", ["text", 5, None])
async def test_stream_refuses_at_the_call(autojump_clock, inputs):
    with pytest.raises(TypeError):
        processor_of().stream(inputs)
    with pytest.raises(ValueError, match="name"):
        processor_of().stream([], name="")


@pytest.mark.parametrize("name", ["", " ", "x" * 201, 5, None])
async def test_a_name_that_is_none(autojump_clock, name):
    agent = ScriptedAgent()
    with pytest.raises(ValueError, match="name"):
        await processor_of().map(agent, [1], name=name)
    with pytest.raises(ValueError, match="name"):
        await processor_of().process_batch([(agent, 1)], name=name)
    assert agent.calls == []


@pytest.mark.parametrize("metadata", [5, "text", [1]])
async def test_metadata_is_checked_before_anything_runs(autojump_clock, metadata):
    agent = ScriptedAgent()
    with pytest.raises(TypeError, match="metadata"):
        await processor_of().map(agent, [1], metadata=metadata)
    assert agent.calls == []


async def test_metadata_is_copied(autojump_clock):
    own = {"ticket": 7}
    batch = await processor_of().map(echo, [1], metadata=own)
    own.clear()
    assert batch.metadata == {"ticket": 7}
    assert (await processor_of().map(echo, [1])).metadata == {}


@pytest.mark.parametrize("inputs", [[], (), {}, set(), range(0)], ids=repr)
async def test_an_empty_batch_is_refused_before_it_starts(autojump_clock, inputs):
    with capture_events() as events, pytest.raises(ValueError, match="empty"):
        await processor_of().map(echo, inputs, name="mine")
    assert events == []
