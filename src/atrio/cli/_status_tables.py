"""Past runs as tables: the latest ones, and one with all that is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from atrio.cli._render import seconds, shortened, stdout_is_ascii_only, table_of, width_of_stdout
from atrio.cli._sparkline import sparkline
from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from atrio.cli._render import Cell
    from atrio.history import Alert, ModelRow, RunDetail, RunRow, StageRow, TaskFigures, TaskRow

DIGITS: Final = 12
"""So much of a run's id is shown in lists: it says the millisecond, and `atrio status` takes it."""
_INNER_DIGITS: Final = 16
_WIDE: Final = 120
"""Columns from which on a list has all of its columns."""
_STYLES: Final = {
    "running": "cyan",
    "success": "green",
    "degraded": "yellow",
    "failed": "red",
    "error": "red",
    "timeout": "red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "interrupted": "red",
}
_TO_THE_RIGHT: Final = frozenset(
    {"age", "time", "failed", "attempts", "waited", "wait", "measured", "allowed", "queued", "calls", "tokens"}
)
_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def runs_table(runs: Sequence[RunRow], recent_s: Sequence[Sequence[float]], now: datetime) -> str:
    """Return the latest runs as a table.

    Args:
        runs: the latest first.
        recent_s: of each run, seconds of the latest ones of its name, up to itself.
        now: the time of day.
    """
    is_wide = width_of_stdout() >= _WIDE
    when = ("kind", "started") if is_wide else ("age",)
    rows = (
        (
            run.run_id[:DIGITS],
            run.name,
            _state(run.state),
            *((run.kind, _moment(run.started_at)) if is_wide else (_age(run.started_at, now),)),
            _time(run, now),
            _failures(run),
            sparkline(durations, ascii_only=stdout_is_ascii_only()),
        )
        for run, durations in zip(runs, recent_s, strict=True)
    )
    return _table("the latest runs", ("run", "name", "state", *when, "time", "failed", "recent"), rows)


def alerts_tables(alerts: Sequence[Alert]) -> Iterator[str]:
    """Yield the alerts as a table, if there are any."""
    if alerts:
        rows = (
            (
                alert.rule,
                alert.subject,
                ("resolved", "green") if alert.resolved_at else ("raised", "red"),
                _moment(alert.resolved_at or alert.raised_at),
                _measured(alert.rule, alert.value),
                _measured(alert.rule, alert.threshold),
            )
            for alert in alerts
        )
        yield _table("alerts", ("alert", "of", "state", "since", "measured", "allowed"), rows)


def run_tables(detail: RunDetail, now: datetime) -> Iterator[str]:
    """Yield a run with all that is kept of it, as tables."""
    run = detail.run
    lasted = _time(run, now)
    title = f"{run.name}: {run.state}{f' in {lasted}' if run.duration_s is not None else ''}"
    yield _table(title, ("what", "value"), _facts(run, detail.tasks))
    if detail.tasks is None:
        heads = ("stage", "agent", "state", "time", "attempts", "waited", "error")
        yield _table("stages", heads, map(_stage_row, detail.stages))
    yield from _retries(detail.stages)
    if detail.tasks is not None:
        yield from _slowest(detail.tasks.slowest)
        more = detail.tasks.failed + detail.tasks.timed_out - len(detail.tasks.failures)
        yield from _failed(detail.tasks.failures, more)
    yield from _models(detail.models)
    if detail.inside and detail.tasks is None:
        rows = ((each.run_id, each.name, _state(each.state), _time(each, now)) for each in detail.inside)
        yield _table("runs inside it", ("run", "name", "state", "time"), rows)


def _facts(run: RunRow, tasks: TaskFigures | None) -> Iterator[tuple[Cell, ...]]:
    yield "run", run.run_id
    yield "state", _state(run.state)
    yield "started", _moment(run.started_at)
    yield "process", f"{run.pid} on {run.host}"
    if run.parent_run_id is not None:
        yield "inside", run.parent_run_id
    if run.error_type is not None:
        yield "error", (_error(run.error_type, run.error_message), "red")
    if tasks is not None:
        yield from _task_figures(run, tasks)


