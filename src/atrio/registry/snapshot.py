"""The registered agents at one moment, as ranking and planning see them, and how the registry keeps them indexed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from atrio.registry.definitions import ANY_SCHEMA, AgentDefinition

__all__ = ["Catalogue", "Index"]

_UNORDERED: Final = 1 << 62
"""Above every place."""


class _Bucket:
    """The agents that one look-up finds.

    They are a list as long as none is taken out, and a dict from then on: of ten thousand agents the lists fit into a
    processor's cache, and the dicts do not.
    """

    __slots__ = ("_agents", "_answer", "_discarded", "_last", "generation")

    def __init__(self, generation: int, agents: list[str] | dict[str, None], last: int) -> None:
        self.generation = generation
        self._agents = agents
        self._last = last  # the highest place, or _UNORDERED where the places are not in order
        self._discarded = 0
        self._answer: tuple[str, ...] | None = None

    def copy(self, generation: int) -> _Bucket:
        return _Bucket(generation, self._agents.copy(), self._last)

    def __len__(self) -> int:
        return len(self._agents)

    def add(self, agent_id: str, place: int) -> None:
        self._last = place if place > self._last else _UNORDERED
        agents = self._agents
        if isinstance(agents, list):
            agents.append(agent_id)
        else:
            agents[agent_id] = None
        self._answer = None

    def discard(self, agent_id: str) -> None:
        agents = dict.fromkeys(self._agents) if isinstance(self._agents, list) else self._agents
        del agents[agent_id]
        # A dict keeps the holes that deletions leave, and walks over them.
        self._discarded += 1
        if self._discarded > len(agents):
            agents = dict(agents)
            self._discarded = 0
        self._agents = agents
        self._answer = None

    def ids(self, places: dict[str, int]) -> tuple[str, ...]:
        """Return the agents in the order of their registration, given the place of each in it."""
        if self._answer is None:
            agents = self._agents
            # Nothing but the answer is kept, as several threads may ask at once.
            self._answer = tuple(agents if self._last < _UNORDERED else sorted(agents, key=places.__getitem__))
        return self._answer


_Buckets: TypeAlias = dict[str, _Bucket]


class _Lookups:
    """What agents are found by. Each answer costs what is in it, not what is registered."""

    __slots__ = ("_by_capability", "_by_input", "_by_output", "_places")

    def __init__(
        self, places: dict[str, int], by_capability: _Buckets, by_input: _Buckets, by_output: _Buckets
    ) -> None:
        self._places = places
        self._by_capability = by_capability
        self._by_input = by_input
        self._by_output = by_output

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Every capability that an agent has."""
        return tuple(self._by_capability)

    @property
    def input_schemas(self) -> tuple[str, ...]:
        """Every schema that an agent takes, ``"any"`` included."""
        return tuple(self._by_input)

    @property
    def output_schemas(self) -> tuple[str, ...]:
        """Every schema that an agent gives."""
        return tuple(self._by_output)

    def by_capability(self, capability: str) -> tuple[str, ...]:
        """Return the agents that have `capability`, in the order of registration."""
        return self._found(self._by_capability, capability)

    def by_input(self, schema: str) -> tuple[str, ...]:
        """Return the agents whose input schema is `schema` itself, in the order of registration."""
        return self._found(self._by_input, schema)

    def by_output(self, schema: str) -> tuple[str, ...]:
        """Return the agents whose output schema is `schema`, in the order of registration."""
        return self._found(self._by_output, schema)

    def consumers(self, output_schema: str) -> tuple[str, ...]:
        """Return the agents that take what has `output_schema`, in the order of registration."""
        exact = self.by_input(output_schema)
        anything = self.by_input(ANY_SCHEMA)
        if output_schema == ANY_SCHEMA or not (exact and anything):
            return exact or anything
        return tuple(sorted([*exact, *anything], key=self._places.__getitem__))

    def _found(self, buckets: _Buckets, key: str) -> tuple[str, ...]:
        bucket = buckets.get(key)
        return () if bucket is None else bucket.ids(self._places)


