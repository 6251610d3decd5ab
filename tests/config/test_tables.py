"""Tables of a TOML text: added and taken out such that every other character stays."""

import tomllib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atrio.config.tables import inserted, removed, rendered_table

NEW = {"extends": "text_cleaner"}
NEW_TEXT = '[agents.new]\nextends = "text_cleaner"\n'

# Names that need quotes are among them.
NAMES = st.sampled_from(["a", "b", "a b", "", "c.d", "é", '"', "'", "\\", "x\ny", "#", "[agents.a]", "new-1"])
STRINGS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(['"""', "'''", "\\", "[agents.a]", "# x"])
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | STRINGS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | STRINGS, inner, max_size=4),
    max_leaves=8,
)
CONTENTS = st.dictionaries(NAMES | STRINGS, VALUES, max_size=5)


def quoted(name):
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}
    return (
        name if name.replace("-", "").isalnum() and name.isascii() else f'"{"".join(escapes.get(c, c) for c in name)}"'
    )


COMMENTS = st.sampled_from(["# what for", "#[agents.a]", "#", '# """', "# [[pipelines.a.stages]] '''", "# ]"])
GAPS = st.lists(COMMENTS | st.sampled_from(["", "  ", "\t"]) | COMMENTS.map(lambda each: f"  {each}"), max_size=3)
LITERALS = st.sampled_from(
    [
        "1",
        '"text"',
        "'[agents.a]'",
        "true  # a remark",
        "[1, 2]",
        "[  # a remark\n  1,\n\n  # [agents.a]\n  2 ]",
        '["""\n[agents.a]\n""",\n]',
        "[\n[1],\n[\n[2]]]",
        '"""\n[agents.a]\nextends = 1\n# not a comment"""',
        "'''\n[agents]\n\n'''",
        '"""\\\n  a\n\n\\""" b""""',
        '{ a = 1, "b c".d = [1,\n2] } # a remark',
        "{}",
    ]
)
SECTIONS = st.sampled_from(["agents", "pipelines", "pools"])


@st.composite
def lines_of_keys(draw, most=3):
    """Lines with keys and their values, and what may stand between them."""
    lines = []
    for key in draw(
        st.lists(st.sampled_from(["k", "l", "'m n'", '"o.p"', "q . r", "s.t.u"]), unique=True, max_size=most)
    ):
        lines += [*draw(GAPS), f"{draw(st.sampled_from(['', '  ']))}{key} = {draw(LITERALS)}"]
    return lines


@st.composite
def tables(draw, section, name):
    """The lines of one table, with a header or several, out of which tables that are apart can be made."""
    header = f"{section}.{quoted(name)}" if draw(st.booleans()) else f" {section} . {quoted(name)} "
    blocks = [[f"[{header}]", *draw(lines_of_keys())]]
    if draw(st.booleans()):
        blocks.append([*draw(GAPS), f"[{header}.options]", *draw(lines_of_keys())])
    blocks += [
        [*draw(GAPS), f"[[{header}.stages]] # again", *draw(lines_of_keys())] for _ in range(draw(st.integers(0, 2)))
    ]
    return blocks


@st.composite
def sections(draw, section):
    """A section in one of the ways that TOML has, as lines for the begin of a text and as blocks."""
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    way = draw(st.sampled_from(["headers", "headers", "in braces", "dotted", "one header"]))
    if way == "headers":
        blocks = [block for name in names for block in draw(tables(section, name))]
        return [], blocks
    values = [(quoted(name), draw(LITERALS.filter(lambda each: "#" not in each))) for name in names]
    if way == "in braces":
        inside = ", ".join(f"{name} = {{ v = {value} }}" for name, value in values)
        return [*draw(GAPS), f"{section} = {{ {inside} }}  # a remark" if names else f"{section} = {{}}"], []
    lines = []
    for name, value in values:
        prefix = f"{section}." if way == "dotted" else ""
        lines += [
            *draw(GAPS),
            draw(st.sampled_from([f"{prefix}{name}.v = {value}", f"{prefix}{name} = {{ v = {value} }}"])),
        ]
    return (lines, []) if way == "dotted" else ([], [[f"[{section}]", *lines]])


