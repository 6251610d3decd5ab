"""A sink beside the history's, which raises alerts about what that has kept."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import attrs
import trio

from atrio import events
from atrio._context import current_run
from atrio._parents import parent_ids
from atrio._stamps import elapsed_clock, utc_now
from atrio._tasks import nearer_task
from atrio._text import encodable
from atrio.events import AlertRaised, AlertResolved, emit
from atrio.events import _levels as levels
from atrio.events._observing import warn_of_observer
from atrio.history import findings
from atrio.history.alerts import BREAKER_OPENED, Finding, Thresholds, evaluate
from atrio.history.ended import Ended, Run, note_first
from atrio.history.open_breakers import Breakers
from atrio.history.places import file_at
from atrio.history.processes import own_identity
from atrio.history.raised import Alert, open_alerts, record
from atrio.history.schema import HistoryError, connect, microseconds, sentence_of

if TYPE_CHECKING:
    from atrio.events import Event
    from atrio.history.writing import HistorySink

    Known: TypeAlias = dict[tuple[str, str], Alert]

_PERIOD_S: Final = 5.0
"""Seconds between two looks at the history while something runs."""
_BUSY_S: Final = 0.05
"""Seconds that a look waits for another process that writes; what was not told then is told at the next one."""
_MOST: Final = 100
"""Pipelines, and names of batches, that one look is about, at most."""
_MOST_WAITING: Final = 10_000
"""Pipelines, and names of batches, that wait for the next looks, at most."""
_AT_CLOSE_S: Final = 2.0
"""Seconds after which closing begins no other look, whatever waits."""
_LONG: Final = timedelta(hours=1)
"""What runs for longer is compared with what was before so long ago: a stream may never end."""
_PASSED: Final = ("success", "degraded")


class AlertSink:
    """A sink that looks at a history as runs end, and raises alerts.

    These raise one: a stage that takes much longer than before, a pipeline that fails too often, tasks of batches of a
    name that do so although no pipeline failed in them, and a circuit breaker that opens. Each is raised once, and
    resolved once, as events and through `on_alert`, whichever processes share the history; :func:`alerts_in` reads
    them. A stage's alert is resolved when it is as fast again as it should have been when it was raised; a breaker's
    when none of that name is open in any process that lives: the last one has closed, or its process has ended and
    what ran there then has reached its end elsewhere.

    It looks when a run ends that is inside of no other or a batch tells of its progress, unless it has looked in the
    last five seconds; five seconds after such an end; and for the last time when it is closed: it is a context manager.
    A look judges 100 pipelines and batches of 100 names at most, the others at the next looks, and when it is closed
    all of them, for some two seconds at most. 10,000 of each wait; those beyond are judged when they end again.

    A breaker is told of at once. What cannot be read or written is let be: the history's own sink says so. If anything
    else goes wrong, as with a history that is damaged, that is reported once through ``warnings``, and no alert is
    raised from there on.

    Args:
        history: the sink that keeps the history, which must hear each event before this one.
        thresholds: what is too much.
        on_alert: called with each event that is emitted, in the thread of the run and as part of it, so that it must be
            quick. If it raises, that is reported once through ``warnings``, and it is not called again.

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
        self._file: tuple[int, int] | None = None
        self._here = own_identity()
        self._working = True
        self._found: deque[tuple[type[AlertRaised | AlertResolved], Finding]] = deque()
        self._emitting = False
        self._looked_at = -inf
        self._will_look = self._is_closed = False
        # What ended since the last look, and what since the one before it: what is just written may not be read yet.
        self._ended, self._ended_before = Ended(), Ended()
        self._passed: dict[str, datetime] = {}
        self._running: dict[str, Run] = {}
        # What was not told yet.
        self._opened: dict[str, str | None] = {}
        self._closed: set[str] = set()

    def minimum_level(self) -> int:
        """Return the lowest level wanted, as a number of ``logging``."""
        return levels.LEVEL_NUMBERS["info"]

    def __call__(self, event: Event, /) -> None:
        """Take note of `event`, and look at the history if it is time to."""
        take = _TAKERS.get(type(event))
        if take is not None:
            with self._lock:
                take(self, event)
            if self._found:
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
            self._is_closed = True
            try:
                if self._ended or self._ended_before or self._passed or self._opened or self._closed:
                    # Only now: while something runs it is soon enough at the next look, and nobody waits.
                    self._history.flush()
                    self._look_at_all()
            finally:
                # That of a parent stays open: closing it here would drop the parent's locks.
                if self._here.pid == os.getpid():
                    self._let_go()
        self._emit_found()

    def _run_began(self, event: events.PipelineStart | events.BatchStart) -> None:
        if event.run_id is not None:
            name = event.pipeline_id if isinstance(event, events.PipelineStart) else event.batch
            self._running[event.run_id] = Run(encodable(name), event.timestamp, event.parent_run_id)

    def _pipeline_ended(self, event: events.PipelineEnd) -> None:
        name = encodable(event.pipeline_id)
        self._note(self._ended.pipelines, name, event)
        self._run_ended(event, name)

    def _batch_ended(self, event: events.BatchEnd) -> None:
        name = encodable(event.batch)
        self._note(self._ended.batches, name, event)
        self._run_ended(event, name)

    def _run_ended(self, event: events.PipelineEnd | events.BatchEnd, name: str) -> None:
        if event.run_id is None:
            return
        run = self._running.pop(event.run_id, None)
        if event.parent_run_id in self._running:
            return
        if event.status in _PASSED and (name in self._passed or len(self._passed) < _MOST_WAITING):
            began = event.timestamp if run is None else run.began
            self._passed[name] = max(self._passed.get(name, began), began)
        self._look_if_due()
        # If nothing more happens, what ended last must not wait for the next run.
        self._look_later()

    def _went_on(self, event: events.BatchProgress) -> None:
        name = encodable(event.batch)
        self._note(self._ended.batches, name, event)
        self._look_if_due()

    def _note(
        self, names: dict[str, Run], name: str, event: events.PipelineEnd | events.BatchEnd | events.BatchProgress
    ) -> None:
        if name in names or len(names) < _MOST_WAITING:
            note_first(names, name, self._outermost(event.run_id) or Run(name, event.timestamp, None))

    def _outermost(self, run_id: str | None) -> Run | None:
        """Return the outermost run that this one runs inside, or itself; None if it does not run."""
        outermost: Run | None = None
        while run_id is not None and (run := self._running.get(run_id)) is not None:
            outermost, run_id = run, run.parent
        return outermost

    def _breaker_opened(self, event: events.BreakerOpened) -> None:
        # The event is of no run; whoever made the call that failed is.
        context = current_run.get()
        run_id, _, _ = parent_ids(context, nearer_task(context))
        breaker = encodable(event.breaker)
        self._closed.discard(breaker)
        outermost = self._outermost(run_id)
        self._opened[breaker] = None if outermost is None else outermost.name
        self._judge(self._of_breakers)

    def _breaker_closed(self, event: events.BreakerClosed) -> None:
        breaker = encodable(event.breaker)
        self._opened.pop(breaker, None)
        self._closed.add(breaker)
        self._judge(self._of_breakers)

    def _look_if_due(self) -> None:
        if elapsed_clock() - self._looked_at >= _PERIOD_S:
            self._look()

    def _look_later(self) -> None:
        if self._will_look or self._is_closed:
            return
        try:
            trio.lowlevel.spawn_system_task(self._wait_and_look, context=copy_context())
        except RuntimeError:  # no loop of Trio's runs in this thread
            return
        self._will_look = True

    async def _wait_and_look(self) -> None:
        try:
            # What is just written may not be read yet; then once more.
            while self._working and not self._is_closed and (self._ended or self._ended_before):
                await trio.sleep(_PERIOD_S)
                with self._lock:
                    if not self._is_closed:
                        self._look()
                self._emit_found()
        except (trio.Cancelled, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - out of a system task it would end the host's program
            self._give_up(error)
        finally:
            self._will_look = False

    def _look(self) -> bool:
        self._looked_at = elapsed_clock()
        ended = self._ended.part(0, _MOST)
        done = self._judge(partial(self._of_everything, ended.with_what_ended_before(self._ended_before)))
        if done:
            self._ended, self._ended_before = self._ended.part(_MOST, None), ended
            self._passed.clear()
        return done

    def _look_at_all(self) -> None:
        until = elapsed_clock() + _AT_CLOSE_S
        while self._look() and self._ended and elapsed_clock() < until:
            self._ended_before = Ended()  # all is written: once is enough

    def _give_up(self, error: BaseException) -> None:
        self._working = False
        warn_of_observer("AlertSink", error if isinstance(error, Exception) else RuntimeError(repr(error)))

    def _judge(self, measure: Callable[[sqlite3.Connection, Known, Breakers | None], Iterator[Finding]]) -> bool:
        """Raise and resolve what is to be, and say whether the history could be read and written."""
        # Forked: nor does the history's own sink keep anything there.
        if not self._working or self._here.pid != os.getpid():
            return False
        try:
            database = self._connected()
            known = {alert.key: alert for alert in open_alerts(database)}
            breakers = self._breakers(database, known)
            raised, resolved = evaluate(measure(database, known, breakers), known)
            if raised or resolved or (breakers is not None and breakers.are_news):
                first = None if breakers is None else breakers.write
                raised, resolved = record(database, raised, resolved, now=utc_now(), first=first)
        except HistoryError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever is in the file must not change the run
            if not _is_of_the_file(error):
                self._give_up(error)
            return False
        self._found += ((AlertRaised, each) for each in raised)
        self._found += ((AlertResolved, each) for each in resolved)
        self._opened.clear()
        self._closed.clear()
        return True

    def _connected(self) -> sqlite3.Connection:
        """Return the connection to the history that is at the path now; only the history's own sink makes one."""
        path = self._history.path
        try:
            file = file_at(path)
        except OSError as error:
            raise HistoryError(sentence_of(error, path)) from error
        if self._database is not None and self._file == file:
            return self._database
        self._let_go()
        if file is None:
            raise HistoryError(f"there is no history at {path}")
        self._database, self._file = connect(path, read_only=False, busy_s=_BUSY_S), file
        return self._database

    def _let_go(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _breakers(self, database: sqlite3.Connection, known: Known) -> Breakers | None:
        """Return which breakers are open, and None where none is in question."""
        if not (self._opened or self._closed or any(rule == BREAKER_OPENED for rule, _ in known)):
            return None
        return Breakers.read(database, self._opened, self._closed, self._here, utc_now())

    def _of_everything(
        self, ended: Ended, database: sqlite3.Connection, known: Known, breakers: Breakers | None
    ) -> Iterator[Finding]:
        now = utc_now()
        first = min((run.began for run in self._running.values() if run.parent not in self._running), default=now)
        for pipeline_id, run in ended.pipelines.items():
            began_us = microseconds(max(min(first, run.began), now - _LONG))
            for found in findings.of_pipeline(database, pipeline_id, known, self._thresholds, began_us=began_us):
                yield attrs.evolve(found, run_name=run.name)
        for name, run in ended.batches.items():
            of_tasks = findings.of_batches(database, name, self._thresholds)
            if of_tasks is not None:
                yield attrs.evolve(of_tasks, run_name=run.name)
        yield from self._of_breakers(database, known, breakers)

    def _of_breakers(self, _: sqlite3.Connection, known: Known, breakers: Breakers | None) -> Iterator[Finding]:
        if breakers is not None:
            yield from breakers.findings(known, self._passed)

    def _emit_found(self) -> None:
        """Emit what was found, in its order, and out of the lock: whoever hears it may do as he likes."""
        while True:
            with self._lock:
                # Another thread does, or the one that brought what this one hears of.
                if self._emitting or not self._found:
                    return
                self._emitting = True
                kind, found = self._found.popleft()
            try:
                # Outside of any run, as an alert is about several.
                told = kind(None, None, None, None, utc_now(), found.rule, found.subject, found.value, found.threshold)
                emit(told)
                self._call(told)
            finally:
                self._emitting = False

    def _call(self, told: AlertRaised | AlertResolved) -> None:
        if self._on_alert is not None:
            try:
                self._on_alert(told)
            except Exception as error:  # noqa: BLE001 - whatever it raises must not change the run
                self._on_alert = None
                warn_of_observer("on_alert", error)


def _is_of_the_file(error: Exception) -> bool:
    """Say whether `error` is a state of the file, and not what tables that are not ours, or rows in them, bring."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, sqlite3.Error) and code != sqlite3.SQLITE_ERROR


_TAKERS: Final[dict[type, Callable[..., None]]] = {
    events.PipelineStart: AlertSink._run_began,
    events.BatchStart: AlertSink._run_began,
    events.PipelineEnd: AlertSink._pipeline_ended,
    events.BatchEnd: AlertSink._batch_ended,
    events.BatchProgress: AlertSink._went_on,
    events.BreakerOpened: AlertSink._breaker_opened,
    events.BreakerClosed: AlertSink._breaker_closed,
}
