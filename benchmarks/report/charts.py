"""How a figure is drawn: rows of bars or points with their intervals, lines with bands."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from benchmarks.report.costs import number
from benchmarks.report.svg import LIGHT, settings, svg_of

WIDTH = 7.6
LABELS = 2.75
LABEL_CHARACTERS, BOLD_CHARACTERS = 37, 32
NOTE_CHARACTERS = 118
TITLE_CHARACTERS = 78
LINE_HEIGHT = 0.155
# Beyond this ratio of the largest to the smallest, small ones could not be told from nothing on a linear axis.
LINEAR_RANGE = 30
# A range of less than this is drawn as if it were this: noise must not look like a slope.
LEAST_LOG_RANGE = 5
BY_SUBJECT = {"atrio": "atrio", "twin": "twin", "hand": "hand"}
OTHER_COLOURS = ("green", "purple", "sky", "amber", "violet", "olive")
DASHES = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.4, 1.5)))
MARKERS = "os^Dv<>P"
# Marks on more places than these would hide the line.
MOST_MARKS = 12


@dataclass(frozen=True)
class Point:
    """A figure with its interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """A row of a chart: a program.

    Args:
        label: what it is.
        detail: what it does, smaller and below.
        subject: whose it is.
        points: its figures; a bar has one.
    """

    label: str
    detail: str
    subject: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Series:
    """A line of a chart: a program at several places of the axis."""

    label: str
    subject: str
    places: tuple[float, ...]
    points: tuple[Point, ...]
    colour: str = "others"
    dashes: int = 0
    marker: str = ""


@dataclass(frozen=True)
class Chart:
    """What is written around what is drawn.

    Args:
        name: of its file, without the suffix.
        title: what is compared.
        axis: what is measured, with its unit.
        note: how to read it.
        across: what the other axis of lines is.
        points: what the points of an entry are called, if there are several.
    """

    name: str
    title: str
    axis: str
    note: str
    across: str = ""
    points: tuple[str, ...] = field(default=())


def wrapped(text: str, characters: int) -> list[str]:
    """Return text in lines; code is shown without its backticks."""
    return textwrap.wrap(text.replace("`", ""), characters) or [""]


def is_wide(points: Sequence[Point]) -> bool:
    """Tell whether figures are so far apart that they need a logarithmic axis."""
    values = [point.median for point in points]
    return min(values) > 0 and max(values) > LINEAR_RANGE * min(values)


def coloured(series: Sequence[Series]) -> list[Series]:
    """Return lines with the colours of their subjects; those of one subject differ in their dashes and markers."""
    others = [each for each in dict.fromkeys(line.subject for line in series) if each not in BY_SUBJECT]
    colours = {name: OTHER_COLOURS[index % len(OTHER_COLOURS)] for index, name in enumerate(others)}
    colours |= BY_SUBJECT
    seen: dict[str, int] = {}
    found = []
    for index, line in enumerate(series):
        colour = colours[line.subject]
        seen[colour] = seen.get(colour, -1) + 1
        found.append(
            Series(
                line.label,
                line.subject,
                line.places,
                line.points,
                colour,
                seen[colour] % len(DASHES),
                MARKERS[index % len(MARKERS)],
            )
        )
    return found


