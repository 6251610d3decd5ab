"""Pipelines as tables, as JSON, and drawn: those of the configuration, without making them, and all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio import ErrorPolicy
from atrio.cli._plain import plain
from atrio.cli._render import table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from atrio import Pipeline
    from atrio.config import Configuration, PipelineSettings, StageSettings

_NUMBERS: Final = frozenset({"attempts", "timeout"})


@attrs.frozen
class StageShown:
    """A stage, as people and programs see it.

    Attributes:
        stage_id: its id.
        name: for people.
        description: for people.
        agent: the name of what does the work.
        attempts: calls at most.
        timeout_s: seconds for each, or None.
        error_policy: what its failure means.
        backoff: the waits between attempts.
        retry_on: names of what is worth another attempt; None for the usual.
    """

    stage_id: str
    name: str
    description: str
    agent: str
    attempts: int
    timeout_s: float | None
    error_policy: str
    backoff: dict[str, float]
    retry_on: list[str] | None


@attrs.frozen
class PipelineShown:
    """A pipeline, as people and programs see it.

    Attributes:
        name: what it is called on the command line.
        origin: the file that describes it, ``ready-made`` or ``imported``.
        description: for people.
        stages: its stages, in order.
    """

    name: str
    origin: str
    description: str
    stages: list[StageShown]


def described(name: str, settings: PipelineSettings, configuration: Configuration) -> PipelineShown:
    """Return a pipeline of the configuration."""
    return PipelineShown(name, str(configuration.path), settings.description, [*map(_described, settings.stages)])


def _described(stage: StageSettings) -> StageShown:
    policy = ErrorPolicy(stage.error_policy)
    return StageShown(
        stage.own_id,
        stage.own_id if stage.name is None else stage.name,
        stage.description,
        stage.agent,
        1 if policy is ErrorPolicy.STOP else stage.attempts,
        None if stage.timeout == "none" else stage.timeout,
        policy.value,
        plain(stage.backoff),
        None if stage.retry_on is None else list(stage.retry_on),
    )


def made(name: str, pipeline: Pipeline[Any, Any], origin: str) -> PipelineShown:
    """Return a pipeline that was made by other means."""
    stages = [
        StageShown(
            stage.stage_id,
            stage.name,
            stage.description,
            stage.agent_id,
            1 if stage.config.error_policy is ErrorPolicy.STOP else stage.config.attempts,
            stage.config.timeout,
            stage.config.error_policy.value,
            plain(stage.config.backoff),
            _names_of(stage.config.retry_on),
        )
        for stage in pipeline.stages
    ]
    return PipelineShown(name, origin, "", stages)


def _names_of(retry_on: Any) -> list[str] | None:
    kinds = retry_on if isinstance(retry_on, tuple) else (retry_on,)
    # A predicate has no words for what it covers.
    return [kind.__name__ for kind in kinds] if all(isinstance(kind, type) for kind in kinds) else None


def list_table(pipelines: Iterable[PipelineShown]) -> str:
    """Return a table with a row for each pipeline."""
    rows = (
        (each.name, " -> ".join(stage.agent for stage in each.stages), each.description, each.origin)
        for each in pipelines
    )
    return table_of("pipelines", ("pipeline", "agents", "description", "from"), rows)


def show_table(pipeline: PipelineShown) -> str:
    """Return a table with a row for each stage."""
    title = f"{pipeline.name}: {pipeline.description}" if pipeline.description else pipeline.name
    heads = ("stage", "agent", "attempts", "timeout", "if it fails")
    return table_of(title, heads, map(_row, pipeline.stages), to_the_right=_NUMBERS)


_FATES: Final = {"stop": "the run fails", "retry": "the run fails", "skip": "it is skipped"}


def _row(stage: StageShown) -> Iterator[str]:
    yield stage.stage_id
    yield stage.agent
    yield str(stage.attempts)
    yield "none" if stage.timeout_s is None else f"{stage.timeout_s:g} s"
    yield _FATES[stage.error_policy]
