"""Imports are a border: what definitions may name, and what is refused without running or importing anything."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hostile_cases import CASES
from hostile_modules import MODULES

from atrio import AgentDefinition, AgentRegistry, RegistryError
from atrio.registry.loading import AllowedModules, _modules_of
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
        # Compiled modules are renamed when they are written, which is no import, but is audited as if it were one.
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
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


UNFINISHED = """
from abc import ABC, abstractmethod

class Unfinished(ABC):
    async def process(self, data):
        return data

    @abstractmethod
    def missing(self): ...
"""


def test_an_abstract_class_is_refused(tmp_path, monkeypatch):
    (tmp_path / "unfinished_agents.py").write_text(UNFINISHED)
    monkeypatch.syspath_prepend(tmp_path)
    registry = AgentRegistry(allowed_modules=["unfinished_agents"])
    registry.register("a", AgentDefinition("Unfinished", "unfinished_agents", ["work"], "any", "any"))
    with pytest.raises(RegistryError, match=r"unfinished_agents\.Unfinished is no agent class, it is abstract"):
        registry.instantiate("a")


def test_a_function_whose_closure_is_empty_yet_is_written_where_it_is():
    def function():
        return later

    assert _modules_of(function) == [__name__]
    later = None


PACKAGE = """
import dataclasses
import functools
from typing import Protocol
import attrs
from atrio import Agent
from other_agents import Attached, Elsewhere, Renamed, decorated, decorated_openly


class Shop:
    class Classifier:
        async def process(self, data):
            return data

    class Child(Elsewhere):
        def __init__(self):
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


class Shared(Agent[str, str]):
    async def process(self, data):
        return data


class Inheriting(Shared):
    mark = "!"


class Interface(Protocol):
    async def process(self, data): ...


class Protocolled(Interface):
    def __init__(self):
        pass

    async def process(self, data):
        return data


@attrs.define
class Attrs:
    mark: str = "!"

    async def process(self, data):
        return data


@dataclasses.dataclass
class Data(Elsewhere):
    mark: str = "!"

    async def process(self, data):
        return data


class Decorated:
    @decorated
    async def process(self, data):
        return data


class DecoratedOpenly:
    @decorated_openly
    async def process(self, data):
        return data


class Partial:
    async def _process(self, mark, data):
        return data

    process = functools.partialmethod(_process, "!")


def made():
    class Local(Elsewhere):
        async def process(self, data):
            return data

    return Local


Local = made()
"""

OTHER = """
import functools


class Elsewhere:
    async def process(self, data):
        return data


class Renamed(Elsewhere):
    __module__ = "own_agents"


class Attached(Elsewhere):
    __module__ = "own_agents"

    def __init__(self):
        pass

    async def process(self, data):
        return data


def decorated(function):
    async def wrapped(*arguments):
        return await function(*arguments)

    return wrapped


def decorated_openly(function):
    return functools.wraps(function)(decorated(function))
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
    "name",
    [
        *("Shop.Classifier", "Shop.Child", "Callable", "Slot", "Property", "Static", "Local", "Shared", "Inheriting"),
        *("Protocolled", "Attrs", "Data", "Decorated", "DecoratedOpenly", "Partial"),
    ],
)
def test_what_may_be_made(own_agents, name):
    made = registry_with(name, own_agents, [own_agents]).instantiate("a")
    assert run_in_virtual_time(made.process, "x") == "x"


def test_a_class_of_another_module_needs_that_one_to_be_allowed_too(own_agents):
    with pytest.raises(RegistryError, match="is defined elsewhere, and module 'other_agents' is not among"):
        registry_with("Elsewhere", own_agents, [own_agents]).instantiate("a")
    assert registry_with("Elsewhere", own_agents, [own_agents, "other_agents"]).instantiate("a")


@pytest.mark.parametrize("name", ["Inherits", "Renamed"])
def test_a_class_without_code_of_its_own_may_come_from_anywhere(own_agents, name):
    with pytest.raises(RegistryError, match=r"has no `process`, .* that is written in a module which definitions may"):
        registry_with(name, own_agents, [own_agents]).instantiate("a")
    assert registry_with(name, own_agents, [own_agents, "other_agents"]).instantiate("a")


