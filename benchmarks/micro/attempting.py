"""A stage whose first attempt fails: what all programs do that try again. Only the standard library here."""

from collections.abc import Sequence
from typing import Any

from benchmarks.harness.agents import DATA

ANSWER = [DATA, 2]


class Stumbling:
    """Fails at each first of two calls, and counts them."""

    def __init__(self) -> None:
        self.calls = 0

    async def process(self, data: Any) -> Any:
        """Return what was given, or raise a ``ConnectionError``."""
        self.calls += 1
        if self.calls % 2:
            raise ConnectionError("not yet")
        return data


class Attempted:
    """One stumbling agent instead of many that do nothing; put before a `harness.shapes.Pipelines` of one stage."""

    once: Any
    output_of: Any

    def timed_agents(self) -> Sequence[Any]:
        """Return the agent that is timed."""
        return [Stumbling()]

    def answer(self) -> Any:
        """Return what came out in the end, and after how many calls."""
        agent = Stumbling()
        return [self.output_of(self.once([agent])), agent.calls]
