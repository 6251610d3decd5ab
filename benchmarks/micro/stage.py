"""A pipeline of no-op stages on Trio with nobody listening: by hand, and by atrio."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import trio
import trio.testing

import atrio
from atrio.events import Event, StageEnd
from benchmarks.harness.agents import DATA, NoOp, Sleeping
from benchmarks.harness.shapes import Execute, Pipelines
from benchmarks.rivals import handwritten_trio

PIPELINE_ID = "yardstick"


class Handwritten(Pipelines):
    """The Trio loop that one would write without any library: a deadline and a checkpoint a stage."""

    def __init__(self, stages: int) -> None:
        super().__init__(stages, trio.run, trio.sleep)

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:  # noqa: ARG002
        """Return the loop; its deadline is written into it."""
        return partial(handwritten_trio.run_pipeline, agents)

    def probe_timeout(self) -> str:
        """Return ``timeout`` if a stage that takes longer than the loop's minute is cut off; no clock waits for it."""
        slow = Sleeping(trio.sleep, handwritten_trio.STAGE_TIMEOUT_S + 1)
        clock = trio.testing.MockClock(autojump_threshold=0)
        try:
            output = trio.run(handwritten_trio.run_pipeline, [NoOp(), slow, NoOp()], DATA, clock=clock)
        except trio.TooSlowError:
            return "timeout"
        return f"it ended, with {output!r}"


class Atrio(Pipelines):
    """atrio's pipeline, with nobody listening."""

    def __init__(self, stages: int) -> None:
        super().__init__(stages, trio.run, trio.sleep)

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return ``execute`` of a pipeline whose stages have the default configuration, but for waits."""
        pipeline = atrio.Pipeline(PIPELINE_ID)
        config = atrio.StageConfig(timeout=timeout_s, backoff=atrio.Backoff(initial=0))
        for index, agent in enumerate(agents):
            pipeline.add_stage(atrio.Stage(f"stage_{index}", agent, config=config))
        return pipeline.execute

    def output_of(self, result: Any) -> Any:
        """Return the output, or raise what ended the run."""
        return result.unwrap()

    def records_of(self, result: Any) -> list[str]:
        """Return the stages recorded as successful."""
        return [record.stage_id for record in result.stages if record.status == "success"]

    def probe_events(self) -> int:
        """Return how many ends of stages somebody heard who listens besides."""
        heard: list[Event] = []

        async def main() -> None:
            with self.listening(), atrio.observe(heard.append):
                await self.build([NoOp(), NoOp(), NoOp()])(DATA)

        trio.run(main)
        return sum(isinstance(event, StageEnd) for event in heard)
