"""The history of runs: where it is, that what runs is kept in it, and that it is there to be read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atrio import observe
from atrio.cli._secrets import without_secrets
from atrio.cli._streams import Refused, as_sentence, say

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from atrio import Sink
    from atrio.cli._options import Options
    from atrio.config import Configuration, MonitoringSettings
    from atrio.history import History

FILE: Final = Path(".atrio", "history.db")
"""Where the history is, from the directory of the configuration."""


def history_path(named: Path | None, configuration: Configuration) -> Path:
    """Return where the history is.

    Args:
        named: what the command line says, or None.
        configuration: what is configured, beside whose file it is; in the current directory if that has none.
    """
    if named is not None:
        return named
    return FILE if configuration.path is None else configuration.path.parent / FILE


def keeping_history(options: Options, configuration: Configuration) -> AbstractContextManager[None]:
    """Return what keeps a history of what runs in its block, and raises alerts, as far as the configuration wants it.

    What is wrong with the history itself is told on stderr, and what runs never notices.

    Args:
        options: where the history is; whoever names it wants one, whatever the configuration says.
        configuration: whether there is one, and how long runs stay in it.

    Raises:
        Refused: what is named is a directory.
    """
    path = history_path(options.history, configuration)
    if options.history is None and not configuration.monitoring.enabled:
        return contextlib.nullcontext()
    if path.is_dir():
        raise Refused(
            f"the history {str(path)!r} is a directory: name a file in it, such as {str(path / FILE.name)!r}."
        )
    return _kept_in(path, configuration.monitoring)


@contextlib.contextmanager
def _kept_in(path: Path, monitoring: MonitoringSettings) -> Generator[None]:
    from atrio.history import AlertSink, HistorySink, Thresholds  # noqa: PLC0415 - --help does not wait for it

    with contextlib.ExitStack() as stack:
        history = HistorySink(path, retention_days=monitoring.metrics_retention_days, on_problem=_say_problem)
        sinks: list[Sink] = [stack.enter_context(history)]
        if monitoring.performance_alerts:
            thresholds = Thresholds(monitoring.p95_factor, monitoring.failure_rate, monitoring.alert_runs)
            sinks.append(stack.enter_context(AlertSink(history, thresholds)))
        stack.enter_context(observe(*map(without_secrets, sinks)))
        yield


def _say_problem(sentence: str) -> None:
    say(as_sentence(sentence))


@contextlib.contextmanager
def a_history(named: Path | None, configuration: Configuration) -> Generator[History | None]:
    """Yield the history to read from; None if nothing was kept so far.

    Args:
        named: what the command line says, or None.
        configuration: what is configured.

    Raises:
        Refused: what is named is not there, or what is there is no history, or cannot be read; in the block, also if
            there is no such run.
    """
    from atrio.history import History, HistoryError  # noqa: PLC0415 - as above

    path = history_path(named, configuration)
    if not path.exists():
        if named is not None:
            raise Refused(f"there is no history {str(path)!r}: atrio run and atrio batch make one.")
        yield None
        return
    try:
        with History(path) as history:
            yield history
    except HistoryError as error:
        raise Refused(as_sentence(str(error))) from error
