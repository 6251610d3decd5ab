"""What the names of a configuration stand for, and what each is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from atrio.config.settings import Configuration, KeyPath
from atrio.config.words import did_you_mean
from atrio.registry import BUILT_IN_AGENTS
from atrio.registry.loading import few

__all__ = ["Cycle", "Finding", "Kind", "Names", "Node", "Part", "nearest_of", "ordered"]

Finding: TypeAlias = tuple[KeyPath, str, Literal["error", "warning"]]
"""What is wrong, in a sentence without its full stop, and the key that it is about."""


class Kind(StrEnum):
    """What a stage can name."""

    AGENT = "agent"
    POOL = "pool"
    FAN_OUT = "fan-out"
    ROUTER = "router"
    PIPELINE = "pipeline"

    @property
    def section(self) -> str:
        """The table that those of this kind are in."""
        return f"{self.replace('-', '_')}s"


class Node(NamedTuple):
    """Something that a stage can name; as it stands in for others if it is alone: without its own fallback."""

    name: str
    alone: bool = False


class Part(NamedTuple):
    """What something is made of, and the key that says so."""

    path: KeyPath
    node: Node


class Cycle(NamedTuple):
    """Something that is made of itself.

    Attributes:
        path: the key that closes the circle.
        names: the way around, whose last name is its first.
    """

    path: KeyPath
    names: tuple[str, ...]


class Names:
    """The one name space of a configuration: ready-made agents, and all that has a name and can be called.

    Args:
        configuration: the configuration, which may be wrong in any way that its classes allow.
    """

    __slots__ = ("configuration", "kinds", "taken", "unread")

    def __init__(self, configuration: Configuration) -> None:
        self.configuration: Configuration = configuration
        self.kinds: dict[str, Kind] = dict.fromkeys(BUILT_IN_AGENTS, Kind.AGENT)
        # Those that there are twice, with the kind of the first and that of the other.
        self.taken: list[tuple[str, Kind, Kind]] = []
        self.unread: set[str] = set()
        for kind in Kind:
            self._take_in(kind)

    def _take_in(self, kind: Kind) -> None:
        unread = [name for section, name in sorted(self.configuration.unread) if section == kind.section]
        self.unread.update(unread)
        for name in dict.fromkeys([*self._settings(kind), *unread]):
            first = self.kinds.setdefault(name, kind)
            if first is not kind:
                self.taken.append((name, first, kind))

    def _settings(self, kind: Kind) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = getattr(self.configuration, kind.section)
        return settings

    def settings(self, name: str) -> Any:
        """Return what the file says of `name`; None if nothing, or nothing that could be read."""
        return self._settings(self.kinds[name]).get(name)

    def parts(self, node: Node) -> list[Part]:
        """Return what `node` is made of, in order; nothing for an agent, whose fallbacks the registry knows."""
        said = self.settings(node.name)
        kind = self.kinds[node.name]
        if said is None or kind is Kind.AGENT:
            return []
        here: KeyPath = (kind.section, node.name)
        if kind is Kind.POOL:
            members = [Part((*here, "members", at, "agent"), Node(each.agent)) for at, each in enumerate(said.members)]
            others = [] if node.alone else said.fallback
            return [*members, *(Part((*here, "fallback", at), self.alone(name)) for at, name in enumerate(others))]
        if kind is Kind.PIPELINE:
            return [Part((*here, "stages", at, "agent"), Node(each.agent)) for at, each in enumerate(said.stages)]
        return [Part((*here, "agents", key), Node(name)) for key, name in said.agents.items()]

    def alone(self, name: str) -> Node:
        """Return what is called `name` as it stands in for others."""
        return Node(name, self.kinds.get(name) in {Kind.AGENT, Kind.POOL})

    def known_parts(self, node: Node) -> Iterator[Part]:
        """Yield of the parts of `node` those that exist."""
        return (part for part in self.parts(node) if part.node.name in self.kinds)

    def below(self, tops: Iterable[str]) -> set[str]:
        """Return the names of all that `tops` are made of, themselves included, fallbacks of agents too."""
        found: set[str] = set()
        left = [Node(name) for name in tops]
        while left:
            node = left.pop()
            if node.name in found:
                continue
            found.add(node.name)
            left += (part.node for part in self.known_parts(node))
            if self.kinds[node.name] is Kind.AGENT:
                agent = self.configuration.agents.get(node.name)
                left += (Node(other) for other in (agent.fallback if agent else ()) if other in self.kinds)
        return found


def nearest_of(name: str, names: Collection[str]) -> str:
    """Return the end of a sentence about a name that is not there: the one that was meant, or some that there are."""
    return did_you_mean(name, names) or (f"; there are {few(list(names))}" if names else "")


def ordered(names: Names) -> tuple[list[Node], list[Cycle]]:
    """Return all nodes, each after those that it is made of, and the circles that are in the way of that."""
    order: list[Node] = []
    cycles: list[Cycle] = []
    done: set[Node] = set()
    for root in map(Node, names.kinds):
        if root not in done:
            _walk(names, root, order, cycles, done)
    return order, cycles


_MOST_CYCLES: Final = 100


def _walk(names: Names, root: Node, order: list[Node], cycles: list[Cycle], done: set[Node]) -> None:
    # Not by recursion, as files may nest deeper than Python's stack.
    way: dict[Node, Iterator[Part]] = {root: names.known_parts(root)}
    while way:
        node = next(reversed(way))
        for part in way[node]:
            if part.node in way:
                if len(cycles) < _MOST_CYCLES:
                    around = list(way)
                    around = around[around.index(part.node) :]
                    cycles.append(Cycle(part.path, (*(each.name for each in around), part.node.name)))
            elif part.node not in done:
                way[part.node] = names.known_parts(part.node)
                break
        else:
            del way[node]
            done.add(node)
            order.append(node)
