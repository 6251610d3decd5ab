"""Events for people, as lines on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from atrio.cli._options import LogLevel, Options
from atrio.cli._streams import PATIENCE_S, above_the_bar, printable
from atrio.events import LogDropped
from atrio.sinks import LineFile, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, MutableMapping

    from atrio.sinks import StructlogSink

    Fields: TypeAlias = MutableMapping[str, Any]
    Renderer: TypeAlias = Callable[[Any, str, Fields], bytes]

_NOT_FOR_PEOPLE: Final = frozenset({"schema", "logger", "seq", "run_id", "stage_index", "error_stack"})
_SAID_BY_THE_STAGE: Final = frozenset({"error_type", "error_message"})


def is_for_people(options: Options) -> bool:
    """Say whether stderr shows events for people: what was asked for, else what suits who reads it."""
    if options.log_format is None:
        return _has_colors()
    return options.log_format == "console"


def _has_colors() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


@contextlib.contextmanager
def for_people(descriptor: int, options: Options) -> Generator[StructlogSink]:
    """Yield a sink that writes lines for people to stderr, which is `descriptor`."""
    import structlog  # noqa: PLC0415 - importing it costs half of what importing Trio does, and --help needs none

    from atrio.sinks import StructlogSink  # noqa: PLC0415 - as above

    wrapper = structlog.make_filtering_bound_logger(options.shown_level.value)
    colors = _has_colors() and os.environ.get("TERM") != "dumb"
    render = _renderer(colors=colors, stacks=options.shown_level is LogLevel.DEBUG)
    with contextlib.closing(_StderrLines(descriptor, render)) as lines:
        yield StructlogSink(structlog.wrap_logger(lines, processors=[render], wrapper_class=wrapper))


class _StderrLines:
    """Lines on stderr, for structlog to write to: each in one write, and none waiting for long or failing a run."""

    def __init__(self, descriptor: int, render: Renderer) -> None:
        self._file = LineFile(descriptor, PATIENCE_S)
        self._render = render
        self._untold = 0
        self._reason = ""

    def msg(self, line: bytes) -> None:
        """Write `line`, after what says how many were lost before; count it if it is lost itself."""
        try:
            with above_the_bar():
                self._tell_of_drops()
                self._file.write(line)
        except WriteError as error:
            self._untold += 1
            self._reason = str(error)

    def close(self) -> None:
        """Say what was lost, if anything was, and close what was opened here."""
        with contextlib.suppress(WriteError), above_the_bar():
            self._tell_of_drops()
        self._file.close()

    def _tell_of_drops(self) -> None:
        if self._untold:
            told: Fields = {"event": LogDropped.event_name, "count": self._untold, "reason": self._reason}
            self._file.write(self._render(self, "warning", told))
            self._untold = 0

    debug = info = warning = error = msg


def _renderer(*, colors: bool, stacks: bool) -> Renderer:
    from structlog.dev import ConsoleRenderer  # noqa: PLC0415 - as above

    render = ConsoleRenderer(colors=colors, sort_keys=False)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"

    def as_shown(logger: Any, method: str, event: Fields) -> bytes:
        line = render(logger, method, _shown(event, method, stacks=stacks))
        return f"{line}\n".encode(encoding, "backslashreplace")

    return as_shown


def _shown(event: Fields, level: str, *, stacks: bool) -> Fields:
    """Return what of `event` a person wants to see; nothing in it can command a terminal."""
    ends_run = event["event"] == "pipeline.end"
    hidden = _NOT_FOR_PEOPLE | _SAID_BY_THE_STAGE if ends_run else _NOT_FOR_PEOPLE
    shown = {name: value for name, value in event.items() if value is not None and name not in hidden}
    shown = {name: printable(value) if isinstance(value, str) else value for name, value in shown.items()}
    shown |= {"timestamp": datetime.now().astimezone().strftime("%H:%M:%S"), "level": level}
    if stacks and event.get("error_stack") and not ends_run:
        shown["stack"] = "\n".join(map(printable, event["error_stack"].splitlines()))
    return shown
