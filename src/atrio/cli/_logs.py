"""Events as lines: on stderr, for people or as JSON, and in a file, as JSON from debug up."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from atrio import observe_only
from atrio.cli._log_lines import FileLines, StderrLines
from atrio.cli._options import LogLevel, Options
from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, MutableMapping

    from atrio import Event, Sink
    from atrio.sinks import StructlogSink

    Fields: TypeAlias = MutableMapping[str, Any]
    Renderer: TypeAlias = Callable[[Any, str, Fields], bytes]

_NOT_FOR_PEOPLE: Final = frozenset({"schema", "logger", "seq", "run_id", "stage_index", "error_stack"})
_SAID_BY_THE_STAGE: Final = frozenset({"error_type", "error_message"})


@contextlib.contextmanager
def logging_as(options: Options, shown: Callable[[Event], bool] | None = None) -> Generator[None]:
    """Write the events of what runs in the block to stderr and to the log file, as `options` have it.

    Args:
        options: what is logged where.
        shown: says of an event whether stderr shows it, if its level suffices; by default it does.

    Raises:
        Refused: the log file cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        on_stderr = _sink(StderrLines(), options.shown_level, _on_stderr(options))
        sinks: list[Sink] = [on_stderr if shown is None else _Chosen(on_stderr, shown)]
        if options.log_file is not None:
            lines = FileLines(options.log_file)
            stack.callback(lines.close)
            sinks.append(_sink(lines, LogLevel.DEBUG, as_json_line))
        stack.enter_context(observe_only(*sinks))
        yield


class _Chosen:
    """A sink that passes on what is to be shown.

    It chooses before lines are counted: a gap in their numbers stays a sign of a loss.
    """

    def __init__(self, sink: StructlogSink, shown: Callable[[Event], bool]) -> None:
        self._shown = shown
        self._sink = sink
        self.minimum_level = sink.minimum_level

    def __call__(self, event: Event, /) -> None:
        if self._shown(event):
            self._sink(event)


def _sink(lines: StderrLines | FileLines, level: LogLevel, render: Renderer) -> StructlogSink:
    import structlog  # noqa: PLC0415 - importing it costs half of what importing Trio does, and --help needs none

    from atrio.sinks import StructlogSink  # noqa: PLC0415 - as above

    wrapper = structlog.make_filtering_bound_logger(level.value)
    return StructlogSink(structlog.wrap_logger(lines, processors=[_enveloped, render], wrapper_class=wrapper))


def _enveloped(_logger: object, method: str, event: Fields) -> Fields:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    first = {"schema": event.pop("schema"), "event": event.pop("event"), "level": method, "timestamp": f"{now}Z"}
    return {**first, "logger": "atrio", **event}


def as_json_line(_logger: object, _method: str, event: Fields) -> bytes:
    """Return `event` as a line of JSON; the sink sees to it that it is short and that its texts can be encoded."""
    return f"{json.dumps(event, ensure_ascii=False)}\n".encode()


def _on_stderr(options: Options) -> Renderer:
    """Return what renders the lines on stderr: what was asked for, else what suits who reads them."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    colors = terminal and not os.environ.get("NO_COLOR")
    if options.log_format == "json" or (options.log_format is None and not colors):
        return as_json_line
    return _for_people(colors=colors and os.environ.get("TERM") != "dumb", stacks=options.shown_level is LogLevel.DEBUG)


def _for_people(*, colors: bool, stacks: bool) -> Renderer:
    from structlog.dev import ConsoleRenderer  # noqa: PLC0415 - as above

    render = ConsoleRenderer(colors=colors, sort_keys=False)
    encoding = getattr(sys.stderr, "encoding", "utf-8")

    def as_shown(logger: Any, method: str, event: Fields) -> bytes:
        line = render(logger, method, _shown(event, stacks=stacks))
        return f"{line}\n".encode(encoding, "backslashreplace")

    return as_shown


def _shown(event: Fields, *, stacks: bool) -> Fields:
    """Return what of `event` a person wants to see; nothing in it can command a terminal."""
    ends_run = event["event"] == "pipeline.end"
    hidden = _NOT_FOR_PEOPLE | _SAID_BY_THE_STAGE if ends_run else _NOT_FOR_PEOPLE
    shown = {name: value for name, value in event.items() if value is not None and name not in hidden}
    shown = {name: printable(value) if isinstance(value, str) else value for name, value in shown.items()}
    shown["timestamp"] = datetime.fromisoformat(event["timestamp"]).astimezone().strftime("%H:%M:%S")
    if stacks and event.get("error_stack") and not ends_run:
        shown["stack"] = "\n".join(map(printable, event["error_stack"].splitlines()))
    return shown
