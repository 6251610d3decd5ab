"""LangChain: a ``RunnableSequence`` of the agents, each a ``RunnableLambda`` with ``with_retry``, run by ``ainvoke``.

Three attempts without a wait. A runnable has no deadline, neither its own nor the sequence's, and ``ainvoke`` returns
the output alone; callbacks are told of each runnable. Tracing by LangSmith is off, whatever the environment says, and
there are no callbacks.

The batch is ``abatch`` of one ``RunnableLambda``, with ``max_concurrency`` and ``return_exceptions``.
"""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableLambda, RunnableSequence

from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import Batches, Execute, Pipelines
from benchmarks.rivals.loops import RUNS

# It is looked for when something is first run; this name goes before all others that tracing can be asked for by.
os.environ["LANGSMITH_TRACING_V2"] = "false"


class Ends(AsyncCallbackHandler):
    """Counts the ends of stages; each attempt within one is a run of its own, and is not counted."""

    def __init__(self) -> None:
        self.stages: set[Any] = set()
        self.ended = 0

    async def on_chain_start(self, *args: Any, run_id: Any, **others: Any) -> None:  # noqa: ARG002
        """Remember a stage's run."""
        if str(others.get("name")).startswith("stage_") and others.get("parent_run_id") not in self.stages:
            self.stages.add(run_id)

    async def on_chain_end(self, *args: Any, run_id: Any, **others: Any) -> None:  # noqa: ARG002
        """Count a stage's run."""
        self.ended += run_id in self.stages


class Pipeline(Pipelines):
    """A sequence of so many runnables.

    Args:
        stages: how many runnables are timed.
        guarded: whether each runnable has its retries.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str = "asyncio", *, guarded: bool = True) -> None:
        super().__init__(stages, RUNS[loop])
        self.guarded = guarded

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:  # noqa: ARG002 - it has no deadlines
        """Return the sequence's ``ainvoke``."""
        stages: list[Any] = [RunnableLambda(agent.process, name=f"stage_{i}") for i, agent in enumerate(agents)]
        if self.guarded:
            stages = [stage.with_retry(stop_after_attempt=3, wait_exponential_jitter=False) for stage in stages]
        return RunnableSequence(*stages).ainvoke

    def probe_events(self) -> int:
        """Return how many ends of stages a callback is told of."""
        ends = Ends()

        async def main() -> None:
            ainvoke = self.build([NoOp(), NoOp(), NoOp()])
            await ainvoke(DATA, config={"callbacks": [ends]})

        self.run(main)
        return ends.ended


class Batch(Batches):
    """One runnable over many items."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return the runnable's ``abatch``."""
        runnable = RunnableLambda(agent.process, name="stage_0")
        return partial(runnable.abatch, config={"max_concurrency": places}, return_exceptions=True)

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return of each item its output, or its error."""
        return list(result)
