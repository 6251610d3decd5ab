"""``--set`` and its like: names and values on the command line that are to be options of agents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from atrio.cli._nearest import did_you_mean
from atrio.cli._streams import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_DEEPEST: Final = 64
"""Levels of lists and tables, as in a configuration file."""


def value_of(text: str) -> Any:
    """Return what `text` is as JSON; if it is none, itself.

    Raises:
        Refused: it is nested more deeply than a configuration may be.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise _too_deep(text) from None
    layer = [value]
    for _ in range(_DEEPEST):
        layer = [each for outer in layer for each in _inside(outer)]
    if layer:
        raise _too_deep(text)
    return value


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep(text: str) -> Refused:
    return Refused(f"{text[:40]}... is nested more than {_DEEPEST} levels deep, which no option may be.")


def named_or_described(text: str, option: str, example: str, known: Iterable[str]) -> Any:
    """Return the JSON object that `text` is, else `text` itself, which is a name.

    Args:
        text: what the command line has.
        option: the option that had it.
        example: an object that is right.
        known: names that there are, which may look like anything.

    Raises:
        Refused: it begins as JSON does and is none, or is JSON and no object.
    """
    if text in known:
        return text
    right = f"a name, or a JSON object, as in {option} '{example}'"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith(("{", "[")):
            raise Refused(f"{option} must be {right}: {text!r} is no JSON ({error}).") from error
        return text
    if not isinstance(value, dict):
        raise Refused(f"{option} must be {right}: not {text!r}.")
    return value


def assignments(words: Iterable[str], option: str, example: str) -> dict[str, Any]:
    """Return the values that words of the form ``name=value`` give to names.

    Args:
        words: the values are JSON, or else plain text.
        option: the option that had them.
        example: of a word that is right.

    Raises:
        Refused: a word is not of that form, or a name is there twice.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (equals and name.strip()):
            raise Refused(f"{option} must be of the form name=value, as in {option} {example}: not {word!r}.")
        if name in found:
            raise Refused(f"{option} gives {name!r} two values: give it one.")
        found[name] = value_of(text)
    return found


def options_by_agent(words: Iterable[str], agents: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the options that words of the form ``agent.option=value`` give to agents.

    Args:
        words: the values of ``--set``.
        agents: the agents that there are.

    Raises:
        Refused: a word is not of that form, or there is no such agent.
    """
    found: dict[str, dict[str, Any]] = {}
    for place, value in assignments(words, "--set", "report_writer.title=Findings").items():
        agent, option = _split(place, agents)
        found.setdefault(agent, {})[option] = value
    return found


def _split(place: str, agents: Sequence[str]) -> tuple[str, str]:
    """Return the agent and the option that are meant; an agent's name may have dots in it."""
    meant = [each for each in agents if place.startswith(f"{each}.")]
    if meant:
        agent = max(meant, key=len)
        option = place[len(agent) + 1 :]
        if option:
            return agent, option
    agent, dot, option = place.partition(".")
    if not (agent and dot and option):
        form = "--set must be of the form agent.option=value, as in --set report_writer.title=Findings"
        raise Refused(f"{form}: {place!r} names no option.")
    raise Refused(f"--set names an agent {agent!r}, and there is none.{did_you_mean(agent, agents)}")
