"""A package that announces agents, built and installed as users install one, and found by registries from then on."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).with_name("shouting_package")

PROGRAM = """
import sys
import trio
from atrio import AgentDefinition, AgentRegistry, RegistryError

definition = AgentDefinition(
    agent_class="Shouter",
    module_path={module!r},
    capabilities=["shouting"],
    input_schema="text",
    output_schema="text",
    configuration={{"mark": "!!"}},
)
registry = AgentRegistry()
registry.register("shouter", definition)
print("rank:", *(candidate.agent_id for candidate in registry.rank("shouting")))
try:
    pipeline = registry.assemble(["shouting"])
except RegistryError as error:
    print(error)
else:
    print(trio.run(pipeline.process, "hello"))
print("there:", *sorted(name for name in sys.modules if "shouting" in name or "silent" in name))
"""


def pip_install():
    """Return the command that installs without a network, by what is there."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--quiet", "--offline", "--python", sys.executable]
    pytest.skip("neither pip nor uv is installed")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder into which the package was installed, beside modules that nobody announced."""
    folder, source = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-build-isolation", "--no-index", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip_install(), *options, str(source)], check=True, capture_output=True, text=True)
    code = PACKAGE.joinpath("shouting_agents", "agents.py").read_text(encoding="utf-8")
    for name in ("silent_agents", "shouting_agents_of_another"):
        (folder / f"{name}.py").write_text(f"print('imported: {name}')\n{code}", encoding="utf-8")
    return folder


def printed_with(folder, module):
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.splitlines()


def test_an_announced_package_is_allowed(installed):
    assert printed_with(installed, "shouting_agents.agents") == [
        "rank: shouter",
        "imported: shouting_agents",  # by `assemble`, and not before
        "HELLO!!",
        "there: shouting_agents shouting_agents.agents",
    ]


@pytest.mark.parametrize("module", ["silent_agents", "shouting_agents_of_another"])
def test_a_module_that_nobody_announced_is_not_even_imported(installed, module):
    first, refusal, *_, last = printed_with(installed, module)
    assert (first, last) == ("rank: shouter", "there:")
    assert "shouter" in refusal
    assert module in refusal


def test_without_the_package_nothing_is_allowed(tmp_path):
    first, refusal, *_, last = printed_with(tmp_path, "shouting_agents.agents")
    assert (first, last) == ("rank: shouter", "there:")
    assert "shouting_agents.agents" in refusal
