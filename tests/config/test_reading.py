"""A file that is right: every key has its meaning, and what is left out its default, at every depth."""

import json
import sys
import tomllib
from pathlib import Path

import attrs
import pytest

from atrio import ANY_SCHEMA, AgentDefinition, Backoff, CircuitBreaker, ConfigError, ErrorPolicy, StageConfig
from atrio.config import (
    AgentSettings,
    BackoffSettings,
    BreakerSettings,
    CliSettings,
    Configuration,
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
    checked,
    find,
    format_of,
    load,
    parse,
    problems_at,
    read,
    survey,
)
from atrio.errors import DefinitionError
from atrio.registry import BUILT_IN_AGENTS

EVERYTHING = """
"$schema" = ".atrio/atrio.schema.json"

[agents.tidy]
extends = "text_cleaner"
description = "räumt auf"

[agents.classifier]
agent_class = "Classifier"
module_path = "shop.agents"
capabilities = ["content_analysis", "topic"]
input_schema = "text"
output_schema = "topic"
scores = { content_analysis = 0.9, topic = 1 }
needs = ["SHOP_KEY"]
resource_requirements = { memory_mb = 512, cpu_cores = 0.5 }
configuration = { model = "small", options = { deep = [1, 2.5, true, "x"] } }
capacity = 4
breaker = "endpoint"
rate = { rate = 5, per = 60, burst = 10, cost = "length(text)" }
fallback = ["other"]

[agents.other]
agent_class = "Classifier"
module_path = "shop.agents"
capabilities = ["content_analysis"]
input_schema = "text"
output_schema = "topic"
breaker = { failure_threshold = 2, recovery_timeout = 5, trips_on = ["ConnectionError", "httpx2.TransportError"] }
rate = "endpoint"

[breakers.endpoint]
half_open_max_calls = 2

[rate_limits.endpoint]
rate = 0.5

[pools.classifiers]
members = ["classifier", { agent = "other", capacity = 4 }]
fallback = ["other"]
breaker = {}

[fan_outs.both]
agents = { topic = "classifier", again = "other" }

[routers.by_language]
choose = "language"
agents = { de = "classifier", en = "other" }
default = "en"

[pipelines.triage]
description = "sorts"

[[pipelines.triage.stages]]
agent = "tidy"

[[pipelines.triage.stages]]
agent = "classifiers"
stage_id = "classify"
name = "Classify"
description = "what it is about"
attempts = 4
timeout = "none"
error_policy = "stop"
backoff = { initial = 0, factor = 1, maximum = 5, jitter = 0.5 }
retry_on = ["ConnectionError"]
random = -7

[pipelines.short]
stages = ["tidy", { agent = "classifier", timeout = 10 }]

[providers.openai]
base_url = "https://api.openai.com/v1"
api_key_env = "OPENAI_API_KEY"
model = "gpt-4o-mini"

[providers.local]
base_url = "http://127.0.0.1:8000"

[cli]
log_level = "WARNING"
output_format = "table"
auto_save = false

[monitoring]
enabled = false
metrics_retention_days = 30
performance_alerts = false
alert_runs = 50
p95_factor = 2.0
failure_rate = 0.5
"""

HERE = Path("atrio.toml")


def toml(text):
    return parse(text, path=HERE)


