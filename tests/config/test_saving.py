"""Tables of a configuration file: added and taken out, everything else kept, or nothing changed at all."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import ErrorPolicy
from atrio.config import (
    AgentSettings,
    BackoffSettings,
    BreakerSettings,
    Configuration,
    PipelineSettings,
    RateSettings,
    ResourceSettings,
    StageSettings,
    add_agent,
    add_pipeline,
    files,
    load,
    parse,
    remove_agent,
    remove_pipeline,
    rendered,
)
from atrio.errors import ConfigError

CLEANER = AgentSettings(extends="text_cleaner")
TOML = """\
# What shop needs.

[agents.cleaner]   # of texts
extends = "text_cleaner"

# Of texts, too.
[agents.tidy]
extends = "text_cleaner"

[pipelines.triage]
stages = ["cleaner", "text_analyzer"]
"""
JSON = """\
{
    "agents": {"cleaner": {"extends": "text_cleaner"},
               "tidy": {"extends": "text_cleaner", "description": "caf\\u00e9"}},
    "pipelines": {
        "triage": {
            "stages": ["cleaner", "text_analyzer"]
        }
    }
}
"""


@pytest.fixture(params=["toml", "json"])
def path(request, tmp_path):
    file = tmp_path / f"atrio.{request.param}"
    file.write_text({"toml": TOML, "json": JSON}[request.param])
    return file


def names_in(directory):
    return sorted(each.name for each in directory.iterdir())


def refusal(change, path, *arguments, **options):
    """Return what is said against a change, after a look at what is left: all as it was."""
    content, names = path.read_bytes(), names_in(path.parent)
    with pytest.raises(ConfigError) as caught:
        change(path, *arguments, **options)
    assert path.read_bytes() == content
    assert names_in(path.parent) == names
    return str(caught.value).replace(f"{path}", path.name).replace(".json", ".toml").splitlines()


def test_an_agent_is_added_and_taken_out(path):
    before, text = load(path), path.read_text()
    settings = AgentSettings(extends="report_writer", configuration={"title": "T"}, capacity=3)
    add_agent(path, "writer", settings)
    assert load(path) == attrs.evolve(before, agents={**before.agents, "writer": settings})
    remove_agent(path, "writer")
    assert path.read_text() == text


def test_a_pipeline_is_added_with_its_agents_and_taken_out(path):
    before, text = load(path), path.read_text()
    stage = StageSettings("first", error_policy=ErrorPolicy.SKIP, backoff=BackoffSettings(initial=0.0), timeout="none")
    settings = PipelineSettings((stage, StageSettings("tidy")), description="Twice")
    agents = {"first": CLEANER, "second": CLEANER}
    add_pipeline(path, "twice", settings, agents=agents)
    pipelines = {**before.pipelines, "twice": settings}
    assert load(path) == attrs.evolve(before, agents={**before.agents, **agents}, pipelines=pipelines)
    remove_pipeline(path, "twice")
    for name in agents:
        remove_agent(path, name)
    assert path.read_text() == text


def test_what_is_added_reads_as_a_person_would_write_it(tmp_path):
    path = tmp_path / "atrio.toml"
    path.write_text(TOML)
    add_agent(path, "writer", AgentSettings(extends="report_writer", configuration={"title": "T"}))
    assert path.read_text() == TOML.replace(
        "\n[pipelines",
        '\n[agents.writer]\nextends = "report_writer"\nconfiguration = { title = "T" }\n\n[pipelines',
    )


def test_an_empty_file_gets_its_first_table(tmp_path):
    for name, content in (("a.toml", ""), ("a.json", "{}"), ("b.json", '{"agents": {}}')):
        path = tmp_path / name
        path.write_text(content)
        add_agent(path, "cleaner", CLEANER)
        assert load(path) == Configuration(agents={"cleaner": CLEANER})
        remove_agent(path, "cleaner")
        assert load(path) == Configuration()


NAMES = st.one_of(
    st.sampled_from(["a b", "a.b", "é", '"', "\\", "#", "[x]", "-", "'''"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20),
)
COUNTS = st.integers(1, 1000)
TIMES = st.floats(0.001, 1000)
OPTIONS = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
AGENTS = st.builds(
    AgentSettings,
    extends=st.just("text_cleaner"),
    configuration=OPTIONS,
    description=st.text(max_size=20),
    capacity=COUNTS,
    needs=st.none() | st.just(("A_KEY",)),
    scores=st.just({}) | st.just({"data_transformation": 0.5}),
    resource_requirements=st.builds(ResourceSettings, memory_mb=st.none() | COUNTS, cpu_cores=st.none() | TIMES),
    breaker=st.none() | st.builds(BreakerSettings, failure_threshold=COUNTS, trips_on=st.just(("OSError",))),
    rate=st.none() | st.builds(RateSettings, rate=TIMES.filter(lambda rate: rate >= 1), per=TIMES),
    fallback=st.just(()) | st.just(("text_cleaner",)),
)
STAGES = st.builds(
    StageSettings,
    agent=st.sampled_from(["text_cleaner", "cleaner"]),
    name=st.none() | st.text(min_size=1, max_size=5),
    attempts=COUNTS,
    timeout=TIMES | st.just("none"),
    error_policy=st.sampled_from(ErrorPolicy),
    backoff=st.builds(BackoffSettings, initial=TIMES, jitter=TIMES),
    retry_on=st.none() | st.just(("OSError", "http.client.HTTPException")),
    random=st.none() | st.integers(-(2**63), 2**63 - 1),
)


@settings(deadline=None)  # the first one imports what the others have
@given(st.sampled_from(["toml", "json"]), NAMES, AGENTS, NAMES, st.lists(STAGES, min_size=1, max_size=3))
def test_settings_come_back_as_they_were_saved(tmp_path_factory, form, name, agent, other, stages):
    path = tmp_path_factory.getbasetemp() / f"saved-{os.getpid()}.{form}"
    path.write_text({"toml": TOML, "json": JSON}[form])
    before, text = load(path), path.read_text()
    stages = tuple(attrs.evolve(stage, stage_id=f"s{place}") for place, stage in enumerate(stages))
    name, other = f"A{name}", f"P{other}"
    add_agent(path, name, agent)
    add_pipeline(path, other, PipelineSettings(stages))
    after = load(path)
    assert after == attrs.evolve(
        before,
        agents={**before.agents, name: agent},
        pipelines={**before.pipelines, other: PipelineSettings(stages)},
    )
    for saved, own in ((agent, name), (PipelineSettings(stages), other)):
        snippet = rendered(own, saved, as_json=form == "json")
        read = parse(snippet, path=path)
        assert {**read.agents, **read.pipelines} == {own: saved}
    remove_agent(path, name)
    remove_pipeline(path, other)
    assert path.read_text() == text


def test_a_name_that_is_there_is_refused(path):
    line = {".toml": 7, ".json": 3}[path.suffix]
    sentence = "is there already: remove it first, or take another name"
    assert refusal(add_agent, path, "tidy", CLEANER) == [f"atrio.toml:{line}: agents.tidy: {sentence}"]
    [told] = refusal(add_pipeline, path, "triage", PipelineSettings((StageSettings("tidy"),)), agents={"x": CLEANER})
    assert told.endswith(f": pipelines.triage: {sentence}")


def test_a_name_that_is_not_there_is_refused_with_the_nearest_one(path):
    assert refusal(remove_agent, path, "cleane") == [
        "atrio.toml: agents.cleane: is not in the file; did you mean 'cleaner'?"
    ]
    [told] = refusal(remove_agent, path, "zzz zzz")
    assert told.startswith('atrio.toml: agents."zzz zzz": is not in the file; there are ')
    remove_pipeline(path, "triage")
    assert refusal(remove_pipeline, path, "x") == ["atrio.toml: pipelines.x: is not in the file"]


def test_what_something_else_uses_is_not_taken_out(path):
    first, second = refusal(remove_agent, path, "cleaner")
    assert first == "atrio.toml: agents.cleaner: is not taken out, because of what would be wrong then"
    line = {".toml": 11, ".json": 6}[path.suffix]  # of the file as it is
    assert second.startswith(f"atrio.toml:{line}: pipelines.triage.stages[0].agent: there is no agent")


def test_what_would_be_wrong_is_told_all_at_once_and_without_a_line(path):
    told = refusal(add_agent, path, "new", AgentSettings(extends="text_cleanr", breaker="none", capacity=0))
    assert told[0] == "atrio.toml: agents.new: is not added, because of what would be wrong then"
    assert {each.split(": ")[1] for each in told[1:]} == {"agents.new.extends", "agents.new.capacity"}
    told = refusal(add_pipeline, path, "new", PipelineSettings((StageSettings("cleane"), StageSettings("tidi"))))
    assert [each.split(": ")[:2] for each in told] == [
        ["atrio.toml", "pipelines.new"],
        ["atrio.toml", "pipelines.new.stages[0].agent"],
        ["atrio.toml", "pipelines.new.stages[1].agent"],
    ]


def test_what_is_missing_can_be_added_to_a_file_that_is_wrong_without_it(path):
    path.write_text(path.read_text().replace("text_analyzer", "analyzer"))
    assert refusal(add_agent, path, "other", CLEANER)
    add_agent(path, "analyzer", AgentSettings(extends="text_analyzer"))
    load(path)


@pytest.mark.parametrize(
    ("form", "content", "sentence"),
    [
        ("toml", "[agents.a", "is no TOML"),
        ("toml", "agents = 1\n", "agents: must be a table"),
        ("toml", "[agents.a]\nextnds = 'x'\n", "did you mean 'extends'"),
        ("toml", b"# \xff\n", "is not UTF-8"),
        ("json", "[]", "must be one JSON object"),
        ("json", '{"agents": {}, "agents": {}}', "stands there twice"),
        ("json", '{"agents": []}', "agents: must be a table"),
        ("json", "", "is no JSON"),
    ],
)
def test_a_file_that_is_wrong_is_told_as_by_reading_it(tmp_path, form, content, sentence):
    path = tmp_path / f"atrio.{form}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for change, arguments in ((add_agent, ["new", CLEANER]), (remove_agent, ["a"])):
        told = refusal(change, path, *arguments)
        assert sentence in told[0]
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).splitlines() == [each.replace("atrio.toml", str(path)) for each in told]


NESTED = []
for _ in range(5_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("name", "configuration", "sentence"),
    [
        ("", {}, "is not added"),
        (" a", {}, "is not added"),
        ("a\nb", {}, "is not added"),
        ("new", {"a": {1, 2}}, "is not added: "),
        ("new", {"a": float("nan")}, "is not added, because"),
        ("new", {"a": 2**63}, "is not added, because"),
        ("new", {"a": "\ud800"}, "is not added: there is half of a surrogate pair in it, which is no text"),
        ("new", {"a": NESTED}, "it is nested too deep"),
    ],
)
def test_what_no_file_can_say_is_refused(path, name, configuration, sentence):
    assert (
        sentence
        in refusal(add_agent, path, name, AgentSettings(extends="text_cleaner", configuration=configuration))[0]
    )


def test_null_is_for_json_alone(path):
    settings = AgentSettings(extends="text_cleaner", configuration={"a": [{"b": None}]})
    if path.suffix == ".json":
        add_agent(path, "new", settings)
        assert load(path).agents["new"] == settings
        return
    what = "agents.new.configuration.a[0].b is null, which TOML cannot say: use a .toml file, or leave it out"
    assert refusal(add_agent, path, "new", settings) == [f"atrio.toml: agents.new: is not added: {what}"]
    with pytest.raises(ConfigError, match=r"^agents\.new: agents\.new\.configuration\.a\[0\]\.b is null"):
        rendered("new", settings)
    assert json.loads(rendered("new", settings, as_json=True))["agents"]["new"]["configuration"] == {"a": [{"b": None}]}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("value", [{1}, NESTED])
def test_nothing_is_rendered_of_what_a_file_cannot_say(value, as_json):
    with pytest.raises(ConfigError, match=r"^agents\.new: .*(set|nested)"):
        rendered("new", AgentSettings(configuration={"a": value}), as_json=as_json)


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_is_too_deep_for_a_sentence(path, as_json):
    nested, refused = [], 0
    for depth in range(1_500):
        nested = [nested]
        if depth % 50:
            continue
        options = AgentSettings(extends="text_cleaner", configuration={"a": nested})
        assert depth < 100 or "deep" in " ".join(refusal(add_agent, path, "new", options))
        try:
            rendered("new", options, as_json=as_json)
        except ConfigError as error:
            assert "is nested too deep" in str(error)  # noqa: PT017 - or it can be written
            refused += 1
    assert refused


def test_a_snippet_is_short_where_little_is_said():
    settings = PipelineSettings((StageSettings("text_cleaner"), StageSettings("text_analyzer", attempts=1)))
    assert rendered("a b", settings) == (
        '[pipelines."a b"]\nstages = [\n    "text_cleaner",\n    { agent = "text_analyzer", attempts = 1 },\n]\n'
    )
    assert json.loads(rendered("a", settings, as_json=True)) == {
        "pipelines": {"a": {"stages": ["text_cleaner", {"agent": "text_analyzer", "attempts": 1}]}}
    }


def test_a_layout_that_cannot_be_changed_is_left_to_an_editor(path, monkeypatch):
    for module in ("objects", "tables"):
        for edited in (lambda text, *_: text, lambda text, *_: text[1:]):
            monkeypatch.setattr(f"atrio.config.{module}.inserted", edited)
            if path.suffix == {"objects": ".json", "tables": ".toml"}[module]:
                assert refusal(add_agent, path, "new", CLEANER) == [
                    "atrio.toml: agents.new: is not added: in a file of this layout an editor has to do it"
                ]


def test_a_file_that_is_not_there_is_told_as_by_reading_it(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "none" / "atrio.toml"):
        with pytest.raises(ConfigError) as caught:
            add_agent(path, "new", CLEANER)
        with pytest.raises(ConfigError) as of_reading:
            load(path)
        assert str(caught.value) == str(of_reading.value)
    assert names_in(tmp_path) == []


def test_a_directory_that_stays_locked_is_told(path, monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(files.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    holder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    sentence = "cannot be changed: another process has had its directory locked for 10 s; it is as it was"
    assert refusal(add_agent, path, "new", CLEANER) == [f"atrio.toml: {sentence}"]
    os.close(holder)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_is_told(path, monkeypatch, step):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], fail)
        told = refusal(add_agent, path, "new", CLEANER)
    assert told == ["atrio.toml: cannot be changed: No space left on device; it is as it was"]
    add_agent(path, "new", CLEANER)
    assert names_in(path.parent) == [path.name]


IN_A_DIRECTORY_THAT_IS_GONE = """
import os, sys
from pathlib import Path
from atrio.config import AgentSettings, add_agent
os.chdir(sys.argv[1])
os.rmdir(sys.argv[1])
try:
    add_agent(Path("atrio.toml"), "new", AgentSettings(extends="text_cleaner"))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_directory_that_is_gone_is_told(tmp_path):
    (tmp_path / "gone").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_DIRECTORY_THAT_IS_GONE, tmp_path / "gone"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("ConfigError atrio.toml: is not there")


