"""What stages noted, as JSON text: always valid, always short, and what results say, whatever was noted."""

import enum
import json
import re
import sys
from collections import Counter, UserDict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from time import process_time

import attrs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atrio import ErrorPolicy, Pipeline, Stage, StageConfig, current_context, events, observe
from atrio._json import json_ready
from atrio._notes import LONGEST, noted, parsed, shortened, without
from atrio._text import encoded_size, utf8_size
from atrio.testing import capture_events

ANY_TEXT = st.text(st.characters(exclude_categories=()))
NAMES = st.text(st.characters(exclude_categories=()), max_size=30)
NUMBERS = st.integers() | st.sampled_from([2**53, 2**64, -(2**2047)]) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | ANY_TEXT
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


class Unspeakable:
    def __repr__(self):
        raise RuntimeError


class Liar:
    @property
    def __class__(self):
        raise KeyError("class")


class Endless(list):
    def __iter__(self):
        while True:
            yield 1


class Uncounted(UserDict):
    def __len__(self):
        raise OverflowError


class Text(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError

    def isascii(self):
        raise RuntimeError

    def __len__(self):
        return 10**9


class Speaking:
    def __repr__(self):
        return Text("spoken")


class Shade(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


@attrs.frozen
class Point:
    x: int
    y: object


@dataclass
class Pair:
    one: int
    other: list = field(default_factory=list)


def cyclic():
    value = [1]
    value.append({"again": value})
    return value


def deep(levels):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value


class Unhashable(type):
    __hash__ = None

    def __eq__(cls, other):
        return cls is other


class Renamed(type):
    @property
    def __name__(cls):
        return "Even"


def of_class(kind, base=object, **members):
    """Return an object of a class that is one of `kind`."""
    return kind("Odd", (base,), {"__slots__": (), **members})()


@attrs.frozen
class Hostile:
    """What stands for a value that a test's library could not write down."""

    name: str


HOSTILE = {
    "unspeakable": Unspeakable(),
    "liar": Liar(),
    "endless": Endless([1]),
    "uncounted": Uncounted(a=1),
    "text": Text("abc"),
    "speaking": Speaking(),
    "enum": Shade.PAIR,
    "class": Shade,
    "attrs": Point(1, Unspeakable()),
    "dataclass": Pair(1),
    "cyclic": cyclic(),
    "deep": deep(900),
    "surrogates": "\ud800" * 5_000,
    "controls": "\0" * 3_000,
    "bytes": b"\xff" * 3_000,
    "large number": 10**5_000,
    "NaN": float("nan"),
    "infinity": -float("inf"),
    "keys": {(1,): 1, None: 2, 1: 3, "1": 4, Level.HIGH: 5},
    "key that lies": {Liar(): 1},
    "range": range(10**9),
    "set": {1, "a"},
    "long": "x" * 10**6,
    "many numbers": [0.1] * 1_999,
    "many names": {str(each): each for each in range(900)},
    "iterator": iter(()),
    "of a class that cannot be hashed": of_class(Unhashable),
    "a class that cannot be hashed": type(of_class(Unhashable)),
    "of a class with another name": of_class(Renamed, __repr__=Unspeakable.__repr__),
    "key of a class that cannot be hashed": {of_class(Unhashable): [of_class(Unhashable, list)]},
}
NOTES = st.dictionaries(
    st.sampled_from(["a", "b", "…", "\ud800", "n" * 201]) | ANY_TEXT,
    st.sampled_from(sorted(HOSTILE)).map(Hostile) | PLAIN,
    max_size=8,
)
MUCH_NOTED = NOTES | st.builds(
    lambda count, value: {f"note {each}": value for each in range(count)}, st.integers(0, 300), st.text(max_size=70)
)
ROOMS = st.tuples(st.integers(100, 3_000), st.sampled_from([len, encoded_size, utf8_size]))


def meant(notes):
    return {name: HOSTILE[value.name] if isinstance(value, Hostile) else value for name, value in notes.items()}


def read(text):
    """Return what JSON text says, if every reader of JSON agrees about it."""
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    text.encode()
    if not re.search(r"\d{16}", text):  # to some, longer numbers are floats
        assert orjson.loads(text) == found
    assert type(found) is dict
    return found


@given(st.dictionaries(NAMES, PLAIN, min_size=1, max_size=6))
def test_plain_values_are_what_they_are_in_a_result(notes):
    text = noted(notes)
    ready = json_ready(notes)
    if len(json.dumps(ready)) < LONGEST // 2:
        assert read(text) == ready


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(MUCH_NOTED, ROOMS)
def test_whatever_is_noted_it_is_valid_and_short(notes, room):
    text = noted(meant(notes))
    assert (text is None) == (not notes)
    if text is None:
        return
    assert len(text) <= LONGEST
    assert len(read(text)) <= max(len(notes), 1)
    size, size_of = room
    less = shortened(text, size, size_of)
    assert size_of(less) <= size
    assert less == text or set(read(less)) <= {*read(text), "…"}


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(NOTES, st.sampled_from(["a", "1", ":", '"', "\\", "[", "e", "note", "true"]))
def test_what_is_hidden_is_gone_and_the_rest_is_valid(notes, secret):
    text = noted(meant(notes))
    if text is not None:
        hidden = without(text, lambda each: each.replace(secret, "***"))
        assert len(hidden) <= LONGEST
        assert secret not in hidden or hidden == '{"***":"***"}'
        read(hidden)


@pytest.mark.parametrize(
    ("notes", "secret", "shown"),
    [
        ({"row": [7] * 1_900, "tokens": 3}, "7", {"row": "<list of length 1,900, too large>", "tokens": 3}),
        ({"text": "a" * 3_900, "tokens": 3}, "a", {"***": "***"}),
        ({"text": "i" * 1_990, "tokens": 3}, "i", {"text": "<str of length 5,970, too large>", "tokens": 3}),
    ],
)
def test_what_is_hidden_makes_it_no_longer_than_it_may_be(notes, secret, shown):
    hidden = without(noted(notes), lambda each: each.replace(secret, "***"))
    assert len(hidden) <= LONGEST
    assert read(hidden) == shown


@settings(deadline=None)
@given(ANY_TEXT | st.just("[" * 500), ROOMS)
def test_any_other_text_is_cut_and_hidden_as_texts_are(text, room):
    text = text.encode("utf-8", "backslashreplace").decode() * 200
    size, size_of = room
    assert size_of(shortened(text, size, size_of)) <= size
    if parsed(text) is None:
        assert without(text, lambda each: f"{each}!") == f"{text}!"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), None),
        (float("inf"), sys.float_info.max),
        (-float("inf"), -sys.float_info.max),
        (2**64, 2**64),
        (2**2048, "<int, too large>"),
        (b'a"b\xff', "b'a\"b\\xff'"),
        (bytearray(b"a"), "bytearray(b'a')"),
        ("\ud800", "\\ud800"),
        (Shade.RED, "red"),
        (Shade.PAIR, [1, 2]),
        (Level.HIGH, 3),
        (True, True),
        (Text("abc"), "abc"),
        (Speaking(), "spoken"),
        (Point(1, Shade.RED), {"x": 1, "y": "red"}),
        (Pair(1, [2]), {"one": 1, "other": [2]}),
        (deque([1]), [1]),
        ({3}, [3]),
        (Counter("aab"), {"a": 2, "b": 1}),
        (UserDict(a=1), {"a": 1}),
        ({1: "a", None: "b", (1,): "c", b"k": "d", date(2026, 1, 31): "e"},
         {"1": "a", "None": "b", "(1,)": "c", "b'k'": "d", "2026-01-31": "e"}),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
        (Path("a/b"), "a/b"),
        (ValueError("no"), "ValueError('no')"),
        (Unspeakable(), "<Unspeakable, whose repr() raises>"),
        (cyclic(), [1, {"again": "<list, cyclic or nested too deep>"}]),
        (of_class(Unhashable, __repr__=lambda _: "odd"), "odd"),
        ([of_class(Unhashable, __repr__=lambda _: "odd")], ["odd"]),
        (of_class(Unhashable, __repr__=lambda _: "x" * 5_000), "<str of length 5,000, too large>"),
        (of_class(Unhashable, __repr__=Unspeakable.__repr__), "<Odd, whose repr() raises>"),
        (of_class(Renamed, __repr__=Unspeakable.__repr__), "<Odd, whose repr() raises>"),
        (of_class(Unhashable, list), []),
        ("x" * 5_000, "<str of length 5,000, too large>"),
        (b"x" * 5_000, "<bytes of length 5,000, too large>"),
        ([1] * 5_000, "<list of length 5,000, too large>"),
        (["abc"] * 1_000, "<list of length 1,000, too large>"),
        ([date(2026, 1, 31)] * 1_000, "<list of length 1,000, too large>"),
        (dict.fromkeys(range(2_000)), "<dict of length 2,000, too large>"),
        ({"text": "x" * 5_000, "tokens": 3}, {"text": "<str of length 5,000, too large>", "tokens": 3}),
        ({"n" * 300: 1}, {"<str of length 300, too large>": 1}),
    ],
    ids=lambda _: "",
)  # fmt: skip
def test_a_value(value, shown):
    assert read(noted({"value": value})) == {"value": shown}


