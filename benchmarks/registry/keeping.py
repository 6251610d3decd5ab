"""What registering agents costs, looking them up, and measuring their calls."""

import gc
from itertools import repeat
from time import perf_counter, process_time
from typing import Any

import trio

from atrio.registry.measuring import measured
from atrio.registry.performance import Traffic
from benchmarks.harness.agents import DATA, Marking, NoOp
from benchmarks.harness.programs import Cost
from benchmarks.registry import WANTED
from benchmarks.registry.world import definition, drawn, registered


class Registering:
    """So many agents, registered in an empty registry.

    Their definitions are built before: what is timed is what the registry does with them. What the instances of an
    agent share, the record of their calls for one, it makes with the first of them, and so not here.

    Args:
        agents: how many.
    """

    def __init__(self, agents: int) -> None:
        self._definitions = drawn(agents)

    def answer(self) -> Any:
        """Return what is found of two agents that were registered, one of them twice."""
        registry = registered({"a": definition({"one": 1.0}, "x", "y"), "b": definition({"two": 1.0}, "y", "z")})
        registry.register("a", definition({"two": 1.0}, "y", "z"))
        return [len(registry), list(registry.find_by_capability("one")), sorted(registry.find_by_capability("two"))]

    def time(self, loops: int) -> Cost:
        """Register them all so often; the registry is freed inside of the time."""
        gc.collect()
        cpu_began, wall_began = process_time(), perf_counter()
        for _ in repeat(None, loops):
            registered(self._definitions)
        return Cost(process_time() - cpu_began, perf_counter() - wall_began)


class Finding:
    """Lookups that answer the same however many other agents there are.

    Args:
        agents: how many there are beside those that are looked for.
    """

    def __init__(self, agents: int) -> None:
        # Whoever takes anything would be found too, and there would be more of them among more.
        others = list(drawn(agents, share_taking_anything=0.0).items())
        wanted = [(f"wanted-{each}", definition({"wanted": 1.0}, "wanted", "found")) for each in range(WANTED)]
        self._registry = registered(dict([*others[: agents // 2], *wanted, *others[agents // 2 :]]))

    def answer(self) -> Any:
        """Return what is found, by capability and by schema, and what the first one takes."""
        found = [list(self._registry.find_by_capability("wanted")), list(self._registry.find_compatible("wanted"))]
        return [*found, self._registry.get("wanted-0").input_schema]

    def time(self, loops: int) -> Cost:
        """Look by capability, by schema and by id, so often."""
        registry = self._registry
        gc.collect()
        cpu_began, wall_began = process_time(), perf_counter()
        for _ in repeat(None, loops):
            registry.find_by_capability("wanted")
            registry.find_compatible("wanted")
            registry.get("wanted-0")
        return Cost(process_time() - cpu_began, perf_counter() - wall_began)


class Calling:
    """Calls of an agent that does nothing.

    Args:
        made: ``bare``, the agent itself; ``measured``, with its calls measured; ``registered``, as a registry makes it.
    """

    def __init__(self, made: str) -> None:
        self._made = made

    def _of(self, agent: Any, **configuration: Any) -> Any:
        if self._made == "registered":
            kind = type(agent).__name__
            return registered({"a": definition({"one": 1.0}, "x", "y", kind, **configuration)}).instantiate("a")
        return measured(agent, Traffic().record_for(["one"])) if self._made == "measured" else agent

    def answer(self) -> Any:
        """Return what a call returns, and how often the agent was called."""
        agent = self._of(Marking(1), number=1)
        return [trio.run(agent.process, DATA), agent.calls]

    def time(self, loops: int) -> Cost:
        """Make so many calls, one after the other."""
        agent = self._of(NoOp())

        async def main() -> Cost:
            call = agent.process
            await call(DATA)
            cpu_began, wall_began = process_time(), perf_counter()
            for _ in repeat(None, loops):
                await call(DATA)
            return Cost(process_time() - cpu_began, perf_counter() - wall_began)

        gc.collect()
        return trio.run(main)
