"""Standard output is for results alone, and what becomes of it is always told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from configured import SHOUTING, configure

NOISY = 'print("imported")\n' + SHOUTING.replace(
    "    async def process", '        print("made")\n\n    async def process'
)
NOISY = NOISY.replace("        key =", '        print("called")\n        key =')
OWN = """
print("imported")
from atrio import Pipeline, Stage

async def process(data):
    print("called")
    return data

def make():
    print("made")
    return Pipeline("own").add_stage(Stage("only", process))
"""


@pytest.fixture
def noisy(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOUTING_KEY", "x")
    configure(tmp_path)
    (tmp_path / "shouting.py").write_text(NOISY)


def test_what_modules_of_the_file_print_goes_to_stderr(atrio, noisy):
    ended = atrio("check", "--format", "json")
    assert json.loads(ended.out)["ok"]
    assert ended.err.startswith("imported\n")
    ended = atrio("run", "shout", "--value", '"a"', "--log-level", "error")
    assert (ended.code, ended.out) == (0, "A!\n")
    assert [line for line in ended.err.splitlines() if line in {"made", "called"}] == ["made", "called"]


def test_what_pipelines_of_ones_own_print_goes_to_stderr(atrio_process, tmp_path):
    (tmp_path / "printing.py").write_text(OWN)
    ended = atrio_process("batch", "printing:make", stdin=b"1\n2\n")
    assert sorted(json.loads(line)["result"] for line in ended.out.splitlines()) == [1, 2]
    assert [line for line in ended.err.splitlines() if not line.startswith("{")] == [
        "imported",
        "made",
        "called",
        "called",
    ]
    ended = atrio_process("pipelines", "show", "printing:make", "--format", "json")
    assert json.loads(ended.out)["stages"][0]["stage_id"] == "only"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["agents", "add", "--help"], ["agents", "list"]])
class TestHelpToo:
    def test_on_a_full_disk(self, tmp_path, monkeypatch, arguments, unbuffered):
        monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-m", "atrio", *arguments]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == b"atrio: the results cannot be written to stdout: No space left on device.\n"

    def test_for_nobody(self, tmp_path, monkeypatch, arguments, unbuffered):
        monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
        command = [sys.executable, "-m", "atrio", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == b""
        process.stderr.close()
