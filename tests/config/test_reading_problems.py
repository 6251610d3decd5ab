"""A file that is wrong: all of it is told at once, with line, path, what was found, and what would be right."""

import json
import os
import stat
from pathlib import Path

import pytest

from atrio import ConfigError
from atrio.config import load, parse, read

TOML = Path("atrio.toml")
JSON = Path("atrio.json")


def problems_of(text, path=TOML):
    with pytest.raises(ConfigError) as caught:
        read(text if isinstance(text, bytes) else text.encode(), path=path)
    return caught.value.problems


def told(text, path=TOML):
    return [str(problem) for problem in problems_of(text, path)]


AGENT = """[agents.a]
agent_class = "A"
module_path = "shop"
capabilities = ["x"]
input_schema = "text"
output_schema = "text"
"""

# What stands in a file, and what is said of it.
MISTAKES = [
    tuple(each.strip().split("\n=> "))
    for each in Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").split("\n\n")
]


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said.partition(": ")[0] for _, said in MISTAKES])
def test_a_mistake_is_told_with_what_would_be_right(text, said):
    (problem,) = problems_of(text)
    assert f"{problem.path}: {problem.message}" == said
    assert problem.file == "atrio.toml"
    assert problem.line is not None
    assert problem.severity == "error"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2024-01-01", "must be no date or time: write it in quotes, '2024-01-01'"),
        ("07:32:00", "must be no date or time: write it in quotes, '07:32:00'"),
        ("nan", "must be a finite number, not nan"),
        ("-inf", "must be a finite number, not -inf"),
        ("9223372036854775808", "must fit into 64 bits, and 9223372036854775808 does not"),
        ("1" * 200, "must fit into 64 bits, and a number of 200 digits does not"),
    ],
)
def test_options_are_what_both_formats_can_say(value, said):
    (problem,) = problems_of(f"[agents.text_cleaner.configuration]\na = [1, {{ b = {value} }}]")
    assert (problem.line, problem.path) == (2, "agents.text_cleaner.configuration.a[1].b")
    assert problem.message == said


def test_all_is_told_at_once_in_the_order_of_the_file():
    text = """
[agents.mine]
extends = "text_cleanr"
capacity = 0
breaker = { failure_treshold = 1, recovery_timeout = -1 }

[pools.q]
members = ["nobody", 7]

[pipelines.p]
stages = [
  "text_cleaner",
  7,
  { agent = "text_cleanr", attemps = 2 },
  { attempts = 2 },
  { agent = 1 },
  "mine",
  "nowhere",
]
[cli]
auto_save = "no"
"""
    assert [(problem.line, problem.path) for problem in problems_of(text)] == [
        (3, "agents.mine.extends"),
        (4, "agents.mine.capacity"),
        (5, "agents.mine.breaker.failure_treshold"),
        (5, "agents.mine.breaker.recovery_timeout"),
        (8, "pools.q.members[1]"),
        (8, "pools.q.members[0].agent"),
        (13, "pipelines.p.stages[1]"),
        (14, "pipelines.p.stages[2].attemps"),
        (14, "pipelines.p.stages[2].agent"),
        (15, "pipelines.p.stages[3]"),
        (16, "pipelines.p.stages[4].agent"),
        (18, "pipelines.p.stages[6].agent"),
        (21, "cli.auto_save"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        # What was wrong is taken out before the rest is looked at, and what it leaves behind is no mistake of its own.
        "[pools.p]\nmembers = [7]",
        "[pipelines.p]\nstages = [[]]",
        "[routers.r]\nchoose = 'x'\nagents = { de = 7, en = 'text_cleaner' }\ndefault = 'de'",
        "[rate_limits.r]\nrate = 1\nburst = 0.5\ncost = 1",
        AGENT.replace('"x"', '"X"') + "scores = { x = 1 }",
        AGENT.replace('"A"', "7"),
        AGENT.replace('"text"', "7", 1) + "[pipelines.p]\nstages = ['text_analyzer', 'a', 'text_cleaner']",
        "[breakers.b]\ntrips_on = [1]\n[agents.text_cleaner]\nbreaker = 'b'",
        "[breakers]\nb = 1\n[agents.text_cleaner]\nbreaker = 'b'",
        "[pools]\np = 1\n[pipelines.q]\nstages = ['p', 'text_analyzer']",
    ],
)
def test_one_mistake_is_told_once(text):
    assert len(problems_of(text)) == 1