@st.composite
def texts(draw):
    """A TOML text of any layout, tables in any order."""
    begin, blocks = draw(GAPS), []
    for section in ("agents", "pipelines", "pools"):
        first, following = draw(sections(section))
        begin += first
        blocks += following
    if draw(st.booleans()):
        blocks = draw(st.permutations(blocks))
    lines = [*begin, *(line for block in blocks for line in [*block, *draw(GAPS)])]
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n", "\n# the end"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    return text


def lines_with_words(text):
    return [line for line in text.splitlines() if line.strip()]


def is_part(part, whole):
    """Say whether the lines of `part` are in `whole`, in the same order."""
    rest = iter(whole)
    return all(line in rest for line in part)


@given(texts(), SECTIONS, NAMES | STRINGS, CONTENTS)
def test_one_more_table_is_all_that_an_insertion_changes(text, section, name, content):
    tree = tomllib.loads(text)
    assume(name not in tree.get(section, {}))
    new = inserted(text, section, name, content)
    tree.setdefault(section, {})[name] = content
    assert tomllib.loads(new) == tree
    if f"{section} = {{" not in text:
        assert is_part(lines_with_words(text), lines_with_words(new))
        table = rendered_table(section, name, content)
        assert table in new.replace("\r\n", "\n")
        assert len(new.replace("\r\n", "\n")) <= len(text.replace("\r\n", "\n")) + len(table) + 3
        assert ("\r\n" in new) == ("\r\n" in text)


@given(texts(), st.data())
def test_one_table_less_is_all_that_a_removal_changes(text, data):
    tree = tomllib.loads(text)
    names = [(section, name) for section, inner in tree.items() for name in inner]
    assume(names)
    section, name = data.draw(st.sampled_from(names))
    new = removed(text, section, name)
    del tree[section][name]
    said = tomllib.loads(new)
    assert said == {key: value for key, value in tree.items() if value or key in said}
    if f"{section} = {{" not in text:
        assert is_part(lines_with_words(new), lines_with_words(text))


@given(texts(), SECTIONS, NAMES, CONTENTS)
def test_what_was_inserted_can_be_removed_without_a_trace_but_blank_lines(text, section, name, content):
    assume(name not in tomllib.loads(text).get(section, {}) and f"{section} = {{" not in text)
    again = removed(inserted(text, section, name, content), section, name)
    assert lines_with_words(again) == lines_with_words(text)


@given(CONTENTS, NAMES | STRINGS)
def test_a_rendered_table_says_its_content(content, name):
    assert tomllib.loads(rendered_table("agents", name, content)) == {"agents": {name: content}}


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("", ""),
        ("# only this", "\n\n"),
        ("# only this\n", "\n"),
        ("[cli]\n\n", ""),
        ("[cli]\nauto_save = true", "\n\n"),
    ],
)
def test_the_first_table_of_a_section_comes_last(before, behind):
    assert inserted(before, "agents", "new", NEW) == before + behind + NEW_TEXT


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        # The comment on the next line is the table's own ...
        ('[agents.a]\nextends = "x"\n# of a', "\n\n[pools.p]\n"),
        ("[agents.a]\n# of a", ""),
        # ... and what is apart from it, or directly before the next one, is not.
        ('[agents.a]\nextends = "x"', "\n\n# of p\n[pools.p]\n"),
        ('[agents.a]\nextends = "x"', "\n\n#[agents.b]\n#extends = 1\n\n[pools.p]\n"),
        ('[agents.a]\nk = """\n# of the value"""', "\n\n[pools.p]\n"),
        ("[agents.a]\n[pools.p]\n[agents.b]\nk = [\n1,\n# the last\n]", "\n\n[pools.q]\n"),
    ],
)
def test_a_table_comes_behind_the_last_one_of_its_section(before, behind):
    assert inserted(before + behind, "agents", "new", NEW) == f"{before}\n\n{NEW_TEXT}{behind[1:]}"


