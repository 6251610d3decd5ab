"""What several test files need, and what is left out where an optional package is not installed."""

import gc
import os
import re
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("atrio", parent=settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("atrio")

WORKERS = 8
"""The most processes that the suite is spread over: with more of them, the longest file decides how long it takes."""
FEW_OR_WATCHED = ("collectonly", "keyword", "lf", "markexpr", "trace", "usepdb")
"""Options with which a run takes a few tests out of the suite, or shows or stops them while they run."""
ADDRESS = re.compile(r" at 0x[0-9a-f]+")

# A shell lets a job in the background ignore SIGINT, and with it all that the job starts: a test that interrupts a
# program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The optional packages that the tests of a folder import, or that what they test does.
NEEDED = {
    "agents": ("h11", "httpx2", "hypercorn", "jinja2", "jmespath", "jsonschema_rs", "regex", "stop_words"),
    "benchmarks": ("cyclopts", "matplotlib", "orjson", "pyperf", "regex", "rich", "scipy"),
    "cli": ("cyclopts", "httpx2", "jinja2", "jmespath", "jsonschema_rs", "pexpect", "regex", "rich", "tomlkit"),
    "config": (
        "cyclopts",
        "httpx2",
        "jinja2",
        "jmespath",
        "jsonschema",
        "jsonschema_rs",
        "regex",
        "stop_words",
        "tomlkit",
    ),
    "end_to_end": ("cyclopts", "duckdb", "h11", "httpx2", "jinja2", "jsonschema_rs", "regex", "rich", "tomlkit"),
    "testing": ("h11", "httpx2", "jsonschema"),
}

missing = {folder: [name for name in names if find_spec(name) is None] for folder, names in NEEDED.items()}
collect_ignore = [folder for folder, names in missing.items() if names]


def pytest_report_header():
    left_out = [f"left out: tests/{folder}, for want of {', '.join(missing[folder])}" for folder in collect_ignore]
    if "ATRIO_RECIPES" not in os.environ:
        left_out.append("left out: recipes for logrotate, lnav, Polars, Prometheus and rsyslog; run nox -s recipes")
    if find_spec("playwright") is None:
        left_out.append("left out: the pages of atrio report in a browser; run nox -s report")
    return left_out


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads its options
def pytest_cmdline_main(config):
    """Spread the whole suite over the cores, file by file, unless the command line says otherwise."""
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    options = config.option
    if options.numprocesses is None and options.dist == "no" and is_whole_suite(config):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        options.numprocesses = min(cores, WORKERS) if cores > 1 else None
    if options.numprocesses and options.dist == "no":
        # The examples of a page depend on those before them, and what a module's fixtures make is made once.
        options.dist = "loadfile"


def is_whole_suite(config):
    """Say whether so much is run that it pays to start workers, and nothing that is to be watched or debugged."""
    watched = config.option.capture == "no" or any(config.getoption(name, default=False) for name in FEW_OR_WATCHED)
    if watched:
        return False
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS or Path(__file__).parent in {
        Path(config.invocation_params.dir, argument).resolve() for argument in config.args
    }


def pytest_collection_modifyitems(items):
    changing = sorted(item.nodeid for item in items if ADDRESS.search(item.nodeid))
    if changing:
        raise pytest.UsageError(f"another name in every process, which pytest-xdist cannot run: {', '.join(changing)}")


def pytest_collection_finish():
    """Put all that was collected out of sight of the garbage collector, which is called by what is tested, too."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    gc.unfreeze()


@pytest.fixture
def structlog_reset():
    """Leave structlog as unconfigured as it was found, and no context variable bound."""
    assert not structlog.is_configured()
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
