"""Runs of pipelines that a configuration describes, and what its [cli] says of them."""

import json

import pytest
from configured import FILE, configure

QUIET = ("--log-level", "error")


@pytest.fixture
def file(tmp_path):
    return configure(tmp_path)


class TestPipelinesOfTheFile:
    def test_run(self, atrio, file):
        ended = atrio("run", "shout", "--value", '"tides  rise"', *QUIET)
        assert (ended.code, ended.out, ended.err) == (0, "TIDES RISE!\n", "")

    def test_one_of_everything(self, atrio, file):
        ended = atrio("run", "all", "--value", '"tides"', *QUIET)
        assert (ended.code, json.loads(ended.out), ended.err) == (0, {"loud": "TIDES!!!!", "plain": "TIDES!!!"}, "")

    def test_batch(self, atrio, file, tmp_path):
        (tmp_path / "a.jsonl").write_text('"a"\n"b"\n')
        ended = atrio("batch", "shout", "a.jsonl", *QUIET)
        assert ended.code == 0
        assert sorted(json.loads(line)["result"] for line in ended.out.splitlines()) == ["A!", "B!"]

    def test_bench(self, atrio, file, tmp_path):
        (tmp_path / "a.txt").write_text("tides")
        names = ["shout", "all", "text-report"]
        ended = atrio("bench", *names, "--input", "a.txt", "--rounds", "1", "--format", "json")
        assert ended.code == 0
        assert [each["label"] for each in json.loads(ended.out)["pipelines"]] == names

    def test_a_fallback_stands_in(self, atrio, file, monkeypatch):
        monkeypatch.setenv("SHOUTING_ADDRESS", "gone:80")
        ended = atrio("run", "shout", "--value", '"tides"', *QUIET)
        assert (ended.code, ended.out) == (0, "tides\n")

    def test_from_another_directory(self, atrio, tmp_path):
        (tmp_path / "deep").mkdir()
        configure(tmp_path / "deep")
        ended = atrio("run", "shout", "--value", '"tides"', "--config", "deep/atrio.toml", *QUIET)
        assert (ended.code, ended.out) == (0, "TIDES!\n")

    def test_from_json(self, atrio, tmp_path):
        (tmp_path / "atrio.json").write_text(json.dumps({"pipelines": {"clean": {"stages": ["text_cleaner"]}}}))
        assert atrio("run", "clean", "--value", '"a  b"', *QUIET).out == "a b\n"

    def test_take_the_place_of_a_ready_made_one(self, atrio, tmp_path):
        configure(tmp_path, '[pipelines.text-report]\nstages = ["text_cleaner"]\n')
        assert atrio("run", "text-report", "--value", '"a  b"', *QUIET).out == "a b\n"


class TestMistakes:
    def test_a_name_that_is_none(self, atrio, file):
        assert atrio("run", "shuot", "--value", "1").err == (
            "atrio: there is no pipeline 'shuot'. Did you mean 'shout'? Known: shout, all, text-report, and your own "
            "as module:attribute.\n"
        )

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("shouter", "an agent"), ("webhook", "an agent"), ("loud", "a pool"), ("both", "a fan-out")],
    )
    def test_a_name_of_something_else(self, atrio, file, name, kind):
        ended = atrio("run", name, "--value", "1")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"atrio: {name!r} is {kind}, and no pipeline: a pipeline can have it as a stage. ")

    @pytest.mark.parametrize("command", [["run", "text-report", "--value", "1"], ["agents", "list"], ["check"]])
    def test_all_of_a_broken_file_is_told_at_once(self, atrio, tmp_path, command):
        configure(tmp_path, 'pipelnes = 1\n[pipelines.a]\nstages = ["nobody"]\n[cli]\nlog_level = "LOUD"\n')
        ended = atrio(*command)
        assert ended.code == 2
        told = (ended.out if command == ["check"] else ended.err).replace("atrio: atrio.toml", "atrio.toml")
        assert [line.split(": ")[0] for line in told.splitlines()] == ["atrio.toml:1", "atrio.toml:3", "atrio.toml:5"]
        for word in (
            "pipelnes",
            "did you mean 'pipelines'",
            "pipelines.a.stages[0]",
            "nobody",
            "cli.log_level",
            "LOUD",
        ):
            assert word in told

    @pytest.mark.parametrize("command", [["run", "text-report", "--value", "1"], ["pipelines", "list"], ["check"]])
    def test_a_file_that_is_not_there(self, atrio, command):
        ended = atrio(*command, "--config", "none.toml")
        assert ended.code == 2
        assert "none.toml" in ended.err + ended.out
        assert "Traceback" not in ended.err

    def test_an_agent_that_cannot_be_made(self, atrio, tmp_path):
        configure(tmp_path, FILE.replace('mark = "!"', 'mrak = "!"'))
        ended = atrio("run", "shout", "--value", '"a"')
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: atrio.toml:10: agents.shouter.configuration.mrak: ")
        assert "did you mean 'mark'?" in ended.err

    def test_a_module_that_raises(self, atrio, file, tmp_path):
        (tmp_path / "shouting.py").write_text("raise LookupError('no voice')")
        ended = atrio("run", "shout", "--value", '"a"')
        assert (ended.code, ended.out) == (2, "")
        assert "no voice" in ended.err
        assert "Traceback" not in ended.err

    def test_hostile_names_are_shown_as_text(self, atrio, tmp_path):
        configure(tmp_path, '[pipelines."a\\u202eb[red]"]\nstages = ["no\\u202ebody"]\n')
        ended = atrio("run", "text-report", "--value", "1")
        assert ended.code == 2
        assert "\u202e" not in ended.err


