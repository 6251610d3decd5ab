"""``to_dict``: whatever a run holds, as something that every JSON library takes."""

import dataclasses
import enum
import json
import math
import sys
import uuid
from collections import deque
from contextlib import nullcontext, suppress
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from types import MappingProxyType

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio import (
    BatchProcessor,
    ErrorPolicy,
    Pipeline,
    PipelineContext,
    PipelineResult,
    Stage,
    StageConfig,
    current_context,
)
from atrio._json import json_ready
from atrio.testing import ScriptedAgent, answer, fail, run_in_virtual_time

SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)


@attrs.frozen
class Point:
    x: float
    y: object = None


@dataclasses.dataclass
class Ticket:
    number: int
    tags: set = dataclasses.field(default_factory=set)


class Color(enum.Enum):
    RED = "red"


class Hostile:
    def _refuse(self, *args):
        raise RuntimeError("touched")

    __str__ = __repr__ = __len__ = __eq__ = __bool__ = __iter__ = __hash__ = __format__ = _refuse


class HostileDict(dict):
    def items(self):
        raise RuntimeError("touched")

    __iter__ = __len__ = __repr__ = items


class HostileAttrs:
    def __getattribute__(self, name):
        raise RuntimeError("touched")


@attrs.define
class HalfHostile:
    good: int = 1
    bad: object = attrs.field(factory=Hostile)


def cyclic_list():
    made = [1]
    made.append(made)
    return made


def cyclic_dict():
    made = {}
    made["me"] = {"again": made}
    return made


def deep(levels):
    made = "bottom"
    for _ in range(levels):
        made = [made]
    return made


HOSTILE = {
    "nan": lambda: math.nan,
    "infinity": lambda: [-math.inf],
    "huge int": lambda: 2**64,
    "very huge int": lambda: 10**5000,
    "negative int": lambda: -(2**63) - 1,
    "lone surrogate": lambda: "a\ud800b",
    "surrogate key": lambda: {"\udfff": 1},
    "bytes": lambda: b"\xff\x00",
    "keys of any kind": lambda: {2: "a", None: "b", (1, 2): "c", True: "d", 1.5: "e", Color.RED: "f"},
    "hostile": Hostile,
    "hostile dict": HostileDict,
    "hostile attributes": HostileAttrs,
    "half hostile": HalfHostile,
    "cyclic list": cyclic_list,
    "cyclic dict": cyclic_dict,
    "deep": lambda: deep(10_000),
    "function": lambda: deep,
    "class": lambda: Hostile,
    "generator": lambda: (each for each in "abc"),
    "complex": lambda: 1j,
    "exception": lambda: OSError("x"),
    "module": lambda: math,
    "memoryview": lambda: memoryview(b"a"),
    "set of tuples": lambda: {(1, 2)},
    "lock": object,
}


def round_trip(value):
    text = json.dumps(value, allow_nan=False)
    again = json.loads(text)
    with suppress(orjson.JSONEncodeError) if has_long_ints(again) else nullcontext():
        assert orjson.loads(orjson.dumps(value)) == again
    return again


