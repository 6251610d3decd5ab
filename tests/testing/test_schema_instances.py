"""The smallest value that a schema allows, judged by a validator of JSON Schema."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.testing._schema_instances import smallest

TREE = {
    "type": "object",
    "properties": {"left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "leaves": {"$ref": "#/$defs/Some~1Leaves"}},
    "required": ["left", "leaves"],
    "$defs": {
        "Some/Leaves": {"type": "array", "items": {"$ref": "#/$defs/Leaf"}, "minItems": 2},
        "Leaf": {"oneOf": [{"$ref": "#/$defs/Twig"}, {"type": "string", "minLength": 3}]},
        "Twig": {"type": "object", "properties": {"leaf": {"$ref": "#/$defs/Leaf"}}, "required": ["leaf"]},
    },
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, None),
        ({"type": "null"}, None),
        ({"const": "x"}, "x"),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": ["string", "null"]}, None),
        ({"type": "boolean"}, False),
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 2}, "xx"),
        ({"type": "string", "format": "date", "minLength": 12}, "2026-01-01xx"),
        ({"type": "integer"}, 0),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMaximum": -3}, -4),
        ({"type": "integer", "minimum": 4, "multipleOf": 3}, 6),
        ({"type": "number", "minimum": 0.25, "maximum": 0.5}, 0.25),
        ({"type": "number", "exclusiveMinimum": 0.25, "exclusiveMaximum": 0.5}, 0.375),
        ({"type": "array"}, []),
        ({"type": "array", "minItems": 2, "prefixItems": [{"const": 1}], "items": {"const": 2}}, [1, 2]),
        ({"type": "array", "prefixItems": [{"const": 1}]}, [1]),
        ({"type": "array", "minItems": 1}, [None]),
        ({"properties": {"a": {"const": 1}, "b": {}}, "required": ["a"]}, {"a": 1}),
        ({"type": "object", "properties": {"a": True}, "required": ["a"]}, {"a": None}),
        (TREE, {"left": None, "leaves": ["xxx", "xxx"]}),
    ],
)
def test_the_smallest_value(schema, value):
    assert smallest(schema) == value
    jsonschema.Draft202012Validator(schema).validate(smallest(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"again": {"$ref": "#"}}, "required": ["again"]},
        {"anyOf": [{"$ref": "#"}]},
        {"type": "integer", "minimum": 2, "maximum": 1},
    ],
)
def test_no_value_is_said(schema):
    with pytest.raises(ValueError, match="no finite value obeys the schema"):
        smallest(schema)


limits = st.integers(-50, 50)
leaves = st.one_of(
    st.builds(lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size}, limits, st.integers(0, 9)),
    st.builds(
        lambda low, size: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + size},
        limits,
        st.floats(0.5, 9),
    ),
    st.builds(lambda length: {"type": "string", "minLength": length}, st.integers(0, 5)),
    st.builds(lambda values: {"enum": values}, st.lists(st.text(), min_size=1)),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "string", "format": "uuid"}]),
)


def nested(inner):
    names = st.dictionaries(st.text(max_size=3), inner, max_size=3)
    return st.one_of(
        st.builds(lambda parts: {"type": "object", "properties": parts, "required": sorted(parts)}, names),
        st.builds(lambda part, least: {"type": "array", "items": part, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
    )


@given(st.recursive(leaves, nested, max_leaves=12))
def test_it_always_obeys_the_schema(schema):
    jsonschema.Draft202012Validator(schema).validate(smallest(schema))
