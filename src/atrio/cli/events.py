"""``atrio events``: the schema of a log's lines, whether logs are complete, and what they come to."""

import sys
from typing import Annotated, Any, Final

import attrs
from cyclopts import Parameter

from atrio.cli._configuration import configuration_at
from atrio.cli._events_report import check_complaint, check_tables, summary_complaint, summary_tables
from atrio.cli._exits import Exit
from atrio.cli._inputs import STDIN
from atrio.cli._options import LogsOptions, whole_number
from atrio.cli._render import as_json
from atrio.cli._streams import Refused, say, write_out
from atrio.events import json_schema
from atrio.logs import Source, UnreadableLogError, summarise
from atrio.logs import check as check_logs

_Files = Annotated[
    str,
    Parameter(
        name="FILE",
        help="Logs, read in this order; one that is compressed with gzip is unpacked. With -, standard input is read.",
        # For the - alone, as in the other commands.
        allow_leading_hyphen=True,
    ),
]
_Rotated = Annotated[
    bool,
    Parameter(
        negative="",
        help="Before each FILE read the rotated ones beside it, oldest first: FILE-20260131, FILE.2.gz, FILE.1 and the "
        "like. Without it, FILE alone is read.",
    ),
]
_SHOWN: Final = "20"
_DEFAULTS: Final = LogsOptions()


def schema() -> Exit:
    """Print the JSON Schema, and return the exit code."""
    write_out(as_json(json_schema()))
    return Exit.SUCCESS


def check(
    *files: _Files,
    rotated: _Rotated = False,
    show: Annotated[
        str, Parameter(help="How many problems are listed, and how much of what is in flight; all is counted.")
    ] = _SHOWN,
    options: LogsOptions = _DEFAULTS,
) -> Exit:
    """Check logs, and return the exit code."""
    shown = whole_number(show, "--show")
    is_json = _is_json(options)
    try:
        report = check_logs(*_sources(files, rotated=rotated), rotated=rotated, shown=shown)
    except UnreadableLogError as error:
        raise _refusal(error, files) from error
    write_out(as_json({"ok": report.ok, **_plain(report)}) if is_json else check_tables(report))
    return _ended(check_complaint(report), failed=not report.ok)


def summary(
    *files: _Files,
    rotated: _Rotated = False,
    options: LogsOptions = _DEFAULTS,
) -> Exit:
    """Sum up logs, and return the exit code."""
    is_json = _is_json(options)
    try:
        found = summarise(*_sources(files, rotated=rotated), rotated=rotated)
    except UnreadableLogError as error:
        raise _refusal(error, files) from error
    write_out(as_json(_plain(found)) if is_json else summary_tables(found))
    return _ended(summary_complaint(found), failed=bool(found.lines and not found.events))


def _is_json(options: LogsOptions) -> bool:
    return (options.format or configuration_at(options.config).cli.output_format) == "json"


def _sources(files: tuple[str, ...], *, rotated: bool) -> list[Source]:
    if not files:
        raise Refused("there is no log: name files, or give - to read standard input.")
    if files.count(STDIN) > 1:
        raise Refused("standard input can be read once: give - once.")
    if STDIN in files and rotated:
        raise Refused("standard input has no rotated files beside it: leave out --rotated, or name the file.")
    if STDIN in files and sys.stdin is None:
        raise Refused("standard input is closed: name files.")
    return [sys.stdin.buffer if file == STDIN else file for file in files]


def _refusal(error: UnreadableLogError, files: tuple[str, ...]) -> Refused:
    hint = " Options are listed by --help." if any(file.startswith("-") and file != STDIN for file in files) else ""
    return Refused(f"{error}.{hint}")


def _plain(found: Any) -> dict[str, Any]:
    return attrs.asdict(found)


def _ended(complaint: str | None, *, failed: bool) -> Exit:
    if complaint:
        say(complaint)
    return Exit.FAILED if failed else Exit.SUCCESS
