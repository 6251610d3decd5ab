"""``atrio suggest`` and ``atrio assemble``: what chains there are, why one is chosen, and what becomes of it."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from configured import FILE, configure, rows

from atrio.config import Workspace, load
from atrio.registry import BUILT_IN_AGENTS, Capability

QUIET = ("--log-level", "error")
OPTIONS = {
    "json_transformer": {"expression": "@"},
    "json_validator": {"schema": {}},
    "webhook": {"url": "http://127.0.0.1:9/"},
    "command_runner": {"command": ["cat"]},
}
"""What ready-made agents cannot be made without."""
NO_PROVIDER = BUILT_IN_AGENTS["data_transformer"].unavailable


# Who analyses takes text, which only text_cleaner gives, and it takes text itself.
NOT_SUGGESTED = {
    (start, Capability.CONTENT_ANALYSIS)
    for start in set(Capability) - {Capability.CONTENT_ANALYSIS, Capability.DATA_TRANSFORMATION}
}


def set_options(*agents: str, url: str) -> list[str]:
    options = {**OPTIONS, "webhook": {"url": url}}
    given = [
        (agent, option, value) for agent in dict.fromkeys(agents) for option, value in options.get(agent, {}).items()
    ]
    return [word for agent, option, value in given for word in ("--set", f"{agent}.{option}={json.dumps(value)}")]


@pytest.fixture
def file(tmp_path):
    return configure(tmp_path)


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint(monkeypatch):
    """The address of a server on this computer."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class TestSuggest:
    def test_as_a_table(self, atrio, file):
        ended = atrio("suggest", "data_transformation", "content_analysis", "--limit", "3")
        assert (ended.code, ended.err) == (0, "")
        assert rows(ended.out) == [
            ["1", "keyed -> text_analyzer", "keyed: it needs SHOUTING_KEY, which is not set"],
            ["2", "text_cleaner -> text_analyzer", "ready"],
            ["3", "shouter -> text_analyzer", "ready"],
        ]

    def test_as_json(self, atrio, file):
        found = json.loads(
            atrio("suggest", "data_transformation", "content_analysis", "--limit", "2", "--format", "json").out
        )
        assert found == [
            {
                "agents": ["keyed", "text_analyzer"],
                "available": False,
                "refusals": {"keyed": "it needs SHOUTING_KEY, which is not set"},
                "missing_options": {},
            },
            {
                "agents": ["text_cleaner", "text_analyzer"],
                "available": True,
                "refusals": {},
                "missing_options": {},
            },
        ]

    def test_what_lacks_options(self, atrio):
        words = ("suggest", "validation", "communication", "--limit", "1")
        (row,) = rows(atrio(*words).out)
        assert row[2] == "json_validator needs schema; webhook needs url"
        (found,) = json.loads(atrio(*words, "--format", "json").out)
        assert found["missing_options"] == {"json_validator": ["schema"], "webhook": ["url"]}

    @pytest.mark.parametrize("start", list(Capability))
    def test_every_capability_leads_to_reporting(self, atrio, start):
        found = json.loads(atrio("suggest", start, "reporting", "--format", "json").out)
        assert found
        assert found[0]["agents"][-1] == "report_writer"

    def test_where_there_is_none(self, atrio):
        ended = atrio("suggest", "reporting", "content_analysis")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: no chain of agents does reporting -> content_analysis: it breaks between ")

    def test_a_capability_that_is_none(self, atrio):
        ended = atrio("suggest", "reprting", "content_analysis")
        assert (ended.code, ended.out) == (2, "")
        assert "(did you mean 'reporting'?)" in ended.err

    @pytest.mark.parametrize("limit", ["0", "2.5", "all"])
    def test_a_limit_that_is_none(self, atrio, limit):
        ended = atrio("suggest", "validation", "reporting", "--limit", limit)
        assert (ended.code, ended.err) == (
            2,
            f"atrio: --limit must be a whole number, 1 at least: not {limit!r}.\n",
        )


