"""Print how fast atrio is, as ratios to its yardsticks: ``python benchmarks/ratios.py``.

One process, interleaved rounds in a new order each, CPU time, medians. Garbage is collected before each sample, and the
collector is on while it runs, as it is in life. Startup and memory are measured on processes of their own, and batches
that sleep by wall time.
"""

import argparse
import json
import os
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from report import SEED, conditions, quietest, suite_markdown, write_markdown
from suites import SUITES

SCHEMA = 1


def run_suite(name: str, rounds: int | None, command: str, *, rigorous: bool) -> dict[str, Any]:
    """Measure one suite; return its samples, and what they hold for."""
    suite, began, load_before = SUITES[name], datetime.now(UTC), os.getloadavg()[0]
    rounds = rounds or suite.rounds
    labels, samples = suite.measure(rounds, Random(SEED), rigorous)
    return {
        "command": command,
        "began": f"{began:%Y-%m-%d %H:%M} UTC",
        "rounds": rounds,
        "rigorous": rigorous,
        "load": [load_before, os.getloadavg()[0]],
        "conditions": conditions(),
        "labels": labels,
        # Six digits are more than a clock has; what is shown comes from these, so that a file shows the same.
        "samples": {key: [float(f"{sample:.6g}") for sample in each] for key, each in samples.items()},
    }


def command_of(options: argparse.Namespace) -> str:
    """Return the command line that measures the same, without the files that it writes."""
    words = ["python", "benchmarks/ratios.py"]
    if options.only:
        words += ["--only", *options.only]
    if options.rounds:
        words += ["--rounds", str(options.rounds)]
    return shlex.join([*words, "--rigorous"] if options.rigorous else words)


def arguments() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    parser = argparse.ArgumentParser(description="Print how fast atrio is, as ratios to its yardsticks.")
    defaults = ", ".join(f"{suite.rounds} {name}" for name, suite in SUITES.items())
    parser.add_argument("--rounds", type=int, help=f"how often everything is measured (default: {defaults})")
    parser.add_argument("--only", choices=SUITES, nargs="+", metavar="SUITE", help=f"some only: {', '.join(SUITES)}")
    parser.add_argument("--rigorous", action="store_true", help="a stream of 1,000,000 items instead of 200,000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to a file")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables to a file, between its marks if it has them"
    )
    parser.add_argument(
        "--from",
        type=Path,
        nargs="+",
        metavar="FILE",
        dest="sources",
        help="measure nothing, take the samples that --json wrote: of each suite those with the least noise",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = arguments()
    options = parser.parse_args(argv)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    measured: dict[str, Any] = {"schema": SCHEMA, "suites": {}}
    if options.sources:
        measured |= quietest([json.loads(path.read_text()) for path in options.sources])
    wanted = options.only or list(SUITES)
    for name in SUITES:
        if name in wanted and not options.sources:
            command = command_of(options)
            measured["suites"][name] = run_suite(name, options.rounds, command, rigorous=options.rigorous)
        if name in measured["suites"]:
            print(suite_markdown(name, measured["suites"][name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n")
    if options.markdown:
        write_markdown(options.markdown, measured)


if __name__ == "__main__":
    main()
