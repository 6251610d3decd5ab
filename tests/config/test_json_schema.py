"""The schema for editors: it takes what reading takes, and refuses the mistakes that one table by itself can have."""

import json
import tomllib
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from atrio import ConfigError
from atrio.config import Configuration, configuration_schema, parse, settings

SCHEMA = configuration_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
TABLES = [
    kind
    for name in settings.__all__
    if attrs.has(kind := getattr(settings, name)) and kind is not Configuration
]  # fmt: skip

# Problems that a schema cannot know of, or that are about names which this one leaves to whoever reads.
BEYOND = (
    "lacks agent_class", "lacks module_path", "there is no ready-made agent", "is a score for a capability",
    "must have one", "must name one", "must be one of the keys", "must be at least 1, which is what",
    "as in 'validation'", "absolute name of a module", "name of a class", "name of a schema", "JMESPath",
    "name of an exception", "not inf", "not 2.0", "an address that begins", "without line breaks",
)  # fmt: skip


def problems_of(tree):
    try:
        parse(json.dumps(tree), path=Path("atrio.json"))
    except ConfigError as error:
        return [problem.message for problem in error.problems]
    return []


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_each_call_makes_a_new_one():
    configuration_schema()["$defs"].clear()
    assert configuration_schema() == SCHEMA


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_every_key_is_there_with_what_it_means(kind):
    definition = SCHEMA["$defs"][kind.__name__.removesuffix("Settings")]
    assert list(definition["properties"]) == [field.name for field in attrs.fields(kind)]
    assert all(each["description"] for each in definition["properties"].values())
    assert definition["description"]
    assert definition["additionalProperties"] is False
    assert definition.get("required", []) == [
        field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING
    ]


def test_every_table_is_there():
    sections = [field.name for field in attrs.fields(Configuration) if not field.kw_only]
    assert list(SCHEMA["properties"]) == ["$schema", *sections]


def test_defaults_are_shown():
    stage = SCHEMA["$defs"]["Stage"]["properties"]
    assert (stage["attempts"]["default"], stage["timeout"]["default"], stage["error_policy"]["default"]) == (
        3,
        60.0,
        "retry",
    )
    assert SCHEMA["$defs"]["Cli"]["properties"]["auto_save"]["default"] is True


def mistakes():
    text = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8")
    return [tuple(each.strip().split("\n=> ")) for each in text.split("\n\n")]


@pytest.mark.parametrize(("text", "said"), [each for each in mistakes() if not any(word in each[1] for word in BEYOND)])
def test_editors_show_the_mistakes_that_reading_tells(text, said):
    assert not VALIDATOR.is_valid(tomllib.loads(text))


NAMES = st.sampled_from(["a", "text_cleaner"])
BY_KIND = {
    "string": st.sampled_from(["a", "text", "x1", "ValueError"]),
    "integer": st.integers(1, 9),
    "number": st.sampled_from([0.5, 1, 1.0, 2.5]),
    "boolean": st.booleans(),
}


def values_of(schema):
    """Return values of a schema of ours, right and now and then wrong."""
    right = _right_values_of(schema)
    return st.one_of(right, right, right, right, st.sampled_from([None, 0, -1, "", [], {}, True, "zzz", 1.5]))


def _right_values_of(schema):
    if "$ref" in schema:
        return values_of(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of([values_of(each) for each in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    return _right_values_of_type(schema)


def _right_values_of_type(schema):
    if schema.get("type") == "array":
        return st.lists(values_of(schema["items"]), min_size=1, max_size=2)
    if "properties" in schema:
        properties = {name: values_of(each) for name, each in schema["properties"].items() if name != "$schema"}
        required = {name: values for name, values in properties.items() if name in schema.get("required", [])}
        optional = {name: values for name, values in properties.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if schema.get("type") == "object":
        inner = schema["additionalProperties"]
        return st.dictionaries(NAMES, st.integers() if inner is True else values_of(inner), max_size=2)
    return BY_KIND[schema["type"]]


SECTIONS = {name: values_of(each) for name, each in SCHEMA["properties"].items() if name != "$schema"}


@given(st.sampled_from(sorted(SECTIONS)).flatmap(lambda name: SECTIONS[name].map(lambda table: {name: table})))
def test_it_takes_what_reading_takes_and_refuses_what_reading_refuses(tree):
    problems = problems_of(tree)
    if VALIDATOR.is_valid(tree):
        assert all(any(word in problem for word in BEYOND) for problem in problems)
    else:
        assert problems
