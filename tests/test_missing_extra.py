"""What is said where atrio is installed without an extra, or interrupted while its parts are imported."""

import os
import re
import subprocess
import sys

import pytest

COMMAND = (
    "import sys; {before}; sys.argv = ['atrio', *{arguments!r}]; from atrio.__main__ import main; sys.exit(main())"
)
INSTALL = "needs the extra \"cli\": pip install 'atrio[cli]' (there is no module {!r})"
RUN = ("run", "text-report", "--value", '"a"', "--log-level", "error")
INTERRUPT = """
import os, signal
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "cyclopts":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
"""


def python(code, **streams):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, **streams)


# What the extras bring, as it is imported.
EXTRAS = {
    "cyclopts", "h11", "httpx2", "jinja2", "jmespath", "jsonschema_rs", "prometheus_client", "regex", "rich",
    "stop_words", "tomlkit",
}  # fmt: skip
NAMES = """
from importlib import import_module
for module in ("", ".adapters", ".agents", ".config", ".errors", ".events", ".history", ".logs", ".sinks", ".testing"):
    module = import_module("atrio" + module)
    for name in module.__all__:
        try:
            getattr(module, name)
        except ModuleNotFoundError as error:
            print(module.__name__, name, error, sep=":")
"""


def others_are_there(module):
    """Skip where another module of the extras is missing: which one is named first is nobody's business."""
    for other in sorted(EXTRAS - {module}):
        pytest.importorskip(
            other, reason=f"the extras are not installed: there is no {other}, which may be named first"
        )


def command(before, *arguments):
    return python(COMMAND.format(before=before, arguments=arguments))


def without(module):
    return f"sys.modules[{module!r}] = None"


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("cyclopts", ["--help"]), ("jinja2", RUN), ("regex", RUN), ("stop_words", RUN)],
)
def test_the_command_says_what_to_install(module, arguments):
    if module != "cyclopts":  # it is what the command imports first
        others_are_there(module)
    ended = command(without(module), *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"atrio: the command {INSTALL.format(module)}\n"


def test_so_does_the_module(tmp_path):
    (tmp_path / "cyclopts.py").write_text("raise ModuleNotFoundError(name='cyclopts')")
    ended = subprocess.run(
        [sys.executable, "-m", "atrio", "--help"],
        check=False, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == f"atrio: the command {INSTALL.format('cyclopts')}\n"


def test_another_missing_module_stays_what_it_is():
    ended = command(without("atrio.cli"), "run", "none")
    assert ended.returncode == 1
    assert ended.stderr.endswith("ModuleNotFoundError: import of atrio.cli halted; None in sys.modules\n")


def test_a_closed_stderr_is_told_nothing():
    ended = command(without("cyclopts") + "; sys.stderr = None")
    assert (ended.returncode, ended.stderr) == (2, "")


def test_an_interrupt_while_its_parts_are_imported_is_quiet():
    ended = python(f"import sys\n{INTERRUPT}\n{COMMAND.format(before='pass', arguments=['--help'])}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "atrio: interrupted.\n")


@pytest.mark.parametrize(
    ("name", "module"), [("TextAnalyzer", "regex"), ("TextAnalyzer", "stop_words"), ("ReportWriter", "jinja2")]
)
def test_an_agent_says_what_to_install(name, module):
    if module == "stop_words":
        others_are_there(module)
    ended = python(f"import sys; {without(module)}\nfrom atrio.agents import {name}")
    assert ended.returncode == 1
    assert ended.stderr.endswith(f"ModuleNotFoundError: {name} {INSTALL.format(module)}\n")


def test_without_any_extra_every_public_name_works_or_says_what_to_install():
    ended = python(f"import sys; sys.modules.update(dict.fromkeys({sorted(EXTRAS)}))\n{NAMES}")
    assert (ended.returncode, ended.stderr) == (0, "")
    told = re.compile(
        r"(atrio\.\w+):(\w+):\2 needs the extra \"(\w+)\": pip install 'atrio\[\3\]' \(there is no module '\w+'\)"
    )
    matches = [told.fullmatch(line) for line in ended.stdout.splitlines()]
    assert None not in matches, ended.stdout
    needing = {(match[1], match[3]) for match in matches}
    assert needing == {("atrio.agents", "cli"), ("atrio.config", "cli"), ("atrio.testing", "testing")}


def test_the_server_of_chat_completions_says_what_to_install():
    ended = python(
        f"import sys; {without('h11')}\nfrom atrio.testing import Reply, answer\n"
        "print('rest')\nfrom atrio.testing import ChatServer"
    )
    assert (ended.returncode, ended.stdout) == (1, "rest\n")
    assert ended.stderr.endswith(
        "ModuleNotFoundError: ChatServer needs the extra \"testing\": pip install 'atrio[testing]' "
        "(there is no module 'h11')\n"
    )


def test_another_module_that_is_missing_there_stays_what_it_is():
    ended = python(f"import sys; {without('atrio.testing._chat_actions')}\nfrom atrio.testing import ChatServer")
    assert ended.stderr.endswith("import of atrio.testing._chat_actions halted; None in sys.modules\n")


def test_metrics_for_prometheus_say_what_to_install():
    ended = python(
        f"import sys; {without('prometheus_client')}\nimport atrio.sinks\n"
        "print('sinks')\nfrom atrio.sinks.prometheus import PrometheusMetrics"
    )
    assert (ended.returncode, ended.stdout) == (1, "sinks\n")
    assert ended.stderr.endswith(
        "ModuleNotFoundError: PrometheusMetrics needs the extra \"prometheus\": pip install 'atrio[prometheus]' "
        "(there is no module 'prometheus_client')\n"
    )


def test_an_agent_without_anything_else_says_what_is_missing():
    ended = python(f"import sys; {without('atrio.agents._cleaning')}\nfrom atrio.agents import TextCleaner")
    assert ended.stderr.endswith("ModuleNotFoundError: import of atrio.agents._cleaning halted; None in sys.modules\n")
