"""``atrio status``: the latest runs, or one with all that is kept of it, once or for as long as it runs."""

import contextlib
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Annotated, Final

import trio
from cyclopts import Parameter

from atrio.cli._exits import Exit
from atrio.cli._history import a_history, configuration_to_look_by, history_path
from atrio.cli._options import StatusOptions, whole_number
from atrio.cli._past_runs import Latest, as_safe_json, looking_at, state_called, why_nothing
from atrio.cli._streams import Refused, say, write_out

if TYPE_CHECKING:
    from atrio.cli._past_runs import Seen

_DEFAULTS: Final = StatusOptions()
_PERIOD_S: Final = 0.5
"""Seconds between two looks at what is watched."""


async def status(
    run: Annotated[
        str | None, Parameter(help="The id of a run, or its first digits. Without it the latest runs are shown.")
    ] = None,
    /,
    *,
    limit: Annotated[
        str | None,
        Parameter(help="How many runs are shown at most (default: 10), or failed tasks of one (default: 100)."),
    ] = None,
    name: Annotated[str | None, Parameter(help="Show only runs of this pipeline, or batches of this name.")] = None,
    state: Annotated[
        str | None,
        Parameter(
            help="Show only runs in this state: running, success, degraded, failed, timeout, cancelled or interrupted."
        ),
    ] = None,
    watch: Annotated[
        bool,
        Parameter(negative="", help="Show it again as it changes, until nothing of what is shown runs any more."),
    ] = False,
    options: StatusOptions = _DEFAULTS,
) -> Exit:
    """Show the latest runs or one of them, and return the exit code."""
    count = None if limit is None else whole_number(limit, "--limit")
    wanted = None if state is None else state_called(state)
    if run is not None and (name is not None or state is not None):
        raise Refused("--name and --state choose among the latest runs: leave them out, or the RUN.")
    configuration = configuration_to_look_by(options.config, options.history)
    is_json = (options.format or configuration.cli.output_format) == "json"
    path = history_path(options.history, configuration)
    with a_history(options.history, configuration) as history:
        if history is None:
            nothing = why_nothing(path, configuration.monitoring)
            if run is not None:
                raise Refused(f"there is no run {run!r}: {nothing}")
            if name is not None:
                raise Refused(f"there is no run called {name!r}: {nothing}")
            write_out(as_safe_json(Latest()) if is_json else ())
            say(nothing)
            return Exit.SUCCESS
        look = looking_at(history, run, count, name=name, state=wanted)
        if watch:
            seen = await _watch(look, is_json=is_json)
        else:
            seen = look()
            write_out(as_safe_json(seen) if is_json else seen.tables())
    if isinstance(seen, Latest) and seen.nothing is not None and not is_json:
        say(seen.nothing)
    return Exit.SUCCESS


async def _watch(look: "Callable[[], Seen]", *, is_json: bool) -> "Seen":
    shown = None
    with _screen(is_json=is_json) as show:
        while True:
            seen = look()
            show(seen, seen != shown)
            shown = seen
            if not seen.is_running:
                return seen
            await trio.sleep(_PERIOD_S)


@contextlib.contextmanager
def _screen(*, is_json: bool) -> "Generator[Callable[[Seen, bool], None]]":
    """Yield what shows what is seen, and is told whether it has changed; on a terminal, in the place of the last."""
    if is_json or sys.stdout is None or not sys.stdout.isatty():
        yield lambda seen, changed: write_out(as_safe_json(seen) if is_json else seen.tables()) if changed else None
        return
    from rich.live import Live  # noqa: PLC0415 - only who watches needs it
    from rich.text import Text  # noqa: PLC0415 - as above

    with Live(auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        # What runs takes longer by the second, whether anything changed or not.
        yield lambda seen, _: live.update(Text.from_ansi("".join(seen.tables()), no_wrap=True), refresh=True)
