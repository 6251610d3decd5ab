"""A stage whose first attempt fails and whose second succeeds, without a wait: by hand, by atrio, by the twin."""

from collections.abc import Sequence
from typing import Any

import trio

from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.micro import stage
from benchmarks.micro.attempting import Attempted

ATTEMPTS = 3


async def attempted(agent: Any, data: Any, timeout_s: float) -> Any:
    """Return what one of three attempts gives, each within its time: the loop that one would write by hand."""
    for left in reversed(range(ATTEMPTS)):
        try:
            with trio.fail_after(timeout_s):
                return await agent.process(data)
        except (OSError, trio.TooSlowError):
            if not left:
                raise
        await trio.lowlevel.checkpoint()
    raise RuntimeError("there are no attempts")


class Handwritten(Attempted, Pipelines):
    """A loop around a deadline and ``except``, by hand."""

    def __init__(self) -> None:
        super().__init__(1, trio.run, trio.sleep)

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return what tries one agent after the other."""

        async def execute(data: Any) -> Any:
            for agent in agents:
                data = await attempted(agent, data, timeout_s)
            return data

        return execute

    def timed_out(self, error: BaseException) -> bool:
        """Tell whether a deadline ended the run."""
        return isinstance(error, trio.TooSlowError)


class Atrio(Attempted, stage.Atrio):
    """atrio's pipeline of one stage, with nobody listening."""

    def __init__(self) -> None:
        super().__init__(1)
