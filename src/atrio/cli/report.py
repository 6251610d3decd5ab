"""``atrio report``: a run as a page of HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from atrio.cli._exits import Exit
from atrio.cli._history import a_history, configuration_to_look_by, history_path
from atrio.cli._inputs import STDIN as STDOUT
from atrio.cli._options import ReportOptions
from atrio.cli._streams import Refused, Unwritable, printable, write_out

if TYPE_CHECKING:
    from atrio.history import History

_DEFAULTS: Final = ReportOptions()
_LOOKED_AT: Final = 4096
"""Bytes at a file's begin in which a page says what made it."""


def report(
    run: Annotated[
        str | None,
        Parameter(
            help="The id of a run, or its first digits, as atrio status shows them. Without it, it is the latest run."
        ),
    ] = None,
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"),
            help="The file that gets the page; report-RUN.html in the current directory, unless it is given. An "
            "earlier page is replaced, and nothing else is. With -, it goes to stdout.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    options: ReportOptions = _DEFAULTS,
) -> Exit:
    """Write the page, and return the exit code."""
    # Here, as --help does not wait for it.
    from atrio.cli._page import page_of  # noqa: PLC0415
    from atrio.cli._page_content import content_of  # noqa: PLC0415
    from atrio.cli._past_runs import why_nothing  # noqa: PLC0415

    configuration = configuration_to_look_by(options.config, options.history)
    path = history_path(options.history, configuration)
    with a_history(options.history, configuration) as history:
        prefix = None if history is None else _latest(history) if run is None else run
        if history is None or prefix is None:
            what = "no run" if run is None else f"no run {run!r}"
            raise Refused(f"there is {what}: {why_nothing(path, configuration.monitoring)}")
        content = content_of(history, prefix, datetime.now(UTC))
    page = page_of(content)
    if output == Path(STDOUT):
        write_out([page])
        return Exit.SUCCESS
    file = Path(f"report-{content.detail.run.run_id}.html") if output is None else output
    _write(file, page.encode())
    write_out([f"{printable(str(file))}\n"])
    return Exit.SUCCESS


def _latest(history: History) -> str | None:
    return next((run.run_id for run in history.runs(1)), None)


def _write(file: Path, page: bytes) -> None:
    """Have a file hold a page, whole or not at all.

    Raises:
        Refused: it is a directory, there is no directory for it, or it holds something else.
        Unwritable: the system refuses.
    """
    from atrio.config.files import create, rewrite  # noqa: PLC0415 - as above

    if file.is_dir():
        raise Refused(f"{str(file)!r} is a directory: name a file in it, such as {str(file / 'report.html')!r}.")
    if not file.parent.is_dir():
        raise Refused(f"there is no directory {str(file.parent)!r} for the page: make it first, or name another.")
    try:
        if file.exists():
            rewrite(file, lambda former: _instead_of(former, page, file))
        else:
            create(file, page)
    except OSError as error:
        raise Unwritable(f"the page cannot be written to {str(file)!r}: {error.strerror or error}.") from error


def _instead_of(former: bytes, page: bytes, file: Path) -> bytes:
    from atrio.cli._page import GENERATOR  # noqa: PLC0415 - as above

    if former and f'content="{GENERATOR}"'.encode() not in former[:_LOOKED_AT]:
        raise Refused(
            f"{str(file)!r} holds something that is no page of atrio report: name another, or remove it first."
        )
    return page
