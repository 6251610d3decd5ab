"""What is known of agents, pools, fan-outs and routers, as tables and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from atrio.cli._agent_options import missing_options
from atrio.cli._plain import plain
from atrio.cli._render import stdout_is_ascii_only, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from atrio.cli._render import Cell
    from atrio.config import AgentSettings, Configuration
    from atrio.registry import AgentRegistry

    Known = dict[str, Any]

_KINDS: Final = {"pool": "pools", "fan_out": "fan_outs", "router": "routers"}
"""What is no agent of its own, and the section that describes it."""
_DEFINED: Final = (
    *("capabilities", "input_schema", "output_schema", "scores", "agent_class", "module_path", "configuration"),
    *("needs", "resource_requirements"),
)
_SAID: Final = ("capacity", "breaker", "rate", "fallback")


def known_agents(configuration: Configuration, registry: AgentRegistry) -> Iterator[Known]:
    """Yield what is known of every agent, ready-made ones first."""
    refusals = refusals_of(registry)
    for agent_id in registry.agent_ids:
        yield _agent(agent_id, configuration, registry, refusals[agent_id])


def known_combinations(configuration: Configuration) -> Iterator[Known]:
    """Yield what is known of every pool, fan-out and router."""
    for kind, section in _KINDS.items():
        for name, settings in getattr(configuration, section).items():
            yield {"name": name, "kind": kind, "origin": str(configuration.path), **plain(settings)}


def refusals_of(registry: AgentRegistry) -> dict[str, str | None]:
    """Return for each agent why it cannot work now, None if it can."""
    ranked = (candidate for capability in registry.catalogue.capabilities for candidate in registry.rank(capability))
    return {candidate.agent_id: candidate.refusal for candidate in ranked}


def _agent(name: str, configuration: Configuration, registry: AgentRegistry, refusal: str | None) -> Known:
    definition, settings = registry.get(name), configuration.agents.get(name)
    return {
        "name": name,
        "kind": "agent",
        "origin": "ready-made" if settings is None else str(configuration.path),
        "extends": _extended(name, settings),
        "description": "" if settings is None else settings.description,
        "available": refusal is None,
        "refusal": refusal,
        "missing_options": list(missing_options(definition)),
        **{key: plain(getattr(definition, key)) for key in _DEFINED},
        **_protection(settings),
    }


def _extended(name: str, settings: AgentSettings | None) -> str | None:
    if settings is None or settings.starting_point(name) is None:
        return None
    return settings.extends or name


def _protection(settings: AgentSettings | None) -> Known:
    if settings is None:
        return dict(zip(_SAID, (None, None, None, []), strict=True))
    return {key: plain(getattr(settings, key)) for key in _SAID}


def list_tables(agents: Sequence[Known], combinations: Iterable[Known]) -> Iterator[str]:
    """Yield tables with a row each."""
    heads = ("agent", "capabilities", "takes", "gives", "state")
    yield table_of("agents", heads, (_agent_row(each) for each in agents))
    lacking = [(each["name"], why) for each in agents if (why := _lack(each))]
    if lacking:
        yield table_of("what is lacking", ("agent", "why it is not ready"), lacking)
    others = [(each["name"], each["kind"].replace("_", "-"), _members(each)) for each in combinations]
    if others:
        yield table_of("pools, fan-outs and routers", ("name", "kind", "of"), others)


def _agent_row(known: Known) -> tuple[Cell, ...]:
    state = ("lacking", "yellow") if _lack(known) else ("ready", "green")
    return known["name"], ", ".join(known["capabilities"]), known["input_schema"], known["output_schema"], state


def _lack(known: Known) -> str | None:
    """Return why an agent cannot work as it is, None if it can."""
    options = known["missing_options"]
    needed = f"it needs the option{'s' if len(options) > 1 else ''} {', '.join(options)}" if options else None
    return known["refusal"] or needed


def _members(known: Known) -> str:
    if known["kind"] == "pool":
        return ", ".join(map(_member, known["members"]))
    return ", ".join(f"{key}: {agent}" for key, agent in known["agents"].items())


def _member(member: Known) -> str:
    at_once = member["capacity"]
    return member["agent"] if at_once is None else f"{member['agent']} ({at_once} at once)"


def show_table(known: Known) -> str:
    """Return all that is known of one as a table, without what is not said."""
    if known["kind"] == "agent":
        said = {key: value for key, value in known.items() if key not in {"available", "refusal", "missing_options"}}
        said["state"] = _lack(known) or "ready"
    else:
        said = {key: value for key, value in known.items() if key not in {"members", "agents"}}
        said["of"] = _members(known)
    rows = ((key.replace("_", " "), _shown(value)) for key, value in said.items() if key != "name")
    return table_of(known["name"], ("what", "value"), (row for row in rows if row[1]))


def _shown(value: Any) -> str:
    """Return a value as text: a string as it is, several of them in a row, all else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if each is not None}
        return json.dumps(value, ensure_ascii=stdout_is_ascii_only()) if value else ""
    return json.dumps(value, ensure_ascii=stdout_is_ascii_only())
