"""LangGraph: a ``StateGraph`` whose nodes are the agents, one after the other, compiled once and run by ``ainvoke``.

Each node has a ``RetryPolicy`` of three attempts without a wait, and a timeout of its own, which an attempt has (since
LangGraph 1.2). There is no checkpointer, so nothing is saved between nodes; tracing by LangSmith is off, whatever the
environment says. ``ainvoke`` returns the state alone: there are no records of nodes. Whoever wants to know of each node
streams the run instead.

A batch is ``abatch`` of a compiled graph of one node: as many runs of the graph as there are items.
"""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, TypedDict

from langgraph.errors import NodeTimeoutError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy

from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import Batches, Execute, Pipelines
from benchmarks.rivals.loops import RUNS

# It is looked for when something is first run; this name goes before all others that tracing can be asked for by.
os.environ["LANGSMITH_TRACING_V2"] = "false"

RETRIES = RetryPolicy(max_attempts=3, initial_interval=0.0, jitter=False)


class State(TypedDict):
    """What nodes pass on."""

    data: Any


def node_of(agent: Any) -> Any:
    """Return the node that an agent is."""

    async def node(state: State) -> State:
        return {"data": await agent.process(state["data"])}

    return node


def compiled(agents: Sequence[Any], **policies: Any) -> CompiledStateGraph:
    """Return the graph of the agents, one after the other."""
    graph = StateGraph(State)
    for index, agent in enumerate(agents):
        graph.add_node(f"stage_{index}", node_of(agent), **policies)
        graph.add_edge(f"stage_{index - 1}" if index else START, f"stage_{index}")
    graph.add_edge(f"stage_{len(agents) - 1}", END)
    return graph.compile(checkpointer=False)


class Pipeline(Pipelines):
    """A graph of so many nodes.

    Args:
        stages: how many nodes are timed.
        guarded: whether each node has its retries and its timeout.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str = "asyncio", *, guarded: bool = True) -> None:
        super().__init__(stages, RUNS[loop])
        self.guarded = guarded

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return the graph's ``ainvoke``."""
        policies = {"retry_policy": RETRIES, "timeout": timeout_s} if self.guarded else {}
        graph = compiled(agents, **policies)
        # A step a node: the default limit of steps is for graphs with loops.
        config = {"recursion_limit": len(agents) + 1}

        async def execute(data: Any) -> Any:
            return await graph.ainvoke({"data": data}, config)

        return execute

    def output_of(self, result: Any) -> Any:
        """Return what the last node left in the state."""
        return result["data"]

    def timed_out(self, error: BaseException) -> bool:
        """Tell whether a node exceeded its timeout, which is no ``TimeoutError`` here."""
        return isinstance(error, NodeTimeoutError)

    def probe_events(self) -> int:
        """Return how many updates of nodes a stream of the run has."""
        graph = compiled([NoOp(), NoOp(), NoOp()])

        async def main() -> int:
            return len([update async for update in graph.astream({"data": DATA}, stream_mode="updates")])

        return self.run(main)


class Batch(Batches):
    """A graph of one node, run for each item."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return the graph's ``abatch``."""
        graph = compiled([agent])
        abatch = partial(graph.abatch, config={"max_concurrency": places}, return_exceptions=True)

        async def execute(inputs: Sequence[Any]) -> list[Any]:
            return await abatch([{"data": data} for data in inputs])

        return execute

    def outputs_of(self, result: Any) -> list[Any]:
        """Return what each run left in its state."""
        return [state["data"] for state in result]

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return of each run its state, or its error."""
        return list(result)
