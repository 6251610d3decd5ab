"""Chains of agents that lead from one capability to another, best first: a pure function of a catalogue.

They are found as E. L. Lawler ranks solutions (Management Science 18, 1972): after the best of a set of chains, what is
left of the set is split by the first agent in which a chain differs from it, and the best of each part waits its turn.
The best of a part is read off a table of the best ends of chains, which is grown from the last agents backwards, as far
as somebody looks. Its ends may come back to an agent that the part begins with. So what it says is at first a bound,
and only if such a part comes to its turn a table is made that avoids those agents. A table takes time in proportion to
the catalogue, however many chains there are. Where none leads back to where it was, one is enough for all suggestions,
and for the answer that there are no more; else the next one may take as many as the chains before it have agents.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from operator import itemgetter

from atrio._validation import check_count
from atrio.registry.definitions import ANY_SCHEMA, AgentDefinition
from atrio.registry.planning import ONE, Best, Choices, checked_capabilities, exact, product
from atrio.registry.snapshot import Catalogue

__all__ = ["suggest"]


def suggest(catalogue: Catalogue, start: str, end: str, limit: int | None = 10) -> Iterator[tuple[str, ...]]:
    """Return the chains of agents that lead from one capability to another, best first; they are found as asked for.

    The first agent of a chain has the capability `start`, the last one `end`, and each can take what the one before it
    gives. None serves twice. An agent that has both is a chain of one. The best chain is the shortest; of several that
    with the highest product of scores: of the first agent at `start`, of the last one at `end`, and of each between
    them at what it is best at; of equally good ones that whose ids come first, compared one after the other. An agent
    alone counts with both its scores, with one where `start` is `end`.

    Args:
        catalogue: the registered agents; those that are not available by their definitions are in no chain.
        start: the capability of the first agent.
        end: that of the last one.
        limit: how many chains at most, at least 1; None for all that there are.

    Raises:
        TypeError: a capability is no string, or `limit` no int.
        ValueError: `limit` is below 1.
    """
    checked_capabilities((start, end))
    if limit is not None:
        check_count(limit, "limit")
    return islice(_Search(catalogue, str(start), str(end)).chains(), limit)


class _Scores:
    """What an agent counts in a chain, by the place that it has there."""

    __slots__ = ("_end", "_start")

    def __init__(self, start: str, end: str) -> None:
        self._start = start
        self._end = end

    def alone(self, definition: AgentDefinition) -> Decimal:
        first = exact(self.first(definition))
        return first if self._start == self._end else product(first, exact(self.last(definition)))

    def first(self, definition: AgentDefinition) -> float:
        return definition.score(self._start)

    @staticmethod
    def between(definition: AgentDefinition) -> float:
        return definition.best_score

    def last(self, definition: AgentDefinition) -> float:
        return definition.score(self._end)


_Entry = tuple[Decimal, str]
"""An agent with the product of the best end of a chain that begins with it, negative, so that the best sorts first."""


_Group = tuple[Decimal, list[str], list[float]]
"""Agents that go on in the same way: the product of what comes behind them, negative, their ids, and their scores.

