"""Whatever a file holds: it is read, or it is told what is wrong with it; nothing else ever comes of it."""

import json
from pathlib import Path

import attrs
import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from atrio import ConfigError
from atrio.config import Configuration, parse, read
from atrio.config.settings import (
    AgentSettings,
    BackoffSettings,
    BreakerSettings,
    CliSettings,
    FanOutSettings,
    MemberSettings,
    MonitoringSettings,
    PipelineSettings,
    PoolSettings,
    ProviderSettings,
    RateSettings,
    ResourceSettings,
    RouterSettings,
    StageSettings,
)

TOML = Path("atrio.toml")
JSON = Path("atrio.json")

CLASSES = (
    AgentSettings, BackoffSettings, BreakerSettings, CliSettings, FanOutSettings, MemberSettings, MonitoringSettings,
    PipelineSettings, PoolSettings, ProviderSettings, RateSettings, ResourceSettings, RouterSettings, StageSettings,
)  # fmt: skip
KEYS = sorted({field.name for kind in CLASSES for field in attrs.fields(kind)})
SECTIONS = [field.name for field in attrs.fields(Configuration) if not field.kw_only]

# Words that mean something somewhere, so that some of what is made is nearly right.
WORDS = st.sampled_from(
    ["text_cleaner", "text_analyzer", "a", "p", "x", "stop", "none", "INFO", "json", "text", "any", "", "7", "OSError"]
)
TEXTS = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SCALARS = st.one_of(
    TEXTS,
    st.sampled_from([0, 1, 2, -1, 2**63, 0.5, 1.5, True, False]),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.times(),
)
NAMES = st.sampled_from(["a", "b", "p", "text_cleaner", "a b"]) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | NAMES, inner, max_size=4),
    max_leaves=10,
)
TABLES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
TREES = st.dictionaries(
    st.sampled_from(SECTIONS) | TEXTS, st.dictionaries(NAMES, TABLES | VALUES, max_size=3) | VALUES, max_size=5
)


def outcome_of(text, path):
    """Return what was read, or the problems as text, which any terminal can print."""
    try:
        return read(text if isinstance(text, bytes) else text.encode(), path=path)
    except ConfigError as refusal:
        error = refusal
    assert error.problems
    assert all(problem.message and problem.file == str(path) for problem in error.problems)
    assert str(error).encode()
    assert len(str(error).splitlines()) == len(error.problems)
    return [str(problem) for problem in error.problems]


@given(TREES)
def test_a_tree_is_read_or_refused(tree):
    text = tomlkit.dumps(tree)
    found = outcome_of(text, TOML)
    problems = found if isinstance(found, list) else []
    last = text.count("\n") + 1
    for problem in problems:
        assert problem.startswith("atrio.toml:")
        line = problem.split(":")[1]
        assert not line.isdigit() or 1 <= int(line) <= last


PLAIN = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | NAMES, inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(SECTIONS) | TEXTS, st.dictionaries(NAMES, PLAIN, max_size=3) | PLAIN, max_size=5)
)
def test_json_is_read_or_refused(tree):
    outcome_of(json.dumps(tree), JSON)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"")
@example(b"\xff")
@example(b"\x00")
@example(b"{")
@example(b'{"a":1,"a":2}')
@example(b"a.a.a = 1\na = 2")
@example(b'"" = 1')
def test_bytes_are_read_or_refused(content):
    outcome_of(content, TOML)
    outcome_of(content, JSON)


GOOD = b"""[agents.a]
extends = "text_cleaner"
breaker = { failure_threshold = 3, trips_on = ["OSError"] }
scores = { data_transformation = 0.5 }
configuration = { a = [1, { b = "c" }] }
[pools.q]
members = ["a", { agent = "text_cleaner", capacity = 2 }]
[pipelines.p]
stages = [
    "q",  # first
    { agent = "text_analyzer", timeout = "none", backoff = { initial = 0.5 } },
]
[cli]
log_level = "INFO"
"""


@given(
    st.integers(0, len(GOOD)), st.integers(0, 12), st.binary(max_size=6) | st.sampled_from([b'"', b"[", b"}", b"\n"])
)
def test_a_good_file_with_a_slip_in_it_is_read_or_refused(begin, size, slip):
    outcome_of(GOOD[:begin] + slip + GOOD[begin + size :], TOML)


@given(TREES)
def test_what_is_read_is_the_same_from_either_format(tree):
    plain = json.loads(json.dumps(tree, default=str))
    from_json = _parsed(json.dumps(plain), JSON)
    from_toml = _parsed(tomlkit.dumps(plain), TOML)
    assert from_json == from_toml


def _parsed(text, path):
    try:
        return parse(text, path=path)
    except ConfigError as error:
        return sorted((problem.path, problem.message) for problem in error.problems)
