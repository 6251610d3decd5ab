"""The configuration that a new directory begins with."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Final, NoReturn

from atrio._text import message_of
from atrio.config.files import create, rewrite
from atrio.config.json_schema import configuration_schema
from atrio.config.parsing import name_of
from atrio.config.reading import NAMES, format_of
from atrio.errors import ConfigError, ConfigProblem

__all__ = ["SCHEMA_FILE", "create_configuration", "template"]

SCHEMA_FILE: Final = Path(".atrio", "atrio.schema.json")
"""Where editors find the JSON Schema of a configuration, from its directory: its first line says so."""

_IS_THERE: Final = "is there already, and is left as it is"


def template() -> str:
    """Return a commented configuration, TOML, that runs as it is."""
    return files("atrio.config").joinpath("template.toml").read_text("utf-8")


def create_configuration(path: Path) -> tuple[Path, Path]:
    """Write a configuration to begin with, and the schema that lets editors complete it.

    Args:
        path: the file, which must not exist. The schema goes to `SCHEMA_FILE` beside it, in place of an older one.

    Returns:
        The two files, the configuration first.

    Raises:
        ConfigError: there is something of that name, or an ``atrio.json`` that it would take the place of, its name is
            one of a JSON file, or one of the two cannot be written. There is no configuration then that was not there
            before.
    """
    if format_of(path) == "json":
        _refuse(path, "would be JSON, and what a configuration begins with is TOML: name a .toml file")
    schema = path.parent / SCHEMA_FILE
    try:
        if os.path.lexists(path):
            _refuse(path, _IS_THERE)
        if path.name == NAMES[0] and os.path.lexists(other := path.with_name(NAMES[1])):
            _refuse(
                path, f"would take the place of {other}, which is not read any more beside it: remove that one first"
            )
        # The configuration last: whoever finds it has all of it.
        _write(schema, (json.dumps(configuration_schema(), indent=2) + "\n").encode())
    except OSError as error:
        _refuse(schema, f"cannot be written: {error.strerror or message_of(error)}")
    try:
        create(path, template().encode())
    except FileExistsError:
        _refuse(path, _IS_THERE)
    except OSError as error:
        _refuse(path, f"cannot be written: {error.strerror or message_of(error)}")
    return path, schema


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    try:
        create(path, content)
    except FileExistsError:
        rewrite(path, lambda _: content)


def _refuse(path: Path, why: str) -> NoReturn:
    raise ConfigError([ConfigProblem(name_of(path), None, "", why)]) from None
