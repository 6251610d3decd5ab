"""Apache Burr: an application whose actions are the agents, one after the other, run by ``arun``.

The application is built once and goes round, as the chat bots of its documentation do: the first action takes the input
and follows upon the last one. It has neither retries nor deadlines, and ``arun`` returns the last action, its result
and the state; hooks are told of each action. There is no hook, no tracker and no persister; Burr has no telemetry any
more.
"""

from collections.abc import Sequence
from typing import Any

from burr.core import ApplicationBuilder, State, action
from burr.lifecycle import PostRunStepHookAsync

from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.rivals.loops import RUNS


def first(agent: Any) -> Any:
    """Return the action that takes the input from whoever runs the application."""

    @action(reads=[], writes=["data"])
    async def stage(state: State, data: Any) -> State:
        return state.update(data=await agent.process(data))

    return stage


def later(agent: Any) -> Any:
    """Return an action that takes what the one before it left in the state."""

    @action(reads=["data"], writes=["data"])
    async def stage(state: State) -> State:
        return state.update(data=await agent.process(state["data"]))

    return stage


class Ends(PostRunStepHookAsync):
    """Counts the ends of actions."""

    def __init__(self) -> None:
        self.ended = 0

    async def post_run_step(self, **step: Any) -> None:  # noqa: ARG002
        """Count an action."""
        self.ended += 1


def execution(agents: Sequence[Any], *hooks: Any) -> Execute:
    """Return ``arun`` of an application of the agents, up to its last action."""
    names = [f"stage_{index}" for index in range(len(agents))]
    actions = {name: later(agent) for name, agent in zip(names, agents, strict=True)}
    actions[names[0]] = first(agents[0])
    application = (
        ApplicationBuilder()
        .with_actions(**actions)
        .with_transitions(*zip(names, [*names[1:], names[0]], strict=True))
        .with_entrypoint(names[0])
        .with_hooks(*hooks)
        .build()
    )

    async def execute(data: Any) -> Any:
        _, _, state = await application.arun(halt_after=names[-1:], inputs={"data": data})
        return state["data"]

    return execute


class Pipeline(Pipelines):
    """An application of so many actions.

    Args:
        stages: how many actions are timed.
        loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, loop: str = "asyncio") -> None:
        super().__init__(stages, RUNS[loop])

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:  # noqa: ARG002 - it has no deadlines
        """Return the application's ``arun``."""
        return execution(agents)

    def probe_events(self) -> int:
        """Return how many ends of actions a hook is told of."""
        ends = Ends()

        async def main() -> None:
            await execution([NoOp(), NoOp(), NoOp()], ends)(DATA)

        self.run(main)
        return ends.ended
