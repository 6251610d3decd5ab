"""The history of runs: where it is, that what runs is kept in it, and that it is there to be read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atrio import observe
from atrio.cli._configuration import configuration_to_check
from atrio.cli._secrets import without_secrets
from atrio.cli._streams import Refused, as_sentence, say
from atrio.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from atrio import Sink
    from atrio.cli._options import Options
    from atrio.config import Configuration, MonitoringSettings
    from atrio.history import History, HistorySink

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


def configuration_to_look_by(config: Path | None, history: Path | None) -> Configuration:
    """Return the configuration that a look at past runs goes by, which no mistake in the file prevents.

    What is wrong in it has its default; that it is so is told on stderr, unless a history is named.

    Args:
        config: the file that the command line names, or None.
        history: the history that it names, or None.

    Raises:
        ConfigError: there is no such file, and no history is named.
    """
    from atrio.config import Configuration, find  # noqa: PLC0415 - --help does not wait for it
    from atrio.config.reading import checked  # noqa: PLC0415 - as above

    configuration: Configuration | None = None
    try:
        configuration = configuration_to_check(config)
        checked(configuration)
    except ConfigError as error:
        file = config or find(Path())
        if history is None:
            if file is None or not file.exists():
                raise
            say(
                f"something is wrong in {error.problems[0].file}, and what is wrong has its default here: atrio check "
                "tells what it is."
            )
        return Configuration(path=file) if configuration is None else configuration
    return configuration


def keeping_history(options: Options, configuration: Configuration) -> AbstractContextManager[HistorySink | None]:
    """Return what keeps a history of what runs in its block, and raises alerts, as far as the configuration wants it.

    It yields the sink that does, or None. What is wrong with the history itself is told on stderr, and what runs never
    notices.

    Args:
        options: where the history is; whoever names it wants one, whatever the configuration says.
        configuration: whether there is one, and how long runs stay in it.

    Raises:
        Refused: what is named is a directory.
    """
    path = history_path(options.history, configuration)
    if options.history is None and not configuration.monitoring.enabled:
        return contextlib.nullcontext()
    # Of one that nobody named the sink says what is wrong, and the run goes on.
    if options.history is not None and os.path.isdir(path):  # noqa: PTH112 - it never raises
        raise Refused(
            f"the history {str(path)!r} is a directory: name a file in it, such as {str(path / FILE.name)!r}."
        )
    return _kept_in(path, configuration.monitoring)


@contextlib.contextmanager
def _kept_in(path: Path, monitoring: MonitoringSettings) -> Generator[HistorySink]:
    from atrio.history import AlertSink, HistorySink, Thresholds  # noqa: PLC0415 - --help does not wait for it

    with contextlib.ExitStack() as stack:
        history = HistorySink(path, retention_days=monitoring.metrics_retention_days, on_problem=_say_problem)
        sinks: list[Sink] = [stack.enter_context(history)]
        if monitoring.performance_alerts:
            thresholds = Thresholds(monitoring.p95_factor, monitoring.failure_rate, monitoring.alert_runs)
            sinks.append(stack.enter_context(AlertSink(history, thresholds)))
        stack.enter_context(observe(*map(without_secrets, sinks)))
        yield history


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
    if _is_missing(path):
        if named is not None:
            raise Refused(f"there is no history {str(path)!r}: atrio run and atrio batch make one.")
        yield None
        return
    try:
        with History(path) as history:
            yield history
    except HistoryError as error:
        raise Refused(as_sentence(str(error))) from error


def _is_missing(path: Path) -> bool:
    """Say whether there is surely no file; whether one that cannot be looked at is a history, opening it tells."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