class Catalogue(_Lookups, Mapping[str, AgentDefinition]):
    """The registered agents at one moment: definitions by id, in the order of registration. Nothing changes it.

    Attributes:
        definitions: the same as a plain read-only mapping, for loops that look up a great many.
        unavailable: those that cannot work here, as their definitions say, each with the reason.
    """

    __slots__ = ("definitions", "unavailable")

    def __init__(
        self,
        definitions: dict[str, AgentDefinition],
        places: dict[str, int],
        by_capability: _Buckets,
        by_input: _Buckets,
        by_output: _Buckets,
        unavailable: dict[str, str],
    ) -> None:
        super().__init__(places, by_capability, by_input, by_output)
        self.definitions: Mapping[str, AgentDefinition] = MappingProxyType(definitions)
        self.unavailable: Mapping[str, str] = MappingProxyType(unavailable)

    def __getitem__(self, agent_id: str) -> AgentDefinition:
        return self.definitions[agent_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.definitions)

    def __len__(self) -> int:
        return len(self.definitions)

    def __repr__(self) -> str:
        return f"<catalogue of {len(self)}>"


class Index(_Lookups):
    """The registered agents as the registry keeps them: it is changed in place, and frozen when somebody looks.

    Changes between two looks cost what they touch. The first one after a look copies what the look shares with it: the
    outer dicts, and of the agents found by a key those that it touches.
    """

    __slots__ = ("_definitions", "_frozen", "_generation", "_next", "_unavailable")

    def __init__(self) -> None:
        super().__init__({}, {}, {}, {})
        self._definitions: dict[str, AgentDefinition] = {}
        self._unavailable: dict[str, str] = {}
        self._frozen: Catalogue | None = None
        self._generation = 0
        self._next = 0

    def put(self, agent_id: str, definition: AgentDefinition) -> None:
        """Add an agent after the others, or let `definition` take the place of its former one."""
        self._thaw()
        former = self._definitions.get(agent_id)
        if former is None:
            self._places[agent_id] = self._next
            self._next += 1
        else:
            self._withdraw(agent_id, former)
        self._definitions[agent_id] = definition
        if definition.unavailable is not None:
            self._unavailable[agent_id] = definition.unavailable
        place = self._places[agent_id]
        for buckets, key in self._keys(definition):
            self._own(buckets, key).add(agent_id, place)

    def remove(self, agent_id: str) -> None:
        """Remove an agent.

        Raises:
            KeyError: there is none of that id.
        """
        definition = self._definitions[agent_id]
        self._thaw()
        self._withdraw(agent_id, definition)
        del self._definitions[agent_id]
        del self._places[agent_id]

    def freeze(self) -> Catalogue:
        """Return the agents as they are now."""
        if self._frozen is None:
            self._frozen = Catalogue(
                self._definitions,
                self._places,
                self._by_capability,
                self._by_input,
                self._by_output,
                self._unavailable,
            )
        return self._frozen

    def _thaw(self) -> None:
        if self._frozen is None:
            return
        self._frozen = None
        self._generation += 1
        self._definitions = self._definitions.copy()
        self._unavailable = self._unavailable.copy()
        self._places = self._places.copy()
        self._by_capability = self._by_capability.copy()
        self._by_input = self._by_input.copy()
        self._by_output = self._by_output.copy()

    def _keys(self, definition: AgentDefinition) -> Iterator[tuple[_Buckets, str]]:
        for capability in definition.capabilities:
            yield self._by_capability, capability
        yield self._by_input, definition.input_schema
        yield self._by_output, definition.output_schema

    def _own(self, buckets: _Buckets, key: str) -> _Bucket:
        """Return the bucket of `key`, one that no catalogue shares."""
        bucket = buckets.get(key)
        if bucket is None:
            bucket = buckets[key] = _Bucket(self._generation, [], -1)
        elif bucket.generation != self._generation:
            bucket = buckets[key] = bucket.copy(self._generation)
        return bucket

    def _withdraw(self, agent_id: str, definition: AgentDefinition) -> None:
        self._unavailable.pop(agent_id, None)
        for buckets, key in self._keys(definition):
            bucket = self._own(buckets, key)
            bucket.discard(agent_id)
            if not bucket:
                del buckets[key]
