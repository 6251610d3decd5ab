"""The options that every command takes, and the arguments that several share."""

import logging
from enum import Enum
from math import inf
from pathlib import Path
from typing import Annotated, Final, Literal

import attrs
from cyclopts import Group, Parameter

from atrio.cli._streams import Refused

Format = Literal["json", "table"]
FailOn = Literal["degraded"]
LogFormat = Literal["json", "console"]


class LogLevel(Enum):
    """A level, with its number as ``logging`` has it."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


_MOST_DIGITS: Final = 18

LOG: Final = Group("Log", sort_key=1)

ConfigPath = Annotated[
    Path | None,
    Parameter(
        help="The configuration file; without it, atrio.toml or atrio.json in the current directory, if there is one."
    ),
]

HistoryPath = Annotated[
    Path | None,
    Parameter(
        help="The history, a database of runs; without it, .atrio/history.db beside the configuration file, or in the "
        "current directory if there is none."
    ),
]


@Parameter(name="*")
@attrs.frozen
class Options:
    """What a command prints, and what it logs where.

    Attributes:
        format: how results are printed; None for the output alone.
        log_format: how stderr shows events; None lets the terminal decide.
        log_file: where all events go too, or None.
        log_level: the lowest level that stderr shows, or None where that is not said.
        config: the configuration file, or None for that of the current directory.
        history: the database of past runs, or None for the usual one.
        usual_level: the lowest level that stderr shows where `log_level` does not say it.
    """

    format: Annotated[
        Format | None,
        Parameter(help="Print the whole result as JSON, or its stages as a table, in place of the output alone."),
    ] = None
    log_format: Annotated[
        LogFormat | None,
        Parameter(
            group=LOG,
            help="Show events on stderr as JSON lines, or for people. Without it, people get theirs on a terminal, "
            "unless NO_COLOR is set.",
        ),
    ] = None
    log_file: Annotated[
        Path | None,
        Parameter(group=LOG, help="Append all events, from debug up, to this file, as JSON lines."),
    ] = None
    log_level: Annotated[
        LogLevel | None, Parameter(group=LOG, help="The lowest level that stderr shows; info, unless it is given.")
    ] = None
    config: ConfigPath = None
    history: HistoryPath = None
    usual_level: Annotated[LogLevel, Parameter(parse=False)] = LogLevel.INFO

    @property
    def shown_level(self) -> LogLevel:
        """The lowest level that stderr shows."""
        return self.usual_level if self.log_level is None else self.log_level


@Parameter(name="*")
@attrs.frozen
class BatchOptions(Options):
    """The same for a batch, which prints something else."""

    format: Annotated[
        Format | None,
        Parameter(help="Print a line of JSON for each task as it finishes, as is usual, or a table of all at the end."),
    ] = None
    log_level: Annotated[
        LogLevel | None,
        Parameter(
            group=LOG,
            help="The lowest level that stderr shows. Without it, stderr shows how the batch goes on, and of its tasks "
            "only those that failed; with error, those that failed alone.",
        ),
    ] = None


@Parameter(name="*")
@attrs.frozen
class BenchOptions(Options):
    """The same for a comparison, which prints something else, and logs nothing by itself."""

    format: Annotated[
        Format | None,
        Parameter(help="Print tables, as is usual, or all that was measured, every run, as JSON."),
    ] = None
    log_level: Annotated[
        LogLevel | None,
        Parameter(
            group=LOG,
            help="The lowest level that stderr shows. Without it and --log-file nothing is logged; with them, logging "
            "is part of what is measured.",
        ),
    ] = None
    # Nor does it keep a history: what is measured again and again is nobody's past.
    history: Annotated[Path | None, Parameter(parse=False)] = None


@Parameter(name="*")
@attrs.frozen
class FileOptions:
    """What a command is told that runs nothing, and so logs nothing.

    Attributes:
        config: the configuration file, or None for that of the current directory.
    """

    config: ConfigPath = None


@Parameter(name="*")
@attrs.frozen
class ListOptions(FileOptions):
    """The same for one that shows something.

    Attributes:
        format: how it is printed; None for the usual way.
    """

    format: Annotated[Format | None, Parameter(help="Print a table, as is usual, or JSON.")] = None


@Parameter(name="*")
@attrs.frozen
class StatusOptions(ListOptions):
    """The same for one that shows past runs.

    Attributes:
        history: the database of past runs, or None for the usual one.
    """

    history: HistoryPath = None


@Parameter(name="*")
@attrs.frozen
class ReportOptions(FileOptions):
    """The same for a page about a past run.

    Attributes:
        history: the database of past runs, or None for the usual one.
    """

    history: HistoryPath = None


@Parameter(name="*")
@attrs.frozen
class CheckOptions(FileOptions):
    """The same for a check, whose findings are lines, as those of a compiler.

    Attributes:
        format: how they are printed; None for lines.
    """

    format: Annotated[
        Format | None, Parameter(help="Print what is wrong as a table, or as JSON, in place of a line each.")
    ] = None


@Parameter(name="*")
@attrs.frozen
class LogsOptions(FileOptions):
    """The same for what is found in logs.

    Attributes:
        format: how it is printed; None for tables.
    """

    format: Annotated[Format | None, Parameter(help="Print tables, as is usual, or everything as JSON.")] = None


@Parameter(name="*")
@attrs.frozen
class DrawOptions(FileOptions):
    """The same for a pipeline, which can be drawn.

    Attributes:
        format: how it is printed; None for the usual way.
    """

    format: Annotated[
        Literal["json", "table", "mermaid"] | None,
        Parameter(help="Print a table, as is usual, JSON, or a flowchart for Mermaid."),
    ] = None


@Parameter(name="*")
@attrs.frozen
class AssembleOptions(Options):
    """The same for what is assembled, which explains itself where it is not run."""

    format: Annotated[
        Format | None,
        Parameter(
            help="Print the plan as tables, as is usual, or as JSON; with --run or --value, the whole result as JSON, "
            "or its stages as a table, in place of the output alone."
        ),
    ] = None


def seconds_or_none(text: str, option: str) -> float | None:
    """Return the seconds that `text`, the value of `option`, says; None for ``none``.

    Raises:
        Refused: it says neither.
    """
    if text.lower() == "none":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:  # NaN is neither
        raise Refused(f"{option} must be seconds above 0, or none: not {text!r}.")
    return seconds


def whole_number(text: str, option: str, *, least: int = 1) -> int:
    """Return the number that `text`, the value of `option`, says.

    Raises:
        Refused: it says none, or one below `least`, or one of more than 18 digits.
    """
    # Not left to the parser, which would round 2.5. Of thousands of digits Python makes no number.
    if text.isdecimal() and len(digits := text.lstrip("0")) > _MOST_DIGITS:
        raise Refused(f"{option} must be {10**_MOST_DIGITS - 1:,} at most: not {_cut(digits)}.")
    if not text.isdecimal() or int(text) < least:
        raise Refused(f"{option} must be a whole number, {least} at least: not {text!r}.")
    return int(text)


def _cut(digits: str) -> str:
    return digits if len(digits) <= 2 * _MOST_DIGITS else f"{digits[:_MOST_DIGITS]}…"
