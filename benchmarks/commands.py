"""What the suite's commands do."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.analysis import compare as comparing
from benchmarks.analysis.gate import gate_report
from benchmarks.analysis.runs import Run
from benchmarks.catalogue import PROGRAMS, ROWS, WORKS, picked, tier_of
from benchmarks.harness import machine
from benchmarks.harness.environments import Environments
from benchmarks.harness.folders import WHOLE, RunFolder
from benchmarks.harness.measuring import ROUNDS, ROUNDS_OF_LONG, SCHEMA, Measurement
from benchmarks.harness.processes import ROOT
from benchmarks.harness.programs import Tier
from benchmarks.harness.progress import shown_progress
from benchmarks.report.markdown import write_into
from benchmarks.report.terminal import show
from benchmarks.report.write import write_report

RESULTS = ROOT / "benchmarks" / "results"
REFERENCE = RESULTS / "reference.json"
ENVIRONMENTS = ROOT / "benchmarks" / ".environments"
VERSIONS = ROOT / "benchmarks" / "rivals" / "versions.toml"
PAGE = ROOT / "docs" / "benchmarks.md"


class RefusedError(Exception):
    """What was asked for cannot be done; the message says why."""


def run(options: argparse.Namespace) -> int:
    """Measure, or go on measuring; write the report and print its tables."""
    if options.resume:
        if options.core or options.rigorous or options.only or options.rounds:
            raise RefusedError(
                "--resume goes on with what the interrupted run was asked for, and takes no other choice"
            )
        folder = RunFolder.to_resume(options.results)
        plan = folder.plan()
        print(f"going on with {folder.path}: {plan['command']}", file=sys.stderr)
    else:
        folder, plan = begun(options.results, asked_tier(options), options.only, options.rounds, options.seed)
    whole = measured(folder, plan)
    show(Run(whole), ROWS)
    written = write_report(Run(whole), ROWS, folder.path)
    print("written:", *(f"  {path}" for path in [folder.path / WHOLE, *written]), sep="\n", file=sys.stderr)
    return 0


def asked_tier(options: argparse.Namespace) -> Tier:
    """Return how much is measured."""
    if options.rigorous:
        return Tier.RIGOROUS
    return Tier.CORE if options.core else Tier.QUICK


def begun(
    results: Path, tier: Tier, only: Sequence[str], rounds: int | None, seed: int
) -> tuple[RunFolder, dict[str, Any]]:
    """Begin a run: return its folder, and its plan, which is written there."""
    programs = picked(only, tier)
    began = datetime.now(UTC)
    name = f"{began:%Y%m%d-%H%M%S}-{tier.name.lower()}"
    plan = {
        "schema": SCHEMA,
        "id": name,
        "command": command_of(tier, only, rounds),
        "tier": tier.name,
        "rounds": rounds or ROUNDS[tier],
        "rounds_of_long": rounds or ROUNDS_OF_LONG[tier],
        "seed": seed,
        "began": f"{began:%Y-%m-%dT%H:%M:%SZ}",
        "commit": machine.commit(ROOT),
        "machine": machine.conditions(),
        "load": {"before": machine.load()},
        "selected": [program.name for program in programs],
    }
    folder = RunFolder(results / name)
    folder.write_plan(plan)
    return folder, plan


def command_of(tier: Tier, only: Sequence[str], rounds: int | None) -> str:
    """Return the command line that measures the same."""
    words = ["python", "-m", "benchmarks", "run"]
    if tier is not Tier.QUICK:
        words.append(f"--{tier.name.lower()}")
    if only:
        words += ["--only", ",".join(only)]
    if rounds:
        words += ["--rounds", str(rounds)]
    return shlex.join(words)


def measured(folder: RunFolder, plan: dict[str, Any]) -> dict[str, Any]:
    """Measure what the plan says and is not measured yet; return the whole run, which is written to its folder."""
    with shown_progress() as progress:
        measurement = Measurement(
            programs=[PROGRAMS[name] for name in plan["selected"]],
            works=WORKS,
            folder=folder,
            rounds=plan["rounds"],
            rounds_of_long=plan["rounds_of_long"],
            seed=plan["seed"],
            environments=Environments(ENVIRONMENTS, VERSIONS),
            progress=progress,
        )
        plan["prepared"] = measurement.prepare(plan.get("prepared"))
        folder.write_plan(plan)
        measurement.take(plan["prepared"])
        progress.end()
    prepared = plan["prepared"]
    whole = measurement.whole({name: value for name, value in plan.items() if name != "prepared"}, prepared)
    folder.write_whole(whole)
    return whole


def report(options: argparse.Namespace) -> int:
    """Make the report of a run anew; with ``--docs`` make it the reference."""
    path = file_of(options.run)
    read = Run.read(path)
    if options.docs and (missing := missing_in(read)):
        raise RefusedError(
            f"{path} is no run to record, because it lacks {', '.join(missing[:5])}, {len(missing)} in all"
        )
    for written in write_report(read, ROWS, path.parent):
        print(written)
    if options.docs:
        if path != REFERENCE:
            shutil.copyfile(path, REFERENCE)
        write_into(PAGE, read, ROWS)
        print(REFERENCE, PAGE, sep="\n")
    return 0


def missing_in(read: Run) -> list[str]:
    """Return the programs that the recorded run must have measured, and this one has not."""
    wanted = {name: None for row in ROWS if row.target or row.gate for name in row.programs}
    return [name for name in wanted if read.absence(name)]


def file_of(path: Path) -> Path:
    """Return the run's file, which was named by itself or by its folder."""
    return path / WHOLE if path.is_dir() else path


def compare(options: argparse.Namespace) -> int:
    """Say what changed between two runs."""
    old, new = (Run.read(file_of(path)) for path in (options.old, options.new))
    print(comparing.comparison_text(comparing.compared(old, new)))
    return 0


def gate(options: argparse.Namespace) -> int:
    """Measure the core, and hold its ratios against the recorded ones; once more, if it failed.

    A machine that runs some processes at half their speed can spoil most rounds of a row, one time in many; what became
    slower is slower the second time, too.
    """
    recorded = Run.read(options.reference)
    gated = sorted({name for row in ROWS if row.gate for name in row.programs})
    for seed in (20, 21):
        folder, plan = begun(options.results / f"gate-{seed}", Tier.CORE, gated, options.rounds, seed)
        text, ok = gate_report(Run(measured(folder, plan)), recorded, ROWS)
        print(text)
        if ok:
            return 0
    return 1


def listed(_: argparse.Namespace) -> int:
    """Print every program."""
    for program in PROGRAMS.values():
        having = ", ".join(program.features) or "nothing beside the work"
        where = f"; environment {program.environment}" if program.environment else ""
        print(f"{program.name}\n    {program.label}: {having}; {program.hears}; {tier_of(program).name.lower()}{where}")
    print(f"{len(PROGRAMS)} programs, {len(WORKS)} works")
    return 0
