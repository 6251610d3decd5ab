"""What a configuration needs of where it runs: variables of the environment, and a machine that is large enough."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from shutil import which
from typing import Any, Final, Literal

import attrs

from atrio.config.naming import Finding, Kind, Names
from atrio.config.providers import with_provider
from atrio.config.rules import variable_in
from atrio.config.settings import AgentSettings, Configuration, KeyPath
from atrio.config.words import listed
from atrio.errors import DefinitionError
from atrio.registry import BUILT_IN_AGENTS, AgentDefinition
from atrio.registry.machine import beyond, places_on, this_machine

__all__ = ["environment_problems", "whole_definition"]

_READY_MADE: Final = "atrio.agents"


def whole_definition(name: str, configuration: Configuration) -> AgentDefinition:
    """Return the definition of an agent, with all that it needs.

    The endpoint of a language model and the variable of its key are among that, and those of a webhook's headers.

    Args:
        name: the agent, ready-made or of the file.
        configuration: what the file says.

    Raises:
        DefinitionError: what is said is no whole definition.
    """
    said = configuration.agents.get(name)
    definition = with_provider(BUILT_IN_AGENTS[name] if said is None else said.definition(name), configuration)
    headers = definition.configuration.get("headers_env") if definition.module_path == _READY_MADE else None
    if not isinstance(headers, dict):
        return definition
    # What names none may be the secret itself, and is told to nobody.
    variables = [*filter(None, (variable_in(value) for value in headers.values() if isinstance(value, str)))]
    return attrs.evolve(definition, needs=(*definition.needs, *variables)) if variables else definition


def environment_problems(names: Names, used: Collection[str], places: dict[str, KeyPath]) -> Iterator[Finding]:
    """Yield what agents need and this environment or this machine does not have.

    It is an error where a pipeline uses the agent, and else a warning.

    Args:
        names: what there is.
        used: what pipelines use.
        places: where an agent is spoken of that has no table of its own.
    """
    configuration = names.configuration
    for name, kind in names.kinds.items():
        said = configuration.agents.get(name)
        if kind is not Kind.AGENT or name in names.unread or (said is None and name not in used):
            continue
        try:
            definition = whole_definition(name, configuration)
        except DefinitionError:
            continue  # of half a definition it is not known
        severity: Literal["error", "warning"] = "error" if name in used else "warning"
        absent = [each for each in definition.needs if not os.environ.get(each)]
        if absent:
            verb = "is" if len(absent) == 1 else "are"
            message = f"{name!r} needs {listed(absent)} in the environment, which {verb} not set"
            yield _place(name, said, "needs", places), message, severity
        if missing := _missing_program(definition):
            yield (
                (places.get(name, ()) if said is None else ("agents", name, "configuration", *missing[0])),
                (f"{name!r} cannot run here: {missing[1]}"),
                severity,
            )
        machine, needed = this_machine(), definition.resource_requirements
        too_much = beyond(machine, needed)
        capacity = None if said is None else said.capacity
        at_once = None if capacity is None else places_on(machine, needed, capacity)
        if too_much is not None:
            message = f"{name!r} cannot run on this machine: {too_much}"
            yield _place(name, said, "resource_requirements", places), message, severity
        elif at_once != capacity:
            message = (
                f"this machine holds {at_once} calls of {name!r} at once, and not {capacity}: the others would wait"
            )
            yield _place(name, said, "capacity", places), message, "warning"
    for name, provider in configuration.providers.items():
        if provider.api_key_env is not None and not os.environ.get(provider.api_key_env):
            message = f"{provider.api_key_env} is not set in the environment"
            yield ("providers", name, "api_key_env"), message, "warning"


def _missing_program(definition: AgentDefinition) -> tuple[tuple[str], str] | None:
    """Return what a command_runner cannot find where it would run now: the option, and why; None if nothing."""
    options = definition.configuration
    command, cwd, added = options.get("command"), options.get("cwd"), options.get("environment")
    if definition.module_path != _READY_MADE or definition.agent_class != "CommandRunner":
        return None
    if not isinstance(command, list) or not _are_texts(command):
        return None  # that is told with the options
    if isinstance(cwd, str) and not Path(cwd).is_dir():
        return ("cwd",), f"there is no directory {cwd!r}"
    path = added.get("PATH") if isinstance(added, dict) else None
    # A program with a slash in its name is looked for from the directory that it runs in.
    program = str(Path(cwd or "", command[0])) if "/" in command[0] else command[0]
    if which("./" + program if "/" in command[0] and not program.startswith("/") else program, path=path) is None:
        return ("command",), f"there is no program {command[0]!r}"
    return None


def _are_texts(command: list[Any]) -> bool:
    return (
        bool(command)
        and all(isinstance(word, str) and "\0" not in word for word in command)
        and bool(command[0].strip())
    )


def _place(name: str, said: AgentSettings | None, key: str, places: dict[str, KeyPath]) -> KeyPath:
    return places.get(name, ()) if said is None else ("agents", name, key)
