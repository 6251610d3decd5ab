import os
import re
import subprocess
import sys

import pytest

from atrio import __version__

HELPS = [("--help",), ("run", "--help"), ()]
HEAVY = ["structlog", "jinja2", "cattrs", "regex", "stop_words", "markdown_it", "docutils", "atrio.agents"]


def test_version(atrio):
    assert atrio("--version").out == f"atrio {__version__}\n"


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("arguments", HELPS)
def test_help_fits_and_goes_to_stdout(atrio_process, arguments, columns):
    # In a process of its own: a console may keep for ever the width that it found first.
    ended = atrio_process(*arguments, COLUMNS=str(columns))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: atrio ")
    assert max(map(len, ended.out.splitlines())) <= columns
    assert "\x1b" not in ended.out


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


@pytest.mark.parametrize("arguments", HELPS)
def test_every_example_works(atrio, tmp_path, arguments):
    (tmp_path / "README.md").write_text("# Tides\n\nTides rise, and tides fall.\n")
    command = tmp_path / "bin" / "atrio"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m atrio "$@"\n')
    command.chmod(0o755)
    _, _, examples = atrio(*arguments).out.partition("Example")
    lines = [line.strip() for line in examples.splitlines() if "atrio run" in line]
    assert lines
    for line in lines:
        environment = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, check=False, cwd=tmp_path, env=environment, text=True
        )
        assert (line, done.returncode) == (line, 0)
        assert "Text report" in done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",), ("rnu",)])
def test_help_imports_nothing_that_only_a_run_needs(arguments):
    program = (
        "import sys\n"
        "from atrio.__main__ import main\n"
        f"main({list(arguments)!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"
