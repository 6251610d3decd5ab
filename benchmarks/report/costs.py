"""What a program's figures are called in tables and plots, in which unit, and which works belong together."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmarks.analysis.estimates import Estimate, estimate_of
from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run

QUANTILE = re.compile(r"q(\d\d)(?:_s)?")
PERCENTILE = re.compile(r"p(\d\d)(?:_s)?")
RATE = "_per_s"
UNITS = ("s", "ms", "us", "bytes", "mb", "kb")
CLOCKS = {"cpu_s": "CPU", "wall_s": "wall"}
SECONDS = ((1e-3, "us", 1e6), (1.0, "ms", 1e3), (float("inf"), "s", 1.0))
# A line through two points says nothing about what lies between them.
FEWEST_SIZES = 3
# A table has no more figures than these; the others are in the file of all samples.
MOST_COLUMNS = 6


TITLES = {
    "startup": "Startup",
    "cancel": "Cancellation and deadlines",
    "scale": "Cost against size",
    "latency": "Latency beside many other runs",
    "attempt": "Attempts",
    "event": "Events",
    "line": "Lines of JSON",
    "guard": "Guarded calls",
    "record": "Records",
    "sleep": "Batches of agents that sleep",
    "step": "The parts of a batch's item",
    "stream": "Streams",
}


def suite_title(suite: str) -> str:
    """Return the heading of a suite."""
    return TITLES.get(suite, suite.replace("-", " ").capitalize())


def suite_of(row: Row) -> str:
    """Return the suite that a row belongs to."""
    return row.above.partition(".")[0]


def number(value: float) -> str:
    """Return a number as it is read: three digits that count, none behind the point from a hundred on."""
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.0995 else 3
    return f"{value:,.{digits}f}" if size >= 0.001 else f"{value:.1e}"


def a_unit(unit: str) -> str:
    """Return what a figure is told for: ``a stage``, ``an item``."""
    return f"an {unit}" if unit[:1] in tuple("aeiou") else f"a {unit}"


def unit_of(work: Mapping[str, Any], figure: str) -> str:
    """Return the unit in which samples of a figure are kept; empty where nothing says it."""
    if figure.endswith(RATE):
        return "a second"
    suffix = figure.rpartition("_")[2] if "_" in figure else ""
    if suffix == "s":
        return "s"
    if figure == work.get("figure") or QUANTILE.fullmatch(figure) or PERCENTILE.fullmatch(figure):
        return work.get("clock", "s")
    return suffix if suffix in UNITS else ""


def title_of(figure: str) -> str:
    """Return what a figure is called: its name, without its unit."""
    if figure.endswith(RATE):
        return figure.removesuffix(RATE).replace("_", " ")
    name, _, suffix = figure.rpartition("_")
    return CLOCKS.get(figure) or (name if name and suffix in UNITS else figure).replace("_", " ")


@dataclass(frozen=True)
class Column:
    """A figure of several programs, all in one unit.

    Args:
        figure: its name in the samples.
        title: what it is called.
        unit: in which it is shown, and for what: ``us a stage``.
        per_unit: it is divided by the size of the work.
        scale: what a sample is multiplied with to be in that unit.
    """

    figure: str
    title: str
    unit: str
    per_unit: bool
    scale: float

    @property
    def heading(self) -> str:
        """What tables and axes write above it."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def short_unit(self) -> str:
        """The unit without what it is told for, with a space before it."""
        return f" {self.unit.split()[0]}" if self.unit else ""

    def of(self, program: str, run: Run) -> Estimate | None:
        """Return a program's figure; None where it has none."""
        return estimated(Row("", program, figure=self.figure, per_unit=self.per_unit, scale=self.scale), run)

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{number(value)}{self.short_unit}"


@dataclass(frozen=True)
class Group:
    """A work, or several that are shown together: one at several sizes, or parts with a program each.

    Args:
        name: the work's name; of several, what their names begin with.
        title: the heading.
        works: their names; of one at several sizes, the smallest first.
        sizes: how large each is; empty where they do not differ by that.
        what: what there is more of from size to size: ``stages``.
    """

    name: str
    title: str
    works: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    what: str = ""

    @property
    def file(self) -> str:
        """Its name as part of a file's."""
        return re.sub(r"[^a-z0-9-]+", "-", self.name.lower()).strip("-") or "work"


def programs_of(run: Run, work: str) -> list[str]:
    """Return the programs of a work, those that were not measured included, in the order of the run."""
    return [name for name, program in run.programs.items() if program["work"] == work]


def is_measured(run: Run, program: str) -> bool:
    """Tell whether a program was measured to the end: one that failed in a later round has samples too."""
    known = run.programs.get(program, {})
    return known.get("status", "measured") == "measured" and run.absence(program) is None


def measured_of(run: Run, work: str) -> list[str]:
    """Return the programs of a work that were measured."""
    return [name for name in programs_of(run, work) if is_measured(run, name)]


def measured_row(row: Row, run: Run) -> Estimate | None:
    """Return a row's figure; None where one of its programs was not measured to the end."""
    return estimated(row, run) if all(is_measured(run, name) for name in row.programs) else None


def estimated(row: Row, run: Run) -> Estimate | None:
    """Return a row's figure; None where no round has all that it needs."""
    rounds = tuple(run.rounds(row))
    return _estimate(rounds) if rounds else None


@lru_cache(maxsize=10_000)
def _estimate(rounds: tuple[float, ...]) -> Estimate:
    """Resample the same rounds once, for all tables and plots that show them."""
    return estimate_of(rounds)