class TestExplained:
    def test_as_tables(self, atrio, file):
        ended = atrio("assemble", "data_transformation", "content_analysis")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("text_cleaner+text_analyzer")
        assert rows(ended.out) == [
            ["0", "data_transformation", "text_cleaner", "text", "text"],
            ["1", "content_analysis", "text_analyzer", "text", "text_analysis"],
            ["0", "text_cleaner", "1 = 1 x 1 x 1", "chosen"],
            ["0", "json_transformer", "0.9 = 0.9 x 1 x 1", "text_analyzer takes text, and json_transformer gives json"],
            ["0", "shouter", "0.5 = 0.5 x 1 x 1", "it is said to be less good at it"],
            ["0", "data_transformer", "0 = 1 x 1 x 0", NO_PROVIDER],
            ["0", "keyed", "0 = 1 x 1 x 0", "it needs SHOUTING_KEY, which is not set"],
            ["1", "text_analyzer", "1 = 1 x 1 x 1", "chosen: nobody else can do it"],
            ["1", "content_analyzer", "0 = 1 x 1 x 0", NO_PROVIDER],
        ]
        assert "A score is capability x performance x availability" in ended.out

    def test_of_equally_good_ones_the_first_by_name(self, atrio, tmp_path):
        configure(tmp_path, '[agents.another]\nextends = "text_analyzer"\n')
        found = rows(atrio("assemble", "content_analysis").out)
        assert found[1:] == [
            ["0", "another", "1 = 1 x 1 x 1", "chosen"],
            ["0", "text_analyzer", "1 = 1 x 1 x 1", "it is as good, and its name comes later"],
            ["0", "content_analyzer", "0 = 1 x 1 x 0", NO_PROVIDER],
        ]

    def test_as_json(self, atrio, file):
        found = json.loads(atrio("assemble", "data_transformation", "reporting", "--format", "json").out)
        assert found["pipeline_id"] == "text_cleaner+report_writer"
        first = found["stages"][0]
        assert (first["stage_id"], first["agent"], first["input_schema"]) == (
            "stage_0_text_cleaner",
            "text_cleaner",
            "text",
        )
        best, *others = first["candidates"]
        assert (best["agent_id"], best["score"], best["why"]) == ("text_cleaner", 1.0, "chosen")
        assert best["reasons"][0] == "as its definition says"
        assert {each["agent_id"] for each in others} == {
            "json_transformer",
            "shouter",
            "keyed",
            "data_transformer",
        }

    @pytest.mark.parametrize(
        "capabilities",
        [["data_transformation", "content_analysis", "reporting"], ["validation", "reporting"], ["communication"]],
    )
    def test_it_is_what_the_registry_assembles(self, atrio, tmp_path, capabilities):
        tables = (
            f"[agents.{agent}.configuration]\n{option} = {json.dumps(value)}\n"
            for agent, options in OPTIONS.items()
            for option, value in options.items()
        )
        path = configure(tmp_path, FILE + "".join(tables))
        told = json.loads(atrio("assemble", *capabilities, "--format", "json").out)
        made = Workspace(load(path)).assemble(capabilities)
        assert told["pipeline_id"] == made.pipeline_id
        assert [stage["stage_id"] for stage in told["stages"]] == [stage.stage_id for stage in made.stages]

    def test_what_is_missing_before_it_can_run(self, atrio):
        ended = atrio("assemble", "validation", "reporting")
        assert (ended.code, ended.err) == (0, "atrio: before it can run: give --set json_validator.schema=VALUE.\n")
        assert atrio("assemble", "validation", "reporting", "--set", "json_validator.schema={}").err == ""
        ended = atrio("assemble", "validation", "--set", "json_validator.shcema={}")
        assert "before it can run: give --set json_validator.schema=VALUE.\n" in ended.err
        assert "did you mean 'schema'?" in ended.err

    def test_what_a_class_of_the_user_lacks(self, atrio, tmp_path):
        configure(tmp_path, FILE.replace('{ mark = "!" }', "{}").replace("= 0.5", "= 1"))
        ended = atrio("assemble", "data_transformation", "--set", "shouter.mrak=1")
        assert ended.err == "atrio: before it can run: Shouter has no option 'mrak'; did you mean 'mark'?\n"
        assert "before it can run: Shouter needs 'mark'" in atrio("assemble", "data_transformation").err

    def test_what_is_missing_whatever_pipelines_are_called(self, atrio, tmp_path):
        configure(tmp_path, '[pipelines.assembled]\nstages = ["text_cleaner"]\n')
        assert (
            "did you mean 'keywords'?" in atrio("assemble", "content_analysis", "--set", "text_analyzer.keyword=1").err
        )

    def test_without_any_capability(self, atrio):
        ended = atrio("assemble")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("atrio: there is no capability: name one, or several. Agents have: ")

    def test_where_there_is_no_chain(self, atrio):
        ended = atrio("assemble", "reporting", "content_analysis")
        assert (ended.code, ended.out) == (2, "")
        assert "it breaks between 'reporting' and 'content_analysis'" in ended.err


