"""What the package hands on, some of it with its first use."""

import subprocess
import sys

import pytest

import atrio.config


def test_every_name_is_there():
    assert set(atrio.config.__all__) <= set(dir(atrio.config))
    for name in atrio.config.__all__:
        assert getattr(atrio.config, name).__name__ == name


def test_no_other_name_is():
    with pytest.raises(AttributeError, match=r"module 'atrio\.config' has no attribute 'add_agents'"):
        _ = atrio.config.add_agents


def ended(code):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_reading_loads_neither_what_saves_nor_what_builds():
    code = "import sys, atrio.config; print({'tomlkit', 'jmespath', 'atrio.config.workspace'} & set(sys.modules))"
    assert ended(code).stdout == "set()\n"


def test_what_saves_says_what_to_install():
    told = ended("import sys; sys.modules['tomlkit'] = None\nfrom atrio.config import load, add_agent").stderr
    sentence = "add_agent needs the extra \"cli\": pip install 'atrio[cli]' (there is no module 'tomlkit')"
    assert told.endswith(f"ModuleNotFoundError: {sentence}\n")


def test_another_missing_module_stays_what_it_is():
    told = ended("import sys; sys.modules['atrio.config.tables'] = None\nfrom atrio.config import add_agent").stderr
    assert "halted; None in sys.modules" in told or "cannot import name 'tables'" in told
