"""Definitions: plain data, refused at once where they cannot be right."""

import copy
import pickle
import re
import threading
from collections import UserDict

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio import AgentDefinition, AgentRegistry, Capability, RegistryError, ResourceRequirements
from atrio.errors import DefinitionError
from atrio.registry.definitions import ANY_SCHEMA, feeds


def definition(**others):
    return AgentDefinition(**{
        "agent_class": "Classifier",
        "module_path": "shop.agents",
        "capabilities": ["validation"],
        "input_schema": "text",
        "output_schema": "verdict",
        **others,
    })  # fmt: skip


def test_capabilities_are_lower_case_strings():
    assert {each.name: each.value for each in Capability} == {
        "TASK_PROCESSING": "task_processing",
        "CONTENT_ANALYSIS": "content_analysis",
        "DATA_TRANSFORMATION": "data_transformation",
        "COMMUNICATION": "communication",
        "VALIDATION": "validation",
        "REPORTING": "reporting",
    }
    assert definition(capabilities=[Capability.VALIDATION]) == definition(capabilities=["validation"])


def test_what_is_left_out():
    made = definition()
    assert made.capabilities == ("validation",)
    assert dict(made.configuration) == dict(made.scores) == {}
    assert made.resource_requirements == ResourceRequirements(memory_mb=None, cpu_cores=None)
    assert made.needs == ()
    assert made.score("validation") == 1.0
    with pytest.raises(KeyError):
        made.score("reporting")


def test_scores_are_of_its_own_capabilities():
    made = definition(
        capabilities=["validation", "sorting", "validation"], scores={Capability.VALIDATION: 1, "sorting": 0}
    )
    assert made.capabilities == ("validation", "sorting")
    assert (made.score("validation"), made.score("sorting")) == (1.0, 0.0)
    with pytest.raises(TypeError):
        made.scores["sorting"] = 1.0
    with pytest.raises(DefinitionError, match="'reporting', which is none of the agent's capabilities"):
        definition(scores={"reporting": 0.5})


@pytest.mark.parametrize(
    ("scores", "best"), [({}, 1.0), ({"one": 0.5}, 1.0), ({"one": 0.5, "two": 0.25}, 0.5), ({"one": 0, "two": 0}, 0.0)]
)
def test_what_it_is_best_at_counts_one_where_nothing_is_said(scores, best):
    assert definition(capabilities=["one", "two"], scores=scores).best_score == best


def test_definitions_share_the_names_that_they_have_in_common():
    # Equal strings, but two of them, as from two files.
    names = [b"name".decode() for _ in range(2)]
    one, other = (definition(capabilities=[name], input_schema=name) for name in names)
    assert one.capabilities[0] is other.capabilities[0] is one.input_schema is other.input_schema


def test_nobody_can_change_it():
    configuration = {"words": ["a"], "nested": {"list": [1]}}
    made = definition(configuration=configuration)
    configuration["words"].append("b")
    made.configuration["nested"]["list"].append(2)
    assert dict(made.configuration) == {"words": ["a"], "nested": {"list": [1]}}
    assert len(made.configuration) == 2
    with pytest.raises(TypeError):
        made.configuration["words"] = []
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.module_path = "os"


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made)), attrs.evolve])
def test_it_is_a_value(way):
    made = definition(configuration={"a": [1]}, scores={"validation": 0.5}, needs=["KEY"])
    again = way(made)
    assert again == made
    assert hash(again) == hash(made)
    assert again != definition()
    assert "'a': [1]" in repr(again)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agent_class", None),
        ("agent_class", int),
        ("module_path", None),
        ("module_path", b"os"),
        ("capabilities", "validation"),
        ("capabilities", None),
        ("capabilities", 3),
        ("capabilities", [None]),
        ("input_schema", None),
        ("output_schema", str),
        ("configuration", ["a"]),
        ("configuration", {1: 2}),
        ("configuration", {"lock": threading.Lock()}),
        ("resource_requirements", None),
        ("resource_requirements", {"memory_mb": 3}),
        ("scores", ["validation"]),
        ("scores", {"validation": "1"}),
        ("scores", {"validation": True}),
        ("scores", {3: 1}),
        ("needs", "KEY"),
        ("needs", [3]),
    ],
)
def test_what_is_of_the_wrong_type_is_named(field, value):
    with pytest.raises(TypeError, match=f"AgentDefinition.{field}"):
        definition(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("agent_class", name) for name in ["", " ", "A.", ".A", "A..B", "A B", "A\n", "A()"]),
        *(("agent_class", name) for name in ["A.__init__", "1A", "A" * 201]),
        *(("module_path", name) for name in ["", ".", ".a", "a.", "a..b", "a b", "a\n", "a:b"]),
        *(("module_path", name) for name in ["a.__main__", "a." * 100 + "b"]),
        *(("capabilities", names) for names in [[], [""], [" "], ["Validation"], ["a\n"], [" a"], ["a" * 201]]),
        *(("input_schema", name) for name in ["", "  ", "a\nb", "a\0", "a" * 201, "\ud800"]),
        *(("output_schema", name) for name in ["", "\t", "a\x7f"]),
        *(("scores", {"validation": score}) for score in [-0.1, 1.1, float("nan"), float("inf")]),
        ("scores", {"Validation": 1}),
        *(("needs", [name]) for name in ["", " ", "A B", "A=B", "A\0", "A\n"]),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_named(field, value):
    with pytest.raises(DefinitionError, match=f"AgentDefinition.{field}") as caught:
        definition(**{field: value})
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RegistryError)
    assert len(str(caught.value)) < 400


