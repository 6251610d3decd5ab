"""``atrio pipelines``: listed, shown, drawn, added and removed."""

import json
import re

import pytest
from configured import FILE, configure, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atrio.cli._mermaid import flowchart
from atrio.cli._pipeline_tables import PipelineShown, StageShown
from atrio.config import Configuration, load

CHOOSE = "length(#64;) #62; #96;5#96; #38;#38; #39;long#39; #124;#124; #39;short#39;"


@pytest.fixture
def file(tmp_path):
    return configure(tmp_path)


class TestList:
    def test_as_a_table(self, atrio, file):
        ended = atrio("pipelines", "list")
        assert (ended.code, ended.err) == (0, "")
        assert rows(ended.out) == [
            ["shout", "text_cleaner -> shouter", "Cleans and shouts", "atrio.toml"],
            ["all", "shout -> loud -> by_size -> both", "", "atrio.toml"],
            ["text-report", "text_cleaner -> text_analyzer -> report_writer", "", "ready-made"],
        ]

    def test_as_json(self, atrio, file):
        shout, *_, ready_made = json.loads(atrio("pipelines", "list", "--format", "json").out)
        assert shout["stages"][1] == {
            "stage_id": "louder",
            "name": "louder",
            "description": "",
            "agent": "shouter",
            "attempts": 2,
            "timeout_s": None,
            "error_policy": "retry",
            "backoff": {"initial": 1.0, "factor": 2.0, "maximum": 10.0, "jitter": 0.0},
            "retry_on": None,
        }
        assert (ready_made["name"], ready_made["origin"]) == ("text-report", "ready-made")


class TestShow:
    def test_as_a_table(self, atrio, file):
        ended = atrio("pipelines", "show", "all")
        assert (ended.code, ended.err) == (0, "")
        assert rows(ended.out) == [
            ["shout", "shout", "3", "5 s", "it is skipped"],
            ["loud", "loud", "3", "60 s", "the run fails"],
            ["by_size", "by_size", "1", "60 s", "the run fails"],
            ["both", "both", "3", "60 s", "the run fails"],
        ]
        assert atrio("pipelines", "show", "shout").out.startswith("shout: Cleans and shouts")

    def test_of_one_that_is_imported(self, atrio, tmp_path):
        (tmp_path / "own_pipelines.py").write_text(
            "from atrio import ErrorPolicy, Pipeline, Stage, StageConfig\n"
            "async def only(data): return data\n"
            "config = StageConfig(error_policy=ErrorPolicy.STOP, retry_on=(OSError, ValueError), timeout=None)\n"
            "own = Pipeline('own').add_stage(Stage('one', only, config=config))\n"
        )
        found = json.loads(atrio("pipelines", "show", "own_pipelines:own", "--format", "json").out)
        assert found["origin"] == "imported"
        (stage,) = found["stages"]
        assert (stage["stage_id"], stage["agent"], stage["attempts"], stage["timeout_s"]) == ("one", "only", 1, None)
        assert stage["retry_on"] == ["OSError", "ValueError"]

    @pytest.mark.parametrize("form", ["table", "json", "mermaid"])
    def test_of_none(self, atrio, file, form):
        ended = atrio("pipelines", "show", "shuot", "--format", form)
        assert (ended.code, ended.out) == (2, "")
        assert "Did you mean 'shout'?" in ended.err


