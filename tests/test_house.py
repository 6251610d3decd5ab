"""The norms of the house, which hold for every file alike."""

import ast
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "atrio"

LONGEST_FILE = 400
MEDIAN_FUNCTION = 8
P95_FUNCTION = 45

# Words that say nothing about what a thing is. A base_url is what every client of such an endpoint calls it.
EMPTY_WORDS = re.compile(r"Manager|Handler|Helper|(?<![a-z])(?:helpers?|utils?|common|base(?!_url)|misc)(?![a-z])")

# Functions that end a cancellation or an interrupt for good, each with its reason.
KEPT = {
    "history/alert_sink.py:_wait_and_look": "what leaves a system task ends the host's program; it raises Cancelled",
}

TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest -q"


def sources(*, but=()):
    """Return every source file, by its path inside the package, but those in the folders or files `but`."""
    paths = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: path for name, path in paths.items() if name.split("/")[0] not in but}


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def functions_of(path):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length_of(function):
    """Return the lines from the first statement after the docstring to the last one."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def is_stub(function):
    last = function.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def test_there_are_sources():
    """Without any, every other test here would pass."""
    assert len(sources()) > 20


def test_no_file_is_too_long():
    assert {name: len(lines_of(path)) for name, path in sources().items() if len(lines_of(path)) > LONGEST_FILE} == {}


def test_functions_are_short():
    functions = [function for path in sources().values() for function in functions_of(path) if not is_stub(function)]
    lengths = sorted(map(length_of, functions))
    longest_of_95_percent = lengths[max(-(-len(lengths) * 95 // 100), 1) - 1]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
    assert longest_of_95_percent <= P95_FUNCTION


def test_names_say_what_a_thing_is():
    names = [
        f"{where}: {name}"
        for where, path in sources().items()
        for name in [path.stem, path.parent.name, *names_defined_in(tree_of(path))]
        if EMPTY_WORDS.search(name)
    ]
    assert names == []


def names_defined_in(tree):
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [node.name for node in ast.walk(tree) if isinstance(node, kinds)]


def test_only_the_command_line_prints():
    calls = [
        f"{name}:{node.lineno}"
        for name, path in sources(but=["cli", "__main__.py"]).items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == []


def test_only_adapters_know_asyncio():
    found = [
        f"{name}:{node.lineno}"
        for name, path in sources(but=["adapters"]).items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        if "asyncio" in {module.split(".")[0] for module in modules_named_in(node)}
    ]
    assert found == []


def modules_named_in(node):
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]


def catches_everything(handler):
    """Say whether an `except` catches cancellations: a bare one, BaseException, or Cancelled itself."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {ast.unparse(kind).split(".")[-1] for kind in kinds if kind is not None}
    return handler.type is None or bool(names & {"BaseException", "BaseExceptionGroup", "Cancelled"})


def ends_in_raise(statements):
    """Say whether every way through `statements` ends in a bare `raise`, or in one that is nested in all branches."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, ast.If):
        return ends_in_raise(last.body) and ends_in_raise(last.orelse)
    if isinstance(last, ast.With | ast.AsyncWith):
        return ends_in_raise(last.body)
    if isinstance(last, ast.Try):
        return ends_in_raise(last.finalbody) or (ends_in_raise(last.body) and not last.handlers)
    return isinstance(last, ast.Raise)


def leaves_early(handler):
    kinds = ast.Return | ast.Break | ast.Continue
    return any(isinstance(node, kinds) for statement in handler.body for node in ast.walk(statement))


def test_a_cancellation_is_never_kept():
    kept = [
        f"{name}:{node.lineno}"
        for name, path in sources().items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
        if leaves_early(node) or not ends_in_raise(node.body)
        if f"{name}:{handler_owner(path, node)}" not in KEPT
    ]
    assert kept == [], "an `except` that catches cancellations must end in `raise`"


def handler_owner(path, handler):
    around = [each for each in functions_of(path) if each.lineno <= handler.lineno <= each.end_lineno]
    return around[-1].name if around else "<module>"


def test_only_one_room_reads_the_time_of_day():
    """All else is Trio's time, or comes from there: a test can replace both."""
    clocks = re.compile(r"\btime\.(?:time|time_ns|monotonic)\(|\bdatetime\.(?:now|utcnow|today)\(")
    found = [
        f"{name}:{number}"
        for name, path in sources(but=["_stamps.py", "cli"]).items()
        for number, line in enumerate(lines_of(path), 1)
        if clocks.search(line)
    ]
    assert found == []


def test_coverage_is_left_out_only_with_a_reason():
    bare = [
        f"{name}:{number}"
        for name, path in sources().items()
        for number, line in enumerate(lines_of(path), 1)
        if re.search(r"pragma: no (?:cover|branch)\s*$", line)
    ]
    assert bare == [], "write the reason beside it: `# pragma: no cover - why`"


def test_the_readme_and_the_ci_run_the_same_command():
    assert TEST_COMMAND in (ROOT / "README.md").read_text(encoding="utf-8")
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