def reason_of(run: Run, program: str) -> str:
    """Return why a program was not measured."""
    known = run.programs.get(program)
    if known is None:
        return "not in this run"
    status = known.get("status", "not measured")
    said = "no samples" if status == "measured" else status
    return f"{said}: {known['reason']}" if known.get("reason") else said


def variant_of(run: Run, program: str) -> str:
    """Return what parts a program's name from that of its work: the same at each size of a work."""
    return program.removeprefix(f"{run.programs[program]['work']}.")


def suites(run: Run) -> dict[str, list[Group]]:
    """Return the works of each suite that have programs, with those together that are shown together."""
    by_suite: dict[str, list[str]] = {}
    for work in run.works:
        if programs_of(run, work):
            by_suite.setdefault(work.partition(".")[0], []).append(work)
    return {suite: _parts(run, suite, works) or _groups(run, works) for suite, works in by_suite.items()}


def _parts(run: Run, suite: str, works: Sequence[str]) -> list[Group]:
    """Return a suite's works as one group, if all have a single program: there is nothing to compare within one."""
    alike = {(run.works[work].get("unit"), run.works[work].get("figure")) for work in works}
    if len(works) < 2 or len(alike) > 1 or any(len(programs_of(run, work)) > 1 for work in works):
        return []
    return [Group(suite, f"{suite_title(suite)}, each by itself", tuple(works))]


def _groups(run: Run, works: Sequence[str]) -> list[Group]:
    """Return a suite's works, with those together that differ by their size alone."""
    found: list[Group] = []
    for work in works:
        if not any(work in group.works for group in found):
            found.append(_group(run, work, works))
    return found


def _group(run: Run, work: str, works: Iterable[str]) -> Group:
    """Return the work with those that have its name but for the number at its end."""
    prefix, _, size = work.rpartition(".")
    sized = (each.rpartition(".") for each in works)
    others = sorted(
        (int(number_), f"{begin}.{number_}") for begin, _, number_ in sized if begin == prefix and number_.isdecimal()
    )
    if not size.isdecimal() or len(others) < FEWEST_SIZES:
        return Group(work, run.works[work]["title"], (work,))
    least, (most, largest) = others[0][0], others[-1]
    title = run.works[largest]["title"]
    # The largest work's title says what its size is a number of: "10,000 items, 50 at once".
    places = list(re.finditer(rf"(?<![\d,.]){most:,}(?![\d,.]) ?((?:[a-z-]+ ?){{0,3}})", title))
    if not places:
        title, what = f"{title}, from size {least:,} on", "size"
    else:
        begin = places[-1].start()
        title = f"{title[:begin]}{least:,} to {title[begin:]}"
        last = prefix.rpartition(".")[2] if "." in prefix else "0"
        what = places[-1][1].strip() if last.isdecimal() else last.replace("-", " ")
    return Group(
        prefix, title, tuple(name for _, name in others), tuple(number_ for number_, _ in others), what or "size"
    )


def columns(run: Run, works: Sequence[str], *, quantiles: bool = False) -> list[Column]:
    """Return the figures that programs of these works have, the one that is told first at the front.

    Args:
        run: what was measured.
        works: the works.
        quantiles: also the figures that make up a distribution, ``q02`` to ``q98``.
    """
    programs = [name for work in works for name in measured_of(run, work)]
    named = {figure: None for name in programs for figure in run.figures_of(name)}
    first = run.works[works[0]].get("figure", "cpu_s")
    ordered = sorted(named, key=lambda figure: _place_of(figure, first))
    kept = [figure for figure in ordered if quantiles or not QUANTILE.fullmatch(figure)]
    return [_column(run, works[0], programs, figure) for figure in kept]


def _place_of(figure: str, first: str) -> tuple[int, str]:
    """Return where a figure stands in a table whose first one is known; percentiles stay together."""
    if PERCENTILE.fullmatch(figure):
        return (0 if PERCENTILE.fullmatch(first) else 2, figure)
    if figure == first:
        return (0, figure)
    return (1 if figure in CLOCKS else 3 if figure in {"max_s", "min_s"} else 4, figure)


def main_column(run: Run, works: Sequence[str]) -> Column | None:
    """Return the figure that is told first; None where no program has it."""
    first = run.works[works[0]].get("figure", "cpu_s")
    return next((column for column in columns(run, works, quantiles=True) if column.figure == first), None)


def _column(run: Run, work: str, programs: Sequence[str], figure: str) -> Column:
    """Return a figure in the unit that suits the middle one of its values."""
    known = run.works[work]
    having = [name for name in programs if figure in run.figures_of(name)]
    # Figures that are no times of a loop are told as the program returned them.
    per_unit = all(run.programs[name].get("kind", "timed") == "timed" for name in having)
    each = a_unit(known.get("unit", "loop")) if per_unit else ""
    unit, scale = unit_of(known, figure), 1.0
    if unit == "s":
        middle = statistics.median(abs(_plain(run, name, figure, per_unit=per_unit)) for name in having)
        unit, scale = next((name, factor) for limit, name, factor in SECONDS if middle < limit)
    return Column(figure, title_of(figure), f"{unit} {each}".strip() if unit else "", per_unit, scale)


def _plain(run: Run, program: str, figure: str, *, per_unit: bool) -> float:
    """Return the median over the rounds as the samples have it."""
    size = run.size_of(program) if per_unit else 1
    return statistics.median(run.by_round(program, figure).values()) / size