def test_what_is_too_large_takes_no_room_from_the_others():
    notes = {"first": "x" * 3_900, "tokens": 12, "second": "y" * 500, "model": "small"}
    told = {"first": "<str of length 3,900, too large>"}
    assert read(noted(notes)) == notes | told
    assert read(shortened(noted(notes), 200)) == notes | told | {"second": "<str of length 500, too large>"}


def test_what_is_left_over_is_counted():
    found = read(noted({f"name {each}": each for each in range(1_000)}))
    assert (len(found), found["name 99"], found["…"]) == (101, 99, "900 more")
    text = noted({f"{each} is {'n' * 60}": each for each in range(90)})
    found = read(text)
    assert found["…"] == f"{90 - len(found) + 1} more"
    assert LONGEST - 200 < len(text) <= LONGEST


def test_what_is_large_takes_no_time():
    notes = {
        "text": "ä" * 10**8,
        "bytes": bytes(10**8),
        "list": [0.5] * 10**7,
        "nested": {"a": [["x" * 10**8] * 10**6]},
        "number": 1 << 10**8,
        **{f"rows {each}": [[0.5] * 30] * 60 for each in range(500)},
    }
    begun = process_time()
    text = noted(notes)
    assert process_time() - begun < 1  # to walk one of them takes seconds
    assert read(text)["text"] == "<str of length 100,000,000, too large>"