class TestDrawn:
    def test_all_that_there_is(self, atrio, file):
        ended = atrio("pipelines", "show", "all", "--format", "mermaid")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.splitlines() == [
            "flowchart LR",
            '    stage0[["shout<br/>3 attempts<br/>5 s each"]]',
            '    subgraph stage1["loud<br/>3 attempts<br/>60 s each<br/>one of"]',
            '        member0["shouter"]',
            '        member0 -. "if it fails" .-> fallback1["text_cleaner"]',
            '        member2["text_cleaner"]',
            "    end",
            '    stage1 -. "if it fails" .-> fallback3["text_cleaner"]',
            f'    subgraph stage2["by_size<br/>60 s<br/>by {CHOOSE}"]',
            '        member4["long: shouter"]',
            '        member4 -. "if it fails" .-> fallback5["text_cleaner"]',
            '        member6["short: text_cleaner"]',
            "    end",
            '    subgraph stage3["both<br/>3 attempts<br/>60 s each<br/>all at once"]',
            '        member7["loud: shouter"]',
            '        member7 -. "if it fails" .-> fallback8["text_cleaner"]',
            '        member9["plain: text_cleaner"]',
            "    end",
            "    stage0 --> stage1",
            "    stage1 --> stage2",
            "    stage2 --> stage3",
            "    classDef skipped stroke-dasharray: 5 5",
            "    class stage0 skipped",
        ]

    def test_what_is_inside_of_what_a_stage_names(self, atrio, tmp_path):
        configure(
            tmp_path,
            FILE + "[fan_outs.wide]\nagents = { one = 'loud', two = 'shout' }\n[pipelines.deep]\n"
            "stages = [{ agent = 'wide', attempts = 1, timeout = 'none' }]\n",
        )
        assert atrio("pipelines", "show", "deep", "--format", "mermaid").out.splitlines() == [
            "flowchart LR",
            '    subgraph stage0["wide<br/>all at once"]',
            '        subgraph member0["one: loud<br/>one of"]',
            '            member1["shouter"]',
            '            member1 -. "if it fails" .-> fallback2["text_cleaner"]',
            '            member3["text_cleaner"]',
            "        end",
            '        member0 -. "if it fails" .-> fallback4["text_cleaner"]',
            '        member5[["two: shout"]]',
            "    end",
        ]

    def test_a_fallback_and_an_id_of_its_own(self, atrio, file):
        lines = atrio("pipelines", "show", "shout", "--format", "mermaid").out.splitlines()
        assert lines[2:4] == [
            '    stage1["louder: shouter<br/>2 attempts"]',
            '    stage1 -. "if it fails" .-> fallback0["text_cleaner"]',
        ]

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
    def test_whatever_names_are_they_are_only_labels(self, names):
        stages = [StageShown(name, name, "", name, 1, None, "stop", {}, None) for name in names]
        text = "".join(flowchart(PipelineShown("p", "here", "", stages), Configuration()))
        first, *lines = text.splitlines()
        assert first == "flowchart LR"
        assert text.isascii()
        assert len(lines) == 2 * len(names) - 1
        for line in lines[: len(names)]:
            assert re.fullmatch(r'    stage\d+\["(?![-+]|\d+[.)])(?:[A-Za-z0-9_ .,:;!?()+/=-]|#\d+;)*"\]', line)


class TestAdd:
    def test_stages_of_every_kind(self, atrio, file):
        ended = atrio(
            *("pipelines", "add", "new", "--stage", "loud", "--stage", '{"agent": "shouter", "attempts": 4}'),
            *("--stage", "shout", "--description", "All of it"),
        )
        assert (ended.code, ended.out, ended.err) == (0, "", "atrio: pipeline 'new' is in atrio.toml now.\n")
        new = load(file).pipelines["new"]
        assert [(stage.agent, stage.attempts) for stage in new.stages] == [("loud", 3), ("shouter", 4), ("shout", 3)]
        assert new.description == "All of it"
        assert "# it is loud" in file.read_text()

    def test_printed_to_be_pasted(self, atrio, tmp_path):
        path = configure(tmp_path, FILE + "[cli]\nauto_save = false\n")
        before = path.read_text()
        ended = atrio("pipelines", "add", "new", "--stage", "loud")
        assert ended.code == 0
        assert path.read_text() == before
        path.write_text(before + ended.out)
        assert load(path).pipelines["new"].stages[0].agent == "loud"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["new"], "there is no stage: give --stage, once for each."),
            (["shout", "--stage", "loud"], "pipelines.shout: is there already"),
            (["loud", "--stage", "shouter"], "loud"),
            (["new", "--stage", "shuoter"], "did you mean 'shouter'?"),
            (["new", "--stage", "new"], "new"),
            (["new", "--stage", '{"agnet": "loud"}'], "did you mean 'agent'?"),
            (["new", "--stage", '{"agent": "loud", "attempts": 0}'], "pipelines.new.stages[0].attempts"),
            (["new", "--stage", "loud", "--stage", "loud"], "loud"),
            (["new", "--stage", "text_analyzer", "--stage", "text_cleaner"], "text_analysis"),
        ],
    )
    def test_what_cannot_be(self, atrio, file, arguments, said):
        before = file.read_bytes()
        ended = atrio("pipelines", "add", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err
        assert "Traceback" not in ended.err
        assert file.read_bytes() == before

    def test_without_a_file(self, atrio):
        ended = atrio("pipelines", "add", "new", "--stage", "text_cleaner")
        assert ended.code == 2
        assert "atrio init makes one" in ended.err


class TestRemove:
    def test_one(self, atrio, file):
        ended = atrio("pipelines", "remove", "all")
        assert (ended.code, ended.err) == (0, "atrio: pipeline 'all' is no longer in atrio.toml.\n")
        assert list(load(file).pipelines) == ["shout"]

    def test_one_that_is_used(self, atrio, file):
        before = file.read_bytes()
        ended = atrio("pipelines", "remove", "shout")
        assert ended.code == 2
        assert "pipelines.all.stages[0].agent" in ended.err
        assert file.read_bytes() == before

    def test_one_that_is_not_there(self, atrio, file):
        assert atrio("pipelines", "remove", "text-report").code == 2
