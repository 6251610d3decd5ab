"""The pipelines that a command line can name: ready-made ones, and the user's own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

import attrs

from atrio import ErrorPolicy, Pipeline, Stage, StageConfig
from atrio.cli._imported import pipeline_at, raised
from atrio.cli._streams import Refused, Unopened, say


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


def pipeline_called(name: str) -> ReadyMade:
    """Return the ready-made pipeline called `name`, or the user's own, imported, if it is ``module:attribute``.

    Raises:
        Refused: there is none.
    """
    if name in READY_MADE:
        return READY_MADE[name]
    if ":" in name:
        return ReadyMade(None, pipeline_at(name))
    import difflib  # noqa: PLC0415 - only a mistake needs it

    nearest = difflib.get_close_matches(name.lower(), READY_MADE, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    known = ", ".join(sorted(READY_MADE))
    raise Refused(f"there is no pipeline {name!r}.{hint} Known: {known}, and your own as module:attribute.")


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
