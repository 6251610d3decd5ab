"""What was measured, as Markdown: always made from the samples as they are kept, never from anything else."""

import platform
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from random import Random
from typing import Any

from rows import Row, row_table
from sampling import Estimate, noise_in, spread_of
from suites import SUITES

SEED = 20
MEASURED_PACKAGES = ("atrio", "trio", "attrs", "structlog", "orjson")
BEGIN = "<!-- measured: begin (made by benchmarks/ratios.py --markdown; not to be edited) -->"
END = "<!-- measured: end -->"


def conditions() -> dict[str, str]:
    """Return what the figures hold for."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in MEASURED_PACKAGES),
        "machine": f"{platform.system()} {platform.machine()}, {cpu_count()} cores",
    }


def figures_of(name: str, run: Mapping[str, Any]) -> list[tuple[Row, Estimate | None]]:
    """Return each row of a suite with its figure."""
    rng = Random(SEED)
    return [(row, row.measured(run["samples"], rng)) for row in SUITES[name].rows(run["rigorous"])]


def noise_of(name: str, run: Mapping[str, Any]) -> float:
    """Return how noisy the machine was: the mean spread of the samples, or a control's distance from 1 if larger."""
    samples = run["samples"]
    controls = [
        statistics.median(above / below for above, below in zip(samples[row.above], samples[row.below], strict=True))
        for row in SUITES[name].rows(run["rigorous"])
        if row.control
    ]
    return max(statistics.fmean(map(spread_of, samples.values())), *(abs(1 - control) for control in controls), 0.0)


def warnings_of(run: Mapping[str, Any], figures: Sequence[tuple[Row, Estimate | None]]) -> list[str]:
    """Return a warning for each sign of noise."""
    labelled = {run["labels"].get(key, key): samples for key, samples in run["samples"].items()}
    return noise_in(labelled, [figure for row, figure in figures if row.control and figure is not None])


def quietest(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one run, with each suite from the run in which it was measured with the least noise."""
    found: dict[str, Any] = {}
    for name in SUITES:
        candidates = [run["suites"][name] for run in runs if name in run["suites"]]
        if candidates:
            found[name] = min(candidates, key=partial(noise_of, name))
    return {"suites": found}


def suite_markdown(name: str, run: Mapping[str, Any], heading: str = "##") -> str:
    """Return the tables of a suite, with what they hold for."""
    suite, figures = SUITES[name], figures_of(name, run)
    before, after = run["load"]
    return "\n".join(
        [
            f"{heading} {suite.title}",
            "",
            f"- command: `{run['command']}`",
            f"- {run['rounds']} rounds, begun {run['began']}",
            f"- load {before:.2f} before and {after:.2f} after, noise {noise_of(name, run):.1%}",
            *(f"- {what}: {value}" for what, value in run["conditions"].items()),
            *(f"- **noisy machine**: {warning}" for warning in warnings_of(run, figures)),
            "",
            row_table(figures),
            "",
            suite.costs(run["labels"], run["samples"]),
            "",
        ]
    )


def markdown(measured: Mapping[str, Any], heading: str = "##") -> str:
    """Return all suites as Markdown, in the order in which the script has them."""
    there = [name for name in SUITES if name in measured["suites"]]
    return "\n".join(suite_markdown(name, measured["suites"][name], heading) for name in there)


def written_into(page: str, measured: Mapping[str, Any]) -> str:
    """Return the page with the tables between its marks; the tables alone where a page has none."""
    if BEGIN not in page:
        return markdown(measured)
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(measured, '###')}\n{END}{after}"


def write_markdown(path: Path, measured: Mapping[str, Any]) -> None:
    """Write the tables to a file; into a page that has marks for them, between these."""
    path.write_text(written_into(path.read_text() if path.exists() else "", measured))
