"""LlamaIndex Workflows: a step per agent, each waiting for the event that the one before it returns.

Each step has a retry policy of three attempts without a wait. A deadline is the whole workflow's alone, not a step's:
it is given a minute for each. ``Workflow.run`` returns the result alone; whoever streams its events is told of each
step, and here nobody does.

The batch is a workflow of one step, run for each item, with ``num_concurrent_runs``. A workflow can also spread a list
of events over the workers of one step, but it copies all that waits at each turn, so that an item costs the more the
more there are, and thousands of them take minutes.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from workflows import Workflow, step
from workflows.events import Event, StartEvent, StepState, StepStateChanged, StopEvent
from workflows.retry_policy import retry_policy, stop_after_attempt, wait_none

from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import Batches, Execute, Pipelines
from benchmarks.rivals.loops import RUNS

RETRIES = retry_policy(wait=wait_none(), stop=stop_after_attempt(3))


def add_step(
    workflow: type[Workflow], name: str, agent: Any, taken: type[Event], returned: type[Event], retries: Any
) -> None:
    """Add the step to a class of workflows which waits for one event and returns another."""
    if returned is StopEvent:

        async def run_step(ev: Any) -> Any:
            return StopEvent(result=await agent.process(ev.data))

    else:

        async def run_step(ev: Any) -> Any:
            return returned(data=await agent.process(ev.data))

    # What a step waits for and returns is read from its annotations, and its name from here.
    run_step.__annotations__ = {"ev": taken, "return": returned}
    run_step.__name__ = run_step.__qualname__ = name
    step(workflow=workflow, retry_policy=retries)(run_step)


def workflow_of(agents: Sequence[Any], retries: Any = None, **limits: Any) -> Workflow:
    """Return the workflow of the agents, one after the other."""
    steps = type("Steps", (Workflow,), {})
    events = [StartEvent, *(type(f"Event{index}", (Event,), {}) for index in range(1, len(agents))), StopEvent]
    for index, agent in enumerate(agents):
        add_step(steps, f"stage_{index}", agent, events[index], events[index + 1], retries)
    return steps(**limits)


class Pipeline(Pipelines):
    """A workflow of so many steps.

    Args:
        stages: how many steps are timed.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str = "asyncio") -> None:
        super().__init__(stages, RUNS[loop])

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return the workflow's ``run``."""
        workflow = workflow_of(agents, RETRIES, timeout=timeout_s * len(agents))

        async def execute(data: Any) -> Any:
            return await workflow.run(data=data)

        return execute

    def probe_events(self) -> int:
        """Return how many ends of steps a stream of the run's events has."""

        async def main() -> int:
            handler = workflow_of([NoOp(), NoOp(), NoOp()]).run(data=DATA)
            events = [event async for event in handler.stream_events(expose_internal=True)]
            await handler
            states = [event.step_state for event in events if isinstance(event, StepStateChanged)]
            return states.count(StepState.NOT_RUNNING)

        return self.run(main)


class Batch(Batches):
    """A workflow of one step, run for each item."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return what runs the workflow for each input."""
        workflow = workflow_of([agent], timeout=None, num_concurrent_runs=places)

        async def execute(inputs: Sequence[Any]) -> list[Any]:
            return await asyncio.gather(*(workflow.run(data=data) for data in inputs), return_exceptions=True)

        return execute

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return of each run its result, or its error."""
        return list(result)
