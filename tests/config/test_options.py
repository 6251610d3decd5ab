"""Options of agents: everything that is wrong with them at once, each at its own key, in the words of the file."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrio.agents import CommandRunner, JsonValidator, TextAnalyzer, Webhook
from atrio.config import check_configuration, parse
from atrio.config.options import misfits, wrong_values


def messages(tmp_path, tree):
    configuration = parse(json.dumps(tree), path=tmp_path / "atrio.json")
    return {each.path: (each.severity, each.message) for each in check_configuration(configuration)}


def test_all_of_them_at_once(tmp_path):
    options = {"ulr": "http://localhost/", "url": "ftp://x", "timeout": "7", "metod": "POST", "max_redirects": 99}
    found = messages(tmp_path, {"agents": {"a": {"extends": "webhook", "configuration": options}}})
    here = "agents.a.configuration"
    assert found.keys() == {f"{here}.{option}" for option in options}
    assert "did you mean 'method'?" in found[f"{here}.metod"][1]
    assert "not one that begins with 'ftp'" in found[f"{here}.url"][1]
    assert found[f"{here}.timeout"][1] == "timeout must be a finite number above 0, not '7'"


def test_the_values_of_one_that_lacks_another():
    assert [each.path for each in wrong_values(Webhook, {"timeout": 0})] == [("timeout",)]
    assert [each.path for each in misfits(Webhook, {"timeout": 0})] == [()]


def test_what_was_probably_meant_is_not_missing_too():
    assert [each.path for each in misfits(Webhook, {"ulr": "http://localhost/"})] == [("ulr",)]


def test_no_types_of_python():
    (mistake,) = wrong_values(CommandRunner, {"command": "ls -l"})
    assert "an array, the program" in mistake.message or "not a string" in mistake.message
    assert not {"str", "list", "TypeError"} & set(mistake.message.replace(",", " ").split())


def test_a_type_that_json_schema_does_not_have():
    (mistake,) = wrong_values(JsonValidator, {"schema": {"properties": {"id": {"type": "interger"}}}})
    assert mistake.path == ("schema",)
    assert "'integer'" in mistake.message
    assert "anyOf" not in mistake.message


class Never:
    def __init__(self, size=1):
        raise OSError("there is no such library here")


def test_what_is_wrong_whatever_is_given_is_at_no_key():
    assert [*wrong_values(Never, {"size": 2})] == [((), "there is no such library here")]


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)


@given(st.dictionaries(st.sampled_from(["keywords", "language", "sentences", "url", "x"]), values))
def test_whatever_is_given_each_key_is_told_at_most_once(options):
    found = [*misfits(TextAnalyzer, options), *wrong_values(TextAnalyzer, options)]
    assert len({each.path for each in found}) == len(found)
    assert all(each.path[0] in options for each in found if each.path)


@pytest.mark.parametrize("value", ["Bearer sk-live-1234567890", "sk-live-1234567890", "Bearer of sk_live_1234567890"])
def test_a_secret_in_place_of_its_variable_is_not_shown(tmp_path, value):
    options = {"url": "http://localhost/", "headers_env": {"Authorization": value, "X-Key": "SHOP_KEY"}}
    found = messages(tmp_path, {"agents": {"a": {"extends": "webhook", "configuration": options}}})
    assert found.keys() == {"agents.a.configuration.headers_env.Authorization", "agents.a.needs"}
    assert not any("1234567890" in message for _, message in found.values())


class TestPrograms:
    @pytest.fixture
    def found(self, tmp_path):
        def find(used=True, **options):
            tree = {"agents": {"a": {"extends": "command_runner", "configuration": options}}}
            if used:
                tree["pipelines"] = {"p": {"stages": ["a"]}}
            return messages(tmp_path, tree)

        return find

    def test_one_that_is_not_there(self, found):
        told = ("agents.a.configuration.command", "'a' cannot run here: there is no program 'no-such-program'")
        assert found(command=["no-such-program"]) == {told[0]: ("error", told[1])}
        assert found(used=False, command=["no-such-program"]) == {told[0]: ("warning", told[1])}
        assert found(command=["./no-such-program"]).keys() == {told[0]}

    def test_one_that_is_there(self, found, tmp_path):
        program = tmp_path / "bin" / "own"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        assert found(command=[sys.executable]) == {}
        assert found(command=["own"], environment={"PATH": str(program.parent)}) == {}
        assert found(command=["./own"], cwd=str(program.parent)) == {}
        assert found(command=["bin/own"], cwd=str(tmp_path)) == {}
        program.chmod(0o644)
        assert found(command=["./own"], cwd=str(program.parent)).keys() == {"agents.a.configuration.command"}

    def test_a_directory_that_is_not_there(self, found, tmp_path):
        told = found(command=["cat"], cwd=str(tmp_path / "none"))
        assert told.keys() == {"agents.a.configuration.cwd"}
