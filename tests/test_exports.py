"""What is public, and that it is what it says: `__all__` of every public module."""

import ast
import inspect
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest

MODULES = [
    "atrio", "atrio.adapters", "atrio.agents", "atrio.config", "atrio.errors", "atrio.events", "atrio.history",
    "atrio.logs", "atrio.sinks", "atrio.sinks.prometheus", "atrio.testing",
]  # fmt: skip

# The modules that define names themselves; the others hand on those of their rooms.
DEFINING = ["atrio.errors", "atrio.sinks.prometheus"]

# Modules whose every name is also at the top: what one catches, and so wants at hand.
AT_THE_TOP = ["atrio.errors"]

# The contract's names, which import from `atrio` itself.
CONTRACT = {
    "Agent", "AgentDefinition", "AgentRegistry", "AtrioError", "AttemptFailure", "Backoff", "Candidate", "Capability",
    "CircuitOpenError", "ErrorEntry", "ErrorInfo", "ErrorPolicy", "Event", "InMemoryMetrics", "MetricsCollector",
    "Pipeline", "PipelineContext", "PipelineError", "PipelineResult", "PlanningError", "RegistryError",
    "ResourceRequirements", "RunStatus", "Stage", "StageConfig", "StageRecord", "StageTimeoutError", "current_context",
    "is_transient", "observe", "observe_only",
}  # fmt: skip


# What names of modules need beside atrio's own dependencies, each when it is first used.
EXTRAS = {
    "atrio.agents": ("httpx2", "jinja2", "jmespath", "jsonschema_rs", "regex", "stop_words"),
    "atrio.config": ("jmespath", "tomlkit"),
    "atrio.sinks.prometheus": ("prometheus_client",),
    "atrio.testing": ("h11",),
}
# The modules that need it already to be imported.
EAGER = ["atrio.sinks.prometheus"]


def needs_extra(module):
    return any(find_spec(name) is None for name in EXTRAS.get(module, ()))


@pytest.fixture(params=MODULES)
def module(request):
    if needs_extra(request.param):
        pytest.skip(f"names of {request.param} need an extra")
    return import_module(request.param)


@pytest.fixture(params=MODULES)
def imported(request):
    """A module, some of whose names may be absent."""
    if request.param in EAGER and needs_extra(request.param):
        pytest.skip(f"{request.param} needs an extra")
    return import_module(request.param)


@cache
def parsed(name):
    return ast.parse(Path(find_spec(name).origin).read_text(encoding="utf-8"))


def definition_of(module_name, name):
    """Return the docstring of `name` as written in the source, following imports; None where there is none."""
    body = parsed(module_name).body
    for node in [*body, *(inner for each in body if isinstance(each, ast.If) for inner in [*each.body, *each.orelse])]:
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            original = next(alias.name for alias in node.names if name == (alias.asname or alias.name))
            return definition_of(node.module, original)
    for node, following in zip(body, [*body[1:], None], strict=True):
        if name in bound_by(node):
            return ast.get_docstring(node) if hasattr(node, "name") else docstring_below(following)
        if isinstance(node, ast.If) and any(name in bound_by(inner) for inner in node.body):
            return next(ast.get_docstring(inner) for inner in node.body if name in bound_by(inner))
    return None


def bound_by(node):
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def docstring_below(node):
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return node.value.value if is_text else None


def test_all_is_sorted_and_has_nothing_twice(imported):
    # As ruff sorts it too: constants, classes, the rest.
    def kind(name):
        return 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2

    assert list(imported.__all__) == sorted(set(imported.__all__), key=lambda name: (kind(name), name))


def test_every_name_is_there(module):
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", DEFINING)
def test_every_public_name_that_a_module_defines_is_in_all(name):
    if needs_extra(name):
        pytest.skip(f"{name} needs an extra")
    module = import_module(name)
    defined = {each for node in parsed(name).body for each in bound_by(node) if not each.startswith("_")}
    variables = {each for each in defined if isinstance(getattr(module, each), TypeVar)}
    assert defined - variables == set(module.__all__)


@pytest.mark.parametrize("name", [name for name in MODULES if name not in DEFINING])
def test_every_public_name_that_a_package_hands_on_is_in_all(name):
    handed_on = {
        alias.asname or alias.name
        for node in parsed(name).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "atrio"
        for alias in node.names
        if not (alias.asname or alias.name).startswith("_")
    }
    assert handed_on <= set(import_module(name).__all__)


def test_every_name_has_a_docstring(imported):
    bare = [name for name in imported.__all__ if name != "__version__" if not definition_of(imported.__name__, name)]
    assert bare == []


def test_public_methods_have_docstrings(module):
    bare = [
        f"{name}.{attribute}"
        for name in module.__all__
        if inspect.isclass(kind := getattr(module, name)) and kind.__module__.startswith("atrio")
        for attribute, value in vars(kind).items()
        if not attribute.startswith("_")
        if inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
        if not inspect.getdoc(value)
    ]
    assert bare == []


def test_a_star_import_gives_all_and_nothing_else(module):
    space = {}
    exec(f"from {module.__name__} import *", space)  # noqa: S102 - what is tested is this statement
    assert set(space) - {"__builtins__"} == set(module.__all__)


def test_the_contract_imports_from_the_top():
    assert set(import_module("atrio").__all__) >= CONTRACT


@pytest.mark.parametrize("name", AT_THE_TOP)
def test_what_one_catches_imports_from_the_top(name):
    top, module = import_module("atrio"), import_module(name)
    assert [each for each in module.__all__ if getattr(top, each, None) is not getattr(module, each)] == []


def test_a_name_means_the_same_everywhere():
    """No two public modules have different things of one name."""
    meanings = {}
    for each in MODULES:
        if not needs_extra(each):
            module = import_module(each)
            for name in module.__all__:
                meanings.setdefault(name, []).append(getattr(module, name))
    assert [name for name, things in meanings.items() if any(thing is not things[0] for thing in things)] == []


def test_modules_are_reached_by_import_alone():
    """`import atrio.testing` and the rest work first thing in a process, in whatever order."""
    for name in MODULES:
        if name in EAGER and needs_extra(name):
            continue
        subprocess.run([sys.executable, "-c", f"import {name}"], check=True)


def test_types_are_announced():
    assert Path(import_module("atrio").__file__).with_name("py.typed").exists()


def test_what_comes_on_first_use_is_listed():
    history = import_module("atrio.history")
    assert set(history.__all__) <= set(dir(history))
