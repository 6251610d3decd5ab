"""A history, read: the latest runs, and one with all that is kept of it."""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import attrs

from atrio._notes import parsed
from atrio._stamps import utc_now
from atrio._validation import check_count
from atrio.history import _queries as queries
from atrio.history.inside import pipelines_inside
from atrio.history.prefixes import run_id_of
from atrio.history.processes import own_identity, silent_processes
from atrio.history.rows import (
    ModelRow,
    PipelineFigures,
    RetryRow,
    RunDetail,
    RunKind,
    RunRow,
    RunState,
    StageRow,
    TaskFigures,
    TaskRow,
)
from atrio.history.schema import HistoryError, connect, microseconds, moment_of, sentence_of


class History:
    """A history, opened to be read; it never changes it, and whoever writes to it does not wait.

    It is a context manager, which closes it. What is read is what is there at that moment: to watch a run, read again.

    Args:
        path: the database that a :class:`HistorySink` writes.

    Attributes:
        path: the database.

    Raises:
        HistoryError: there is none, or it cannot be read: it is damaged or something else, or a newer atrio
            made it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._connection = connect(self.path, read_only=True)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def runs(
        self,
        limit: int = 20,
        *,
        name: str | None = None,
        kind: RunKind | None = None,
        state: RunState | None = None,
        parent: str | None = None,
    ) -> tuple[RunRow, ...]:
        """Return the latest runs, the newest first: those that run inside no other, unless `parent` is given.

        Args:
            limit: how many at most.
            name: only those of this pipeline, or of batches with this name.
            kind: only those of pipelines, or only batches.
            state: only those in this state.
            parent: the whole id of a run: those that run inside it.

        Raises:
            HistoryError: the history cannot be read.
            TypeError: `limit` is no whole number.
            ValueError: `limit` is below 1, or there is no such kind or state.
        """
        check_count(limit, "limit")
        _check_one_of(kind, RunKind, "kind")
        _check_one_of(state, RunState, "state")
        with self._reading():
            dead = self._dead()
            where = ["parent_run_id IS NULL" if parent is None else "parent_run_id = ?"]
            values: list[Any] = [] if parent is None else [parent]
            index = "INDEXED BY runs_on_top" if parent is None else ""
            if name is not None:
                where.append("name = ?")
                values.append(name)
                # The index begins with the kind.
                where.append("kind IN ('pipeline', 'batch')" if kind is None else "kind = ?")
                index = ""
            elif kind is not None:
                where.append("kind = ?")
            values += () if kind is None else (kind,)
            if state == "interrupted":
                where.append(f"(state = 'interrupted' OR (state = 'running' AND process IN ({dead})))")
            elif state == "running":
                where.append(f"state = 'running' AND process NOT IN ({dead})")
                # They are few, of whatever name and wherever.
                index = "INDEXED BY runs_running"
            elif state is not None:
                where.append("state = ?")
                values.append(state)
            query = queries.RUN.format(dead=dead, index=index, stack="NULL")
            query += f"WHERE {' AND '.join(where)} ORDER BY started_us DESC, run_id DESC LIMIT ?"
            return self._run_rows(query, (*values, limit))

    def run(self, prefix: str, *, slowest: int = 10, failures: int = 100, inside: int = 20) -> RunDetail:
        """Return a run with all that is kept of it.

        Args:
            prefix: the run's id, or as much of its begin as no other run has; of those that run inside no other, as
                much as none of these has.
            slowest: how many of a batch's slowest tasks are wanted.
            failures: how many of its tasks that failed.
            inside: how many of the runs inside it.

        Raises:
            AmbiguousRunError: several runs' ids begin with `prefix`.
            UnknownRunError: none does.
            HistoryError: the history cannot be read.
        """
        with self._reading():
            run_id = run_id_of(self._ids, prefix.strip())
            dead = self._dead()
            query = queries.RUN.format(dead=dead, index="", stack="error_stack")
            [run] = self._run_rows(f"{query} WHERE run_id = ?", (run_id,))
            within = f"{queries.RUN.format(dead=dead, index='', stack='NULL')} {queries.INSIDE}"
            return RunDetail(
                run,
                self._stages(run),
                self._figures(run, slowest, failures) if run.kind == "batch" else None,
                tuple(ModelRow(*row) for row in self._rows(queries.MODELS, run_id)),
                self._run_rows(within, {"run": run_id, "most": inside}),
                self._last_seen_at(run, dead),
            )

    def names(self) -> tuple[str, ...]:
        """Return the names of all pipelines and batches that ran inside no other, sorted.

        Raises:
            HistoryError: the history cannot be read.
        """
        with self._reading():
            return tuple(sorted(name for (name,) in self._rows(queries.NAMES)))

    def task_durations(self, run_id: str) -> tuple[float, ...]:
        """Return the seconds of every task of a batch that ended, sorted.

        Args:
            run_id: the batch's whole id.

        Raises:
            HistoryError: the history cannot be read.
        """
        query = "SELECT duration_s FROM tasks WHERE run_id = ? AND duration_s IS NOT NULL ORDER BY duration_s"
        with self._reading():
            return tuple(seconds for (seconds,) in self._rows(query, run_id))

    def pipelines_inside(self, run_id: str, *, most: int = 10_000) -> tuple[PipelineFigures, ...]:
        """Return how the pipelines did that ran as the tasks of a batch, stage by stage.

        Args:
            run_id: the batch's whole id.
            most: about how many stages are looked at. Of more, those of every nth task are.

        Returns:
            the pipelines, that of the first task first; none if its agents are no pipelines.

        Raises:
            HistoryError: the history cannot be read.
            TypeError: `most` is no whole number.
            ValueError: `most` is below 1.
        """
        check_count(most, "most")
        with self._reading():
            return pipelines_inside(self._connection, run_id, most)

    def durations(
        self, kind: RunKind, name: str, limit: int = 20, *, nested: bool = False
    ) -> tuple[tuple[RunState, float], ...]:
        """Return how the last runs of a pipeline, or batches of a name, ended and how many seconds they took.

        Args:
            kind: pipeline or batch.
            name: the pipeline's id, or the batches' name.
            limit: how many at most.
            nested: whether runs count that ran inside others, as the tasks of a batch do.

        Returns:
            pairs of a state and seconds, the newest first, of the runs that ended by themselves.

        Raises:
            HistoryError: the history cannot be read.
        """
        top = "" if nested else "AND parent_run_id IS NULL"
        index = "runs_by_name" if nested else "runs_on_top_by_name"
        query = (
            f"SELECT state, duration_s FROM runs INDEXED BY {index} WHERE kind = ? AND name = ? {top} "  # noqa: S608 - our own words
            "AND duration_s IS NOT NULL ORDER BY started_us DESC, run_id DESC LIMIT ?"
        )
        with self._reading():
            return tuple((state, seconds) for state, seconds in self._rows(query, kind, name, limit))

    def stage_durations(self, pipeline_id: str, *, runs: int = 200) -> dict[str, tuple[tuple[str, float], ...]]:
        """Return how long each stage of a pipeline took in its last runs, wherever they ran, if it succeeded.

        Args:
            pipeline_id: the pipeline.
            runs: how many of its last runs are looked at.

        Returns:
            by stage, pairs of a run's id and seconds, the newest first.

        Raises:
            HistoryError: the history cannot be read.
        """
        found: dict[str, list[tuple[str, float]]] = {}
        with self._reading():
            for stage_id, run_id, seconds in self._rows(queries.STAGE_DURATIONS, pipeline_id, runs):
                found.setdefault(stage_id, []).append((run_id, seconds))
        return {stage_id: tuple(pairs) for stage_id, pairs in found.items()}

    def _stages(self, run: RunRow) -> tuple[StageRow, ...]:
        retries: dict[str, list[RetryRow]] = {}
        for stage_id, attempt, most, at_us, *rest in self._rows(queries.RETRIES, run.run_id):
            retries.setdefault(stage_id, []).append(RetryRow(attempt, most, moment_of(at_us), *rest))
        rows = self._rows(queries.STAGES, run.run_id)
        return tuple(_stage_row(row, run, tuple(retries.get(row[1], ()))) for row in rows)

    def _figures(self, run: RunRow, slowest: int, failures: int) -> TaskFigures:
        [(most_at_once, throughput, efficiency)] = self._rows(
            "SELECT max_concurrent, throughput_per_s, efficiency FROM runs WHERE run_id = ?", run.run_id
        )
        [(begun, ended, summed_s, *_)] = self._rows(queries.COUNTS, run.run_id)
        ranked = [self._ranked(run.run_id, share, ended) for share in (0.0, 0.5, 0.95, 0.99, 1.0)]
        by_duration = queries.TASKS.format(which="duration_s IS NOT NULL ORDER BY duration_s DESC")
        failing = queries.TASKS.format(which="status IN ('error', 'timeout') ORDER BY task_index")
        values: list[Any] = [
            most_at_once,
            throughput,
            efficiency,
            run.successful,
            run.failed,
            run.timed_out,
            run.cancelled,
            run.not_started,
            begun - ended,
            summed_s / ended if ended else 0.0,
            *ranked,
            tuple(_task_row(row, run) for row in self._rows(by_duration, run.run_id, slowest)),
            tuple(_task_row(row, run) for row in self._rows(failing, run.run_id, failures)),
            ended,
            None if run.duration_s is not None or run.total is None else max(run.total - begun, 0),
        ]
        return TaskFigures(*values)

    def _last_seen_at(self, run: RunRow, dead: str) -> datetime | None:
        if run.state != "interrupted":
            return None
        [(at_us,)] = self._connection.execute(queries.LAST_SEEN.format(dead=dead), {"run": run.run_id})
        return moment_of(at_us)

    def _ranked(self, run_id: str, share: float, count: int) -> float:
        """Return the nearest-rank percentile of the durations of a batch's tasks."""
        place = max(math.ceil(share * count), 1) - 1
        # Passing over half of a million takes a while: from the end that is nearer.
        way, place = ("", place) if place <= count // 2 else ("DESC", count - 1 - place)
        for (seconds,) in self._rows(queries.RANKED.format(way=way), run_id, place):
            return float(seconds)
        return 0.0

    def _dead(self) -> str:
        """Return the numbers of processes that died or fell silent, with commas: no end of their runs will be told."""
        dead = silent_processes(self._connection, own_identity(), microseconds(utc_now()))
        return ", ".join(map(str, dead))

    def _run_rows(self, query: str, values: Sequence[Any] | Mapping[str, Any]) -> tuple[RunRow, ...]:
        rows = self._connection.execute(query, values).fetchall()
        return tuple(self._counted(_run_row(row)) for row in rows)

    def _counted(self, run: RunRow) -> RunRow:
        """Return `run` with its tasks counted, if it is a batch whose end, which would say them, is not there."""
        if run.kind != "batch" or run.duration_s is not None:
            return run
        [(_, _, _, successful, failed, timed_out, cancelled)] = self._rows(queries.COUNTS, run.run_id)
        return attrs.evolve(run, successful=successful, failed=failed, timed_out=timed_out, cancelled=cancelled)

    def _ids(self, query: str, *values: Any) -> tuple[str, ...]:
        return tuple(run_id for (run_id,) in self._rows(query, *values))

    def _rows(self, query: str, *values: Any) -> Iterable[Any]:
        return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        """Let all queries of the block see the same moment, and say what is wrong in a sentence."""
        try:
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise HistoryError(sentence_of(error, self.path)) from error


