import os
import re
import shlex
import subprocess
import sys

import attrs
import pytest
from configured import SHOUTING

from atrio import __version__

COMMANDS = [
    *("run", "batch", "bench", "init", "check", "suggest", "assemble", "status", "report", "--install-completion"),
    *(f"agents {name}" for name in ("list", "show", "add", "remove")),
    *(f"pipelines {name}" for name in ("list", "show", "add", "remove")),
    *(f"events {name}" for name in ("check", "summary", "schema")),
    *("agents", "pipelines", "events"),
]
HELPS = [("--help",), (), *((*command.split(), "--help") for command in COMMANDS)]
HEAVY = [
    *("structlog", "jinja2", "cattrs", "regex", "stop_words", "markdown_it", "docutils", "httpx2", "jmespath"),
    *("tomlkit", "tomllib", "atrio.agents", "atrio.config"),
]
# What is more to a shell than words and quotation marks: a line with it is run by one.
SHELL_SYNTAX = frozenset("|&;<>$`*?~\\#")
SHOWING_HELPS = f"""
from atrio.__main__ import main
for arguments in {HELPS!r}:
    print(end=chr(0), flush=True)
    assert main(arguments) == 0
"""


def test_version(atrio):
    assert atrio("--version").out == f"atrio {__version__}\n"


@pytest.fixture(scope="module", params=[80, 200])
def helps(request):
    """The width of a terminal, and all helps there by their arguments."""
    # A process of its own for each width: a console may keep for ever the one that it found first.
    done = subprocess.run(
        [sys.executable, "-c", SHOWING_HELPS],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": str(request.param), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return request.param, dict(zip(HELPS, done.stdout.split("\0")[1:], strict=True))


@pytest.mark.parametrize("arguments", HELPS)
def test_help_fits_and_goes_to_stdout(helps, arguments):
    columns, out = helps[0], helps[1][arguments]
    assert out.startswith("Usage: atrio ")
    assert max(map(len, out.splitlines())) <= columns
    assert "\x1b" not in out
    _, _, examples = out.rpartition("Example")
    assert all(line.startswith("  ") for line in examples.splitlines()[1:] if line), "an example is broken"


def test_help_lists_the_commands_with_what_they_do(atrio):
    assert re.search(r"run +Run a pipeline on one input\.", atrio("--help").out)


@pytest.mark.parametrize("option", ["--value", "--fail-on", "--format", "--log-format", "--log-file", "--log-level"])
def test_help_of_run_has_every_option(atrio, option):
    assert option in atrio("run", "--help").out


def test_help_is_ascii_where_nothing_else_can_be_shown(atrio_process):
    ended = atrio_process("run", "--help", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert ended.code == 0
    assert ended.out.isascii()
    assert "--log-level" in ended.out


def examples_in(help_text: str) -> list[str]:
    """Return the command lines that a help has below its last frame."""
    _, _, examples = help_text.rpartition("Example")
    lines = examples.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.startswith("  ")]


@pytest.fixture
def directory(atrio, tmp_path):
    """A directory as its user has it after ``atrio init`` and a run."""
    assert atrio("init").code == 0
    (tmp_path / "README.md").write_text("# Tides\n\nTides rise, and tides fall.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\nThe sea is patient.\n")
    assert atrio("run", "text-report", "README.md", "--log-file", "run.log").code == 0
    (tmp_path / "shouting.py").write_text(SHOUTING.replace("(self, mark)", "(self, mark='!')"))
    command = tmp_path / "bin" / "atrio"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m atrio "$@"\n')
    command.chmod(0o755)
    return tmp_path


def test_no_arguments_are_a_question_for_help(atrio):
    assert atrio() == atrio("--help")


@pytest.mark.parametrize("arguments", [each for each in HELPS if each])
def test_every_example_works(atrio, directory, arguments, monkeypatch):
    lines = examples_in(atrio(*arguments).out)
    assert lines
    monkeypatch.setenv("PATH", f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(directory))
    for line in lines:
        words = shlex.split(line)
        assert "atrio" in words
        if SHELL_SYNTAX.isdisjoint(line):
            assert words[0] == "atrio"
            code, out, err = attrs.astuple(atrio(*words[1:]))
        else:
            done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False, cwd=directory, text=True)
            code, out, err = done.returncode, done.stdout, done.stderr
        assert (line, code) == (line, 0), err
        assert not (err and "events" in words), (line, err)
        if "atrio run" in line:
            assert "Text report" in out


def test_help_imports_nothing_that_only_a_run_needs():
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from atrio.__main__ import main\n"
        f"for arguments in {[*HELPS, ('--version',), ('rnu',)]!r}:\n"
        "    main(arguments)\n"
        f"    heavy = [name for name in {HEAVY!r} if name in sys.modules and name not in before]\n"
        "    assert not heavy, (arguments, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
