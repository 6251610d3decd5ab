"""Calling the class of an agent with its options, which are checked against its signature before."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from atrio._agent import as_agent
from atrio._text import message_of
from atrio.errors import RegistryError
from atrio.registry.loading import few, nearest

__all__ = ["Misfit", "made", "misfit"]


class Misfit(NamedTuple):
    """How options differ from what a class takes.

    Attributes:
        why: what it lacks, or what it is given that it does not take, in words.
        option: the first option that it does not take; None if it lacks one.
        nearest: the names of its options that are most like that one.
    """

    why: str
    option: str | None = None
    nearest: tuple[str, ...] = ()


def made(
    kind: type, options: Mapping[str, Any], agent_id: str, missing: Sequence[str] = (), unavailable: str | None = None
) -> Any:
    """Return what `kind` gives when it is called with `options`, an agent.

    Args:
        kind: the class.
        options: its keyword arguments.
        agent_id: the agent, for the messages.
        missing: the environment variables that it needs and that are not set.
        unavailable: why it cannot work here, as its definition says, which explains what it lacks; or None.

    Raises:
        RegistryError: an option is unknown or missing; the call raised; what it gave is no agent.
    """
    wrong = misfit(kind, options)
    if wrong is not None:
        where = "" if wrong.option is not None else ", which neither its configuration nor the overrides give"
        why = f"agent {agent_id!r} cannot be made: {wrong.why}{where}"
        if where and unavailable is not None:
            why += f". {unavailable[:1].upper()}{unavailable[1:]}"
        raise RegistryError(why, agent_id=agent_id, nearest=wrong.nearest)
    call = f"{kind.__name__}({', '.join(options)})"
    try:
        made = kind(**options)
    except (Exception, SystemExit) as error:
        why = f"{call} raised {type(error).__name__}: {message_of(error)}"
        if missing:
            why += f". It needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not set"
        raise RegistryError(f"agent {agent_id!r} cannot be made: {why}", agent_id=agent_id) from error
    try:
        return as_agent(made)
    except Exception as error:
        why = f"{call} gave what is refused: {message_of(error)}"
        raise RegistryError(f"agent {agent_id!r} cannot be made: {why}", agent_id=agent_id) from error


def misfit(kind: type, options: Mapping[str, Any]) -> Misfit | None:
    """Return how `options` differ from what `kind` takes, by its signature alone; None if nothing is wrong.

    Args:
        kind: the class, which is not called.
        options: its keyword arguments.
    """
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return None  # nothing is known of it: calling it will show
    named = [each for each in parameters if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}]
    names = [each.name for each in named]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    unknown = [] if takes_any else [option for option in options if option not in names]
    if unknown:
        meant = nearest(unknown[0], names)
        hint = f"did you mean {meant[0]!r}?" if meant else f"it has {few(names)}" if names else "it has none"
        which = f"option{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}"
        return Misfit(f"{kind.__name__} has no {which}; {hint}", unknown[0], meant)
    needed = [each.name for each in named if each.default is each.empty and each.name not in options]
    if needed:
        return Misfit(f"{kind.__name__} needs {', '.join(map(repr, needed))}")
    return None