def has_long_ints(value):
    """Say whether a whole number in JSON has more than 64 bits, which orjson does not take."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_long_ints, inside)) or (isinstance(value, int) and not -(2**63) <= value < 2**64)


@pytest.mark.parametrize("kind", HOSTILE)
def test_to_dict_is_ready_for_json_whatever_the_run_holds(kind):
    async def noting(data):
        current_context().note(noted=HOSTILE[kind]())
        raise OSError(HOSTILE[kind]() if "lone" in kind else "x")

    pipeline = Pipeline("p").add_stage(Stage("a", ScriptedAgent(answer(HOSTILE[kind]()))))
    pipeline.add_stage(Stage("b", noting, config=SKIP))
    context = PipelineContext("p", {"meta": HOSTILE[kind]()})
    result = run_in_virtual_time(pipeline.execute, HOSTILE[kind](), context)
    made = round_trip(result.to_dict())
    assert made["run_id"] == result.run_id
    assert [record["status"] for record in made["stages"]] == ["success", "skipped"]
    assert "meta" in made["metadata"]
    assert "noted" in made["stages"][1]["metadata"]


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.datetimes()
    | st.builds(Point, st.floats(), st.text())
    | st.builds(object),
    lambda each: (
        st.lists(each)
        | st.tuples(each, each)
        | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers() | st.none(), each)
        | st.builds(Point, st.floats(), each)
    ),
    max_leaves=20,
)


@given(TREES)
def test_any_tree_of_values_is_made_plain_json(value):
    round_trip(json_ready(value))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda each: st.lists(each) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), each),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_what_is_json_already_stays_as_it_is(value):
    assert json_ready(value) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Point(1.5, Point(2)), {"x": 1.5, "y": {"x": 2, "y": None}}),
        (Ticket(7, {"a"}), {"number": 7, "tags": ["a"]}),
        (Color.RED, "red"),
        ((1, 2), [1, 2]),
        (frozenset({1}), [1]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        ({1: "a"}, {"1": "a"}),
        ({Color.RED: 1}, {"red": 1}),
        (math.nan, "nan"),
        ("a\ud800", r"a\ud800"),
        (["\udfff", {"\ud800": 1}], [r"\udfff", {r"\ud800": 1}]),
        ([math.inf], ["inf"]),
    ],
    ids=repr,
)
def test_what_is_not_json_becomes_what_comes_closest(value, plain):
    assert json_ready(value) == plain


@given(st.integers() | st.integers(0, 5000).flatmap(lambda bits: st.sampled_from([2**bits, -(2**bits), 2**bits - 1])))
def test_whole_numbers_stay_what_they_are(number):
    made = json_ready({"n": [number], "of a subclass": Whole(number)})
    assert (made["n"], made["of a subclass"]) == ([number], number)
    assert round_trip(made) == made


@pytest.mark.parametrize("sign", [1, -1])
def test_only_what_python_refuses_to_write_becomes_hexadecimal_digits(sign):
    limit = sys.get_int_max_str_digits()
    longest = sign * (10**limit - 1)
    assert round_trip(json_ready([longest])) == [longest]
    assert json_ready(sign * 10**limit) == hex(sign * 10**limit)
    assert round_trip(json_ready({sign * 10**limit: 1})) == {hex(sign * 10**limit): 1}


@pytest.mark.parametrize("limit", [640, 1000])
def test_a_host_may_have_python_refuse_shorter_ones(limit):
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        assert round_trip(json_ready([10 ** (limit - 1)])) == [10 ** (limit - 1)]
        assert round_trip(json_ready([10**limit])) == [hex(10**limit)]
    finally:
        sys.set_int_max_str_digits(before)


async def test_results_of_runs_and_batches_keep_whole_numbers():
    async def echo(data):
        return data

    numbers = [2**63 - 1, 2**63, -(2**63) - 1, 10**30]
    result = await Pipeline("p").add_stage(Stage("s", echo)).execute(numbers)
    batch = await BatchProcessor().map(echo, numbers)
    assert round_trip(result.to_dict())["output"] == numbers
    assert [round_trip(task.to_dict())["result"] for task in batch.results] == numbers
    assert [task["result"] for task in round_trip(batch.to_dict())["results"]] == numbers


class Text(str):
    __slots__ = ()

    def __repr__(self):
        return f"Text({str(self)!r})"


class Whole(int):
    pass


class Real(float):
    pass


class Level(enum.IntEnum):
    HIGH = 3


class Name(enum.StrEnum):
    MINE = "mine"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Text("é"), "é"),
        (Whole(5), 5),
        (Real(1.5), 1.5),
        (Level.HIGH, 3),
        (Name.MINE, "mine"),
        ({Text("k"): [Whole(1)]}, {"k": [1]}),
    ],
    ids=["str", "int", "float", "int enum", "str enum", "inside"],
)
def test_subclasses_of_plain_types_keep_their_value(value, plain):
    made = json_ready(value)
    assert made == plain
    assert type(made) is type(plain)
    assert round_trip(made) == plain


@pytest.mark.parametrize(
    "value",
    [uuid.UUID(int=5), PurePosixPath("a/b"), deque([1]), 1j, object(), deep, Hostile()],
    ids=["uuid", "path", "deque", "complex", "object", "function", "hostile"],
)
def test_foreign_objects_become_something_readable(value):
    assert round_trip(json_ready(value))


def test_one_hostile_value_costs_its_own_place_only():
    made = json_ready({"good": [1, HalfHostile()], "bad": Hostile()})
    assert made["good"][0] == made["good"][1]["good"] == 1
    assert "Hostile" in made["bad"]
    assert "Hostile" in made["good"][1]["bad"]


def test_one_object_in_two_places_is_no_cycle():
    shared = {"a": 1}
    assert json_ready([shared, shared]) == [shared, shared]


def test_an_exception_becomes_its_type_message_and_stack():
    stage = Stage("a", ScriptedAgent(fail(OSError("gone"))), config=SKIP)
    result = run_in_virtual_time(Pipeline("p").add_stage(stage).execute, "x")
    error = result.to_dict()["stages"][0]["error"]
    assert (error["error_type"], error["message"]) == ("OSError", "gone")
    assert error["stack"].startswith("Traceback")
    assert set(error) == {"error_type", "message", "stack"}


def test_to_dict_has_every_field_and_both_sets_of_figures():
    stage = Stage("a", ScriptedAgent(fail(OSError("gone"), after=1)), config=SKIP)
    made = run_in_virtual_time(Pipeline("p").add_stage(stage).execute, [1]).to_dict()
    assert set(made) == {*(each.name for each in attrs.fields(PipelineResult)), "summary", "performance", "usage"}
    assert (made["status"], made["output"], made["duration_s"]) == ("degraded", [1], 1)
    assert made["summary"]["skipped_stages"] == 1
    assert made["performance"]["stage_efficiency"] == 0
    assert made["stages"][0]["failures"][0]["message"] == "gone"
    assert made["errors"][0]["stage_id"] == "a"
    assert datetime.fromisoformat(made["started_at"]).tzinfo is not None


class Unhashable(type):
    """What makes classes that no set and no dict can hold."""

    __hash__ = None

    def __eq__(cls, other):
        return cls is other


def test_objects_of_a_class_that_cannot_be_hashed():
    class Odd(metaclass=Unhashable):
        def __repr__(self):
            return "odd"

    assert json_ready({"a": Odd(), "b": [1]}) == {"a": "odd", "b": [1]}
