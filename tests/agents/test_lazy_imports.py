import subprocess
import sys

import pytest

from atrio import agents


def test_importing_the_package_loads_no_dependency():
    code = "import sys, atrio.agents; print(sorted({'jinja2', 'regex', 'stop_words'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there():
    for name in agents.__all__:
        assert getattr(agents, name).__name__ == name
        assert name in dir(agents)


def test_no_other_name_is():
    with pytest.raises(AttributeError, match=r"module 'atrio\.agents' has no attribute 'Nonsense'"):
        agents.Nonsense  # noqa: B018 - the attribute is what is tested
