"""The asyncio twin's pipeline of no-op stages: on asyncio and on uvloop, quiet and logging."""

import asyncio
import io
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from benchmarks.expected_lines import StageLines, lines_in
from benchmarks.harness.agents import DATA, NoOp
from benchmarks.harness.shapes import Execute, Pipelines, asyncio_run, uvloop_run
from benchmarks.twin.events import stage_log
from benchmarks.twin.logs import logging_to, silenced
from benchmarks.twin.moved import MovedPipeline, call_by_moving
from benchmarks.twin.pipeline import Pipeline
from benchmarks.twin.records import AttemptTimeoutError
from benchmarks.twin.stage import Backoff, Stage, StageConfig, call_by_timeout, call_by_wait_for

LOOPS = {"asyncio": asyncio_run, "uvloop": uvloop_run}
PIPELINE_ID = "yardstick"
CALLS = {"wait_for": call_by_wait_for, "timeout": call_by_timeout}


class Twin(Pipelines):
    """The twin's pipeline, with nobody listening.

    Args:
        stages: how many agents are timed.
        call: how an attempt gets its deadline: by ``asyncio.wait_for``, by ``asyncio.timeout``, or by one timeout a run
            that is ``moved``.
        loop: the event loop: ``asyncio`` or ``uvloop``.
    """

    def __init__(self, stages: int, call: str = "wait_for", loop: str = "asyncio") -> None:
        super().__init__(stages, LOOPS[loop], asyncio.sleep)
        self._moved = call == "moved"
        self._call = call_by_moving if self._moved else CALLS[call]

    def build(self, agents: Sequence[Any], timeout_s: float = 60.0) -> Execute:
        """Return ``execute`` of a pipeline whose stages have the default configuration, but for waits."""
        pipeline = MovedPipeline(PIPELINE_ID) if self._moved else Pipeline(PIPELINE_ID, call=self._call)
        config = StageConfig(timeout=timeout_s, backoff=Backoff(initial=0))
        for index, agent in enumerate(agents):
            pipeline.add_stage(Stage(f"stage_{index}", agent, config=config))
        return pipeline.execute

    def listening(self) -> AbstractContextManager[Any]:
        """Log nothing."""
        return silenced()

    def output_of(self, result: Any) -> Any:
        """Return the output, or raise what ended the run."""
        return result.unwrap()

    def records_of(self, result: Any) -> list[str]:
        """Return the stages recorded as successful."""
        return [record.stage_id for record in result.stages if record.status == "success"]

    def timed_out(self, error: BaseException) -> bool:
        """Tell whether a stage's own deadline ended the run."""
        return isinstance(error.__cause__, AttemptTimeoutError)

    def probe_events(self) -> int:
        """Return how many ends of stages are logged for whoever wants them."""
        heard = io.BytesIO()

        async def main() -> None:
            with self.listening(), logging_to(heard, stage_log, logging.INFO):
                await self.build([NoOp(), NoOp(), NoOp()])(DATA)

        self.run(main)
        return len(lines_in(heard.getvalue(), "stage.end"))


class TwinLines(StageLines, Twin):
    """The twin's pipeline; each end of a stage becomes a line of JSON through ``logging``.

    Args:
        stages: how many agents are timed.
        call: as for `Twin`.
        loop: as for `Twin`.
        buffering: of the file: 0 for a ``write`` a line.
    """

    def __init__(self, stages: int, call: str = "wait_for", loop: str = "asyncio", buffering: int = -1) -> None:
        super().__init__(stages, call, loop)
        self.buffering = buffering

    def writing_to(self, file: BinaryIO) -> AbstractContextManager[Any]:
        """Return the context in which the ends of stages go to the file."""
        return logging_to(file, stage_log, logging.INFO)
