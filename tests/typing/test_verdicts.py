"""Both type checkers say of `accepted.py` and `rejected.py` what is written there, line by line.

They take some ten seconds together, and run wherever they are installed: ``pip install 'atrio[types]'``.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    "accepted.py",
    "rejected.py",
    "combinators_accepted.py",
    "combinators_rejected.py",
    "registry_accepted.py",
    "registry_rejected.py",
)
CHECKED = [str(Path(__file__).with_name(name)) for name in NAMES]
COMMANDS = {"mypy": ["mypy"], "pyright": ["pyright", "--pythonpath", sys.executable]}


@pytest.fixture(params=COMMANDS)
def checker(request):
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: it comes with the extra `types`")
    return COMMANDS[request.param]


def verdict(checker, *files):
    # From the checkout's top, where the checkers find their settings.
    ran = subprocess.run(
        [sys.executable, "-m", *checker, *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_both_verdicts_are_as_written(checker):
    code, said = verdict(checker, *CHECKED)
    assert code == 0, said


def test_a_mismatch_without_its_comment_is_an_error(checker, tmp_path):
    """The comments hide real errors: without them, each line of them is reported."""
    source = Path(CHECKED[1]).read_text()
    bare = "\n".join(line.partition("  # type:")[0] for line in source.splitlines())
    copy = tmp_path / "rejected_bare.py"
    copy.write_text(bare)
    code, said = verdict(checker, str(copy))
    assert code == 1, said
    wrong = [number for number, line in enumerate(source.splitlines(), 1) if "# type: ignore" in line]
    assert wrong
    assert [number for number in wrong if f"rejected_bare.py:{number}:" not in said] == []