def test_every_key_has_its_place():
    found = toml(EVERYTHING)
    definition = {
        "agent_class": "Classifier",
        "module_path": "shop.agents",
        "input_schema": "text",
        "output_schema": "topic",
    }
    assert found == Configuration(
        agents={
            "tidy": AgentSettings(extends="text_cleaner", description="räumt auf"),
            "classifier": AgentSettings(
                **definition,
                capabilities=("content_analysis", "topic"),
                scores={"content_analysis": 0.9, "topic": 1.0},
                needs=("SHOP_KEY",),
                resource_requirements=ResourceSettings(memory_mb=512, cpu_cores=0.5),
                configuration={"model": "small", "options": {"deep": [1, 2.5, True, "x"]}},
                capacity=4,
                breaker="endpoint",
                rate=RateSettings(rate=5.0, per=60.0, burst=10.0, cost="length(text)"),
                fallback=("other",),
            ),
            "other": AgentSettings(
                **definition,
                capabilities=("content_analysis",),
                breaker=BreakerSettings(
                    failure_threshold=2,
                    recovery_timeout=5.0,
                    trips_on=("ConnectionError", "httpx2.TransportError"),
                ),
                rate="endpoint",
            ),
        },
        breakers={"endpoint": BreakerSettings(half_open_max_calls=2)},
        rate_limits={"endpoint": RateSettings(rate=0.5)},
        pools={
            "classifiers": PoolSettings(
                members=(MemberSettings("classifier"), MemberSettings("other", capacity=4)),
                fallback=("other",),
                breaker=BreakerSettings(),
            )
        },
        fan_outs={"both": FanOutSettings(agents={"topic": "classifier", "again": "other"})},
        routers={
            "by_language": RouterSettings(choose="language", agents={"de": "classifier", "en": "other"}, default="en")
        },
        pipelines={
            "triage": PipelineSettings(
                stages=(
                    StageSettings("tidy"),
                    StageSettings(
                        "classifiers",
                        stage_id="classify",
                        name="Classify",
                        description="what it is about",
                        attempts=4,
                        timeout="none",
                        error_policy=ErrorPolicy.STOP,
                        backoff=BackoffSettings(initial=0.0, factor=1.0, maximum=5.0, jitter=0.5),
                        retry_on=("ConnectionError",),
                        random=-7,
                    ),
                ),
                description="sorts",
            ),
            "short": PipelineSettings(stages=(StageSettings("tidy"), StageSettings("classifier", timeout=10.0))),
        },
        providers={
            "openai": ProviderSettings("https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-4o-mini"),
            "local": ProviderSettings("http://127.0.0.1:8000"),
        },
        cli=CliSettings(log_level="WARNING", output_format="table", auto_save=False),
        monitoring=MonitoringSettings(
            enabled=False,
            metrics_retention_days=30,
            performance_alerts=False,
            alert_runs=50,
            p95_factor=2.0,
            failure_rate=0.5,
        ),
    )
    assert (found.path, found.source, found.format) == (HERE, EVERYTHING, "toml")
    assert (found.unread, found.warnings) == (frozenset(), ())


def test_json_says_the_same():
    text = json.dumps(tomllib.loads(EVERYTHING), indent=2)
    found = parse(text, path=Path("atrio.json"))
    assert found == toml(EVERYTHING)
    assert found.format == "json"


def test_whole_numbers_become_fractions_where_fractions_are_meant():
    found = toml("[rate_limits.x]\nrate = 5\n[pipelines.p]\nstages = [{ agent = 'a', timeout = 3 }]")
    assert type(found.rate_limits["x"].rate) is float
    assert type(found.pipelines["p"].stages[0].timeout) is float


@pytest.mark.parametrize("text", ["", "# nothing\n", "[agents]\n[pipelines]\n[cli]\n[monitoring]\n"])
def test_an_empty_file_is_no_file(text):
    assert toml(text) == Configuration()


def test_defaults_are_those_of_the_classes_behind():
    stage, breaker = StageConfig(), CircuitBreaker("x")
    settings = StageSettings("a")
    assert (settings.attempts, settings.timeout, settings.error_policy) == (
        stage.attempts,
        stage.timeout,
        stage.error_policy,
    )
    assert Backoff(**attrs.asdict(settings.backoff)) == stage.backoff
    guard = attrs.asdict(BreakerSettings(), filter=lambda field, _: field.name != "trips_on")
    assert {name: getattr(breaker, name) for name in guard} == guard


def test_every_key_of_a_stage_is_there():
    keys = {field.name for field in attrs.fields(StageConfig)} | {"agent", "stage_id", "name", "description"}
    assert {field.name for field in attrs.fields(StageSettings)} == keys


def test_a_stage_is_called_as_what_it_names_unless_it_has_an_id():
    assert StageSettings("cleaner").own_id == "cleaner"
    assert StageSettings("cleaner", stage_id="clean").own_id == "clean"


