"""Who listens, and the emission."""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeAlias, get_args

import attrs

from atrio._text import message_of
from atrio.errors import SinkWarning
from atrio.events._alerts import AlertRaised, AlertResolved
from atrio.events._batches import BatchEnd, BatchProgress, BatchStart, TaskEnd, TaskStart
from atrio.events._breakers import BreakerClosed, BreakerHalfOpened, BreakerOpened
from atrio.events._fallbacks import FallbackUsed
from atrio.events._levels import DEBUG, SILENT
from atrio.events._logs import LogDropped
from atrio.events._models import ModelCalled
from atrio.events._pipelines import PipelineEnd, PipelineStart, StageEnd, StageRetry, StageStart

Event: TypeAlias = (
    PipelineStart
    | StageStart
    | StageRetry
    | StageEnd
    | PipelineEnd
    | BatchStart
    | TaskStart
    | TaskEnd
    | BatchProgress
    | BatchEnd
    | ModelCalled
    | FallbackUsed
    | BreakerOpened
    | BreakerHalfOpened
    | BreakerClosed
    | AlertRaised
    | AlertResolved
    | LogDropped
)
"""Whatever a sink may be given."""

EVENT_KINDS: Final = get_args(Event)
"""Every class of events, in the order of the catalogue."""


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

    def detach(self, error: Exception) -> None:
        self.working = False
        warn_of_observer(f"sink {_described(self.sink)}", error)


def _described(sink: object) -> str:
    return sink.__qualname__ if inspect.isroutine(sink) else type(sink).__qualname__


def warn_of_observer(what: str, error: Exception) -> None:
    """Say through `warnings` that `what` raised `error` and is left out from here on. Never raises."""
    message = f"{what} raised {type(error).__name__}: {message_of(error)}; it is left out from here on"
    # A host may turn warnings into errors, and show them by a function of its own: neither must change a run.
    with contextlib.suppress(Exception):
        try:
            warnings.warn(message, SinkWarning, stacklevel=2)
        except SinkWarning as warning:
            warnings.showwarning(warning, SinkWarning, __file__, 0)


class Listeners:
    """The sinks of one run, asked once at its start.

    Attributes:
        level: the lowest level that any of them wants; compare with it before building an event.
    """

    __slots__ = ("_attached", "level")

    def __init__(self, attached: tuple[_Attached, ...]) -> None:
        self._attached = attached
        self.level: int = min((each.minimum_level() for each in attached), default=SILENT)

    def emit(self, event: Event) -> None:
        """Give `event` to every sink that still works. Never raises what a sink raised."""
        for each in self._attached:
            if each.working:
                try:
                    each.sink(event)
                except Exception as error:  # noqa: BLE001 - whatever a sink raises must not change the run
                    each.detach(error)


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


def check_sink(sink: Sink) -> None:
    """Raise unless `sink` can serve as one.

    Raises:
        TypeError: it is not callable, is a class, or is async.
    """
    if not callable(sink) or inspect.isclass(sink):
        raise TypeError(f"a sink is a callable that takes an event, not {sink!r}: pass a function or an instance")
    # An object is asked by its class: its own attributes may do anything.
    call = sink if inspect.isroutine(sink) or isinstance(sink, functools.partial) else type(sink).__call__
    if inspect.iscoroutinefunction(call):
        raise TypeError(f"sink {_described(sink)} is async, and a sink cannot await: write `def`, not `async def`")


def _attach(sinks: tuple[Sink, ...]) -> tuple[_Attached, ...]:
    for sink in sinks:
        check_sink(sink)
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
