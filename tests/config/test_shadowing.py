"""Modules beside the file that have the names of others."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from atrio.config import check_configuration, parse
from atrio.config.shadowing import REQUIRED, why_not_imported

READY_MADE = """
[pipelines.p]
stages = ["text_cleaner", "text_analyzer", "report_writer"]
[agents.json_transformer]
configuration = { expression = "title" }
[agents.json_validator]
configuration = { schema = { type = "string" } }
[agents.webhook]
configuration = { url = "http://127.0.0.1:9/" }
[agents.mine]
agent_class = "Mine"
module_path = "mine"
capabilities = ["work"]
input_schema = "text"
output_schema = "text"
"""
MINE = """
import csv
from secrets_of_mine import ONE

class Mine:
    async def process(self, data):
        return csv.writer, ONE
"""
USE = """
import pathlib
import trio
from atrio.config import Workspace, check_configuration, load

configuration = load(pathlib.Path({path!r}))
assert check_configuration(configuration) == [], check_configuration(configuration)
workspace = Workspace(configuration)

async def main():
    for name in "p", "json_transformer", "json_validator", "webhook", "mine":
        async with workspace.agent(name) as agent:
            if name != "webhook":
                await agent.process("some words")

trio.run(main)
"""


def wrong(directory, module):
    """Return what is wrong where an agent is in a module of this name."""
    text = READY_MADE.partition("[agents.mine]")[2].replace('"mine"', f'"{module}"')
    return [each.message for each in check_configuration(parse(f"[agents.mine]{text}", path=directory / "atrio.toml"))]


def test_what_atrio_needs_is_not_taken_from_beside_the_file(tmp_path):
    for name in "regex", "jmespath", "jsonschema_rs", "httpx2", "jinja2", "csv", "statistics", "httpcore2", "h11":
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'imported {__name__}')")
    (tmp_path / "stop_words").mkdir()
    (tmp_path / "stop_words" / "__init__.py").write_text("raise SystemExit(f'imported {__name__}')")
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "secrets_of_mine.py").write_text("ONE = 1")
    (tmp_path / "atrio.toml").write_text(READY_MADE)
    (tmp_path / "use.py").write_text(USE.format(path=str(tmp_path / "atrio.toml")))
    ran = subprocess.run([sys.executable, "-P", tmp_path / "use.py"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "module", "whose"),
    [
        ("regex.py", "regex", "that atrio itself needs"),
        ("trio/__init__.py", "trio.agents", "that atrio itself needs"),
        ("statistics.py", "statistics", "of Python's own"),
        ("math.py", "math", "of Python's own"),
        ("sys.py", "sys", "of Python's own"),
    ],
)
def test_an_agent_cannot_be_in_a_module_of_such_a_name(tmp_path, file, module, whose):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("class Mine:\n    async def process(self, data):\n        return data\n")
    assert wrong(tmp_path, module) == [f"{file} beside the file has the name of a module {whose}, so rename it"]


def test_what_is_imported_instead_is_named_where_it_does_not_serve(tmp_path):
    (tmp_path / "mine_of_a_test.py").write_text("from calendar import EASTER\n")
    (tmp_path / "calendar.py").write_text("EASTER = 4\n")
    (message,) = wrong(tmp_path, "mine_of_a_test")
    assert "cannot import name 'EASTER' from 'calendar'" in message
    assert message.endswith("; calendar.py beside the file has the name of a module of Python's own, so rename it")


def test_all_that_atrio_requires_is_known():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    said = [*project["dependencies"], *(each for name in ("cli", "testing", "prometheus") for each in extras[name])]
    assert {re.split(r"[^\w-]", each)[0] for each in said} == set(REQUIRED)


def test_other_installed_modules_do_give_way(tmp_path):
    # It is installed, and nothing that atrio needs needs it.
    (tmp_path / "pytest.py").write_text("")
    (tmp_path / "agents.py").write_text("")
    assert why_not_imported("pytest", tmp_path) is None
    assert why_not_imported("agents", tmp_path) is None
    assert why_not_imported("regex", tmp_path) is None


def test_nothing_is_left_behind(tmp_path):
    before = list(sys.meta_path), list(sys.path)
    (tmp_path / "regex.py").write_text(
        dedent("""
        class Mine:
            pass
    """)
    )
    wrong(tmp_path, "regex")
    assert (list(sys.meta_path), list(sys.path)) == before
