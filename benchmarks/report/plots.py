"""Which plots a run has: bars of each work, cost against size, distributions of latency."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.analysis.estimates import CONFIDENCE, FEWEST_ROUNDS, Estimate
from benchmarks.analysis.runs import Run
from benchmarks.report.charts import Chart, Entry, Point, Series, lines_chart, rows_chart
from benchmarks.report.costs import (
    PERCENTILE,
    QUANTILE,
    Column,
    Group,
    columns,
    is_measured,
    main_column,
    measured_of,
    programs_of,
    suites,
    variant_of,
)


@dataclass(frozen=True)
class Plot:
    """A plot of a group of works.

    Args:
        name: of its file, without the suffix; it begins with its group's, and two hyphens.
        title: what it compares.
        group: the name of the group.
        svg: the plot, as a file has it.
    """

    name: str
    title: str
    group: str
    svg: str


@dataclass(frozen=True)
class Plots:
    """The plots of a run, and what is said in place of those that it cannot have."""

    drawn: tuple[Plot, ...]
    left_out: tuple[str, ...]

    def of(self, group: Group) -> list[Plot]:
        """Return the plots of a group of works."""
        return [plot for plot in self.drawn if plot.group == group.name]


def plots(run: Run) -> Plots:
    """Return all plots that a run has samples for."""
    groups = [group for of_suite in suites(run).values() for group in of_suite]
    drawn = []
    for group in groups:
        if group.sizes:
            drawn += _against_size(run, group)
        # A distribution says what a bar of one of its percentiles would.
        distributions = [plot for work in group.works for plot in _distribution(run, group, work)]
        drawn += distributions or [plot for some in _to_compare(run, group) for plot in _bars(run, group, some)]
    return Plots(tuple(drawn), tuple(_left_out(drawn)))


def _to_compare(run: Run, group: Group) -> list[tuple[str, ...]]:
    """Return the works that are drawn as bars: of one at several sizes, those with programs that no line has."""
    if not group.sizes:
        return [group.works]
    variants = [{variant_of(run, name) for name in measured_of(run, work)} for work in group.works]
    alone = [each - set().union(*variants[:index], *variants[index + 1 :]) for index, each in enumerate(variants)]
    return [(work,) for work, each in zip(group.works, alone, strict=True) if each]


def _left_out(drawn: Sequence[Plot]) -> list[str]:
    """Say which kinds of plots there are none of, and why."""
    kinds = {plot.name.partition("--")[2].partition("-")[0] for plot in drawn}
    said = []
    if "cost" not in kinds:
        said.append("Bars are left out: this run measured no work with two programs or more.")
    if "size" not in kinds:
        said.append("Cost against size is left out: this run measured nothing at three sizes or more.")
    if "quantiles" not in kinds:
        said.append("Distributions of latency are left out: this run measured none.")
    return said


def _point(figure: Estimate) -> Point:
    return Point(figure.median, figure.low, figure.high)


def _intervals(run: Run, programs: Sequence[str], mark: str) -> str:
    """Say what the intervals are."""
    figure = run.main_figure(programs[0])
    counts = (len(run.by_round(name, figure)) for name in programs)
    rounds = sorted({count for count in counts if count})
    least = f"{rounds[0]}" if rounds[0] == rounds[-1] else f"{rounds[0]} to {rounds[-1]}"
    if rounds[0] < FEWEST_ROUNDS:
        return f"{mark}: the range of {least} rounds, too few for a 95 % interval."
    return f"{mark}: {CONFIDENCE * 100:g} % intervals of the median of {least} rounds."


def _detail(run: Run, program: str) -> str:
    """Say what a program does beside the work."""
    known = run.programs[program]
    return f"{known.get('hears', 'quiet')}; {', '.join(known.get('features', ())) or 'no features'}"


def _details(run: Run, programs: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return what each program does beside the work; where all do the same, that is said once, after the note."""
    found = {name: _detail(run, name) for name in programs}
    if len(set(found.values())) > 1:
        return found, ""
    return dict.fromkeys(programs, ""), f" All: {found[programs[0]]}."


def _absent(run: Run, works: Sequence[str]) -> str:
    """Name those that were not measured."""
    names = [
        f"{run.programs[name]['label']} ({run.programs[name].get('status', 'no samples')})"
        for work in works
        for name in programs_of(run, work)
        if not is_measured(run, name)
    ]
    return f" Not measured: {', '.join(names)}." if names else ""


def _bars(run: Run, group: Group, works: Sequence[str]) -> list[Plot]:
    """Return the costs of all programs of some works, the cheapest first; nothing where there is none to compare."""
    column = main_column(run, group.works)
    programs = [name for work in works for name in measured_of(run, work)]
    costs = {} if column is None else {name: column.of(name, run) for name in programs}
    measured = {name: cost for name, cost in costs.items() if cost is not None}
    if column is None or len(measured) < 2:
        return []
    details, same = _details(run, list(measured))
    entries = [
        Entry(run.programs[name]["label"], details[name], run.programs[name]["subject"], (_point(cost),))
        for name, cost in sorted(measured.items(), key=lambda item: item[1].median)
    ]
    about = run.works[works[0]]["title"] if group.sizes else group.title
    title = f"{about}: {column.title}, {len(entries)} programs"
    note = f"{_intervals(run, list(measured), 'Thin lines')}{same}{_absent(run, works)}"
    name = f"{group.file}--cost{'-' + works[0].rpartition('.')[2] if group.sizes else ''}"
    return [Plot(name, title, group.name, rows_chart(Chart(name, title, column.heading, note), entries))]