def test_a_blank_line_is_put_between_tables_that_stand_close():
    text = "[agents.a]\nk = 1\n# of p\n[pools.p]\n"
    assert inserted(text, "agents", "new", NEW) == f"[agents.a]\nk = 1\n\n{NEW_TEXT}\n# of p\n[pools.p]\n"


def test_line_ends_are_those_of_the_text():
    text = "[agents.a]\r\nk = 1"
    assert inserted(text, "agents", "new", NEW) == text + "\r\n\r\n" + NEW_TEXT.replace("\n", "\r\n")


def test_a_section_in_braces_stays_in_braces():
    text = "agents = { a = { k = 1 } }  # all of them\n[cli]\n"
    new = inserted(text, "agents", "new b", {"k": {"l": [{}, "x"]}})
    assert new.startswith("agents = { a = { k = 1 }")
    assert new.endswith("}  # all of them\n[cli]\n")
    assert tomllib.loads(new)["agents"] == {"a": {"k": 1}, "new b": {"k": {"l": [{}, "x"]}}}
    assert removed(text, "agents", "a").endswith("}  # all of them\n[cli]\n")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[agents.a]\n", ""),
        ("\n[agents.a]\nk = 1\n", ""),
        ("# one\n\n[agents.a]\nk = 1", "# one\n"),
        ("# one\n\n[agents.a] # two\nk = 1\n# three\nl = 2\n# four\n\n[cli]\n", "# one\n\n# four\n\n[cli]\n"),
        ("# one\n\n[agents.a]\nk = 1\n\n# two\n[cli]\n", "# one\n\n# two\n[cli]\n"),
        ("[agents]\n# one\na.k = 1\n# two\na.l = 2\n# three\nb = {}\n", "[agents]\n# one\n# two\n# three\nb = {}\n"),
        ("[agents.a]\n# one\n[agents.a.options]\nk = 1\n# two\n[agents.b]\n", "# two\n[agents.b]\n"),
        ("[agents.a.options]\n[agents.b]\n[agents.a]\nk = 1\n[agents.c]\n", "[agents.b]\n[agents.c]\n"),
        ("[cli]\r\n\r\n[agents.a]\r\nk = 1\r\n", "[cli]\r\n"),
        ("agents.a = {}\nagents.b.k = 1\n", "agents.b.k = 1\n"),
        ("agents.a.k = 1\n[agents.b]\n[agents.a.options]\n", "[agents.b]\n"),
    ],
)
def test_comments_within_a_table_go_with_it_and_others_stay(text, left):
    assert removed(text, "agents", "a") == left


def test_what_is_long_has_lines_of_its_own():
    content = {
        "stages": ["a", {"agent": "b", "retry_on": ["c", "d"]}],
        "options": {"long": "x" * 80, "b c": [1]},
        "k": 1,
    }
    assert rendered_table("pipelines", "a.b", content) == (
        '[pipelines."a.b"]\n'
        "stages = [\n"
        '    "a",\n'
        '    { agent = "b", retry_on = ["c", "d"] },\n'
        "]\n"
        "k = 1\n"
        "\n"
        '[pipelines."a.b".options]\n'
        f'long = "{"x" * 80}"\n'
        '"b c" = [1]\n'
    )


@pytest.mark.parametrize("value", [None, [1, None], {"a": [{"b": None}]}])
def test_toml_has_no_null(value):
    with pytest.raises(ValueError, match=r"^agents\.a\.k.* is null, which TOML cannot say: use a \.json file"):
        rendered_table("agents", "a", {"k": value})


def test_what_is_no_value_of_a_file_is_named():
    with pytest.raises(ValueError, match=r"^agents\.a\.k\[1\] is a set, which is no value of a configuration"):
        rendered_table("agents", "a", {"k": [1, {2}]})


def test_a_change_of_a_large_text_takes_no_longer_per_table():
    text = "".join(f"[agents.a{number}]\nextends = 'x'\nk = [\n1\n]\n\n" for number in range(2_000))
    assert removed(inserted(text, "agents", "new", NEW), "agents", "new") == text
