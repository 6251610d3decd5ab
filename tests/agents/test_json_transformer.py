import dataclasses
import enum
import json
import time
from datetime import date

import attrs
import jmespath
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from atrio import is_transient
from atrio.agents import InvalidDataError, JsonTransformer
from atrio.agents._expressions import Expression
from atrio.agents._jsonable import Plain, decoded, encoded, weight_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abcd") | st.text(), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
EXPRESSIONS = [
    "@", "a", "a.b", "[]", "[*].a", "*.a", "[0]", "[-1]", "[::2]", "[?a > b]", "[?a == b].c", "[?a < `3`]", "a || b",
    "a && b", "!a", "{x: a, y: [b, @]}", "sort(@)", "sort_by(@, &a)", "max_by(@, &a.b)", "sum(@)", "avg([])",
    "length(@)", "keys(@)", "values(@)", "to_string(@)", "to_number(@)", "to_array(@)", "map(&a, @)", "join(a, b)",
    "contains(@, a)", "starts_with(a, b)", "reverse(@)", "merge(@, a)", "type(@)", "not_null(a, b)", "abs(a)",
    "ceil(a)", "floor(a)", "min(@)", "max([].a)", "a[].b[]", "a | b",
]  # fmt: skip
ORDERS = {"orders": [{"id": 1, "paid": True, "sum": 3.5}, {"id": 2, "paid": False, "sum": 1}, {"id": 3, "paid": True}]}


async def test_picks_and_arranges():
    transformer = JsonTransformer("orders[?paid].{id: id, total: sum}")
    assert await transformer.process(ORDERS) == [{"id": 1, "total": 3.5}, {"id": 3, "total": None}]


async def test_slices():
    assert await JsonTransformer("[::2].a | [-1]").process([{"a": each} for each in range(6)]) == 4


async def test_text_between_backticks_may_lack_its_quotes():
    assert await JsonTransformer("[?a == `x`].b").process([{"a": "x", "b": 1}]) == [1]


async def test_what_is_not_found_is_none():
    assert await JsonTransformer("orders[0].name.first").process(ORDERS) is None


async def test_what_it_gives_is_a_copy():
    data = {"a": [1, {"b": 2}]}
    got = await JsonTransformer("a").process(data)
    got[1]["b"] = 3
    assert data == {"a": [1, {"b": 2}]}
    literal = JsonTransformer("`[1]`")
    (await literal.process(None)).append(2)
    assert await literal.process(None) == [1]


class Size(enum.Enum):
    SMALL = "s"


@attrs.frozen
class Item:
    name: str
    size: Size


@dataclasses.dataclass
class Order:
    on: date
    items: tuple[Item, ...]
    tags: frozenset[str]


async def test_objects_are_their_fields():
    order = Order(date(2026, 1, 2), (Item("pen", Size.SMALL),), frozenset({"b", "a"}))
    got = await JsonTransformer("[on, items[0].size, items[*].name, tags]").process(order)
    assert got == ["2026-01-02", "s", ["pen"], ["a", "b"]]


class Cents(int):
    """A number with another face."""

    def __repr__(self):
        return "cents"


class Share(float):
    """The same."""


async def test_subclasses_of_numbers_are_numbers():
    got = await JsonTransformer("@").process({Size.SMALL: [Cents(3), Share(0.5), True], Cents(7): 1})
    assert got == {"s": [3, 0.5, True], "7": 1}
    assert [type(each) for each in got["s"]] == [int, float, bool]


class Trap(str):
    """Says one thing and is another."""

    __slots__ = ()

    def __str__(self):
        return "trap"

    def __eq__(self, other):
        raise AssertionError

    __hash__ = str.__hash__


class Attributes(dict):
    """Has attributes that an expression could ask for."""

    def get(self, key, default=None):
        raise AssertionError


