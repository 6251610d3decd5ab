"""What is added to a configuration is checked as ``atrio check`` does it, and else not added."""

import pytest
from configured import FILE, SHOUTING, configure

URL = ("--set", "url=http://127.0.0.1:8000/")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOUTING_KEY", "x")
    return configure(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["agents", "add", "a", "--extends", "webhook"], "agents.a.configuration: "),
        (["agents", "add", "a", "--extends", "webhook", "--set", "url=ftp://x"], "agents.a.configuration.url: "),
        (["agents", "add", "a", "--extends", "webhook", *URL, "--set", "tiemout=3"], "agents.a.configuration.tiemout"),
        (["agents", "add", "a", "--extends", "text_analyzer", "--set", "keyword=3"], "agents.a.configuration.keyword"),
        (
            [
                *("agents", "add", "a", "--module", "no_such_module", "--class", "A", "--capability", "c"),
                *("--input-schema", "text", "--output-schema", "text"),
            ],
            "agents.a.module_path: there is no module 'no_such_module' beside the file",
        ),
        (["pipelines", "add", "p", "--stage", "webhook"], "pipelines.p.stages[0].agent: "),
        (
            ["pipelines", "add", "p", "--stage", '{"agent": "text_cleaner", "retry_on": ["NoSuchError"]}'],
            "pipelines.p.stages[0].retry_on[0]: ",
        ),
        (["assemble", "content_analysis", "--save", "p", "--set", "text_analyzer.keyword=3"], "keyword"),
        (["assemble", "validation", "--save", "p"], "is not saved: give --set json_validator.schema=VALUE."),
    ],
)
@pytest.mark.parametrize("auto_save", [True, False])
def test_what_is_wrong_is_not_saved(atrio, file, arguments, place, auto_save):
    if not auto_save:
        file.write_text(FILE + "[cli]\nauto_save = false\n")
    before = file.read_bytes()
    ended = atrio(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert place in ended.err
    assert file.read_bytes() == before
    assert atrio("check").code == 0


def test_what_the_surroundings_lack_is_saved_and_said(atrio, file):
    ended = atrio(
        "agents", "add", "a", "--extends", "text_cleaner", "--needs", "NO_SUCH_KEY", "--memory-mb", "1000000000"
    )
    assert ended.code == 0
    assert "agent 'a' is in atrio.toml now" in ended.err
    assert "warning: agents.a.needs: 'a' needs NO_SUCH_KEY in the environment" in ended.err
    assert "warning: agents.a.resource_requirements: 'a' cannot run on this machine" in ended.err
    ended = atrio("pipelines", "add", "p", "--stage", "a")
    assert ended.code == 0
    assert "warning: agents.a.needs" in ended.err


def test_what_was_wrong_before_is_in_nobodys_way(atrio, file, tmp_path):
    (tmp_path / "shouting.py").write_text("raise RuntimeError('broken')")
    assert atrio("check").code == 2
    ended = atrio("agents", "add", "a", "--extends", "text_cleaner")
    assert (ended.code, ended.err) == (0, "atrio: agent 'a' is in atrio.toml now.\n")
    (tmp_path / "shouting.py").write_text(SHOUTING)
