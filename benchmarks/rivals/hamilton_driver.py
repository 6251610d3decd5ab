"""Apache Hamilton: a function per agent that names the one before it, and the async driver, built once.

Hamilton finds functions in modules, and what each needs by the names of its arguments, so the module is made here. It
has neither retries nor deadlines, and ``execute`` returns the output alone; adapters are told of each function, and
there are none. Its async driver has no limit of concurrency, so it is no batch here. Hamilton has no telemetry
any more.
"""

from collections.abc import Callable, Sequence
from typing import Any

from hamilton import ad_hoc_utils, async_driver
from hamilton.lifecycle.base import BasePostNodeExecuteAsync

from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.rivals.loops import RUNS


def function_of(agent: Any, index: int) -> Callable[..., Any]:
    """Return the function that an agent is: ``stage_1`` takes an argument of the name ``stage_0``."""
    needed = f"stage_{index - 1}" if index else "data"
    namespace: dict[str, Any] = {"agent": agent}
    source = f"async def stage_{index}({needed}: object) -> object:\n    return await agent.process({needed})\n"
    exec(source, namespace)  # noqa: S102 - the names of arguments are what a Hamilton graph is made of
    return namespace[f"stage_{index}"]


class Ends(BasePostNodeExecuteAsync):
    """Counts the ends of functions."""

    def __init__(self) -> None:
        self.ended = 0

    async def post_node_execute(self, *, node_: Any, **others: Any) -> None:  # noqa: ARG002
        """Count a function; inputs are nodes too, and are not called."""
        self.ended += node_.name.startswith("stage_")


def execution(agents: Sequence[Any], *adapters: Any) -> Execute:
    """Return ``execute`` of a driver over the agents' functions."""
    module = ad_hoc_utils.create_temporary_module(*(function_of(agent, index) for index, agent in enumerate(agents)))
    # These adapters have nothing that an async ``ainit`` would do.
    driver = async_driver.Builder().with_modules(module).with_adapters(*adapters).build_without_init()
    last = f"stage_{len(agents) - 1}"

    async def execute(data: Any) -> Any:
        return (await driver.execute([last], inputs={"data": data}))[last]

    return execute


class Pipeline(Pipelines):
    """A graph of so many functions.

    Args:
        stages: how many functions are timed.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str = "asyncio") -> None:
        super().__init__(stages, RUNS[loop])

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:  # noqa: ARG002 - it has no deadlines
        """Return the driver's ``execute``."""
        return execution(agents)

    def probe_events(self) -> int:
        """Return how many ends of functions an adapter is told of."""
        ends = Ends()

        async def main() -> None:
            await execution([NoOp(), NoOp(), NoOp()], ends)(DATA)

        self.run(main)
        return ends.ended
