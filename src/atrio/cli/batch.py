"""``atrio batch``: many inputs through one pipeline, a limit to how many at once, a result line for each."""

import itertools
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final, Self

import trio
from cyclopts import Parameter

from atrio import (
    BatchConfig,
    BatchProcessor,
    Event,
    Outcomes,
    Pipeline,
    PipelineResult,
    RunStatus,
    TaskResult,
    TaskStatus,
)
from atrio.cli._exits import Exit, exit_for
from atrio.cli._interrupts import interrupt_cancels, quit_at_once
from atrio.cli._logs import logging_as
from atrio.cli._options import BatchOptions, FailOn
from atrio.cli._pipelines import pipeline_called
from atrio.cli._progress import PERIOD_S, ProgressBar, is_wanted, progress_bar
from atrio.cli._result_lines import Lines, line_of, result_lines
from atrio.cli._streams import Refused, say, write_out
from atrio.cli._summary import Summary
from atrio.cli._tasks_input import TaskInput, TaskInputs, inputs_at
from atrio.events import BatchEnd, BatchProgress, BatchStart, TaskEnd, TaskStart

_DEFAULTS: Final = BatchOptions()
_LIMITS: Final = BatchConfig()
_GRACE_S: Final = 0.05
"""Seconds to wait for an outcome that may be there already."""
_OF_BATCHES: Final = (BatchStart, BatchProgress, BatchEnd, TaskStart, TaskEnd)


