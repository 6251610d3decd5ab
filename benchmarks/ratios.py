"""Print how fast atrio is, as ratios to its yardsticks: ``python benchmarks/ratios.py``.

One process, interleaved rounds in a new order each, CPU time, medians. Garbage is collected before each sample, and the
collector is on while it runs, as it is in life. Startup is measured on processes of their own.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random

from contestants import STAGES, check_fairness, contestants, sampler
from sampling import Ratio, interleave, noise_in, ratio_of, spread_of
from startup import programs, starter

SEED = 20
ROUNDS = {"pipeline": 30, "startup": 15}
MEASURED_PACKAGES = ("trio", "attrs", "structlog", "orjson")

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Row:
    """A ratio to show: of what to what, and what it should be."""

    label: str
    above: str
    below: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The target as the table shows it."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"

    def verdict(self, measured: float) -> str:
        """Say whether the target was met; nothing where there is none."""
        if self.at_most is not None:
            return "met" if measured <= self.at_most else "missed"
        if self.at_least is not None:
            return "met" if measured >= self.at_least else "missed"
        return ""


HAND = "hand-written loop"
LINE = "a JSON line a stage"
PIPELINE_ROWS = (
    Row(f"atrio, nobody listening / {HAND}", "atrio", "hand", at_most=0.45),
    Row(f"atrio, {LINE}, plain function, buffered / {HAND}", "atrio json", "hand", at_most=0.90),
    Row(f"atrio, {LINE}, sink at info, buffered / {HAND}", "atrio json at info", "hand", at_most=0.90),
    Row(f"atrio, {LINE}, sink at info, unbuffered / {HAND}", "atrio json unbuffered", "hand"),
    Row(f"atrio, `StructlogSink` at info (orjson), flushed a line / {HAND}", "atrio structlog", "hand"),
    Row("twin / atrio, both quiet", "twin", "atrio", at_least=2.5),
    Row(f"twin / atrio, both {LINE}, at info, buffered", "twin json", "atrio json at info", at_least=2.5),
    Row(f"twin / atrio, both {LINE}, atrio's by a plain function, buffered", "twin json", "atrio json"),
    Row(f"twin / atrio, both {LINE}, at info, unbuffered", "twin json unbuffered", "atrio json unbuffered"),
    Row("twin with `asyncio.timeout` / atrio, both quiet", "twin timeout", "atrio"),
    Row(f"twin with `asyncio.timeout` / atrio, both {LINE}, at info", "twin timeout json", "atrio json at info"),
    Row(f"control: {HAND} / itself", "hand again", "hand"),
)
STARTUP_ROWS = (
    Row("`import atrio` / `import trio`, CPU", "import atrio", "import trio", at_most=1.4),
    Row("`atrio --help` / `import trio`, CPU", "atrio --help", "import trio", at_most=2.5),
    Row("`import atrio` / `import trio`, wall", "import atrio, wall", "import trio, wall"),
    Row("`atrio --help` / `import trio`, wall", "atrio --help, wall", "import trio, wall"),
    Row("`import atrio` / `import trio`, CPU above a bare interpreter's", "import atrio, net", "import trio, net"),
)


# --- Measuring ---


def pipeline_samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each contestant is, and its CPU seconds per run, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        entered = contestants(Path(folder))
        check_fairness(entered)
        samples = interleave({name: sampler(each) for name, each in entered.items()}, rounds, rng)
    return {name: each.label for name, each in entered.items()}, samples


def startup_samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each program is, and its seconds per start: CPU, wall, and CPU net of the bare interpreter's."""
    costs = interleave({name: starter(command) for name, command in programs().items()}, rounds, rng)
    cpu = {name: [cost.cpu_s for cost in each] for name, each in costs.items()}
    wall = {f"{name}, wall": [cost.wall_s for cost in each] for name, each in costs.items()}
    bare = statistics.median(cpu["python -c pass"])
    net = {f"{name}, net": [cost - bare for cost in each] for name, each in cpu.items() if name.startswith("import")}
    return {name: f"`{name}`" for name in cpu}, {**cpu, **wall, **net}


# --- Showing ---