class TestRun:
    def test_on_a_file(self, atrio, tmp_path):
        (tmp_path / "a.txt").write_text("Tides rise, and tides fall.")
        ended = atrio(
            *("assemble", "content_analysis", "reporting", "--run", "a.txt", *QUIET),
            *("--set", "report_writer.title=Of the sea", "--set", "text_analyzer.keywords=1"),
        )
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("# Of the sea\n")
        assert "| tides | 2 |" in ended.out.lower()

    def test_on_a_value_with_the_whole_result(self, atrio):
        ended = atrio("assemble", "data_transformation", "--value", '"a  b"', "--format", "json", *QUIET)
        assert ended.code == 0
        assert json.loads(ended.out)["output"] == "a b"
        assert json.loads(ended.out)["pipeline_id"] == "text_cleaner"

    def test_on_standard_input(self, atrio_process):
        ended = atrio_process("assemble", "data_transformation", "--run", "-", *QUIET, stdin=b"a  b")
        assert (ended.code, ended.out) == (0, "a b\n")

    def test_of_agents_of_the_file(self, atrio, tmp_path):
        configure(
            tmp_path, FILE.replace('"data_transformation"', '"shouting"').replace("data_transformation =", "shouting =")
        )
        ended = atrio("assemble", "shouting", "--value", '"a"', "--set", "shouter.mark=?!", *QUIET)
        assert (ended.code, ended.out) == (0, "A?!\n")

    def test_that_fails(self, atrio):
        ended = atrio("assemble", "content_analysis", "--value", "7", *QUIET)
        assert ended.code == 1
        assert "text_analyzer failed in stage_0_text_analyzer" in ended.err

    def test_of_an_agent_without_what_it_needs(self, atrio):
        ended = atrio("assemble", "validation", "--value", "7")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "atrio: json_validator cannot run: give --set json_validator.schema=VALUE.\n"
        ended = atrio(
            "assemble",
            "validation",
            "--value",
            "7",
            "--set",
            "json_validator.schema={}",
            "--set",
            "json_validator.format=1",
        )
        assert (ended.code, ended.out) == (2, "")
        assert "did you mean 'formats'?" in ended.err
        assert ended.err.endswith(" Options are given as in --set json_validator.option=value.\n")

    @pytest.mark.parametrize("end", list(Capability))
    @pytest.mark.parametrize("start", list(Capability))
    def test_every_pair_that_is_suggested(self, atrio, endpoint, start, end):
        ended = atrio("suggest", start, end, "--format", "json", "--limit", "2")
        assert ended.code == (2 if (start, end) in NOT_SUGGESTED else 0)
        for chain in json.loads(ended.out or "[]"):
            capabilities = [BUILT_IN_AGENTS[agent].capabilities[0] for agent in chain["agents"]]
            used = json.loads(atrio("assemble", *capabilities, "--format", "json").out)["stages"]
            options = set_options(*(each["agent"] for each in used), url=endpoint)
            ended = atrio("assemble", *capabilities, "--value", '"Tides rise."', *options, *QUIET)
            assert (capabilities, ended.code, ended.err) == (capabilities, 0, "")
            assert ended.out


