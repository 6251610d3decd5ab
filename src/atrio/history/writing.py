"""A history, written: a sink that only queues events, for the one thread that writes them in bursts."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from atrio import events
from atrio._stamps import elapsed_clock
from atrio._validation import check_above_zero
from atrio.errors import SinkWarning
from atrio.events._observing import warn_of_observer
from atrio.history._bursts import kept_message, kept_stack
from atrio.history._writer import BURST_S, TOO_MANY, Writer
from atrio.history.marks import Mark
from atrio.history.schema import HistoryError

if TYPE_CHECKING:
    from atrio.events import Event

_MANY: Final = 8_000
"""Events that may wait; then whoever brings one more waits too."""
_HOLD_S: Final = 0.005
"""Seconds that he waits at most, for each."""
_PATIENCE_S: Final = 0.25
"""Seconds that the end of a run waits to be written."""
_DAY_US: Final = 24 * 3600 * 1_000_000
_MOST_DAYS: Final = 10**6
_ENDS: Final = frozenset({events.PipelineEnd, events.BatchEnd})


class HistorySink:
    """A sink that keeps runs, stages, batches and their tasks in a SQLite database, for :class:`History` to read.

    It is a context manager, which opens the database and closes it::

        with HistorySink(".atrio/history.db") as history, observe(history):
            ...

    An event is only queued. One thread writes what was gathered in 0.05 seconds, in one transaction. The end of a run
    that runs inside no other is written before the run goes on, or 0.05 seconds later if another end was just waited
    for. So a process that is killed loses what the last 0.05 seconds brought and what the thread has not come to;
    :meth:`mark` tells what is safe. Opening the history again, by whatever process, marks its runs that had not ended
    as interrupted.

    Several processes may write to one history, and several threads to one sink. A process that is forked keeps nothing.
    Nothing that befalls the file is raised, and no run notices. While it cannot be written (another process has locked
    it, the disk is full), events wait in memory; 50,000 of them at most, then they are lost. One that is moved away or
    removed is begun anew. Of what is no history, or is damaged, the sink says so, and keeps nothing from there on.

    Args:
        path: the database; it is made if it is not there, with the folder it is in.
        retention_days: days for which runs are kept, counted from their begin. Those that are older are taken out in
            small steps while the sink is open.
        on_problem: is called with a sentence if something cannot be kept, once for each way in which it cannot: on
            entering, on closing, or in the thread that brings the next event. By default a
            :class:`~atrio.SinkWarning` says it.

    Attributes:
        path: the database, absolute: a program may change its directory.

    Raises:
        TypeError: `retention_days` is no number.
        ValueError: `retention_days` is not above 0.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention_days: float = 7,
        on_problem: Callable[[str], object] | None = None,
    ) -> None:
        check_above_zero(retention_days, "retention_days")
        self.path: Path = Path(path).absolute()
        self._writer = Writer(self.path, int(min(retention_days, _MOST_DAYS) * _DAY_US))
        self._on_problem = _warn if on_problem is None else on_problem
        self._entered = False
        self._waited_at = -BURST_S

    def __enter__(self) -> Self:
        """Open the database, mark runs of dead processes as interrupted, and begin to write.

        Raises:
            RuntimeError: it was entered before.
        """
        if self._entered:
            raise RuntimeError("a HistorySink is entered once: make another one")
        self._entered = True
        try:
            self._writer.start()
        except HistoryError as error:
            self._writer.give_up(str(error))
        self._tell()
        _sinks.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event, /) -> None:
        """Queue `event` to be kept.

        Raises:
            RuntimeError: the sink was never entered.
        """
        writer = self._writer
        if writer.keeps:
            queue = writer.queue
            fields = event.__dict__
            if fields.get("error_type") is not None:
                event = _no_longer_than_is_kept(event, fields)
            queue.append(event)
            if writer.is_idle:
                writer.work.set()
            if len(queue) > _MANY:
                self._hold_back()
            if type(event) in _ENDS and event.parent_run_id is None:
                self._commit_end()
        elif not self._entered:
            raise RuntimeError("a HistorySink keeps what happens in its block: with HistorySink(path) as history")
        if writer.problems:
            self._tell()

    def _hold_back(self) -> None:
        """Let the thread catch up, a little at a time: it gets too little of it where tasks never wait."""
        if len(self._writer.queue) > TOO_MANY:
            self._writer.lose_all()
        elif not self._writer.is_behind:
            self._writer.wait_for_room(_HOLD_S)

    def _commit_end(self) -> None:
        now = elapsed_clock()
        # Many short runs in a row are a burst, too.
        if now - self._waited_at >= BURST_S and not self._writer.is_behind:
            self._writer.is_behind = not self._wait_until_written(_PATIENCE_S)
            self._waited_at = elapsed_clock()

    def _wait_until_written(self, patience_s: float) -> bool:
        written = threading.Event()
        mark = Mark(written)
        self._writer.queue.append(mark)
        self._writer.hurry()
        written.wait(patience_s)
        return mark.is_kept

    def mark(self) -> Mark:
        """Return what says, a moment later, whether all that was given so far is in the file.

        Whoever tells others what has ended, and wants them never to know more than the history, waits for it; without
        blocking, as :meth:`flush` does. It is settled within some hundredths of a second, and at once where the file
        cannot be written.
        """
        mark, writer = Mark(), self._writer
        if writer.keeps and not writer.is_behind:
            writer.queue.append(mark)
            if writer.is_idle:
                writer.work.set()
        else:
            mark.settle(is_kept=False)
        return mark

    def hurry(self) -> None:
        """Let it be written now what was given so far, and gathered no longer; without waiting for it."""
        self._writer.hurry()

    def flush(self) -> bool:
        """Wait until all that was given so far is in the file; return whether it is.

        It waits for as long as another process may lock the file, some seconds.
        """
        writer = self._writer
        if not writer.keeps:
            return False
        written = threading.Event()
        mark = Mark(written)
        writer.queue.append(mark)
        writer.hurry()
        # A thread that is about to end settles what is queued after it has said that it keeps nothing more.
        written.wait(None if writer.keeps else 0)
        self._tell()
        return mark.is_kept

    def close(self) -> None:
        """Write what is queued, and close the database; what comes after this is not kept."""
        self._writer.close()
        self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(IndexError):  # another thread was quicker
            while self._writer.problems:
                self._say(self._writer.problems.popleft())

    def _say(self, sentence: str) -> None:
        try:
            self._on_problem(sentence)
        except Exception as error:  # noqa: BLE001 - whatever it raises must not change the run
            self._on_problem = _warn
            warn_of_observer("on_problem", error)

    def _forget_after_fork(self) -> None:
        # The thread is the parent's, and so is the connection: closing it here would drop the parent's locks.
        self._writer.keeps = False
        _inherited.append(self._writer)
        self._writer = Writer(self.path, 0)


def _no_longer_than_is_kept(event: Any, fields: Mapping[str, Any]) -> Any:
    """Return a failure's event with no more of its texts than is written: they may be megabytes, and many may wait."""
    message, stack = fields.get("error_message"), fields.get("error_stack")
    kept = {"error_message": kept_message(message), "error_stack": kept_stack(stack)}
    changed = {name: text for name, text in kept.items() if text is not fields.get(name)}
    return attrs.evolve(event, **changed) if changed else event


def _warn(sentence: str) -> None:
    # A host may turn warnings into errors, and show them by a function of its own: neither must change a run.
    with contextlib.suppress(Exception):
        try:
            warnings.warn(sentence, SinkWarning, stacklevel=2)
        except SinkWarning as warning:
            warnings.showwarning(warning, SinkWarning, __file__, 0)


_sinks: Final[weakref.WeakSet[HistorySink]] = weakref.WeakSet()
_inherited: Final[list[Writer]] = []


def _after_fork() -> None:  # pragma: no cover - it runs in a child, which tests leave without a report
    for sink in _sinks:
        sink._forget_after_fork()


def _close_all() -> None:
    """Write at the program's end what sinks have that were not closed."""
    for sink in tuple(_sinks):
        sink.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close_all)
