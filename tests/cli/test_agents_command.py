"""``atrio agents``: listed, shown, added and removed."""

import json
import subprocess
import sys

import pytest
from configured import FILE, configure, rows

from atrio.config import load
from atrio.registry import BUILT_IN_AGENTS, Capability

WEBHOOK = ("--extends", "webhook", "--set", "url=http://127.0.0.1:8000/")


@pytest.fixture
def file(tmp_path):
    return configure(tmp_path)


@pytest.fixture
def refused(atrio, file):
    """Run a command that must change nothing, and return what it says of that."""

    def run(*arguments: str) -> list[str]:
        before = file.read_bytes()
        ended = atrio(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert file.read_bytes() == before
        assert all(line.startswith("atrio: ") for line in ended.err.splitlines())
        return [line.removeprefix("atrio: ") for line in ended.err.splitlines()]

    return run


class TestList:
    def test_without_a_file(self, atrio):
        ended = atrio("agents", "list")
        assert (ended.code, ended.err) == (0, "")
        found = rows(ended.out)
        assert [row[0] for row in found[: len(BUILT_IN_AGENTS)]] == list(BUILT_IN_AGENTS)
        no_provider = (
            "no provider of language models is configured: add a table [providers.NAME] to atrio.toml, or give it the "
            "option base_url"
        )
        assert found[len(BUILT_IN_AGENTS) :] == [
            ["json_transformer", "it needs the option expression"],
            ["json_validator", "it needs the option schema"],
            ["webhook", "it needs the option url"],
            ["command_runner", "it needs the option command"],
            *([each, no_provider] for each in ("task_processor", "content_analyzer", "data_transformer")),
        ]
        assert found[0] == ["text_cleaner", "data_transformation", "text", "text", "ready"]

    def test_with_one(self, atrio, file):
        found = rows(atrio("agents", "list").out)
        assert ["shouter", "data_transformation", "text", "text", "ready"] in found
        assert ["keyed", "data_transformation", "text", "text", "lacking"] in found
        assert ["keyed", "it needs SHOUTING_KEY, which is not set"] in found
        assert ["loud", "pool", "shouter, text_cleaner (1 at once)"] in found
        assert ["both", "fan-out", "loud: shouter, plain: text_cleaner"] in found
        assert ["by_size", "router", "long: shouter, short: text_cleaner"] in found

    def test_as_json(self, atrio, file, monkeypatch):
        monkeypatch.setenv("SHOUTING_KEY", "x")
        found = {each["name"]: each for each in json.loads(atrio("agents", "list", "--format", "json").out)}
        assert found.keys() == {*BUILT_IN_AGENTS, "shouter", "keyed", "loud", "both", "by_size"}
        assert found["keyed"]["available"] is True
        assert found["text_cleaner"]["origin"] == "ready-made"
        shouter = found["shouter"]
        assert (shouter["kind"], shouter["origin"], shouter["extends"]) == ("agent", "atrio.toml", None)
        assert shouter["scores"] == {"data_transformation": 0.5}
        assert shouter["breaker"]["failure_threshold"] == 3
        assert shouter["fallback"] == ["text_cleaner"]
        assert found["loud"]["members"] == [
            {"agent": "shouter", "capacity": None},
            {"agent": "text_cleaner", "capacity": 1},
        ]

    @pytest.mark.parametrize("capability", list(Capability))
    def test_of_one_capability(self, atrio, capability):
        listed = [row[0] for row in rows(atrio("agents", "list", "--capability", capability).out) if len(row) == 5]
        assert listed == [name for name, each in BUILT_IN_AGENTS.items() if capability in each.capabilities]

    def test_of_a_capability_that_is_none(self, refused):
        (told,) = refused("agents", "list", "--capability", "reprting")
        assert told.startswith("no agent can do 'reprting'. Did you mean 'reporting'? Agents can do: ")

    def test_imports_no_agent(self, tmp_path):
        configure(tmp_path)
        program = (
            "import sys; from atrio.cli import main; code = main(['agents', 'list'])\n"
            "sys.exit(code or bool({'shouting', 'jinja2', 'regex', 'httpx2'} & set(sys.modules)))"
        )
        subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)


