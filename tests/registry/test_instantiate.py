"""Making agents: their options, what is refused before the class is called, and what is around what is returned."""

import sys
from types import ModuleType

import pytest

from atrio import (
    AgentDefinition,
    AgentPool,
    AgentRegistry,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    RegistryError,
    Stage,
)
from atrio.testing import run_in_virtual_time

AGENTS = ModuleType("agents_of_tests")
LOG = []


def agent(cls):
    """Put a class into a module that definitions may name."""
    cls.__module__ = AGENTS.__name__
    cls.__qualname__ = cls.__name__
    setattr(AGENTS, cls.__name__, cls)
    return cls


@pytest.fixture(autouse=True)
def agents_module(monkeypatch):
    monkeypatch.setitem(sys.modules, AGENTS.__name__, AGENTS)


@agent
class Repeats:
    made = 0

    def __init__(self, times, *, mark="", words=()):
        type(self).made += 1
        self.times, self.mark, self.words = times, mark, words

    async def process(self, data):
        return data * self.times + self.mark


@agent
class TakesAll:
    def __init__(self, first=1, *others, **options):
        self.first, self.others, self.options = first, others, options

    async def process(self, data):
        return data


@agent
class Plain:
    async def process(self, data):
        return data


@agent
class Fails:
    agent_id = "of its own"

    def __init__(self, error=None):
        if error:
            raise error

    async def process(self, data):
        raise ValueError(data)


@agent
class Opens:
    async def __aenter__(self):
        LOG.append("opened")
        return self

    async def __aexit__(self, *exc_info):
        LOG.append("closed")

    async def process(self, data):
        return data


@agent
class PositionalOnly:
    def __init__(self, path, /):
        pass

    async def process(self, data):
        return data


@agent
class BecomesNone:
    def __init__(self):
        self.process = lambda data: data

    async def process(self, data):
        return data


@agent
class NoSignature:
    __signature__ = "unknown"

    async def process(self, data):
        return data


def registry_of(name, **options):
    register = {key: options.pop(key) for key in ("breaker", "capacity") if key in options}
    registry = AgentRegistry(allowed_modules=[AGENTS.__name__, __name__])
    made = AgentDefinition(name, AGENTS.__name__, ["work"], "any", "any", **options)
    registry.register("a", made, **register)
    return registry


def test_overrides_go_over_a_copy_of_the_configuration():
    words = [["x"]]
    registry = registry_of("Repeats", configuration={"times": 2, "mark": "!", "words": words})
    first = registry.instantiate("a")
    second = registry.instantiate("a", {"times": 3, "words": words})
    first.words[0].append("y")
    assert (first.times, first.mark, second.times, second.mark) == (2, "!", 3, "!")
    assert words == [["x"]]
    assert second.words is words
    assert registry.instantiate("a").words == [["x"]]
    assert run_in_virtual_time(second.process, "ab") == "ababab!"


@pytest.mark.parametrize(
    ("overrides", "message", "nearest"),
    [
        ({"time": 3}, r"Repeats has no option 'time'; did you mean 'times'\?$", ("times",)),
        ({"marks": 3, "tymes": 1}, r"Repeats has no options 'marks', 'tymes'; did you mean 'mark'\?$", ("mark",)),
        ({"zzzzz": 3}, r"Repeats has no option 'zzzzz'; it has times, mark, words$", ()),
        ({"self": 3}, "Repeats has no option 'self'", ()),
    ],
)
def test_a_refused_option_is_named_before_the_class_is_called(overrides, message, nearest):
    registry = registry_of("Repeats", configuration={"times": 1})
    before = Repeats.made
    with pytest.raises(RegistryError, match=message) as caught:
        registry.instantiate("a", overrides)
    assert caught.value.agent_id == "a"
    assert caught.value.nearest[:1] == nearest[:1]
    assert Repeats.made == before


def test_a_missing_option_is_named():
    with pytest.raises(RegistryError, match="Repeats needs 'times', which neither its configuration nor the overrides"):
        registry_of("Repeats").instantiate("a")


def test_a_class_without_options_says_so():
    with pytest.raises(RegistryError, match="Plain has no option 'x'; it has none"):
        registry_of("Plain").instantiate("a", {"x": 1})


def test_a_class_that_takes_all_options_gets_them():
    made = registry_of("TakesAll", configuration={"a": 1}).instantiate("a", {"b": 2, "first": 3})
    assert (made.first, made.others, made.options) == (3, (), {"a": 1, "b": 2})


@pytest.mark.parametrize("error", [ValueError("as scripted"), RuntimeError("as scripted")])
def test_what_the_class_raises_is_the_cause(error):
    with pytest.raises(RegistryError, match=r"Fails\(error\) raised \w+: as scripted") as caught:
        registry_of("Fails").instantiate("a", {"error": error})
    assert caught.value.__cause__ is error


@agent
class Private:
    def __init__(self):
        self._calls, self._capacity, self._parts, self._lifetime, self._on = range(5)

    async def process(self, data):
        self._calls += 1
        return self._calls, self._capacity, self._parts, self._lifetime, self._on


