"""Events for people, as lines on stderr."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from atrio.cli._options import LogLevel, Options
from atrio.cli._streams import above_the_bar, discard, printable

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

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


def for_people(options: Options) -> StructlogSink:
    """Return a sink that writes lines for people to stderr."""
    import structlog  # noqa: PLC0415 - importing it costs half of what importing Trio does, and --help needs none

    from atrio.sinks import StructlogSink  # noqa: PLC0415 - as above

    wrapper = structlog.make_filtering_bound_logger(options.shown_level.value)
    colors = _has_colors() and os.environ.get("TERM") != "dumb"
    render = _renderer(colors=colors, stacks=options.shown_level is LogLevel.DEBUG)
    return StructlogSink(structlog.wrap_logger(_StderrLines(), processors=[render], wrapper_class=wrapper))


class _StderrLines:
    """Lines on stderr, for structlog to write to: each in one write, and none ever failing a run."""

    def msg(self, line: bytes) -> None:
        """Write `line`; once nobody reads stderr any more, nothing."""
        try:
            with above_the_bar():
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
        except OSError:
            # There is nowhere left to say so, and the run does not depend on being watched.
            discard(sys.stderr)

    debug = info = warning = error = msg


def _renderer(*, colors: bool, stacks: bool) -> Renderer:
    from structlog.dev import ConsoleRenderer  # noqa: PLC0415 - as above

    render = ConsoleRenderer(colors=colors, sort_keys=False)
    encoding = getattr(sys.stderr, "encoding", "utf-8")

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
