"""The JSON Schema of a line: made from the classes, true of all that the sink writes, and of little else."""

import json
import re
import subprocess
import sys

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_cases import lines_of, outside, parsed, write_dropped, write_varied_log

from atrio import RunStatus, StageStatus, TaskStatus, events
from atrio.events import EVENT_KINDS, json_schema
from atrio.events._catalogue import meanings
from atrio.logs._rules import problem_of

jsonschema = pytest.importorskip("jsonschema")

SCHEMA = json_schema()
VALID = jsonschema.Draft202012Validator(SCHEMA).is_valid
JUNK = [None, True, -1, -0.5, 1.5, 2**53, "", "x", [], {}]
SHARED = {
    "schema", "event", "level", "timestamp", "logger", "run_id", "parent_run_id", "parent_stage_id", "parent_task_id",
    "seq", "pid", "host", "service",
}  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("schema") / "varied.log"
    write_varied_log(path)
    write_dropped(path)
    return parsed(path.read_bytes().splitlines())


@pytest.fixture(scope="module")
def one_of_each(lines):
    return {line["event"]: line for line in lines}


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_line_of_a_varied_run_is_valid(lines):
    assert {line["event"] for line in lines} == {kind.event_name for kind in EVENT_KINDS}
    assert [line for line in lines if not VALID(line) or problem_of(line)] == []


def test_hostile_texts_are_valid():
    texts = ["\ud800" * 200, "\0\n\u2028", "\N{PILE OF POO}" * 5000, "x" * 1_000_000]
    lines = parsed(lines_of([outside(events.AlertRaised, text, text, 1.0, 2.0) for text in texts]))
    assert len(lines) == 4
    assert [line for line in lines if not VALID(line) or problem_of(line)] == []


def test_it_has_the_fields_of_the_classes_and_no_others(one_of_each):
    assert set(SCHEMA["$defs"]) == {kind.event_name for kind in EVENT_KINDS}
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) == SHARED
    for kind in EVENT_KINDS:
        fields = {field.name for field in attrs.fields(kind)}
        made = SCHEMA["$defs"][kind.event_name]
        assert set(made["required"]) == set(made["properties"]) == fields - SHARED | {"event"}
        assert set(one_of_each[kind.event_name]) == fields | SHARED


def test_every_field_is_described():
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    bare = [name for part in parts for name, field in part["properties"].items() if "description" not in field]
    assert set(bare) == {"event"}  # the constants of the events themselves
    assert SCHEMA["$defs"]["stage.end"]["properties"]["duration_s"]["description"].startswith("Seconds on Trio's clock")


@pytest.mark.parametrize("field", sorted(SHARED))
def test_a_line_without_a_field_that_all_have_is_wrong(one_of_each, field):
    for line in one_of_each.values():
        without = {name: value for name, value in line.items() if name != field}
        assert not VALID(without)
        assert f"no {field}, which must be " in problem_of(without)


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_a_line_without_a_field_of_its_own_is_wrong(one_of_each, kind):
    line = one_of_each[kind.event_name]
    for field in set(line) - SHARED:
        without = {name: value for name, value in line.items() if name != field}
        assert not VALID(without)
        assert problem_of(without).startswith(f"it has no {field}, which must be ")


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_a_field_of_another_type_is_wrong(one_of_each, kind):
    line = one_of_each[kind.event_name]
    for field, value in line.items():
        wrong = 7 if isinstance(value, str) else True if value is None else "7"
        assert not VALID(line | {field: wrong}), field
        assert re.match(f"{field} must be .*, not ", problem_of(line | {field: wrong})), field


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"event": "stage.edn"},
        {"level": "fatal"},
        {"logger": "other"},
        {"timestamp": "2026-01-31 12:00:00"},
        {"run_id": "x" * 32},
        {"parent_run_id": "0" * 31},
        {"timestamp": "2026-01-31T99:99:99.000000Z"},
        {"duration_s": -0.5},
        {"attempts": -1},
        {"seq": -1},
        {"seq": 2**53},
        {"attempts": 2**53},
        {"status": "timeout"},
        {"input_size": "a lot"},
    ],
)
def test_a_value_that_is_none_is_wrong(one_of_each, change):
    line = one_of_each["stage.end"] | change
    assert not VALID(line)
    assert problem_of(line)


def test_what_is_added_is_right(one_of_each):
    assert VALID(one_of_each["stage.end"] | {"trace_id": "0af7651916cd43dd8448eb211c80319c", "attrs": "{}"})


@given(data=st.data())
def test_the_check_agrees_with_the_schema(one_of_each, data):
    line = dict(one_of_each[data.draw(st.sampled_from(sorted(one_of_each)))])
    for field in data.draw(st.sets(st.sampled_from(sorted(line)), max_size=3)):
        line[field] = data.draw(st.sampled_from([*JUNK, 3.0, float(2**60), 1e300, *line.values()]))
    assert VALID(line) == (problem_of(line) is None)


ENDED = set(RunStatus) - {RunStatus.PENDING, RunStatus.RUNNING}
STATUSES = {
    events.StageEnd: set(StageStatus),
    events.PipelineEnd: ENDED - {RunStatus.TIMEOUT},
    events.TaskEnd: set(TaskStatus) - {TaskStatus.NOT_STARTED},
    events.BatchEnd: ENDED,
}


@pytest.mark.parametrize("kind", STATUSES)
def test_statuses_are_those_of_the_results(kind):
    assert set(kind.statuses) == {status.value for status in STATUSES[kind]}
    assert re.split(", | or ", meanings(kind)["status"].rstrip(".")) == list(kind.statuses)


def test_statuses_are_all_that_have_them():
    assert {kind for kind in EVENT_KINDS if "status" in attrs.fields_dict(kind)} == set(STATUSES)


def test_each_schema_is_the_callers_own():
    json_schema()["$defs"].clear()
    assert json_schema() == SCHEMA


def test_without_docstrings_it_has_no_descriptions():
    program = "import json; from atrio.events import json_schema; print(json.dumps(json_schema()))"
    done = subprocess.run([sys.executable, "-OO", "-c", program], check=True, capture_output=True)
    made = json.loads(done.stdout)
    assert "description" not in made["$defs"]["stage.end"]["properties"]["duration_s"]
    assert made["$defs"]["stage.end"]["required"] == SCHEMA["$defs"]["stage.end"]["required"]
    assert made["$defs"]["stage.end"]["properties"]["status"]["enum"] == list(events.StageEnd.statuses)