def test_an_api_key_in_the_file_is_never_shown():
    key = "sk-verysecret"
    said = told(
        f"[providers.a]\nbase_url = 'https://user:{key}@host/v1'\napi_key = '{key}'\n"
        f"[providers.b]\nbase_url = 'https://host'\napi_key_env = '{key}'\n"
    )
    assert len(said) == 3
    assert key not in "".join(said)
    assert "environment variable" in said[1]
    assert "environment variable" in said[2]


class TestJson:
    """The same tree, with what only JSON can get wrong."""

    def test_lines_and_paths(self):
        text = json.dumps({"cli": {"auto_save": "no"}, "pools": {"p": {"members": []}}}, indent=1)
        assert told(text, JSON) == [
            "atrio.json:3: cli.auto_save: must be true or false, not 'no'",
            "atrio.json:7: pools.p.members: must have one member at least, as in ['text_cleaner']",
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "atrio.json:1: is no JSON, column 1: expecting value"),
            ("[]", "atrio.json: must be one JSON object, in braces"),
            ('{"cli": {\n"auto_save": yes}}', "atrio.json:2: is no JSON, column 14: expecting value"),
            ('{"cli": {},\n "cli": {}}', "atrio.json:2: cli: stands there twice: keep one of the two"),
            (
                '{"cli": {"auto_save": null}}',
                "atrio.json:1: cli.auto_save: must be true or false, not null: leave the key out for its default",
            ),
            ('{"cli": null}', "atrio.json:1: cli: must be a table, not null: leave the key out for its default"),
            (
                '{"agents": {"text_cleaner": {"capacity": NaN}}}',
                "atrio.json:1: agents.text_cleaner.capacity: must be a whole number, at least 1, not nan",
            ),
            ('{"$schema": 1}', "atrio.json: $schema: must be a string, the address of a JSON Schema"),
        ],
    )
    def test_what_is_said(self, text, said):
        assert told(text, JSON) == [said]

    def test_text_that_is_none(self):
        text = '{"cli": {"log_level": "\\ud800"},\n "agents": {"text_cleaner": {"description": "\\ud800"}}}'
        no_text = "is no text: there is half of a surrogate pair in it, \\ud800 to \\udfff"
        wrong, unfit = told(text, JSON)
        assert wrong == ("atrio.json:1: cli.log_level: must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR', not '\\\\ud800'")
        assert unfit == f"atrio.json:2: agents.text_cleaner.description: {no_text}"

    def test_an_option_may_be_null(self):
        text = '{"agents": {"text_cleaner": {"configuration": {"a": null, "b": [null]}}}}'
        assert parse(text, path=JSON).agents["text_cleaner"].configuration == {"a": None, "b": [None]}


SYNTAX = [
    ("a = ", 1, "here a value is needed"),
    ("[cli]\nlog_level = INFO", 2, "a string is in quotes, 'INFO'"),
    ("[cli]\nauto_save = True", 2, "True is written in lower case, true"),
    ("a = \n", 1, "here a value is needed"),
    ("a = { b = 1,\n  c = 2 }", 1, "a table in braces stays on one line"),
    ("a = { b = 1\n, c = 2 }", 1, "a table in braces stays on one line"),
    ("a = { b = 1, = 2 }", 1, "here a key is needed"),
    ('a = "C:\\users"', 1, "double the backslash, or use single quotes"),
    ('a = "C:\\data"', 1, "double it, or use single quotes"),
    ("[agents.my agent]", 1, "as in [agents.'my agent']"),
    ("[cli]\nlog_level = 'INFO'\nlog_level = 'INFO'\n", 3, "has a value already"),
    ("[cli]\n[agents]\n[cli]\n", 3, "has begun already"),
    ("a = [1, 2", 1, "']' is missing"),
    ("a = { b = 1", 1, "'}' is missing"),
    ("a = 'x\n'", 1, "a string ends on its line"),
    ('a = "C:\\dir"', 1, "begins an escape"),
    ("a = 1 2", 1, "something follows it"),
    ("a = 1979-13-01", 1, "no value"),
    ("a = 'x", 1, "its last quote is missing"),
    ("a = \x01", 1, "here a value is needed"),
    ("# \x01", 1, "control character"),
    ('a = "\x01"', 1, "control character"),
    ("a = 'x\x01'", 1, "control character"),
    ('a = "\\ud800"', 1, "the number of a character"),
    ("[a]\nb = 1\n[a.b]", 3, "or is a table"),
    ("[[a]]\n[a]", 2, "has begun already"),
    ("a = [1]\n[[a]]", 2, "complete already"),
    ("[a.b]\n[a]\nb.c = 1\n", 3, "has begun already"),
    ("a = { b = 1, b = 2 }", 1, "has a value already"),
    ("[a.]", 1, "here a key is needed"),
    ("[[a]", 1, "ends with ']]'"),
    ("a 1", 1, "after a key comes '='"),
    ("[a\nb = 1", 1, "ends with ']'"),
    ("a = { b = 1 }\n[a.c]", 2, "has begun already"),
    ("\n= 1", 2, "is a table"),
    ('a = """x', 1, "its last quote is missing"),
]


