"""A run as one page of HTML that needs nothing else: no network, no script, no file beside it."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from atrio import __version__
from atrio.cli import _page_text as text
from atrio.cli._page_distribution import Distribution
from atrio.cli._page_figures import counts_of, facts_of, figures_of, measured, not_all, sentence_of
from atrio.cli._page_timeline import MOST_LINES, time_line_of_stages, time_line_of_tasks, waited_s
from atrio.cli._plain import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atrio.cli._page_content import Content
    from atrio.cli._page_timeline import TimeLine
    from atrio.history import ModelRow, PipelineFigures, RetryRow, RunDetail, StageRow, TaskRow

GENERATOR: Final = "atrio report"
"""How a page says by what it was made."""
_COLOURS: Final = {
    **dict.fromkeys(("success",), "success"),
    **dict.fromkeys(("error", "failed", "timeout"), "error"),
    **dict.fromkeys(("degraded", "skipped"), "skipped"),
    **dict.fromkeys(("cancelled", "interrupted", "unknown"), "cancelled"),
    "running": "open",
    "wait": "wait",
}
"""The class of the style sheet for each state. None is told by its colour alone."""
_GLYPHS: Final = {"success": "✓", "error": "✕", "skipped": "↷", "cancelled": "■", "open": "…"}
_LEGEND: Final = {
    "success": "succeeded",
    "error": "failed",
    "timeout": "ran out of time",
    "skipped": "failed, and was skipped",
    "cancelled": "cancelled",
    "running": "still runs",
    "interrupted": "was going on",
    "unknown": "its process ended, and when is not known",
    "wait": "waited",
}
_UNFINISHED: Final = ("running", "interrupted")
_MOST_NAMED: Final = 20
_FEWEST: Final = 5
"""Tasks of which a distribution says more than a list."""
_LIMITS: Final = {
    "most_failures": 50,
    "most_lines": MOST_LINES,
    "most_pipelines": 20,
    "most_retries": 20,
    "most_rows": 500,
}
_LENGTHS: Final = {"longest_heading": 300, "longest_stack": text.LONGEST_STACK, "shorter": 500}


@attrs.frozen
class Failure:
    """What ended a stage, a task or a run.

    Attributes:
        heading: what it ended, and when.
        error_type: the class of the error.
        message: what it says, or None.
        stack: its traceback, or None.
        retries: the attempts before it.
    """

    heading: str
    error_type: str
    message: str | None
    stack: str | None
    retries: tuple[RetryRow, ...] = ()


def page_of(content: Content) -> str:
    """Return a page of HTML about a run.

    Args:
        content: what is known of it. Whatever is in its texts is shown as text.
    """
    detail = content.detail
    style = files("atrio.cli").joinpath("templates/run.css").read_text(encoding="utf-8")
    return _template().render(
        alerts=content.alerts,
        detail=detail,
        now=content.now,
        compared=content.compared,
        errors=list(_failed_stages(detail)),
        facts=list(facts_of(detail)),
        models=_models(content),
        noted=list(_noted(detail)),
        figures=list(figures_of(detail)),
        sections=list(_sections(content)),
        sentence=sentence_of(detail, content.now),
        stages_line=time_line_of_stages(detail, content.now),
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}",
        **_of_batch(content),
        **_vocabulary(),
    )


def _of_batch(content: Content) -> dict[str, Any]:
    tasks = content.detail.tasks
    slowest = content.slowest
    durations = content.task_durations
    failures = () if tasks is None else tasks.failures
    count = 0 if tasks is None else tasks.failed + tasks.timed_out
    return {
        "distinct_errors": list(_distinct_errors(failures)),
        "distribution": Distribution.of(durations) if len(durations) >= _FEWEST else None,
        "more_failures": max(count - len(failures), 0),
        "not_all": tasks is not None and bool(not_all(tasks)),
        "pipelines": content.pipelines,
        "slowest_line": None if slowest is None else time_line_of_stages(slowest, content.now),
        "slowest_run": slowest,
        "task_count": len(durations),
        "tasks_line": None if tasks is None else time_line_of_tasks(content.detail.run, tasks.slowest, content.now),
    }


@cache
def _template() -> Template:
    """Return the page's template, in which all is escaped."""
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("atrio.cli"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        duration=text.duration,
        in_a_line=text.in_a_line,
        in_lines=text.in_lines,
        in_words=text.in_words,
        moment=text.moment,
        number=lambda count: f"{count:,}",
        size=_size,
    )
    return environment.get_template("run.html.j2")


