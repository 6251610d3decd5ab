"""What a measurement came to: tables and sentences for people, or everything as JSON."""

from __future__ import annotations

import math
import os
import platform
from random import Random
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from atrio import RunStatus, __version__
from atrio.cli._bench_words import conditions_of, counted, described, sentence_of, times
from atrio.cli._comparison import compare
from atrio.cli._distribution import bars
from atrio.cli._render import paragraph, seconds, stdout_is_ascii_only, table_of, to_three_digits, width_of_stdout
from atrio.cli._samples import ENDED, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atrio.cli._bench_run import Bench
    from atrio.cli._bootstrap import Estimate
    from atrio.cli._comparison import Comparison
    from atrio.cli._render import Cell
    from atrio.cli._samples import Figures, Latency, Sample

_STYLES: Final = {
    RunStatus.SUCCESS: "green",
    RunStatus.DEGRADED: "yellow",
    RunStatus.FAILED: "red",
    RunStatus.TIMEOUT: "red",
}
_LATENCIES: Final = {
    "mean": "mean_s",
    "shortest": "min_s",
    "p50 (median)": "p50_s",
    "p90": "p90_s",
    "p95": "p95_s",
    "p99": "p99_s",
    "longest": "max_s",
}
_FIRST_COLUMN: Final = 17
_BETWEEN: Final = 3
"""Characters between two columns."""
_NARROWEST: Final = 11
_WIDEST: Final = 20
_WIDEST_SCALE: Final = 60


@attrs.frozen
class Report:
    """A measurement that has ended.

    Attributes:
        measured: the measurement.
        ended: how it ended: SUCCESS if all was measured, else TIMEOUT or CANCELLED.
        figures: of the pipelines that have any, by their labels.
        comparisons: of those with the first, if that has any.
    """

    measured: Bench
    ended: RunStatus
    figures: dict[str, Figures]
    comparisons: tuple[Comparison, ...]

    @property
    def status(self) -> RunStatus:
        """What it came to: as bad as the worst of its pipelines, if it was not stopped before."""
        found = {self.ended, *(each.status for each in self.figures.values())}
        order = (RunStatus.CANCELLED, RunStatus.TIMEOUT, RunStatus.FAILED, RunStatus.DEGRADED)
        return next((status for status in order if status in found), RunStatus.SUCCESS)


def report_on(measured: Bench, ended: RunStatus) -> Report:
    """Return the figures of a measurement that has ended so, and the comparisons."""
    samples: dict[str, list[Sample]] = {contestant.label: [] for contestant in measured.contestants}
    for sample in measured.samples:
        samples[sample.pipeline].append(sample)
    figures = {label: figures_of(each, measured.busy_s[label]) for label, each in samples.items() if each}
    baseline, *others = samples.values()
    random = Random(measured.plan.seed)  # noqa: S311 - no secret
    at_once = measured.plan.max_concurrent
    compared = (compare(baseline, other, random, at_once=at_once) for other in others if baseline and other)
    return Report(measured, ended, figures, tuple(compared))


def as_dict(report: Report) -> dict[str, Any]:
    """Return everything, ready for ``json.dumps``: the figures, what they were made of, and how it was measured."""
    measured = report.measured
    return {
        "status": report.status,
        "interrupted": report.ended is RunStatus.CANCELLED,
        "started_at": measured.started_at.isoformat(),
        "duration_s": measured.duration_s,
        "planned_runs": measured.planned,
        "measured_runs": len(measured.samples),
        "options": _plain(measured.plan),
        "machine": _machine(),
        "inputs": [case.label for case in measured.cases],
        "pipelines": [
            {"label": each.label, "name": each.name, "figures": _figures_as_dict(report.figures.get(each.label))}
            for each in measured.contestants
        ],
        "comparisons": [_plain(each) | {"verdict": each.verdict} for each in report.comparisons],
        "samples": [_plain(sample) for sample in measured.samples],
    }


def _figures_as_dict(figures: Figures | None) -> dict[str, Any] | None:
    return None if figures is None else {"status": figures.status, **_plain(figures)}


def _plain(value: Any) -> dict[str, Any]:
    return attrs.asdict(value, value_serializer=lambda _owner, _field, each: _finite(each))


