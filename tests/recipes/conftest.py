"""The recipes of docs/recipes, tried on real logs by the real tools.

DuckDB, SQLite and jq are tried wherever the tests run. The other tools are for ``nox -s recipes``, which installs them
and sets ATRIO_RECIPES: they take longer, and start daemons.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipe_logs import PAGE, RECIPES, run_batch, write_hostile

SECONDS_PER_COMMAND = 60

ONLY_BY_NOX = ["test_logrotate.py", "test_lnav.py", "test_polars.py", "test_promtool.py", "test_rsyslog.py"]
collect_ignore = [] if "ATRIO_RECIPES" in os.environ else ONLY_BY_NOX


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """Run the batch of a thousand tasks once: its log, and what the API returned."""
    return run_batch(tmp_path_factory.mktemp("batch") / "app.jsonl")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """Write the hostile log once: its path, and how many lines it has."""
    path = tmp_path_factory.mktemp("hostile") / "app.jsonl"
    return path, write_hostile(path)


@pytest.fixture(params=["batch", "hostile"])
def any_log(request):
    """Each of the two logs: its path, and how many lines it has."""
    if request.param == "hostile":
        return request.getfixturevalue("hostile")
    path = request.getfixturevalue("ran").path
    return path, path.read_bytes().count(b"\n")


@pytest.fixture
def folder(tmp_path):
    """Make a folder with all recipes in it."""
    shutil.copytree(RECIPES, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def shell(folder):
    """Return what runs a command of the page in the folder, and returns what that prints."""

    def run(command, **environment):
        assert command in PAGE.read_text(encoding="utf-8"), "the page shows another command"
        programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        ended = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=folder,
            env=os.environ | {"PATH": programs} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS_PER_COMMAND,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


@pytest.fixture
def needs():
    """Return what skips a test where a program is missing, and else returns its path."""
    # Debian keeps some where only root looks.
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))

    def check(name):
        program = shutil.which(name, path=path)
        if program is None:
            pytest.skip(f"{name} is not installed")
        return program

    return check
