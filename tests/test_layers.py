"""The order of the rooms: data flows down the list, and a room imports only from rooms above it.

Every import counts, wherever it stands: inside a function and under ``TYPE_CHECKING`` too.
"""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "atrio"

ROOMS = (
    "_version",
    "errors",
    "_text",
    "_notes",
    "_validation",
    "_stamps",
    "_nurseries",
    "_turn",
    "events",
    "_agent",
    "_source",
    "_usage",
    "_results",
    "_inside",
    "_json",
    "_tasks",
    "_context",
    "_engine",
    "_batch_results",
    "_parents",
    "_model_calls",
    "_fallbacks",
    "_sizes",
    "_attempts",
    "_lifetime",
    "_stage",
    "_run_events",
    "_run",
    "_pipeline",
    "_batch_events",
    "_batch_work",
    "_batch_run",
    "_outcomes",
    "_local_engine",
    "_batch",
    "combinators",
    "adapters",
    "sinks",
    "logs",
    "history",
    "agents",
    "registry",
    "config",
    "testing",
    "atrio",  # the face, which hands the names above on
    "cli",
    "__main__",
)

# Imports down the list, each inside a function, with the reason why it may be one.
EXCEPTIONS = {
    ("atrio._results", "atrio._json"): "to_dict() is the border where cattrs, slow to import, is first needed",
    ("atrio._tasks", "atrio._json"): "the same",
    ("atrio._batch_results", "atrio._json"): "the same",
}

# What the core stands on. It must be there wherever atrio is installed, so nothing may be added lightly.
CORE_ENDS_WITH = "_batch"
FOUNDATIONS = {"attrs", "cattrs", "structlog", "trio"}
LAZY = {"cattrs", "structlog"}  # importing either costs about as much as importing all of atrio


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules():
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module):
    return module.split(".")[1] if "." in module else module


def imported_modules(node, importer):
    """Return the modules that an import statement imports, as absolute names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = importer if modules()[importer].name == "__init__.py" else importer.rpartition(".")[0]
        base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *filter(None, [base])])
    # `from atrio import events` imports the module atrio.events, `from atrio import Stage` the face.
    found = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules() else base for alias in node.names]
    return list(dict.fromkeys(found))


def scopes(tree):
    """Yield each node with whether it stands inside a function, that is, runs later than the import of its module."""
    waiting = [(tree, False)]
    while waiting:
        node, is_later = waiting.pop()
        yield node, is_later
        later = is_later or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting += [(child, later) for child in ast.iter_child_nodes(node)]


@cache
def imports():
    """Return every import in atrio as (importer, imported, line, whether inside a function)."""
    return [
        (importer, imported, node.lineno, is_later)
        for importer, path in modules().items()
        for node, is_later in scopes(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in imported_modules(node, importer)
    ]


def own_imports():
    return [each for each in imports() if each[1] in modules() and each[0] != each[1]]


def core_modules():
    return {f"atrio.{room}" for room in ROOMS[: ROOMS.index(CORE_ENDS_WITH) + 1]}


def top_level_name(module):
    # `attr` is the older name of the same distribution.
    name = module.partition(".")[0]
    return "attrs" if name == "attr" else name


def test_every_room_has_its_place():
    unplaced = sorted({room_of(module) for module in modules()} - set(ROOMS))
    assert not unplaced, (
        f"{', '.join(unplaced)}: a new room. Add it to ROOMS in tests/test_layers.py, below every room that it imports "
        "from and above every room that imports from it."
    )


def test_no_place_is_empty():
    # These two are yet to come, or may go again: the command line is an extra.
    missing = sorted(set(ROOMS) - {room_of(module) for module in modules()} - {"__main__", "cli"})
    assert not missing, f"{', '.join(missing)}: no such room. Take it out of ROOMS in tests/test_layers.py."


def test_rooms_import_only_from_rooms_above():
    place = {room: number for number, room in enumerate(ROOMS)}
    wrong = [
        f"{importer}:{line} imports {imported}"
        for importer, imported, line, _ in own_imports()
        if room_of(importer) != room_of(imported)
        if (importer, imported) not in EXCEPTIONS
        if place.get(room_of(imported), -1) >= place.get(room_of(importer), len(ROOMS))
    ]
    assert not wrong, "against the order of the rooms in ROOMS (tests/test_layers.py): " + "; ".join(wrong)


def test_exceptions_are_needed_and_inside_functions():
    used = {(importer, imported): is_later for importer, imported, _, is_later in own_imports()}
    assert {pair: used.get(pair) for pair in EXCEPTIONS} == dict.fromkeys(EXCEPTIONS, True)


def test_there_is_no_import_circle():
    graph = {module: set() for module in modules()}
    for importer, imported, _, _ in own_imports():
        if (importer, imported) not in EXCEPTIONS:
            graph[importer].add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import circle: " + " <- ".join(error.args[1]))


def test_the_core_stands_on_four_packages():
    foreign = [
        f"{importer}:{line} imports {imported}"
        for importer, imported, line, _ in imports()
        if importer in core_modules() | {"atrio"}
        if top_level_name(imported) not in {"atrio", "__future__", *FOUNDATIONS, *sys.stdlib_module_names}
    ]
    assert not foreign, f"the core imports nothing foreign but {', '.join(sorted(FOUNDATIONS))}: " + "; ".join(foreign)


def test_slow_packages_are_imported_by_one_room_that_is_itself_imported_late():
    importers = {importer for importer, imported, _, is_later in imports() if top_level_name(imported) in LAZY}
    eager = [
        f"{importer}:{line} imports {imported}"
        for importer, imported, line, is_later in own_imports()
        if imported in importers and not is_later
    ]
    # These rooms are themselves imported late: by the command, by whoever has a configuration, and what is in `agents`
    # with the first use of a name.
    late = {module for module in modules() if room_of(module) in {"agents", "cli", "config"}}
    assert importers <= {"atrio._json"} | late
    assert not [each for each in eager if each.partition(":")[0] not in late], eager


@pytest.mark.parametrize(
    "module", ["atrio", "atrio.testing", "atrio.adapters", "atrio.agents", "atrio.sinks", "atrio.logs", "atrio.history"]
)
def test_importing_atrio_imports_nothing_slow(module):
    """As measured: no chain of imports, a dependency's own included, brings them in."""
    slow = {"asyncio", "cattrs", "cyclopts", "h11", "jinja2", "rich", "sqlite3", "structlog", "urllib.request"}
    program = f"import sys, trio.testing; old = set(sys.modules); import {module}; print(*set(sys.modules) - old)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert slow & set(ran.stdout.split()) == set()


