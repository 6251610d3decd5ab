"""Suggestions and plans, asked of large registries.

Before each question an agent is registered once more, as an agent's registration makes whatever was kept of earlier
answers worthless: no figure is that of looking an answer up.
"""

import gc
from collections.abc import Iterator
from random import Random
from time import perf_counter, process_time
from typing import Any

from atrio import AgentRegistry, PlanningError
from benchmarks.harness.programs import Cost
from benchmarks.registry import AGENTS, QUESTIONS, STAGES
from benchmarks.registry.world import (
    CAPABILITIES,
    SEED,
    Definitions,
    agent_id,
    capability,
    definition,
    drawn,
    layered,
    registered,
)

# Small enough to be answered by hand: two ways lead from a to c, the better one over b2.
SMALL: Definitions = {
    "a": definition({"first": 0.5}, "one", "two"),
    "b1": definition({"second": 0.25}, "two", "three"),
    "b2": definition({"second": 0.75}, "two", "three"),
    "c": definition({"third": 1.0}, "three", "four"),
    "d": definition({"third": 1.0}, "five", "six"),
}


class _Asked:
    """Questions that are put to a registry, each in turn.

    Args:
        shape: ``drawn``, ``layered``, or ``islands``: two parts without a way between them, so that nothing is found.
        agents: how many there are.
    """

    def __init__(self, shape: str, agents: int = AGENTS) -> None:
        self._definitions = {"drawn": drawn, "layered": layered, "islands": _islands}[shape](agents)
        self._registry = registered(self._definitions)
        self._found_something = shape != "islands"
        self._questions = list(self.questions(shape))

    def questions(self, shape: str) -> Iterator[list[str]]:
        """Yield what is asked, as names of capabilities."""
        raise NotImplementedError

    def ask(self, registry: AgentRegistry, question: list[str]) -> Any:
        """Return what the registry finds, or None."""
        raise NotImplementedError

    def time(self, loops: int) -> Cost:
        """Put all questions so often.

        Raises:
            RuntimeError: something was found where nothing is, or the reverse.
        """
        registry, first = self._registry, agent_id(0)
        gc.collect()
        cpu_began, wall_began = process_time(), perf_counter()
        for _ in range(loops):
            for question in self._questions:
                registry.register(first, self._definitions[first])
                if (self.ask(registry, question) is not None) is not self._found_something:
                    raise RuntimeError(f"{question} is not answered as it should be")
        return Cost(process_time() - cpu_began, perf_counter() - wall_began)


def _islands(agents: int) -> Definitions:
    return layered(agents, islands=2)


class Suggesting(_Asked):
    """The first suggestion of how to come from one capability to another."""

    def questions(self, shape: str) -> Iterator[list[str]]:
        """Yield pairs of capabilities, from the first layer to the last one where there are layers."""
        draw = Random(SEED)
        for _ in range(QUESTIONS):
            pair = draw.sample(range(CAPABILITIES), 2) if shape == "drawn" else (0, CAPABILITIES - 1)
            yield [*map(capability, pair)]

    def ask(self, registry: AgentRegistry, question: list[str]) -> Any:
        """Return the first suggestion, or None."""
        start, end = question
        return next(iter(registry.suggest_pipelines(start, end)), None)

    def answer(self) -> Any:
        """Return all suggestions of a small registry."""
        return [list(chain) for chain in registered(SMALL).suggest_pipelines("first", "third")]


class Planned(_Asked):
    """A plan of five capabilities."""

    def questions(self, shape: str) -> Iterator[list[str]]:
        """Yield five capabilities at a time: of layers those that follow each other, across the sea where there is one.

        Of capabilities that are drawn, those are asked for that some agents can do one after the other.
        """
        draw, wanted = Random(SEED), QUESTIONS
        while wanted:
            if shape == "drawn":
                question = [capability(each) for each in draw.sample(range(CAPABILITIES), STAGES)]
                if self.ask(self._registry, question) is None:
                    continue
            else:
                begin = CAPABILITIES // 2 - STAGES // 2 if shape == "islands" else draw.randrange(CAPABILITIES - STAGES)
                question = [capability(begin + each) for each in range(STAGES)]
            wanted -= 1
            yield question

    def ask(self, registry: AgentRegistry, question: list[str]) -> Any:
        """Return the plan, or None."""
        try:
            return registry.plan(question)
        except PlanningError:
            return None

    def answer(self) -> Any:
        """Return the plan of a small registry, and that there is none for what does not meet."""
        registry = registered(SMALL)
        return [list(registry.plan(["first", "second", "third"])), self.ask(registry, ["third", "second"])]
