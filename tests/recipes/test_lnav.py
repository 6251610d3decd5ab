"""lnav: with the format of the page it knows the fields of events, without a terminal too."""

import csv
import json
import shutil

import pytest
from recipe_logs import RECIPES, microseconds

from atrio.events import json_schema

FORMAT = json.loads((RECIPES / "lnav-atrio.json").read_text())["atrio_log"]
INSTALL = "lnav -i lnav-atrio.json"
EVENTS = (
    """lnav -n -c ";SELECT event, count(*) AS lines FROM atrio_log GROUP BY event" -c ":write-csv-to -" app.jsonl"""
)
SECONDS = """lnav -n \\
    -c ";SELECT stage_id, sum(duration_s) AS s FROM atrio_log WHERE event = 'stage.end' GROUP BY stage_id" \\
    -c ":write-csv-to -" app.jsonl"""
KINDS = {"string": "string", "integer": "integer", "number": "float"}


@pytest.fixture
def lnav(folder, shell, needs):
    needs("lnav")
    # A private home, so that the formats of whoever runs the tests stay what they are.
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "TERM": "dumb"}
    (folder / "config").mkdir()
    shell(INSTALL, **home)

    def rows(path, command):
        shutil.copy(path, folder / "app.jsonl")
        return list(csv.DictReader(shell(command, **home).splitlines()))

    return rows


def test_it_reads_every_line(any_log, lnav):
    path, lines = any_log
    counts = {row["event"]: int(row["lines"]) for row in lnav(path, EVENTS)}
    assert sum(counts.values()) == lines
    events = [json.loads(line)["event"] for line in path.read_bytes().splitlines()]
    assert counts == {event: events.count(event) for event in set(events)}


def test_the_format_is_of_the_catalogue():
    schema, types = json_schema(), {}
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            if "type" in field:
                kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
                types[name] = next(KINDS[kind] for kind in kinds if kind != "null")
    assert {name: types.get(name) for name in FORMAT["value"]} == {
        name: value["kind"] for name, value in FORMAT["value"].items()
    }
    assert set(FORMAT["level"]) == set(schema["properties"]["level"]["enum"])
    shown = {part["field"] for part in FORMAT["line-format"] if isinstance(part, dict)}
    assert {name for name in shown if not name.startswith("__")} <= set(FORMAT["value"])


def test_durations_are_numbers(ran, lnav):
    found = {row["stage_id"]: float(row["s"]) for row in lnav(ran.path, SECONDS)}
    for name, seconds in found.items():
        stages = [line for line in ran.lines if line["event"] == "stage.end" and line["stage_id"] == name]
        assert microseconds([seconds]) == microseconds(line["duration_s"] for line in stages)