# In a run


def noting(**values):
    async def process(data):
        current_context().note(**values)
        return data

    return process


async def ends_of(*agents, **config):
    pipeline = Pipeline("p")
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent, config=StageConfig(**{"attempts": 1, **config})))
    with capture_events() as captured:
        result = await pipeline.execute("x")
    return result, captured.of(events.StageEnd)


async def test_the_end_of_a_stage_says_what_was_noted():
    _, (one, other) = await ends_of(noting(tokens=3, who={"b"}), noting())
    assert one.metadata == '{"tokens":3,"who":["b"]}'
    assert other.metadata is None


@pytest.mark.parametrize(("policy", "status"), [(ErrorPolicy.RETRY, "error"), (ErrorPolicy.SKIP, "skipped")])
async def test_attempts_share_their_notes_and_stages_that_fail_have_theirs(autojump_clock, policy, status):
    calls = []

    async def shaky(data):
        calls.append(data)
        current_context().note(**{f"call_{len(calls)}": True, "last": len(calls)})
        current_context().add_usage(input_tokens=10)
        raise OSError("no")

    result, (end,) = await ends_of(shaky, attempts=2, error_policy=policy)
    assert end.status == status
    usage = {"calls": end.attempts, "input_tokens": 10 * end.attempts, "output_tokens": 0}
    notes = {f"call_{each + 1}": True for each in range(end.attempts)}
    assert json.loads(end.metadata) == result.stages[0].metadata == notes | {"last": end.attempts, "usage": usage}


@pytest.mark.parametrize("kind", [Unhashable, Renamed])
async def test_whatever_class_a_noted_value_has_the_run_does_not_notice(kind):
    result, (end,) = await ends_of(noting(value=of_class(kind, __repr__=lambda _: "odd")))
    assert result.status == "success"
    assert json.loads(end.metadata) == {"value": "odd"}


async def test_nothing_is_made_of_it_where_nobody_listens():
    class Watched:
        def __repr__(self):
            pytest.fail("it was looked at")

    class Errors:
        def minimum_level(self):
            return 40

        def __call__(self, event):
            told.append(event.event_name)

    told = []
    pipeline = Pipeline("p").add_stage(Stage("s", noting(value=Watched())))
    assert (await pipeline.execute("x")).status == "success"
    with observe(Errors()):
        assert (await pipeline.execute("x")).status == "success"
    assert told == ["pipeline.end"]
