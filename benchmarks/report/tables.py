"""The tables of a run, before they are Markdown or HTML: headings and cells, code in them between backticks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.analysis.estimates import Estimate
from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.analysis.targets import NOT_BUILT, PLANNED, Planned
from benchmarks.harness.features import FEATURES
from benchmarks.report.costs import (
    MOST_COLUMNS,
    Column,
    Group,
    columns,
    is_measured,
    main_column,
    measured_row,
    number,
    programs_of,
    reason_of,
    suite_of,
    suite_title,
)

# With fewer rounds nothing is certain, however alike they are.
FEWEST_TOLD = 3


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Args:
        cells: as many as there are headings, or fewer if there is a note.
        note: said in place of the figures that the line has not.
        kind: what the line is shown as: a verdict, ``absent``, ``atrio``.
    """

    cells: tuple[str, ...]
    note: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        headings: of its columns.
        lines: below them.
        words: how many columns, from the first one on, hold words; those behind them hold figures.
        words_last: how many of the last columns hold words.
    """

    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    words: int = 1
    words_last: int = 0

    def __bool__(self) -> bool:
        return bool(self.lines)

    def holds_words(self, index: int) -> bool:
        """Tell whether a column holds words, not figures."""
        return index < self.words or index >= len(self.headings) - self.words_last


def interval_of(figure: Estimate, row: Row) -> str:
    """Return where a row's figure lies."""
    return f"{row.shown(figure.low)} to {row.shown(figure.high)}"


def verdict_of(row: Row, figure: Estimate) -> str:
    """Say whether a target was met, and whether the other verdict lies in the interval as well."""
    verdict = row.verdict(figure.median)
    if verdict and figure.rounds < FEWEST_TOLD:
        return f"{verdict}, uncertain"
    if not verdict or {row.verdict(figure.low), row.verdict(figure.high)} == {verdict}:
        return verdict
    return f"{verdict}, uncertain"


def rows_of(run: Run, rows: Iterable[Row], suite: str) -> list[Row]:
    """Return the rows of a suite that this run meant to measure."""
    return [row for row in rows if suite_of(row) == suite and all(name in run.programs for name in row.programs)]


def row_table(run: Run, rows: Iterable[Row]) -> Table:
    """Return what was measured of each row, and what it should be."""
    lines = []
    for row in rows:
        figure = measured_row(row, run)
        if figure is None:
            why = "; ".join(_missing(run, row)) or "no round has all of it"
            lines.append(Line((row.label, "", "", row.target, ""), note=f"not measured: {why}", kind="absent"))
            continue
        verdict = verdict_of(row, figure)
        cells = (row.label, row.shown(figure.median), interval_of(figure, row), row.target, verdict)
        lines.append(Line(cells, kind=verdict.partition(",")[0] or ("control" if row.control else "")))
    return Table(("what", "measured", "95 % interval", "target", "verdict"), tuple(lines), words_last=2)


def _missing(run: Run, row: Row) -> list[str]:
    """Return why a row's programs have no samples."""
    absent = [name for name in row.programs if not is_measured(run, name)]
    if not any(name in run.programs for name in absent):
        return [reason_of(run, name) for name in absent[:1]]
    return [f"{name}: {reason_of(run, name)}" for name in absent]


def program_table(run: Run, group: Group) -> Table:
    """Return what the programs of a group cost, and what they do for it."""
    shown = columns(run, group.works)[:MOST_COLUMNS]
    main = main_column(run, group.works)
    sized = bool(group.sizes)
    headings = (
        *((group.what,) if sized else ()),
        "program",
        *(column.heading for column in shown),
        "spread",
        "hears",
        "features",
    )
    lines = []
    for index, work in enumerate(group.works):
        for name in programs_of(run, work):
            first = (f"{group.sizes[index]:,}",) if sized else ()
            lines.append(_program_line(run, name, first, shown, main))
    return Table(headings, tuple(lines), words=len(headings) - len(shown) - 3, words_last=2)


def _program_line(run: Run, name: str, first: tuple[str, ...], shown: Sequence[Column], main: Column | None) -> Line:
    """Return what a program costs."""
    program = run.programs[name]
    begin = (*first, program["label"])
    end = (program.get("hears", "quiet"), ", ".join(program.get("features", ())) or "none")
    if not is_measured(run, name):
        return Line((*begin, *[""] * (len(shown) + 1), *end), note=reason_of(run, name), kind="absent")
    figures = [column.of(name, run) for column in shown]
    told = main.of(name, run) if main else None
    return Line(
        (
            *begin,
            *("" if figure is None else number(figure.median) for figure in figures),
            "" if told is None else f"{told.spread:.0%}",
            *end,
        ),
        kind="atrio" if program.get("subject") == "atrio" else "",
    )


def feature_table(run: Run) -> Table:
    """Return what each program does beside the work itself; a program of several sizes has one line."""
    used = {feature for program in run.programs.values() for feature in program.get("features", ())}
    kept = [feature for feature in FEATURES if feature in used] + sorted(used - set(FEATURES))
    found: dict[tuple[str, ...], None] = {}
    for program in run.programs.values():
        has = ["yes" if feature in program.get("features", ()) else "no" for feature in kept]
        suite = suite_title(program["work"].partition(".")[0])
        found[suite, program["label"], program.get("hears", "quiet"), *has] = None
    titles = [FEATURES[feature].title if feature in FEATURES else feature for feature in kept]
    # Programs of a suite stay together, in the order of the run.
    suites = list(dict.fromkeys(cells[0] for cells in found))
    lines = tuple(Line(cells) for cells in sorted(found, key=lambda cells: suites.index(cells[0])))
    return Table(("suite", "program", "hears", *titles), lines, words=3 + len(kept))


def feature_meanings(run: Run) -> list[tuple[str, str]]:
    """Return what the features mean that programs of this run have."""
    used = {feature for program in run.programs.values() for feature in program.get("features", ())}
    return [(feature.title, feature.meaning) for name, feature in FEATURES.items() if name in used]


def target_table(run: Run, rows: Sequence[Row], planned: Sequence[Planned] = PLANNED) -> Table:
    """Return all targets: those that were missed first, then those that were met; those without a figure last.

    Args:
        run: what was measured.
        rows: the suite's; of these, those that have a target and that the run meant to measure are shown.
        planned: the targets that no row has yet.
    """
    aimed = [row for row in rows if row.target and all(name in run.programs for name in row.programs)]
    figures = {row: measured_row(row, run) for row in aimed}

    def place(row: Row) -> int:
        figure = figures[row]
        return 2 if figure is None else 0 if row.verdict(figure.median) == "missed" else 1

    ordered = sorted(aimed, key=place)
    table = row_table(run, ordered)
    parts = [suite_title(suite_of(row)) for row in ordered]
    lines = [replace(line, cells=(part, *line.cells)) for part, line in zip(parts, table.lines, strict=True)]
    unbuilt = (
        Line((each.part.capitalize(), each.label, "", "", each.target, ""), NOT_BUILT, "absent") for each in planned
    )
    return Table(("part", *table.headings), (*lines, *unbuilt), words=2, words_last=table.words_last)
