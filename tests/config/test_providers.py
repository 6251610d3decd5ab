"""Providers of language models, and the ready-made agents that ask them."""

import re
import sys

import pytest

from atrio import Capability, PlanningError, RunStatus, testing
from atrio.config import Configuration, Workspace, check_configuration, load, survey
from atrio.errors import ConfigError

pytest.importorskip("h11")
pytest.importorskip("httpx2")
pytest.importorskip("jinja2")

ASKING = ("task_processor", "content_analyzer", "data_transformer")
ONE = "[providers.local]\nbase_url = 'http://127.0.0.1:9/v1'\n"
TWO = f"{ONE}[providers.openai]\nbase_url = 'https://api.openai.com/v1'\napi_key_env = 'ATRIO_TEST_KEY'\nmodel = 'o'\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "atrio.toml"


@pytest.fixture
def workspace(file):
    def make(text):
        file.write_text(text)
        return Workspace(load(file))

    return make


def told(file, text):
    file.write_text(text)
    return [(each.severity, f"{each.path}: {each.message}") for each in check_configuration(load(file))]


def refusal(workspace, name):
    able = [each for capability in Capability for each in workspace.registry.rank(capability) if each.agent_id == name]
    return able[0].refusal


class TestWithoutOne:
    def test_they_are_there_and_say_why_they_cannot_work(self):
        workspace = Workspace(Configuration())
        for name in ASKING:
            assert refusal(workspace, name).startswith(
                "no provider of language models is configured: add a table [prov"
            )

    def test_the_choice_falls_to_local_ones(self):
        steps = [Capability.DATA_TRANSFORMATION, Capability.CONTENT_ANALYSIS, Capability.REPORTING]
        assert Workspace(Configuration()).assemble(steps).pipeline_id == "text_cleaner+text_analyzer+report_writer"

    def test_a_pipeline_of_them_cannot_be_built(self, file):
        text = "[pipelines.p]\nstages = ['task_processor']\n"
        reason = "'task_processor' cannot work: no provider of language models is configured: "
        ((severity, problem),) = told(file, text)
        assert severity == "error"
        assert problem.startswith(f"pipelines.p.stages[0].agent: {reason}")
        with pytest.raises(ConfigError, match=reason):
            Workspace(load(file)).pipeline("p")

    def test_one_that_is_extended_cannot_either(self, file):
        ((severity, problem),) = told(file, "[agents.mine]\nextends = 'content_analyzer'\n")
        assert severity == "error"
        begin = "agents.mine.configuration: 'mine' cannot work: no provider of language models is configured: "
        assert problem.startswith(begin)

    def test_an_option_that_there_is_not_is_told_all_the_same(self, file):
        text = "[agents.mine]\nextends = 'content_analyzer'\nconfiguration = { temprature = 1 }\n"
        ((_, problem),) = told(file, text)
        assert "has no option 'temprature'; did you mean 'temperature'?" in problem


class TestWithOne:
    def test_all_ask_it(self, workspace):
        made = workspace(ONE)
        for name in ASKING:
            assert refusal(made, name) is None
            assert made.registry.get(name).configuration["base_url"] == "http://127.0.0.1:9/v1"
        assert "<TaskProcessor, gpt-4o-mini at http://127.0.0.1:9>" in repr(made.agent("task_processor"))

    def test_the_choice_falls_to_them(self, workspace):
        chosen = workspace(ONE).assemble([Capability.CONTENT_ANALYSIS, Capability.REPORTING])
        assert chosen.pipeline_id == "content_analyzer+report_writer"

    def test_its_model_is_asked_unless_the_agent_names_one(self, workspace):
        text = (
            f"{ONE}model = 'small'\n[agents.mine]\nextends = 'task_processor'\nconfiguration = {{ model = 'large' }}\n"
        )
        made = workspace(text)
        assert made.registry.get("task_processor").configuration["model"] == "small"
        assert made.registry.get("mine").configuration["model"] == "large"

    def test_its_key_is_needed(self, workspace, monkeypatch):
        monkeypatch.delenv("ATRIO_TEST_KEY", raising=False)
        made = workspace(f"{ONE}api_key_env = 'ATRIO_TEST_KEY'\n")
        assert made.registry.get("task_processor").needs == ("ATRIO_TEST_KEY",)
        assert refusal(made, "task_processor") == "it needs ATRIO_TEST_KEY, which is not set"
        made.registry.unregister("command_runner")
        with pytest.raises(PlanningError, match="it needs ATRIO_TEST_KEY"):
            made.assemble([Capability.TASK_PROCESSING])
        monkeypatch.setenv("ATRIO_TEST_KEY", "x")
        assert refusal(made, "task_processor") is None

    def test_a_prompt_is_looked_for_beside_the_file(self, workspace, file):
        file.with_name("prompt.j2").write_text("Shorten: {{ data }}")
        made = workspace(
            f"{ONE}[agents.mine]\nextends = 'task_processor'\nconfiguration = {{ prompt_file = 'prompt.j2' }}\n"
        )
        assert made.registry.get("mine").configuration["prompt_file"] == str(file.with_name("prompt.j2"))
        assert "<TaskProcessor, gpt-4o-mini at " in repr(made.agent("mine"))

    def test_a_prompt_that_is_not_there_is_told(self, file):
        text = f"{ONE}[agents.mine]\nextends = 'task_processor'\nconfiguration = {{ prompt_file = 'prompt.j2' }}\n"
        ((severity, problem),) = told(file, text)
        assert (severity, "prompt.j2" in problem) == ("error", True)

    def test_a_class_of_atrio_in_a_table_of_its_own(self, workspace):
        made = workspace(
            f"{ONE}[agents.chat]\nagent_class = 'ChatAgent'\nmodule_path = 'atrio.agents'\ncapabilities = ['talk']\n"
            "input_schema = 'text'\noutput_schema = 'text'\nconfiguration = { model = 'small' }\n"
        )
        assert "<ChatAgent, small at http://127.0.0.1:9>" in repr(made.agent("chat"))