def _ticks(low: float, high: float) -> list[float]:
    """Return where a logarithmic axis is labelled: as often as there is room for."""
    decades = math.log10(high / low)
    steps = (1, 2, 3, 5, 7) if decades < 0.9 else (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3.5 else (1,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [step * 10.0**power for power in range(first, last + 1) for step in steps]


def _logarithmic(axes: Axes, which: str, low: float, high: float) -> None:
    """Make an axis logarithmic, with plain numbers at its ticks."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([tick for tick in _ticks(low, high) if low <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.set_minor_formatter(NullFormatter())


def _tick(value: float) -> str:
    """Return a number at a tick: 100,000 and 0.05, and no digits that say nothing."""
    return f"{value:,.0f}" if value >= 1 and value == round(value) else f"{value:g}"


def _title(figure: Figure, chart: Chart) -> None:
    """Write the title at the top."""
    height = figure.get_figheight()
    for index, line in enumerate(_title_lines(chart)):
        place = 1 - (0.2 + 0.2 * index) / height
        figure.text(0.12 / WIDTH, place, line, fontsize=11.5, fontweight="bold", va="center")


def _title_lines(chart: Chart) -> list[str]:
    return wrapped(chart.title, TITLE_CHARACTERS)


def _note(figure: Figure, lines: Sequence[str]) -> None:
    """Write the note at the bottom."""
    height = figure.get_figheight()
    for index, line in enumerate(reversed(lines)):
        place = (0.14 + LINE_HEIGHT * index) / height
        figure.text(0.12 / WIDTH, place, line, fontsize=8, color=LIGHT["muted"], va="center")


def rows_chart(chart: Chart, entries: Sequence[Entry]) -> str:
    """Return entries below one another, each with its bar, or with its points.

    On a logarithmic axis there are points instead of bars: a bar's length would mean nothing.
    """
    points = [point for entry in entries for point in entry.points]
    wide = is_wide(points)
    note = f"{chart.note} Logarithmic axis." if wide else chart.note
    notes = wrapped(note, NOTE_CHARACTERS)
    labels = [
        wrapped(entry.label, BOLD_CHARACTERS if entry.subject == "atrio" else LABEL_CHARACTERS) for entry in entries
    ]
    details = [wrapped(entry.detail, LABEL_CHARACTERS + 6) if entry.detail else [] for entry in entries]
    heights = [LINE_HEIGHT * (len(a) + len(b)) + 0.17 for a, b in zip(labels, details, strict=True)]
    body, foot = sum(heights), 0.62 + LINE_HEIGHT * len(notes)
    head = 0.24 + 0.2 * len(_title_lines(chart)) + (0.24 if chart.points else 0)
    with settings():
        figure = Figure(figsize=(WIDTH, head + body + foot))
        _title(figure, chart)
        height = figure.get_figheight()
        axes = figure.add_axes((LABELS / WIDTH, foot / height, (WIDTH - LABELS - 0.2) / WIDTH, body / height))
        _limit_rows(axes, points, wide=wide, room=0.1 if chart.points else 0.2)
        axes.set_ylim(body, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(not wide)
        axes.grid(visible=True, axis="x")
        axes.set_xlabel(f"{chart.axis}{', logarithmic axis' if wide else ''} (lower is better)", fontsize=8.5)
        begin = 0.0
        for entry, label, detail, tall in zip(entries, labels, details, heights, strict=True):
            _label(axes, entry, label, detail, begin + 0.085)
            _row(axes, entry, begin + tall / 2, chart, wide=wide)
            begin += tall
        if chart.points:
            marks = MARKERS[: len(chart.points)]
            handles = [axes.plot([], [], mark, color=LIGHT["muted"], markersize=5)[0] for mark in marks]
            axes.legend(
                handles, chart.points, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles), frameon=False,
                fontsize=8.5, borderaxespad=0.1, handletextpad=0.2,
            )  # fmt: skip
        _note(figure, notes)
        return svg_of(figure, chart.name, chart.title)


def _limit_rows(axes: Axes, points: Sequence[Point], *, wide: bool, room: float) -> None:
    """Set the limits of the axis that values lie on, with room for what is written behind them."""
    low, high = min(point.low for point in points), max(point.high for point in points)
    if wide:
        low = min(each for point in points for each in (point.low, point.median) if each > 0)
        span = math.log10(high / low)
        _logarithmic(axes, "x", low / 10 ** (0.05 * span), high * 10 ** (room * 1.15 * span))
    else:
        axes.set_xlim(min(0.0, low * 1.05), max(high * (1 + room * 1.2), 1e-12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(round(value, 10))))


def _label(axes: Axes, entry: Entry, label: Sequence[str], detail: Sequence[str], begin: float) -> None:
    """Write what an entry is, to the left of the axes."""
    ours = entry.subject == "atrio"
    for index, line in enumerate([*label, *detail]):
        small = index >= len(label)
        axes.annotate(
            line, (0, begin + LINE_HEIGHT * (index + 0.5)), xycoords=("axes fraction", "data"), xytext=(-7, 0),
            textcoords="offset points", ha="right", va="center", fontsize=7.5 if small else 9,
            fontweight="bold" if ours and not small else "normal",
            color=LIGHT["muted"] if small else LIGHT["atrio"] if ours else LIGHT["ink"],
        )  # fmt: skip


def _row(axes: Axes, entry: Entry, place: float, chart: Chart, *, wide: bool) -> None:
    """Draw an entry's bar or points, the intervals and, of a single one, its value."""
    colour = LIGHT[BY_SUBJECT.get(entry.subject, "others")]
    if chart.points or wide:
        axes.axhline(place, color=LIGHT["line"], linewidth=0.6, linestyle=(0, (1, 2)), zorder=0.5)
    if not chart.points and not wide:
        axes.barh(place, entry.points[0].median, height=0.19, color=colour)
    for index, point in enumerate(entry.points):
        solid = chart.points or wide
        axes.hlines(
            place, point.low, point.high, color=colour if solid else LIGHT["ink"], linewidth=2 if solid else 1.1
        )
        if solid:
            axes.plot(point.median, place, MARKERS[index], color=colour, markersize=6.5)
        elif point.low < point.high:
            axes.vlines([point.low, point.high], place - 0.05, place + 0.05, color=LIGHT["ink"], linewidth=1.1)
    if not chart.points:
        (point,) = entry.points
        shown = (max(point.high, point.median, 0 if not wide else point.high), place)
        axes.annotate(number(point.median), shown, xytext=(7, 0), textcoords="offset points", va="center", fontsize=8.5)


def lines_chart(chart: Chart, series: Sequence[Series], *, sized: bool) -> str:
    """Return lines with the bands in which they lie.

    Args:
        chart: what is written around.
        series: the lines.
        sized: the axis across counts something, with a mark at each size; else it is a share of 100.
    """
    lines = sorted(coloured(series), key=lambda each: -each.points[-1].median)
    points = [point for line in lines for point in line.points]
    places = sorted({place for line in lines for place in line.places})
    across_wide = sized and places[0] > 0 and places[-1] >= LINEAR_RANGE * places[0]
    low = min(point.median for point in points)
    wide = low > 0 and (across_wide or is_wide(points))
    said = "Both axes are logarithmic." if wide and across_wide else "The upright axis is logarithmic." if wide else ""
    said = "The axis across is logarithmic." if across_wide and not wide else said
    notes = wrapped(f"{chart.note} {said}".strip(), NOTE_CHARACTERS)
    legend = [wrapped(line.label, 96) for line in lines]
    legend_height = sum(0.17 * len(label) + 0.04 for label in legend) + 0.1
    body, foot = 3.4, 0.6 + legend_height + LINE_HEIGHT * len(notes)
    head = 0.3 + 0.2 * len(_title_lines(chart))
    with settings():
        figure = Figure(figsize=(WIDTH, head + body + foot))
        _title(figure, chart)
        height = figure.get_figheight()
        axes = figure.add_axes((0.85 / WIDTH, foot / height, (WIDTH - 1.25) / WIDTH, body / height))
        for line in lines:
            _line(axes, line)
        _limit_lines(axes, points, wide=wide)
        if across_wide:
            _logarithmic(axes, "x", places[0] / 1.25, places[-1] * 1.25)
        if sized:
            axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        axes.grid(visible=True)
        axes.set_xlabel(chart.across, fontsize=8.5)
        axes.set_ylabel(f"{chart.axis} (lower is better)", fontsize=8.5)
        _legend(figure, lines, legend, foot - 0.62)
        _note(figure, notes)
        return svg_of(figure, chart.name, chart.title)


def _line(axes: Axes, line: Series) -> None:
    """Draw a line, its marks and its band."""
    colour = LIGHT[line.colour]
    many = len(line.places) > MOST_MARKS
    axes.fill_between(
        line.places, [point.low for point in line.points], [point.high for point in line.points],
        color=colour, alpha=0.18, linewidth=0,
    )  # fmt: skip
    axes.plot(
        line.places, [point.median for point in line.points], color=colour, linestyle=DASHES[line.dashes],
        linewidth=2.4 if line.subject == "atrio" else 1.5, marker="" if many else line.marker, markersize=5,
        zorder=3 if line.subject == "atrio" else 2,
    )  # fmt: skip


def _limit_lines(axes: Axes, points: Sequence[Point], *, wide: bool) -> None:
    """Set the limits of the upright axis: from nothing, or logarithmic and never narrow."""
    high = max(point.high for point in points)
    low = min(each for point in points for each in (point.low, point.median) if each > 0 or not wide)
    if wide:
        missing = max(1.0, LEAST_LOG_RANGE / (high / low)) ** 0.5
        _logarithmic(axes, "y", low / missing / 1.15, high * missing * 1.15)
    else:
        axes.set_ylim(min(0.0, low * 1.1), high * 1.08)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(round(value, 10))))


def _legend(figure: Figure, lines: Sequence[Series], legend: Sequence[Sequence[str]], begin: float) -> None:
    """Write below the axes what each line is, in the order in which they end."""
    height = figure.get_figheight()
    place = begin
    for line, label in zip(lines, legend, strict=True):
        figure.add_artist(_sample(line, place / height))
        for index, text in enumerate(label):
            figure.text(
                0.75 / WIDTH, (place - 0.17 * index) / height, text, fontsize=8.5, va="center",
                fontweight="bold" if line.subject == "atrio" else "normal",
            )  # fmt: skip
        place -= 0.17 * len(label) + 0.04


def _sample(line: Series, place: float) -> Line2D:
    """Return a short piece of a line."""
    many = len(line.places) > MOST_MARKS
    return Line2D(
        [0.15 / WIDTH, 0.4 / WIDTH, 0.65 / WIDTH], [place] * 3, color=LIGHT[line.colour], linestyle=DASHES[line.dashes],
        linewidth=2.4 if line.subject == "atrio" else 1.5, marker="" if many else line.marker, markersize=5,
        markevery=[1],
    )  # fmt: skip
