"""What logs come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

from atrio.logs._in_flight import Kind
from atrio.sinks.metrics import ExecutionStatistics

State: TypeAlias = Literal["open", "half_open", "closed"]


@attrs.frozen
class BreakerFigures:
    """What logs say of the circuit breakers of one name.

    Attributes:
        opened: how often they opened.
        open_s: seconds from opening to the first probe, of all times that there was one.
        state: how the one stood of which the last line tells: open, half_open or closed.
    """

    opened: int
    open_s: float
    state: State


@attrs.frozen
class Summary:
    """What logs come to.

    A name beyond the first thousand of its sort is counted under `(other)`.

    Attributes:
        files: what was read, in this order; `-` for a stream.
        first: the earliest timestamp of an event, or None if there is no event.
        last: the latest one.
        lines: how many lines were read, blank ones aside.
        events: how many of them are atrio's.
        unusable: how many are, or were meant to be, atrio's, and cannot be used: `check` says why.
        foreign: how many are of others: they are no JSON object, or one with another logger.
        torn: how many files end in a line that was not finished.
        cut_off: the compressed logs whose end is missing; what could be unpacked was read.
        pipelines: the figures of the runs that ended, by their pipeline.
        stages: the figures of the stages that ended, by their id.
        retries: how many attempts were followed by another one, by the stage's id.
        fallbacks: how often a fallback asked its next agent, by the fallback's id.
        batches: the figures of the batches that ended, by their name.
        tasks: the figures of the batches' tasks that ended, by their agent's id.
        breakers: the circuit breakers, by their name.
        in_flight: how much had begun and had not ended: for pipeline, stage, batch and task the count of each name, or
            agent's id for a task.
        forgotten: how many runs, stages and tasks were not followed to their end, because too many were open at once.
        dropped: how many lines could not be written, as the log itself says.
    """

    files: tuple[str, ...]
    first: str | None
    last: str | None
    lines: int
    events: int
    unusable: int
    foreign: int
    torn: int
    cut_off: tuple[str, ...]
    pipelines: Mapping[str, ExecutionStatistics]
    stages: Mapping[str, ExecutionStatistics]
    retries: Mapping[str, int]
    fallbacks: Mapping[str, int]
    batches: Mapping[str, ExecutionStatistics]
    tasks: Mapping[str, ExecutionStatistics]
    breakers: Mapping[str, BreakerFigures]
    in_flight: Mapping[Kind, Mapping[str, int]]
    forgotten: int
    dropped: int
