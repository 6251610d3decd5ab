"""Objects of a JSON text: members added and taken out such that every other character stays."""

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atrio.config.objects import inserted, removed

NEW = {"extends": "text_cleaner", "fallback": ["a"]}
KEYS = st.sampled_from(["agents", "a", "a b", "", '"', "\\", "x\ny", "é", "}"]) | st.text(max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
GAPS = st.sampled_from(["", "", " ", "\n", "\n  ", "\r\n\t", "  \n\n    "])


@st.composite
def layouts(draw, value):
    """One of the many texts that say `value`, within its gaps."""
    gap = draw(GAPS)
    if isinstance(value, dict):
        members = [
            f"{draw(GAPS)}{json.dumps(key, ensure_ascii=draw(st.booleans()))}{draw(GAPS)}:{draw(layouts(each))}"
            for key, each in value.items()
        ]
        return f"{gap}{{{','.join(members)}{draw(GAPS)}}}{draw(GAPS)}"
    if isinstance(value, list):
        return f"{gap}[{','.join(draw(layouts(each)) for each in value) or draw(GAPS)}]{draw(GAPS)}"
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return f"{gap}{text}{draw(GAPS)}"


TREES = st.dictionaries(KEYS, VALUES, max_size=3).flatmap(
    lambda rest: st.dictionaries(
        st.sampled_from(["agents", "pipelines"]), st.dictionaries(KEYS, VALUES, max_size=3)
    ).map(lambda sections: {**rest, "agents": {}, **sections})
)
TEXTS = TREES.flatmap(layouts)


def characters(text):
    return re.sub(r"\s", "", text)


@given(TEXTS, st.sampled_from(["agents", "pipelines", "pools"]), KEYS, VALUES)
def test_one_more_member_is_all_that_an_insertion_changes(text, section, name, content):
    tree = json.loads(text)
    assume(isinstance(tree.get(section, {}), dict) and name not in tree.get(section, {}))
    new = inserted(text, section, name, content)
    said = json.loads(new)
    tree.setdefault(section, {})[name] = content
    assert said == tree
    assert list(said) == list(tree)
    # What is new is in one piece, and around it all is as it was.
    size = len(characters(new)) - len(characters(text))
    assert any(characters(new)[:at] + characters(new)[at + size :] == characters(text) for at in range(len(text) + 1))


@given(TEXTS, st.data())
def test_one_member_less_is_all_that_a_removal_changes(text, data):
    tree = json.loads(text)
    names = [(section, name) for section in ("agents", "pipelines") for name in tree.get(section, {})]
    assume(names)
    section, name = data.draw(st.sampled_from(names))
    new = removed(text, section, name)
    del tree[section][name]
    assert json.loads(new) == tree
    size = len(text) - len(new)
    assert any(text[:at] + text[at + size :] == new for at in range(len(new) + 1))


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("{}", '{"agents": {"new": NEW}}'),
        (' { "cli" : {} } ', ' { "cli" : {}, "agents": {"new": NEW} } '),
        ('{"agents":{"a":{}}}\n', '{"agents":{"a":{}, "new": NEW}}\n'),
        ('{"agents": {}}', '{"agents": {"new": NEW}}'),
    ],
)
def test_what_is_one_line_stays_one_line(text, new):
    assert inserted(text, "agents", "new", NEW) == new.replace("NEW", json.dumps(NEW))


@pytest.mark.parametrize("indent", [1, 2, 4, "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "tree",
    [
        {"cli": {"auto_save": True}},
        {"agents": {}},
        {"agents": {"a": {"extends": "x"}}, "cli": {}},
        {"cli": {}, "agents": {"a": {"extends": "x"}, "b": {}}},
    ],
)
def test_indentation_and_line_ends_are_those_of_the_text(tree, indent, newline):
    text = json.dumps(tree, indent=indent).replace("\n", newline) + newline
    wanted = {**tree, "agents": {**tree.get("agents", {}), "new": NEW}}
    assert inserted(text, "agents", "new", NEW) == json.dumps(wanted, indent=indent).replace("\n", newline) + newline


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_what_is_removed_leaves_the_layout_of_the_others(name):
    tree = {"cli": {}, "agents": {"a": [1], "b": {"x": 1}, "c": 5}, "pools": {}}
    text = json.dumps(tree, indent=3)
    del tree["agents"][name]
    assert removed(text, "agents", name) == json.dumps(tree, indent=3)


def test_an_object_that_lost_its_last_member_is_empty():
    assert removed('{"agents": {\n  "a": 1\n}}', "agents", "a") == '{"agents": {}}'


def test_a_text_of_lines_without_indentation_gets_some():
    assert (
        inserted('{\n"agents": {}}', "agents", "a", {"b": 1}) == '{\n"agents": {\n    "a": {\n      "b": 1\n    }\n  }}'
    )
