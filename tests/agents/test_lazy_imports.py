import subprocess
import sys

import pytest

from atrio import agents


def test_importing_the_package_loads_no_dependency():
    extra = {"httpx2", "jinja2", "jmespath", "jsonschema_rs", "regex", "stop_words"}
    code = f"import sys, atrio.agents; print(sorted({extra} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there():
    for name in agents.__all__:
        assert getattr(agents, name).__name__ == name
        assert name in dir(agents)


@pytest.mark.parametrize(
    ("name", "module"),
    [("JsonTransformer", "jmespath"), ("JsonValidator", "jsonschema_rs"), ("Webhook", "httpx2")],
)
def test_an_agent_says_what_to_install(name, module):
    code = f"import sys; sys.modules[{module!r}] = None\nfrom atrio.agents import {name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"ModuleNotFoundError: {name} needs the extra \"cli\": pip install 'atrio[cli]' "
        f"(there is no module {module!r})\n"
    )


def test_running_a_program_needs_no_extra():
    extra = ["httpx2", "jinja2", "jmespath", "jsonschema_rs", "stop_words"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({extra})); from atrio.agents import CommandRunner, CommandError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_other_name_is():
    with pytest.raises(AttributeError, match=r"module 'atrio\.agents' has no attribute 'Nonsense'"):
        agents.Nonsense  # noqa: B018 - the attribute is what is tested
