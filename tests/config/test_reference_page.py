"""The reference of the configuration has every table and key of it, each with its type and default, and no others."""

import inspect
import json
import re
from pathlib import Path

import attrs
import pytest

import atrio.agents
from atrio.config import Configuration, configuration_schema, settings
from atrio.registry import BUILT_IN_AGENTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
SCHEMA = configuration_schema()

# Where the tables are whose kind no section of a file is.
WITHIN = {
    "Resource": "`resource_requirements`",
    "Member": "A member of a pool",
    "Stage": "A stage of a pipeline",
    "Backoff": "`backoff`",
}
UNSAID = "\N{EN DASH}"
SCALARS = {"string": "string", "integer": "whole number", "number": "number", "boolean": "true or false"}


def section_headings():
    for key, table in SCHEMA["properties"].items():
        if "$ref" in table:
            yield table["$ref"], f"`[{key}]`"
        elif "additionalProperties" in table:
            yield table["additionalProperties"]["$ref"], f"`[{key}.NAME]`"


HEADINGS = {reference.rpartition("/")[2]: heading for reference, heading in section_headings()} | WITHIN


def rows_below(heading):
    """Return the cells of the first table below a heading, by its first column."""
    _, found, below = PAGE.read_text(encoding="utf-8").partition(f"# {heading}\n")
    assert found, f"the page has no section {heading}"
    lines = re.split(r"^#", below, flags=re.MULTILINE)[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): [cell.strip("|").strip() for cell in row[1:]] for row in rows}


def words_for(schema):
    """Return what the page calls the type that a schema describes."""
    match schema:
        case {"anyOf": several}:
            words = " or ".join(map(words_for, several))
        case {"enum": [*others, last]}:
            words = f"{', '.join(map(quoted, others))} or {quoted(last)}"
        case {"const": value}:
            words = quoted(value)
        case {"$ref": _} | {"additionalProperties": True}:
            words = "table"
        case {"items": items}:
            words = f"array of {plural(items)}"
        case {"additionalProperties": values}:
            words = f"table of {plural(values)}"
        case _:
            words = SCALARS[schema["type"]]
    return words


def quoted(text):
    return f'`"{text}"`'


def plural(schema):
    return " and ".join(f"{each}s" for each in words_for(schema).split(" or "))


def default_of(field):
    """Return how the page writes the default of a field."""
    if field.default is attrs.NOTHING:
        return "required"
    if field.default is None:
        return UNSAID
    if isinstance(field.default, attrs.Factory):
        return "`{}`"
    return "`[]`" if field.default == () else f"`{json.dumps(field.default)}`"


def settings_classes():
    return {name.removesuffix("Settings"): kind for name, kind in vars(settings).items() if name.endswith("Settings")}


def test_every_table_has_a_section():
    assert set(HEADINGS) == set(SCHEMA["$defs"]) == set(settings_classes())
    assert {each.name for each in attrs.fields(Configuration) if not each.kw_only} == set(SCHEMA["properties"]) - {
        "$schema"
    }


@pytest.mark.parametrize("kind", sorted(HEADINGS))
def test_every_key_is_there_with_its_type_and_default(kind):
    described = SCHEMA["$defs"][kind]["properties"]
    fields = attrs.fields(settings_classes()[kind])
    expected = {each.name: [words_for(described[each.name]), default_of(each)] for each in fields}
    rows = rows_below(HEADINGS[kind])
    assert {key: cells[:2] for key, cells in rows.items()} == expected
    assert list(rows) == list(expected)
    assert all(len(cells) == 3 and cells[2] for cells in rows.values())


@pytest.mark.parametrize("agent", BUILT_IN_AGENTS)
def test_every_option_of_a_ready_made_agent_is_there_with_its_default(agent):
    definition = BUILT_IN_AGENTS[agent]
    options = inspect.signature(getattr(atrio.agents, definition.agent_class)).parameters.values()
    rows = rows_below(f"`{agent}`")
    assert {key: cells[0] for key, cells in rows.items()} == {each.name: default_of_option(each) for each in options}
    text = PAGE.read_text(encoding="utf-8").partition(f"### `{agent}`\n")[2].partition("|")[0]
    able, *_ = definition.capabilities
    assert f"*{able}*, from `{definition.input_schema}` to `{definition.output_schema}`." in text


def default_of_option(option):
    if option.default is inspect.Parameter.empty:
        return "required"
    return UNSAID if option.default is None else "`[]`" if option.default == () else f"`{json.dumps(option.default)}`"
