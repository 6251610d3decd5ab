"""Reading a configuration: a file to checked data, or to all that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import attrs

from atrio.config.completeness import incomplete
from atrio.config.naming import Finding
from atrio.config.parsing import content_of, name_of, tree_of
from atrio.config.positions import dotted, line_of, lines_of
from atrio.config.references import reference_problems
from atrio.config.settings import Configuration, Format, KeyPath
from atrio.config.structuring import structured, unfit_values
from atrio.errors import ConfigError, ConfigProblem

__all__ = ["NAMES", "checked", "find", "format_of", "load", "parse", "problems_at", "read", "survey"]

NAMES: Final = ("atrio.toml", "atrio.json")
"""The names that are looked for, the first first."""

_UNNAMED: Final = ("cli", "monitoring")
"""Tables of which there is one alone."""


def format_of(path: Path) -> Format:
    """Return what a file is by its name: ``.json`` is JSON, everything else TOML."""
    return "json" if path.suffix.lower() == ".json" else "toml"


def find(directory: Path) -> Path | None:
    """Return the configuration in a directory, ``atrio.toml`` or else ``atrio.json``; None if there is none.

    Directories above are not looked at: such a file is trusted as a Makefile is.
    """
    # One that cannot be read, as a link to nowhere, is not passed over: whoever reads it says why.
    return next((directory / name for name in NAMES if os.path.lexists(directory / name)), None)


def load(path: Path) -> Configuration:
    """Read a file, and check all that can be checked without an import or a look at the machine.

    Args:
        path: the file, TOML, or JSON if its name ends with ``.json``.

    Returns:
        What it says, with the warnings.

    Raises:
        ConfigError: it cannot be read or parsed, or something in it is wrong: all of it at once.
    """
    return read(content_of(path), path=path)


def read(content: bytes, *, path: Path) -> Configuration:
    """Read the content of a file as :func:`load` does.

    Args:
        content: what the file holds, or will.
        path: the file, which is not looked at.

    Raises:
        ConfigError: as there.
    """
    return checked(_read(content, path, format_of(path)))


def survey(path: Path) -> Configuration:
    """Read a file for whoever goes on checking it: what is wrong with its tables is kept, and the rest is there.

    What they name of each other is not looked at.

    Args:
        path: the file, TOML, or JSON if its name ends with ``.json``.

    Returns:
        What it says, as far as it is right, with what is wrong among its `warnings`.

    Raises:
        ConfigError: it cannot be read or parsed.
    """
    return _read(content_of(path), path, format_of(path))


def parse(source: str | bytes, *, path: Path, format: Format | None = None) -> Configuration:  # noqa: A002 - the word
    """Read a text, and check each table by itself; what they name of each other is left to :func:`checked`.

    Args:
        source: the text.
        path: what problems name as its file.
        format: ``"toml"`` or ``"json"``; by default what the name of the file says.

    Raises:
        ConfigError: it cannot be parsed, or something in it is wrong: all of it at once.
    """
    return _whole(_read(source, path, format_of(path) if format is None else format))


def checked(configuration: Configuration) -> Configuration:
    """Return a configuration with its warnings, after all that its tables name of each other was checked.

    Raises:
        ConfigError: something in it is wrong: all of it at once.
    """
    told = dict.fromkeys([*configuration.warnings, *problems_at(configuration, reference_problems(configuration))])
    # What was told when it was read comes first where a line has several.
    in_order = sorted(told, key=lambda problem: problem.line or 0)
    return _whole(attrs.evolve(configuration, warnings=tuple(in_order)))


def problems_at(configuration: Configuration, found: Iterable[Finding]) -> list[ConfigProblem]:
    """Return what was found in a configuration with file and line, in the order of the file.

    Args:
        configuration: what was read.
        found: where something is wrong, what, and how bad it is.
    """
    waiting: list[Finding] = [
        (_in_text(path, configuration.places), message, severity) for path, message, severity in dict.fromkeys(found)
    ]
    file = "the configuration" if configuration.path is None else name_of(configuration.path)
    lines = lines_of(configuration.source, configuration.format) if waiting and configuration.source else {}
    order = {path: number for number, path in enumerate(lines, 1)}
    waiting.sort(key=lambda finding: line_of(order, finding[0]) or 0)
    return [
        ConfigProblem(file, line_of(lines, path), dotted(path), message, severity)
        for path, message, severity in waiting
    ]


def _whole(configuration: Configuration) -> Configuration:
    """Return a configuration in which nothing is wrong.

    Raises:
        ConfigError: something is.
    """
    if any(problem.severity == "error" for problem in configuration.warnings):
        raise ConfigError(configuration.warnings)
    return configuration


def _read(source: str | bytes, path: Path, form: Format) -> Configuration:
    text, tree = tree_of(source, path, form)
    configuration, wrong = structured(tree)
    found = unfit_values(tree) | {each: _with_its_name(each, message) for each, message in wrong.items()}
    places: dict[KeyPath, list[int]] = {}
    _take_out(tree, found, places)
    while configuration is None:
        configuration, wrong = structured(tree)
        _take_out(tree, wrong, places)
    found |= incomplete(configuration, found)
    configuration = attrs.evolve(configuration, path=path, source=text, format=form)
    told = problems_at(configuration, ((each, message, "error") for each, message in found.items()))
    unread = frozenset((str(each[0]), str(each[1])) for each in found if len(each) > 1 and each[0] not in _UNNAMED)
    return attrs.evolve(configuration, warnings=tuple(told), unread=unread, places=places)


def _with_its_name(path: KeyPath, message: str) -> str:
    """Return what is said of a value; where a named table belongs, with where its keys are."""
    if len(path) != 2 or path[0] in _UNNAMED:
        return message
    return message.replace("must be a table,", f"must be a table of its own, as in [{path[0]}.NAME],")


def _take_out(tree: Mapping[str, Any], paths: Iterable[KeyPath], places: dict[KeyPath, list[int]]) -> None:
    """Take what is wrong out of a tree, so that the rest can be checked all the same."""
    # From the back, so that the places in an array that are still to be taken out stay what they are.
    for path in sorted(paths, reverse=True):
        inner: Any = tree
        for part in path[:-1]:
            inner = inner[part]
        if isinstance(inner, list):
            del places.setdefault(_in_text(path[:-1], places), list(range(len(inner))))[cast("int", path[-1])]
        del inner[cast("Any", path[-1])]


def _in_text(path: KeyPath, places: Mapping[KeyPath, Sequence[int]]) -> KeyPath:
    """Return where in the text something stands that has this path after all that was taken out."""
    found: KeyPath = ()
    for part in path:
        found = (*found, places[found][part] if isinstance(part, int) and found in places else part)
    return found
