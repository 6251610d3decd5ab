"""The options that ready-made agents take, in the words of the configuration file."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from atrio.cli._render import stdout_is_ascii_only, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atrio.registry import AgentDefinition

_READY_MADE: Final = "atrio.agents"
# Said here, so that a list of agents need not import them all.
_NEEDED: Final = {
    "ChatAgent": ("base_url", "model"),
    "CommandRunner": ("command",),
    "ContentAnalyzer": ("base_url",),
    "DataTransformer": ("base_url",),
    "JsonTransformer": ("expression",),
    "JsonValidator": ("schema",),
    "TaskProcessor": ("base_url",),
    "Webhook": ("url",),
}
_WORDS: Final[dict[Any, str]] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    Mapping: "a table",
    Sequence: "an array",
}


@attrs.frozen
class AgentOption:
    """An option of an agent.

    Attributes:
        name: its name.
        takes: what it can be, in words.
        needed: whether the agent cannot be made without it.
        default: what it is where nothing is said.
    """

    name: str
    takes: str
    needed: bool
    default: Any


def missing_options(definition: AgentDefinition) -> tuple[str, ...]:
    """Return the options that an agent cannot be made without, and has not; of a class of the user's own none."""
    if definition.module_path != _READY_MADE:
        return ()
    needed = _NEEDED.get(definition.agent_class, ())
    return tuple(option for option in needed if option not in definition.configuration)


def options_of(module_path: str, agent_class: str) -> list[AgentOption] | None:
    """Return the options of a class, in their order; None if it is none of atrio's own, which is not imported here."""
    if module_path != _READY_MADE:
        return None
    kind = getattr(importlib.import_module(_READY_MADE), agent_class)
    hints = get_type_hints(kind.__init__)
    return [
        AgentOption(
            each.name,
            _in_words(hints[each.name]),
            each.default is each.empty,
            None if each.default is each.empty else each.default,
        )
        for each in inspect.signature(kind).parameters.values()
    ]


def _in_words(hint: Any) -> str:
    """Return what a type hint says, as one who writes the configuration calls it."""
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        words = [_in_words(each) for each in get_args(hint) if each is not NoneType]
        return " or ".join(dict.fromkeys(filter(None, words)))
    if origin is Literal:
        return " or ".join(map(_as_json, get_args(hint)))
    return _WORDS.get(origin or hint, "")


def options_table(name: str, options: Iterable[AgentOption]) -> str:
    """Return a table with a row for each option of an agent."""
    rows = ((each.name, each.takes, ("needed", "yellow") if each.needed else _default(each)) for each in options)
    return table_of(f"options of {name}", ("option", "takes", "default"), rows)


def _default(option: AgentOption) -> str:
    return "" if option.default is None else _as_json(option.default)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=stdout_is_ascii_only())
