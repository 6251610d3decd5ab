"""Results as people and programs read them: the output alone, JSON, a table of the stages, or a sentence."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias, cast

from atrio import StageRecord, StageStatus
from atrio.cli._secrets import note_without_secrets, text_without_secrets
from atrio.cli._streams import printable, results_stream

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from rich.console import Console

    from atrio import ErrorInfo, PipelineResult, Usage

    Cell: TypeAlias = str | tuple[str, str]

_STYLES: Final = {
    StageStatus.SUCCESS: "green",
    StageStatus.ERROR: "red",
    StageStatus.SKIPPED: "yellow",
    StageStatus.CANCELLED: "yellow",
}
_TO_THE_RIGHT: Final = frozenset({"time", "attempts", "tasks", "figure"})
_UNBOUNDED: Final = 100_000
"""Columns of what is no terminal."""
_READABLE: Final = 8
"""Columns in which a folded name can be read."""
_LONGEST_NAME: Final = 24
"""Characters beyond which a cell is text more than a name."""
_READABLE_TEXT: Final = 24
"""Columns in which text can be read."""
_LEAST: Final = 4
"""Columns that one takes at least which is folded."""
_AS_MILLISECONDS: Final = 0.00095
"""Seconds from which a duration is told in milliseconds: one decimal then says as much as it should."""
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
    yield from json.JSONEncoder(indent=2, ensure_ascii=stdout_is_ascii_only()).iterencode(value)
    yield "\n"


def without_secrets_in_errors(result: PipelineResult[Any]) -> dict[str, Any]:
    """Return a result as JSON, in which errors and what stages noted are without the environment's secrets."""
    fields = result.to_dict()
    told = [*fields["errors"], *(stage["error"] for stage in fields["stages"] if stage["error"])]
    told += [failure for stage in fields["stages"] for failure in stage["failures"]]
    for error in told:
        for key in ("error_type", "message", "stack"):
            if error.get(key):
                error[key] = text_without_secrets(error[key])
    for stage in fields["stages"]:
        if stage["metadata"]:
            stage["metadata"] = note_without_secrets(stage["metadata"])
    return fields


def stdout_is_ascii_only() -> bool:
    """Say whether stdout lacks characters, so that JSON is to escape them."""
    return not getattr(results_stream(), "encoding", "").lower().startswith("utf")


def as_table(result: PipelineResult[Any]) -> str:
    """Return the stages of a run as a table, as wide and as colourful as stdout can show it."""
    title = f"{result.pipeline_id}: {result.status.value} in {seconds(result.duration_s)}"
    table = table_of(title, ("stage", "state", "time", "attempts", "error"), map(_row, result.stages))
    return f"{table}{paragraph(used(result.usage))}" if result.usage.calls else table


def used(usage: Usage) -> str:
    """Return what calls of language models used, in a sentence."""
    calls = "1 call" if usage.calls == 1 else f"{usage.calls:,} calls"
    return f"{calls} of language models used {usage.input_tokens:,} input and {usage.output_tokens:,} output tokens."


def table_of(
    title: str,
    heads: Iterable[str],
    rows: Iterable[Iterable[Cell]],
    *,
    to_the_right: Container[str] = _TO_THE_RIGHT,
    whole: Container[str] = (),
    missable: Iterable[str] = (),
) -> str:
    """Return a table with a row for each of `rows`, as wide and as colourful as stdout can show it.

    Args:
        title: stands above it.
        heads: its columns; long errors are folded.
        rows: their cells, each a text or a text and its style.
        to_the_right: the heads of columns that stand to the right; by default those of times and counts.
        whole: the heads of columns whose cells are not folded.
        missable: the heads of columns that are left out, one after the other, until the others have room. Where they
            have none even so, it is no table, but a line for each cell.
    """
    from rich.table import Table  # noqa: PLC0415 - only a table needs it
    from rich.text import Text  # noqa: PLC0415 - as above

    console = console_of_stdout()
    is_bounded = console.is_terminal or "COLUMNS" in os.environ
    heads, cells = tuple(heads), [tuple(map(_text_and_style, row)) for row in rows]
    if is_bounded:
        narrow = _fitting(heads, cells, whole, missable, console.width)
        if narrow is None:
            return _as_lines(console, title, heads, cells)
        heads, cells = narrow
    table = Table(title=Text(printable(title)), title_justify="left")
    for head in heads:
        table.add_column(
            Text(printable(head)),
            justify="right" if head in to_the_right else "left",
            no_wrap=head in whole,
            overflow="ellipsis" if head in whole else "fold",
        )
    for row in cells:
        # Text, not str: rich takes square brackets in a str for markup.
        table.add_row(*(Text(text, style=style) for text, style in row))
    if is_bounded:
        with console.capture() as captured:
            console.print(table)
        return captured.get()
    # Whatever reads it has room for all of it.
    console = console_of_stdout(_UNBOUNDED)
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _text_and_style(cell: Cell) -> tuple[str, str]:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return printable(text), style