class TestWithSeveral:
    def test_an_agent_is_to_say_which(self, file, workspace):
        for name in ASKING:
            why = "there are several providers, 'local' and 'openai': its option provider is to say which"
            assert refusal(workspace(TWO), name) == why
        problems = told(file, f"{TWO}[agents.mine]\nextends = 'task_processor'\n")
        assert any(severity == "error" and "say which" in problem for severity, problem in problems)

    def test_one_that_is_not_there_is_told_once(self, file, monkeypatch):
        monkeypatch.setenv("ATRIO_TEST_KEY", "key")
        file.write_text(f"{TWO}[agents.mine]\nextends = 'task_processor'\nconfiguration.provider = 'nowhere'\n")
        surveyed = survey(file)
        assert [each.message for each in (*surveyed.warnings, *check_configuration(surveyed))] == [
            "there is no 'nowhere' in [providers]; there are local, openai"
        ]

    def test_each_asks_its_own(self, workspace):
        tables = [
            f"[agents.{each}]\nextends = 'task_processor'\nconfiguration.provider = '{each}'\n"
            for each in ("local", "openai")
        ]
        made = workspace(TWO + "".join(tables))
        assert made.registry.get("local").configuration == {"base_url": "http://127.0.0.1:9/v1", "provider": "local"}
        assert made.registry.get("openai").needs == ("ATRIO_TEST_KEY",)
        assert made.registry.get("openai").configuration["model"] == "o"

    def test_one_that_there_is_not_is_an_error_of_the_file(self, file):
        text = f"{TWO}[agents.mine]\nextends = 'task_processor'\nconfiguration = {{ provider = 'opnai' }}\n"
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"there is no 'opnai' in .providers.; did you mean 'openai'") as raised:
            load(file)
        (problem,) = raised.value.problems
        assert (problem.line, problem.path) == (9, "agents.mine.configuration.provider")

    def test_an_address_of_its_own_needs_none(self, workspace):
        text = f"{TWO}[agents.mine]\nextends = 'task_processor'\n[agents.mine.configuration]\nprovider = 'other'\n"
        made = workspace(f"{text}base_url = 'http://127.0.0.1:7'\napi_key_env = 'OTHER_KEY'\n")
        assert made.registry.get("mine").needs == ("OTHER_KEY",)
        assert "<TaskProcessor, gpt-4o-mini at http://127.0.0.1:7>" in repr(made.agent("mine"))


async def test_a_pipeline_asks_and_falls_back_to_another_provider(workspace, monkeypatch):
    monkeypatch.setenv("ATRIO_TEST_KEY", "sk-of-the-test")
    async with testing.ChatServer([testing.Reply({"summary": "Tides."})], api_key="sk-of-the-test") as local:
        made = workspace(
            "[providers.far]\nbase_url = 'http://127.0.0.1:9/v1'\n"
            f"[providers.near]\nbase_url = '{local.base_url}'\napi_key_env = 'ATRIO_TEST_KEY'\nmodel = 'test-model'\n"
            "[agents.digest]\nextends = 'data_transformer'\nfallback = ['spare']\n"
            "configuration = { provider = 'far' }\n"
            "[agents.spare]\nextends = 'data_transformer'\nconfiguration = { provider = 'near' }\n"
            "[pipelines.p]\nstages = ['digest']\n"
        )
        pipeline = made.pipeline("p")
        async with pipeline:
            result = await pipeline.execute("Tides rise, tides fall.")
    assert (result.status, result.output) == (RunStatus.SUCCESS, {"summary": "Tides."})
    assert result.usage.calls == 2
    assert [each.model for each in local.requests] == ["test-model"]


def test_a_key_in_place_of_the_name_of_its_variable_is_shown_nowhere(file, monkeypatch):
    key = "sk-proj-Zm9vYmFy"
    options = f"base_url = 'http://a', api_key_env = '{key}'"
    text = f"[agents.mine]\nextends = 'task_processor'\nconfiguration = {{ {options} }}\n"
    problems = told(file, text)
    assert [severity for severity, _ in problems] == ["error"]
    workspace = Workspace(load(file))
    assert workspace.registry.get("mine").needs == ()
    assert key not in f"{problems} {workspace.registry.rank(Capability.TASK_PROCESSING)}"


