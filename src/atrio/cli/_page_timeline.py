"""What happened when in a run: its stages, or its tasks, as stretches of time. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from atrio.cli._page_scales import SHORTEST_S, Scale, Tick
from atrio.cli._page_text import duration, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from atrio.history import RetryRow, RunDetail, RunRow, StageRow, TaskRow

MOST_LINES: Final = 200
"""Stages that are drawn; a pipeline may have any number."""
_LONGEST_REASON: Final = 150
_UNKNOWN_SHARE: Final = 0.25
"""What of the scale lies beyond that which is known of an interrupted run."""


@attrs.frozen
class Stretch:
    """A part of a line.

    Attributes:
        kind: how it ended, a status; ``wait`` between two attempts; or ``unknown`` for a time of which nothing is known
            but that its process ended in it.
        begin_s: seconds from the run's begin to its own.
        end_s: the same to its end.
        said: what it is, in words.
    """

    kind: str
    begin_s: float
    end_s: float
    said: str


@attrs.frozen
class Line:
    """A stage or a task on the time line.

    Attributes:
        name: its id.
        status: how it ended.
        duration_s: seconds that it took, or None.
        stretches: its attempts, and the waits between them.
    """

    name: str
    status: str
    duration_s: float | None
    stretches: tuple[Stretch, ...]

    @property
    def said(self) -> str:
        """All of it in words."""
        return f"{in_words(self.name)}: {'; '.join(stretch.said for stretch in self.stretches)}"


@attrs.frozen
class TimeLine:
    """Stages or tasks, by the time.

    Attributes:
        lines: what is drawn.
        scale: from the run's begin to its end.
        left_out: how many are not drawn.
        known_s: seconds from the run's begin to the last moment that is known of it, if its end is not; or None.
    """

    lines: tuple[Line, ...]
    scale: Scale
    left_out: int = 0
    known_s: float | None = None

    def ticks(self) -> list[Tick]:
        """Return the marks of the scale, as far as something is known; what lies beyond is marked as unknown."""
        if self.known_s is None:
            return self.scale.ticks()
        known = self.scale.percent(self.known_s)
        return [*(tick for tick in self.scale.ticks() if tick.percent <= known), Tick(100.0, "?")]

    @property
    def kinds(self) -> list[str]:
        """The kinds of its stretches, in the order in which they come."""
        return list(dict.fromkeys(stretch.kind for line in self.lines for stretch in line.stretches))


def time_line_of_stages(detail: RunDetail, now: datetime) -> TimeLine:
    """Return the stages of a run on a scale as long as the run.

    Args:
        detail: the run of a pipeline.
        now: what the stages that run have come to, in UTC.
    """
    run = detail.run
    known_s = max(
        [_known_s(run, now), last_seen_s(detail) or 0.0, *(_end_of_stage(run, stage, now) for stage in detail.stages)]
    )
    is_open = run.state == "interrupted"
    scale = Scale(max(known_s, SHORTEST_S) / (1 - _UNKNOWN_SHARE) if is_open else known_s)
    drawn = detail.stages[:MOST_LINES]
    lines = tuple(
        Line(stage.stage_id, stage.status, stage.duration_s, tuple(_stretches_of(run, stage, known_s, scale.span_s)))
        for stage in drawn
    )
    return TimeLine(lines, scale, len(detail.stages) - len(drawn), known_s if is_open else None)


def time_line_of_tasks(run: RunRow, tasks: Sequence[TaskRow], now: datetime) -> TimeLine:
    """Return some tasks of a batch on a scale as long as the batch.

    Args:
        run: the batch.
        tasks: some of its tasks, in the order in which they are drawn.
        now: what the tasks that run have come to, in UTC.
    """
    span_s = max([_known_s(run, now), *(task.queued_s + (task.duration_s or 0.0) for task in tasks)])
    return TimeLine(tuple(_line_of_task(task, span_s) for task in tasks), Scale(span_s))


def last_seen_s(detail: RunDetail) -> float | None:
    """Return how many seconds after its begin an interrupted run is last known to have gone on; None of any other."""
    return None if detail.last_seen_at is None else _since(detail.run, detail.last_seen_at)


def waited_s(stage: StageRow) -> float:
    """Return for how many seconds a stage waited between its attempts."""
    return sum(retry.backoff_s for retry in stage.retries)


def _line_of_task(task: TaskRow, span_s: float) -> Line:
    end_s = span_s if task.duration_s is None else task.queued_s + task.duration_s
    took = "" if task.duration_s is None else f" after {duration(task.duration_s)}"
    reason = _because(task.error_type, task.error_message)
    said = f"began at {duration(task.queued_s)}, {_ended(task.status)}{took}{reason}"
    stretch = Stretch(task.status, task.queued_s, end_s, said)
    return Line(f"task {task.index}", task.status, task.duration_s, (stretch,))


def _known_s(run: RunRow, now: datetime) -> float:
    """Return how long a run took, or for how long it has gone on; 0 if its process ended and nobody knows when."""
    if run.duration_s is not None:
        return run.duration_s
    return _since(run, now) if run.state == "running" else 0.0


def _since(run: RunRow, when: datetime) -> float:
    return max((when - run.started_at) / timedelta(seconds=1), 0.0)


def _end_of_stage(run: RunRow, stage: StageRow, now: datetime) -> float:
    """Return how far a stage is known to have come."""
    begin_s = _since(run, stage.started_at)
    if stage.duration_s is not None:
        return begin_s + stage.duration_s
    if stage.status == "running":
        return _since(run, now)
    return max([begin_s, *(_since(run, retry.at) for retry in stage.retries)])


def _end(run: RunRow, stage: StageRow, span_s: float) -> float:
    return span_s if stage.duration_s is None else min(_since(run, stage.started_at) + stage.duration_s, span_s)


def _stretches_of(run: RunRow, stage: StageRow, known_s: float, span_s: float) -> Iterator[Stretch]:
    yield from _stretches(run, stage, _end(run, stage, known_s))
    if stage.status == "interrupted":
        said = f"was going on when its process ended, at some time after {duration(known_s)}"
        yield Stretch("unknown", known_s, span_s, said)


def _stretches(run: RunRow, stage: StageRow, end_s: float) -> Iterator[Stretch]:
    at_s = min(_since(run, stage.started_at), end_s)
    for retry in stage.retries:
        # The time of day may be set back meanwhile: each stretch begins where the one before it ended.
        failed_s = min(max(_since(run, retry.at), at_s), end_s)
        yield Stretch("error", at_s, failed_s, _said_of_retry(retry, failed_s - at_s))
        at_s = min(failed_s + retry.backoff_s, end_s)
        yield Stretch("wait", failed_s, at_s, f"waited {duration(retry.backoff_s)}")
    # What was stopped in a wait has no attempt after it.
    if stage.status == "interrupted" and at_s >= end_s:
        return
    if stage.duration_s is None or stage.attempts > len(stage.retries) or not stage.retries:
        yield Stretch(stage.status, at_s, end_s, _said_of_end(stage, end_s - at_s))


def _said_of_retry(retry: RetryRow, took_s: float) -> str:
    reason = _because(retry.error_type, retry.error_message)
    return f"attempt {retry.attempt} of {retry.max_attempts} failed after {duration(took_s)}{reason}"


def _said_of_end(stage: StageRow, took_s: float) -> str:
    which = f"attempt {len(stage.retries) + 1} " if stage.retries else ""
    if stage.status == "interrupted":
        return f"{which}went on for {duration(took_s)} at least"
    if stage.duration_s is None:
        return f"{which}{_ended(stage.status)}"
    before = "" if stage.attempts else ", before any attempt"
    reason = _because(stage.error_type, stage.error_message)
    return f"{which}{_ended(stage.status)} after {duration(took_s)}{before}{reason}"


def _because(error_type: str | None, message: str | None) -> str:
    if error_type is None:
        return ""
    return in_words(f": {error_type}: {message}" if message else f": {error_type}", _LONGEST_REASON)


_ENDED: Final = {
    "running": "still runs",
    "success": "succeeded",
    "error": "failed",
    "timeout": "ran out of time",
    "skipped": "was skipped",
    "cancelled": "was cancelled",
    "interrupted": "was going on when its process ended",
}


def _ended(status: str) -> str:
    return _ENDED[status]
