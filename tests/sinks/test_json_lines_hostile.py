"""Whatever ids, messages and numbers are like: each line is valid, short, and of the catalogue's types."""

import json
import math
import sys

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from line_cases import RUN_ID, hide_orjson, line_of, lines_in, made, pipeline_end, stage_end, types_of

from atrio import Pipeline, Stage, StageConfig, events, observe
from atrio._notes import noted
from atrio.sinks import JsonLinesSink
from atrio.sinks._lines import fields_of
from atrio.testing import ScriptedAgent, fail, run_in_virtual_time

ANY_TEXT = st.text(st.characters(exclude_categories=()))
SPECIAL = st.sampled_from(
    ["\x00", "\n", "\ud800", "\udfff", "\N{GRINNING FACE}", "\N{SNOWMAN}", '"', "\\", "\x7f", "a"]
)
LONG_TEXT = st.tuples(ANY_TEXT | SPECIAL, st.sampled_from([1, 30, 100, 700, 5000])).map(lambda each: each[0] * each[1])
VALUES = {
    "str": LONG_TEXT,
    "int": st.integers() | st.sampled_from([2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 10**4000]),
    "float": st.floats() | st.integers() | st.sampled_from([2**70, 10**400]),
    "datetime": st.datetimes(
        timezones=st.timezones(), min_value=made(events.LogDropped).timestamp.replace(tzinfo=None)
    ),
    "None": st.none(),
}


def values_of(field):
    names = str(field.type).split(" | ")
    strategy = st.one_of(*(VALUES[name] for name in names))
    return st.sampled_from([RUN_ID, "r" * 5000]) if field.name == "run_id" else strategy


@st.composite
def hostile_events(draw):
    kind = draw(st.sampled_from(events.EVENT_KINDS))
    return kind(*(draw(values_of(field)) for field in attrs.fields(kind)))


def assert_types(event, line):
    for field in attrs.fields(type(event)):
        # JSON has no NaN.
        types = (*types_of(field), type(None)) if "float" in str(field.type) else types_of(field)
        assert type(line[field.name]) in types, field.name
        if isinstance(line[field.name], int):
            assert abs(line[field.name]) < 2**53


@settings(suppress_health_check=list(HealthCheck), max_examples=200, deadline=None)
@given(hostile_events(), LONG_TEXT)
def test_any_event_gives_the_same_line_with_and_without_orjson(tmp_path_factory, event, service):
    folder = tmp_path_factory.mktemp("lines")
    with pytest.MonkeyPatch.context() as patch:
        with_orjson = line_of(event, folder, service=service)
        hide_orjson(patch)
        without = line_of(event, folder, service=service)
    assert without == with_orjson
    assert_types(event, with_orjson)


@pytest.mark.parametrize("kind", events.EVENT_KINDS)
@pytest.mark.parametrize("text", ["\x00", "\N{GRINNING FACE}", "\ud800", '"', "a"])
def test_a_line_that_is_as_long_as_can_be(kind, text, tmp_path):
    extreme = {"str": text * 100_000, "int": -(2**70), "float": -1.2345678901234567e-300, "datetime": None}
    values = {field.name: extreme[str(field.type).partition(" ")[0]] for field in attrs.fields(kind)}
    del values["timestamp"]
    event = made(kind, **values)
    line = line_of(event, tmp_path, service=text * 1000)
    assert_types(event, line)


class TestNumbers:
    @pytest.mark.parametrize("size", [2**53, 2**63, 2**64, 10**4000])
    def test_that_no_double_holds_are_the_largest_that_one_does(self, tmp_path, size):
        line = line_of(stage_end(input_size=size, output_size=-size), tmp_path)
        assert (line["input_size"], line["output_size"]) == (2**53 - 1, 1 - 2**53)

    def test_that_json_has_not(self, tmp_path):
        line = line_of(made(events.AlertRaised, value=math.inf, threshold=math.nan), tmp_path)
        assert (line["value"], line["threshold"]) == (sys.float_info.max, None)

    def test_whole_ones_are_floats_where_a_float_belongs(self, tmp_path):
        line = line_of(made(events.BreakerOpened, recovery_timeout_s=30), tmp_path)
        assert type(line["recovery_timeout_s"]) is float


class TestWhatIsNotOfItsType:
    class Unspeakable:
        def __repr__(self):
            raise RuntimeError

    @pytest.mark.parametrize("value", [{1: [2]}, object(), Unspeakable(), b"\xff", {1, 2}])
    def test_becomes_a_text(self, tmp_path, value):
        cyclic = [value]
        cyclic.append(cyclic)
        line = line_of(stage_end(stage_id=cyclic, attempts=value, duration_s=value, error_message=value), tmp_path)
        names = ("stage_id", "attempts", "duration_s", "error_message")
        assert all(isinstance(line[name], str) for name in names if not isinstance(value, dict))

    def test_a_text_that_is_more_than_one(self, tmp_path):
        class Text(str):
            __slots__ = ()

            def __str__(self):
                raise RuntimeError

        assert line_of(stage_end(stage_id=Text("s1\ud800")), tmp_path)["stage_id"] == "s1\\ud800"


