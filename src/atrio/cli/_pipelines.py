"""The ready-made pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from atrio import ErrorPolicy, Pipeline, Stage, StageConfig
from atrio.cli._streams import Refused


@attrs.frozen
class ReadyMade:
    """A pipeline that the command line knows by name.

    Attributes:
        takes: what its input must be, as the end of a sentence.
        build: makes it.
    """

    takes: str
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
    """Return the ready-made pipeline called `name`.

    Raises:
        Refused: there is none.
    """
    if name in READY_MADE:
        return READY_MADE[name]
    import difflib  # noqa: PLC0415 - only a mistake needs it

    nearest = difflib.get_close_matches(name.lower(), READY_MADE, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise Refused(f"there is no pipeline {name!r}.{hint} Known: {', '.join(sorted(READY_MADE))}.")
