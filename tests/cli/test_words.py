"""What the command line says of mistakes that are easily made, and what its settings leave alone."""

import json

import pytest
from configured import FILE, configure

from atrio.config import load


@pytest.fixture
def said(atrio, tmp_path):
    """Run a command that cannot be used, and return what it says, after its name."""

    def run(*arguments):
        before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        ended = atrio(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
        return ended.err.removeprefix("atrio: ").rstrip("\n")

    return run


class TestTwoFiles:
    def test_init_disables_none(self, said, tmp_path):
        (tmp_path / "atrio.json").write_text("{}")
        assert "atrio.json, which is not read any more beside it: remove that one first" in said("init")

    def test_under_another_name_it_disables_none_either(self, atrio, tmp_path):
        (tmp_path / "atrio.json").write_text("{}")
        assert atrio("init", "--config", "shop.toml").code == 0

    @pytest.mark.parametrize("command", [["check"], ["pipelines", "list"], ["run", "text-report", "--value", '"a"']])
    def test_it_is_said_which_one_is_read(self, atrio, tmp_path, command):
        (tmp_path / "atrio.toml").write_text("")
        (tmp_path / "atrio.json").write_text("{")
        ended = atrio(*command)
        assert ended.code == 0
        assert "atrio: atrio.toml is read, and atrio.json beside it is not: " in ended.err
        assert "is read" not in atrio(*command, "--config", "atrio.toml").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["agents", "add", "--", "-x", "--extends", "text_cleaner"], "nothing that comes after -- is an option"),
        (
            ["agents", "add", "a"],
            "'a' lacks --module, --class, --capability, --input-schema, --output-schema: give them",
        ),
        (["agents", "add", "text_claener"], "Did you mean 'text_cleaner'?"),
        (["agents", "add", "a", "--extends", "text_cleaner", "--rate", "5"], """--rate '{"rate": 5}': not '5'."""),
        (["agents", "add", "a", "--extends", "text_cleaner", "--breaker", "{"], "'{' is no JSON"),
        (["pipelines", "add", "p", "--stage", '{"agent": }'], "is no JSON"),
        (["pipelines", "add", "p", "--stage", "7"], "--stage must be a name, or a JSON object, as in --stage "),
        (["run"], "PIPELINE is missing. See atrio run --help."),
        (["run", "text-report", "--value"], "--value needs a value. See atrio run --help."),
        (["check", "--config", ""], "--config names no file, it is empty"),
        (["init", "--config", "nodir/x.toml"], "there is no directory 'nodir' for x.toml: make it first."),
        (["init", "--config", "foo.yaml"], "name a .toml file, and not 'foo.yaml'"),
        (["batch", "text-report", "empty.jsonl"], "it is empty, or every line of it is blank"),
    ],
)
def test_of_a_mistake(said, tmp_path, arguments, words):
    configure(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    assert words in said(*arguments)


def test_a_name_may_look_like_json(atrio, tmp_path):
    path = configure(tmp_path, FILE + "[rate_limits.5]\nrate = 5\n[agents.7]\nextends = 'text_cleaner'\n")
    assert atrio("agents", "add", "a", "--extends", "text_cleaner", "--rate", "5").code == 0
    assert load(path).agents["a"].rate == "5"
    assert atrio("pipelines", "add", "p", "--stage", "7").code == 0


class TestOutputFormat:
    @pytest.fixture(autouse=True, params=["json", "table"])
    def form(self, tmp_path, request):
        configure(tmp_path, FILE + f'[cli]\noutput_format = "{request.param}"\n')
        return request.param

    def test_leaves_the_output_of_a_run_alone(self, atrio):
        assert atrio("run", "shout", "--value", '"a"', "--log-level", "error").out == "A!\n"
        assert atrio("assemble", "data_transformation", "--value", '"a"', "--log-level", "error").out == "a\n"
        assert json.loads(atrio("run", "shout", "--value", '"a"', "--format", "json").out)["output"] == "A!"

    def test_leaves_what_a_check_finds_alone(self, atrio):
        assert atrio("check").out.startswith("atrio.toml:18: warning: agents.keyed.needs")

    def test_is_that_of_lists_and_plans(self, atrio, form):
        for command in (["agents", "list"], ["pipelines", "show", "shout"], ["assemble", "data_transformation"]):
            assert atrio(*command).out.startswith(("[", "{")) == (form == "json")


class TestTables:
    def test_in_a_pipe_are_as_wide_as_they_need(self, atrio, tmp_path):
        name = "x" * 150
        (tmp_path / "atrio.toml").write_text(f'[agents.{name}]\nextends = "text_cleaner"\n')
        lines = atrio("agents", "list").out.splitlines()
        assert any(name in line for line in lines)
        assert not any(line.endswith(" ") for line in lines)

    def test_are_as_wide_as_columns_says(self, atrio, tmp_path, monkeypatch):
        (tmp_path / "atrio.toml").write_text(f'[agents.{"x" * 150}]\nextends = "text_cleaner"\n')
        monkeypatch.setenv("COLUMNS", "80")
        assert max(map(len, atrio("agents", "list").out.splitlines())) == 80


class TestFailures:
    def test_of_what_one_printed_as_json_says_no_secret(self, atrio, tmp_path, monkeypatch):
        monkeypatch.setenv("SHOUTING_KEY", "secret-of-the-shop")
        monkeypatch.setenv("SHOUTING_ADDRESS", "secret-of-the-shop")
        (tmp_path / "a.jsonl").write_text('"a"\n')
        configure(tmp_path, FILE.replace('fallback = ["text_cleaner"]\n', "", 1))
        for command in (
            ["run", "shout", "--value", '"a"', "--format", "json"],
            ["run", "shout", "--value", '"a"', "--format", "table"],
            ["batch", "shout", "a.jsonl"],
        ):
            ended = atrio(*command, "--log-level", "debug")
            assert ended.code == 1
            assert "nobody is at ***" in " ".join(ended.out.split())
            assert "secret-of-the-shop" not in ended.out + ended.err
            assert "Try again with --log-level debug" not in ended.err

    def test_of_text_that_is_json(self, atrio_process, tmp_path):
        schema = '[agents.v]\nextends = "json_validator"\nconfiguration = { schema = { type = "object" } }\n'
        (tmp_path / "atrio.toml").write_text(f'{schema}[pipelines.p]\nstages = ["v"]\n')
        ended = atrio_process("run", "p", stdin=b'{"a": 1}')
        assert ended.code == 1
        assert ended.err.splitlines()[-1].startswith("atrio: the input was text that is JSON: ")
        for other in (b"a", b"{a"):
            assert "that is JSON" not in atrio_process("run", "p", stdin=other).err

    def test_in_a_batch_are_told_once_at_the_level_of_errors(self, atrio, tmp_path):
        (tmp_path / "a.jsonl").write_text('1\n"a"\n"b"\n')
        ended = atrio("batch", "text-report", "a.jsonl", "--log-level", "error")
        assert [json.loads(line)["event"] for line in ended.err.splitlines() if line.startswith("{")] == ["task.end"]
