"""What the rules measure, read from a history: the latest rows of one name alone, however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from atrio.history.alerts import (
    SLOW_STAGE,
    Finding,
    Thresholds,
    judged_runs,
    judged_stage,
    judged_tasks,
    stage_subject,
)
from atrio.history.raised import Alert

__all__ = ["of_batches", "of_pipeline"]

_Known: TypeAlias = Mapping[tuple[str, str], Alert]

_AMONG: Final = 5
"""So many times the runs that are wanted are looked through for those that count."""
_BEFORE: Final = 200
"""Runs that the latest ones are compared with, at most."""
_MOST_STAGES: Final = 50_000
"""Rows of stages that are looked through, at most."""
_MOST_TASKS: Final = 2_000
"""Tasks of a batch that are looked through, at most: the latest ones, many of which may run."""
_MOST_INSIDE: Final = 100
"""Runs inside a task that are asked how they ended, at most."""
_NOW: Final = 2**62

# In the order of the index and bounded by it: nothing is sorted, and nothing older is looked at.
_STAGES: Final = """
SELECT runs.started_us, stages.stage_id, stages.duration_s
FROM runs INDEXED BY runs_by_name CROSS JOIN stages ON stages.run_id = runs.run_id
WHERE runs.kind = 'pipeline' AND runs.name = ?1 AND runs.started_us < ?2 AND runs.started_us >= coalesce(
    (SELECT started_us FROM runs INDEXED BY runs_by_name WHERE kind = 'pipeline' AND name = ?1 AND started_us < ?2
        ORDER BY started_us DESC LIMIT 1 OFFSET ?3 - 1), -?2)
    AND stages.status = 'success' AND stages.duration_s IS NOT NULL
ORDER BY runs.started_us DESC LIMIT ?4
"""
_BATCHES: Final = """
SELECT run_id FROM runs INDEXED BY runs_by_name WHERE kind = 'batch' AND name = ? ORDER BY started_us DESC LIMIT ?
"""
_TASKS: Final = """
SELECT run_id, task_id, status FROM (
    SELECT run_id, task_id, status, task_index FROM tasks WHERE run_id = ? ORDER BY task_index DESC LIMIT ?
)
WHERE status IN ('success', 'error', 'timeout') ORDER BY task_index DESC LIMIT ?
"""
_ENDED: Final = """
SELECT state FROM (
    SELECT state, started_us FROM runs WHERE kind = 'pipeline' AND name = ? ORDER BY started_us DESC LIMIT ?
)
WHERE state IN ('success', 'degraded', 'failed') ORDER BY started_us DESC LIMIT ?
"""
_FAILED_INSIDE: Final = """
SELECT 1 FROM (SELECT kind, state FROM runs WHERE parent_run_id = ? AND parent_task_id = ? LIMIT ?)
WHERE kind = 'pipeline' AND state = 'failed'
"""


def of_pipeline(
    database: sqlite3.Connection, pipeline_id: str, known: _Known, thresholds: Thresholds, *, began_us: int
) -> Iterator[Finding]:
    """Yield what the rules find of a pipeline and its stages.

    Args:
        database: the history.
        pipeline_id: the pipeline.
        known: the alerts that are raised.
        thresholds: what is too much, and of how many runs.
        began_us: when that began which runs now, in microseconds since 1970: it is compared with what was before.

    Raises:
        sqlite3.Error: the history cannot be read.
    """
    yield from _of_stages(database, pipeline_id, known, thresholds, began_us)
    count = thresholds.runs
    states = [state for (state,) in database.execute(_ENDED, (pipeline_id, _AMONG * count, count))]
    if (found := judged_runs(pipeline_id, states, thresholds)) is not None:
        yield found


def _of_stages(
    database: sqlite3.Connection, pipeline_id: str, known: _Known, thresholds: Thresholds, began_us: int
) -> Iterator[Finding]:
    count = thresholds.runs
    latest: dict[str, list[float]] = {}
    until: dict[str, int] = {}
    for started_us, stage_id, seconds in database.execute(
        _STAGES, (pipeline_id, _NOW, _AMONG * count, max(_MOST_STAGES, count))
    ):
        of_stage = latest.setdefault(stage_id, [])
        if len(of_stage) < count:
            of_stage.append(seconds)
        if len(of_stage) == count and stage_id not in until:
            until[stage_id] = min(started_us, began_us)
    if not until:
        return
    before: dict[str, list[float]] = {stage_id: [] for stage_id in until}
    most = max(_BEFORE, count)
    # How far back one stage's latest runs reach may differ from another's, by the runs that were looked through above.
    oldest = (pipeline_id, max(until.values()), most + _AMONG * count, max(_MOST_STAGES, count))
    for started_us, stage_id, seconds in database.execute(_STAGES, oldest):
        if stage_id in until and started_us < until[stage_id] and len(before[stage_id]) < most:
            before[stage_id].append(seconds)
    for stage_id in until:
        subject = stage_subject(pipeline_id, stage_id)
        alert = known.get((SLOW_STAGE, subject))
        allowed_s = None if alert is None else alert.threshold
        found = judged_stage(subject, latest[stage_id], before[stage_id], thresholds, allowed_s=allowed_s)
        if found is not None:
            yield found


def of_batches(database: sqlite3.Connection, name: str, thresholds: Thresholds) -> Finding | None:
    """Return what the rules find of the tasks of the batches of that name; None with too few to tell.

    A task does not count as failed in which a pipeline's run failed: that is told of the pipeline.

    Args:
        database: the history.
        name: the batches' name.
        thresholds: what is too much, and of how many tasks.

    Raises:
        sqlite3.Error: the history cannot be read.
    """
    count = thresholds.runs
    tasks: list[tuple[str, str, str]] = []
    for (run_id,) in database.execute(_BATCHES, (name, _AMONG * count)).fetchall():
        tasks += database.execute(_TASKS, (run_id, max(_MOST_TASKS, _AMONG * count), count - len(tasks)))
        if len(tasks) == count:
            break
    found = judged_tasks(name, [status != "success" for _, _, status in tasks], thresholds)
    if found is None or not found.is_exceeded:
        return found
    failed = [
        status != "success" and not database.execute(_FAILED_INSIDE, (run_id, task_id, _MOST_INSIDE)).fetchone()
        for run_id, task_id, status in tasks
    ]
    return judged_tasks(name, failed, thresholds)
