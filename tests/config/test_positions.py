"""The lines of keys: what the scanner finds is what tomllib and json have parsed, and where it stands."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.config.positions import dotted, line_of, lines_of, repeated_key


def paths_in(tree, path=()):
    """Return the path of everything in a parsed tree."""
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {found for key, value in parts for found in ((*path, key), *paths_in(value, (*path, key)))}


def leaves_in(tree, path=()):
    if isinstance(tree, dict | list):
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return [found for key, value in parts for found in leaves_in(value, (*path, key))]
    return [(path, tree)]


TRICKY = r'''
# [not.a.table] "nor a string
title = "a # no comment \" [x]" # = [
'odd key' = 'C:\dir'
"tab\tkey"."é" = 1
a.b . c = 2
multi = """
[no.table] = 3 \""" still
five quotes: """""
literal = """a""" # end
raw = \'\'\'
k = '' ''\'\'\'
[ table . "inner.one" ]
list = [ # begin
  1, "two ]", [3,
  4], { five = 5, six = { seven = [8] } },  # {
  1979-05-27 07:32:00Z,
]
empty = []
none = {}
[[many]]
name = "first"
[many.sub]
x = 1
[[many]]
[[many.deep]]
y = -1.5e+3
[[many.deep]]
y = inf
[last]'''.replace("\\'", "'")


def test_a_text_with_everything_in_it():
    lines = lines_of(TRICKY, "toml")
    assert set(lines) == paths_in(tomllib.loads(TRICKY))
    numbered = {line.strip(): number for number, line in enumerate(TRICKY.split("\n"), 1)}
    assert lines["tab\tkey", "é"] == numbered['"tab\\tkey"."é" = 1']
    assert lines["a", "b", "c"] == numbered["a.b . c = 2"]
    assert lines["raw",] == numbered["raw = '''"]
    assert lines["table", "inner.one", "list", 2, 1] == numbered["4], { five = 5, six = { seven = [8] } },  # {"]
    assert lines["table", "inner.one", "list", 3, "six", "seven", 0] == lines["table", "inner.one", "list", 2, 1]
    assert lines["many", 0, "sub", "x"] == numbered["x = 1"]
    assert lines["many", 1, "deep", 1, "y"] == numbered["y = inf"]
    assert lines["last",] == len(TRICKY.split("\n"))


def test_windows_line_ends():
    assert dict(lines_of("[a]\r\nb = [\r\n1,\r\n2]\r\n", "toml")) == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
    }


# Keys that need quotes and keys that need none, and strings with all that ends or begins something in TOML.
KEYS = st.one_of(
    st.text("abcXYZ0189_-", min_size=1, max_size=6),
    st.text(st.sampled_from("a.\"'\\ =[]{}#\té\x1f\U0001f600"), max_size=6),
)
STRINGS = st.text(st.sampled_from("ab.\"'\\ =[]{},#\t\n\r:é\x00\U0001f600"), max_size=12)
SCALARS = st.one_of(
    STRINGS,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


class Writer:
    """Writes a tree as TOML in every layout that TOML allows, as `draw` decides."""

    def __init__(self, draw):
        self.draw = draw
        self.text = ""

    def one_of(self, *choices):
        return self.draw(st.sampled_from(choices))

    def key(self, key):
        if key and all(each in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-" for each in key):
            return self.one_of(key, f'"{key}"', f"'{key}'")
        return self.basic(key)

    @staticmethod
    def basic(text):
        return json.dumps(text, ensure_ascii=True) if text.isascii() else json.dumps(text, ensure_ascii=False)

    def string(self, text):
        layouts = [self.basic(text)]
        if "'" not in text and text.isprintable():
            layouts.append(f"'{text}'")
        if "'" not in text and all(each.isprintable() or each in "\n\t" for each in text):
            layouts.append(f"'''\n{text}'''")
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\x00", "\\u0000")
        layouts.append(f'"""\n{escaped}"""')
        return self.one_of(*layouts)

    def gap(self):
        return self.one_of("", " ", "\n", " # [x]\n", "\t\r\n  ")

    def value(self, value):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, list):
            inside = ",".join(f"{self.gap()}{self.value(each)}{self.gap()}" for each in value)
            return f"[{inside}{self.one_of('', ',') if value else ''}{self.gap()}]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.key(key)} = {self.value(each)}" for key, each in value.items()) + "}"
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    def table(self, tree, path=()):
        inner = {}
        for key, value in tree.items():
            is_tables = isinstance(value, list) and value and all(isinstance(each, dict) for each in value)
            if (is_tables or isinstance(value, dict)) and self.one_of(True, False):
                inner[key] = value
            else:
                self.text += f"{self.gap()}\n{self.key(key)}{self.one_of(' = ', '=')}{self.value(value)} # {{\n"
        for key, value in inner.items():
            own = (*path, key)
            name = self.one_of(".", " . ").join(map(self.key, own))
            for each in value if isinstance(value, list) else [value]:
                self.text += f"[[{name}]]\n" if isinstance(value, list) else f"[{name}]{self.gap()}\n"
                self.table(each, own)


