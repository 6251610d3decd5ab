import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import NoneType
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import attrs
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.agents._chat_form import form_of
from atrio.agents._chat_structuring import MisfitError
from atrio.agents._output_schema import OutputSchema

Shop = NewType("Shop", str)


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(int, enum.Enum):
    SMALL = 1
    LARGE = 2


@dataclasses.dataclass
class Item:
    count: int
    price: Annotated[float, "in euros"] = 0.0
    total: float = dataclasses.field(init=False, default=0.0)


class Address(TypedDict):
    street: str
    number: NotRequired[int]


@attrs.frozen
class Order:
    shop: Shop
    colour: Colour | None
    size: Size
    items: tuple[Item, ...]
    to: Annotated[Address, "where it goes"]
    prices: dict[str, float]
    tags: frozenset[str]
    on: date
    at: datetime
    state: Literal["open", 5, None]  # noqa: PYI061 - one choice of three
    parts: "list[Order]"
    other: Item | str


ITEM = {"count": 1, "price": 2}
ORDER = {
    "shop": "s",
    "colour": "red",
    "size": 2,
    "items": [{"count": 1, "price": 2}],
    "to": {"street": "x", "number": 3},
    "prices": [{"key": "a", "value": 1.5}],
    "tags": ["a", "b"],
    "on": "2026-01-31",
    "at": "2026-01-31T10:00:00Z",
    "state": 5,
    "parts": [],
    "other": "none",
}


@attrs.define
class Range:
    low: int
    high: int = attrs.field()

    @high.validator
    def _check(self, attribute, value):
        if value < self.low:
            raise ValueError("high is below low")


def refused(kind, value):
    with pytest.raises(MisfitError) as caught:
        OutputSchema(kind).structured(value)
    return [str(each) for each in caught.value.problems]


def test_an_answer_becomes_an_object():
    order = OutputSchema(Order).structured(ORDER | {"parts": [ORDER]})
    inner = order.parts[0]
    assert attrs.evolve(order, parts=[]) == inner
    assert (inner.shop, inner.colour, inner.size) == ("s", Colour.RED, Size.LARGE)
    assert inner.items == (Item(1, 2.0),)
    assert isinstance(inner.items[0].price, float)
    assert (inner.to, inner.prices, inner.tags) == ({"street": "x", "number": 3}, {"a": 1.5}, {"a", "b"})
    assert inner.on == date(2026, 1, 31)
    assert inner.at.isoformat() == "2026-01-31T10:00:00+00:00"
    assert (inner.state, inner.other) == (5, "none")