ADDING = """
import sys
from pathlib import Path
from atrio.config import AgentSettings, PipelineSettings, StageSettings, add_agent, add_pipeline, remove_agent
path, name = Path(sys.argv[1]), sys.argv[2]
print(flush=True)
sys.stdin.readline()  # so that all begin at once
for number in range(8):
    add_agent(path, f"{name}-{number}", AgentSettings(extends="text_cleaner"))
    add_pipeline(path, f"{name}-p{number}", PipelineSettings((StageSettings(f"{name}-{number}"),)))
    add_agent(path, f"{name}-not-{number}", AgentSettings(extends="text_cleaner"))
    remove_agent(path, f"{name}-not-{number}")
"""


@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_add_at_the_same_time_lose_nothing(path, count):
    before = load(path)
    names = [f"process {number}" for number in range(count)]
    processes = [
        subprocess.Popen([sys.executable, "-c", ADDING, path, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in names
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.close()
    for process in processes:
        process.stdout.close()
        assert process.wait() == 0
    after = load(path)
    added = {f"{name}-{number}" for name in names for number in range(8)}
    assert set(after.agents) == {*before.agents, *added}
    assert set(after.pipelines) == {*before.pipelines, *(each.replace("-", "-p") for each in added)}
    assert names_in(path.parent) == [path.name]


KILLED_WHILE_SAVING = """
import os, random, signal, sys, time
from pathlib import Path
from atrio.config import AgentSettings, add_agent, load, remove_agent
path = Path(sys.argv[1])
settings = AgentSettings(extends="text_cleaner", description="long " * 10_000)
def toggle():
    if "new" in load(path).agents:
        remove_agent(path, "new")
    else:
        add_agent(path, "new", settings)
old = path.read_bytes()
toggle()
new = path.read_bytes()
toggle()
assert path.read_bytes() == old
chance, left, seen = random.Random(), 0, set()
for _ in range(50):
    pid = os.fork()
    if not pid:
        while True:
            toggle()
    time.sleep(chance.uniform(0.001, 0.05))
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    content = path.read_bytes()
    assert content in (old, new)
    load(path)
    left += len(os.listdir(path.parent)) > 1
    seen.add(content)
    toggle()
    assert path.read_bytes() in (old, new) and path.read_bytes() != content
    assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)
print(left, len(seen))
"""


def test_a_process_that_is_killed_while_it_saves_leaves_the_old_file_or_the_new(path):
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, path],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_symbolic_link_to_the_file_stays_one(path, tmp_path):
    link = tmp_path / f"link{path.suffix}"
    link.symlink_to(path.name)
    add_agent(link, "new", CLEANER)
    assert link.is_symlink()
    assert "new" in load(path).agents
