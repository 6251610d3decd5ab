"""A run as one page of HTML that needs nothing else: no network, no script, no file beside it."""

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.analysis.targets import PLANNED
from benchmarks.report import reading
from benchmarks.report.conditions import conditions, environment_table, environments
from benchmarks.report.costs import suite_title, suites
from benchmarks.report.plots import Plots, plots
from benchmarks.report.svg import COLOURS, inlined
from benchmarks.report.tables import (
    Line,
    Table,
    feature_meanings,
    feature_table,
    program_table,
    row_table,
    rows_of,
    target_table,
)

TEMPLATE = "page.html.jinja"


def coded(text: str) -> Markup:
    """Return text as HTML shows it as it is; what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    shown = (Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts))
    return Markup().join(shown)


def anchor(text: str) -> str:
    """Return what a heading is linked by."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"


def html(run: Run, rows: Sequence[Row], drawn: Plots | None = None) -> str:
    """Return a run as a page.

    Args:
        run: what was measured.
        rows: those of all suites; those that the run did not mean to measure are left out.
        drawn: the run's plots, if they are there already.
    """
    drawn = plots(run) if drawn is None else drawn
    compared = reading.comparisons(run)
    sections = [
        {
            "id": f"suite-{anchor(suite)}",
            "title": suite_title(suite),
            "rows": row_table(run, rows_of(run, rows, suite)),
            "groups": [
                {
                    "id": f"work-{anchor(group.name)}",
                    "title": group.title,
                    "table": program_table(run, group),
                    "plots": [{"title": plot.title, "svg": Markup(inlined(plot.svg))} for plot in drawn.of(group)],  # noqa: S704 - made by `svg_of`, which escapes
                }
                for group in groups
            ],
        }
        for suite, groups in suites(run).items()
    ]
    return _template().render(
        absent=reading.absent(run),
        colours=COLOURS,
        comparisons=compared,
        conditions=conditions(run),
        data=run.data,
        environments=environments(run),
        environment_table=environment_table(run),
        feature_meanings=feature_meanings(run),
        feature_table=feature_table(run),
        left_out=drawn.left_out,
        noise=reading.noise(run, rows),
        planned=len(PLANNED),
        sections=sections,
        target_table=target_table(run, rows),
        targets=reading.targets(run, rows),
        verdict=reading.verdict(compared),
    )


def _template() -> Template:
    """Return the page's template, in which all is escaped."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"coded": coded}
    environment.globals |= {"cells_of": cells_of}
    return environment.get_template(TEMPLATE)


def cells_of(table: Table, line: Line) -> list[tuple[str, str, int]]:
    """Return what a line's cells say, their class and how many columns they take."""
    noted = len(table.headings) - table.words - table.words_last
    found = []
    for index, cell in enumerate(line.cells):
        words = table.holds_words(index)
        if line.note and not words:
            if index == table.words:
                found.append((line.note, "note", noted))
            continue
        sized = table.words == 2 and index == 0
        found.append((cell, "size" if sized else "words" if words else "figure", 1))
    return found