class TestDefinitions:
    def test_one_of_ones_own_is_what_it_says(self):
        definition = toml(EVERYTHING).agents["classifier"].definition("classifier")
        assert isinstance(definition, AgentDefinition)
        assert definition.capabilities == ("content_analysis", "topic")
        assert definition.score("content_analysis") == 0.9
        assert definition.resource_requirements.cpu_cores == 0.5
        assert definition.needs == ("SHOP_KEY",)
        assert definition.configuration["options"] == {"deep": [1, 2.5, True, "x"]}

    def test_the_own_name_is_what_is_extended_unless_said(self):
        assert AgentSettings().definition("text_cleaner") == BUILT_IN_AGENTS["text_cleaner"]
        assert AgentSettings(extends="report_writer").definition("text_cleaner") == BUILT_IN_AGENTS["report_writer"]

    def test_what_is_said_replaces_and_options_are_merged_key_by_key(self, monkeypatch):
        start = AgentDefinition(
            "A", "shop", ["x", "y"], "text", ANY_SCHEMA, {"a": 1, "b": {"c": 2}}, scores={"x": 0.5, "y": 0.25}
        )
        ready_made = {"start": start}
        monkeypatch.setattr("atrio.config.settings.BUILT_IN_AGENTS", ready_made)
        settings = AgentSettings(
            extends="start",
            agent_class="B",
            capabilities=("y", "z"),
            scores={"z": 0.75},
            configuration={"b": {"d": 3}},
            resource_requirements=ResourceSettings(memory_mb=9),
        )
        definition = settings.definition("mine")
        assert definition.agent_class == "B"
        assert definition.module_path == "shop"
        assert dict(definition.configuration) == {"a": 1, "b": {"d": 3}}
        assert dict(definition.scores) == {"y": 0.25, "z": 0.75}
        assert definition.resource_requirements.memory_mb == 9
        assert definition.resource_requirements.cpu_cores is None
        # A second look finds what the first did.
        assert start.configuration["b"] == {"c": 2}

    def test_what_is_missing_is_said(self):
        with pytest.raises(DefinitionError, match="lacks module_path, input_schema and output_schema: say it"):
            AgentSettings(agent_class="A", capabilities=("x",)).definition("mine")


class TestFiles:
    def test_of_two_files_the_first_name_counts(self, tmp_path):
        assert find(tmp_path) is None
        (tmp_path / "atrio.json").write_text("{}")
        assert find(tmp_path) == tmp_path / "atrio.json"
        (tmp_path / "atrio.toml").write_text("")
        assert find(tmp_path) == tmp_path / "atrio.toml"

    def test_only_the_directory_itself_is_looked_at(self, tmp_path):
        (tmp_path / "atrio.toml").write_text("")
        inner = tmp_path / "inner"
        inner.mkdir()
        assert find(inner) is None

    def test_a_link_to_nowhere_is_not_passed_over(self, tmp_path):
        (tmp_path / "atrio.toml").symlink_to(tmp_path / "gone.toml")
        (tmp_path / "atrio.json").write_text("{}")
        path = find(tmp_path)
        with pytest.raises(ConfigError, match=r"atrio\.toml: is a link to a file that is not there$"):
            load(path)

    @pytest.mark.parametrize(
        ("name", "form"), [("atrio.toml", "toml"), ("a.json", "json"), ("A.JSON", "json"), ("atrio", "toml")]
    )
    def test_the_name_says_the_format(self, name, form):
        assert format_of(Path(name)) == form

    @pytest.mark.parametrize("name", ["atrio.toml", "atrio.json"])
    def test_a_file_is_read_by_its_name(self, tmp_path, name):
        text = '{"cli": {"log_level": "ERROR"}}' if name.endswith("json") else "[cli]\nlog_level = 'ERROR'\n"
        path = tmp_path / name
        path.write_text(text)
        assert load(path).cli.log_level == "ERROR"
        assert read(text.encode(), path=path) == load(path)

    def test_a_format_that_is_said_wins_over_the_name(self):
        found = parse(
            '{"pipelines": {"p": {"stages": ["text_cleaner"]}}}', path=Path("the command line"), format="json"
        )
        assert found.pipelines["p"].stages == (StageSettings("text_cleaner"),)

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no such paths")
    def test_a_path_that_is_no_text_is_shown_with_escapes(self, tmp_path):
        with pytest.raises(ConfigError) as caught:
            load(Path(f"{tmp_path}/\udcff.toml"))
        assert str(caught.value).encode()
        assert "\\udcff.toml: is not there" in str(caught.value)


