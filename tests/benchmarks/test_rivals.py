"""The rivals: pinned, described without being imported, checked where they can run, and installed or left out."""

import ast
import json
import platform
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, sleep

import pytest

from benchmarks import batch, micro, rivals
from benchmarks.harness.environments import VERSIONS, Environments, NotInstallableError, reason_of, run
from benchmarks.harness.features import FEATURES
from benchmarks.harness.worker import built, digest_of

ROOT = Path(__file__).parents[2]
WORKS = {work.name: work for work in (*micro.WORKS, *batch.WORKS)}
PROGRAMS = {program.name: program for program in (*micro.PROGRAMS, *batch.PROGRAMS, *rivals.PROGRAMS)}
PINS = tomllib.loads(VERSIONS.read_text(encoding="utf-8"))
MODULES = sorted({program.build.partition(":")[0] for program in rivals.PROGRAMS})


def path_of(module):
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


# --- What is said of them ---


def test_every_environment_is_pinned_exactly():
    named = {program.environment for program in rivals.PROGRAMS} - {None}
    assert set(PINS) == named | {"every"}
    pins = [
        pin for requirements in (PINS["every"], *(PINS[name]["requires"] for name in named)) for pin in requirements
    ]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin)] == []
    assert any(pin.startswith("pyperf==") for pin in PINS["every"])


def test_the_same_distribution_has_the_same_version_everywhere():
    versions = {}
    for name in set(PINS) - {"every"}:
        for pin in PINS[name]["requires"]:
            distribution, _, version = pin.partition("==")
            versions.setdefault(distribution, set()).add(version)
    assert {distribution for distribution, found in versions.items() if len(found) > 1} == set()