def _task_figures(run: RunRow, tasks: TaskFigures) -> Iterator[tuple[Cell, ...]]:
    counts = {
        "tasks": run.total,
        "succeeded": tasks.successful,
        "failed": tasks.failed,
        "timed out": tasks.timed_out,
        "cancelled": tasks.cancelled,
        "not started": tasks.not_started,
        "running": tasks.running,
    }
    for what, count in counts.items():
        if count or what == "succeeded":
            yield what, f"{count:,}"
    if tasks.successful or tasks.failures:
        times = {
            "mean": tasks.mean_s,
            "shortest": tasks.shortest_s,
            "p50": tasks.p50_s,
            "p95": tasks.p95_s,
            "p99": tasks.p99_s,
            "longest": tasks.longest_s,
        }
        yield from ((f"{what} time", seconds(value)) for what, value in times.items())
    yield "at once at most", f"{tasks.max_concurrent:,}"
    if tasks.throughput_per_s is not None:
        yield "tasks per second", f"{tasks.throughput_per_s:,.1f}"
    if tasks.efficiency is not None:
        yield "efficiency", f"{tasks.efficiency:.0%}"


def _stage_row(stage: StageRow) -> tuple[Cell, ...]:
    waited = sum(retry.backoff_s for retry in stage.retries)
    return (
        stage.stage_id,
        stage.agent_id,
        _state(stage.status),
        _seconds(stage.duration_s),
        str(stage.attempts),
        seconds(waited) if stage.retries else "",
        _error(stage.error_type, stage.error_message),
    )


def _retries(stages: Sequence[StageRow]) -> Iterator[str]:
    rows = [
        (
            stage.stage_id,
            f"{retry.attempt} of {retry.max_attempts}",
            seconds(retry.backoff_s),
            _error(retry.error_type, retry.error_message),
        )
        for stage in stages
        for retry in stage.retries
    ]
    if rows:
        yield _table("attempts that failed, and the waits after them", ("stage", "attempt", "wait", "error"), rows)


def _slowest(tasks: Sequence[TaskRow]) -> Iterator[str]:
    if tasks:
        heads = ("task", "state", "queued", "time", "run")
        rows = ((*_begin_of(task), seconds(task.queued_s), _seconds(task.duration_s), _inner(task)) for task in tasks)
        yield _table("the slowest tasks", heads, rows)


def _failed(tasks: Sequence[TaskRow], more: int) -> Iterator[str]:
    if tasks:
        rows = (
            (*_begin_of(task), _seconds(task.duration_s), _inner(task), _error(task.error_type, task.error_message))
            for task in tasks
        )
        title = f"failed tasks, and {more:,} more" if more > 0 else "failed tasks"
        yield _table(title, ("task", "state", "time", "run", "error"), rows)


def _begin_of(task: TaskRow) -> tuple[Cell, Cell]:
    return str(task.index), _state(task.status)


def _inner(task: TaskRow) -> str:
    """Return as much of the id of the run inside a task as no other has: they begin within the same millisecond."""
    return (task.run_id or "")[:_INNER_DIGITS]


def _models(models: Sequence[ModelRow]) -> Iterator[str]:
    if models:
        heads = ("model", "agent", "calls", "failed", "tokens in", "tokens out", "time")
        rows = (
            (
                each.model,
                each.agent_id,
                f"{each.calls:,}",
                f"{each.failed:,}",
                f"{each.input_tokens:,}",
                f"{each.output_tokens:,}",
                seconds(each.duration_s),
            )
            for each in models
        )
        yield _table("language models", heads, rows)


def _table(title: str, heads: Sequence[str], rows: Iterator[tuple[Cell, ...]] | Sequence[tuple[Cell, ...]]) -> str:
    return table_of(title, heads, rows, to_the_right=_TO_THE_RIGHT)


def _state(state: str) -> Cell:
    return state, _STYLES[state]


def _error(error_type: str | None, message: str | None) -> str:
    if error_type is None:
        return ""
    return shortened(printable(f"{error_type}: {message}" if message else error_type))


def _seconds(duration_s: float | None) -> str:
    return "" if duration_s is None else seconds(duration_s)


def _time(run: RunRow, now: datetime) -> str:
    if run.state == "running":
        return seconds(max((now - run.started_at).total_seconds(), 0.0))
    return _seconds(run.duration_s)


def _failures(run: RunRow) -> Cell:
    count = f"{run.failures:,}" if run.kind == "pipeline" or run.total is None else f"{run.failures:,}/{run.total:,}"
    return count, "red" if run.failures else ""


def _moment(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _age(moment: datetime, now: datetime) -> str:
    age_s = max((now - moment).total_seconds(), 0.0)
    divisor, unit = next((each for each in _AGES if age_s >= each[0]), (1, "s"))
    return f"{int(age_s // divisor)} {unit}"


def _measured(rule: str, value: float) -> str:
    if rule == "slow_stage":
        return seconds(value)
    return f"{value:.0%}" if rule == "failure_rate" else f"{value:g}"