class TestReferences:
    """Which of the ways to read look at what tables name of each other."""

    TEXT = "[pipelines.p]\nstages = ['nobody']\n"

    def test_one_table_by_itself_is_right(self):
        assert toml(self.TEXT).pipelines["p"].stages == (StageSettings("nobody"),)

    def test_a_whole_file_is_checked(self, tmp_path):
        path = tmp_path / "atrio.toml"
        path.write_text(self.TEXT)
        for way in (
            lambda: load(path),
            lambda: read(self.TEXT.encode(), path=path),
            lambda: checked(toml(self.TEXT)),
        ):
            with pytest.raises(
                ConfigError, match=r"atrio.toml:2: pipelines.p.stages\[0\].agent: there is no .*'nobody'"
            ):
                way()

    def test_a_survey_keeps_what_is_wrong_and_gives_the_rest(self, tmp_path):
        path = tmp_path / "atrio.toml"
        path.write_text(
            "[pipelines.p]\nstages = [7, { agent = 'text_cleaner', attemps = 2 }, 'nobody']\n[cli]\nlog_level = 1\n"
        )
        found = survey(path)
        assert found.pipelines["p"].stages == (StageSettings("text_cleaner"), StageSettings("nobody"))
        assert found.cli == CliSettings()
        assert found.unread == {("pipelines", "p")}
        assert [(problem.line, problem.path) for problem in found.warnings] == [
            (2, "pipelines.p.stages[0]"),
            (2, "pipelines.p.stages[1].attemps"),
            (4, "cli.log_level"),
        ]
        # Places are told as they are in the file, and not as they are in what is left.
        (problem,) = problems_at(found, [(("pipelines", "p", "stages", 1, "agent"), "is not there", "error")])
        assert str(problem) == f"{path}:2: pipelines.p.stages[2].agent: is not there"
        with pytest.raises(ConfigError) as caught:
            checked(found)
        assert [each.path for each in caught.value.problems] == [
            "pipelines.p.stages[0]",
            "pipelines.p.stages[1].attemps",
            "pipelines.p.stages[2].agent",
            "cli.log_level",
        ]

    def test_a_survey_of_what_cannot_be_parsed_is_none(self, tmp_path):
        path = tmp_path / "atrio.toml"
        path.write_text("[cli")
        with pytest.raises(ConfigError, match="is no TOML"):
            survey(path)

    def test_warnings_are_kept_with_what_was_read(self, tmp_path):
        path = tmp_path / "atrio.toml"
        path.write_text("[pipelines.p]\nstages = ['text_cleaner']\n")
        assert load(path).warnings == ()


class TestPlaces:
    """Findings of whoever checks more get file, line and path here."""

    def test_in_the_order_of_the_file_and_none_twice(self):
        found = toml("[cli]\nauto_save = true\n[agents.text_cleaner]\ncapacity = 1\n")
        problems = problems_at(
            found,
            [
                (("agents", "text_cleaner", "breaker"), "is bad", "error"),
                (("cli", "auto_save"), "is odd", "warning"),
                (("agents", "text_cleaner", "breaker"), "is bad", "error"),
                (("pools", "x"), "is not there", "error"),
            ],
        )
        assert [str(problem) for problem in problems] == [
            "atrio.toml: pools.x: is not there",
            "atrio.toml:2: warning: cli.auto_save: is odd",
            "atrio.toml:3: agents.text_cleaner.breaker: is bad",
        ]

    def test_without_a_file(self):
        (problem,) = problems_at(Configuration(), [(("agents", "x"), "is not there", "error")])
        assert str(problem) == "the configuration: agents.x: is not there"

    def test_nothing_is_scanned_for_nothing(self):
        assert problems_at(toml("[cli]"), []) == []