def _check_one_of(value: str | None, kinds: Any, what: str) -> None:
    if value is not None and value not in get_args(kinds):
        raise ValueError(f"{what} must be one of {', '.join(get_args(kinds))}, not {value!r}")


def _run_row(row: Any) -> RunRow:
    values: list[Any] = [*row[:4], moment_of(row[4]), *row[5:]]
    return RunRow(*values)


def _state_in(run: RunRow, status: str) -> Any:
    """Return the state of a part of `run`: what it says, unless its end was never told."""
    return "interrupted" if status == "running" and run.state != "running" else status


def _stage_row(row: Any, run: RunRow, retries: tuple[RetryRow, ...]) -> StageRow:
    index, stage_id, agent_id, status, started_us, duration_s, attempts, *rest, noted = row
    tried = len(retries) + 1 if attempts is None else attempts
    begun = (index, stage_id, agent_id, _state_in(run, status), moment_of(started_us))
    values: list[Any] = [*begun, duration_s, tried, *rest, retries, _metadata(noted)]
    return StageRow(*values)


def _metadata(noted: str | None) -> dict[str, Any]:
    if noted is None:
        return {}
    entries = parsed(noted)
    return {"metadata": noted} if entries is None else entries


def _task_row(row: Any, run: RunRow) -> TaskRow:
    index, task_id, agent_id, status, queued_s, started_us, *rest = row
    values: list[Any] = [index, task_id, agent_id, _state_in(run, status), queued_s, moment_of(started_us), *rest]
    return TaskRow(*values)