class TestDefaults:
    def test_of_the_format(self, atrio, tmp_path):
        configure(tmp_path, FILE + '[cli]\noutput_format = "json"\n')
        assert json.loads(atrio("pipelines", "list").out)[0]["name"] == "shout"
        assert json.loads(atrio("agents", "list").out)[0]["name"] == "text_cleaner"

    def test_the_command_line_wins(self, atrio, tmp_path):
        configure(tmp_path, FILE + '[cli]\noutput_format = "json"\nlog_level = "ERROR"\n')
        ended = atrio("run", "shout", "--value", '"a"', "--format", "table", "--log-level", "info")
        assert ended.out.startswith("shout: success in")
        assert '"pipeline.end"' in ended.err

    def test_of_the_format_of_what_logs_have(self, atrio, tmp_path):
        configure(tmp_path, FILE + '[cli]\noutput_format = "json"\n')
        assert atrio("run", "shout", "--value", '"a"', "--log-file", "run.log").code == 0
        assert json.loads(atrio("events", "check", "run.log").out)["ok"] is True
        assert json.loads(atrio("events", "summary", "run.log").out)["pipelines"]["shout"]["count"] == 1
        assert atrio("events", "summary", "run.log", "--format", "table").out.startswith("all")
        assert atrio("events", "check", "run.log", "--config", "none.toml").code == 2

    def test_of_the_level(self, atrio, tmp_path):
        configure(tmp_path, FILE + '[cli]\nlog_level = "DEBUG"\n')
        assert '"level":"debug"' in atrio("run", "shout", "--value", '"a"').err
        configure(tmp_path, FILE + '[cli]\nlog_level = "WARNING"\n')
        assert atrio("run", "shout", "--value", '"a"').err == ""

    def test_a_level_of_the_file_lets_a_batch_tell_of_itself_alone(self, atrio, tmp_path):
        configure(tmp_path, FILE + '[cli]\nlog_level = "INFO"\n')
        (tmp_path / "a.txt").write_text("a")
        told = [json.loads(line)["event"] for line in atrio("batch", "shout", "a.txt").err.splitlines()]
        assert told == ["batch.start", "batch.progress", "batch.end"]
        configure(tmp_path, FILE + '[cli]\nlog_level = "WARNING"\n')
        assert atrio("batch", "shout", "a.txt").err == ""

    def test_a_level_of_the_file_is_no_wish_to_log_a_comparison(self, atrio, tmp_path):
        configure(tmp_path, FILE + '[cli]\nlog_level = "DEBUG"\n')
        (tmp_path / "a.txt").write_text("a")
        assert atrio("bench", "shout", "--input", "a.txt", "--rounds", "1").err == ""


class TestSecrets:
    VALUE = "gone.example:8080"

    @pytest.mark.parametrize(
        "table",
        [
            '[providers.p]\nbase_url = "http://127.0.0.1/v1"\napi_key_env = "SHOUTING_ADDRESS"\n',
            '[agents.a]\nextends = "text_cleaner"\nneeds = ["SHOUTING_ADDRESS"]\n',
            '[agents.task_processor.configuration]\nbase_url = "http://a"\napi_key_env = "SHOUTING_ADDRESS"\n',
            '[agents.webhook.configuration]\nurl = "http://a"\nheaders_env = { A = "Bearer SHOUTING_ADDRESS" }\n',
        ],
    )
    def test_what_the_file_calls_a_key_is_never_shown(self, atrio, tmp_path, monkeypatch, table):
        monkeypatch.setenv("SHOUTING_ADDRESS", self.VALUE)
        configure(tmp_path, FILE.replace('fallback = ["text_cleaner"]\n\n[agents.keyed]', "\n[agents.keyed]") + table)
        ended = atrio("run", "shout", "--value", '"a"', "--log-level", "debug", "--log-file", "run.log")
        assert ended.code == 1
        assert "nobody is at ***" in ended.err.splitlines()[-1]
        assert self.VALUE not in ended.err + (tmp_path / "run.log").read_text()

    def test_nor_remembered_for_other_files(self, atrio, tmp_path, monkeypatch):
        monkeypatch.setenv("SHOUTING_ADDRESS", self.VALUE)
        configure(tmp_path, '[agents.a]\nextends = "text_cleaner"\nneeds = ["SHOUTING_ADDRESS"]\n')
        assert "***" in atrio("run", self.VALUE, "--value", "1").err
        configure(tmp_path, "")
        assert self.VALUE in atrio("run", self.VALUE, "--value", "1").err


def test_what_an_agent_imports_while_it_works_is_found_beside_the_file(atrio, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "late_words.py").write_text("WORD = 'late'\n")
    (tmp_path / "deep" / "late_agents.py").write_text(
        "class Late:\n"
        "    async def process(self, data):\n"
        "        from late_words import WORD\n"
        "        return data + WORD\n"
    )
    (tmp_path / "deep" / "atrio.toml").write_text(
        "[agents.late]\nmodule_path = 'late_agents'\nagent_class = 'Late'\ncapabilities = ['task_processing']\n"
        "input_schema = 'text'\noutput_schema = 'text'\n[pipelines.p]\nstages = ['late']\n"
    )
    ended = atrio("run", "p", "--value", '"too "', "--config", "deep/atrio.toml", *QUIET)
    assert (ended.code, ended.out, ended.err) == (0, "too late\n", "")


@pytest.mark.parametrize(
    "words", [("batch", "shout", "a.jsonl", "--max-concurrent"), ("suggest", "validation", "reporting", "--limit")]
)
def test_a_number_of_thousands_of_digits(atrio, file, tmp_path, words):
    (tmp_path / "a.jsonl").write_text('"a"\n')
    ended = atrio(*words, "9" * 5_000)
    assert ended.code == 2
    assert f"{words[-1]} must be 999,999,999,999,999,999 at most: " in ended.err
    assert len(ended.err) < 200
