"""What can be wrong between the tables of a configuration, as far as it shows without importing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from atrio.config.naming import Finding, Kind, Names, Node, nearest_of, ordered
from atrio.config.providers import unknown_provider
from atrio.config.schemas import Schemas
from atrio.config.settings import Configuration, KeyPath
from atrio.errors import DefinitionError

__all__ = ["DEEPEST", "reference_problems"]

DEEPEST: Final = 50
"""How deep pipelines, pools and the like may be nested. A call of the outermost goes through all of them."""

_SHOWN: Final = 6
_OF_THE_COMMAND_LINE: Final = "text-report"
_NO_STAGE: Final = (
    "'text-report' can be run by its name, and be no stage: name its agents, 'text_cleaner', 'text_analyzer' and "
    "'report_writer'"
)


def reference_problems(configuration: Configuration) -> list[Finding]:
    """Return all that is wrong between the tables of `configuration`; nothing is imported.

    That is: names that two have, or nobody; what is made of itself; ids of stages that are there twice; agents whose
    schemas do not meet; guards that a call would meet twice; and, as warnings, what is probably not meant.

    Args:
        configuration: the configuration. Tables in its `unread` are taken to exist, and nothing is said about them.
    """
    names = Names(configuration)
    order, cycles = ordered(names)
    # A table that is in a circle has no schemas, nor has what is made of it.
    in_circles = {Node(name, alone) for cycle in cycles for name in cycle.names for alone in (False, True)}
    schemas = Schemas(names, [node for node in order if node not in in_circles])
    found: list[Finding] = [
        *_taken(names),
        *_unknown_guards(configuration),
        *_unknown_parts(names),
        *_fallbacks(names),
        *((cycle.path, _around(cycle.names), "error") for cycle in cycles),
        *_too_deep(names, order),
        *_unknown_providers(names),
        *_stage_ids(configuration),
        *schemas.found,
        *_capacities(names),
        *_guards_met_twice(names, order),
        *_twice(configuration),
    ]
    return found


def _taken(names: Names) -> Iterator[Finding]:
    for name, first, kind in names.taken:
        what = f"[{first.section}]" if name in getattr(names.configuration, first.section) else "the ready-made agents"
        yield (
            (kind.section, name),
            f"the name {name!r} is taken: it is among {what} too, and a stage could not tell them apart",
            "error",
        )


def _unknown_guards(configuration: Configuration) -> Iterator[Finding]:
    for section, tables in (("agents", configuration.agents), ("pools", configuration.pools)):
        for name, table in tables.items():
            for key, guards, guard in (("breaker", "breakers", table.breaker), ("rate", "rate_limits", table.rate)):
                shared: Mapping[str, Any] = getattr(configuration, guards)
                if isinstance(guard, str) and guard not in shared and (guards, guard) not in configuration.unread:
                    hint = nearest_of(guard, shared) or f"; add a table [{guards}.{guard}]"
                    yield (section, name, key), f"there is no {guard!r} in [{guards}]{hint}", "error"


def _guards_met_twice(names: Names, order: list[Node]) -> Iterator[Finding]:
    # Of each node the guards that a call of it may meet, and whose they are. Circles are told of by themselves.
    met: dict[Node, dict[KeyPath, str]] = {}
    for node in order:
        behind: dict[KeyPath, str] = {}
        for part in names.known_parts(Node(node.name, alone=True)):
            behind |= met.get(part.node, {})
        own = _named_guards(names, node.name)
        if not node.alone:
            for guard in own:
                if guard in behind:
                    yield _met_twice(node.name, guard, behind[guard])
        met[node] = behind | own
        if not node.alone:
            # Fallbacks stand beside what they are of, and not behind its guards.
            for other in getattr(names.settings(node.name), "fallback", ()):
                beside = met.get(names.alone(other), {}) if names.kinds[node.name] is Kind.POOL else None
                met[node] |= _named_guards(names, other) if beside is None else beside


def _named_guards(names: Names, name: str) -> dict[KeyPath, str]:
    said = names.settings(name) if name in names.kinds else None
    shared = (("breakers", getattr(said, "breaker", None)), ("rate_limits", getattr(said, "rate", None)))
    return {(section, guard): name for section, guard in shared if isinstance(guard, str)}


def _met_twice(pool: str, guard: KeyPath, inner: str) -> Finding:
    section, name = guard
    key = "breaker" if section == "breakers" else "rate"
    why = (
        "a failure would count twice, and once open it would never close again"
        if section == "breakers"
        else "a call would take its tokens twice"
    )
    message = f"{name!r} guards {inner!r} too, which is in {pool!r}: {why}; leave it out here, or there"
    return ("pools", pool, key), message, "error"


def _twice(configuration: Configuration) -> Iterator[Finding]:
    for name, pool in configuration.pools.items():
        members = [member.agent for member in pool.members]
        for at, member in enumerate(members):
            if member in members[:at]:
                message = f"{member!r} is there twice; its capacity says how many calls it takes at once"
                yield ("pools", name, "members", at), message, "warning"


def _unknown_parts(names: Names) -> Iterator[Finding]:
    for name, kind in names.kinds.items():
        if kind is Kind.AGENT:
            continue
        for part in names.parts(Node(name)):
            if part.node.name not in names.kinds:
                if part.node.name == _OF_THE_COMMAND_LINE:
                    yield part.path, _NO_STAGE, "error"
                    continue
                hint = nearest_of(part.node.name, names.kinds)
                what = "agent, pool, fan-out, router or pipeline"
                yield part.path, f"there is no {what} {part.node.name!r}{hint}", "error"


def _fallbacks(names: Names) -> Iterator[Finding]:
    agents = {name: kind for name, kind in names.kinds.items() if kind is Kind.AGENT}
    for section, tables in (("agents", names.configuration.agents), ("pools", names.configuration.pools)):
        for name, table in tables.items():
            for at, other in enumerate(table.fallback):
                path: KeyPath = (section, name, "fallback", at)
                if other == name:
                    yield path, f"{name!r} cannot fall back to itself: name another one", "error"
                elif other in table.fallback[:at]:
                    yield path, f"{other!r} is there twice, and is tried once", "error"
                elif section == "pools" or other in agents:
                    pass
                elif other in names.kinds:
                    message = (
                        f"{other!r} is a {names.kinds[other]}, and an agent can fall back to agents only; make a pool "
                        f"of {name!r} with this fallback"
                    )
                    yield path, message, "error"
                else:
                    yield path, f"there is no agent {other!r}{nearest_of(other, agents)}", "error"


def _unknown_providers(names: Names) -> Iterator[Finding]:
    configuration = names.configuration
    for name, agent in configuration.agents.items():
        if name in names.unread:
            continue
        try:
            provider = unknown_provider(agent.definition(name), configuration)
        except DefinitionError:
            continue  # which was told before
        if provider is not None:
            hint = nearest_of(provider, configuration.providers) or f"; add a table [providers.{provider}]"
            path = ("agents", name, "configuration", "provider")
            yield path, f"there is no {provider!r} in [providers]{hint}", "error"


def _around(names: tuple[str, ...]) -> str:
    way = " -> ".join(names if len(names) <= _SHOWN else (*names[: _SHOWN - 1], "...", names[-1]))
    return f"{names[0]!r} would be made of itself: {way}"


def _too_deep(names: Names, order: list[Node]) -> Iterator[Finding]:
    depths: dict[Node, int] = {}
    for node in order:
        depth = 0
        for part in names.known_parts(node):
            # Circles have no depth, and are told of by themselves.
            depth = max(depth, depths.get(part.node, 0) + 1)
        depths[node] = depth
        if depth == DEEPEST + 1:
            here = (names.kinds[node.name].section, node.name)
            yield here, f"it is nested more than {DEEPEST} deep, each a part of the next", "error"


def _stage_ids(configuration: Configuration) -> Iterator[Finding]:
    for name, pipeline in configuration.pipelines.items():
        ids = Counter(stage.own_id for stage in pipeline.stages)
        seen: set[str] = set()
        for at, stage in enumerate(pipeline.stages):
            if ids[stage.own_id] > 1 and stage.own_id in seen:
                key = "agent" if stage.stage_id is None else "stage_id"
                hint = "give this one a stage_id of its own" if stage.stage_id is None else "name this one otherwise"
                yield (
                    ("pipelines", name, "stages", at, key),
                    f"the pipeline has a stage with the id {stage.own_id!r} already; {hint}",
                    "error",
                )
            seen.add(stage.own_id)


def _capacities(names: Names) -> Iterator[Finding]:
    configuration = names.configuration
    for name, pool in configuration.pools.items():
        for at, member in enumerate(pool.members):
            agent = configuration.agents.get(member.agent)
            own = None if agent is None or member.agent in names.unread else agent.capacity
            if own is not None and member.capacity is not None and member.capacity > own:
                message = (
                    f"the pool gives {member.agent!r} {member.capacity} calls at once, and the agent's own capacity is "
                    f"{own}: the others would wait for it, and not for whoever is free"
                )
                yield ("pools", name, "members", at, "capacity"), message, "warning"