def test_the_command_line_uses_only_what_users_can():
    private = [
        f"{importer}:{line} imports {imported}"
        for importer, imported, line, _ in own_imports()
        if room_of(importer) in {"cli", "__main__"}
        if room_of(imported) not in {"cli", "__main__"}
        if any(part.startswith("_") for part in imported.split("."))
    ]
    assert not private, "the command line uses only the public API: " + "; ".join(private)


def face():
    return ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body


def test_the_face_only_hands_names_on():
    """At once, or when they are first asked for: of those an `if TYPE_CHECKING` tells type checkers."""
    kinds = [type(node) for node in face()[1:]]  # after the docstring
    assert set(kinds) == {ast.Import, ast.ImportFrom, ast.Assign, ast.If}
    assert [ast.unparse(node.targets[0]) for node in face() if isinstance(node, ast.Assign)] == ["__all__", "_HOMES"]
    branches = {ast.unparse(node.test): node for node in face() if isinstance(node, ast.If)}
    assert set(branches) == {"TYPE_CHECKING", "not TYPE_CHECKING"}
    assert {type(node) for node in branches["TYPE_CHECKING"].body} == {ast.ImportFrom}
    assert [node.name for node in branches["not TYPE_CHECKING"].body] == ["__getattr__", "__dir__"]


def test_type_checkers_are_told_of_the_names_that_come_later():
    import atrio  # noqa: PLC0415 - nothing else here imports what it reads

    told = next(node for node in face() if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    homes = {alias.name: node.module for node in told.body for alias in node.names}
    assert homes == atrio._HOMES
    assert set(homes) <= set(dir(atrio))
    assert all(getattr(atrio, name) is getattr(import_module(home), name) for name, home in homes.items())
    with pytest.raises(AttributeError, match="has no attribute 'AgentRegister'"):
        _ = atrio.AgentRegister


def test_importing_atrio_does_not_import_what_many_programs_do_without():
    """So that a program does not pay for rooms that it does not enter."""
    program = "import sys, atrio; print(*sys.modules); atrio.AgentRegistry; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = (line.split() for line in ran.stdout.splitlines())
    assert "atrio.registry" in after
    assert [name for name in before if name.startswith(("atrio.registry", "atrio.config"))] == []
