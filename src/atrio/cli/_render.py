"""Results as people and programs read them: the output alone, JSON, a table of the stages, or a sentence."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from atrio import StageRecord, StageStatus
from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from atrio import ErrorInfo, PipelineResult

_STYLES: Final = {
    StageStatus.SUCCESS: "green",
    StageStatus.ERROR: "red",
    StageStatus.SKIPPED: "yellow",
    StageStatus.CANCELLED: "yellow",
}
_LONGEST: Final = 500
"""Characters of an error that are shown; the whole of it is in ``--format json``."""


def output_of(result: PipelineResult[Any]) -> Iterator[str]:
    """Yield the output of a run that reached its end: text as it is, anything else as JSON; it ends with a newline."""
    if not isinstance(result.output, str):
        yield from as_json(result.to_dict()["output"])
        return
    yield result.output
    if not result.output.endswith("\n"):
        yield "\n"


def as_json(value: Any) -> Iterator[str]:
    """Yield `value`, which is JSON-ready, as indented JSON that ends with a newline."""
    # What an encoding lacks is written as JSON escapes it.
    ascii_only = not getattr(sys.stdout, "encoding", "").lower().startswith("utf")
    yield from json.JSONEncoder(indent=2, ensure_ascii=ascii_only).iterencode(value)
    yield "\n"


def as_table(result: PipelineResult[Any]) -> str:
    """Return the stages of a run as a table, as wide and as colourful as stdout can show it."""
    from rich.console import Console  # noqa: PLC0415 - only a table needs it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    title = f"{result.pipeline_id}: {result.status.value} in {seconds(result.duration_s)}"
    table = Table("stage", "state", title=Text(printable(title)), title_justify="left")
    table.add_column("time", justify="right")
    table.add_column("attempts", justify="right")
    table.add_column("error", overflow="fold")
    for record in result.stages:
        table.add_row(*_row(record))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def _row(record: StageRecord) -> tuple[Text, ...]:
    # Text, not str: rich takes square brackets in a str for markup.
    from rich.text import Text  # noqa: PLC0415 - as above

    return (
        Text(printable(record.stage_id)),
        Text(record.status.value, style=_STYLES[record.status]),
        Text(seconds(record.duration_s)),
        Text(str(record.attempts)),
        Text("" if record.error is None else described(record.error)),
    )


def seconds(duration_s: float) -> str:
    """Return a duration as people read it: ``0.3 ms``, ``41.0 ms``, ``2.5 s``."""
    return f"{duration_s * 1000:.1f} ms" if duration_s < 1 else f"{duration_s:.1f} s"


def described(error: ErrorInfo) -> str:
    """Return `error` in one line that a terminal can show, without a full stop at its end."""
    text = printable(f"{error.error_type}: {error.message}" if error.message else error.error_type).rstrip(".")
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"


def complaint_of(result: PipelineResult[Any], takes: str) -> str | None:
    """Return what went wrong in a run, and what to do about it, in sentences; None if nothing did.

    Args:
        result: of a run that ended by itself.
        takes: what the pipeline's input must be.
    """
    sentences = [
        _complaint(result.pipeline_id, record, record.error, takes) for record in result.stages if record.error
    ]
    return " ".join(sentences) or None


def _complaint(pipeline_id: str, record: StageRecord, error: ErrorInfo, takes: str) -> str:
    attempts = f" after {record.attempts} attempts" if record.attempts > 1 else ""
    if record.status is StageStatus.SKIPPED:
        return f"{pipeline_id} skipped {record.stage_id}{attempts}: {described(error)}."
    return f"{pipeline_id} failed in {record.stage_id}{attempts}: {described(error)}. {_advice(error, takes)}"


def _advice(error: ErrorInfo, takes: str) -> str:
    if isinstance(error.exception, TypeError):
        return f"The pipeline takes {takes}."
    if error.error_type == "timeout":
        return "Give it less at a time, or try again later."
    return "Try again with --log-level debug to see where it happened."
