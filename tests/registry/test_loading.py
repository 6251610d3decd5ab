"""Imports are a border: what definitions may name, and what is refused without running or importing anything."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hostile_cases import CASES
from hostile_modules import MODULES

from atrio import AgentDefinition, AgentRegistry, RegistryError
from atrio.registry.loading import AllowedModules
from atrio.testing import run_in_virtual_time

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return what came of each case, by name: they all run in one process, which watches itself."""
    folder = tmp_path_factory.mktemp("modules")
    for path, source in MODULES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(source, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    program = [sys.executable, "-X", "utf8", str(HERE / "try_hostile.py")]
    ran = subprocess.run(
        program,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return {outcome["name"]: outcome for outcome in map(json.loads, ran.stdout.splitlines())}


def test_the_corpus_is_large():
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_definition_is_refused_and_runs_nothing(name, outcomes):
    outcome = outcomes[name]
    assert "refused" in outcome, outcome
    assert outcome["ran"] == outcome["seen"] == []
    assert [each for each in outcome["imported"] if each != "allowed" and not each.startswith("allowed.")] == []


def test_an_audit_hook_sees_what_would_have_run(outcomes):
    """Else nothing seen would mean nothing."""
    assert outcomes["control: os.system"]["seen"]
    assert outcomes["control: import"]["imported"] == ["forbidden"]
    assert outcomes["control: import"]["ran"] == ["module forbidden was imported"]


PACKAGE = """
from other_agents import Elsewhere, Renamed


class Shop:
    class Classifier:
        async def process(self, data):
            return data

    class Child(Elsewhere):
        pass


class Callable:
    async def __call__(self, data):
        return data


class Slot:
    __slots__ = ("process",)

    def __init__(self):
        self.process = Callable()


class Property:
    @property
    def process(self):
        return Callable()


class Static:
    @staticmethod
    async def process(data):
        return data


class Inherits(Elsewhere):
    pass


def made():
    class Local(Elsewhere):
        async def process(self, data):
            return data

    return Local


Local = made()
"""

OTHER = """
class Elsewhere:
    async def process(self, data):
        return data


class Renamed(Elsewhere):
    __module__ = "own_agents"
"""


@pytest.fixture(scope="module")
def own_agents(tmp_path_factory):
    """Put modules of a host's own where Python finds them, and take them away again."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_agents.py").write_text(PACKAGE, encoding="utf-8")
    (folder / "other_agents.py").write_text(OTHER, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield "own_agents"
    sys.path.remove(str(folder))
    for name in ("own_agents", "other_agents"):
        sys.modules.pop(name, None)


def registry_with(agent_class, module_path, allowed, **others):
    registry = AgentRegistry(allowed_modules=allowed)
    registry.register("a", AgentDefinition(agent_class, module_path, ["work"], "any", "any", **others))
    return registry


@pytest.mark.parametrize(
    "name", ["Shop.Classifier", "Shop.Child", "Callable", "Slot", "Property", "Static", "Inherits", "Local"]
)
def test_what_may_be_made(own_agents, name):
    made = registry_with(name, own_agents, [own_agents]).instantiate("a")
    assert run_in_virtual_time(made.process, "x") == "x"


def test_a_class_of_another_module_needs_that_one_to_be_allowed_too(own_agents):
    with pytest.raises(RegistryError, match="is defined elsewhere, and module 'other_agents' is not among"):
        registry_with("Elsewhere", own_agents, [own_agents]).instantiate("a")
    assert registry_with("Elsewhere", own_agents, [own_agents, "other_agents"]).instantiate("a")


def test_a_class_that_took_its_importers_name_is_known_by_its_methods(own_agents, monkeypatch):
    renamed = __import__(own_agents).Renamed
    assert registry_with("Renamed", own_agents, [own_agents]).instantiate("a")  # it has no methods of its own
    monkeypatch.setattr(renamed, "process", vars(renamed.__base__)["process"])
    with pytest.raises(RegistryError, match="are written elsewhere, and module 'other_agents' is not among"):
        registry_with("Renamed", own_agents, [own_agents]).instantiate("a")


def test_registering_imports_nothing():
    for name in [name for name in sys.modules if name.startswith("never_imported")]:
        del sys.modules[name]
    registry = registry_with("Agent", "never_imported", ["never_imported"])
    registry.rank("work")
    registry.plan(["work"])
    assert "never_imported" not in sys.modules
    with pytest.raises(RegistryError, match="ModuleNotFoundError") as caught:
        registry.instantiate("a")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert caught.value.agent_id == "a"


@pytest.mark.parametrize("allowed", ["atrio.agents", 3, [3], None])
def test_allowed_modules_are_several_names(allowed):
    with pytest.raises(TypeError, match="allowed_modules must be"):
        AgentRegistry(allowed_modules=allowed)


@pytest.mark.parametrize("name", ["", ".shop", "shop.", "shop.*", "shop\n", "shop agents", "__builtins__"])
def test_allowed_modules_are_absolute_names(name):
    with pytest.raises(ValueError, match="allowed_modules must be the absolute name of a module"):
        AgentRegistry(allowed_modules=[name])


def test_the_running_program_can_be_allowed():
    program = """
from atrio import AgentDefinition, AgentRegistry

class Own:
    async def process(self, data):
        return data

registry = AgentRegistry(allowed_modules=["__main__"])
registry.register("own", AgentDefinition("Own", "__main__", ["work"], "any", "any"))
print(registry.instantiate("own").agent_id)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "own\n"


def test_a_name_covers_its_submodules():
    allowed = AllowedModules(["shop.agents"])
    assert allowed.covers("shop.agents")
    assert allowed.covers("shop.agents.chat.fast")
    assert not allowed.covers("shop")
    assert not allowed.covers("shop.agentsmore")
    assert allowed.covers("atrio.agents.text")
    assert set(allowed.names) >= {"atrio.agents", "shop.agents"}


def test_what_packages_announce_is_read_once_and_nonsense_is_left_out(monkeypatch):
    asked = []

    def announced(*, group):
        asked.append(group)
        return [SimpleNamespace(value=value) for value in ("shop.chat:Chat", "bakery", "not a name:at all", ".up", "")]

    monkeypatch.setattr("importlib.metadata.entry_points", announced)
    allowed = AllowedModules(["own"])
    assert allowed.covers("own.part")
    assert asked == []
    assert allowed.covers("shop.chat.fast")
    assert allowed.covers("bakery")
    assert not allowed.covers("shop")
    assert not allowed.covers("up")
    assert asked == ["atrio.agents"]