CLASSIFIER = """
from typing import Literal
import attrs
from atrio.agents import ChatAgent

@attrs.frozen
class Verdict:
    topic: Literal["billing", "other"]

class Classifier(ChatAgent[Verdict]):
    def __init__(self, *, base_url, model, api_key_env=None, provider=None, instructions=""):
        super().__init__(base_url=base_url, model=model, api_key_env=api_key_env, provider=provider,
                         output=Verdict, instructions=instructions)
"""
OWN = """[agents.classifier]
agent_class = "Classifier"
module_path = "atrio_test_tickets"
capabilities = ["content_analysis"]
input_schema = "text"
output_schema = "verdict"
[agents.classifier.configuration]
instructions = "Sort the ticket."
"""


class TestOfClassesOfOnesOwn:
    """Subclasses of ChatAgent, whose option names a provider."""

    @pytest.fixture(autouse=True)
    def module(self, file, monkeypatch):
        (file.parent / "atrio_test_tickets.py").write_text(CLASSIFIER)
        yield
        sys.modules.pop("atrio_test_tickets", None)

    async def test_they_ask_it(self, workspace, file, monkeypatch):
        monkeypatch.setenv("ATRIO_TEST_KEY", "sk-0123456789abcdef")
        async with testing.ChatServer([testing.Reply({"topic": "billing"})]) as server:
            text = (
                f"[providers.far]\nbase_url = '{server.base_url}'\napi_key_env = 'ATRIO_TEST_KEY'\nmodel = 'm'\n"
                f"{OWN}provider = 'far'\n[pipelines.p]\nstages = ['classifier']\n"
            )
            assert told(file, text) == []
            async with workspace(text).pipeline("p") as pipeline:
                result = await pipeline.execute("Where is my invoice?")
        assert result.unwrap().topic == "billing"
        assert (server.requests[0].model, server.requests[0].authorization) == ("m", "Bearer sk-0123456789abcdef")

    def test_the_key_is_among_what_they_need(self, workspace, file, monkeypatch):
        monkeypatch.delenv("ATRIO_TEST_KEY", raising=False)
        text = f"{TWO}{OWN}provider = 'openai'\n"
        assert refusal(workspace(text), "classifier") == "it needs ATRIO_TEST_KEY, which is not set"
        assert ("warning", "agents.classifier.needs: 'classifier' needs ATRIO_TEST_KEY in the environment") in [
            (severity, message.partition(", which")[0]) for severity, message in told(file, text)
        ]

    @pytest.mark.parametrize("takes", ["*, base_url, model, provider", "**options"])
    def test_a_provider_that_is_not_there_is_told(self, takes, workspace, file):
        path = file.parent / "atrio_test_tickets.py"
        path.write_text(re.sub(r"__init__\(self, .*\):", f"__init__(self, {takes}):", path.read_text()))
        told_of_it = (
            "error",
            "agents.classifier.configuration.provider: there is no 'lokal' in [providers]; did you mean 'local'?",
        )
        assert told(file, f"{ONE}{OWN}provider = 'lokal'\n") == [told_of_it]

    def test_an_option_of_that_name_is_any_other_classs_own(self, workspace, file):
        (file.parent / "atrio_test_tickets.py").write_text(
            "class Classifier:\n    def __init__(self, provider, instructions):\n        self.provider = provider\n\n"
            "    async def process(self, data):\n        return self.provider\n"
        )
        text = f"{ONE}{OWN}provider = 'stripe'\n"
        assert told(file, text) == []
        assert workspace(text).agent("classifier").provider == "stripe"


@pytest.mark.parametrize(
    "key", ["gsk_0123456789abcdef", "hf_abcdefghijkl", "AIzaSyA0bC1dE2fG3hI4", "qW3eRt5yUi7oPa9sDf1g"]
)
def test_a_key_in_place_of_its_variable_is_told_without_it(key, file, workspace):
    in_provider = f"[providers.a]\nbase_url = 'http://127.0.0.1:9/v1'\napi_key_env = '{key}'\n"
    in_agent = f"{ONE}[agents.t]\nextends = 'task_processor'\n[agents.t.configuration]\napi_key_env = '{key}'\n"
    needed = f"[agents.t]\nextends = 'text_cleaner'\nneeds = ['{key}']\n"
    sent = (
        "[agents.t]\nextends = 'webhook'\n[agents.t.configuration]\nurl = 'http://127.0.0.1:9'\n"
        f"headers_env = {{ Authorization = 'Bearer {key}' }}\n"
    )
    for text in (in_provider, in_agent, needed, sent):
        file.write_text(text)
        said = "".join(f"{each.path}: {each.message}" for each in check_configuration(survey(file)))
        assert said
        assert key[:12] not in said
    assert key[:12] not in str(refusal(workspace(in_agent), "t"))