def _finite(value: Any) -> Any:
    """Return `value`, None if it is a number that JSON has not, as a ratio to what took no time."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _machine() -> dict[str, Any]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "atrio": __version__,
        "trio": trio.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
    }


def as_text(report: Report) -> Iterator[str]:
    """Yield tables and sentences, as wide as stdout can show."""
    if report.figures:
        yield from _figure_tables(report)
    if not stdout_is_ascii_only():
        yield from _distributions(report)
    yield from _errors(report)
    for comparison in report.comparisons:
        yield from _comparison_table(comparison)
        yield f"{paragraph(sentence_of(comparison))}\n"
    machine = _machine()
    where = f"{machine['python']}, atrio {machine['atrio']}, trio {machine['trio']}, {machine['cpu_count']} processors"
    yield paragraph(f"{conditions_of(report.measured.plan, len(report.measured.cases))}. {where}.")


def _figure_tables(report: Report) -> Iterator[str]:
    """Yield tables with a column for each pipeline, as many of them in one as fit."""
    measured = report.measured
    title = f"{report.status.value}: {counted(len(measured.samples), 'run')} in {seconds(measured.duration_s)}"
    width = min(max(_NARROWEST, *map(len, report.figures)), _WIDEST) + _BETWEEN
    fit = max((width_of_stdout() - _FIRST_COLUMN) // width, 1)
    columns = list(report.figures.items())
    for begin in range(0, len(columns), fit):
        shown = dict(columns[begin : begin + fit])
        heads = ("", *shown)
        rows = ([name, *cells] for name, *cells in _rows(list(shown.values())))
        yield f"{table_of(title, heads, rows, to_the_right=shown)}\n"


def _rows(figures: Sequence[Figures]) -> Iterator[list[Cell]]:
    yield ["runs", *(f"{each.runs:,}" for each in figures)]
    for status, style in _STYLES.items():
        if any(each.statuses[status] for each in figures):
            yield [(status.value, style), *(f"{each.statuses[status]:,}" for each in figures)]
    yield ["throughput", *(f"{each.throughput_per_s:,.1f} /s" for each in figures)]
    for name, field in _LATENCIES.items():
        yield [name, *(_latency(each.latency, field) for each in figures)]
    if any(each.cpu_s is not None for each in figures):
        yield ["CPU time", *("" if each.cpu_s is None else to_three_digits(each.cpu_s) for each in figures)]
    yield ["retries", *(f"{each.retries.retries:,}" for each in figures)]
    if any(each.retries.retries for each in figures):
        yield ["  in failures", *(to_three_digits(each.retries.failed_s) for each in figures)]
        yield ["  in backoff", *(to_three_digits(each.retries.backoff_s) for each in figures)]
        yield ["  of all time", *(f"{each.retries_share:.1%}" for each in figures)]


def _latency(latency: Latency | None, field: str) -> str:
    return "" if latency is None else to_three_digits(getattr(latency, field))


def _distributions(report: Report) -> Iterator[str]:
    shown: dict[str, list[float]] = {label: [] for label, each in report.figures.items() if each.ended}
    for sample in report.measured.samples:
        if sample.status in ENDED:
            shown[sample.pipeline].append(sample.duration_s)
    if not shown:
        return
    low, high = min(map(min, shown.values())), max(map(max, shown.values()))
    width = min(max(width_of_stdout() // 2, 10), _WIDEST_SCALE)
    title = f"latency, {to_three_digits(low)} to {to_three_digits(high)}, on a logarithmic scale"
    lines = zip(shown, bars(list(shown.values()), width), strict=True)
    yield f"{table_of(title, ('pipeline', 'how many runs'), lines)}\n"


def _errors(report: Report) -> Iterator[str]:
    rows = [
        (label, f"{first.count:,}", f"{first.input}, round {first.round}", described(first.error))
        for label, each in report.figures.items()
        for first in each.errors
    ]
    if rows:
        heads = ("pipeline", "count", "first on", "error")
        yield f"{table_of('errors that ended stages', heads, rows, to_the_right=('count',))}\n"


def _comparison_table(comparison: Comparison) -> Iterator[str]:
    found = comparison.differences
    if found is None:
        return
    rows = (
        (name, _signed(difference.value), _interval(difference), times(ratio.value), _times_interval(ratio))
        for name, difference, ratio in (
            ("mean", found.mean, found.mean_ratio),
            ("median", found.median, found.median_ratio),
        )
    )
    heads = ("latency", "difference", "95 % interval", "ratio", "95 % interval")
    yield table_of(f"{comparison.pipeline} against {comparison.baseline}", heads, rows)


def _signed(duration_s: float) -> str:
    return f"{'+' if duration_s > 0 else ''}{to_three_digits(duration_s)}"


def _interval(estimate: Estimate) -> str:
    return f"{_signed(estimate.low)} to {_signed(estimate.high)}"


def _times_interval(estimate: Estimate) -> str:
    return f"{times(estimate.low)} to {times(estimate.high)}"