def _fitting(
    heads: tuple[str, ...],
    rows: list[tuple[tuple[str, str], ...]],
    whole: Container[str],
    missable: Iterable[str],
    width: int,
) -> tuple[tuple[str, ...], list[tuple[tuple[str, str], ...]]] | None:
    """Return the columns that have room, so that none is folded into letters; None if not even those have any."""
    from rich.cells import cell_len  # noqa: PLC0415 - only a table needs it

    columns = dict(zip(heads, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(heads, ())
    needed = {
        head: max(len(head), _needed((cell_len(text) for text, _ in cells), is_whole=head in whole))
        for head, cells in columns.items()
    }
    for head in missable:
        if sum(needed.values()) + 3 * len(needed) + 1 <= width:
            break
        needed.pop(head, None)
    least = sum(length if head in whole else min(length, _LEAST) for head, length in needed.items())
    if least + 3 * len(needed) + 1 > width:
        return None
    shown = [at for at, head in enumerate(heads) if head in needed]
    return tuple(heads[at] for at in shown), [tuple(row[at] for at in shown) for row in rows]


def _as_lines(console: Console, title: str, heads: tuple[str, ...], rows: list[tuple[tuple[str, str], ...]]) -> str:
    from rich.text import Text  # noqa: PLC0415 - as above

    with console.capture() as captured:
        console.print(Text(printable(title), style="italic"), overflow="fold")
        for row in rows:
            console.print()
            said = ((head, cell) for head, cell in zip(heads, row, strict=True) if cell[0])
            for head, cell in said:
                console.print(Text.assemble(f"{printable(head)}: ", cell), overflow="fold")
        console.print()
    return captured.get()


def _needed(lengths: Iterable[int], *, is_whole: bool) -> int:
    longest = max(lengths, default=0)
    return longest if is_whole else min(longest, _READABLE if longest <= _LONGEST_NAME else _READABLE_TEXT)


def _row(record: StageRecord) -> Iterator[Cell]:
    yield record.stage_id
    yield record.status.value, _STYLES[record.status]
    yield seconds(record.duration_s)
    yield str(record.attempts)
    yield "" if record.error is None else described(record.error)


def seconds(duration_s: float) -> str:
    """Return a duration as people read it: ``30 us``, ``41.0 ms``, ``2.5 s``; 0 is ``0.0 ms``."""
    if 0 < duration_s < _AS_MILLISECONDS:
        return f"{max(duration_s * 1e6, 1):.0f} us"
    return f"{duration_s * 1000:.1f} ms" if duration_s < 1 else f"{duration_s:.1f} s"


_UNITS: Final = ((1.0, "s"), (1e3, "ms"), (1e6, "us"), (1e9, "ns"))


def to_three_digits(duration_s: float) -> str:
    """Return a duration as people compare it: ``83.4 us``, ``1.20 ms``, ``2.50 s``."""
    # A unit from what is shown as 1 of it: 999.6 us are 1.00 ms.
    factor, unit = next((each for each in _UNITS if abs(duration_s) * each[0] >= 0.9995), _UNITS[-1])
    value = duration_s * factor
    decimals = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{decimals}f} {unit}" if value else "0 s"


def console_of_stdout(width: int | None = None) -> Console:
    """Return what writes for people, as colourful as stdout can show it, and as wide, unless `width` says how wide."""
    from rich.console import Console  # noqa: PLC0415 - only what people read needs it

    return Console(file=cast("TextIO", _Like(results_stream())), width=width)


class _Like:
    """A stream that looks like another one, and takes all without writing it: what is captured is written by us."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Have nothing to write."""


def width_of_stdout() -> int:
    """Return how many columns stdout can show."""
    return console_of_stdout().width


def paragraph(text: str) -> str:
    """Return `text` in lines as wide as stdout can show."""
    from rich.text import Text  # noqa: PLC0415 - as above

    lines = Text(printable(text)).wrap(console := console_of_stdout(), console.width)
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


def shortened(text: str) -> str:
    """Return `text`, without its middle if it is long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"


def described(error: ErrorInfo) -> str:
    """Return `error` in one line that a terminal can show, without a full stop at its end."""
    said = f"{error.error_type}: {error.message}" if error.message else error.error_type
    return shortened(printable(text_without_secrets(said)).rstrip("."))


def complaint_of(result: PipelineResult[Any], takes: str | None, *, stack_was_shown: bool = False) -> str | None:
    """Return what went wrong in a run, and what to do about it, in sentences; None if nothing did.

    Args:
        result: of a run that ended by itself.
        takes: what the pipeline's input must be, if that is known.
        stack_was_shown: whether stderr shows already where it happened.
    """
    sentences = [
        _complaint(result.pipeline_id, record, record.error, _advice(record.error, takes, stack_was_shown))
        for record in result.stages
        if record.error
    ]
    return " ".join(sentences) or None


def _complaint(pipeline_id: str, record: StageRecord, error: ErrorInfo, advice: str) -> str:
    attempts = f" after {record.attempts} attempts" if record.attempts > 1 else ""
    if record.status is StageStatus.SKIPPED:
        return f"{pipeline_id} skipped {record.stage_id}{attempts}: {described(error)}."
    return f"{pipeline_id} failed in {record.stage_id}{attempts}: {described(error)}.{advice and f' {advice}'}"


def _advice(error: ErrorInfo, takes: str | None, stack_was_shown: bool) -> str:  # noqa: FBT001 - all are given
    if isinstance(error.exception, TypeError) and takes is not None:
        return f"The pipeline takes {takes}."
    if error.error_type == "timeout":
        return "Give it less at a time, or try again later."
    return "" if stack_was_shown else "Try again with --log-level debug to see where it happened."
