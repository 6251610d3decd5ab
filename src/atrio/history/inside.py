"""What ran in the tasks of a batch, counted stage by stage."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from operator import itemgetter
from typing import Final

import attrs

from atrio._results import percentile
from atrio.history import _queries as queries
from atrio.history.rows import ModelRow, PipelineFigures, StageFigures

_LAST_TASK: Final = "SELECT max(task_index) FROM tasks WHERE run_id = ?"
_MOST_STAGES: Final = """
SELECT max(total, 1) FROM runs WHERE parent_run_id = ? AND parent_task_id IS NOT NULL AND kind = 'pipeline' LIMIT 1
"""


@attrs.define
class _Stage:
    stage_id: str
    agent_id: str
    statuses: Counter[str] = attrs.field(factory=Counter[str])
    durations_s: list[float] = attrs.field(factory=list[float])


@attrs.define
class _Pipeline:
    total: int | None
    runs: set[str] = attrs.field(factory=set[str])
    stages: dict[tuple[int, str], _Stage] = attrs.field(factory=dict[tuple[int, str], _Stage])


def pipelines_inside(connection: sqlite3.Connection, run_id: str, most: int) -> tuple[PipelineFigures, ...]:
    """Return the pipelines that ran as the tasks of a batch, that of the first task first.

    Args:
        connection: the history.
        run_id: the batch.
        most: about how many stages are looked at.

    Raises:
        sqlite3.Error: the history cannot be read.
    """
    [(last,)] = connection.execute(_LAST_TASK, (run_id,))
    stages = connection.execute(_MOST_STAGES, (run_id,)).fetchone()
    if last is None or stages is None:
        return ()
    every = math.ceil((last + 1) * (stages[0] or 1) / most)
    found: dict[str, _Pipeline] = {}
    picked = {"batch": run_id, "every": every, "last": last}
    rows = connection.execute(queries.STAGES_OF_TASKS, picked)
    for name, total, inner_id, index, stage_id, agent_id, status, duration_s in rows:
        pipeline = found.setdefault(name, _Pipeline(total))
        pipeline.runs.add(inner_id)
        if index is None:  # it has begun no stage yet
            continue
        stage = pipeline.stages.setdefault((index, stage_id), _Stage(stage_id, agent_id))
        stage.statuses[status] += 1
        if duration_s is not None:
            stage.durations_s.append(duration_s)
    models: dict[str, list[ModelRow]] = {}
    if connection.execute("SELECT 1 FROM model_calls LIMIT 1").fetchone():
        for name, *row in connection.execute(queries.MODELS_OF_TASKS, picked):
            models.setdefault(name, []).append(ModelRow(*row))
    return tuple(
        PipelineFigures(
            name,
            pipeline.total,
            len(pipeline.runs),
            every,
            tuple(_figures(index, stage) for (index, _), stage in sorted(pipeline.stages.items(), key=itemgetter(0))),
            tuple(models.get(name, ())),
        )
        for name, pipeline in found.items()
    )


def _figures(index: int, stage: _Stage) -> StageFigures:
    statuses = stage.statuses
    counts = (statuses[each] for each in ("success", "error", "skipped", "cancelled", "running"))
    ranks = (percentile(stage.durations_s, share) for share in (0.5, 0.95))
    return StageFigures(index, stage.stage_id, stage.agent_id, statuses.total(), *counts, *ranks)
