"""What a page of a run is made from: the run, and what the history has beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio.cli._bootstrap import rank
from atrio.cli._past_runs import alerts_about
from atrio.cli._secrets import note_without_secrets, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from atrio.history import Alert, History, PipelineFigures, RunDetail

_MOST_FAILURES: Final = 50
_MOST_SLOWEST: Final = 15
_OTHER_RUNS: Final = 200
"""How many runs of the same pipeline are looked at."""


@attrs.frozen
class Compared:
    """A stage beside those of other runs of the same pipeline.

    Attributes:
        stage_id: the stage.
        here_s: seconds that it took in this run, or None.
        p50_s: the median of the seconds that it took in the others.
        p95_s: their 95th percentile.
        p99_s: their 99th percentile.
        longest_s: the most seconds.
        runs: how many others there are.
    """

    stage_id: str
    here_s: float | None
    p50_s: float
    p95_s: float
    p99_s: float
    longest_s: float
    runs: int


@attrs.frozen
class Content:
    """What a page shows.

    Attributes:
        detail: the run.
        now: when it was read, in UTC.
        task_durations: seconds of all of a batch's tasks that ended, sorted.
        compared: the stages of a pipeline's run beside those of other runs; those of which there are any.
        slowest: the run inside a batch's slowest task, or None.
        alerts: those that concern it and were open at its time, the open ones first.
        pipelines: what ran in the tasks of a batch, stage by stage.
    """

    detail: RunDetail
    now: datetime
    task_durations: tuple[float, ...] = ()
    compared: tuple[Compared, ...] = ()
    slowest: RunDetail | None = None
    alerts: tuple[Alert, ...] = ()
    pipelines: tuple[PipelineFigures, ...] = ()


def content_of(history: History, prefix: str, now: datetime) -> Content:
    """Return what there is of a run, without the environment's secrets.

    Args:
        history: where it is kept.
        prefix: the run's id, or as much of its beginning as no other has.
        now: the time, in UTC.

    Raises:
        HistoryError: there is no such run, or more than one, or the history cannot be read.
    """
    detail = history.run(prefix, slowest=_MOST_SLOWEST, failures=_MOST_FAILURES)
    run = detail.run
    content = Content(detail, now, alerts=alerts_about(history, run))
    hide = without_secrets(lambda _: None).text
    if detail.tasks is None:
        compared = _compared(detail, history.stage_durations(run.name, runs=_OTHER_RUNS))
        found: Content = _hidden(attrs.evolve(content, compared=compared), hide)
        return found
    inside = next((task.run_id for task in detail.tasks.slowest if task.run_id), None)
    slowest = None if inside is None else history.run(inside)
    pipelines = history.pipelines_inside(run.run_id)
    hidden: Content = _hidden(attrs.evolve(content, slowest=slowest, pipelines=pipelines), hide)
    # Of these there may be a million, and no text is in them.
    return attrs.evolve(hidden, task_durations=history.task_durations(run.run_id))


def _compared(detail: RunDetail, durations: Mapping[str, Sequence[tuple[str, float]]]) -> tuple[Compared, ...]:
    compared: list[Compared] = []
    for stage in detail.stages:
        others = sorted(each_s for run_id, each_s in durations.get(stage.stage_id, ()) if run_id != detail.run.run_id)
        if others:
            p50_s, p95_s, p99_s = (others[rank(len(others), share)] for share in (0.5, 0.95, 0.99))
            compared.append(Compared(stage.stage_id, stage.duration_s, p50_s, p95_s, p99_s, others[-1], len(others)))
    return tuple(compared)


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    """Return `value`, and all that is in it, with each text as `hide` leaves it."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):  # what a stage noted
        return note_without_secrets(value, hide)
    if isinstance(value, tuple):
        return tuple(_hidden(each, hide) for each in value)
    if attrs.has(type(value)):
        fields = {field.name: _hidden(getattr(value, field.name), hide) for field in attrs.fields(type(value))}
        return attrs.evolve(value, **fields)
    return value
