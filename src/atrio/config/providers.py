"""Endpoints of language models, given to the agents that ask one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs

from atrio.config.naming import nearest_of
from atrio.config.rules import is_variable
from atrio.config.settings import Configuration
from atrio.config.words import listed
from atrio.registry import AgentDefinition

__all__ = ["lacks_endpoint", "unknown_provider", "with_provider"]

_READY_MADE: Final = "atrio.agents"
_CHAT_AGENT: Final = ("atrio.agents.chat", "ChatAgent")
_ASKING: Final = frozenset({"ChatAgent", "ContentAnalyzer", "DataTransformer", "TaskProcessor"})


def with_provider(definition: AgentDefinition, configuration: Configuration) -> AgentDefinition:
    """Return a definition whose agent knows which endpoint it asks; one that asks no language model as it is.

    Those that ask one are the ready-made agents that do, and those of one's own classes whose option ``provider`` names
    one: a subclass of :class:`~atrio.agents.ChatAgent` takes what it is given then.

    The endpoint is that of the option ``base_url``, else that of the provider which the option ``provider`` names, else
    that of the only provider there is. Without any the agent is not available, and the definition says why. A
    ``prompt_file`` is looked for in the directory of the configuration.

    Args:
        definition: the agent's.
        configuration: has the providers.
    """
    if not _asks(definition) and not _names_provider(definition, configuration):
        return definition
    options: dict[str, Any] = dict(definition.configuration)
    if "base_url" not in options:
        name = options.get("provider", _only_one(configuration))
        provider = configuration.providers.get(name) if isinstance(name, str) else None
        if provider is None:
            return attrs.evolve(definition, unavailable=_why_not(name, definition, configuration))
        said = {key: value for key, value in attrs.asdict(provider).items() if value is not None}
        options = {**said, **options, "provider": name}
    variable, prompt = options.get("api_key_env"), options.get("prompt_file")
    if isinstance(prompt, str) and configuration.path is not None:
        options["prompt_file"] = str(Path(configuration.path.parent, prompt).absolute())
    needs = definition.needs
    # What can be no name may be the key itself: nobody is told what it is.
    if isinstance(variable, str) and is_variable(variable):
        needs = tuple(dict.fromkeys([*needs, variable]))
    return attrs.evolve(definition, configuration=options, needs=needs, unavailable=None)


def unknown_provider(definition: AgentDefinition, configuration: Configuration) -> str | None:
    """Return the provider that an agent names and that is not there; None if nothing is wrong with that.

    Args:
        definition: the agent's, as the file says it.
        configuration: has the providers.
    """
    name = definition.configuration.get("provider")
    if not _asks(definition) or "base_url" in definition.configuration or not isinstance(name, str):
        return None
    is_there = name in configuration.providers or ("providers", name) in configuration.unread
    return None if is_there else name


def lacks_endpoint(kind: type, definition: AgentDefinition, configuration: Configuration) -> str | None:
    """Return why an agent of a class of one's own does not know whom to ask; None if it does, or asks no model.

    Args:
        kind: its class.
        definition: the agent's, with what its provider gives.
        configuration: has the providers.
    """
    options = definition.configuration
    name = options.get("provider")
    if (
        _asks(definition)
        or "base_url" in options
        or not isinstance(name, str)
        or ("providers", name) in (configuration.unread)
    ):
        return None
    if not any((each.__module__, each.__name__) == _CHAT_AGENT for each in kind.__mro__):
        return None
    return f"there is no {name!r} in [providers]{nearest_of(name, configuration.providers)}"


def _asks(definition: AgentDefinition) -> bool:
    return definition.module_path == _READY_MADE and definition.agent_class in _ASKING


def _names_provider(definition: AgentDefinition, configuration: Configuration) -> bool:
    name = definition.configuration.get("provider")
    return isinstance(name, str) and name in configuration.providers and "base_url" not in definition.configuration


def _only_one(configuration: Configuration) -> str | None:
    names = list(configuration.providers)
    return names[0] if len(names) == 1 else None


def _why_not(name: object, definition: AgentDefinition, configuration: Configuration) -> str | None:
    if name is not None:
        return f"its provider {name!r} is not in [providers]"
    several = [repr(each) for each in configuration.providers]
    if several:
        return f"there are several providers, {listed(several)}: its option provider is to say which"
    return definition.unavailable or "no provider is configured: add a table [providers.NAME], or give it base_url"