def _vocabulary() -> dict[str, Any]:
    """Return what the template says and asks of every run alike."""
    return {
        **_LIMITS,
        **_LENGTHS,
        "began_at": _began_at,
        "colour": _COLOURS,
        "counted": text.counted,
        "counts_of": counts_of,
        "generator": GENERATOR,
        "glyph": {status: _GLYPHS.get(colour, "") for status, colour in _COLOURS.items()},
        "legend_of": _legend_of,
        "measured": measured,
        "never_begun": _never_begun,
        "not_begun": _not_begun,
        "unfinished": _UNFINISHED,
        "version": __version__,
        "waited": _waited,
    }


def _size(size: int | None) -> str:
    return "-" if size is None else f"{size:,}"


def _began_at(detail: RunDetail, stage: StageRow) -> float:
    return max((stage.started_at - detail.run.started_at) / timedelta(seconds=1), 0.0)


def _noted(detail: RunDetail) -> Iterator[tuple[str, str, str]]:
    """Yield what stages noted: the stage, the name, and the value in words."""
    for stage in detail.stages:
        yield from ((stage.stage_id, name, in_words(value)) for name, value in stage.metadata.items())


def _waited(stage: StageRow) -> str:
    return text.duration(waited_s(stage) if stage.retries else None)


def _not_begun(detail: RunDetail) -> int:
    return max((detail.run.total or 0) - len(detail.stages), 0)


def _models(content: Content) -> list[ModelRow]:
    return [*content.detail.models, *(row for pipeline in content.pipelines for row in pipeline.models)]


def _never_begun(pipeline: PipelineFigures) -> int:
    return max((pipeline.total or 0) - len({stage.index for stage in pipeline.stages}), 0)


def _sections(content: Content) -> Iterator[tuple[str, str]]:
    """Yield the id and the title of each section that the page has, in their order."""
    detail, tasks = content.detail, content.detail.tasks
    there = {
        ("figures", "Figures"): True,
        ("distribution", "Distribution"): len(content.task_durations) >= _FEWEST,
        ("pipeline", "Pipeline"): detail.stages or content.pipelines,
        ("time-line", "Time line"): detail.stages,
        ("stages", "Stages"): detail.stages,
        ("compared", "Other runs"): content.compared,
        ("slowest", "Slowest tasks"): tasks and tasks.slowest,
        ("errors", "Errors"): next(_failed_stages(detail), None),
        ("failed", "Failed tasks"): tasks and tasks.failures,
        ("models", "Language models"): _models(content),
        ("alerts", "Alerts"): content.alerts,
        ("inside", "Runs inside"): detail.inside,
        ("about", "About"): True,
    }
    yield from (section for section, is_there in there.items() if is_there)


def _failed_stages(detail: RunDetail) -> Iterator[Failure]:
    failed = [stage for stage in detail.stages if stage.error_type is not None]
    # What ended the run comes first.
    for stage in sorted(failed, key=lambda stage: stage.status != "error"):
        attempts = f" after {text.counted(stage.attempts, 'attempt')}" if stage.attempts > 1 else ""
        how = {"skipped": "was skipped", "cancelled": "was cancelled"}.get(stage.status, "failed")
        heading = f"{stage.stage_id} {how}{attempts}"
        yield Failure(heading, stage.error_type or "", stage.error_message, stage.error_stack, stage.retries)
    run = detail.run
    # What ended a run is, but for a misuse, what ended one of its stages.
    if run.error_type is not None and not any(stage.status == "error" for stage in failed):
        yield Failure("What ended it", run.error_type, run.error_message, run.error_stack)


def _distinct_errors(tasks: Sequence[TaskRow]) -> Iterator[Failure]:
    """Yield what ended tasks, once what ended several, and only what has more to say than a line."""
    ended: dict[tuple[str | None, str | None, str | None], list[str]] = {}
    for task in tasks:
        ended.setdefault((task.error_type, task.error_message, task.error_stack), []).append(str(task.index))
    for (error_type, message, stack), indexes in ended.items():
        if stack is None and len(message or "") <= _LENGTHS["shorter"]:
            continue
        which = f"Task {indexes[0]}" if len(indexes) == 1 else f"{len(indexes)} tasks"
        named = f": {', '.join(indexes[:_MOST_NAMED])}" if len(indexes) > 1 else ""
        more = ", ..." if len(indexes) > _MOST_NAMED else ""
        yield Failure(f"{which} failed with this{named}{more}", error_type or "unknown", message, stack)


def _legend_of(line: TimeLine) -> list[tuple[str, str]]:
    """Return the kinds of stretches, each with its words; with those of others that look like it."""
    alike: dict[tuple[str, str], list[str]] = {}
    for kind in line.kinds:
        alike.setdefault((_COLOURS[kind], kind if kind == "unknown" else str(kind in _UNFINISHED)), []).append(kind)
    return [(kinds[0], " or ".join(_LEGEND[kind] for kind in kinds)) for kinds in alike.values()]