def ratios_of(rows: Sequence[Row], samples: Samples, rng: Random) -> list[tuple[Row, Ratio | None]]:
    """Return each row with its ratio, or with nothing where a contestant does not exist."""
    return [
        (row, ratio_of(samples[row.above], samples[row.below], rng) if {row.above, row.below} <= set(samples) else None)
        for row in rows
    ]


def ratio_table(measured: Sequence[tuple[Row, Ratio | None]]) -> str:
    """Return the ratios as a Markdown table."""
    lines = ["| ratio | measured | 95 % interval | target | verdict |", "|---|---|---|---|---|"]
    for row, ratio in measured:
        if ratio is None:
            lines.append(f"| {row.label} | | | {row.target} | not there yet |")
            continue
        interval = f"{ratio.low:.3f} to {ratio.high:.3f}"
        lines.append(f"| {row.label} | {ratio.median:.3f} | {interval} | {row.target} | {row.verdict(ratio.median)} |")
    return "\n".join(lines)


def pipeline_costs(labels: Mapping[str, str], samples: Samples) -> str:
    """Return what a run and a stage cost, as a Markdown table."""
    lines = ["| contestant | us a run | us a stage | spread |", "|---|---|---|---|"]
    for name, label in labels.items():
        run_us = statistics.median(samples[name]) * 1e6
        lines.append(f"| {label} | {run_us:.0f} | {run_us / STAGES:.2f} | {spread_of(samples[name]):.0%} |")
    return "\n".join(lines)


def startup_costs(labels: Mapping[str, str], samples: Samples) -> str:
    """Return what a start costs, as a Markdown table."""
    lines = ["| program | CPU ms | wall ms | spread |", "|---|---|---|---|"]
    for name, label in labels.items():
        cpu_ms, wall_ms = (statistics.median(samples[key]) * 1e3 for key in (name, f"{name}, wall"))
        lines.append(f"| {label} | {cpu_ms:.0f} | {wall_ms:.0f} | {spread_of(samples[name]):.0%} |")
    return "\n".join(lines)


def conditions() -> dict[str, str]:
    """Return what the figures hold for."""
    packages = ", ".join(f"{name} {version(name)}" for name in MEASURED_PACKAGES)
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": packages,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "garbage collection": "collected before each sample, enabled during it",
    }


SUITES = {
    "pipeline": (f"Pipeline of {STAGES} no-op stages", pipeline_samples, PIPELINE_ROWS, pipeline_costs),
    "startup": ("Startup", startup_samples, STARTUP_ROWS, startup_costs),
}


def run_suite(name: str, rounds: int) -> dict[str, object]:
    """Measure one suite, print its tables, and return what a program may want to read."""
    title, measure, rows, costs = SUITES[name]
    labels, samples = measure(rounds, Random(SEED))
    measured = ratios_of(rows, samples, Random(SEED))
    print(f"## {title}, {rounds} rounds\n\n{ratio_table(measured)}\n\n{costs(labels, samples)}\n")
    control = next((ratio for row, ratio in measured if row.above == "hand again"), None)
    warnings = noise_in({label: samples[key] for key, label in labels.items()}, control)
    for warning in warnings:
        print(f"noisy machine: {warning}", file=sys.stderr)
    ratios = [
        {"label": row.label, **asdict(ratio), "target": row.target, "verdict": row.verdict(ratio.median)}
        for row, ratio in measured
        if ratio is not None
    ]
    return {"rounds": rounds, "ratios": ratios, "samples_s": samples, "warnings": warnings}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Print how fast atrio is, as ratios to its yardsticks.")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (default: 30, and 15 for startup)")
    parser.add_argument("--only", choices=SUITES, help="one suite only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to a file")
    options = parser.parse_args(argv)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    measured_under = conditions()
    print("\n".join(f"- {name}: {value}" for name, value in measured_under.items()), end="\n\n")
    names = [options.only] if options.only else list(SUITES)
    suites = {name: run_suite(name, options.rounds or ROUNDS[name]) for name in names}
    if options.json:
        options.json.write_text(json.dumps({"conditions": measured_under, "suites": suites}, indent=1))


if __name__ == "__main__":
    main()
