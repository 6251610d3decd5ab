"""A run as a terminal shows it: its rows, what they say in sentences, and no more; all else is in the report."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table as Shown
from rich.text import Text

from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.report import reading
from benchmarks.report.costs import suite_title, suites
from benchmarks.report.tables import Line, Table, row_table, rows_of

STYLES = {"met": "green", "missed": "bold red", "control": "dim", "absent": "dim"}


def show(run: Run, rows: Sequence[Row], console: Console | None = None) -> None:
    """Print a run's rows, and what they say.

    Args:
        run: what was measured.
        rows: those of all suites; those that the run did not mean to measure are left out.
        console: where to; by default stdout, in a table as wide as its words if that is no terminal.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)
    for suite in suites(run):
        table = row_table(run, rows_of(run, rows, suite))
        if table:
            console.print(Group("", Text(suite_title(suite), style="bold"), shown(table)))
    console.print()
    said = [reading.verdict(reading.comparisons(run)), reading.targets(run, rows).said]
    said += [f"{label} was not measured: {why}" for label, why in reading.absent(run)]
    said += [f"Noisy machine: {warning}" for warning in reading.noise(run, rows)]
    for sentence in said:
        console.print(Text(sentence))


def shown(table: Table) -> Shown:
    """Return a table as rich draws it."""
    drawn = Shown(show_edge=False, pad_edge=False, box=None, header_style="dim")
    for index, heading in enumerate(table.headings):
        drawn.add_column(heading, justify="left" if table.holds_words(index) else "right", overflow="fold")
    for line in table.lines:
        drawn.add_row(*map(Text, cells_of(line)), style=STYLES.get(line.kind, ""))
    return drawn


def cells_of(line: Line) -> Sequence[str]:
    """Return a line's cells, the note in place of its verdict."""
    return (*line.cells[:-1], line.note) if line.note else line.cells
