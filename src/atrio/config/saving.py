"""Changes of a configuration file: one table more or fewer, comments and layout kept, and whole or not at all."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn

import attrs

from atrio._text import message_of
from atrio.config import objects, tables
from atrio.config.files import rewrite
from atrio.config.naming import nearest_of
from atrio.config.parsing import content_of, name_of
from atrio.config.positions import dotted
from atrio.config.reading import checked, format_of, parse, problems_at
from atrio.config.settings import AgentSettings, Configuration, PipelineSettings
from atrio.config.unstructuring import unstructured
from atrio.errors import ConfigError, ConfigProblem

__all__ = ["add_agent", "add_pipeline", "remove_agent", "remove_pipeline", "rendered"]

_AGENTS: Final = "agents"
_PIPELINES: Final = "pipelines"
_UNSAYABLE: Final = (RecursionError, TypeError, ValueError)
"""What is raised for values that a format has not."""
_NONE: Final[Mapping[str, AgentSettings]] = MappingProxyType({})


class _Table(NamedTuple):
    """A table that a file is to have."""

    section: str
    name: str
    content: dict[str, Any]


def add_agent(path: Path, name: str, settings: AgentSettings) -> None:
    """Add the table of an agent to a configuration file.

    All that is in the file stays as it is, comments and layout too. It is read anew and replaced under a lock, so that
    what another process adds at the same time is not lost, and only if the result is a valid configuration.

    Args:
        path: the file, ``.json`` or TOML.
        name: the agent's name.
        settings: what the table says; what stands at its default is left out.

    Raises:
        ConfigError: the file cannot be read or written, it or what it would become is not valid, or there is a table of
            that name. Nothing is changed then.
    """
    _add(path, [_Table(_AGENTS, name, _content(name, settings, name_of(path)))])


def remove_agent(path: Path, name: str) -> None:
    """Take the table of an agent out of a configuration file, in the same way as :func:`add_agent` adds one.

    Args:
        path: the file, ``.json`` or TOML.
        name: the agent's name.

    Raises:
        ConfigError: the file cannot be read or written, has no such table, or something in it uses the agent. Nothing
            is changed then.
    """
    _remove(path, _AGENTS, name)


def add_pipeline(
    path: Path, name: str, settings: PipelineSettings, *, agents: Mapping[str, AgentSettings] = _NONE
) -> None:
    """Add the table of a pipeline to a configuration file, in the same way as :func:`add_agent` adds one.

    Args:
        path: the file, ``.json`` or TOML.
        name: the pipeline's name.
        settings: what the table says; what stands at its default is left out.
        agents: agents that are added with it, by their names: all of it is written, or nothing.

    Raises:
        ConfigError: the file cannot be read or written, it or what it would become is not valid, or there is a table of
            that name. Nothing is changed then.
    """
    file = name_of(path)
    new = [_Table(_AGENTS, each, _content(each, own, file)) for each, own in agents.items()]
    _add(path, [*new, _Table(_PIPELINES, name, _content(name, settings, file))])


def remove_pipeline(path: Path, name: str) -> None:
    """Take the table of a pipeline out of a configuration file, in the same way as :func:`add_agent` adds one.

    Args:
        path: the file, ``.json`` or TOML.
        name: the pipeline's name.

    Raises:
        ConfigError: the file cannot be read or written, has no such table, or something in it uses the pipeline.
            Nothing is changed then.
    """
    _remove(path, _PIPELINES, name)


def rendered(name: str, settings: AgentSettings | PipelineSettings, *, as_json: bool = False) -> str:
    """Return the table of an agent or a pipeline as text, for the user to paste.

    Args:
        name: its name.
        settings: what the table says; what stands at its default is left out.
        as_json: as JSON in place of TOML.

    Raises:
        ConfigError: the format cannot say it.
    """
    section = _section_of(settings)
    content = _content(name, settings, "")
    try:
        if as_json:
            return json.dumps({section: {name: content}}, ensure_ascii=False, indent=2) + "\n"
        return tables.rendered_table(section, name, content)
    except _UNSAYABLE as error:
        _refuse("", _cannot_be_said(error), (section, name))


def _section_of(settings: AgentSettings | PipelineSettings) -> str:
    return _AGENTS if isinstance(settings, AgentSettings) else _PIPELINES


def _content(name: str, settings: AgentSettings | PipelineSettings, file: str) -> dict[str, Any]:
    try:
        return unstructured(settings)
    except RecursionError as error:
        _refuse(file, _cannot_be_said(error), (_section_of(settings), name))


def _add(path: Path, new: Sequence[_Table]) -> None:
    def change(tree: dict[str, Any], configuration: Configuration) -> None:
        for section, name, content in new:
            inner = tree.setdefault(section, {})
            if name in inner:
                why = "is there already: remove it first, or take another name"
                raise ConfigError(problems_at(configuration, [((section, name), why, "error")]))
            inner[name] = content

    def edit(text: str, inserted: Callable[[str, str, str, dict[str, Any]], str]) -> str:
        for table in new:
            text = inserted(text, *table)
        return text

    is_json = format_of(path) == "json"
    inserted = objects.inserted if is_json else tables.inserted
    keys = [(section, name) for section, name, _ in new]
    _edit(path, keys, "is not added", change, lambda text: edit(text, inserted))


def _remove(path: Path, section: str, name: str) -> None:
    def change(tree: dict[str, Any], _: Configuration) -> None:
        inner = tree.get(section, {})
        if name not in inner:
            _refuse(name_of(path), f"is not in the file{nearest_of(name, inner)}", (section, name))
        del inner[name]

    removed = objects.removed if format_of(path) == "json" else tables.removed
    _edit(path, [(section, name)], "is not taken out", change, lambda text: removed(text, section, name))


def _edit(
    path: Path,
    keys: Sequence[tuple[str, str]],
    refusal: str,
    change: Callable[[dict[str, Any], Configuration], None],
    edit: Callable[[str], str],
) -> None:
    """Change a file, under its lock.

    Args:
        path: the file.
        keys: the tables that it is about.
        refusal: what is said of them if the file would not be valid any more.
        change: makes of what the file says what it is to say.
        edit: makes of its text the new text.
    """
    loads: Callable[[str], dict[str, Any]] = json.loads if format_of(path) == "json" else tomllib.loads

    def changed(content: bytes) -> bytes:
        configuration = parse(content, path=path)
        wanted = copy.deepcopy(loads(configuration.source))
        change(wanted, configuration)
        try:
            text = edit(configuration.source)
            encoded = text.encode()
        except _UNSAYABLE as error:
            _refuse(name_of(path), f"{refusal}: {_cannot_be_said(error)}", *keys)
        if not _says(loads, text, wanted):
            _refuse(name_of(path), f"{refusal}: in a file of this layout an editor has to do it", *keys)
        _check(encoded, configuration, keys, refusal)
        return encoded

    try:
        rewrite(path, changed)
    except OSError as error:
        content_of(path)  # if it cannot even be read, this says so
        _refuse(name_of(path), f"cannot be changed: {error.strerror or message_of(error)}; it is as it was")


def _cannot_be_said(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "there is half of a surrogate pair in it, which is no text"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return message_of(error)


def _says(loads: Callable[[str], dict[str, Any]], text: str, wanted: dict[str, Any]) -> bool:
    """Say whether a text says what is wanted: however odd the layout is, nothing else in the file may change."""
    try:
        said = loads(text)
        # With its last table a section that has no header of its own is gone.
        left = {key: value for key, value in wanted.items() if value != {} or key in said}
        # As texts, for which 1, 1.0 and true are not the same, and nan is.
        return json.dumps(said, sort_keys=True) == json.dumps(left, sort_keys=True)
    except (RecursionError, ValueError):
        return False


def _check(content: bytes, former: Configuration, keys: Sequence[tuple[str, str]], refusal: str) -> None:
    """Refuse what is not valid. Lines are those of the file as it is, and what is new has none."""
    assert former.path is not None  # noqa: S101 - it was read from there
    try:
        configuration = parse(content, path=former.path)
        checked(attrs.evolve(configuration, source=former.source))
    except ConfigError as error:
        wrong = [each for each in error.problems if each.severity == "error"]
        new = [each._replace(line=None) if _is_within(each.path, keys) else each for each in wrong]
        # What is wrong with what is new says so itself; else one must be told why it is not to be.
        reason = f"{refusal}, because of what would be wrong then"
        why = [ConfigProblem(name_of(former.path), None, dotted(key), reason) for key in keys]
        raise ConfigError([*why, *new]) from None


def _is_within(path: str, keys: Sequence[tuple[str, str]]) -> bool:
    return any(f"{path}.".startswith((f"{dotted(key)}.", f"{dotted(key)}[")) for key in keys)


def _refuse(file: str, why: str, *keys: tuple[str, str]) -> NoReturn:
    raise ConfigError([ConfigProblem(file, None, dotted(key), why) for key in keys or [()]]) from None
