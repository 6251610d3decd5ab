"""Runs as the suite would write them: made up, and made of real samples that were taken on a shared machine."""

import json
from pathlib import Path

import numpy as np

from benchmarks.analysis.runs import Run

# Interleaved samples of 52 programs, CPU or wall seconds, taken beside other work on a machine with two cores.
SAMPLES = json.loads((Path(__file__).parent / "shared_machine_samples.json").read_text())
OURS = {"breaker", "limiter", "pool", "import atrio"}


def is_ours(name):
    return name.startswith("atrio") or name in OURS


def run_of(programs, works=None, **more):
    """Return a run of programs, each by name with its costs round by round (None: not there), or as a whole."""
    described, samples = {}, []
    for name, given in programs.items():
        whole = given if isinstance(given, dict) else {"costs": given}
        known = {key: value for key, value in whole.items() if key not in {"costs", "figures"}}
        described[name] = {"work": name.rpartition(".")[0], "subject": "atrio", "status": "measured", **known}
        for figure, costs in (whole.get("figures") or {"cpu_s": whole.get("costs", [])}).items():
            samples += [
                {"program": name, "round": round_, "values": {figure: cost if isinstance(cost, list) else [cost]}}
                for round_, cost in enumerate(costs)
                if cost is not None
            ]
    described_works = {each["work"]: {"title": each["work"], "unit": "run"} for each in described.values()}
    content = {
        "schema": 1,
        "id": "made-up",
        "ended": "2026-11-22T10:06:00Z",
        "machine": {"machine": "Linux x86_64, 8 cores"},
        "works": {**described_works, **(works or {})},
        "programs": described,
        "samples": samples,
    }
    return Run({**content, **more})


def drawn_run(rng, rounds, *, pace=1.0, slower=(), factor=1.15):
    """Return a run of real samples: whole rounds drawn anew, on a machine of some pace, some programs slower."""
    programs = {}
    for suite, samples in SAMPLES.items():
        table = np.array(list(samples.values()))
        drawn = table[:, rng.integers(0, table.shape[1], rounds)] * pace
        for name, costs in zip(samples, drawn, strict=True):
            whole = f"{suite}.{name}"
            costs_s = costs * factor if whole in slower else costs
            programs[whole] = {"costs": costs_s.tolist(), "subject": "atrio" if is_ours(name) else "other"}
    return run_of(programs)
