"""A run as Markdown: always made from the samples, never typed by hand."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.analysis.estimates import noise_warnings
from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.report import reading
from benchmarks.report.conditions import conditions, environment_table
from benchmarks.report.costs import Group, suite_title, suites
from benchmarks.report.plots import Plots
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

BEGIN = "<!-- measured: begin (made by the benchmark suite from a run's samples; not to be edited) -->"
END = "<!-- measured: end -->"
# The mark of an older page may name another maker.
_BEGINNING = re.compile(r"<!-- measured: begin\b.*?-->", re.DOTALL)
# What Markdown would take for markup, in words that come from programs and their errors.
_MARKUP = re.compile(r"([\\*\[\]|])")


def escaped(text: str) -> str:
    """Return text as Markdown shows it as it is, but for code between backticks."""
    parts = re.sub(r"\s+", " ", text).strip().split("`")
    if len(parts) % 2 == 0:
        return _escaped_words("`".join(parts)).replace("`", "\\`")
    return "`".join(part.replace("|", "\\|") if index % 2 else _escaped_words(part) for index, part in enumerate(parts))


def _escaped_words(text: str) -> str:
    """Return words of which nothing is taken for markup."""
    entities = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", entities)


def table_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    kinds = ["---" if table.holds_words(index) else "---:" for index in range(len(table.headings))]
    lines = [_line(table.headings), f"|{'|'.join(kinds)}|"]
    lines += [_line(_cells(table, line)) for line in table.lines]
    return "\n".join(lines)


def _cells(table: Table, line: Line) -> Sequence[str]:
    """Return a line's cells; a note stands in the first of those that hold figures."""
    return [line.note if line.note and index == table.words else cell for index, cell in enumerate(line.cells)]


def _line(cells: Sequence[str]) -> str:
    """Return cells as a line of a table."""
    # A comparison sign is no markup, and reads better unescaped.
    shown = [escaped(cell).replace("&lt;=", "<=").replace("&gt;=", ">=") for cell in cells]
    return f"| {' | '.join(shown)} |".replace("|  |", "| |").replace("|  |", "| |")


def markdown(
    run: Run, rows: Sequence[Row], heading_level: int = 2, *, plots: Plots | None = None, folder: str = "plots"
) -> str:
    """Return a run as Markdown.

    Args:
        run: what was measured.
        rows: those of all suites; those that the run did not mean to measure are left out.
        heading_level: of the suites' headings; their works are one level below.
        plots: the run's plots, where they are shown as well.
        folder: where a reader of the text finds their files.
    """
    heading = "#" * heading_level
    return "\n".join(
        [
            f"{heading} Conditions",
            "",
            *(f"- {name}: {escaped(said)}" for name, said in conditions(run)),
            *(f"- **noisy machine**: {escaped(warning)}" for warning in noise_warnings(run, rows)),
            "",
            *_with_blank(table_markdown(environment_table(run))),
            f"{heading} What this run says",
            "",
            *_with_blank(_reading(run, rows)),
            f"{heading} All targets",
            "",
            *_with_blank(table_markdown(target_table(run, rows))),
            *(
                line
                for suite, groups in suites(run).items()
                for line in _suite(run, rows, suite, groups, heading, plots, folder)
            ),
            f"{heading} What each program does",
            "",
            *(f"- **{title}**: {meaning}" for title, meaning in feature_meanings(run)),
            "",
            *_with_blank(table_markdown(feature_table(run))),
        ]
    )


def _reading(run: Run, rows: Sequence[Row]) -> str:
    """Return what the figures say, in sentences made from them alone."""
    compared = reading.comparisons(run)
    said = [f"{reading.verdict(compared)} {reading.targets(run, rows).said}", ""]
    for each in compared:
        said.append(f"- {escaped(each.title)} ({escaped(each.hears)}). {escaped(each.atrio)}.")
        said += [f"  - {escaped(sentence)}" for sentence in each.said]
    return "\n".join(said)


def _suite(
    run: Run,
    rows: Sequence[Row],
    suite: str,
    groups: Sequence[Group],
    heading: str,
    plots: Plots | None,
    folder: str,
) -> list[str]:
    """Return the tables of a suite."""
    lines = [f"{heading} {escaped(suite_title(suite))}", ""]
    table = row_table(run, rows_of(run, rows, suite))
    if table:
        lines += _with_blank(table_markdown(table))
    for group in groups:
        lines += [f"{heading}# {escaped(group.title)}", "", *_with_blank(table_markdown(program_table(run, group)))]
        for plot in plots.of(group) if plots else ():
            lines += [f"![{escaped(plot.title)}]({folder}/{plot.name}.svg)", ""]
    return lines


def _with_blank(text: str) -> list[str]:
    """Return text and the empty line that ends it in Markdown."""
    return [text, ""]


def written_into(page: str, run: Run, rows: Sequence[Row]) -> str:
    """Return a page with the tables between its marks, and all else as it was; without marks, the tables alone.

    Args:
        page: what the page is now.
        run: what was measured.
        rows: those of all suites.
    """
    begin = _BEGINNING.search(page)
    if begin is None:
        return markdown(run, rows)
    _, end, after = page[begin.end() :].partition(END)
    if not end:
        raise ValueError(f'the page has a mark "measured: begin", and none that ends it: {END}')
    return f"{page[: begin.start()]}{BEGIN}\n\n{markdown(run, rows, 3)}\n{END}{after}"


def write_into(path: Path, run: Run, rows: Sequence[Row]) -> None:
    """Write the tables to a file; into a page that has marks for them, between these."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(written_into(page, run, rows), encoding="utf-8")
