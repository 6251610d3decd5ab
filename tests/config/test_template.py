"""What `atrio init` writes: a configuration that runs as it is, and examples that are right."""

import errno
import fcntl
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from atrio.config import (
    AgentSettings,
    Workspace,
    add_agent,
    check_configuration,
    configuration_schema,
    create_configuration,
    files,
    load,
    remove_agent,
)
from atrio.config.template import SCHEMA_FILE, template
from atrio.errors import ConfigError
from atrio.registry import BUILT_IN_AGENTS

FIRST_LINE = "#:schema .atrio/atrio.schema.json\n"
CLASSIFIER = """
class Classifier:
    def __init__(self, model):
        self.model = model

    async def process(self, data):
        return self.model
"""


def with_examples():
    """Return the template with its examples as what they are examples of."""
    assert template().startswith(FIRST_LINE)
    return re.sub(r"^#(?! )", "", template().removeprefix(FIRST_LINE), flags=re.MULTILINE)


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "atrio.toml"
    sys.modules.pop("tickets", None)


def test_it_is_created_with_the_schema_for_editors(path):
    written = create_configuration(path)
    assert written == (path, path.parent / SCHEMA_FILE)
    assert path.read_text("utf-8") == template()
    assert json.loads(written[1].read_text("utf-8")) == configuration_schema()
    assert path.parent / path.read_text("utf-8").splitlines()[0].removeprefix("#:schema ") == written[1]
    assert sorted(each.name for each in path.parent.iterdir()) == [".atrio", "atrio.toml"]
    assert [each.name for each in written[1].parent.iterdir()] == [written[1].name]


def test_nothing_is_wrong_with_it(path):
    create_configuration(path)
    configuration = load(path)
    assert configuration.warnings == ()
    assert check_configuration(configuration) == []


async def test_its_pipeline_runs(path):
    create_configuration(path)
    written = await Workspace(load(path)).pipeline("digest").process("Some  text.\r\n\r\nMore of it.")
    assert written.startswith("# Digest\n")


def test_its_examples_are_right(path, monkeypatch):
    path.write_text(with_examples())
    configuration = load(path)
    assert configuration.warnings == ()
    for variable in ("DIGEST_TOKEN", "CLASSIFIER_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    found = [(each.path, each.severity) for each in check_configuration(configuration)]
    # One's own module is not there yet, nor are keys.
    assert found == [
        ("agents.notify.needs", "error"),
        ("agents.classifier.module_path", "error"),
        ("agents.classifier.needs", "warning"),
        ("providers.openai.api_key_env", "warning"),
        ("agents.summarize.needs", "warning"),
    ]


def test_with_the_module_and_the_keys_nothing_is_missing(path, monkeypatch):
    path.write_text(with_examples())
    Path(path.parent, "tickets.py").write_text(CLASSIFIER)
    for variable in ("DIGEST_TOKEN", "CLASSIFIER_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "a-key")
    assert check_configuration(load(path)) == []
    Workspace(load(path)).pipeline("announce")


def test_its_examples_show_everything_that_there_is():
    tree = tomllib.loads(with_examples())
    schema = configuration_schema()
    jsonschema.validate(tree, schema)
    assert set(tree) == set(schema["properties"]) - {"$schema"}
    for section in ("cli", "monitoring"):
        assert set(tree[section]) == set(vars_of(schema, section))
    names = re.search(r"Ready-made ones need no table: (.*?)\.", template().replace("\n# ", " "))[1]
    assert set(re.split(r", | and ", names)) == set(BUILT_IN_AGENTS)


def vars_of(schema, section):
    found = schema["properties"][section]
    return schema["$defs"][found["$ref"].rpartition("/")[2]]["properties"] if "$ref" in found else found["properties"]


def test_it_can_be_changed_like_any_other(path):
    create_configuration(path)
    add_agent(path, "new", AgentSettings(extends="text_cleaner"))
    assert check_configuration(load(path)) == []
    remove_agent(path, "new")
    assert path.read_text("utf-8") == template()


@pytest.mark.parametrize("there", ["file", "directory", "link"])
def test_what_is_there_is_left_as_it_is(path, there):
    {
        "file": lambda: path.write_text("mine"),
        "directory": path.mkdir,
        "link": lambda: path.symlink_to("nowhere"),
    }[there]()
    with pytest.raises(ConfigError, match="is there already, and is left as it is"):
        create_configuration(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert there != "file" or path.read_text() == "mine"


def test_what_appears_meanwhile_is_left_as_it_is(path, monkeypatch):
    monkeypatch.setattr("atrio.config.template.os.path.lexists", lambda _: path.write_text("mine") == 0)
    with pytest.raises(ConfigError, match="is there already, and is left as it is"):
        create_configuration(path)
    assert path.read_text() == "mine"


def test_an_older_schema_is_replaced(path):
    schema = path.parent / SCHEMA_FILE
    schema.parent.mkdir()
    schema.write_text("old")
    create_configuration(path)
    assert json.loads(schema.read_text("utf-8")) == configuration_schema()


def test_without_its_schema_there_is_none(path):
    (path.parent / ".atrio").write_text("in the way")
    with pytest.raises(ConfigError, match=r"atrio\.schema\.json: cannot be written: File exists"):
        create_configuration(path)
    with pytest.raises(ConfigError, match=r"atrio\.schema\.json: cannot be written: No such file or directory"):
        create_configuration(path.parent / "none" / "atrio.toml")
    assert not path.exists()


def test_a_disk_that_fails_is_told(path, monkeypatch):
    link = os.link

    def full(source, target, **options):
        if target == path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(ConfigError, match=r"atrio\.toml: cannot be written: No space left on device$"):
        create_configuration(path)
    assert [each.name for each in path.parent.iterdir()] == [".atrio"]


def test_a_directory_that_stays_locked_is_told(path, monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(files.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    holder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="cannot be written: another process has had its directory locked for 10 s"):
        create_configuration(path)
    os.close(holder)


def test_it_is_toml_and_no_json(path):
    with pytest.raises(ConfigError, match=r"would be JSON, .*: name a \.toml file"):
        create_configuration(path.with_suffix(".json"))
    assert list(path.parent.iterdir()) == []


def test_its_lines_are_not_too_long_for_a_terminal():
    assert max(map(len, template().splitlines())) <= 100
