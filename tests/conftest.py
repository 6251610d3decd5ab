"""What several test files need, and what is left out where an optional package is not installed."""

import os
import signal
from importlib.util import find_spec

import pytest
import structlog

# A shell lets a job in the background ignore SIGINT, and with it all that the job starts: a test that interrupts a
# program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The optional packages that the tests of a folder import, or that what they test does.
NEEDED = {
    "agents": ("jinja2", "regex", "stop_words"),
    "benchmarks": ("cyclopts", "matplotlib", "orjson", "pyperf", "regex", "rich", "scipy"),
    "cli": ("cyclopts", "jinja2", "pexpect", "regex", "rich"),
}

missing = {folder: [name for name in names if find_spec(name) is None] for folder, names in NEEDED.items()}
collect_ignore = [folder for folder, names in missing.items() if names]


def pytest_report_header():
    left_out = [f"left out: tests/{folder}, for want of {', '.join(missing[folder])}" for folder in collect_ignore]
    if "ATRIO_RECIPES" not in os.environ:
        left_out.append("left out: recipes for logrotate, lnav, Polars, Prometheus and rsyslog; run nox -s recipes")
    return left_out


@pytest.fixture
def structlog_reset():
    """Leave structlog as unconfigured as it was found, and no context variable bound."""
    assert not structlog.is_configured()
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
