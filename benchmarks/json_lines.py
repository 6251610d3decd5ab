"""Sinks as a user would write them: a line of JSON for each end of a stage, or of a task, with the event's fields."""

import logging
from collections.abc import Callable
from typing import BinaryIO

import orjson

from atrio.events import Event, StageEnd, TaskEnd

OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def line_of(event: StageEnd) -> bytes:
    """Return the event as a line of JSON."""
    line = {
        "schema": 1,
        "event": event.event_name,
        "level": event.level,
        "timestamp": event.timestamp,
        "logger": "atrio",
        "run_id": event.run_id,
        "parent_run_id": event.parent_run_id,
        "parent_stage_id": event.parent_stage_id,
        "parent_task_id": event.parent_task_id,
        "pipeline_id": event.pipeline_id,
        "stage_id": event.stage_id,
        "agent_id": event.agent_id,
        "stage_index": event.stage_index,
        "status": event.status,
        "attempts": event.attempts,
        "duration_s": round(event.duration_s, 6),
        "input_size": event.input_size,
        "output_size": event.output_size,
        "error_type": event.error_type,
        "error_message": event.error_message,
        "error_stack": event.error_stack,
    }
    return orjson.dumps(line, option=OPTIONS)


def stage_end_lines(file: BinaryIO) -> Callable[[Event], None]:
    """Return a plain function as sink: it is given every event, and picks."""

    def sink(event: Event) -> None:
        if isinstance(event, StageEnd):
            file.write(line_of(event))

    return sink


class StageEndLines:
    """The same as a class that says from which level up it wants events, as the twin's logger does."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def minimum_level(self) -> int:
        """Return the level from which events are wanted: no stage.start, then."""
        return logging.INFO

    def __call__(self, event: Event) -> None:
        """Write the event's line if it is the end of a stage."""
        if isinstance(event, StageEnd):
            self._file.write(line_of(event))


def task_line_of(event: TaskEnd) -> bytes:
    """Return the end of a batch's task as a line of JSON."""
    line = {
        "schema": 1,
        "event": event.event_name,
        "level": event.level,
        "timestamp": event.timestamp,
        "logger": "atrio",
        "run_id": event.run_id,
        "parent_run_id": event.parent_run_id,
        "parent_stage_id": event.parent_stage_id,
        "parent_task_id": event.parent_task_id,
        "batch": event.batch,
        "task_id": event.task_id,
        "agent_id": event.agent_id,
        "task_index": event.task_index,
        "status": event.status,
        "queued_s": round(event.queued_s, 6),
        "duration_s": round(event.duration_s, 6),
        "error_type": event.error_type,
        "error_message": event.error_message,
        "error_stack": event.error_stack,
    }
    return orjson.dumps(line, option=OPTIONS)


def task_end_lines(file: BinaryIO) -> Callable[[Event], None]:
    """Return a plain function as sink: a task's start is a debug event as its end is, so no level parts the two."""

    def sink(event: Event) -> None:
        if isinstance(event, TaskEnd):
            file.write(task_line_of(event))

    return sink
