"""Tables that are added to the configuration file, or printed to be pasted into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio.cli._configuration import file_of
from atrio.cli._streams import printable, say, write_out
from atrio.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atrio.config import AgentSettings, Configuration, PipelineSettings

_SOURCE: Final = Path("the command line")


def settings_of(section: str, name: str, tree: Mapping[str, Any]) -> Any:
    """Return what the command line says of an agent or a pipeline, checked as the file is.

    Args:
        section: ``agents`` or ``pipelines``.
        name: its name.
        tree: its table, as plain values.

    Raises:
        ConfigError: all that is wrong with it.
    """
    from atrio.config import parse  # noqa: PLC0415 - --help does not wait for it

    try:
        parsed = parse(json.dumps({section: {name: tree}}), path=_SOURCE, format="json")
    except ConfigError as error:
        # All of it is in one line.
        raise ConfigError([each._replace(line=None) for each in error.problems]) from error
    return getattr(parsed, section)[name]


def add(
    configuration: Configuration,
    name: str,
    settings: AgentSettings | PipelineSettings,
    agents: Mapping[str, AgentSettings] | None = None,
) -> None:
    """Add an agent or a pipeline to the file, or print what to paste, as the file's ``auto_save`` has it.

    Args:
        configuration: what the file says.
        name: of what is added.
        settings: what is added.
        agents: agents that a pipeline needs, which are added with it.

    Raises:
        Refused: there is no file.
        ConfigError: there is one of that name, the file would be wrong with it, or cannot be written.
    """
    from atrio.config import AgentSettings, add_agent, add_pipeline  # noqa: PLC0415 - as above

    path = file_of(configuration)
    tables = {**(agents or {}), name: settings}
    warnings = _check(configuration, tables)
    if not configuration.cli.auto_save:
        _print_to_paste(path, tables)
    elif isinstance(settings, AgentSettings):
        add_agent(path, name, settings)
        say(f"agent {name!r} is in {path} now.")
    else:
        add_pipeline(path, name, settings, agents=agents or {})
        say(f"pipeline {name!r} is in {path} now.")
    for warning in warnings:
        say(str(warning))


def _check(configuration: Configuration, tables: Mapping[str, AgentSettings | PipelineSettings]) -> list[ConfigProblem]:
    """Return what the surroundings lack for new tables.

    Raises:
        ConfigError: a name is taken, or something is wrong with them that ``atrio check`` would tell.
    """
    from atrio.config import AgentSettings, problems_at  # noqa: PLC0415 - as above
    from atrio.config.checking import newly_wrong  # noqa: PLC0415 - as above
    from atrio.config.positions import dotted  # noqa: PLC0415 - as above

    sections: dict[str, dict[str, Any]] = {"agents": {}, "pipelines": {}}
    for name, settings in tables.items():
        section = "agents" if isinstance(settings, AgentSettings) else "pipelines"
        if name in getattr(configuration, section):
            why = "is there already: remove it first, or take another name"
            raise ConfigError(problems_at(configuration, [((section, name), why, "error")]))
        sections[section][name] = settings
    agents, pipelines = sections.values()
    changed = attrs.evolve(
        configuration,
        agents={**configuration.agents, **agents},
        pipelines={**configuration.pipelines, **pipelines},
    )
    places = [dotted((section, name)) for section, new in sections.items() for name in new]
    found = [
        # What is new has no line yet.
        each._replace(line=None) if f"{each.path}.".startswith(tuple(f"{place}." for place in places)) else each
        for each in newly_wrong(configuration, changed)
    ]
    wrong = [each for each in found if each.severity == "error"]
    if wrong:
        reason = "is not added, because of what would be wrong then"
        raise ConfigError([*(ConfigProblem(wrong[0].file, None, place, reason) for place in places), *wrong])
    return found


def _print_to_paste(path: Path, tables: Mapping[str, AgentSettings | PipelineSettings]) -> None:
    from atrio.config import rendered  # noqa: PLC0415 - as above

    is_json = path.suffix == ".json"
    snippets = [rendered(name, settings, as_json=is_json) for name, settings in tables.items()]
    write_out(["\n".join(snippets)])
    say(f"auto_save is false in {path}: paste this into it.")


def remove(configuration: Configuration, section: str, name: str) -> None:
    """Take an agent or a pipeline out of the file.

    Raises:
        Refused: there is no file.
        ConfigError: it has none of that name, something else names it, or it cannot be written.
    """
    from atrio.config import remove_agent, remove_pipeline  # noqa: PLC0415 - as above

    path = file_of(configuration)
    (remove_agent if section == "agents" else remove_pipeline)(path, name)
    say(f"{section.removesuffix('s')} {printable(repr(name))} is no longer in {path}.")