The best of a group is known without multiplying, which takes longer than all else where chains are long. Its scores are
in a list by themselves, as ten thousand pairs would keep the garbage collector busy.
"""


def _entry(behind: Decimal, score: float, agent_id: str) -> _Entry:
    return product(exact(score), behind), agent_id


def _entries(group: _Group) -> Iterator[_Entry]:
    behind, agents, scores = group
    return (_entry(behind, score, agent_id) for agent_id, score in zip(agents, scores, strict=True))


def _best_in(group: _Group) -> _Entry:
    behind, agents, scores = group
    best = max(scores)
    return _entry(behind, best, min(each for each, score in zip(agents, scores, strict=True) if score == best))


def _best_of(groups: list[_Group]) -> Best:
    value, agent_id = min(map(_best_in, groups))
    return Best(value.copy_negate(), agent_id, min(min(agents) for _, agents, _ in groups))


class _Ends:
    """The best ends of chains, by the agent that they begin with and the schema that it takes, shortest first.

    Args:
        catalogue: the registered agents.
        scores: what they count.
        last: those with which a chain may end.
        avoiding: agents that are not to be in any.
    """

    def __init__(
        self, catalogue: Catalogue, scores: _Scores, last: frozenset[str], avoiding: frozenset[str] = frozenset()
    ) -> None:
        self._catalogue = catalogue
        self._scores = scores
        self._last = last
        self._met = {*avoiding, *catalogue.unavailable}
        # By length, less one: the agents whose shortest ends have that length, by what they take.
        self._layers: list[dict[str, list[_Group]]] = []
        # By length, less one: the best of them, but only for schemas that nothing shorter takes.
        self._choices: list[Choices] = []
        self._depths: dict[str, int] = {}
        self._sorted: dict[tuple[int, str, bool], list[_Entry]] = {}

    def avoiding(self, agents: tuple[str, ...]) -> _Ends:
        """Return a table of ends in which none of `agents` is."""
        return _Ends(self._catalogue, self._scores, self._last, frozenset(agents))

    def reaches(self, depth: int) -> bool:
        """Say whether any end has `depth` agents after its first one; look so far back, if nobody did yet."""
        while len(self._layers) <= depth and not (self._choices and not self._choices[-1]):
            self._grow()
        return depth < len(self._layers)

    def _grow(self) -> None:
        layer: dict[str, list[_Group]] = {}
        if self._layers:
            self._find_those_before(self._choices[-1], layer)
        else:
            self._group(self._last, self._scores.last, ONE, layer)
        choices = Choices()
        for schema in layer.keys() - self._depths.keys():
            self._depths[schema] = len(self._layers)
            choices[schema] = _best_of(layer[schema])
        self._layers.append(layer)
        self._choices.append(choices)

    def _find_those_before(self, choices: Choices, layer: dict[str, list[_Group]]) -> None:
        for schema in self._catalogue.output_schemas if ANY_SCHEMA in choices else choices:
            best = choices.after(schema)
            assert best is not None  # noqa: S101 - who takes it, or anything, is among the choices
            self._group(self._catalogue.by_output(schema), self._scores.between, best.product, layer)

    def _group(
        self,
        agents: Iterable[str],
        score: Callable[[AgentDefinition], float],
        behind: Decimal,
        layer: dict[str, list[_Group]],
    ) -> None:
        """Put those of `agents` that were not met yet into `layer`, grouped by what they take."""
        definitions, met = self._catalogue.definitions, self._met
        new = [agent_id for agent_id in agents if agent_id not in met]
        met.update(new)
        by_input: defaultdict[str, list[str]] = defaultdict(list)
        for agent_id in new:
            by_input[definitions[agent_id].input_schema].append(agent_id)
        for schema, members in by_input.items():
            scores = [score(definitions[agent_id]) for agent_id in members]
            layer.setdefault(schema, []).append((behind.copy_negate(), members, scores))

    def after(self, schema: str) -> Best | None:
        """Return the best agent that takes what has `schema`, of those with the shortest ends; None if none was met."""
        depth = self._depth_after(schema)
        return None if depth is None else self._choices[depth].after(schema)

    def met_at(self, depth: int, schemas: Iterable[str]) -> list[tuple[str, Best]]:
        """Return those of `schemas` whose best end has `depth` agents after its first one, each with that agent."""
        there = [schema for schema in schemas if self._depth_after(schema) == depth]
        return [(schema, best) for schema in there if (best := self._choices[depth].after(schema)) is not None]

    def _depth_after(self, schema: str) -> int | None:
        depths = self._depths
        depth, anyhow = depths.get(schema), depths.get(ANY_SCHEMA)
        return anyhow if depth is None or (anyhow is not None and anyhow < depth) else depth

    def following(self, schema: str, *, by_id: bool) -> Iterator[_Entry]:
        """Return the agents that take what has `schema`, the best end first, or among equally long ones by their ids.

        Args:
            schema: what the agent before them gives.
            by_id: whether products do not matter, because the one of the agents before is 0.
        """
        depth = 0
        while self.reaches(depth):
            yield from self._ranked(depth, schema, by_id=by_id)
            depth += 1

    def _ranked(self, depth: int, schema: str, *, by_id: bool) -> list[_Entry]:
        key = depth, schema, by_id
        if key not in self._sorted:
            layer = self._layers[depth]
            groups = [group for each in {schema, ANY_SCHEMA} for group in layer.get(each, ())]
            found = [entry for group in groups for entry in _entries(group)]
            self._sorted[key] = sorted(found, key=itemgetter(1)) if by_id else sorted(found)
        return self._sorted[key]

    def best_from(self, agent_id: str, *, by_id: bool) -> tuple[str, ...]:
        """Return the best end that begins with an agent that was met."""
        end = [agent_id]
        while end[-1] not in self._last:
            best = self.after(self._catalogue[end[-1]].output_schema)
            assert best is not None  # noqa: S101 - an agent is met from one that can take over
            end.append(best.lowest_id if by_id else best.agent_id)
        return tuple(end)


class _Part:
    """A set of chains: those that begin with a prefix, and do not go on with an agent that was split off.

    Args:
        prefix: the agents that they begin with.
        product: what these count together.
        ends: what they may go on with.
        candidates: the agents that they may go on with, the best first.
        taken: those of them that were split off.
    """

    __slots__ = ("candidates", "ends", "prefix", "product", "taken")

    def __init__(
        self, prefix: tuple[str, ...], value: Decimal, ends: _Ends, candidates: Iterator[_Entry], taken: set[str]
    ) -> None:
        self.prefix = prefix
        self.product = value
        self.ends = ends
        self.candidates = candidates
        self.taken = taken


_Turn = tuple[int, Decimal, tuple[str, ...], _Part]
"""A part with its best chain, or a bound of it: length, product (negative), ids. They are compared in this order."""


class _Search:
    """The chains from one capability to another."""

    def __init__(self, catalogue: Catalogue, start: str, end: str) -> None:
        self._catalogue = catalogue
        self._start = start
        self._last = frozenset(self._able(end))
        self._scores = _Scores(start, end)
        self._turns: list[_Turn] = []

    def _able(self, capability: str) -> tuple[str, ...]:
        agents, unavailable = self._catalogue.by_capability(capability), self._catalogue.unavailable
        return tuple(each for each in agents if each not in unavailable) if unavailable else agents

    def chains(self) -> Iterator[tuple[str, ...]]:
        """Return them, best first."""
        ends = _Ends(self._catalogue, self._scores, self._last)
        self._queue(_Part((), ONE, ends, self._first_ones(ends), set()))
        while self._turns:
            _, _, chain, part = heapq.heappop(self._turns)
            if len(set(chain)) < len(chain):
                self._avoid_the_prefix(part, chain[len(part.prefix)])
                continue
            yield chain
            self._queue(part)
            self._split(part, chain)

    def _first_ones(self, ends: _Ends) -> Iterator[_Entry]:
        catalogue, scores = self._catalogue, self._scores
        waiting = self._able(self._start)
        yield from sorted((scores.alone(catalogue[each]).copy_negate(), each) for each in waiting if each in self._last)
        # By what they give, as there are far fewer schemas than agents to ask about at each depth.
        behind: dict[str, list[str]] = {}
        for each in waiting:
            if each not in self._last:
                behind.setdefault(catalogue[each].output_schema, []).append(each)
        depth = 0
        while behind and ends.reaches(depth):
            ready = [(best.product.copy_negate(), behind.pop(schema)) for schema, best in ends.met_at(depth, behind)]
            groups = [(value, agents, [scores.first(catalogue[each]) for each in agents]) for value, agents in ready]
            yield from sorted(entry for group in groups for entry in _entries(group))
            depth += 1

    def _queue(self, part: _Part) -> None:
        """Let `part` wait for the turn of its best chain, if it has any."""
        for value, agent_id in part.candidates:
            if agent_id not in part.taken and agent_id not in part.prefix:
                part.taken.add(agent_id)
                total = product(part.product, value)
                chain = part.prefix + part.ends.best_from(agent_id, by_id=not total)
                heapq.heappush(self._turns, (len(chain), total, chain, part))
                return

    def _avoid_the_prefix(self, part: _Part, agent_id: str) -> None:
        """Let `part` wait for its best chain in place of a bound, which went on with `agent_id`."""
        part.taken.remove(agent_id)
        part.ends = part.ends.avoiding(part.prefix)
        part.candidates = self._candidates(part.prefix, part.product, part.ends)
        self._queue(part)

    def _split(self, part: _Part, chain: tuple[str, ...]) -> None:
        """Queue the chains of `part` that go on with the same agent as `chain` does, but not all the way."""
        value = part.product
        for length in range(len(part.prefix) + 1, len(chain) + 1):
            prefix, agent_id = chain[:length], chain[length - 1]
            definition = self._catalogue[agent_id]
            score = self._scores.between(definition) if length > 1 else self._scores.first(definition)
            value = product(value, exact(score))
            candidates = self._candidates(prefix, value, part.ends)
            self._queue(_Part(prefix, value, part.ends, candidates, set(chain[length : length + 1])))

    def _candidates(self, prefix: tuple[str, ...], value: Decimal, ends: _Ends) -> Iterator[_Entry]:
        return ends.following(self._catalogue[prefix[-1]].output_schema, by_id=not value)