async def test_nothing_of_the_data_is_called():
    assert await JsonTransformer("a").process(Attributes(a=Trap("x"))) == "x"
    assert await JsonTransformer("__class__").process({"a": 1}) is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (float("inf"), "the data is not JSON: it is inf, which JSON does not have"),
        (
            {"a": [1, b"x"]},
            "the data is not JSON: /a/1: it is of type bytes, which JSON does not have; decode it first",
        ),
        ({"a/b~": object()}, "the data is not JSON: /a~1b~0: it is of type object, which JSON does not have"),
        ({(1, 2): 3}, "the data is not JSON: it is a mapping with a key of type tuple, which JSON does not have"),
        ({1: 2, "1": 3}, "the data is not JSON: it is a mapping with the key '1' twice"),
        ([10**5_000], "the data is not JSON: /0: it is an integer of more than 13,000 bits"),
        (int, "the data is not JSON: it is of type type, which JSON does not have"),
    ],
)
async def test_what_is_no_json_is_refused(data, why):
    with pytest.raises(InvalidDataError) as caught:
        await JsonTransformer("@").process(data)
    assert str(caught.value) == why
    assert not is_transient(caught.value)


def nested(levels, inner=1):
    for _ in range(levels):
        inner = [inner]
    return inner


async def test_depth_is_limited():
    assert await JsonTransformer("@").process(nested(100)) == nested(100)
    with pytest.raises(InvalidDataError, match=r"^the data is nested more than 100 levels deep$"):
        await JsonTransformer("@").process(nested(101))
    endless = []
    endless.append(endless)
    with pytest.raises(InvalidDataError, match="nested more than 100 levels deep"):
        await JsonTransformer("@").process(endless)


async def test_size_is_limited():
    # A tree of a billion leaves, in hardly any memory.
    data = ["x" * 1_000]
    for _ in range(6):
        data = [data] * 30
    with pytest.raises(InvalidDataError, match=r"^the data is larger than 50,000,000 characters$"):
        await JsonTransformer("@").process(data)


async def test_what_an_expression_makes_of_little_is_limited_too():
    text = "@"
    for _ in range(7):
        text = f"[{', '.join([text] * 4)}]"
    with pytest.raises(ValueError, match="at most 10,000 characters"):
        JsonTransformer(text)
    grown = " | ".join(["[@, @, @, @, @, @, @, @]"] * 20)
    with pytest.raises(InvalidDataError, match="what the expression gives is larger than 50,000,000 characters"):
        await JsonTransformer(grown).process("x" * 1_000)


async def test_numbers_that_are_none_are_refused():
    with pytest.raises(InvalidDataError, match="what the expression gives is not JSON: it is inf"):
        await JsonTransformer("to_number(@)").process("1e999")


async def test_a_wrong_type_is_told_without_the_data():
    secret = "s3cret" * 10_000
    with pytest.raises(InvalidDataError) as caught:
        await JsonTransformer("sum(a)").process({"a": [1, secret]})
    assert str(caught.value) == ("expression 'sum(a)' cannot be applied to the data: sum() takes array-number, not str")
    assert not is_transient(caught.value)


async def test_arithmetic_that_fails_is_told():
    with pytest.raises(InvalidDataError, match=r"^expression 'avg\(@\)' cannot be applied to the data: OverflowError$"):
        await JsonTransformer("avg(@)").process([10**400])


@pytest.mark.parametrize("order", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("other", ["x", None, True, [1], {"a": 1}])
async def test_one_odd_record_does_not_spoil_a_filter(order, other):
    data = [{"a": 1, "b": 1}, {"a": other, "b": 2}, {"b": 3}]
    got = await JsonTransformer(f"[?a {order} `1`].b").process(data)
    assert got in ([], [1])


async def test_a_large_computation_can_be_cancelled_and_holds_nothing_up():
    data = [{"a": str(number)} for number in range(400_000)]
    beats = []

    async def beat():
        while True:
            beats.append(time.perf_counter())
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat)
        with trio.move_on_after(0.2) as scope:
            await JsonTransformer("sort_by([?a != 'x'], &a)[*].{b: a}").process(data)
        taken = time.perf_counter()
        nursery.cancel_scope.cancel()
    assert scope.cancelled_caught
    assert len(beats) > 5
    assert taken - beats[0] < 10  # it would take longer


