"""A sink beside the history's, which raises alerts about what that has kept."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import attrs

from atrio import events
from atrio._stamps import elapsed_clock, utc_now
from atrio._validation import derived_id
from atrio.events import AlertRaised, AlertResolved, emit
from atrio.events import _levels as levels
from atrio.events._observing import warn_of_observer
from atrio.history.alerts import (
    BREAKER_OPENED,
    SLOW_STAGE,
    Finding,
    Thresholds,
    evaluate,
    judged_breaker,
    judged_runs,
    judged_stage,
)
from atrio.history.raised import Alert, open_alerts, record
from atrio.history.schema import HistoryError, connect, microseconds

if TYPE_CHECKING:
    from atrio.events import Event
    from atrio.history.writing import HistorySink

    Key: TypeAlias = tuple[str, str]
    Stages: TypeAlias = dict[str, dict[str, None]]

_PERIOD_S: Final = 5.0
"""Seconds between two looks at the history while something runs."""
_BUSY_S: Final = 0.05
"""Seconds that a look waits for another process that writes; what was not told then is told at the next one."""
_BEFORE: Final = 200
"""Runs that the latest ones are compared with, at most."""
_MOST: Final = 100
"""Pipelines that one look is about, at most."""
_PASSED: Final = ("success", "degraded")

# Of so many runs and no more: a stage that never succeeds would be looked for through all that was kept.
_LATEST: Final = """
SELECT latest.started_us, stages.duration_s FROM (
    SELECT run_id, started_us FROM runs
    WHERE kind = 'pipeline' AND name = ? AND started_us < ? ORDER BY started_us DESC LIMIT ?
) AS latest JOIN stages USING (run_id)
WHERE stages.stage_id = ? AND stages.status = 'success' AND stages.duration_s IS NOT NULL
ORDER BY latest.started_us DESC LIMIT ?
"""
_ENDED: Final = """
SELECT state FROM (
    SELECT state, started_us FROM runs WHERE kind = 'pipeline' AND name = ? ORDER BY started_us DESC LIMIT ?
)
WHERE state IN ('success', 'degraded', 'failed') ORDER BY started_us DESC LIMIT ?
"""
_AMONG: Final = 5
"""So many times the runs that are wanted are looked through for those that count."""


@attrs.define
class _Ended:
    """What ended in some span of time.

    Attributes:
        stages: the stages that ended, by pipeline.
        began: when the first of the outermost runs that ended began, in a list of at most one.
    """

    stages: Stages = attrs.field(factory=dict)
    began: list[datetime] = attrs.field(factory=list)

    def with_what_ended_before(self, before: _Ended) -> _Ended:
        stages = {pipeline_id: dict(each) for pipeline_id, each in before.stages.items()}
        for pipeline_id, each in self.stages.items():
            stages.setdefault(pipeline_id, {}).update(each)
        return _Ended(stages, [*before.began, *self.began])


class AlertSink:
    """A sink that looks at a history as runs end, and raises alerts.

    Three things raise one: a stage that takes much longer than before, a pipeline that fails too often, and a circuit
    breaker that opens. Each is raised once, and resolved once, as events and through `on_alert`, whichever processes
    share the history; :func:`alerts_in` reads them. A stage's alert is resolved when it is as fast again as it should
    have been when it was raised; a breaker's when it closes, or when what ran then reaches its end again without it.

    It looks when a run ends that is inside of no other, when a batch tells of its progress, each five seconds at most,
    and for the last time when it is closed: it is a context manager. A breaker is told of at once. What cannot be read
    or written is let be: the history's own sink says so.

    Args:
        history: the sink that keeps the history, which must hear each event before this one.
        thresholds: what is too much.
        on_alert: called with each event that is emitted, in the run's own task, so that it must be quick.

    Raises:
        TypeError: `on_alert` cannot be called.
    """

    def __init__(
        self,
        history: HistorySink,
        thresholds: Thresholds | None = None,
        *,
        on_alert: Callable[[AlertRaised | AlertResolved], object] | None = None,
    ) -> None:
        if on_alert is not None and not callable(on_alert):
            raise TypeError(f"on_alert must be a function that takes an alert, or None, not {on_alert!r}")
        self._history = history
        self._thresholds = Thresholds() if thresholds is None else thresholds
        self._on_alert = on_alert
        self._lock = threading.RLock()
        self._database: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._working = True
        self._found: deque[tuple[type[AlertRaised | AlertResolved], Finding]] = deque()
        self._looked_at = -inf
        # What ended since the last look, and what since the one before it: what is just written may not be read yet.
        self._ended, self._ended_before = _Ended(), _Ended()
        self._passed: set[str] = set()
        self._running: dict[str, tuple[str, datetime]] = {}
        self._open_breakers: dict[str, None] = {}
        self._untold: dict[str, bool] = {}

    def minimum_level(self) -> int:
        """Return the lowest level wanted, as a number of ``logging``."""
        return levels.LEVEL_NUMBERS["info"]

    def __call__(self, event: Event, /) -> None:
        """Take note of `event`, and look at the history if it is time to."""
        take = _TAKERS.get(type(event))
        if take is not None:
            with self._lock:
                take(self, event)
            self._emit_found()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Look for the last time, if anything ended since the last one, and let go of the history."""
        with self._lock:
            if self._ended.stages or self._ended_before.stages or self._passed or self._untold:
                # Only now: while something runs it is soon enough at the next look, and nobody waits.
                self._history.flush()
                self._look()
            # That of a parent stays open: closing it here would drop the parent's locks.
            if self._database is not None and self._pid == os.getpid():
                self._database.close()
                self._database = None
        self._emit_found()

    def _run_began(self, event: events.PipelineStart | events.BatchStart) -> None:
        if event.parent_run_id is None and event.run_id is not None:
            name = event.pipeline_id if isinstance(event, events.PipelineStart) else event.batch
            self._running[event.run_id] = name, event.timestamp

    def _stage_ended(self, event: events.StageEnd) -> None:
        stages = self._ended.stages
        if event.pipeline_id in stages or len(stages) < _MOST:
            stages.setdefault(event.pipeline_id, {})[event.stage_id] = None

    def _run_ended(self, event: events.PipelineEnd | events.BatchEnd) -> None:
        if event.parent_run_id is not None or event.run_id is None:
            return
        name, began = self._running.pop(event.run_id, ("", event.timestamp))
        self._ended.began = [min([*self._ended.began, began])]
        if event.status in _PASSED and name:
            self._passed.add(name)
        self._look_if_due(name)

    def _went_on(self, event: events.BatchProgress) -> None:
        self._look_if_due(event.batch)

    def _breaker_opened(self, event: events.BreakerOpened) -> None:
        if event.breaker not in self._open_breakers:
            self._open_breakers[event.breaker] = None
            self._untold[event.breaker] = True
            self._tell_of_breakers()

    def _breaker_closed(self, event: events.BreakerClosed) -> None:
        self._open_breakers.pop(event.breaker, None)
        self._untold[event.breaker] = False
        self._tell_of_breakers()

    def _tell_of_breakers(self) -> None:
        """Tell of breakers alone, at once."""
        running = [name for name, _ in self._running.values()]
        if self._judge(self._of_breakers, running[-1] if running else None):
            self._untold.clear()

    def _look_if_due(self, name: str | None) -> None:
        if elapsed_clock() - self._looked_at >= _PERIOD_S:
            self._look(name)

    def _look(self, name: str | None = None) -> None:
        self._looked_at = elapsed_clock()
        if self._judge(self._of_everything, name):
            self._ended, self._ended_before = _Ended(), self._ended
            self._passed.clear()
            self._untold.clear()

    def _judge(
        self, findings: Callable[[sqlite3.Connection, dict[Key, Alert]], list[Finding]], name: str | None
    ) -> bool:
        """Raise and resolve what is to be, and say whether the history could be read and written."""
        # Forked: nor does the history's own sink keep anything there.
        if not self._working or self._pid != os.getpid():
            return False
        try:
            if self._database is None:
                self._database = connect(self._history.path, read_only=False, busy_s=_BUSY_S)
            database = self._database
            known = {alert.key: alert for alert in open_alerts(database)}
            raised, resolved = evaluate(findings(database, known), known)
            if raised or resolved:
                raised, resolved = record(database, raised, resolved, run_name=name, now=utc_now())
        except HistoryError:
            return False
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # tables that are not ours, and no state of the file
                self._working = False
                warn_of_observer("AlertSink", error)
            return False
        self._found += ((AlertRaised, each) for each in raised)
        self._found += ((AlertResolved, each) for each in resolved)
        return True

    def _of_everything(self, database: sqlite3.Connection, known: dict[Key, Alert]) -> list[Finding]:
        ended = self._ended.with_what_ended_before(self._ended_before)
        began = min([*ended.began, *(began for _, began in self._running.values())], default=None)
        found = [*self._of_stages(database, known, ended.stages, began), *self._of_pipelines(database, ended.stages)]
        return [*(each for each in found if each is not None), *self._of_breakers(database, known)]

    def _of_stages(
        self, database: sqlite3.Connection, known: dict[Key, Alert], ended: Stages, began: datetime | None
    ) -> Iterator[Finding | None]:
        for pipeline_id, stages in ended.items():
            for stage_id in stages:
                subject = derived_id(f"{pipeline_id}/{stage_id}")
                alert = known.get((SLOW_STAGE, subject))
                latest, before = self._durations(database, pipeline_id, stage_id, began)
                allowed_s = None if alert is None else alert.threshold
                yield judged_stage(subject, latest, before, self._thresholds, allowed_s=allowed_s)

    def _durations(
        self, database: sqlite3.Connection, pipeline_id: str, stage_id: str, began: datetime | None
    ) -> tuple[list[float], list[float]]:
        """Return seconds of the latest runs of a stage, and of those before them and before what runs now."""
        count = self._thresholds.runs
        rows = database.execute(_LATEST, (pipeline_id, 1 << 62, _AMONG * count, stage_id, count)).fetchall()
        if len(rows) < count:
            return [], []
        oldest: int = rows[-1][0]
        until = oldest if began is None else min(oldest, microseconds(began))
        most = max(_BEFORE, count)
        before = database.execute(_LATEST, (pipeline_id, until, most, stage_id, most))
        return [duration_s for _, duration_s in rows], [duration_s for _, duration_s in before]

    def _of_pipelines(self, database: sqlite3.Connection, ended: Stages) -> Iterator[Finding | None]:
        count = self._thresholds.runs
        for pipeline_id in ended:
            rows = database.execute(_ENDED, (pipeline_id, _AMONG * count, count))
            yield judged_runs(pipeline_id, [state for (state,) in rows], self._thresholds)

    def _of_breakers(self, _: sqlite3.Connection, known: dict[Key, Alert]) -> list[Finding]:
        found = {breaker: judged_breaker(breaker, int(is_open)) for breaker, is_open in self._untold.items()}
        for (rule, subject), alert in known.items():
            done = rule == BREAKER_OPENED and alert.run_name in self._passed
            if done and subject not in self._open_breakers and subject not in found:
                found[subject] = judged_breaker(subject, 0)
        return list(found.values())

    def _emit_found(self) -> None:
        """Emit what was found, out of the lock: whoever hears it may do as he likes."""
        while self._found:
            kind, found = self._found.popleft()
            # Outside of any run, as an alert is about several.
            told = kind(None, None, None, None, utc_now(), found.rule, found.subject, found.value, found.threshold)
            emit(told)
            if self._on_alert is not None:
                self._on_alert(told)


_TAKERS: Final[dict[type, Callable[..., None]]] = {
    events.PipelineStart: AlertSink._run_began,
    events.BatchStart: AlertSink._run_began,
    events.StageEnd: AlertSink._stage_ended,
    events.PipelineEnd: AlertSink._run_ended,
    events.BatchEnd: AlertSink._run_ended,
    events.BatchProgress: AlertSink._went_on,
    events.BreakerOpened: AlertSink._breaker_opened,
    events.BreakerClosed: AlertSink._breaker_closed,
}
