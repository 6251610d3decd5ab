"""What an agent is, what it is called, and what is refused as one."""

import functools
import gc

import pytest

from atrio import Agent, Pipeline, PipelineContext, Stage, StageConfig
from atrio.adapters import in_thread
from atrio.testing import ScriptedAgent

ONCE = StageConfig(attempts=1)
BAD_IDS = ["", " ", "\t\n", "x" * 201, 5, b"id", ["id"]]
GOOD_IDS = ["x", "x" * 200, "é ü", "a/b:c", " padded "]


async def double(data):
    return data * 2


async def multiply(factor, data):
    return factor * data


def blocking(data):
    return data * 2


async def numbers(data):
    yield data


def generator(data):
    yield data


class Doubler:
    async def process(self, data):
        return data * 2

    async def other(self, data):
        return data * 2

    @staticmethod
    async def static(data):
        return data * 2

    def sync(self, data):
        return data * 2


class StaticProcess:
    @staticmethod
    async def process(data):
        return data * 2


class Named(Doubler):
    agent_id = "the doubler"


class Callable:
    async def __call__(self, data):
        return data * 2


class SyncProcess:
    def process(self, data):
        return data


class YieldingProcess:
    async def process(self, data):
        yield data


class ProcessIsNoFunction:
    process = 7


def with_name(name):
    async def function(data):
        return data

    function.__name__ = name
    return function


def with_id(agent_id):
    agent = Doubler()
    agent.agent_id = agent_id
    return agent


AGENTS = {
    "function": (lambda: double, "double"),
    "object": (Doubler, "Doubler"),
    "object with an id": (Named, "the doubler"),
    "static process": (StaticProcess, "StaticProcess"),
    "bound method": (lambda: Doubler().other, "other"),
    "static method": (lambda: Doubler.static, "static"),
    "partial": (lambda: functools.partial(multiply, 2), "multiply"),
    "callable object": (Callable, "Callable"),
    "pipeline": (lambda: Pipeline("inner").add_stage(Stage("a", double)), "inner"),
    "thread": (lambda: in_thread(blocking), "blocking"),
}


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_of_any_kind_runs_under_its_own_id(kind):
    make, agent_id = AGENTS[kind]
    stage = Stage("s", make())
    result = await Pipeline("p").add_stage(stage).execute(21)
    assert result.output == 42
    assert stage.agent_id == result.stages[0].agent_id == agent_id


@pytest.mark.parametrize("kind", ["object", "object with an id", "pipeline", "thread"])
def test_an_object_with_an_async_process_is_the_protocol_and_is_kept_as_it_is(kind):
    agent = AGENTS[kind][0]()
    assert isinstance(agent, Agent)
    assert Stage("s", agent).agent is agent


def test_what_has_no_process_is_not_the_protocol():
    assert not isinstance(double, Agent)
    assert not isinstance(object(), Agent)


# name: (candidate, parts of the message)
REFUSED = {
    "sync function": (blocking, ["blocking is not async", "atrio.adapters.in_thread(blocking)", "async def"]),
    "sync bound method": (Doubler().sync, ["sync", "atrio.adapters.in_thread"]),
    "partial of a sync function": (functools.partial(blocking), ["atrio.adapters.in_thread(blocking)"]),
    "generator function": (generator, ["generator is not async"]),
    "class": (Doubler, ["Doubler is a class", "instance", "Doubler(...)"]),
    "callable class": (Callable, ["Callable is a class"]),
    "sync process": (SyncProcess(), ["SyncProcess.process is not async", "atrio.adapters.in_thread"]),
    "async generator function": (numbers, ["numbers yields", "return"]),
    "async generator process": (YieldingProcess(), ["YieldingProcess.process yields", "return"]),
    "process that is no function": (ProcessIsNoFunction(), ["ProcessIsNoFunction.process is not async"]),
    "none": (None, ["NoneType", "async def process(self, data)", "atrio.adapters.in_thread"]),
    "string": ("agent", ["str", "async def process(self, data)", "atrio.adapters.in_thread"]),
    "lambda": (lambda data: data, ["not async", "in_thread"]),
    "builtin": (len, ["len is not async", "atrio.adapters.in_thread(len)"]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_agent_is_refused_when_the_stage_is_built(kind):
    candidate, parts = REFUSED[kind]
    with pytest.raises(TypeError) as caught:
        Stage("s", candidate)
    for part in parts:
        assert part in str(caught.value)


def test_a_coroutine_object_is_refused_without_a_warning_that_it_was_never_awaited():
    with pytest.raises(TypeError, match="pass the function itself, `double`"):
        Stage("s", double(1))
    gc.collect()  # the warning, an error here, would come when the coroutine is collected


@pytest.mark.parametrize(
    "make",
    [
        lambda each: Stage(each, double),
        Pipeline,
        PipelineContext,
        lambda each: Stage("s", with_id(each)),
        lambda each: ScriptedAgent(agent_id=each),
        lambda each: in_thread(blocking, agent_id=each),
    ],
    ids=["stage", "pipeline", "context", "agent", "scripted agent", "thread agent"],
)
class TestIdsOfEveryKind:
    @pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
    def test_a_bad_one_is_refused(self, make, bad):
        with pytest.raises(ValueError, match=r"_id"):
            make(bad)

    @pytest.mark.parametrize("good", GOOD_IDS, ids=lambda text: text[:10])
    def test_a_good_one_is_kept(self, make, good):
        made = make(good)
        assert good in {getattr(made, name, None) for name in ("stage_id", "pipeline_id", "agent_id")}


def test_the_repr_of_a_function_as_an_agent_names_it():
    assert "'double'" in repr(Stage("s", double).agent)


def test_a_stage_id_of_none_is_refused():
    with pytest.raises(ValueError, match="stage_id must be a string of 1 to 200 characters"):
        Stage(None, double)


def test_a_derived_id_that_would_be_too_long_is_shortened_with_a_hash():
    one, other = (Stage("s", with_name("n" * 220 + end)).agent_id for end in "ab")
    assert len(one) == len(other) == 200
    assert one.startswith("n" * 100)
    assert one != other
    assert one == Stage("t", with_name("n" * 220 + "a")).agent_id


def test_a_derived_id_of_200_characters_is_kept():
    assert Stage("s", with_name("n" * 200)).agent_id == "n" * 200


def test_a_long_class_name_is_shortened_too():
    kind = type("K" * 300, (Doubler,), {})
    assert len(Stage("s", kind()).agent_id) == 200


def test_an_id_derived_from_a_callable_object_is_that_of_its_class():
    class Wrapper(Callable):
        def __init__(self, func):
            self.func = func

    assert Stage("s", Wrapper(double)).agent_id == "Wrapper"
