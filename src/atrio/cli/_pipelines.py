"""The pipelines that a command line can name: those of the configuration, ready-made ones, and the user's own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio import ErrorPolicy, Pipeline, Stage, StageConfig
from atrio.cli._imported import pipeline_at, raised
from atrio.cli._nearest import did_you_mean
from atrio.cli._streams import Refused, Unopened, say

if TYPE_CHECKING:
    from atrio.config import Configuration, Workspace


@attrs.frozen
class ReadyMade:
    """A pipeline that can be made: one that the command line knows by name, or one that it has imported.

    Attributes:
        takes: what its input must be, as the end of a sentence; None where only its author knows.
        build: makes it; Refused if it cannot be made.
    """

    takes: str | None
    build: Callable[[], Pipeline[Any, Any]]


def _text_report() -> Pipeline[Any, Any]:
    from atrio.agents import ReportWriter, TextAnalyzer, TextCleaner  # noqa: PLC0415 - only a run needs them

    # Local computation: a second attempt would fail in the same way, and a book takes the time that it takes.
    config = StageConfig(error_policy=ErrorPolicy.STOP, timeout=None)
    agents = (TextCleaner(), TextAnalyzer(), ReportWriter(title="Text report"))
    pipeline: Pipeline[Any, Any] = Pipeline("text-report")
    for agent in agents:
        pipeline.add_stage(Stage(agent.agent_id, agent, config=config))
    return pipeline


READY_MADE: Final[dict[str, ReadyMade]] = {
    "text-report": ReadyMade("text: a text file, text on standard input, or a JSON string as --value", _text_report)
}
"""By name."""


class Pipelines:
    """The pipelines that can be named.

    Args:
        configuration: what the file says, whose pipelines are known by their names alone.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._made: Workspace | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that need no import: those of the file, then ready-made ones."""
        return tuple(dict.fromkeys([*self.configuration.pipelines, *READY_MADE]))

    @property
    def workspace(self) -> Workspace:
        """What makes what the file describes, each thing once, whichever pipelines share it."""
        from atrio.config import Workspace  # noqa: PLC0415 - only what the file describes needs it

        if self._made is None:
            self._made = Workspace(self.configuration)
        return self._made

    def called(self, name: str) -> ReadyMade:
        """Return the pipeline called `name`: of the file, ready-made, or the user's own if it is ``module:attribute``.

        Raises:
            Refused: there is none.
        """
        if name in self.configuration.pipelines:
            return ReadyMade(None, lambda: self.workspace.pipeline(name))
        if name in READY_MADE:
            return READY_MADE[name]
        if ":" in name:
            return ReadyMade(None, pipeline_at(name))
        raise Refused(f"{self._no_pipeline(name)} Known: {', '.join(self.names)}, and your own as module:attribute.")

    def _no_pipeline(self, name: str) -> str:
        kind = kind_of(name, self.configuration)
        if kind is not None:
            return f"{name!r} is {kind}, and no pipeline: a pipeline can have it as a stage."
        return f"there is no pipeline {name!r}.{did_you_mean(name, self.names)}"


def kind_of(name: str, configuration: Configuration) -> str | None:
    """Return what `name` names that is no pipeline, with its article; None if nothing."""
    from atrio.registry import BUILT_IN_AGENTS  # noqa: PLC0415 - only a mistake needs it

    kinds = {
        "an agent": {**BUILT_IN_AGENTS, **configuration.agents},
        "a pool": configuration.pools,
        "a fan-out": configuration.fan_outs,
        "a router": configuration.routers,
    }
    return next((kind for kind, known in kinds.items() if name in known), None)


@contextlib.asynccontextmanager
async def opened(pipeline: Pipeline[Any, Any]) -> AsyncGenerator[None]:  # noqa: ASYNC911 - agents wait as they need to
    """Keep the agents of `pipeline` open for the time of the block.

    One that fails to close is told of on stderr: what was finished by then stands.

    Raises:
        Unopened: one of them fails to open.
    """
    try:
        await pipeline.__aenter__()
    except Exception as error:
        raise Unopened(f"{pipeline.pipeline_id} cannot be opened: {raised(error)}.") from error
    try:
        yield
    finally:
        try:
            await pipeline.__aexit__(*sys.exc_info())  # noqa: ASYNC102 - each agent says itself what it shields
        except Exception as error:  # noqa: BLE001 - agents may raise anything
            say(f"{pipeline.pipeline_id} was not closed as it should be: {raised(error)}.")
