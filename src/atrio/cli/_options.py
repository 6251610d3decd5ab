"""The options that every command takes, and the arguments that several share."""

import logging
from enum import Enum
from pathlib import Path
from typing import Annotated, Final, Literal

import attrs
from cyclopts import Group, Parameter

Format = Literal["json", "table"]
FailOn = Literal["degraded"]
LogFormat = Literal["json", "console"]


class LogLevel(Enum):
    """A level, with its number as ``logging`` has it."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


LOG: Final = Group("Log", sort_key=1)


@Parameter(name="*")
@attrs.frozen
class Options:
    """What a command prints, and what it logs where.

    Attributes:
        format: how results are printed; None for the output alone.
        log_format: how stderr shows events; None lets the terminal decide.
        log_file: where all events go too, or None.
        log_level: the lowest level that stderr shows, or None where that is not said.
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

    @property
    def shown_level(self) -> LogLevel:
        """The lowest level that stderr shows."""
        return LogLevel.INFO if self.log_level is None else self.log_level


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
            "only those that failed.",
        ),
    ] = None
