"""The events of the twin: which fields they have, at which level they are logged, and by whom."""

import logging
import traceback
from collections import Counter
from typing import Any

from benchmarks.twin.logs import log_event
from benchmarks.twin.records import Failure, RunContext, RunStatus, StageRecord, StageStatus, error_type_of
from benchmarks.twin.stage import Stage

# A logger each, so that a host can have the lines of one without the others'.
logging.getLogger("twin").addHandler(logging.NullHandler())
pipeline_log = logging.getLogger("twin.pipeline")
stage_log = logging.getLogger("twin.stage")
batch_log = logging.getLogger("twin.batch")

LEVELS = {
    StageStatus.SUCCESS: logging.INFO,
    StageStatus.ERROR: logging.ERROR,
    StageStatus.SKIPPED: logging.WARNING,
    StageStatus.CANCELLED: logging.WARNING,
    RunStatus.SUCCESS: logging.INFO,
    RunStatus.DEGRADED: logging.WARNING,
    RunStatus.FAILED: logging.ERROR,
    RunStatus.TIMEOUT: logging.ERROR,
    RunStatus.CANCELLED: logging.WARNING,
}


def run_fields(run: RunContext) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "parent_run_id": run.parent_run_id,
        "parent_stage_id": run.parent_stage_id,
        "parent_task_id": run.parent_task_id,
        "pipeline_id": run.pipeline_id,
    }


def error_fields(error: BaseException | None) -> dict[str, str | None]:
    if error is None:
        return {"error_type": None, "error_message": None, "error_stack": None}
    stack = "".join(traceback.format_exception(error))
    return {"error_type": error_type_of(error), "error_message": str(error), "error_stack": stack}


def log_pipeline_start(run: RunContext, stage_count: int) -> None:
    if pipeline_log.isEnabledFor(logging.INFO):
        log_event(pipeline_log, logging.INFO, "pipeline.start", {**run_fields(run), "stage_count": stage_count})


def log_pipeline_end(run: RunContext, duration: float) -> None:
    level = LEVELS[run.status]
    if pipeline_log.isEnabledFor(level):
        counts = Counter(record.status for record in run.stage_history)
        fields = {
            **run_fields(run),
            "status": run.status,
            "duration_s": round(duration, 6),
            "stages_successful": counts[StageStatus.SUCCESS],
            "stages_failed": counts[StageStatus.ERROR],
            "stages_skipped": counts[StageStatus.SKIPPED],
        }
        log_event(pipeline_log, level, "pipeline.end", fields)


def log_stage_start(run: RunContext, index: int, stage: Stage) -> None:
    ids = {"stage_id": stage.stage_id, "agent_id": stage.agent_id, "stage_index": index}
    log_event(stage_log, logging.DEBUG, "stage.start", {**run_fields(run), **ids})


def log_retry(run: RunContext, stage: Stage, record: StageRecord, failure: Failure) -> None:
    if stage_log.isEnabledFor(logging.WARNING):
        fields = {
            **run_fields(run),
            "stage_id": stage.stage_id,
            "agent_id": stage.agent_id,
            "attempt": record.attempts,
            "max_attempts": stage.config.attempts,
            "backoff_s": failure.backoff_s,
            "error_type": failure.error_type,
            "error_message": failure.message,
        }
        log_event(stage_log, logging.WARNING, "stage.retry", fields)


def log_stage_end(run: RunContext, record: StageRecord) -> None:
    level = LEVELS[record.status]
    if stage_log.isEnabledFor(level):
        log_event(stage_log, level, "stage.end", stage_end_fields(run, record))


def stage_end_fields(run: RunContext, record: StageRecord) -> dict[str, Any]:
    # One dict, written out: joining smaller ones costs a tenth of the line.
    fields = {
        "run_id": run.run_id,
        "parent_run_id": run.parent_run_id,
        "parent_stage_id": run.parent_stage_id,
        "parent_task_id": run.parent_task_id,
        "pipeline_id": run.pipeline_id,
        "stage_id": record.stage_id,
        "agent_id": record.agent_id,
        "stage_index": record.index,
        "status": record.status,
        "attempts": record.attempts,
        "duration_s": round(record.duration_s, 6),
        "input_size": record.input_size,
        "output_size": record.output_size,
        "error_type": None,
        "error_message": None,
        "error_stack": None,
    }
    if record.error is not None:
        fields.update(error_fields(record.error))
    return fields
