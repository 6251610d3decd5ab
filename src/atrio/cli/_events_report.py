"""What a check or a summary of logs found, as tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from atrio.cli._render import table_of, to_three_digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atrio import ExecutionStatistics
    from atrio.cli._render import Cell
    from atrio.logs import CheckReport, InFlight, Summary

_FATES: Final[dict[str, Cell]] = {
    "running": ("it still runs", "green"),
    "killed": ("killed: others wrote on", "red"),
    "gone": ("gone: killed, or the log goes on in another file", "yellow"),
    "unknown": "unknown: on another machine",
}
_STATES: Final = {"success": "green", "open": "red", "half_open": "yellow", "closed": "green"}
_NUMBERS: Final = frozenset(
    {"count", "figure", "retries", "p50", "p95", "p99", "total", "opened", "open for", "next agent asked"}
)


def check_tables(report: CheckReport) -> Iterator[str]:
    """Yield what a check found, as tables."""
    yield table_of(_verdict(report), ("what", "figure"), _check_rows(report))
    if report.problems:
        more = report.problem_count - len(report.problems)
        rows = ((f"{each.file}:{each.line}", (each.kind, "red"), each.text) for each in report.problems)
        yield table_of(_with_more("problems", more), ("line", "problem", "what is wrong"), rows)
    if report.in_flight:
        more = report.in_flight_count - len(report.in_flight)
        open_ = ((each.kind, each.name, each.run_id, each.since, str(each.pid)) for each in report.in_flight)
        heads = ("in flight", "name", "run", "since", "process")
        yield table_of(_with_more("in flight at the end", more), heads, open_)
        processes = dict.fromkeys(map(_process_row, report.in_flight))
        yield table_of("their processes", ("process", "on", "its last line", "what became of it"), processes)


def _verdict(report: CheckReport) -> str:
    if not report.ok:
        return "not valid, or not complete"
    return f"valid, with {report.in_flight_count:,} in flight at the end" if report.in_flight else "valid and complete"


def _process_row(each: InFlight) -> tuple[Cell, ...]:
    return str(each.pid), each.host, each.last_seen or "", _FATES[each.process]


def _extent(found: CheckReport | Summary) -> Iterator[tuple[Cell, Cell]]:
    if found.events:
        yield "from", found.first or ""
        yield "to", found.last or ""
    yield "events", f"{found.events:,}"


def _with_more(title: str, more: int) -> str:
    return f"{title}, and {more:,} more" if more else title


def _check_rows(report: CheckReport) -> Iterator[tuple[Cell, Cell]]:
    yield from _extent(report)
    yield "runs", f"{report.runs:,}"
    bad = {
        "invalid lines": report.invalid,
        "missing lines": report.missing,
        "repeated lines": report.repeated,
        "starts without an end": report.unended,
        "lines that the log says were dropped": report.dropped,
    }
    for what, count in bad.items():
        yield what, (f"{count:,}", "red" if count else "")
    others = {
        "in flight at the end": report.in_flight_count,
        "lines out of order": report.out_of_order,
        "runs and processes that began earlier": report.begun_earlier,
        "torn last lines": len(report.torn),
        "compressed files that are cut off": len(report.cut_off),
        "lines of other programs": report.foreign,
        "not followed to their end: too many open": report.forgotten,
    }
    for what, count in others.items():
        if count:
            yield what, f"{count:,}"


def check_complaint(report: CheckReport) -> str | None:
    """Return what is wrong, and what was cut off, in sentences; None if nothing is."""
    wrong = {
        "invalid": report.invalid,
        "missing": report.missing,
        "repeated": report.repeated,
        "dropped": report.dropped,
    }
    found = [f"{count:,} {what}" for what, count in wrong.items() if count]
    sentences = [f"Lines of the log: {', '.join(found)}."] if found else []
    if report.unended:
        sentences.append(f"{report.unended:,} stages or tasks have no end although their run has one.")
    if report.dropped:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in report.dropped_because.items())
        sentences.append(f"What was dropped could not be written: {reasons}.")
    if report.lines and not report.events:
        sentences.append(_nothing(report))
    if report.torn:
        sentences.append(f"A last line is torn, and was left out: {', '.join(report.torn[:5])}.")
    sentences += _cut_off(report)
    return " ".join(sentences) or None


def _cut_off(found: CheckReport | Summary) -> Iterator[str]:
    if found.cut_off:
        yield f"The end is missing of what is compressed and was cut off: {', '.join(found.cut_off[:5])}."


def _nothing(found: CheckReport | Summary) -> str:
    lines = "The only line is not" if found.lines == 1 else f"None of the {found.lines:,} lines is"
    return f"{lines} a valid one of atrio's: is {', '.join(found.files)} its log?"


def summary_tables(summary: Summary) -> Iterator[str]:
    """Yield what logs come to, as tables."""
    yield table_of("all", ("what", "figure"), _summary_rows(summary))
    yield from _figures("runs", "pipeline", summary.pipelines)
    yield from _figures("stages", "stage", summary.stages, summary.retries)
    if summary.fallbacks:
        fallen = ((name, (f"{count:,}", "yellow")) for name, count in summary.fallbacks.items())
        yield table_of("fallbacks", ("fallback", "next agent asked"), fallen, to_the_right=_NUMBERS)
    yield from _figures("batches", "batch", summary.batches)
    yield from _figures("tasks", "agent", summary.tasks)
    if summary.breakers:
        rows = (
            (name, f"{each.opened:,}", to_three_digits(each.open_s), (each.state, _STATES[each.state]))
            for name, each in summary.breakers.items()
        )
        heads = ("circuit breaker", "opened", "open for", "at the end")
        yield table_of("circuit breakers", heads, rows, to_the_right=_NUMBERS)
    rows_in_flight = [
        (kind, name, f"{count:,}") for kind, names in summary.in_flight.items() for name, count in names.items()
    ]
    if rows_in_flight:
        yield table_of("in flight at the end", ("in flight", "name", "count"), rows_in_flight, to_the_right=_NUMBERS)


def _summary_rows(summary: Summary) -> Iterator[tuple[Cell, Cell]]:
    yield from _extent(summary)
    yield "lines that the log says were dropped", (f"{summary.dropped:,}", "red" if summary.dropped else "")
    others = {
        "lines that cannot be used": summary.unusable,
        "lines of other programs": summary.foreign,
        "torn last lines": summary.torn,
        "compressed files that are cut off": len(summary.cut_off),
        "not followed to their end: too many open": summary.forgotten,
    }
    for what, count in others.items():
        if count:
            yield what, f"{count:,}"


def _figures(
    title: str, head: str, by_id: Mapping[str, ExecutionStatistics], retries: Mapping[str, int] | None = None
) -> Iterator[str]:
    if not (by_id or retries):
        return
    heads = [head, "count", "ended as", *(() if retries is None else ("retries",)), "p50", "p95", "p99", "total"]
    names = dict.fromkeys([*by_id, *(retries or ())])
    rows = (_figures_row(name, by_id.get(name), retries) for name in names)
    yield table_of(title, heads, rows, to_the_right=_NUMBERS)


def _figures_row(name: str, figures: ExecutionStatistics | None, retries: Mapping[str, int] | None) -> Iterator[Cell]:
    yield name
    yield f"{figures.count:,}" if figures else "0"
    yield ", ".join(f"{count:,} {status}" for status, count in figures.by_status.items()) if figures else ""
    if retries is not None:
        yield f"{retries.get(name, 0):,}"
    durations = (figures.p50_s, figures.p95_s, figures.p99_s, figures.total_s) if figures else (None,) * 4
    for duration_s in durations:
        yield "" if duration_s is None else to_three_digits(duration_s)


def summary_complaint(summary: Summary) -> str | None:
    """Return what the figures leave out, in sentences; None if nothing."""
    sentences: list[str] = []
    if summary.lines and not summary.events:
        sentences.append(_nothing(summary))
    elif summary.unusable:
        sentences.append(f"{summary.unusable:,} lines cannot be used: atrio events check says why.")
    if summary.torn:
        sentences.append("A last line is torn, and was left out.")
    sentences += _cut_off(summary)
    return " ".join(sentences) or None
