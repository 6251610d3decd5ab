"""What happened: one frozen class per event, who listens, and the emission.

An event is emitted to the sinks that were attached when its run started. With nobody listening a run makes no event
object at all: it compares one integer, `Listeners.level`, with the level of what it would say.
"""

from typing import Any

from atrio.events._alerts import AlertRaised, AlertResolved
from atrio.events._batches import BatchEnd, BatchProgress, BatchStart, TaskEnd, TaskStart
from atrio.events._breakers import BreakerClosed, BreakerHalfOpened, BreakerOpened
from atrio.events._fallbacks import FallbackUsed
from atrio.events._logs import LogDropped
from atrio.events._models import ModelCalled
from atrio.events._observing import EVENT_KINDS, Event, LevelledSink, Sink, emit, observe, observe_only
from atrio.events._pipelines import PipelineEnd, PipelineStart, StageEnd, StageRetry, StageStart

__all__ = [
    "EVENT_KINDS",
    "AlertRaised",
    "AlertResolved",
    "BatchEnd",
    "BatchProgress",
    "BatchStart",
    "BreakerClosed",
    "BreakerHalfOpened",
    "BreakerOpened",
    "Event",
    "FallbackUsed",
    "LevelledSink",
    "LogDropped",
    "ModelCalled",
    "PipelineEnd",
    "PipelineStart",
    "Sink",
    "StageEnd",
    "StageRetry",
    "StageStart",
    "TaskEnd",
    "TaskStart",
    "emit",
    "json_schema",
    "observe",
    "observe_only",
]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a line that :class:`~atrio.sinks.JsonLinesSink` writes.

    It is made from the event classes: one definition for each event, chosen by `event`. Fields that it does not name
    are allowed, because fields may be added.
    """
    from atrio.events._schema import schema_of_lines  # noqa: PLC0415 - for those few who want it

    return schema_of_lines()
