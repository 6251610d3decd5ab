"""What `atrio status` looks at: the latest runs, or one, with the alerts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

import attrs

from atrio.cli._nearest import did_you_mean
from atrio.cli._plain import plain
from atrio.cli._render import as_json
from atrio.cli._status_tables import alerts_tables, run_tables, runs_table
from atrio.cli._streams import Refused
from atrio.history import alerts_in
from atrio.history.alerts import FAILURE_RATE, SLOW_STAGE, TASK_FAILURE_RATE, is_stage_of
from atrio.history.places import in_the_way
from atrio.history.rows import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from atrio.config import MonitoringSettings
    from atrio.history import Alert, History, PipelineFigures, RunDetail, RunRow

_LATEST: Final = 10
"""Runs that are shown, unless it is said how many."""
_FAILURES: Final = 100
"""Failed tasks of a batch that are shown, unless it is said how many."""
_RESOLVED: Final = 1000
"""Resolved alerts among which those of a run are looked for."""
_LATER: Final = timedelta(seconds=10)
"""How much later than a run's end an alert may be raised about it: the history is looked at every 5 seconds."""
_INSIDE: Final = 100
"""Stages among which the pipelines in a batch's tasks are looked for."""
_RECENT: Final = 8
"""Durations in a sparkline."""
# What a terminal might obey, and JSON leaves as it is: in JSON all of it stands inside of strings.
_COMMANDS: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@attrs.frozen
class Latest:
    """The latest runs, and the alerts.

    Attributes:
        runs: the latest first.
        recent_s: of each run, seconds of the latest ones of its name, up to itself.
        alerts: those that are open, and then those that were resolved.
        nothing: a sentence that says that there are no such runs, if there are none, or None.
    """

    runs: Sequence[RunRow] = ()
    recent_s: Sequence[Sequence[float]] = ()
    alerts: Sequence[Alert] = ()
    nothing: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether any of the runs goes on."""
        return any(run.state == "running" for run in self.runs)

    def tables(self) -> Iterator[str]:
        """Yield it as tables."""
        now = datetime.now(UTC)
        if self.runs:
            yield runs_table(self.runs, self.recent_s, now)
        yield from alerts_tables(self.alerts, now)

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        runs = [{**plain(run), "recent_s": recent} for run, recent in zip(self.runs, self.recent_s, strict=True)]
        return {"runs": runs, "alerts": plain(self.alerts)}


@attrs.frozen
class One:
    """A run with all that is kept of it, and the alerts that concern it.

    Attributes:
        detail: the run.
        alerts: as for the latest runs, those that were open at its time.
        pipelines: what ran in the tasks of a batch, stage by stage.
    """

    detail: RunDetail
    alerts: Sequence[Alert]
    pipelines: Sequence[PipelineFigures] = ()

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.detail.run.state == "running"

    def tables(self) -> Iterator[str]:
        """Yield it as tables."""
        now = datetime.now(UTC)
        yield from run_tables(self.detail, self.pipelines, now)
        yield from alerts_tables(self.alerts, now)

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        shown = {**plain(self.detail), "pipelines": plain(self.pipelines), "alerts": plain(self.alerts)}
        if (tasks := self.detail.tasks) is not None:
            more = tasks.failed + tasks.timed_out - len(tasks.failures)
            shown["tasks"]["more_failures"] = max(more, 0)
        return shown


Seen: TypeAlias = Latest | One


def looking_at(
    history: History, prefix: str | None, count: int | None, *, name: str | None = None, state: RunState | None = None
) -> Callable[[], Seen]:
    """Return what looks at the history, as it is then.

    Args:
        history: the history.
        prefix: the id of a run, or its first digits; None for the latest runs.
        count: how many these are, 10 if it is None; of one run, how many failed tasks, 100 if it is None.
        name: only those of this name are among the latest.
        state: only those in this state are.

    Raises:
        Refused: none ever had this name.
    """
    if prefix is not None:
        return lambda: _one(history, prefix, count or _FAILURES)
    if name is not None and not history.runs(1, name=name):
        raise Refused(f"there is no run called {name!r}.{did_you_mean(name, history.names())}")
    return lambda: _latest(history, count or _LATEST, name, state)


def state_called(text: str) -> RunState:
    """Return the state that `text`, the value of ``--state``, names.

    Raises:
        Refused: there is none of this name.
    """
    states: tuple[RunState, ...] = get_args(RunState)
    for state in states:
        if text == state:
            return state
    raise Refused(f"--state must be one of {', '.join(states)}: not {text!r}.{did_you_mean(text, states)}")


def _latest(history: History, count: int, name: str | None, state: RunState | None) -> Latest:
    runs = history.runs(count, name=name, state=state)
    one_of_each = {(run.kind, run.name): run for run in runs}
    of_each = {key: history.runs(count + _RECENT, kind=run.kind, name=run.name) for key, run in one_of_each.items()}
    recent = tuple(_recent(run, of_each[run.kind, run.name]) for run in runs)
    return Latest(runs, recent, alerts_in(history.path), None if runs else _nothing(history, name, state))


def _nothing(history: History, name: str | None, state: RunState | None) -> str:
    called = "" if name is None else f" called {name!r}"
    which = "" if state is None else f" whose state is {state}"
    return f"there is no run{called}{which} in {str(history.path)!r}."


def _recent(run: RunRow, of_its_name: Iterable[RunRow]) -> tuple[float, ...]:
    ended = [
        each.duration_s for each in of_its_name if each.duration_s is not None and each.started_at <= run.started_at
    ]
    return tuple(reversed(ended[:_RECENT]))


def _one(history: History, prefix: str, failures: int) -> One:
    detail = history.run(prefix, failures=failures)
    pipelines = () if detail.tasks is None else history.pipelines_inside(detail.run.run_id)
    return One(detail, alerts_about(history, detail.run), pipelines)


def alerts_about(history: History, run: RunRow) -> tuple[Alert, ...]:
    """Return the alerts of a run's pipeline or batches that were open while it ran, or were raised at its end.

    Those of the pipelines in a batch's tasks are the batch's, too.
    """
    alerts = alerts_in(history.path, resolved=_RESOLVED)
    if not alerts:
        return ()
    inside = history.pipelines_inside(run.run_id, most=_INSIDE) if run.kind == "batch" else ()
    pipelines = [each.pipeline_id for each in inside] if run.kind == "batch" else [run.name]
    return tuple(each for each in alerts if _is_of_its_time(each, run) and _is_about(each, run, pipelines))


def _is_about(alert: Alert, run: RunRow, pipelines: Sequence[str]) -> bool:
    if alert.run_name == run.name:
        return True
    if alert.rule == SLOW_STAGE:
        return any(is_stage_of(alert.subject, each) for each in pipelines)
    if alert.rule == TASK_FAILURE_RATE:
        return run.kind == "batch" and alert.subject == run.name
    return alert.rule == FAILURE_RATE and alert.subject in pipelines


def _is_of_its_time(alert: Alert, run: RunRow) -> bool:
    if alert.resolved_at is not None and alert.resolved_at < run.started_at:
        return False
    if run.duration_s is None:
        return run.state == "running" or alert.raised_at <= run.started_at
    # In seconds: a virtual clock's may be more than a moment can be moved by.
    return (alert.raised_at - run.started_at - _LATER).total_seconds() <= run.duration_s


def why_nothing(path: Path, monitoring: MonitoringSettings) -> str:
    """Return a sentence that says why there are no runs at `path`, where no history is.

    Args:
        path: where it would be.
        monitoring: what is configured.
    """
    nothing = f"nothing was kept so far in {str(path)!r}"
    if (other := in_the_way(path)) is not None:
        return f"{nothing}, and nothing can be: {other}."
    if monitoring.enabled:
        return f"{nothing}, where atrio run and atrio batch keep what they run."
    return f"{nothing}, and nothing will be: the configuration has enabled = false in [monitoring]."


def as_safe_json(seen: Seen) -> Iterator[str]:
    """Yield what is seen as JSON that a terminal only shows."""
    for piece in as_json(seen.as_dict()):
        yield _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", piece)
