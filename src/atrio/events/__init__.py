"""What happened: one frozen class per event, who listens, and the emission.

An event is emitted to the sinks that were attached when its run started. With nobody listening a run makes no event
object at all: it compares one integer, `Listeners.level`, with the level of what it would say.
"""

from atrio.events._batches import BatchEnd, BatchProgress, BatchStart, TaskEnd, TaskStart
from atrio.events._breakers import BreakerClosed, BreakerHalfOpened, BreakerOpened
from atrio.events._observing import EVENT_KINDS, Event, LevelledSink, Sink, emit, observe, observe_only
from atrio.events._pipelines import PipelineEnd, PipelineStart, StageEnd, StageRetry, StageStart

__all__ = [
    "EVENT_KINDS",
    "BatchEnd",
    "BatchProgress",
    "BatchStart",
    "BreakerClosed",
    "BreakerHalfOpened",
    "BreakerOpened",
    "Event",
    "LevelledSink",
    "PipelineEnd",
    "PipelineStart",
    "Sink",
    "StageEnd",
    "StageRetry",
    "StageStart",
    "TaskEnd",
    "TaskStart",
    "emit",
    "observe",
    "observe_only",
]