@pytest.mark.parametrize("program", rivals.PROGRAMS, ids=lambda program: program.name)
def test_what_a_program_names_is_there(program):
    assert program.work in WORKS
    assert program.name.startswith(f"{program.work}.")
    assert set(program.features) <= set(FEATURES)
    module, _, name = program.build.partition(":")
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    (made,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    own = {node.name for node in made.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert "build" in own


def test_rows_name_programs_and_say_where_sides_differ():
    for row in rivals.ROWS:
        sides = [PROGRAMS[name] for name in row.programs]
        features = {frozenset(side.features) for side in sides}
        assert len(features) == 1 or "(" in row.label or "above a bare call" in row.label, row.label
        assert {side.hears for side in sides} == {"quiet"}
    assert len({row.label for row in rivals.ROWS}) == len(rivals.ROWS)


def test_every_program_has_a_row():
    assert {program.name for program in rivals.PROGRAMS} <= {row.above for row in rivals.ROWS}


def test_saying_what_there_is_imports_none_of_them():
    code = "import sys, benchmarks.rivals; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {
        "trio",
        "atrio",
        "anyio",
        "uvloop",
        "pyperf",
        "tenacity",
        "stamina",
        "purgatory",
        "interlock",
        "aiolimiter",
    }
    assert heavy.isdisjoint(ran.stdout.split())


@pytest.mark.parametrize("module", MODULES)
def test_a_rival_needs_no_more_than_its_own_environment(module):
    imported = set()
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    shared = {"benchmarks.harness.agents", "benchmarks.harness.shapes", "benchmarks.rivals.loops",
              "benchmarks.micro.attempting", "benchmarks.micro.calls"}  # fmt: skip
    assert {name for name in imported if name.startswith("benchmarks")} <= shared
    assert not {name for name in imported if name.partition(".")[0] == "atrio"}


# --- Those that can run here ---


@pytest.mark.parametrize("program", rivals.PROGRAMS, ids=lambda program: program.name)
def test_answers_and_claims(program):
    if program.options.get("loop") == "uvloop":
        pytest.importorskip("uvloop")
    try:
        subject = built(program.build, dict(program.options))
    except ModuleNotFoundError as error:
        if program.environment is None:
            raise
        pytest.skip(f"{error.name} is not installed here")
    assert digest_of(subject.answer()) == digest_of(WORKS[program.work].answer)
    shown = {feature: getattr(subject, f"probe_{feature}")() for feature in program.features}
    assert shown == {feature: FEATURES[feature].expected for feature in program.features}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_hand_written_loops_can_be_timed(loop):
    pytest.importorskip("uvloop" if loop == "uvloop" else "asyncio")
    for name, options in (("Pipeline", {"stages": 3}), ("Batch", {"items": 60, "places": 5})):
        cost = built(f"benchmarks.rivals.handwritten_asyncio:{name}", {**options, "loop": loop}).time(3)
        assert 0 <= cost.cpu_s < 5


# --- Environments ---


class Runner:
    """Makes what `python -m venv` makes, as far as anybody looks, and fails where it is told to."""

    def __init__(self, fails=None, takes_s=0.0):
        self.commands = []
        self.fails = fails
        self.takes_s = takes_s

    def __call__(self, command, _):
        self.commands.append(list(command))
        sleep(self.takes_s)
        if "venv" in command:
            python = Path(command[-1], "bin", "python")
            python.parent.mkdir(parents=True)
            python.touch()
        elif "pip" in command and self.fails is not None:
            raise self.fails
        return '{"langgraph": "1.0"}'

    @property
    def made(self):
        return sum("venv" in command for command in self.commands)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "environments"


@pytest.fixture
def versions(tmp_path):
    path = tmp_path / "versions.toml"
    path.write_text('every = ["pyperf==2"]\n[langgraph]\nrequires = ["langgraph==1.0"]\n')
    return path


def there(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_an_environment_is_made_once(folder, versions):
    runner = Runner()
    environments = Environments(folder, versions, runner)
    assert environments.names == ["langgraph"]
    python = environments.python_of("langgraph")
    assert python == folder / "langgraph" / "bin" / "python"
    assert python.exists()
    assert runner.commands[-1][-2:] == ["pyperf==2", "langgraph==1.0"]
    assert (
        environments.python_of("langgraph") == Environments(folder, versions, runner).python_of("langgraph") == python
    )
    assert runner.made == 1
    assert there(folder) == ["langgraph"]


def test_it_is_made_anew_when_its_pins_change(folder, versions):
    runner = Runner()
    Environments(folder, versions, runner).python_of("langgraph")
    (folder / "langgraph" / "old").touch()
    versions.write_text(versions.read_text().replace("langgraph==1.0", "langgraph==1.1"))
    Environments(folder, versions, runner).python_of("langgraph")
    assert runner.made == 2
    assert not (folder / "langgraph" / "old").exists()
    stamp = json.loads((folder / "langgraph" / "stamp.json").read_text())
    assert stamp["requires"] == ["pyperf==2", "langgraph==1.1"]


def test_it_is_made_anew_for_another_python_or_without_its_own(folder, versions, monkeypatch):
    runner = Runner()
    python = Environments(folder, versions, runner).python_of("langgraph")
    python.unlink()
    Environments(folder, versions, runner).python_of("langgraph")
    assert runner.made == 2
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    Environments(folder, versions, runner).python_of("langgraph")
    assert runner.made == 3


def test_one_that_cannot_be_made_says_why_and_leaves_nothing(folder, versions):
    runner = Runner(NotInstallableError("No matching distribution found for langgraph==1.0"))
    environments = Environments(folder, versions, runner)
    for _ in range(2):
        with pytest.raises(NotInstallableError, match=r"^No matching distribution found for langgraph==1\.0$"):
            environments.python_of("langgraph")
    assert runner.made == 1
    assert there(folder) == []
    Environments(folder, versions, Runner()).python_of("langgraph")
    assert there(folder) == ["langgraph"]


def test_an_interrupted_install_is_no_environment(folder, versions):
    with pytest.raises(KeyboardInterrupt):
        Environments(folder, versions, Runner(KeyboardInterrupt())).python_of("langgraph")
    assert there(folder) == []
    # As one that was killed leaves it.
    (folder / ".langgraph.partial" / "bin").mkdir(parents=True)
    Environments(folder, versions, Runner()).python_of("langgraph")
    assert there(folder) == ["langgraph"]


def test_two_runs_at_once_make_it_once(folder, versions):
    runner = Runner(takes_s=0.05)
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(Environments(folder, versions, runner).python_of, "langgraph") for _ in range(2)]
        assert len({each.result() for each in made}) == 1
    assert runner.made == 1


def test_one_that_nobody_pinned(folder, versions):
    for name in ("unheard-of", "every"):
        with pytest.raises(NotInstallableError, match=f"no versions pinned for {name}"):
            Environments(folder, versions, Runner()).python_of(name)


def test_what_is_in_it(folder, versions):
    assert Environments(folder, versions, Runner()).frozen("langgraph") == {"langgraph": "1.0"}


def test_a_real_install_that_fails(folder, versions, monkeypatch):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NotInstallableError, match=r"^No matching distribution found for pyperf==2$"):
        Environments(folder, versions).python_of("langgraph")
    assert there(folder) == []


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    sign = tmp_path / "sign"
    child = f"import time, pathlib; time.sleep(1); pathlib.Path({str(sign)!r}).touch()"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    began = perf_counter()
    with pytest.raises(NotInstallableError, match=r"not installed within 0\.5 s"):
        run([sys.executable, "-c", parent], 0.5)
    assert perf_counter() - began < 30
    sleep(1)
    assert not sign.exists()


def test_what_a_command_says():
    assert run([sys.executable, "-c", "print('fine')"], 60) == "fine\n"
    with pytest.raises(NotInstallableError, match=r"^exit code 3$"):
        run([sys.executable, "-c", "raise SystemExit(3)"], 60)


@pytest.mark.parametrize(
    ("out", "err", "reason"),
    [
        (
            "",
            "ERROR: Could not find it\nERROR: No distribution found\n\n[notice] A new release\n",
            "No distribution found",
        ),
        (
            "Collecting x\n",
            "WARNING: slow\nerror: externally-managed-environment\n",
            "error: externally-managed-environment",
        ),
        ("ensurepip is not available\n", "", "ensurepip is not available"),
        ("", "WARNING: slow\n", ""),
    ],
)
def test_the_reason_is_the_last_line_that_says_one(out, err, reason):
    assert reason_of(out, err) == reason
