"""pydantic-graph: a graph of steps made by its ``GraphBuilder``, built once, and run by ``Graph.run``.

It has neither retries nor deadlines, and ``run`` returns the output alone; whoever drives the run by ``iter`` sees each
step begin, and nobody is told of its end. It can spread an iterable over a step, but
all of it at once: it has no limit, so it is no batch here. Spans are off (``auto_instrument``), which are made for
Logfire otherwise.
"""

from collections.abc import Sequence
from typing import Any

from pydantic_graph import GraphBuilder, StepContext

from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.rivals.loops import RUNS


def step_of(agent: Any) -> Any:
    """Return the step that an agent is."""

    async def step(context: StepContext[None, None, Any]) -> Any:
        return await agent.process(context.inputs)

    return step


class Pipeline(Pipelines):
    """A graph of so many steps.

    Args:
        stages: how many steps are timed.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str = "asyncio") -> None:
        super().__init__(stages, RUNS[loop])

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:  # noqa: ARG002 - it has no deadlines
        """Return the graph's ``run``."""
        builder = GraphBuilder(name="yardstick", input_type=object, output_type=object, auto_instrument=False)
        source: Any = builder.start_node
        for index, agent in enumerate(agents):
            step = builder.step(step_of(agent), node_id=f"stage_{index}")
            builder.add_edge(source, step)
            source = step
        builder.add_edge(source, builder.end_node)
        graph = builder.build()

        async def execute(data: Any) -> Any:
            return await graph.run(inputs=data)

        return execute
