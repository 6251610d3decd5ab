"""Events made rows, and many rows written by few statements."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from math import isnan
from typing import Any, Final

import attrs

from atrio import events
from atrio._notes import LONGEST as LONGEST_NOTES
from atrio._notes import shortened
from atrio._text import encodable
from atrio.history.schema import microseconds

LONGEST_MESSAGE: Final = 4_000
"""Characters of a message that are kept."""
LONGEST_STACK: Final = 8_000
"""Characters of a traceback that are kept."""
_LARGEST: Final = 2**63 - 1
_MICROSECONDS: Final = 1_000_000
_CHUNKS: Final = (256, 64, 16, 4, 1)
"""How many rows a statement writes."""
_Row = Sequence[Any]


@attrs.frozen
class _Table:
    """A table, and what becomes of a row whose key is already there."""

    name: str
    columns: str
    on_conflict: str = ""

    def statement(self, rows: int) -> str:
        """Return what writes that many rows at once.

        While a statement runs, other threads of Python do; getting the turn back from a busy one takes milliseconds. So
        a row must not be a statement.
        """
        values = f"({', '.join('?' * len(self.columns.split()))})"
        columns = ", ".join(self.columns.split())
        return f"INSERT INTO {self.name} ({columns}) VALUES {', '.join([values] * rows)} {self.on_conflict}"  # noqa: S608 - our own names


def _updated(names: str) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in names.split())


_RUNS: Final = _Table(
    "runs",
    "run_id kind name state started_us duration_s parent_run_id parent_stage_id parent_task_id process total "
    "max_concurrent successful failed skipped timed_out cancelled not_started throughput_per_s efficiency "
    "error_type error_message error_stack",
    "ON CONFLICT (run_id) DO UPDATE SET "
    # What an end says of the begin is only reckoned from its duration.
    "started_us = CASE excluded.state WHEN 'running' THEN excluded.started_us ELSE started_us END, "
    "total = coalesce(excluded.total, total), max_concurrent = coalesce(excluded.max_concurrent, max_concurrent), "
    + _updated(
        "state duration_s process successful failed timed_out cancelled not_started throughput_per_s efficiency "
        "error_type error_message error_stack"
    )
    # Of a batch it is counted as its tasks end.
    + ", skipped = CASE WHEN kind = 'batch' AND excluded.state != 'running' THEN skipped ELSE excluded.skipped END",
)
_SKIPPED: Final = "UPDATE runs SET skipped = skipped + ? WHERE run_id = ? AND kind = 'batch'"
_STARTED: Final = "started_us = CASE excluded.status WHEN 'running' THEN excluded.started_us ELSE started_us END, "
_STAGES: Final = _Table(
    "stages",
    "run_id stage_index stage_id agent_id status attempts started_us duration_s input_size output_size error_type "
    "error_message error_stack metadata",
    f"ON CONFLICT (run_id, stage_index) DO UPDATE SET {_STARTED}"
    + _updated(
        "stage_id agent_id status attempts duration_s input_size output_size error_type error_message error_stack "
        "metadata"
    ),
)
_TASKS: Final = _Table(
    "tasks",
    "run_id task_index task_id agent_id status queued_s started_us duration_s error_type error_message error_stack",
    f"ON CONFLICT (run_id, task_index) DO UPDATE SET {_STARTED}"
    + _updated("task_id agent_id status queued_s duration_s error_type error_message error_stack"),
)
_RETRIES: Final = _Table(
    "retries",
    "run_id stage_id attempt max_attempts at_us backoff_s error_type error_message",
    "ON CONFLICT (run_id, stage_id, attempt) DO UPDATE SET "
    + _updated("max_attempts at_us backoff_s error_type error_message"),
)
_MODEL_CALLS: Final = _Table(
    "model_calls",
    "run_id stage_id task_id agent_id provider model at_us duration_s input_tokens output_tokens finish_reason "
    "error_type error_message",
)
_BREAKERS: Final = _Table("breakers", "breaker state at_us run_id failures recovery_timeout_s open_s")
_PROGRESS: Final = (
    "UPDATE runs SET successful = ?, failed = ?, total = coalesce(?, total) WHERE run_id = ? AND state = 'running'"
)
_STATE, _START, _DURATION, _PROCESS, _TOTAL, _COUNTS = 3, 4, 5, 9, 10, 12
"""Where these stand in a row of `runs`; the counts are all that follows."""
_NO_COUNTS: Final = (0, 0, 0, 0, 0, 0, None, None, None, None, None)


class Burst:
    """The rows that some events come to: the last state of each thing, whatever it went through.

    Args:
        after_a_gap: whether events before these were lost: of what runs in the file nobody knows what became.

    Attributes:
        count: how many events were added.
    """

    def __init__(self, *, after_a_gap: bool = False) -> None:
        self.count = 0
        self._after_a_gap = after_a_gap
        self._runs: dict[str | None, list[Any]] = {}
        self._begun_stages: dict[tuple[str | None, int], events.StageStart] = {}
        self._stages: dict[tuple[str | None, int], _Row] = {}
        self._begun_tasks: dict[tuple[str | None, int], events.TaskStart] = {}
        self._tasks: dict[tuple[str | None, int], _Row] = {}
        self._retries: dict[tuple[str | None, str, int], _Row] = {}
        self._model_calls: list[_Row] = []
        self._breakers: list[_Row] = []
        self._progress: dict[str | None, _Row] = {}
        self._skipped: Counter[str | None] = Counter()
        self._takers: dict[type[Any], Callable[[Any], None]] = {
            events.PipelineStart: self._pipeline_start,
            events.StageStart: self._stage_start,
            events.StageRetry: self._stage_retry,
            events.StageEnd: self._stage_end,
            events.PipelineEnd: self._pipeline_end,
            events.BatchStart: self._batch_start,
            events.TaskStart: self._task_start,
            events.TaskEnd: self._task_end,
            events.BatchProgress: self._batch_progress,
            events.BatchEnd: self._batch_end,
            events.ModelCalled: self._model_called,
            events.BreakerOpened: self._breaker,
            events.BreakerHalfOpened: self._breaker,
            events.BreakerClosed: self._breaker,
        }

    def add(self, event: Any) -> None:
        """Take note of `event`, if it is of a kind that is kept."""
        self.count += 1
        take = self._takers.get(type(event))
        if take is not None:
            take(event)

    def _pipeline_start(self, event: events.PipelineStart) -> None:
        self._begin_run(event, "pipeline", event.pipeline_id, event.stage_count, None)

    def _batch_start(self, event: events.BatchStart) -> None:
        self._begin_run(event, "batch", event.batch, event.total, event.max_concurrent)

    def _begin_run(self, event: Any, kind: str, name: str, total: int | None, max_concurrent: int | None) -> None:
        self._runs[event.run_id] = [
            event.run_id, kind, name, "running", microseconds(event.timestamp), None, event.parent_run_id,
            event.parent_stage_id, event.parent_task_id, None, total, max_concurrent, *_NO_COUNTS,
        ]  # fmt: skip

    def _end_run(self, event: Any, kind: str, name: str, total: int | None, counts: _Row) -> None:
        if event.run_id not in self._runs:
            self._begin_run(event, kind, name, total, None)
            self._runs[event.run_id][_START] = _start_of(event)
        row = self._runs[event.run_id]
        row[_STATE] = event.status
        row[_DURATION] = _seconds(event.duration_s)
        row[_TOTAL] = row[_TOTAL] if total is None else total
        row[_COUNTS:] = counts

    def _pipeline_end(self, event: events.PipelineEnd) -> None:
        if event.parent_task_id is not None and event.status == "degraded":
            self._skipped[event.parent_run_id] += 1
        self._end_run(
            event,
            "pipeline",
            event.pipeline_id,
            None,
            (
                event.stages_successful, event.stages_failed, event.stages_skipped, 0, 0, 0, None, None,
                event.error_type, kept_message(event.error_message), kept_stack(event.error_stack),
            ),
        )  # fmt: skip

    def _batch_end(self, event: events.BatchEnd) -> None:
        self._progress.pop(event.run_id, None)
        self._end_run(
            event,
            "batch",
            event.batch,
            event.total,
            (
                event.successful, event.failed, 0, event.timed_out, event.cancelled, event.not_started,
                _seconds(event.throughput_per_s), _seconds(event.efficiency), None, None, None,
            ),
        )  # fmt: skip

    def _batch_progress(self, event: events.BatchProgress) -> None:
        self._progress[event.run_id] = (event.completed - event.failed, event.failed, event.total, event.run_id)

    def _stage_start(self, event: events.StageStart) -> None:
        # Most end within the burst: a row is made of those alone that do not.
        self._begun_stages[event.run_id, event.stage_index] = event

    def _stage_end(self, event: events.StageEnd) -> None:
        key = event.run_id, event.stage_index
        begun = self._begun_stages.pop(key, None)
        self._stages[key] = (
            event.run_id, event.stage_index, event.stage_id, event.agent_id, event.status, event.attempts,
            microseconds(begun.timestamp) if begun else _start_of(event), _seconds(event.duration_s),
            event.input_size, event.output_size, event.error_type, kept_message(event.error_message),
            kept_stack(event.error_stack), _notes(event.metadata),
        )  # fmt: skip

    def _stage_retry(self, event: events.StageRetry) -> None:
        self._retries[event.run_id, event.stage_id, event.attempt] = (
            event.run_id, event.stage_id, event.attempt, event.max_attempts, microseconds(event.timestamp),
            _seconds(event.backoff_s), event.error_type, kept_message(event.error_message),
        )  # fmt: skip

    def _task_start(self, event: events.TaskStart) -> None:
        self._begun_tasks[event.run_id, event.task_index] = event

    def _task_end(self, event: events.TaskEnd) -> None:
        key = event.run_id, event.task_index
        begun = self._begun_tasks.pop(key, None)
        self._tasks[key] = (
            event.run_id, event.task_index, event.task_id, event.agent_id, event.status, _seconds(event.queued_s),
            microseconds(begun.timestamp) if begun else _start_of(event), _seconds(event.duration_s),
            event.error_type, kept_message(event.error_message), kept_stack(event.error_stack),
        )  # fmt: skip

    def _model_called(self, event: events.ModelCalled) -> None:
        self._model_calls.append(
            (
                event.run_id, event.stage_id, event.task_id, event.agent_id, event.provider, event.model,
                microseconds(event.timestamp), _seconds(event.duration_s), event.input_tokens, event.output_tokens,
                event.finish_reason, event.error_type, kept_message(event.error_message),
            )
        )  # fmt: skip

    def _breaker(self, event: Any) -> None:
        opened = isinstance(event, events.BreakerOpened)
        self._breakers.append(
            (
                event.breaker, event.event_name.partition(".")[2], microseconds(event.timestamp), event.run_id,
                event.failures if opened else None, _seconds(event.recovery_timeout_s) if opened else None,
                None if opened else _seconds(event.open_s),
            )
        )  # fmt: skip

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.count and not self._after_a_gap

    def write(self, connection: sqlite3.Connection, process: int) -> None:
        """Write the rows, in the transaction that `connection` is in; once more, if that came to nothing.

        Args:
            connection: the history.
            process: the number of the process that the events happened in, in its table.

        Raises:
            sqlite3.Error: it cannot.
        """
        if self._after_a_gap:
            connection.execute(
                "UPDATE runs SET state = 'interrupted' WHERE state = 'running' AND process = ?", (process,)
            )
        for run in self._runs.values():
            run[_PROCESS] = process
        self._stages.update((key, _running_stage(event)) for key, event in self._begun_stages.items())
        self._tasks.update((key, _running_task(event)) for key, event in self._begun_tasks.items())
        written: tuple[tuple[_Table, Collection[_Row]], ...] = (
            (_RUNS, self._runs.values()),
            (_STAGES, self._stages.values()),
            (_TASKS, self._tasks.values()),
            (_RETRIES, self._retries.values()),
            (_MODEL_CALLS, self._model_calls),
            (_BREAKERS, self._breakers),
        )
        for table, rows in written:
            if rows:
                _insert(connection, table, list(rows))
        for row in self._progress.values():
            connection.execute(_PROGRESS, row)
        for run_id, count in self._skipped.items():
            connection.execute(_SKIPPED, (count, run_id))


def _running_stage(event: events.StageStart) -> _Row:
    return (
        event.run_id, event.stage_index, event.stage_id, event.agent_id, "running", None,
        microseconds(event.timestamp), None, None, None, None, None, None, None,
    )  # fmt: skip


def _running_task(event: events.TaskStart) -> _Row:
    return (
        event.run_id, event.task_index, event.task_id, event.agent_id, "running", _seconds(event.queued_s),
        microseconds(event.timestamp), None, None, None, None,
    )  # fmt: skip


_statements: Final[dict[tuple[str, int], str]] = {}


def _insert(connection: sqlite3.Connection, table: _Table, rows: list[_Row]) -> None:
    columns = len(rows[0])
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // columns
    done = 0
    for chunk in _CHUNKS:
        if chunk > most:
            continue
        statement = _statements.get((table.name, chunk))
        if statement is None:
            statement = _statements[table.name, chunk] = table.statement(chunk)
        while len(rows) - done >= chunk:
            values = [value for row in rows[done : done + chunk] for value in row]
            try:
                connection.execute(statement, values)
            except (sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, UnicodeEncodeError):
                # Looking at each value first would cost more than all of this: hardly one is such.
                connection.execute(statement, list(map(_plain, values)))
            done += chunk


def _plain(value: Any) -> Any:
    """Return `value` as SQLite can hold it."""
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return min(max(int(value), -_LARGEST), _LARGEST)
    if isinstance(value, str):
        return encodable(str.__str__(value))
    try:
        return encodable(repr(value))
    except Exception:  # noqa: BLE001 - a repr may raise anything
        return f"<{type(value).__name__}, whose repr() raises>"


def _seconds(value: Any) -> float:
    """Return a number as a line of the log has it, to the microsecond; 0 for what is none, as a column needs one."""
    try:
        rounded = round(float(value), 6)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return 0.0 if isnan(rounded) else rounded


def _start_of(event: Any) -> int:
    """Return when that began which `event` says the end of, reckoned from its duration."""
    seconds = min(max(_seconds(event.duration_s), 0.0), 1e9)
    return microseconds(event.timestamp) - int(seconds * _MICROSECONDS)


def kept_message(text: str | None) -> str | None:
    """Return as much of a message as is kept."""
    return text if text is None or len(text) <= LONGEST_MESSAGE else _cut(text, LONGEST_MESSAGE)


def kept_stack(text: str | None) -> str | None:
    """Return as much of a traceback as is kept."""
    return text if text is None or len(text) <= LONGEST_STACK else _cut(text, LONGEST_STACK)


def _notes(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_NOTES else shortened(text, LONGEST_NOTES)


def _cut(text: str, size: int) -> str:
    half = (size - 1) // 2
    return f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"