class TestTexts:
    @pytest.mark.parametrize("letter", ["i", "\N{SNOWMAN}", "\N{GRINNING FACE}", '"', "\x00", "\ud800"])
    def test_an_id_is_the_same_on_every_line_of_a_run(self, tmp_path, letter):
        ids = letter * 200
        agent = ScriptedAgent(fail(OSError("x" * 1_000_000)), agent_id=ids)
        inner = Pipeline(ids).add_stage(Stage(ids, agent, config=StageConfig(attempts=2)))
        outer = Pipeline(ids).add_stage(Stage(ids, inner, config=StageConfig(attempts=1)))

        async def main():
            with observe(log):
                await outer.execute("x")

        with JsonLinesSink(tmp_path / "log") as log:
            run_in_virtual_time(main)
        lines = lines_in(tmp_path / "log")
        assert len(lines) == 9
        for name in ("pipeline_id", "stage_id"):
            assert len({line[name] for line in lines if name in line}) == 1
        assert [line["seq"] for line in lines if line["run_id"] == lines[0]["run_id"]] == list(range(4))

    @pytest.mark.parametrize("length", range(270, 320))
    def test_an_id_near_the_limit_is_the_same_on_short_and_on_long_lines(self, tmp_path, length):
        ids = "i" * length
        short = line_of(pipeline_end(pipeline_id=ids), tmp_path)
        long = line_of(pipeline_end(pipeline_id=ids, status="failed", error_stack="x" * 5000), tmp_path)
        assert short["pipeline_id"] == long["pipeline_id"]

    def test_long_ones_are_cut_in_the_middle(self, tmp_path):
        line = line_of(stage_end(status="error", error_type="E", error_message=f"begin{'x' * 10**6}end"), tmp_path)
        assert line["error_message"].startswith("beginxxx")
        assert line["error_message"].endswith("xxxend")
        assert line["error_message"].count("…") == 1

    @pytest.mark.parametrize("text", ["é" * 50, "a\nb", "\x00", "naïve\u2028", "\N{GRINNING FACE}" * 20])
    def test_short_ones_are_not(self, tmp_path, text):
        line = line_of(stage_end(status="error", error_type=text, error_message=text, error_stack=text), tmp_path)
        assert (line["error_type"], line["error_message"], line["error_stack"]) == (text, text, text)

    def test_of_an_exception_that_cannot_speak(self, tmp_path):
        class MuteError(Exception):
            def __str__(self):
                raise RuntimeError

        async def main():
            stage = Stage("s", ScriptedAgent(fail(MuteError())), config=StageConfig(attempts=1))
            with observe(log):
                await Pipeline("p").add_stage(stage).execute("x")

        with JsonLinesSink(tmp_path / "log") as log:
            run_in_virtual_time(main)
        assert lines_in(tmp_path / "log")[-1]["error_message"] == "<MuteError, whose str() raises>"


NOTES = {"text": "x" * 3_500, "quoted": '"\\' * 100, "model": "small", "tokens": 12}


class TestWhatWasNoted:
    def test_is_an_object_however_little_room_there_is(self, tmp_path):
        few = {"model": "small", "tokens": 12}
        for values in (
            {},
            {"stage_id": "s" * 5_000, "pipeline_id": "\N{SNOWMAN}" * 5_000},
            {"status": "error", "error_message": "e" * 5_000, "error_stack": "\0" * 20_000},
        ):
            line = line_of(stage_end(metadata=noted(NOTES), **values), tmp_path)
            metadata = json.loads(line["metadata"])
            assert metadata.items() >= few.items()
            assert metadata["text"] == "<str of length 3,500, too large>"
            assert len(line["error_stack"] or "x" * 1_000) > 100

    def test_is_all_there_if_it_fits(self, tmp_path):
        notes = {**NOTES, "text": "x" * 2_000}
        assert json.loads(line_of(stage_end(metadata=noted(notes)), tmp_path)["metadata"]) == notes

    @pytest.mark.parametrize("text", ['"', "\\", "\N{SNOWMAN}", "\N{GRINNING FACE}", "\0"])
    def test_is_an_object_where_all_is_escaped(self, tmp_path, text):
        """As structlog's own renderer does."""
        notes = {f"{text}{each}": text * 40 for each in range(40)}
        fields = fields_of(stage_end(metadata=noted(notes), stage_id=text * 500))
        assert len(json.dumps(fields)) < 4_000
        assert json.loads(fields["metadata"])

    @settings(suppress_health_check=list(HealthCheck), deadline=None)
    @given(
        st.dictionaries(LONG_TEXT, LONG_TEXT | st.integers() | st.lists(LONG_TEXT, max_size=3), max_size=5), LONG_TEXT
    )
    def test_is_an_object_whatever_it_is(self, tmp_path_factory, notes, text):
        event = stage_end(metadata=noted(notes), stage_id=text, error_message=text, error_stack=text)
        line = line_of(event, tmp_path_factory.mktemp("lines"))
        assert (line["metadata"] is None) == (not notes)
        assert type(json.loads(line["metadata"] or "{}")) is dict
