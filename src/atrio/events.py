"""What happened: one frozen class per event, who listens, and the emission.

An event is emitted to the sinks that were attached when its run started. With nobody listening a run makes no event
object at all: it compares one integer, `Listeners.level`, with the level of what it would say.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import warnings
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, TypeAlias

import attrs

from atrio.errors import SinkWarning

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

__all__ = [
    "Event",
    "PipelineEnd",
    "PipelineStart",
    "Sink",
    "StageEnd",
    "StageRetry",
    "StageStart",
    "current_listeners",
    "emit",
    "observe",
    "observe_only",
]

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

DEBUG: Final = logging.DEBUG
INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
ERROR: Final = logging.ERROR
SILENT: Final = logging.CRITICAL + 1
"""Above every level that an event can have."""

LEVEL_NUMBERS: Final[dict[Level, int]] = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}

_END_LEVELS: Final[dict[str, Level]] = {
    "success": "info",
    "degraded": "warning",
    "skipped": "warning",
    "cancelled": "warning",
}


def end_level(status: str) -> Level:
    """Return the level of an end event: info for success, warning for what is half one, error for the rest."""
    return _END_LEVELS.get(status, "error")


@attrs.frozen
class _Envelope:
    """What every event carries.

    Attributes:
        run_id: 32 lower-case hexadecimal digits, a UUIDv7; None outside a run.
        parent_run_id: the pipeline run or batch that this one runs inside.
        parent_stage_id: the stage there.
        parent_task_id: the batch task there.
        timestamp: when it happened, aware, in UTC.
    """

    event_name: ClassVar[str]

    run_id: str | None
    parent_run_id: str | None
    parent_stage_id: str | None
    parent_task_id: str | None
    timestamp: datetime


@attrs.frozen
class PipelineStart(_Envelope):
    """A run of a pipeline began.

    Attributes:
        pipeline_id: the pipeline.
        stage_count: how many stages this run has.
    """

    event_name: ClassVar[str] = "pipeline.start"
    level: ClassVar[Level] = "info"

    pipeline_id: str
    stage_count: int


@attrs.frozen
class StageStart(_Envelope):
    """A stage began, before its middleware.

    Attributes:
        pipeline_id: the pipeline.
        stage_id: the stage.
        agent_id: the stage's agent.
        stage_index: the stage's place, from 0.
    """

    event_name: ClassVar[str] = "stage.start"
    level: ClassVar[Level] = "debug"

    pipeline_id: str
    stage_id: str
    agent_id: str
    stage_index: int


@attrs.frozen
class StageRetry(_Envelope):
    """An attempt failed and another one follows.

    Attributes:
        pipeline_id: the pipeline.
        stage_id: the stage.
        agent_id: the stage's agent.
        attempt: the attempt that failed, from 1.
        max_attempts: how many the stage may make.
        backoff_s: the wait that follows, in seconds.
        error_type: the class of the failure; `timeout` when the attempt's time ran out.
        error_message: what the failure says.
    """

    event_name: ClassVar[str] = "stage.retry"
    level: ClassVar[Level] = "warning"

    pipeline_id: str
    stage_id: str
    agent_id: str
    attempt: int
    max_attempts: int
    backoff_s: float
    error_type: str | None
    error_message: str | None


@attrs.frozen
class StageEnd(_Envelope):
    """A stage that was begun ended, in whatever way.

    Attributes:
        pipeline_id: the pipeline.
        stage_id: the stage.
        agent_id: the stage's agent.
        stage_index: the stage's place, from 0.
        status: success, error, skipped or cancelled.
        attempts: how often the agent was called.
        duration_s: seconds on Trio's clock, middleware and waits included.
        input_size: the size of what the agent was given, or None.
        output_size: the size of what it gave, or None.
        error_type: the class of what ended it; `timeout` when the last attempt's time ran out.
        error_message: what that says.
        error_stack: its traceback, without local variables.
    """

    event_name: ClassVar[str] = "stage.end"

    pipeline_id: str
    stage_id: str
    agent_id: str
    stage_index: int
    status: str
    attempts: int
    duration_s: float
    input_size: int | None
    output_size: int | None
    error_type: str | None
    error_message: str | None
    error_stack: str | None

    @property
    def level(self) -> Level:
        """Info, error if it failed, warning if it was skipped or cancelled."""
        return end_level(self.status)


@attrs.frozen
class PipelineEnd(_Envelope):
    """A run of a pipeline ended, in whatever way.

    Attributes:
        pipeline_id: the pipeline.
        status: success, degraded, failed or cancelled.
        duration_s: seconds on Trio's clock.
        stages_successful: how many stages succeeded.
        stages_failed: how many failed.
        stages_skipped: how many were skipped.
        error_type: the class of what ended the run, if it failed.
        error_message: what that says.
        error_stack: its traceback, without local variables.
    """

    event_name: ClassVar[str] = "pipeline.end"

    pipeline_id: str
    status: str
    duration_s: float
    stages_successful: int
    stages_failed: int
    stages_skipped: int
    error_type: str | None
    error_message: str | None
    error_stack: str | None

    @property
    def level(self) -> Level:
        """Info, warning if it was degraded or cancelled, error if it failed."""
        return end_level(self.status)


Event: TypeAlias = PipelineStart | StageStart | StageRetry | StageEnd | PipelineEnd
"""Whatever a sink may be given."""


class Sink(Protocol):
    """A callable that takes an event. It is called in the run's own task, so it must be quick; it cannot await.

    A sink that wants only events from some level up may have a method ``minimum_level() -> int`` (the numbers of
    ``logging``); it is asked once when a run starts, and what no sink wants is never made. A sink must expect events of
    a lower level all the same: those that another sink wants, and the end of a run, so that it can forget the run.
    """

    def __call__(self, event: Event, /) -> object:
        """Take note of `event`. What it raises is warned of once, and then the sink is left out."""
        ...


class LevelledSink(Sink, Protocol):
    """A sink that says from which level up it wants events."""

    def minimum_level(self) -> int:
        """Return the lowest level wanted, as a number of ``logging``; above CRITICAL for none."""
        ...


class _Attached:
    """A sink in a block, and whether it still works there."""

    __slots__ = ("sink", "working")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.working = True

    def minimum_level(self) -> int:
        if not self.working:
            return SILENT
        try:
            # Not isinstance(sink, LevelledSink): that check costs more than all the rest of a run's start.
            minimum_level = getattr(self.sink, "minimum_level", None)
            level = DEBUG if minimum_level is None else minimum_level()
            # A mock has every attribute, and is a callable that takes an event.
            return level if isinstance(level, int) else DEBUG
        except Exception as error:  # noqa: BLE001 - whatever a sink raises must not change the run
            self.detach(error)
            return SILENT

    def take(self, event: Event) -> None:
        try:
            self.sink(event)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises must not change the run
            self.detach(error)

    def detach(self, error: Exception) -> None:
        self.working = False
        warn_of_observer(f"sink {_described(self.sink)}", error)


def _described(observer: object) -> str:
    return str(getattr(observer, "__qualname__", type(observer).__qualname__))


def warn_of_observer(what: str, error: Exception) -> None:
    """Say through `warnings` that `what` raised `error` and is left out from here on."""
    try:
        message = f"{what} raised {type(error).__name__}: {error}; it is left out from here on"
    except Exception:  # noqa: BLE001 - an exception whose str raises is an observer's mistake too
        message = f"{what} raised {type(error).__name__}; it is left out from here on"
    try:
        warnings.warn(message, SinkWarning, stacklevel=2)
    except SinkWarning as warning:
        # The host turns warnings into errors. Observing must not change a run, so show it instead of raising it.
        warnings.showwarning(warning, SinkWarning, __file__, 0)


class Listeners:
    """The sinks of one run, asked once at its start.

    Attributes:
        level: the lowest level that any of them wants; compare with it before building an event.
    """

    __slots__ = ("_attached", "level")

    def __init__(self, attached: tuple[_Attached, ...]) -> None:
        self._attached = attached
        self.level = min((each.minimum_level() for each in attached), default=SILENT)

    def emit(self, event: Event) -> None:
        """Give `event` to every sink that still works. Never raises what a sink raised."""
        for each in self._attached:
            if each.working:
                each.take(event)


_default_sinks: list[LevelledSink] = []


def install_default(sink: LevelledSink) -> None:
    """Make `sink` hear every run that no ``observe_only`` shields. It is fresh for each run, whatever it raised."""
    _default_sinks.append(sink)


@attrs.frozen
class _Audience:
    """Who listens in a block: the sinks attached to it and around it, and whether the default ones do too."""

    attached: tuple[_Attached, ...] = ()
    default: bool = True


_audience: ContextVar[_Audience] = ContextVar("atrio_audience", default=_Audience())  # noqa: B039 - frozen


def current_listeners() -> Listeners:
    """Return who listens here and now. A run asks once, when it starts."""
    audience = _audience.get()
    if audience.default:
        return Listeners((*audience.attached, *map(_Attached, _default_sinks)))
    return Listeners(audience.attached)


def emit(event: Event) -> None:
    """Give `event` to whoever listens here and now."""
    current_listeners().emit(event)


def _attach(sinks: tuple[Sink, ...]) -> tuple[_Attached, ...]:
    for sink in sinks:
        if not callable(sink) or inspect.isclass(sink):
            raise TypeError(f"a sink is a callable that takes an event, not {sink!r}: pass a function or an instance")
        call: Any = sink if inspect.isroutine(sink) else type(sink).__call__
        if inspect.iscoroutinefunction(call):
            raise TypeError(f"sink {_described(sink)} is async, and a sink cannot await: write `def`, not `async def`")
    return tuple(_Attached(sink) for sink in sinks)


@contextlib.contextmanager
def observe(*sinks: Sink) -> Generator[None]:
    """Add `sinks` for the block and for the tasks begun in it.

    Args:
        sinks: callables that take an event. One that raises is reported once through ``warnings`` and left out for the
            rest of the block; it never changes a run.

    Raises:
        TypeError: a sink is not callable, or is async.
    """
    outer = _audience.get()
    with _audience_of(attrs.evolve(outer, attached=outer.attached + _attach(sinks))):
        yield


@contextlib.contextmanager
def observe_only(*sinks: Sink) -> Generator[None]:
    """Replace all sinks, the default one too, by `sinks` for the block and for the tasks begun in it.

    Args:
        sinks: as for :func:`observe`; none at all makes the block silent.

    Raises:
        TypeError: a sink is not callable, or is async.
    """
    with _audience_of(_Audience(_attach(sinks), default=False)):
        yield


@contextlib.contextmanager
def _audience_of(audience: _Audience) -> Generator[None]:
    token: Any = _audience.set(audience)
    try:
        yield
    finally:
        _audience.reset(token)