def test_it_asks_now_and_then_whether_it_is_still_wanted():
    class Unwanted(Exception):
        pass

    def poll():
        raise Unwanted

    small = list(range(3_000))
    # What is copied, before and after, is too little for it; so is it the evaluation that asks.
    with pytest.raises(Unwanted):
        Expression("length([?@ != `5`])").value(small, poll)
    assert Expression("length(@)").value(small, poll) == 3_000
    with pytest.raises(Unwanted):
        Expression("[?@ != `5`].[@, @]").value(small, poll)
    with pytest.raises(Unwanted):
        encoded(["x" * 70_000, 1], poll)


@given(JSON, st.sampled_from(EXPRESSIONS))
def test_whatever_the_data_it_gives_json_or_says_that_it_cannot(data, text):
    try:
        got = Expression(text).value(data)
    except InvalidDataError:
        return
    json.dumps(got, allow_nan=False)
    assert Plain().of(got) == got


@given(JSON, st.sampled_from(EXPRESSIONS))
def test_it_gives_what_the_reference_implementation_gives(data, text):
    try:
        expected = jmespath.search(text, data)
    except Exception:  # noqa: BLE001 - where it fails there is nothing to compare
        return
    try:
        assert Expression(text).value(data) == expected
    except InvalidDataError as error:
        assert "not JSON" in str(error)  # noqa: PT017 - infinity, which it takes for a number


@given(st.text(max_size=30) | st.lists(st.sampled_from([*"ab.[]*?&|!@{}()'`\",:-1<>= ", "sum(", "&&"])).map("".join))
def test_any_text_is_an_expression_or_a_value_error(text):
    try:
        expression = Expression(text)
    except ValueError as error:
        told = str(error)
        assert told.startswith("expression ")
        assert told.isprintable()
        return
    assert repr(expression) == f"Expression({text!r})"


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        (5, TypeError, "expression must be a JMESPath expression, as in 'orders[].total', not 5"),
        ("", ValueError, "expression '' is no JMESPath: "),
        ("a..b", ValueError, "expression 'a..b' is no JMESPath: "),
        ("lenght(a)", ValueError, "JMESPath has no function lenght(); did you mean length()?"),
        ("[?xyzzy(@)]", ValueError, "JMESPath has no function xyzzy(): it has abs, avg,"),
        ("map(&length(a, b), @)", ValueError, "length() takes 1 arguments, not 2"),
        ("not_null()", ValueError, "not_null() takes at least 1 arguments, not 0"),
        ("(" * 5_000, ValueError, "is nested too deep"),
    ],
)
def test_mistakes_are_told_when_it_is_built(text, kind, why):
    with pytest.raises(kind) as caught:
        JsonTransformer(text)
    assert why in str(caught.value)


@given(JSON)
def test_what_is_encoded_is_decoded(data):
    text = encoded(data)
    assert b"\n" not in text
    assert decoded(text) == data == Plain().of(data)


def test_half_a_surrogate_pair_is_kept():
    assert encoded("é\ud800") == b'"\\u00e9\\ud800"'
    assert encoded("é") == '"é"'.encode()


@given(st.binary(max_size=40) | st.lists(st.sampled_from([*'[]{},:"\\', "1", "-", "e9", "NaN", "null", "\\ud800"])).map(
    lambda parts: "".join(parts).encode()
))  # fmt: skip
def test_any_bytes_are_json_or_a_value_error(text):
    try:
        value = decoded(text)
    except ValueError:
        return
    json.dumps(value, allow_nan=False)


@given(JSON)
def test_weight_is_at_least_what_there_is(data):
    copying = Plain()
    copying.of(data)
    assert weight_of(data, 10**9) >= len(encoded(data)) // 20
    assert weight_of(data, 1) >= 1


def test_it_says_what_it_is():
    assert JsonTransformer("@").agent_id == "json_transformer"
