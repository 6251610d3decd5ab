"""What happened: one frozen class per event, who listens, and the emission.

An event is emitted to the sinks that were attached when its run started. With nobody listening a run makes no event
object at all: it compares one integer, `Listeners.level`, with the level of what it would say.
"""

from atrio.events._batches import BatchEnd, BatchProgress, BatchStart, TaskEnd, TaskStart, task_end_level
from atrio.events._envelope import DEBUG, ERROR, INFO, LEVEL_NUMBERS, SILENT, WARNING, Level, end_level
from atrio.events._observing import (
    EVENT_KINDS,
    Event,
    LevelledSink,
    Listeners,
    Sink,
    current_listeners,
    emit,
    install_default,
    observe,
    observe_only,
    warn_of_observer,
)
from atrio.events._pipelines import PipelineEnd, PipelineStart, StageEnd, StageRetry, StageStart

__all__ = [
    "DEBUG",
    "ERROR",
    "EVENT_KINDS",
    "INFO",
    "LEVEL_NUMBERS",
    "SILENT",
    "WARNING",
    "BatchEnd",
    "BatchProgress",
    "BatchStart",
    "Event",
    "Level",
    "LevelledSink",
    "Listeners",
    "PipelineEnd",
    "PipelineStart",
    "Sink",
    "StageEnd",
    "StageRetry",
    "StageStart",
    "TaskEnd",
    "TaskStart",
    "current_listeners",
    "emit",
    "end_level",
    "install_default",
    "observe",
    "observe_only",
    "task_end_level",
    "warn_of_observer",
]