class TestShow:
    def test_as_a_table(self, atrio, file):
        ended = atrio("agents", "show", "shouter")
        assert (ended.code, ended.err) == (0, "")
        found = dict(rows(ended.out))
        assert found["description"] == "Says it louder"
        assert found["configuration"] == '{"mark": "!"}'
        assert found["capacity"] == "2"
        assert found["state"] == "ready"
        assert "extends" not in found

    def test_why_it_cannot_work(self, atrio, file):
        found = rows(atrio("agents", "show", "keyed").out)
        assert ["extends", "text_cleaner"] in found
        assert ["state", "it needs SHOUTING_KEY, which is not set"] in found

    @pytest.mark.parametrize(("name", "kind"), [("loud", "pool"), ("both", "fan_out"), ("by_size", "router")])
    def test_of_what_combines_agents(self, atrio, file, name, kind):
        found = dict(rows(atrio("agents", "show", name).out))
        assert found["kind"] == kind
        assert "shouter" in found["of"]
        assert json.loads(atrio("agents", "show", name, "--format", "json").out)["kind"] == kind

    def test_of_every_ready_made_one(self, atrio):
        for name in BUILT_IN_AGENTS:
            shown = json.loads(atrio("agents", "show", name, "--format", "json").out)
            assert shown["name"] == name
            assert all(option["takes"] for option in shown["options"]), name
            needed = [option["name"] for option in shown["options"] if option["needed"]]
            assert shown["missing_options"] == needed, "said in a list of agents, which does not import them"

    def test_the_options_that_a_ready_made_one_takes(self, atrio, file):
        found = rows(atrio("agents", "show", "webhook").out)
        assert ["url", "text", "needed"] in found
        assert ["method", '"POST" or "PUT" or "PATCH"', '"POST"'] in found
        assert ["headers", "a table", ""] in found
        assert ["timeout", "a number", "30.0"] in found
        assert ["form", '"NFC" or "NFD" or "NFKC" or "NFKD"', '"NFC"'] in rows(atrio("agents", "show", "keyed").out)
        assert "options" not in json.loads(atrio("agents", "show", "shouter", "--format", "json").out)

    def test_of_none(self, refused):
        assert refused("agents", "show", "shuoter") == [
            "there is no agent 'shuoter'. Did you mean 'shouter'? atrio agents list shows all."
        ]
        assert refused("agents", "show", "shout") == ["'shout' is a pipeline: atrio pipelines show shout shows it."]


