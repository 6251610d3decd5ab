"""Past runs as tables: the latest ones, and one with all that is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from atrio.cli._plain import in_words
from atrio.cli._render import seconds, shortened, stdout_is_ascii_only, table_of, width_of_stdout
from atrio.cli._sparkline import sparkline
from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from atrio.cli._render import Cell
    from atrio.history import (
        Alert,
        ModelRow,
        PipelineFigures,
        RunDetail,
        RunRow,
        StageFigures,
        StageRow,
        TaskFigures,
        TaskRow,
    )

DIGITS: Final = 12
"""So much of a run's id is shown in lists: it says the millisecond, and `atrio status` takes it."""
_INNER_DIGITS: Final = 16
_WIDE: Final = 120
"""Columns from which on a list has all of its columns."""
# What a narrow terminal is shown without, if it has no room: the first of these first.
_MISSABLE: Final = (
    *(
        "output",
        "input",
        "queued",
        "waited",
        "recent",
        "allowed",
        "agent",
        "p50",
        "tokens out",
        "tokens in",
        "attempts",
    ),
    *("skipped", "time", "measured"),
)
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
    {"age", "time", "failed", "attempts", "waited", "wait", "measured", "allowed", "queued", "calls", "begun"}
    | {"skipped", "p50", "p95", "tokens in", "tokens out", "input", "output"}
)
# What nobody could copy, or tell apart, in pieces.
_WHOLE: Final = _TO_THE_RIGHT | {
    "run",
    "alert",
    "state",
    "kind",
    "started (UTC)",
    "since (UTC)",
    "recent",
    "task",
    "attempt",
}
_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def runs_table(runs: Sequence[RunRow], recent_s: Sequence[Sequence[float]], now: datetime) -> str:
    """Return the latest runs as a table.

    Args:
        runs: the latest first.
        recent_s: of each run, seconds of the latest ones of its name, up to itself.
        now: the time of day.
    """
    columns: dict[str, list[Cell]] = {
        "run": [run.run_id[:DIGITS] for run in runs],
        "name": [run.name for run in runs],
        "state": [_state(run.state) for run in runs],
        "kind": [run.kind for run in runs],
        "started (UTC)": [_moment(run.started_at) for run in runs],
        "age": [_age(run.started_at, now) for run in runs],
        "time": [_time(run, now) for run in runs],
        "failed": [_failures(run) for run in runs],
        "recent": [sparkline(each, ascii_only=stdout_is_ascii_only()) for each in recent_s],
    }
    left_out = {"age"} if width_of_stdout() >= _WIDE else {"kind", "started (UTC)"}
    return _columns("the latest runs", columns, left_out)


def alerts_tables(alerts: Sequence[Alert], now: datetime) -> Iterator[str]:
    """Yield the alerts as a table, if there are any."""
    if not alerts:
        return
    columns: dict[str, list[Cell]] = {
        "alert": [alert.rule for alert in alerts],
        "of": [alert.subject for alert in alerts],
        "state": [("resolved", "green") if alert.resolved_at else ("raised", "red") for alert in alerts],
        "since (UTC)": [_moment(alert.resolved_at or alert.raised_at) for alert in alerts],
        "age": [_age(alert.resolved_at or alert.raised_at, now) for alert in alerts],
        "measured": [_measured(alert.rule, alert.value) for alert in alerts],
        "allowed": [_measured(alert.rule, alert.threshold) for alert in alerts],
    }
    left_out = {"age"} if width_of_stdout() >= _WIDE else {"since (UTC)"}
    yield _columns("alerts", columns, left_out)


def run_tables(detail: RunDetail, pipelines: Sequence[PipelineFigures], now: datetime) -> Iterator[str]:
    """Yield a run with all that is kept of it, as tables.

    Args:
        detail: the run.
        pipelines: what ran in the tasks of a batch.
        now: the time of day.
    """
    run = detail.run
    lasted = _time(run, now)
    title = f"{run.name}: {run.state}{f' in {lasted}' if run.duration_s is not None else ''}"
    yield _table(title, ("what", "value"), _facts(detail))
    if detail.tasks is None:
        yield _stages(detail.stages)
    yield from _retries(detail.stages)
    yield from _noted(detail.stages)
    for pipeline in pipelines:
        yield _table(f"the stages of {_over(pipeline)}", _STAGE_HEADS, map(_figures_row, pipeline.stages))
    if detail.tasks is not None:
        yield from _slowest(detail.tasks.slowest)
        more = detail.tasks.failed + detail.tasks.timed_out - len(detail.tasks.failures)
        yield from _failed(detail.tasks.failures, more)
    yield from _models("language models", detail.models)
    for pipeline in pipelines:
        yield from _models(f"language models in {_over(pipeline)}", pipeline.models)
    if detail.inside and detail.tasks is None:
        rows = ((each.run_id, each.name, _state(each.state), _time(each, now)) for each in detail.inside)
        yield _table("runs inside it", ("run", "name", "state", "time"), rows)


def _facts(detail: RunDetail) -> Iterator[tuple[Cell, ...]]:
    run, tasks = detail.run, detail.tasks
    yield "run", run.run_id
    yield "kind", run.kind
    yield "state", _state(run.state)
    yield "started", f"{_moment(run.started_at)} UTC"
    yield "process", f"{run.pid} on {run.host}"
    if run.parent_run_id is not None:
        yield "inside", run.parent_run_id
    if detail.last_seen_at is not None:
        seen_s = max((detail.last_seen_at - run.started_at).total_seconds(), 0.0)
        yield "last seen", f"{seconds(seen_s)} after it began; when it ended is not known"
    if run.error_type is not None:
        yield "error", (_error(run.error_type, run.error_message), "red")
    if tasks is not None:
        yield from _task_figures(run, tasks)
    elif run.total is not None:
        yield "stages", _counted(detail)