def test_any_mapping_serves():
    assert dict(definition(configuration=UserDict(a=1)).configuration) == {"a": 1}


def test_names_become_plain_strings():
    class Loud(str):
        __slots__ = ()

        def __str__(self):
            return self.upper()

    made = definition(agent_class=Loud("A"), module_path=Loud("m"), capabilities=[Loud("c")], input_schema=Loud("s"))
    values = [made.agent_class, made.module_path, *made.capabilities, made.input_schema]
    assert values == ["A", "m", "c", "s"]
    assert {type(value) for value in values} == {str}


@pytest.mark.parametrize("values", [{"memory_mb": 1}, {"memory_mb": 512, "cpu_cores": 0.5}, {"cpu_cores": 2}])
def test_resources(values):
    assert attrs.asdict(ResourceRequirements(**values)) == {"memory_mb": None, "cpu_cores": None, **values}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("memory_mb", 0, ValueError),
        ("memory_mb", -5, ValueError),
        ("memory_mb", 0.5, TypeError),
        ("memory_mb", True, TypeError),
        ("memory_mb", "512", TypeError),
        ("cpu_cores", 0, ValueError),
        ("cpu_cores", float("nan"), ValueError),
        ("cpu_cores", "1", TypeError),
    ],
)
def test_resources_that_cannot_be_right(field, value, error):
    with pytest.raises(error, match=f"ResourceRequirements.{field}"):
        ResourceRequirements(**{field: value})


@given(st.text(), st.text())
def test_schemas_meet_when_equal_or_when_the_consumer_takes_any(output, taken):
    assert feeds(output, output)
    assert feeds(output, ANY_SCHEMA)
    assert feeds(output, taken) == (taken in {output, "any"})


def test_a_producer_of_any_feeds_only_who_takes_any():
    assert not feeds("any", "text")


TEXT = st.text() | st.sampled_from(["a", "a.b", "__a__", "a\n", ".a", "Validation", "any"])


@given(TEXT, TEXT, st.lists(TEXT, max_size=3), TEXT, TEXT)
def test_whatever_the_names_it_is_refused_or_can_be_relied_on(agent_class, module, capabilities, taken, given_):
    try:
        made = AgentDefinition(agent_class, module, capabilities, taken, given_)
    except DefinitionError:
        return
    assert all(part.isidentifier() for part in [*made.agent_class.split("."), *made.module_path.split(".")])
    assert made.capabilities
    assert all(each == each.lower() == each.strip() != "" for each in made.capabilities)
    assert made.input_schema.strip()
    assert made.output_schema.isprintable()


def test_what_was_meant_is_said_with_the_names_that_were_given():
    with pytest.raises(TypeError, match=re.escape("write ('reporting',)")):
        AgentDefinition("A", "m", "reporting", "any", "any")
    with pytest.raises(TypeError, match=re.escape("write ['shop']")):
        AgentRegistry(allowed_modules="shop")


def test_why_it_is_not_available_is_a_clause():
    definition = AgentDefinition("A", "shop", ["x"], "text", "text", unavailable="it is night")
    assert definition.unavailable == "it is night"
    assert pickle.loads(pickle.dumps(definition)) == definition
    with pytest.raises(TypeError, match="why the agent cannot work here, in words, or None, not 7"):
        AgentDefinition("A", "shop", ["x"], "text", "text", unavailable=7)
    for wrong in ("", " ", "two\nlines"):
        with pytest.raises(DefinitionError, match="why the agent cannot work here"):
            AgentDefinition("A", "shop", ["x"], "text", "text", unavailable=wrong)


def test_who_is_not_available_is_in_no_plan_until_it_is():
    registry = AgentRegistry()
    able = AgentDefinition("A", "shop", ["x", "y"], "text", "text", scores={"x": 0.1, "y": 0.1})
    resting = AgentDefinition("A", "shop", ["x", "y"], "text", "text", unavailable="it is night")
    registry.register("able", able)
    registry.register("best", resting)
    before = registry.catalogue
    assert before.unavailable == {"best": "it is night"}
    assert registry.plan(["x", "y"]) == ("able", "able")
    assert list(registry.suggest_pipelines("x", "y", limit=None)) == [("able",)]
    registry.register("best", attrs.evolve(resting, unavailable=None))
    assert registry.catalogue.unavailable == {}
    assert before.unavailable == {"best": "it is night"}
    assert registry.plan(["x", "y"]) == ("best", "best")
    found = list(registry.suggest_pipelines("x", "y", limit=None))
    assert found == [("best",), ("able",), ("able", "best"), ("best", "able")]
    registry.register("best", resting)
    registry.unregister("best")
    assert registry.catalogue.unavailable == {}
