"""What everything takes and gives, by the schemas of the agents that it is made of, and where that does not meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import attrs

from atrio._stage import ErrorPolicy
from atrio.config.naming import Finding, Kind, Names, Node, Part
from atrio.config.settings import KeyPath
from atrio.registry import ANY_SCHEMA, BUILT_IN_AGENTS

__all__ = ["UNKNOWN", "Flow", "Schemas"]


@attrs.frozen
class Flow:
    """What goes in and what comes out.

    Attributes:
        takes: the schema that it takes, "any" if it takes everything, None if that is not known.
        gives: the schemas that it may give, None if that is not known.
    """

    takes: str | None = None
    gives: frozenset[str] | None = None


UNKNOWN: Final = Flow()


class Schemas:
    """The flows of all that a configuration names, and what is wrong with them.

    Args:
        names: what there is.
        order: each after what it is made of; what is left out is not looked at.

    Attributes:
        found: what does not meet.
    """

    __slots__ = ("_flows", "_names", "found")

    def __init__(self, names: Names, order: Sequence[Node]) -> None:
        self._names = names
        self._flows: dict[Node, Flow] = {}
        self.found: list[Finding] = []
        for node in order:
            self._flows[node] = self._flow_of(node)

    def of(self, node: Node) -> Flow:
        """Return the flow of `node`."""
        known = self._flows.get(node)
        if known is not None:
            return known
        # An agent is the same alone. What is not known is part of a circle, or not there.
        return self._agents(node.name) if self._names.kinds.get(node.name) is Kind.AGENT else UNKNOWN

    def _flow_of(self, node: Node) -> Flow:
        names = self._names
        kind = names.kinds[node.name]
        if kind is Kind.AGENT:
            if not node.alone:
                self._check_fallback(node.name)
            return self._agents(node.name)
        if node.name in names.unread or names.settings(node.name) is None:
            return UNKNOWN
        parts = names.parts(node)
        if kind is Kind.POOL:
            return self._pools(node, parts)
        if kind is Kind.PIPELINE:
            return self._pipelines(node.name, parts)
        flows = [self.of(part.node) for part in parts]
        if kind is Kind.FAN_OUT:
            # An object of outputs has no name that agents agree upon.
            return Flow(self._taken_by_all(parts, "a fan-out gives the same to all"))
        takes = {flow.takes for flow in flows}
        return Flow(takes.pop() if len(takes) == 1 else None, _united([flow.gives for flow in flows]))

    def _agents(self, name: str) -> Flow:
        if name in self._names.unread:
            return UNKNOWN
        said = self._names.configuration.agents.get(name)
        start = BUILT_IN_AGENTS.get(name) if said is None else said.starting_point(name)
        takes, gives = (None, None) if start is None else (start.input_schema, start.output_schema)
        if said is not None:
            takes, gives = said.input_schema or takes, said.output_schema or gives
        # Whoever says that it gives anything promises nothing.
        return Flow(takes, None if gives is None or gives == ANY_SCHEMA else frozenset([gives]))

    def _check_fallback(self, name: str) -> None:
        """Check that who stands in for an agent does what its definition says, with which plans are made."""
        said = self._names.configuration.agents.get(name)
        flow = self._agents(name)
        for at, other in enumerate(said.fallback if said is not None else ()):
            if self._names.kinds.get(other) is not Kind.AGENT:
                continue
            path: KeyPath = ("agents", name, "fallback", at)
            others = self._agents(other)
            self._check_takes_all(path, other, others, name, flow)
            self._check_gives(path, other, others, name, flow, "error")

    def _check_takes_all(self, path: KeyPath, other: str, others: Flow, name: str, flow: Flow) -> None:
        if others.takes not in {None, ANY_SCHEMA, flow.takes} and flow.takes is not None:
            takes = "anything" if flow.takes == ANY_SCHEMA else repr(flow.takes)
            self._tell(path, f"{other!r} cannot stand in for {name!r}: it takes {others.takes!r}, and not {takes}")

    def _check_gives(
        self, path: KeyPath, other: str, others: Flow, name: str, flow: Flow, severity: Literal["error", "warning"]
    ) -> None:
        if others.gives is not None and flow.gives is not None and not others.gives <= flow.gives:
            here, there = _listed(others.gives), _listed(flow.gives)
            if severity == "error":
                message = f"{other!r} cannot stand in for {name!r}: it gives {here}, and not {there}"
            else:
                message = f"{other!r} gives {here}, and {name!r} gives {there}: what follows gets the one or the other"
            self._tell(path, message, severity)

    def _pools(self, node: Node, parts: Sequence[Part]) -> Flow:
        if not node.alone:
            others = [part for part in parts if "fallback" in part.path[2:3]]
            # What is wrong with its members is told once, where it stands in for nobody.
            alone = self._of_members(node.name, parts[: len(parts) - len(others)], tells=True)
            for part in others:
                flow = self.of(part.node)
                self._check_takes_all(part.path, part.node.name, flow, node.name, alone)
                self._check_gives(part.path, part.node.name, flow, node.name, alone, "warning")
            return Flow(alone.takes, _united([alone.gives, *(self.of(part.node).gives for part in others)]))
        return self._of_members(node.name, parts, tells=False)

    def _of_members(self, name: str, members: Sequence[Part], *, tells: bool) -> Flow:
        flows = [self.of(part.node) for part in members]
        if tells and members:
            first = members[0].node.name
            for part, flow in zip(members[1:], flows[1:], strict=True):
                self._check_gives(part.path, part.node.name, flow, first, flows[0], "warning")
        why = f"pool {name!r} gives any call to any member" if tells else None
        return Flow(self._taken_by_all(members, why), _united([flow.gives for flow in flows]))

    def _taken_by_all(self, parts: Sequence[Part], why: str | None) -> str | None:
        """Return the schema that all `parts` take, None if it is not known; where they differ, `why` they must not."""
        taken, by, is_known = ANY_SCHEMA, "", True
        for part in parts:
            takes = self.of(part.node).takes
            is_known = is_known and takes is not None
            if takes is None or takes in {ANY_SCHEMA, taken}:
                continue
            if taken != ANY_SCHEMA:
                is_known = False
                if why is not None:
                    self._tell(part.path, f"{part.node.name!r} takes {takes!r}, and {by!r} takes {taken!r}; {why}")
            else:
                taken, by = takes, part.node.name
        return taken if is_known else None

    def _pipelines(self, name: str, parts: Sequence[Part]) -> Flow:
        stages = self._names.configuration.pipelines[name].stages
        first = self.of(parts[0].node).takes if parts else None
        # What comes for certain, and what comes besides if stages are skipped.
        sure = None if first in {None, ANY_SCHEMA} else frozenset([str(first)])
        maybe: frozenset[str] | None = frozenset()
        before = ""
        for stage, part in zip(stages, parts, strict=True):
            flow = self.of(part.node)
            if before:
                self._check_stage(part, flow, before, sure, maybe)
            maybe = _united([sure, maybe]) if stage.error_policy is ErrorPolicy.SKIP else frozenset()
            sure, before = flow.gives, part.node.name
        return Flow(first, _united([sure, maybe]))

    def _check_stage(
        self, part: Part, flow: Flow, before: str, sure: frozenset[str] | None, maybe: frozenset[str] | None
    ) -> None:
        name, takes = part.node.name, flow.takes
        if takes in {None, ANY_SCHEMA}:
            return
        unfit = sorted((sure or frozenset()) - {takes})
        if unfit:
            mend = self._bridge(unfit[0], str(takes)) if len(unfit) == 1 else ""
            message = f"{name!r} takes {takes!r}, and {before!r} before it gives {_listed(sure or frozenset())}{mend}"
            self._tell(part.path, message)
            return
        left_over = sorted((maybe or frozenset()) - {takes})
        if left_over:
            message = f"where {before!r} is skipped, {name!r} is given {left_over[0]!r}, and it takes {takes!r}"
            self._tell(part.path, message, "warning")

    def _bridge(self, given: str, taken: str) -> str:
        """Return the end of a sentence that names who makes the one of the other; nothing if nobody does."""
        for name, kind in self._names.kinds.items():
            if kind is Kind.AGENT:
                flow = self._agents(name)
                if flow.takes in {given, ANY_SCHEMA} and flow.gives == frozenset([taken]):
                    return f"; {name!r} between them would fit"
        return ""

    def _tell(self, path: KeyPath, message: str, severity: Literal["error", "warning"] = "error") -> None:
        self.found.append((path, message, severity))


def _united(several: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for each in several:
        if each is None:
            return None
        found |= each
    return found


def _listed(schemas: frozenset[str]) -> str:
    return " or ".join(map(repr, sorted(schemas)))