@st.composite
def toml_texts(draw):
    writer = Writer(draw)
    writer.table(draw(st.dictionaries(KEYS, VALUES, max_size=5)))
    return writer.text


@given(toml_texts())
def test_every_key_that_tomllib_finds_has_a_line(text):
    assert set(lines_of(text, "toml")) == paths_in(tomllib.loads(text))


@given(toml_texts(), st.data())
def test_a_line_is_where_the_key_stands(text, data):
    """What is cut off behind a line takes away just the keys that stand behind it."""
    lines = lines_of(text, "toml")
    rows = text.split("\n")
    number = data.draw(st.integers(0, len(rows)))
    try:
        before = tomllib.loads("\n".join(rows[:number]))
    except tomllib.TOMLDecodeError:
        return  # cut in the middle of a value
    assert {path for path, line in lines.items() if line <= number} == paths_in(before)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(STRINGS, JSON_VALUES), st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_every_key_of_json_has_a_line(tree, indent, ascii_only):
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only)
    lines = lines_of(text, "json")
    assert set(lines) == paths_in(tree)
    assert repeated_key(text) is None
    for path, value in leaves_in(tree):
        if indent is not None and not isinstance(value, list | dict):
            assert json.dumps(value, ensure_ascii=ascii_only) in text.split("\n")[lines[path] - 1]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{"a": %s, "b": {"c": 1}}' % ("[" * 900 + '"]"' + "]" * 900)),
        ("json", '{"a": %s, "b": {"c": 1}}' % ('{"x": ' * 900 + "1" + "}" * 900)),
        ("toml", f"{'a.' * 20_000}a = 1\n[b]\nc = 1\n"),
        ("toml", f"[a{'.a' * 20_000}]\n[b]\nc = 1\n"),
        ("toml", f"a = {'[' * 200}{']' * 200}\n[b]\nc = 1\n"),
        ("toml", f"a = {'{ x = ' * 200}1{' }' * 200}\n[b]\nc = 1\n"),
    ],
    ids=["array", "object", "key", "header", "toml array", "braces"],
)
def test_what_is_deep_is_passed_over(form, text):
    """A path is as long as it is deep, so that all paths of such a text would fill the memory."""
    lines = lines_of(text, form)
    assert lines["b", "c"] == (1 if form == "json" else 3)
    assert max(map(len, lines)) <= 300


def test_a_repeated_key_of_json_is_found():
    text = '{"agents": {"a": 1,\n "b": {"c": 1,\n "c": 2}}}'
    assert repeated_key(text) == (("agents", "b", "c"), 3)
    assert lines_of(text, "json")["agents", "b", "c"] == 2


@pytest.mark.parametrize(
    ("path", "line"), [(("a", "b"), 2), (("a", "b", "c", 1), 2), (("a", "x"), 1), (("x", "a"), None), ((), None)]
)
def test_what_has_no_line_of_its_own_has_that_of_what_is_around_it(path, line):
    assert line_of({("a",): 1, ("a", "b"): 2}, path) == line


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("pipelines", "triage", "stages", 1, "agent"), "pipelines.triage.stages[1].agent"),
        (("agents", "a b", "capacity"), 'agents."a b".capacity'),
        (("agents", "", "é"), 'agents.""."é"'),
        (("agents", 'say "hi"\n'), 'agents."say \\"hi\\"\\n"'),
        (("agents", "\ud800"), 'agents."\\\\ud800"'),
        (("agents", "x" * 300), f"agents.\"{'x' * 100}...\""),
        ((), ""),
    ],
)  # fmt: skip
def test_a_path_is_named_as_toml_names_it(path, said):
    assert dotted(path) == said
