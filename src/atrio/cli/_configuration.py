"""The configuration file that a command works with: found, read, and named where it is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from atrio.cli._options import AssembleOptions, BatchOptions, BenchOptions, LogLevel, Options
from atrio.cli._secrets import keep_secret
from atrio.cli._streams import Refused, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atrio.config import CliSettings, Configuration

AnyOptions = TypeVar("AnyOptions", Options, BatchOptions, BenchOptions, AssembleOptions)

FILE: Final = Path("atrio.toml")
"""What ``atrio init`` writes."""


def configuration_at(path: Path | None) -> Configuration:
    """Return what the configuration file says, whose secrets stderr does not show from then on.

    Args:
        path: the file; None for that of the current directory, or for the defaults if it has none.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    # Here, and in all commands: --help does not wait for what reads it.
    from atrio.config import Configuration, load  # noqa: PLC0415

    found = _found(path)
    return _known(Configuration() if found is None else load(found))


def configuration_to_check(path: Path | None) -> Configuration:
    """Return the same, as far as it is right.

    Raises:
        ConfigError: it cannot be read, or is no configuration at all.
    """
    from atrio.config import Configuration, survey  # noqa: PLC0415 - as above

    found = _found(path)
    return _known(Configuration() if found is None else survey(found))


def _found(path: Path | None) -> Path | None:
    from atrio.config import find  # noqa: PLC0415 - as above
    from atrio.config.reading import NAMES  # noqa: PLC0415 - as above

    if path is not None:
        if path == Path():
            raise Refused("--config names no file, it is empty: give a path, or leave it out.")
        return path
    found = find(Path())
    other = Path(NAMES[1])
    if found is not None and found != other and os.path.lexists(other):
        say(f"{found} is read, and {other} beside it is not: remove the one that is not meant, or name it by --config.")
    return found


def _known(configuration: Configuration) -> Configuration:
    keep_secrets_of(configuration)
    if configuration.path is not None:
        # For what agents import while they work; while they are made, the directory comes first.
        sys.path.append(str(configuration.path.parent.absolute()))
    return configuration


def keep_secrets_of(configuration: Configuration) -> None:
    """Keep the secrets that a configuration names out of all that is said from now on."""
    keep_secret(_named_secrets(configuration))


def with_settings(options: AnyOptions, settings: CliSettings) -> AnyOptions:
    """Return `options` with what the file's ``[cli]`` says where the command line says nothing."""
    return attrs.evolve(with_level(options, settings), format=options.format or settings.output_format)


def with_level(options: AnyOptions, settings: CliSettings) -> AnyOptions:
    """Return the same without the format, for what prints an output alone, which no format brings back."""
    level = options.usual_level if settings.log_level is None else LogLevel[settings.log_level]
    return attrs.evolve(options, usual_level=level)


def file_of(configuration: Configuration) -> Path:
    """Return the file that a configuration was read from.

    Raises:
        Refused: there is none.
    """
    if configuration.path is None:
        raise Refused(
            "there is no atrio.toml or atrio.json in this directory: atrio init makes one, and --config names another."
        )
    return configuration.path


def _named_secrets(configuration: Configuration) -> Iterator[str]:
    """Yield the environment variables that hold secrets, as the file says."""
    for provider in configuration.providers.values():
        yield from filter(None, [provider.api_key_env])
    for agent in configuration.agents.values():
        yield from agent.needs or ()
        own = agent.configuration.get("api_key_env")
        if isinstance(own, str):
            yield own
        headers = (agent.configuration or {}).get("headers_env")
        if isinstance(headers, dict):
            yield from (words.split()[-1] for words in headers.values() if isinstance(words, str) and words.strip())