def _variants(run: Run, group: Group, column: Column) -> list[Series]:
    """Return each program of a work with its cost at each size."""
    found: dict[str, list[tuple[int, Estimate, str]]] = {}
    for size, work in zip(group.sizes, group.works, strict=True):
        for name in measured_of(run, work):
            cost = column.of(name, run)
            if cost is not None and not run.programs[name].get("control"):
                found.setdefault(variant_of(run, name), []).append((size, cost, name))
    return [
        Series(
            _common_label(run, variant, [name for _, _, name in costs]),
            run.programs[costs[-1][2]]["subject"],
            tuple(size for size, _, _ in costs),
            tuple(_point(cost) for _, cost, _ in costs),
        )
        for variant, costs in found.items()
        if len(costs) > 1
    ]


def _common_label(run: Run, variant: str, programs: Sequence[str]) -> str:
    """Return what a program is called at all sizes: by its name where its label says the size."""
    labels = {run.programs[name]["label"] for name in programs}
    return labels.pop() if len(labels) == 1 else variant.replace(".", ", ")


def _against_size(run: Run, group: Group) -> list[Plot]:
    """Return what a unit costs at each size."""
    column = main_column(run, group.works)
    series = [] if column is None else _variants(run, group, column)
    if column is None or not series:
        return []
    name = f"{group.file}--size"
    title = f"{group.title}: {column.title}"
    programs = [each for work in group.works for each in measured_of(run, work)]
    chart = Chart(name, title, column.heading, _intervals(run, programs, "Bands"), group.what)
    return [Plot(name, title, group.name, lines_chart(chart, series, sized=True))]


def _distribution(run: Run, group: Group, work: str) -> list[Plot]:
    """Return the distribution of a work's latencies: all quantiles, and the percentiles with their intervals."""
    shown = columns(run, [work], quantiles=True)
    quantiles = sorted((each for each in shown if QUANTILE.fullmatch(each.figure)), key=lambda each: each.figure)
    programs = [name for name in measured_of(run, work) if not run.programs[name].get("control")]
    if not quantiles or not programs:
        return []
    quantiles = _in_one_unit(quantiles)
    base = f"{group.file}--quantiles"
    name = base if len(group.works) == 1 else f"{base}-{work.rpartition('.')[2]}"
    title = f"{run.works[work]['title']}: how latencies are distributed"
    series = []
    for program in programs:
        points = [
            (int(each.figure[1:3]), figure) for each in quantiles if (figure := each.of(program, run)) is not None
        ]
        if points:
            known = run.programs[program]
            places = tuple(float(quantile) for quantile, _ in points)
            series.append(Series(known["label"], known["subject"], places, tuple(_point(each) for _, each in points)))
    how = "A point at 90 says: 90 % of the runs took no longer."
    note = f"{_intervals(run, programs, 'Bands')} {how}{_absent(run, [work])}"
    unit = quantiles[0].unit
    chart = Chart(name, title, f"latency, {unit}", note, "share of the runs, %")
    drawn = [Plot(name, title, group.name, lines_chart(chart, series, sized=False))]
    return drawn + _percentiles(run, group, work, programs, unit)


def _in_one_unit(shown: Sequence[Column]) -> list[Column]:
    """Return columns in the unit of the middle one."""
    middle = shown[len(shown) // 2]
    return [Column(each.figure, each.title, middle.unit, middle.per_unit, middle.scale) for each in shown]


def _percentiles(run: Run, group: Group, work: str, programs: Sequence[str], unit: str) -> list[Plot]:
    """Return the percentiles of a work's programs, the least median first."""
    shown = [each for each in columns(run, [work]) if PERCENTILE.fullmatch(each.figure)]
    if not shown:
        return []
    shown = _in_one_unit(sorted(shown, key=lambda each: each.figure))
    details, same = _details(run, programs)
    entries = []
    for program in programs:
        figures = [each.of(program, run) for each in shown]
        if all(figure is not None for figure in figures):
            known = run.programs[program]
            points = tuple(_point(figure) for figure in figures if figure is not None)
            entries.append(Entry(known["label"], details[program], known["subject"], points))
    base = f"{group.file}--percentiles"
    name = base if len(group.works) == 1 else f"{base}-{work.rpartition('.')[2]}"
    titles = tuple(each.title for each in shown)
    title = f"{run.works[work]['title']}: {', '.join(titles)}"
    ordered = sorted(entries, key=lambda entry: entry.points[0].median)
    note = f"{_intervals(run, programs, 'Lines')}{same}{_absent(run, [work])}"
    chart = Chart(name, title, f"latency, {shown[0].unit or unit}", note, points=titles)
    return [Plot(name, title, group.name, rows_chart(chart, ordered))] if ordered else []
