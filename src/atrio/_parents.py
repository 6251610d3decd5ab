"""What a run runs inside: a stage of a pipeline run, or a task of a batch, whichever is nearer."""

from __future__ import annotations

from typing import Any

from atrio._context import PipelineContext
from atrio._tasks import TaskResult


def parent_ids(
    context: PipelineContext | None, task: TaskResult[Any] | None
) -> tuple[str | None, str | None, str | None]:
    """Return the run, stage and task ids of what a run runs inside.

    Args:
        context: the pipeline run that called, or None.
        task: the batch task that called, if it is nearer than that run, or None.
    """
    if task is not None:
        return task.batch.batch_id, None, task.task_id
    if context is not None:
        return context.run_id, context._stage_id, None
    return None, None, None