def _counted(detail: RunDetail) -> str:
    statuses = [stage.status for stage in detail.stages]
    counts = {
        "succeeded": statuses.count("success"),
        "failed": statuses.count("error"),
        "skipped": statuses.count("skipped"),
        "cancelled": statuses.count("cancelled"),
        "running": statuses.count("running"),
        "interrupted": statuses.count("interrupted"),
        "not begun": (detail.run.total or 0) - len(statuses),
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count > 0)
    return f"{detail.run.total:,}: {said}" if said else f"{detail.run.total:,}"


_STAGE_HEADS: Final = ("stage", "agent", "begun", "failed", "skipped", "p50", "p95")


def _over(pipeline: PipelineFigures) -> str:
    runs = "1 run" if pipeline.runs == 1 else f"{pipeline.runs:,} runs"
    which = f", those of one in {pipeline.every:,} tasks" if pipeline.every > 1 else ""
    return f"{pipeline.pipeline_id}, over {runs}{which}"


def _figures_row(stage: StageFigures) -> tuple[Cell, ...]:
    return (
        stage.stage_id,
        stage.agent_id,
        f"{stage.begun:,}",
        (f"{stage.failed:,}", "red" if stage.failed else ""),
        (f"{stage.skipped:,}", "yellow" if stage.skipped else ""),
        *(map(seconds, (stage.p50_s, stage.p95_s)) if stage.p95_s else ("", "")),
    )


def _task_figures(run: RunRow, tasks: TaskFigures) -> Iterator[tuple[Cell, ...]]:
    counts = {
        "tasks": run.total,
        "succeeded": tasks.successful,
        "failed": tasks.failed,
        "timed out": tasks.timed_out,
        "cancelled": tasks.cancelled,
        "not started": tasks.not_started,
        "running" if run.state == "running" else "were running": tasks.running,
        "not begun": tasks.not_begun,
    }
    for what, count in counts.items():
        if count or what == "succeeded":
            yield what, f"{count:,}"
    if tasks.measured and (tasks.successful or tasks.failures):
        # A batch that began before the history did has ended more tasks than are in it.
        of = "" if tasks.measured == tasks.ended else f", of {tasks.measured:,} tasks"
        times = {
            "mean": tasks.mean_s,
            "shortest": tasks.shortest_s,
            "p50": tasks.p50_s,
            "p95": tasks.p95_s,
            "p99": tasks.p99_s,
            "longest": tasks.longest_s,
        }
        yield from ((f"{what} time", f"{seconds(value)}{of}") for what, value in times.items())
    if tasks.max_concurrent is not None:
        yield "at once at most", f"{tasks.max_concurrent:,}"
    if tasks.throughput_per_s is not None:
        yield "tasks per second", f"{tasks.throughput_per_s:,.1f}"
    if tasks.efficiency is not None:
        yield "efficiency", f"{tasks.efficiency:.0%}"


def _stages(stages: Sequence[StageRow]) -> str:
    columns: dict[str, list[Cell]] = {
        "stage": [stage.stage_id for stage in stages],
        "agent": [stage.agent_id for stage in stages],
        "state": [_state(stage.status) for stage in stages],
        "time": [_seconds(stage.duration_s) for stage in stages],
        "attempts": [str(stage.attempts) for stage in stages],
        "waited": [_waited(stage) for stage in stages],
        "input": [_size(stage.input_size) for stage in stages],
        "output": [_size(stage.output_size) for stage in stages],
        "error": [_error(stage.error_type, stage.error_message) for stage in stages],
    }
    left_out = {head for head in ("waited", "input", "output", "error") if not any(columns[head])}
    # What went wrong needs the room more than sizes do.
    left_out |= {"input", "output"} if width_of_stdout() < _WIDE and "error" not in left_out else set()
    return _columns("stages", columns, left_out)


def _waited(stage: StageRow) -> str:
    return seconds(sum(retry.backoff_s for retry in stage.retries)) if stage.retries else ""


def _size(size: int | None) -> str:
    return "" if size is None else f"{size:,}"


def _noted(stages: Sequence[StageRow]) -> Iterator[str]:
    rows = [
        (stage.stage_id, shortened(printable(name)), shortened(printable(in_words(value))))
        for stage in stages
        for name, value in stage.metadata.items()
    ]
    if rows:
        yield _table("what stages noted", ("stage", "name", "value"), rows)


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


def _models(title: str, models: Sequence[ModelRow]) -> Iterator[str]:
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
        yield _table(title, heads, rows)


def _columns(title: str, columns: Mapping[str, Sequence[Cell]], left_out: Container[str]) -> str:
    shown = {head: cells for head, cells in columns.items() if head not in left_out}
    return _table(title, shown, zip(*shown.values(), strict=True))


def _table(title: str, heads: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> str:
    return table_of(title, heads, rows, to_the_right=_TO_THE_RIGHT, whole=_WHOLE, missable=_MISSABLE)


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
    if run.skipped and not run.failures:
        return f"{run.skipped:,} skipped", "yellow"
    count = f"{run.failures:,}" if run.kind == "pipeline" or run.total is None else f"{run.failures:,}/{run.total:,}"
    return count, "red" if run.failures else ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _age(moment: datetime, now: datetime) -> str:
    age_s = max((now - moment).total_seconds(), 0.0)
    divisor, unit = next((each for each in _AGES if age_s >= each[0]), (1, "s"))
    return f"{int(age_s // divisor)} {unit}"


def _measured(rule: str, value: float) -> str:
    if rule == "slow_stage":
        return seconds(value)
    return f"{value:.0%}" if rule.endswith("failure_rate") else f"{value:g}"