class TestAdd:
    def test_a_ready_made_one_with_options(self, atrio, file):
        ended = atrio("agents", "add", "caller", *WEBHOOK, "--set", 'headers={"A": "=b"}', "--set", "timeout=2.5")
        assert (ended.code, ended.out, ended.err) == (0, "", "atrio: agent 'caller' is in atrio.toml now.\n")
        assert load(file).agents["caller"].configuration == {
            "url": "http://127.0.0.1:8000/",
            "headers": {"A": "=b"},
            "timeout": 2.5,
        }
        assert "# kept" in file.read_text()
        assert "# it is loud" in file.read_text()

    def test_all_that_can_be_said(self, atrio, file):
        ended = atrio(
            *("agents", "add", "whole", "--module", "shouting", "--class", "Shouter", "--capability", "validation"),
            *("--capability", "louder", "--input-schema", "text", "--output-schema", "text", "--score", "louder=0.25"),
            *("--needs", "A_KEY", "--needs", "B_KEY", "--memory-mb", "16", "--cpu-cores", "0.5", "--capacity", "3"),
            *("--breaker", '{"failure_threshold": 2}', "--rate", '{"rate": 5, "per": 2}', "--fallback", "text_cleaner"),
            *("--description", "All of it", "--set", "mark=7"),
        )
        assert ended.code == 0
        added, warned = ended.err.splitlines()
        assert added == "atrio: agent 'whole' is in atrio.toml now."
        assert warned == (
            "atrio: atrio.toml: warning: agents.whole.needs: 'whole' needs A_KEY and B_KEY in the environment, which "
            "are not set"
        )
        whole = load(file).agents["whole"]
        assert whole.capabilities == ("validation", "louder")
        assert (whole.scores, whole.needs, whole.capacity) == ({"louder": 0.25}, ("A_KEY", "B_KEY"), 3)
        assert (whole.resource_requirements.memory_mb, whole.resource_requirements.cpu_cores) == (16, 0.5)
        assert (whole.breaker.failure_threshold, whole.rate.rate, whole.fallback) == (2, 5, ("text_cleaner",))
        assert (whole.description, whole.configuration) == ("All of it", {"mark": 7})

    def test_a_shared_breaker_by_its_name(self, atrio, tmp_path):
        path = configure(tmp_path, FILE + "[breakers.endpoint]\n[rate_limits.slow]\nrate = 1\n")
        assert atrio("agents", "add", "a", *WEBHOOK, "--breaker", "endpoint", "--rate", "slow").code == 0
        assert (load(path).agents["a"].breaker, load(path).agents["a"].rate) == ("endpoint", "slow")

    def test_into_json(self, atrio, tmp_path):
        path = tmp_path / "atrio.json"
        path.write_text('{\n  "pools": {}\n}\n')
        assert atrio("agents", "add", "caller", *WEBHOOK).code == 0
        assert json.loads(path.read_text())["agents"]["caller"]["extends"] == "webhook"

    def test_printed_to_be_pasted(self, atrio, tmp_path):
        path = configure(tmp_path, FILE + "[cli]\nauto_save = false\n")
        before = path.read_text()
        ended = atrio("agents", "add", "caller", *WEBHOOK)
        assert (ended.code, ended.err) == (0, "atrio: auto_save is false in atrio.toml: paste this into it.\n")
        assert path.read_text() == before
        path.write_text(before + ended.out)
        assert load(path).agents["caller"].extends == "webhook"
        ended = atrio("agents", "add", "caller", *WEBHOOK)
        assert (ended.code, ended.out) == (2, "")
        assert "agents.caller: is there already" in ended.err

    def test_printed_as_json(self, atrio, tmp_path):
        (tmp_path / "atrio.json").write_text('{"cli": {"auto_save": false}}')
        assert json.loads(atrio("agents", "add", "caller", *WEBHOOK).out)["agents"]["caller"]["extends"] == "webhook"

    def test_every_mistake_at_once(self, refused):
        told = refused(
            *("agents", "add", "caller", "--extends", "webhok", "--capacity", "four", "--memory-mb", "0.5"),
            *("--breaker", '{"failure_treshold": 3}', "--score", "Reporting=2"),
        )
        assert [line.partition(": ")[0] for line in told] == ["the command line"] * len(told)
        for word in ("webhok", "four", "memory_mb", "did you mean 'failure_threshold'?", "Reporting"):
            assert any(word in line for line in told), word

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["shouter", "--extends", "text_cleaner"], "agents.shouter: is there already"),
            (["loud", "--extends", "text_cleaner"], "loud"),
            (["a", "--extends", "text_cleaner", "--fallback", "text_claener"], "did you mean 'text_cleaner'?"),
            (["a", "--extends", "text_cleaner", "--breaker", "endpoint"], "endpoint"),
            (["a"], "ready-made"),
            (
                ["a", *WEBHOOK, "--set", "title"],
                "--set must be of the form name=value, as in --set title=Findings: not",
            ),
            (["a", *WEBHOOK, "--set", "url=x"], "--set gives 'url' two values: give it one."),
            (["a", *WEBHOOK, "--set", "timeout=NaN"], "timeout"),
            ([" ", *WEBHOOK], "the command line"),
            (["a" * 201, *WEBHOOK], "the command line"),
            (["a", *WEBHOOK, "--sot", "x=1"], "Did you mean --set?"),
        ],
    )
    def test_what_cannot_be(self, refused, arguments, said):
        assert any(said in line for line in refused("agents", "add", *arguments)), said

    def test_without_a_file(self, atrio, tmp_path):
        ended = atrio("agents", "add", "caller", *WEBHOOK)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            "atrio: there is no atrio.toml or atrio.json in this directory: atrio init makes one, and --config names "
            "another.\n"
        )
        assert list(tmp_path.iterdir()) == []


class TestRemove:
    def test_one(self, atrio, file):
        before = file.read_text()
        atrio("agents", "add", "caller", *WEBHOOK)
        ended = atrio("agents", "remove", "caller")
        assert (ended.code, ended.err) == (0, "atrio: agent 'caller' is no longer in atrio.toml.\n")
        assert file.read_text() == before

    def test_one_that_is_used(self, refused):
        told = refused("agents", "remove", "shouter")
        assert any("pipelines.shout.stages[1].agent" in line for line in told)
        assert any("pools.loud.members[0]" in line for line in told)

    def test_one_that_is_not_there(self, refused):
        assert any("did you mean 'shouter'?" in line for line in refused("agents", "remove", "shoutr"))
        assert refused("agents", "remove", "text_analyzer")

    def test_where_nothing_is_saved_by_itself(self, atrio, tmp_path):
        path = configure(tmp_path, FILE + "[cli]\nauto_save = false\n")
        assert atrio("agents", "remove", "keyed").code == 0
        assert "keyed" not in path.read_text()