@pytest.mark.parametrize("attached", [(), ("__init__",), ("process",), ("helper",)])
def test_a_class_that_took_its_importers_name_is_known_by_its_methods(own_agents, attached, monkeypatch):
    own = __import__(own_agents)
    for name in attached:
        monkeypatch.setattr(own.Attached, name, own.Slot.__init__, raising=False)
    with pytest.raises(RegistryError, match="is written elsewhere, and module 'other_agents' is not among"):
        registry_with("Attached", own_agents, [own_agents]).instantiate("a")


def test_what_says_that_it_is_a_module_is_none(own_agents, monkeypatch):
    class Pretender:
        __class__ = ModuleType
        Good = property(lambda self: subprocess.Popen)

    monkeypatch.setitem(sys.modules, "pretended", Pretender())
    with pytest.raises(RegistryError, match="'pretended' is no module, but of type Pretender"):
        registry_with("Good", "pretended", ["pretended"]).instantiate("a")


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


def installed(folder, name, announced, **files):
    """Write what a package that is installed says of itself."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(announced, encoding="utf-8")
    for file, content in files.items():
        (info / file.replace("_txt", ".txt").replace("_json", ".json")).write_text(content, encoding="utf-8")
    for line in files.get("RECORD", "").splitlines():  # files that are not there do not count
        path = folder / line.partition(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_what_packages_announce_is_read_once_and_nonsense_is_left_out(monkeypatch, tmp_path):
    entries = "[atrio.agents]\na = shop.chat:Chat\nb = bakery\nc = not a name:at all\nd = .up\ne =\n"
    installed(tmp_path, "shop", entries, RECORD="shop/chat/__init__.py,,\nbakery.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    asked = []
    distributions = importlib.metadata.distributions
    monkeypatch.setattr("importlib.metadata.distributions", lambda: asked.append(1) or distributions())
    allowed = AllowedModules(["own"])
    assert allowed.covers("own.part")
    assert asked == []
    assert allowed.covers("shop.chat.fast")
    assert allowed.covers("bakery")
    assert not allowed.covers("shop")
    assert not allowed.covers("up")
    assert asked == [1]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"RECORD": "evil/__init__.py,,\nevil-1.dist-info/METADATA,,\n"},
        {"top_level_txt": "evil\n"},
        {"direct_url_json": '{"url": "file:///nowhere", "dir_info": {"editable": true}}'},
        {"direct_url_json": "nonsense"},
        {"direct_url_json": "[]"},
    ],
)
def test_a_package_announces_its_own_modules_alone(files, monkeypatch, tmp_path):
    installed(tmp_path, "evil", "[atrio.agents]\na = subprocess\nb = shop.agents\n", **files)
    monkeypatch.syspath_prepend(tmp_path)
    announced = AllowedModules().announced
    assert not {"subprocess", "shop.agents"} & announced


@pytest.mark.parametrize(
    "files",
    [
        {"RECORD": "shop/agents.py,,\n"},
        {"RECORD": "shop.cpython-311-x86_64-linux-gnu.so,,\n"},
        {"top_level_txt": "bakery\nshop\n"},
        {"direct_url_json": "editable"},
    ],
)
def test_how_it_is_known_what_belongs_to_a_package(files, monkeypatch, tmp_path):
    project = tmp_path / "a project"
    (project / "src" / "shop").mkdir(parents=True)
    (project / "src" / "shop" / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
    if "direct_url_json" in files:
        files = {"direct_url_json": json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})}
    installed(tmp_path / "site", "shop", "[atrio.agents]\na = shop.agents\n", **files)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.syspath_prepend(project / "src")
    assert "shop.agents" in AllowedModules().announced


def test_what_one_package_says_wrongly_does_not_hide_the_others(monkeypatch, tmp_path):
    installed(tmp_path, "broken", "[atrio.agents]\nthere is no equals sign\n")
    installed(tmp_path, "shop", "[atrio.agents]\na = shop.agents\n", RECORD="shop/agents.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "shop.agents" in AllowedModules().announced