def test_schemas_are_as_strict_ones_must_be():
    schema = OutputSchema(Order).schema
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(ORDER, schema)
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if each.get("type") == "object":
            assert each["additionalProperties"] is False
            assert each["required"] == [*each["properties"]]
            waiting += each["properties"].values()
        waiting += [*each.get("anyOf", []), *each.get("$defs", {}).values(), *filter(None, [each.get("items")])]
        assert "$ref" not in each or [*each] == ["$ref"]
    members = schema["properties"]
    assert members["to"] == {"anyOf": [{"$ref": "#/$defs/Address"}], "description": "where it goes"}
    assert members["parts"] == {"type": "array", "items": {"$ref": "#"}}
    assert members["colour"] == {"anyOf": [{"type": "string", "enum": ["red", "blue"]}, {"type": "null"}]}
    assert members["on"] == {"type": "string", "format": "date"}
    assert schema["$defs"]["Item"]["properties"]["price"] == {"type": "number", "description": "in euros"}
    assert [*schema["$defs"]["Item"]["properties"]] == ["count", "price"]


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"shop": 1}, ["/shop: must be a text, not a number"]),
        ({"shop": None}, ["/shop: must be a text, not null"]),
        ({"colour": "green"}, ["/colour: must be one of 'red', 'blue'"]),
        ({"size": "1"}, ["/size: must be one of 1, 2"]),
        ({"size": True}, ["/size: must be one of 1, 2"]),
        ({"items": {"count": 1}}, ["/items: must be a list, not an object"]),
        ({"items": [ITEM, ITEM | {"count": 1.5}]}, ["/items/1/count: must be a whole number, without a fraction"]),
        ({"items": [ITEM | {"count": True}]}, ["/items/0/count: must be a whole number, not true or false"]),
        (
            {"items": [ITEM | {"count": 1e20}]},
            ["/items/0/count: must be a whole number, written without a point or an exponent"],
        ),
        (
            {"items": [ITEM | {"price": 2**60}]},
            ["/items/0/price: must be a number of at most 9007199254740992, or one with a point"],
        ),
        ({"items": [{"count": 1}]}, ["/items/0: lacks the member 'price'"]),
        ({"items": [{"count": "1"}]}, ["/items/0: lacks the member 'price'",
                                       "/items/0/count: must be a whole number, not a text"]),
        ({"items": [5]}, ["/items/0: must be an object, not a number"]),
        ({"to": {"street": "x", "number": 1, "a/b": 1}}, ["/to: has members that it must not have: 'a/b'"]),
        ({"to": {"street": "x"}}, ["/to: lacks the member 'number'"]),
        ({"to": {"number": 3}}, ["/to: lacks the member 'street'"]),
        ({"to": []}, ["/to: must be an object, not a list"]),
        ({"prices": {"a": 1}}, ["/prices: must be a list, not an object"]),
        ({"prices": [{"key": "a", "value": "1"}]}, ["/prices/0/value: must be a number, not a text"]),
        ({"prices": [{"key": "a", "value": 1}] * 2}, ["/prices: must not have a key twice"]),
        ({"on": "31.1.2026"}, ["/on: must be a date as in ISO 8601"]),
        ({"at": 5}, ["/at: must be a date and time as in ISO 8601, not a number"]),
        ({"state": "5"}, ["/state: must be one of 'open', 5, None"]),
        ({"other": ITEM | {"count": "1"}}, ["/other/count: must be a whole number, not a text"]),
        ({"other": 5}, ["/other: is none of the kinds that it may be"]),
        ({"shop": 1, "size": 9}, ["/shop: must be a text, not a number", "/size: must be one of 1, 2"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told(change, problems):
    assert refused(Order, ORDER | change) == problems


def test_a_class_may_refuse_values_itself():
    assert refused(Range, {"low": 2, "high": 1}) == ["is refused: high is below low"]
    assert refused(list[Range], {"value": [{"low": 2, "high": 1}]}) == ["/value/0: is refused: high is below low"]


def test_members_with_a_default_are_asked_for_as_well():
    """The schema that is sent requires them, so an answer without them misses it."""
    assert OutputSchema(Item).structured({"count": 1.0, "price": 0}) == Item(1)
    assert refused(Item, {"count": 1}) == ["lacks the member 'price'"]
    assert refused(Address, {"street": "x"}) == ["lacks the member 'number'"]


def test_of_several_classes_none_is_filled_up_with_defaults():
    cat = attrs.make_class("Cat", {"lives": attrs.field(type=int, default=9)})
    dog = attrs.make_class("Dog", {"tricks": attrs.field(type=int, default=0)})
    assert OutputSchema(cat | dog).structured({"value": {"tricks": 3}}) == dog(3)
    assert refused(cat | dog, {"value": {}}) == ["/value: is none of the kinds that it may be"]


def test_forms_say_schemas_in_few_words():
    assert form_of(OutputSchema(Order).schema) == (
        '{"shop": string, "colour": "red" or "blue" or null, "size": 1 or 2, "items": [Item, ...], "to": Address, '
        '"prices": [{"key": string, "value": number}, ...], "tags": [string, ...], "on": date, "at": date-time, '
        '"state": "open" or 5 or null, "parts": [the whole again, ...], "other": Item or string}\n'
        'Item: {"count": integer, "price": number}\n'
        'Address: {"street": string, "number": integer}'
    )


@pytest.mark.parametrize(
    ("kind", "schema", "value", "made"),
    [
        (int, {"type": "integer"}, 3, 3),
        (float, {"type": "number"}, 3, 3.0),
        (None, {"type": "null"}, None, None),
        (bool, {"type": "boolean"}, True, True),
        (Colour, {"type": "string", "enum": ["red", "blue"]}, "blue", Colour.BLUE),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "a", "a"),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None),  # noqa: UP045 - both ways
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}, [1, 2], [1, 2]),
        (Annotated[str, "a name"], {"type": "string", "description": "a name"}, "x", "x"),
    ],
)
def test_what_is_no_object_is_wrapped_in_one(kind, schema, value, made):
    output = OutputSchema(kind)
    assert output.schema["properties"] == {"value": schema}
    got = output.structured({"value": value})
    assert (got, type(got)) == (made, type(made))
    assert refused(kind, value) == ["must be an object with one member, 'value'"]


def test_classes_of_the_same_name_are_told_apart():
    def make(kind):
        return attrs.make_class("Part", {"x": attrs.field(type=kind)})

    schema = OutputSchema(tuple[make(int) | make(str) | make(bool), ...]).schema
    assert [*schema["$defs"]] == ["Part", "Part_2", "Part_3"]


def test_names_are_such_as_endpoints_take():
    assert OutputSchema(attrs.make_class("Ünïcode" * 20, {})).name == "_n_code" * 9 + "_"
    assert OutputSchema(int | str).name == "answer"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Any, "output: Any is of type Any, which no answer can be asked for; say what it is"),
        (dict, r"say of what, as in dict\[str, int\]"),
        (list, r"say of what, as in list\[str\]"),
        (dict[int, str], r"of type dict\[int, str\]"),
        (tuple[int, str], r"of type tuple\[int, str\]"),
        (bytes, "of type bytes"),
        (Mapping[str, object], r"output: Mapping\[\] is of type object"),
        (attrs.make_class("Own", {"x": attrs.field(type=list[bytes])}), r"output: Own\.x\[\] is of type bytes"),
        (attrs.make_class("Own", ["x"]), r"output: Own\.x is of type Any"),
        (attrs.make_class("Own", {"x": attrs.field(type="Nowhere")}), "the annotations of Own cannot be resolved"),
        (enum.Enum("Nothing", []), "output: Nothing is an Enum without members"),
        (Literal[b"x"], "has the choice b'x'; it is of type bytes"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(kind, why):
    with pytest.raises(TypeError, match=why):
        OutputSchema(kind)


KINDS = st.recursive(
    st.sampled_from([str, int, float, bool, NoneType, date, Colour, Size, Item, Address, Literal["a", 1]]),
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),
        inner.map(lambda kind: dict[str, kind]),
        inner.map(lambda kind: kind | None),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: attrs.make_class("Made", {f"m{at}": attrs.field(type=kind) for at, kind in enumerate(kinds)})
        ),
    ),
    max_leaves=5,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["m0", "value", "key", "count"]), inner)
    ),
    max_leaves=5,
)


@given(KINDS, VALUES)
def test_whatever_is_answered_is_an_object_or_a_misfit(kind, value):
    output = OutputSchema(kind)
    json.dumps(output.schema)
    jsonschema.Draft202012Validator.check_schema(output.schema)
    problems = ["none"]
    try:
        output.structured(value)
    except MisfitError as error:
        problems = [*error.problems]
    assert problems