@pytest.mark.parametrize(("text", "line", "said"), SYNTAX)
def test_what_is_no_toml_is_told_with_its_place(text, line, said):
    (problem,) = problems_of(text)
    assert problem.message.startswith("is no TOML")
    assert said in problem.message
    assert problem.line == line


class TestBytes:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"\xef\xbb\xbf[cli]", "atrio.toml: begins with a byte order mark: save it as UTF-8 without one"),
            ("[cli]".encode("utf-16"), "atrio.toml: is UTF-16: save it as UTF-8"),
            (b"[cli]\n# caf\xe9\n", "atrio.toml:2: is not UTF-8: byte 0xe9 is none of its characters"),
            (b"#" * 10_000_001, "atrio.toml: has more than 10 MB, and is no configuration"),
            (b"a = " + b"[" * 5000 + b"]" * 5000, "atrio.toml: is nested too deep"),
            (b"a = " + b"1" * 5000, "atrio.toml: has a number in it that is too long, or a date that does not exist"),
        ],
    )
    def test_what_is_said(self, content, said):
        assert told(content) == [said]

    def test_json_that_is_nested_too_deep_or_has_a_number_too_long(self):
        assert told(b'{"a": ' + b"[" * 200_000, JSON) == ["atrio.json: is nested too deep"]
        assert told(b'{"a": ' + b"1" * 5000 + b"}", JSON) == ["atrio.json: has a number in it that is too long"]

    @pytest.mark.parametrize("path", [TOML, JSON])
    def test_options_that_are_nested_deep(self, path):
        depth = 70
        nested = "[" * depth + "]" * depth
        texts = {
            TOML: f"[agents.text_cleaner.configuration]\na = {nested}",
            JSON: f'{{"agents": {{"text_cleaner": {{"configuration": {{"a": {nested}}}}}}}}}',
        }
        (problem,) = problems_of(texts[path], path)
        assert problem.message == "is nested more than 64 deep"
        assert problem.path.startswith("agents.text_cleaner.configuration.a[0]")

    def test_a_long_key_and_a_long_value_are_cut(self):
        (unknown,) = problems_of(f"[cli]\n{'x' * 100_000} = 1")
        assert len(str(unknown)) < 1000
        (wrong,) = problems_of(f"[cli]\nlog_level = '{'x' * 100_000}'")
        assert len(str(wrong)) < 1000


class TestFiles:
    def test_one_that_is_not_there(self, tmp_path):
        path = tmp_path / "atrio.toml"
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value) == (
            f"{path}: is not there: give the path of a configuration, or let `atrio init` write one"
        )

    def test_a_directory(self, tmp_path):
        with pytest.raises(ConfigError, match="is a directory, and not a file"):
            load(tmp_path)

    def test_a_path_through_a_file(self, tmp_path):
        (tmp_path / "a").write_text("")
        with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
            load(tmp_path / "a" / "atrio.toml")

    @pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads everything")
    def test_one_that_may_not_be_read(self, tmp_path):
        path = tmp_path / "atrio.toml"
        path.write_text("")
        path.chmod(stat.S_IWUSR)
        with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
            load(path)

    def test_a_path_that_is_none(self):
        with pytest.raises(ConfigError, match="is no path of a file"):
            load(Path("a\0b.toml"))

    def test_a_large_one_is_not_read_whole(self, tmp_path):
        path = tmp_path / "atrio.toml"
        with path.open("wb") as file:
            file.truncate(10**12)
        with pytest.raises(ConfigError, match="has more than 10 MB"):
            load(path)

    def test_reading_changes_nothing(self, tmp_path):
        path = tmp_path / "atrio.toml"
        path.write_bytes(b"[cli]\r\nauto_save = 1\r\n")
        before = path.stat()
        with pytest.raises(ConfigError):
            load(path)
        after = path.stat()
        assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
        assert list(tmp_path.iterdir()) == [path]