async def batch(  # noqa: PLR0913 - one for each option
    pipeline: Annotated[
        str,
        Parameter(help="The pipeline: text-report cleans a text, measures it, and writes a report in Markdown."),
    ],
    /,
    *inputs: Annotated[
        str,
        Parameter(
            name="INPUT",
            help="Files: a .jsonl file holds a task of JSON a line, a .json file is one task, any other is one of "
            "text. With -, standard input is read, as JSON lines; so it is if there is no INPUT and it is no terminal.",
            # For the - alone: what else begins with a hyphen, and is no option, is looked for as a file.
            allow_leading_hyphen=True,
        ),
    ],
    max_concurrent: Annotated[int, Parameter(help="How many tasks run at once at most.")] = _LIMITS.max_concurrent,
    timeout: Annotated[str, Parameter(help="Seconds for the whole batch, or none.")] = "300",
    task_timeout: Annotated[str, Parameter(help="Seconds for each task, from its own start, or none.")] = "none",
    output: Annotated[
        Path | None,
        Parameter(help="Write the result lines to this file, which must be new or empty, in place of stdout."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        Parameter(
            help="Exit with 1 if the batch is degraded: some tasks failed, but less than half, or some skipped a stage."
        ),
    ] = None,
    options: BatchOptions = _DEFAULTS,
) -> Exit:
    """Run a pipeline on many inputs, and return the exit code."""
    known = pipeline_called(pipeline)
    config = _config(max_concurrent, timeout, task_timeout)
    sources = await inputs_at(inputs)
    made = known.build()
    summary = Summary(made.pipeline_id, sources.total)
    with_bar = is_wanted(typed=sources.typed)
    with (
        result_lines(output, wanted=options.format != "table") as lines,
        logging_as(options, _chosen(options, with_bar=with_bar)),
        progress_bar(sources.total, wanted=with_bar) as bar,
    ):
        status = await _Batch(made, sources, summary, lines, bar).run(BatchProcessor(config))
    return _ended(status, summary, fail_on, options)


def _ended(status: RunStatus, summary: Summary, fail_on: FailOn | None, options: BatchOptions) -> Exit:
    status = summary.status_of(status)
    if options.format == "table":
        write_out((summary.table(status),))
    if complaint := summary.complaint(status):
        say(complaint)
    return exit_for(status, fail_on)


def _config(max_concurrent: int, timeout: str, task_timeout: str) -> BatchConfig:
    limits = {"--timeout": timeout, "--task-timeout": task_timeout}
    whole, each = (_seconds(text, option) for option, text in limits.items())
    if max_concurrent < 1:
        raise Refused(f"--max-concurrent must be 1 at least, not {max_concurrent}.")
    return BatchConfig(max_concurrent=max_concurrent, timeout=whole, task_timeout=each)


def _seconds(text: str, option: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:  # NaN is neither
        raise Refused(f"{option} must be seconds above 0, or none: not {text!r}.")
    return seconds


def _chosen(options: BatchOptions, *, with_bar: bool) -> Callable[[Event], bool]:
    """Return what says whether stderr shows an event: a bar tells the progress already, and tasks are many."""

    def shown(event: Event) -> bool:
        if options.log_level is None and not isinstance(event, _OF_BATCHES):
            return False
        return not (with_bar and isinstance(event, BatchProgress))

    return shown


class _Batch:
    """One batch from its inputs to its result lines."""

    def __init__(
        self,
        pipeline: Pipeline[Any, Any],
        inputs: TaskInputs,
        summary: Summary,
        lines: Lines,
        bar: ProgressBar | None,
    ) -> None:
        self.agent_id = pipeline.pipeline_id
        self._pipeline = pipeline
        self._inputs = inputs
        self._summary = summary
        self._lines = lines
        self._bar = bar
        self._pulled = itertools.count()
        self._names: dict[int, str] = {}
        self._started = 0

    async def run(self, processor: BatchProcessor) -> RunStatus:
        """Run all tasks, and return how the batch ended.

        Raises:
            KeyboardInterrupt: it was interrupted; the text says what was done by then.
        """
        begun = trio.current_time()
        scope = trio.CancelScope()
        with interrupt_cancels(scope, insist=quit_at_once):
            async with self._pipeline, processor.stream(self, name=self.agent_id) as outcomes:
                with scope:
                    await self._take_all(outcomes)
                if scope.cancelled_caught:
                    outcomes.drain()
                    await self._take_what_is_there(outcomes)
        self._summary.duration_s = trio.current_time() - begun
        self._summary.started = self._started
        if scope.cancelled_caught:
            stopped = self._summary.stopped()
            raise KeyboardInterrupt(f"batch {outcomes.batch_id} of {self.agent_id} was cancelled: {stopped}")
        return outcomes.status

    # An async iterator of pairs.

    def __len__(self) -> int:
        return len(self._inputs)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Self, TaskInput]:
        task = await anext(self._inputs)
        self._names[next(self._pulled)] = task.name
        return self, task

    async def aclose(self) -> None:
        """Close what is being read."""
        await self._inputs.aclose()

    # The agent of every pair.

    async def process(self, task: TaskInput) -> PipelineResult[Any]:
        """Read the input, and run the pipeline on it."""
        self._started += 1
        result = await self._pipeline.execute(await task.read())
        result.unwrap()
        return result

    # What is done with the outcomes.

    async def _take_all(self, outcomes: Outcomes[PipelineResult[Any]]) -> None:
        while True:
            with trio.move_on_after(inf if self._bar is None else PERIOD_S) as waiting:
                outcome = await anext(outcomes, None)
            if not waiting.cancelled_caught:
                if outcome is None:
                    return
                await self._take(outcome)
            elif self._bar is not None:
                self._bar.draw()

    async def _take_what_is_there(self, outcomes: Outcomes[PipelineResult[Any]]) -> None:
        """Take what finished before the interrupt, so that nothing which was done is lost."""
        outcome = None
        with trio.move_on_after(_GRACE_S):
            outcome = await anext(outcomes, None)
        if outcome is not None:
            await self._take(outcome)
            await self._take_what_is_there(outcomes)

    async def _take(self, outcome: TaskResult[PipelineResult[Any]]) -> None:
        name = self._names.pop(outcome.index)
        if outcome.status is TaskStatus.NOT_STARTED:
            return
        # No half of a line, and no outcome that is counted and not written.
        with trio.CancelScope(shield=True):
            await self._lines.write(line_of(outcome, name, ascii_only=self._lines.ascii_only))
        self._summary.add(outcome, name)
        if self._bar is not None:
            self._bar.count(failed=outcome.status is not TaskStatus.SUCCESS)
