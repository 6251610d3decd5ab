"""Everything that is checked, each in an environment of its own: ``nox --list`` says what there is."""

import os
import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
# uv where it is installed, because it is quicker; nothing depends on it.
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "coverage", "docs"]

PYTHONS = ["3.11", "3.12", "3.13"]
# What the tests themselves are made with; the extra `test` has it too, beside all that optional parts need.
TOOLS = ["hypothesis>=6.100", "orjson>=3.10", "pytest>=8.4", "pytest-trio>=0.8"]

# Of the rules of flake8-async, which has no configuration file of its own, all but these (as in .ci/run).
DISABLED = {
    "ASYNC910": "a run yields once a millisecond and not in every function; tests hold that, by counting",
    "ASYNC913": "the same for loops",
}
# In tests, agents wait for nothing, and agents and sources do on purpose what is done wrong: swallow a cancellation,
# wait while cancelled, yield in a scope or a nursery, poll. A rule that is disabled for all files takes no time, as one
# that is ignored in some does.
DISABLED_IN_TESTS = (
    "ASYNC101,ASYNC102,ASYNC103,ASYNC104,ASYNC110,ASYNC112,ASYNC119,ASYNC124,ASYNC401,ASYNC900,ASYNC911,ASYNC912"
)
# The asyncio twin does what its original does.
IGNORED_PER_FILE = "benchmarks/twin/*.py:ASYNC103,ASYNC104,ASYNC106"
# The words that all its rules are about; a file without any of them only costs time, and a lot of it.
ASYNC_WORDS = re.compile(
    r"\b(async|await|trio|anyio|asyncio|httpx)\b|BaseException|ExceptionGroup|Cancelled|except *[:*]"
)

_wheels: list[Path] = []


def built_wheel(session):
    """Return the wheel of this checkout, built once however many sessions ask."""
    if not _wheels:
        directory = Path(session.cache_dir, "wheel").resolve()
        shutil.rmtree(directory, ignore_errors=True)
        session.install("build")
        session.run("python", "-m", "build", "--wheel", "--outdir", str(directory), silent=True)
        _wheels.extend(directory.glob("*.whl"))
    (wheel,) = _wheels
    return wheel


def check_what_is_tested(session):
    """Stop unless `import atrio` finds the installed wheel and not the sources beside it."""
    program = "import atrio; assert 'site-packages' in atrio.__file__, atrio.__file__; print(atrio.__file__)"
    session.run("python", "-c", program)


def mentioning_async(*folders):
    """Return the files in which a rule of flake8-async can find anything."""
    files = [file for folder in folders for file in Path(folder).rglob("*.py")]
    # Rivals are installed in .environments, and are not ours to check.
    ours = [file for file in files if not {".environments", "_build"}.intersection(file.parts)]
    return [str(file) for file in ours if ASYNC_WORDS.search(file.read_text(encoding="utf-8"))]


@nox.session
def lint(session):
    """Run ruff and flake8-async over the whole tree."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    rules = ["--select", "ASYNC", "--enable", "ASYNC", "--per-file-ignores", IGNORED_PER_FILE, "--disable"]
    session.run("flake8", *rules, ",".join(DISABLED), *mentioning_async("src", "benchmarks", "docs"), "noxfile.py")
    session.run("flake8", *rules, ",".join([*DISABLED, DISABLED_IN_TESTS]), *mentioning_async("tests"))


@nox.session(python=PYTHONS)
@nox.parametrize("extras", [True, False], ids=["extras", "bare"])
def tests(session, extras):
    """Run the tests against the built wheel, with the optional packages and without."""
    wheel = built_wheel(session)
    if extras:
        session.install("--force-reinstall", f"atrio[test] @ {wheel.as_uri()}")
    else:
        session.install("--force-reinstall", str(wheel), *TOOLS)
    check_what_is_tested(session)
    # The examples of the docs need the extra `test`; what else does is left out by tests/conftest.py.
    session.run("python", "-m", "pytest", *([] if extras else ["tests"]), *session.posargs)


RECIPE_TOOLS = {"jq": "jq", "lnav": "lnav", "logrotate": "logrotate", "promtool": "prometheus", "rsyslogd": "rsyslog"}
"""Programs that docs/recipes are for, and the packages of Debian that have them."""


@nox.session
def recipes(session):
    """Try docs/recipes with the real tools. As root on Debian it installs those that are missing: use a container."""
    session.install("-e", ".[test]", "polars>=1.20")
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    missing = sorted(package for tool, package in RECIPE_TOOLS.items() if shutil.which(tool, path=path) is None)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        # Without a network, and where a package is unknown, its tests are skipped and say so.
        install = ("apt-get", "install", "--yes", "--no-install-recommends", *missing)
        session.run(*install, external=True, success_codes=range(256), env={"DEBIAN_FRONTEND": "noninteractive"})
    elif missing:
        session.log(f"not installed, and only root could: {', '.join(missing)}")
    session.run("python", "-m", "pytest", "tests/recipes", *session.posargs, env={"ATRIO_RECIPES": "all"})


@nox.session
def report(session):
    """Open the pages of ``atrio report`` in chromium, if there is one; ATRIO_PICTURES=FOLDER keeps pictures."""
    session.install("-e", ".[test]", "playwright>=1.50")
    # The browser is the system's, as what playwright itself would download is not.
    session.run("python", "-m", "pytest", "tests/cli/test_report_browser.py", *session.posargs)


@nox.session
def types(session):
    """Run both type checkers, and count what users see untyped: nothing."""
    session.install("-e", ".[types]")
    session.run("mypy")
    session.run("pyright", "--pythonpath", f"{session.bin}/python")
    session.run("pyright", "--verifytypes", "atrio", "--ignoreexternal")


@nox.session
def docs(session):
    """Build the docs; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session(python="3.11")
def coverage(session):
    """Run the tests under coverage, their subprocesses included; every branch must be taken."""
    session.install("-e", ".[test]", "coverage>=7.10")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def bench(session):
    """Measure atrio beside its twin, the hand-written loop and rivals; ``-- run --help`` says what to choose."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)
