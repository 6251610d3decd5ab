"""A run in figures and sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from atrio.cli._bootstrap import percentile
from atrio.cli._page_text import counted, duration, in_words, moment
from atrio.cli._page_timeline import last_seen_s, waited_s

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from atrio.history import RunDetail, RunRow, StageFigures, StageRow, TaskFigures

    Figure: TypeAlias = tuple[str, str, str]
    """What it is, how much, and a note or an empty text."""

_NAMED_STAGES: Final = 5
_INTERRUPTED: Final = "Its process ended before it did: it was killed, or its machine went down."


def figures_of(detail: RunDetail) -> Iterator[Figure]:
    """Yield the figures of a run."""
    if detail.run.duration_s is not None:
        yield "time", duration(detail.run.duration_s), ""
    if (seen_s := last_seen_s(detail)) is not None:
        yield "last seen", duration(seen_s), "after it began; its end is not known"
    yield from _of_stages(detail) if detail.tasks is None else _of_tasks(detail.run, detail.tasks)


def _of_stages(detail: RunDetail) -> Iterator[Figure]:
    run = detail.run
    counts = {"failed": run.failed, "skipped": run.skipped}
    note = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    succeeded = sum(stage.status == "success" for stage in detail.stages)
    yield "stages that succeeded", f"{succeeded} of {_total(detail)}", note
    if not detail.stages:
        return
    attempts = sum(stage.attempts for stage in detail.stages)
    retries = sum(len(stage.retries) for stage in detail.stages)
    yield "attempts", f"{attempts:,}", f"{counted(retries, 'retry', 'retries')}" if retries else ""
    if retries:
        waited = sum(map(waited_s, detail.stages))
        yield "waited", duration(waited), f"between attempts{_share(waited, run.duration_s)}"
    durations = [stage.duration_s for stage in detail.stages if stage.duration_s is not None]
    if durations:
        longest = max(detail.stages, key=lambda stage: stage.duration_s or 0.0)
        yield "longest stage", duration(longest.duration_s), in_words(longest.stage_id, 60)
    if len(durations) > 1:
        for share in (50, 95, 99):
            yield f"p{share} of its stages", duration(percentile(durations, share / 100)), ""


def _total(detail: RunDetail) -> int:
    return len(detail.stages) if detail.run.total is None else detail.run.total


def _share(seconds: float, of_s: float | None) -> str:
    return f", {min(seconds / of_s, 1):.0%} of the time" if of_s else ""


def _of_tasks(run: RunRow, tasks: TaskFigures) -> Iterator[Figure]:
    if run.total is not None:
        yield "tasks", f"{run.total:,}", ""
    yield "succeeded", f"{tasks.successful:,}", f"{tasks.successful / run.total:.1%}" if run.total else ""
    counts = {
        "failed": tasks.failed,
        "ran out of time": tasks.timed_out,
        "cancelled": tasks.cancelled,
        "not started": tasks.not_started,
        "running" if run.state == "running" else "were running": tasks.running,
        "not begun": tasks.not_begun,
    }
    for what, count in counts.items():
        if count or what == "failed":
            yield what, f"{count:,}", ""
    if tasks.max_concurrent is not None:
        yield "at once", f"{tasks.max_concurrent:,}", "at most"
    if tasks.throughput_per_s is not None:
        yield "throughput", f"{tasks.throughput_per_s:,.4g}/s", "finished tasks"
    if tasks.efficiency is not None:
        yield "efficiency", f"{tasks.efficiency:.0%}", "of its places used"
    if tasks.longest_s:
        of = not_all(tasks)
        durations = {"p50": tasks.p50_s, "p95": tasks.p95_s, "p99": tasks.p99_s}
        for what, value in durations.items():
            yield f"{what} of its tasks", duration(value), of
        span = f"{duration(tasks.shortest_s)} to {duration(tasks.longest_s)}"
        yield "mean", duration(tasks.mean_s), f"{span}, {of}" if of else span


def not_all(tasks: TaskFigures) -> str:
    """Return of how many tasks the times are, if the batch had more that ended: it began before what is kept of it."""
    return f"of {counted(tasks.measured, 'task')}" if 0 < tasks.measured < tasks.ended else ""


def counts_of(stage: StageFigures) -> list[tuple[str, str]]:
    """Return how a stage ended in the tasks of a batch: a status, and how often, in words; the worst comes first."""
    counts = {
        "error": (stage.failed, "failed"),
        "cancelled": (stage.cancelled, "cancelled"),
        "skipped": (stage.skipped, "skipped"),
        "running": (stage.running, "without an end"),
        "success": (stage.successful, "succeeded"),
    }
    return [(status, f"{count:,} {what}") for status, (count, what) in counts.items() if count]


def sentence_of(detail: RunDetail, now: datetime) -> str:
    """Return what there is to say first about a run; an empty text about one that succeeded.

    Args:
        detail: the run.
        now: when it was read, in UTC.
    """
    run = detail.run
    if run.state == "running":
        return f"It runs still: this is how it stood on {moment(now)}."
    if run.state == "interrupted":
        return f"{_INTERRUPTED} {_known_of(detail)}"
    return _of_failed_stages(detail) if detail.tasks is None else _of_failed_tasks(run, detail.tasks)


def _known_of(detail: RunDetail) -> str:
    run, tasks, seen_s = detail.run, detail.tasks, last_seen_s(detail)
    sentences = ["Shown is what was known of it."]
    if seen_s is not None:
        sentences = [f"It was last seen {duration(seen_s)} after it began; when it ended is not known."]
    if tasks is not None and run.total is not None:
        counts = {
            "succeeded": tasks.successful,
            "failed": tasks.failed,
            "ran out of their own time": tasks.timed_out,
            "were cancelled": tasks.cancelled,
            "were running": tasks.running,
            "had not begun": tasks.not_begun,
        }
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        sentences += [f"Of {counted(run.total, 'task')} {said}."] if said else []
    return " ".join(sentences)


def _of_failed_stages(detail: RunDetail) -> str:
    run = detail.run
    failed = [stage for stage in detail.stages if stage.status == "error"]
    skipped = [in_words(stage.stage_id) for stage in detail.stages if stage.status == "skipped"]
    named = ", ".join(skipped[:_NAMED_STAGES]) + (", ..." if len(skipped) > _NAMED_STAGES else "")
    if failed:
        return f"It failed in {in_words(failed[0].stage_id)}{_after(failed[0])}: {_reason(failed[0])}"
    if run.state == "failed":
        return f"It failed: {_reason(run)}"
    if run.state == "cancelled":
        return "It was cancelled."
    return f"It skipped {named}." if skipped else ""


def _after(stage: StageRow) -> str:
    return f" after {counted(stage.attempts, 'attempt')}" if stage.attempts > 1 else ""


def _reason(failed: StageRow | RunRow) -> str:
    kind, message = failed.error_type or "nobody knows why", failed.error_message
    said = in_words(f"{kind}: {message}" if message else kind, 300)
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _of_failed_tasks(run: RunRow, tasks: TaskFigures) -> str:
    counts = {
        "failed": tasks.failed,
        "ran out of their own time": tasks.timed_out,
        "were cancelled": tasks.cancelled,
        "were not started": tasks.not_started,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    about = {"timeout": "The batch's time was up. ", "cancelled": "It was cancelled. "}.get(run.state, "")
    tasks_said = f"Of {counted(run.total or 0, 'task')} {said}." if said else ""
    return f"{about}{tasks_said}".strip()


def facts_of(detail: RunDetail) -> Iterator[tuple[str, str]]:
    """Yield what identifies a run, each with its name."""
    run = detail.run
    yield "run", run.run_id
    yield "began", moment(run.started_at)
    yield "process", f"{run.pid} on {run.host}"
    if run.parent_run_id is not None:
        place = {"stage": run.parent_stage_id, "task": run.parent_task_id}
        inside = "".join(f", {what} {name}" for what, name in place.items() if name is not None)
        yield "inside", f"{run.parent_run_id}{inside}"
    yield "more", f"atrio status {run.run_id}"


def measured(rule: str, value: float) -> str:
    """Return what a rule measured, or allows, in its unit."""
    if rule == "slow_stage":
        return duration(value)
    return f"{value:.0%}" if rule.endswith("failure_rate") else f"{value:g}"