def test_attributes_with_an_underscore_are_all_the_agents_own():
    registry = registry_of("Private", breaker=CircuitBreaker("b"), capacity=1)
    registry.register("b", registry.get("a"))
    registry.register("a", registry.get("a"), breaker=CircuitBreaker("b"), capacity=1, fallback=["b"])
    made = registry.instantiate("a")
    made._capacity = 7
    assert run_in_virtual_time(made.process, None) == (1, 7, 2, 3, 4)
    assert (made._calls, made._capacity, made._parts, made._lifetime, made._on) == (1, 7, 2, 3, 4)


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "said"), [(Speechless(), "Speechless: <Speechless, whose str"), (SystemExit(3), "SystemExit: 3")]
)
def test_whatever_the_class_raises_it_is_a_registry_error(error, said):
    with pytest.raises(RegistryError, match=rf"agent 'a' cannot be made: Fails\(error\) raised {said}"):
        registry_of("Fails").instantiate("a", {"error": error})


def test_a_result_that_is_no_agent_was_not_raised():
    with pytest.raises(RegistryError, match=r"BecomesNone\(\) gave what is refused: BecomesNone.process is not async"):
        registry_of("BecomesNone").instantiate("a")


def test_where_making_fails_a_missing_need_is_named(monkeypatch):
    monkeypatch.setenv("THERE", "1")
    registry = registry_of("Fails", needs=["THERE", "NOT_THERE", "NOR_THERE"])
    with pytest.raises(RegistryError, match=r"raised KeyError: 'x'. It needs NOT_THERE, NOR_THERE, which are not set"):
        registry.instantiate("a", {"error": KeyError("x")})
    assert registry.instantiate("a").agent_id == "a", "else it is made: it may find what it needs elsewhere"


@pytest.mark.parametrize("name", ["PositionalOnly", "BecomesNone"])
def test_what_cannot_be_made_or_is_no_agent_is_refused(name):
    with pytest.raises(RegistryError, match=f"agent 'a' cannot be made: {name}"):
        registry_of(name).instantiate("a")


def test_a_class_without_a_signature_is_just_called():
    assert run_in_virtual_time(registry_of("NoSignature").instantiate("a").process, 1) == 1
    with pytest.raises(RegistryError, match="raised TypeError"):
        registry_of("NoSignature").instantiate("a", {"x": 1})


@pytest.mark.parametrize("overrides", [["a"], "times", {1: 2}])
def test_overrides_are_a_mapping_of_names(overrides):
    with pytest.raises(TypeError, match="overrides"):
        registry_of("Repeats", configuration={"times": 1}).instantiate("a", overrides)


def test_attributes_pass_through_and_the_id_is_the_registered_one():
    made = registry_of("Fails").instantiate("a")
    assert made.agent_id == "a"
    made = registry_of("Repeats", configuration={"times": 1}).instantiate("a")
    assert "Repeats object at" in repr(made)
    assert repr(made).endswith(", measured>")
    made.mark = "?"
    assert run_in_virtual_time(made.process, "x") == "x?"
    with pytest.raises(AttributeError):
        made.absent  # noqa: B018 - looking is the test


def test_an_agent_that_opens_something_is_entered_and_left():
    LOG.clear()
    pipeline = Pipeline("p").add_stage(Stage("s", registry_of("Opens").instantiate("a")))

    async def use():
        async with pipeline:
            LOG.append(await pipeline.process("x"))

    run_in_virtual_time(use)
    assert LOG == ["opened", "x", "closed"]


@pytest.mark.parametrize("capacity", [1, 3])
def test_its_breaker_guards_all_instances_and_a_pool_sees_it(capacity):
    breaker = CircuitBreaker("b", failure_threshold=2, recovery_timeout=10)
    registry = registry_of("Fails", breaker=breaker, capacity=capacity)
    first, second = registry.instantiate("a"), registry.instantiate("a")
    pool = AgentPool([first, Plain()], pool_id="pool")

    async def use():
        assert registry.rank("work")[0].availability == 1
        for each in (first, second):
            with pytest.raises(ValueError, match="x"):
                await each.process("x")
        assert registry.rank("work")[0].availability == 0
        with pytest.raises(CircuitOpenError):
            await first.process("x")
        assert [await pool.process(n) for n in range(3)] == [0, 1, 2]
        return pool.statistics().members

    assert [each.calls for each in run_in_virtual_time(use)] == [0, 3]


def test_what_it_needs_is_looked_up_when_it_is_asked(monkeypatch):
    monkeypatch.delenv("OWN_KEY", raising=False)
    registry = registry_of("Plain", needs=["OWN_KEY"])
    assert registry.rank("work")[0].availability == 0
    assert "OWN_KEY" in str(registry.rank("work")[0])
    monkeypatch.setenv("OWN_KEY", "")
    assert registry.rank("work")[0].availability == 0
    monkeypatch.setenv("OWN_KEY", "secret")
    assert registry.rank("work")[0].availability == 1
    assert "secret" not in str(registry.rank("work")[0])
