"""The suite's command, as those who run it see it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import commands
from benchmarks.__main__ import main
from benchmarks.catalogue import PROGRAMS, ROWS, SUITES, WORKS, UnknownSelectionError, picked, tier_of
from benchmarks.harness.features import FEATURES
from benchmarks.harness.programs import Tier

ROOT = Path(__file__).parents[2]


def test_a_word_that_picks_nothing_is_refused_with_the_nearest(capsys):
    assert main(["--only", "pipline"]) == 2
    said = capsys.readouterr().err
    assert "'pipline'" in said
    assert "pipeline" in said


def test_nothing_to_resume_is_said(capsys, tmp_path):
    assert main(["run", "--resume", "--results", str(tmp_path)]) == 2
    assert "no interrupted run" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "{", '{"schema": 99}', "[]", '{"suites": {}}'])
def test_a_file_that_is_no_run_is_refused_in_a_sentence(capsys, tmp_path, content):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content)
    assert main(["compare", str(path), str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert "Traceback" not in said


def test_all_programs_are_listed(capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in PROGRAMS)


def test_every_suite_is_there_and_every_program_has_a_work_and_known_features():
    for program in PROGRAMS.values():
        assert program.work in WORKS
        assert program.name.startswith(f"{program.work}.")
        assert set(program.features) <= set(FEATURES)
    assert all(picked([suite], Tier.RIGOROUS) for suite in SUITES)


def test_rows_compare_programs_that_exist():
    missing = {name for row in ROWS for name in row.programs} - set(PROGRAMS)
    assert not missing


def test_what_ci_guards_is_measured_in_the_core():
    gated = {name for row in ROWS if row.gate for name in row.programs}
    assert gated
    assert {PROGRAMS[name].tier for name in gated} == {Tier.CORE}


def test_every_target_is_measured_by_the_quick_tier():
    quick = {program.name for program in picked([], Tier.QUICK)}
    assert {name for row in ROWS if row.target for name in row.programs} <= quick


def test_a_tier_has_those_below_it():
    core, quick, rigorous = ({each.name for each in picked([], tier)} for tier in Tier)
    assert core < quick < rigorous


def test_what_is_picked_brings_what_its_rows_compare_it_with():
    names = {program.name for program in picked(["guard"], Tier.QUICK)}
    for row in ROWS:
        if row.above in names and all(tier_of(PROGRAMS[name]) <= Tier.QUICK for name in row.programs):
            assert set(row.programs) <= names


def test_a_part_of_a_word_picks_nothing():
    with pytest.raises(UnknownSelectionError):
        picked(["pipel"], Tier.QUICK)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return a folder of results with one run, and how that ended."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks", "run", "--only", "guard.call.breaker", "--rounds", "2"]
    ended = subprocess.run([*command, "--results", results], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return results, ended


def test_a_run_from_the_shell_to_its_report(ran):
    results, ended = ran
    (folder,) = results.iterdir()
    run = json.loads((folder / "run.json").read_text())
    assert {sample["program"] for sample in run["samples"]} == set(run["programs"])
    assert all(described["status"] == "measured" for described in run["programs"].values())
    assert {"report.html", "report.md", "samples.csv"} <= {path.name for path in folder.iterdir()}
    assert "CircuitBreaker" in ended.stdout
    again = subprocess.run(
        [sys.executable, "-m", "benchmarks", "compare", folder, folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr


def test_an_interrupted_run_goes_on_from_the_shell(ran, tmp_path):
    shutil.copytree(ran[0], tmp_path, dirs_exist_ok=True)
    (folder,) = tmp_path.iterdir()
    (folder / "run.json").unlink()
    samples = (folder / "samples.jsonl").read_bytes()
    (folder / "samples.jsonl").write_bytes(samples[:-20])
    command = [sys.executable, "-m", "benchmarks", "run", "--results", tmp_path, "--resume"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    kept = (folder / "samples.jsonl").read_bytes()
    assert kept.startswith(samples[: samples[:-20].rfind(b"\n") + 1])
    assert len(kept.splitlines()) == len(samples.splitlines())


@pytest.mark.parametrize(("passes", "code", "times"), [([True], 0, 1), ([False, True], 0, 2), ([False, False], 1, 2)])
def test_a_gate_that_fails_is_measured_once_more(monkeypatch, capsys, tmp_path, passes, code, times):
    measured, answers = [], iter(passes)
    monkeypatch.setattr(commands, "measured", lambda folder, plan: measured.append(plan["seed"]) or plan)
    monkeypatch.setattr(commands, "gate_report", lambda fresh, recorded, rows: ("the table", next(answers)))
    assert main(["gate", "--results", str(tmp_path)]) == code
    assert len(set(measured)) == times
    assert capsys.readouterr().out.count("the table") == times