class TestSave:
    def test_a_plan(self, atrio, file):
        ended = atrio("assemble", "data_transformation", "content_analysis", "reporting", "--save", "new")
        assert (ended.code, ended.out, ended.err) == (0, "", "atrio: pipeline 'new' is in atrio.toml now.\n")
        new = load(file).pipelines["new"]
        assert [(each.agent, each.stage_id, each.attempts) for each in new.stages] == [
            ("text_cleaner", "stage_0_text_cleaner", 2),
            ("text_analyzer", "stage_1_text_analyzer", 2),
            ("report_writer", "stage_2_report_writer", 2),
        ]
        assert atrio("run", "new", "--value", '"Tides rise."', *QUIET).code == 0

    def test_with_options(self, atrio, file):
        words = ("data_transformation", "content_analysis", "reporting")
        ended = atrio("assemble", *words, "--save", "new", "--set", "report_writer.title=Found")
        assert ended.code == 0
        saved = load(file)
        assert saved.pipelines["new"].stages[2].agent == "report_writer_new"
        assert saved.agents["report_writer_new"].extends == "report_writer"
        assert atrio("run", "new", "--value", '"Tides rise."', *QUIET).out.startswith("# Found\n")
        # Who asks for the same without options still gets it without.
        again = json.loads(atrio("assemble", *words, "--format", "json").out)
        assert again["pipeline_id"] == "text_cleaner+text_analyzer+report_writer"

    def test_with_options_of_an_agent_of_the_file(self, atrio, tmp_path):
        path = configure(
            tmp_path, FILE.replace("= 0.5", "= 1").replace('"shouter"', '"a"').replace("agents.shouter", "agents.a")
        )
        assert atrio("assemble", "data_transformation", "--save", "new", "--set", "a.mark=?").code == 0
        saved = load(path).agents["a_new"]
        assert (saved.configuration, saved.breaker.failure_threshold) == ({"mark": "?"}, 3)
        assert load(path).agents["a"].configuration == {"mark": "!"}

    def test_a_name_that_is_taken(self, atrio, file):
        before = file.read_bytes()
        ended = atrio("assemble", "content_analysis", "--save", "shout", "--set", "text_analyzer.keywords=3")
        assert ended.code == 2
        assert "pipelines.shout: is there already" in ended.err
        assert file.read_bytes() == before

    def test_printed_to_be_pasted(self, atrio, tmp_path):
        path = configure(tmp_path, FILE + "[cli]\nauto_save = false\n")
        before = path.read_text()
        ended = atrio("assemble", "content_analysis", "--save", "new", "--set", "text_analyzer.keywords=3")
        assert (ended.code, ended.err) == (0, "atrio: auto_save is false in atrio.toml: paste this into it.\n")
        path.write_text(before + ended.out)
        assert load(path).pipelines["new"].stages[0].agent == "text_analyzer_new"

    def test_without_a_file(self, atrio):
        ended = atrio("assemble", "content_analysis", "--save", "new")
        assert ended.code == 2
        assert "atrio init makes one" in ended.err

    def test_and_run(self, atrio, file):
        ended = atrio("assemble", "content_analysis", "--save", "new", "--value", "1")
        assert (ended.code, ended.err) == (
            2,
            "atrio: what is to be done is not clear: give --save, or --run and --value, and not both.\n",
        )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("title", "--set must be of the form name=value"),
        ("title=x", "'title' names no option"),
        ("text_analyzer.=x", "'text_analyzer.' names no option"),
        ("text_analyser.keywords=3", "an agent 'text_analyser', and there is none. Did you mean 'text_analyzer'?"),
        ("webhook.url=x", "gives options to 'webhook', which is not in the plan: text_analyzer"),
    ],
)
def test_options_that_cannot_be(atrio, word, said):
    ended = atrio("assemble", "content_analysis", "--set", word)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_an_agent_with_a_dot_in_its_name(atrio, tmp_path):
    configure(
        tmp_path,
        '[agents."a.b"]\nextends = "text_analyzer"\n[agents.a]\nextends = "text_analyzer"\nneeds = ["NO_KEY"]\n',
    )
    ended = atrio(
        "assemble",
        "content_analysis",
        "--set",
        "a.b.keywords=1",
        "--value",
        '"Tides rise."',
        "--format",
        "json",
        *QUIET,
    )
    assert ended.code == 0
    assert json.loads(ended.out)["pipeline_id"] == "a.b"
    assert len(json.loads(ended.out)["output"]["keywords"]) == 1


def test_options_that_are_nested_too_deeply(atrio):
    for depth in (65, 900, 100_000):
        ended = atrio("assemble", "reporting", "--set", f"report_writer.title={'[' * depth}{']' * depth}")
        assert (ended.code, ended.out) == (2, "")
        assert "nested more than 64 levels deep" in ended.err
