"""All samples of a run as CSV: a line for each value, to be read by any other program."""

import csv
from collections.abc import Iterator
from pathlib import Path

from benchmarks.analysis.runs import Run
from benchmarks.report.costs import unit_of

COLUMNS = ("program", "work", "round", "figure", "index", "value", "unit")


def lines(run: Run) -> Iterator[tuple[str, str, int, str, int, str, str]]:
    """Return each value of each sample, in the order in which they were taken."""
    for sample in run.data["samples"]:
        program = sample["program"]
        work = run.programs.get(program, {}).get("work", "")
        for figure, values in sample["values"].items():
            unit = unit_of(run.works.get(work, {}), figure)
            for index, value in enumerate(values):
                # Seconds a loop, with all their digits: the file must give the same medians as the run.
                yield program, work, sample["round"], figure, index, repr(value), unit


def write_samples(run: Run, path: Path) -> None:
    """Write all samples to a file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines(run))
