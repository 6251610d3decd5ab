"""Why no chain of agents does what was asked for, and what would mend it, in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs

from atrio.errors import PlanningError
from atrio.registry.definitions import ANY_SCHEMA, AgentDefinition, visible
from atrio.registry.snapshot import Catalogue

__all__ = ["why_there_is_none"]

_SHOWN: Final = 5
"""Names that a message lists; of more it says how many."""


def why_there_is_none(catalogue: Catalogue, capabilities: Sequence[str], excluded: Mapping[str, str]) -> PlanningError:
    """Return the error that says where the chain for `capabilities` breaks, and what would mend it.

    Args:
        catalogue: the registered agents.
        capabilities: what no chain does, in order.
        excluded: agents that were not to be chosen, each with the reason.
    """
    unknown = [each for each in dict.fromkeys(capabilities) if not catalogue.by_capability(each)]
    if unknown:
        return _unknown(catalogue, unknown)
    reached = _reached(catalogue, capabilities, excluded)
    place = len(reached)
    able = [each for each in catalogue.by_capability(capabilities[place]) if each not in excluded]
    if not able:
        return _out_of_use(catalogue, capabilities[place], excluded)
    return _Gap(catalogue, capabilities, excluded, place, reached[-1], able).error()


def _reached(catalogue: Catalogue, capabilities: Sequence[str], excluded: Collection[str]) -> list[list[str]]:
    """Return for each capability the agents that a chain reaches there, up to where there are none."""
    reached: list[list[str]] = []
    for capability in capabilities:
        given = {catalogue[each].output_schema for each in reached[-1]} if reached else None
        able = [
            each
            for each in catalogue.by_capability(capability)
            if each not in excluded and (given is None or _takes_one_of(given, catalogue[each]))
        ]
        if not able:
            break
        reached.append(able)
    return reached


def _unknown(catalogue: Catalogue, unknown: Sequence[str]) -> PlanningError:
    known = sorted(catalogue.capabilities)
    nearest = difflib.get_close_matches(unknown[0], known, n=3)
    which = _listed([_unknown_name(each, known) for each in unknown], " and ")
    noun = "capability" if len(unknown) == 1 else "capabilities"
    if not known:
        return PlanningError(f"no agent has the {noun} {which}: none is registered", capability=unknown[0])
    hint = "" if nearest else f"; registered agents have {_listed(map(repr, known))}"
    mend = "register an agent that has it" if len(unknown) == 1 else "register agents that have them"
    return PlanningError(
        f"no agent has the {noun} {which}{hint}: {mend}", nearest=nearest, capability=unknown[0], previous=None
    )


def _unknown_name(capability: str, known: Collection[str]) -> str:
    nearest = difflib.get_close_matches(capability, known, n=1)
    return f"{capability!r} (did you mean {nearest[0]!r}?)" if nearest else repr(capability)


def _out_of_use(catalogue: Catalogue, capability: str, excluded: Mapping[str, str]) -> PlanningError:
    agents = _listed(f"{each} ({excluded[each]})" for each in catalogue.by_capability(capability))
    return PlanningError(
        f"no agent for {capability!r} can be chosen: {agents}; put that right, or register another one",
        capability=capability,
    )


@attrs.frozen
class _Gap:
    """Where a chain breaks: between two capabilities, as no agent for the second can take what is given there."""

    catalogue: Catalogue
    capabilities: Sequence[str]
    excluded: Mapping[str, str]
    place: int
    reached: Sequence[str]
    able: Sequence[str]

    def error(self) -> PlanningError:
        """Return the error that says so."""
        previous, capability = self.capabilities[self.place - 1], self.capabilities[self.place]
        chain = " -> ".join(self.capabilities)
        given, needed = self._given(), self._needed()
        message = (
            f"no chain of agents does {chain}: it breaks between {previous!r} and {capability!r}. "
            f"What {previous!r} gives there is {_by(given)}; what {capability!r} takes is {_by(needed)}. "
        )
        return PlanningError(
            message + self._mend(), capability=capability, previous=previous, given=tuple(given), needed=tuple(needed)
        )

    def _given(self) -> dict[str, list[str]]:
        return _grouped(self.reached, lambda each: self.catalogue[each].output_schema)

    def _needed(self) -> dict[str, list[str]]:
        return _grouped(self.able, lambda each: self.catalogue[each].input_schema)

    def _mend(self) -> str:
        ways = self._revive, self._insert, self._rename, self._reach, self._add
        return next(filter(None, (way() for way in ways)))

    def _works(self, capabilities: Sequence[str], excluded: Collection[str]) -> bool:
        return len(_reached(self.catalogue, capabilities, excluded)) == len(capabilities)

    def _revive(self) -> str:
        """Name the agents that are not to be chosen, if with them there would be a chain."""
        if not self._works(self.capabilities, ()):
            return ""
        asked = dict.fromkeys(each for name in self.capabilities for each in self.catalogue.by_capability(name))
        missing = [f"{each} ({self.excluded[each]})" for each in asked if each in self.excluded]
        return f"There is a chain with agents that cannot be chosen: {_listed(missing)}; put that right."

    def _insert(self) -> str:
        """Name an agent that turns the one into the other, and what to ask for to have it between them."""
        given, needed = self._given(), self._needed()
        tried: set[str] = set()
        for agent_id in sorted(self.catalogue):
            between = self.catalogue[agent_id]
            if agent_id in self.excluded or not _takes_one_of(given, between) or between.output_schema not in needed:
                continue
            for capability in between.capabilities:
                if capability in tried:
                    continue
                tried.add(capability)
                asked = [*self.capabilities[: self.place], capability, *self.capabilities[self.place :]]
                if self._works(asked, self.excluded):
                    way = " -> ".join(asked)
                    return f"{visible(agent_id)} can stand between them, for {capability!r}: ask for {way}."
        return ""

    def _rename(self) -> str:
        """Name two schemas that look like one, spelled in two ways."""
        for one in self._given():
            close = difflib.get_close_matches(one, self._needed(), n=1, cutoff=0.75)
            if close:
                return f"If {one!r} and {close[0]!r} are the same, give both agents the same name for it."
        return ""

    def _reach(self) -> str:
        """Name an agent for the first capability that would fit, but is not reached itself."""
        needed = self._needed()
        for agent_id in self.catalogue.by_capability(self.capabilities[self.place - 1]):
            definition = self.catalogue[agent_id]
            if definition.output_schema in needed and agent_id not in self.excluded:
                before = self.capabilities[self.place - 2]
                return (
                    f"{visible(agent_id)} gives {definition.output_schema!r}, but needs {definition.input_schema!r}, "
                    f"which no agent for {before!r} gives it: register one that does."
                )
        return ""

    def _add(self) -> str:
        given, needed = (_listed(map(repr, schemas), " or ") for schemas in (self._given(), self._needed()))
        return f"Register an agent that takes {given} and gives {needed}, and ask for its capability between the two."


def _takes_one_of(schemas: Collection[str], definition: AgentDefinition) -> bool:
    return definition.input_schema == ANY_SCHEMA or definition.input_schema in schemas


def _grouped(agents: Iterable[str], schema_of: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for each in sorted(agents):
        groups.setdefault(schema_of(each), []).append(each)
    return dict(sorted(groups.items()))


def _by(groups: Mapping[str, Sequence[str]]) -> str:
    return _listed((f"{schema!r} ({_listed(agents)})" for schema, agents in groups.items()), " or ")


def _listed(names: Iterable[str], last: str = ", ") -> str:
    texts = [visible(name) for name in names]
    if len(texts) > _SHOWN:
        return f"{', '.join(texts[:_SHOWN])} and {len(texts) - _SHOWN} more"
    return f"{', '.join(texts[:-1])}{last}{texts[-1]}" if len(texts) > 1 else "".join(texts)
