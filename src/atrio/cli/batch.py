"""``atrio batch``: many inputs through one pipeline, a limit to how many at once, a result line for each."""

import contextlib
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
    RunStatus,
    StageStatus,
    TaskResult,
    TaskStatus,
)
from atrio.cli._configuration import configuration_at, with_settings
from atrio.cli._exits import Exit, exit_for
from atrio.cli._held import Held
from atrio.cli._history import keeping_history
from atrio.cli._interrupts import interrupt_cancels, quit_at_once
from atrio.cli._logs import logging_as
from atrio.cli._options import BatchOptions, FailOn, LogLevel, seconds_or_none, whole_number
from atrio.cli._pipelines import Pipelines, opened
from atrio.cli._progress import PERIOD_S, ProgressBar, is_wanted, progress_bar
from atrio.cli._render import used
from atrio.cli._result_lines import Lines, line_of, result_lines
from atrio.cli._streams import Refused, say, write_out
from atrio.cli._summary import Summary
from atrio.cli._tasks_input import TaskInput, TaskInputs, inputs_at
from atrio.events import AlertRaised, AlertResolved, BatchEnd, BatchProgress, BatchStart, TaskEnd, TaskStart

_DEFAULTS: Final = BatchOptions()
_OF_BATCHES: Final = (BatchStart, BatchProgress, BatchEnd, TaskStart, TaskEnd, AlertRaised, AlertResolved)


async def batch(
    pipeline: Annotated[
        str,
        Parameter(
            help="The pipeline: one of atrio.toml; text-report, which cleans a text, measures it, and writes a report "
            "in Markdown; or module:attribute, one of your own, or a function that returns it, imported from the "
            "current directory first."
        ),
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
    max_concurrent: Annotated[str, Parameter(help="How many tasks run at once at most.")] = "5",
    timeout: Annotated[  # noqa: ASYNC109 - an option of the command, and no limit to the function
        str, Parameter(help="Seconds for the whole batch, or none.")
    ] = "300",
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
    configuration = configuration_at(options.config)
    options = with_settings(options, configuration.cli)
    known = Pipelines(configuration).called(pipeline)
    config = _config(max_concurrent, timeout, task_timeout)
    _check_apart(output, options.log_file)
    sources = await inputs_at(inputs)
    made = known.build()
    history = keeping_history(options, configuration)
    summary = Summary(made.pipeline_id, sources.total)
    with_bar = is_wanted(typed=sources.typed)
    with (
        result_lines(output, wanted=options.format != "table") as lines,
        logging_as(options, _chosen(options, with_bar=with_bar)),
        history as kept,
        progress_bar(sources.total, wanted=with_bar) as bar,
    ):
        status = await _Batch(made, sources, lines, summary, bar, Held(kept)).run(BatchProcessor(config))
    return _ended(status, summary, fail_on, options)


def _ended(status: RunStatus, summary: Summary, fail_on: FailOn | None, options: BatchOptions) -> Exit:
    status = summary.status_of(status)
    if options.format == "table":
        write_out((summary.table(status),))
    elif summary.usage.calls and options.shown_level.value <= LogLevel.INFO.value:
        say(used(summary.usage))
    if complaint := summary.complaint(status):
        say(complaint)
    return exit_for(status, fail_on)


def _check_apart(output: Path | None, log_file: Path | None) -> None:
    if output is not None and log_file is not None and output.resolve() == log_file.resolve():
        raise Refused(f"--output and --log-file are the same file, {str(output)!r}: give each its own.")


def _config(max_concurrent: str, timeout: str, task_timeout: str) -> BatchConfig:
    whole, each = seconds_or_none(timeout, "--timeout"), seconds_or_none(task_timeout, "--task-timeout")
    return BatchConfig(whole_number(max_concurrent, "--max-concurrent"), timeout=whole, task_timeout=each)


def _chosen(options: BatchOptions, *, with_bar: bool) -> Callable[[Event], bool]:
    """Return what says whether stderr shows an event: a bar tells the progress already, and tasks are many."""

    def shown(event: Event) -> bool:
        # Of a task that failed, its own end says why: those of its run and of its stage would say it again.
        if options.log_level in {None, LogLevel.ERROR} and not isinstance(event, _OF_BATCHES):
            return False
        return not (with_bar and isinstance(event, BatchProgress))

    return shown


class _Runner:
    """The agent of every task: reads an input, and runs the pipeline on it.

    Attributes:
        started: how many tasks were begun.
    """

    def __init__(self, pipeline: Pipeline[Any, Any]) -> None:
        self.agent_id = pipeline.pipeline_id
        self.started = 0
        self._pipeline = pipeline

    async def process(self, task: TaskInput) -> Any:
        """Return what the pipeline made of the input.

        Raises:
            InputError: it cannot be used.
            PipelineError: the run failed.
        """
        self.started += 1
        result = await self._pipeline.execute(await task.read())
        task.usage = result.usage
        if result.status is RunStatus.DEGRADED:
            task.skipped = tuple(record.stage_id for record in result.stages if record.status is StageStatus.SKIPPED)
        return result.unwrap()


class _Pairs:
    """What the batch is made of: each input with the agent. It has a length if the inputs have one.

    Attributes:
        pulled: the inputs whose outcomes were not taken yet, by their index.
    """

    def __init__(self, runner: _Runner, inputs: TaskInputs) -> None:
        self.pulled: dict[int, TaskInput] = {}
        self._runner = runner
        self._inputs = inputs
        self._indices = itertools.count()

    def __len__(self) -> int:
        return len(self._inputs)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[_Runner, TaskInput]:
        task = await anext(self._inputs)
        self.pulled[next(self._indices)] = task
        return self._runner, task

    async def aclose(self) -> None:
        await self._inputs.aclose()


class _Batch:
    """One batch, whose results are written as they come.

    Args:
        pipeline: what runs.
        inputs: on what.
        lines: where the results go.
        summary: counts them.
        bar: shows how far it is, or None.
        held: holds outcomes back until the history has them.
    """

    def __init__(
        self,
        pipeline: Pipeline[Any, Any],
        inputs: TaskInputs,
        lines: Lines,
        summary: Summary,
        bar: ProgressBar | None,
        held: Held,
    ) -> None:
        self._pipeline = pipeline
        self._runner = _Runner(pipeline)
        self._pairs = _Pairs(self._runner, inputs)
        self._lines = lines
        self._summary = summary
        self._bar = bar
        self._held = held

    async def run(self, processor: BatchProcessor) -> RunStatus:
        """Run all tasks, and return how the batch ended.

        Raises:
            KeyboardInterrupt: it was interrupted; the text says what was done by then.
        """
        begun = trio.current_time()
        name = self._pipeline.pipeline_id
        scope = trio.CancelScope()
        with interrupt_cancels(scope, insist=quit_at_once) as interrupt:
            # The stream closes its source, if it comes to that: an agent may not open.
            async with (
                contextlib.aclosing(self._pairs),
                opened(self._pipeline),
                processor.stream(self._pairs, name=name) as outcomes,
            ):
                try:
                    with scope:
                        await self._take_all(outcomes)
                    if scope.cancelled_caught:
                        outcomes.cancel()
                        await self._take_what_finished(outcomes)
                finally:
                    # It shields itself, and its only limit is the reader's patience.
                    await self._tell_the_rest()  # noqa: ASYNC102
        self._summary.duration_s = trio.current_time() - begun
        self._summary.started = self._runner.started
        self._summary.usage = outcomes.usage
        if outcomes.status is RunStatus.CANCELLED:
            raise interrupt.raised(f"batch {outcomes.batch_id} of {name} was cancelled: {self._summary.stopped()}")
        return outcomes.status

    async def _take_all(self, outcomes: Outcomes[Any]) -> None:
        outcome: TaskResult[Any] | None = None
        while True:
            with trio.move_on_after(self._patience_s()) as waiting:
                outcome = await anext(outcomes, None)
            if waiting.cancelled_caught:
                if self._bar is not None:
                    self._bar.tick()
                await self._tell()
            elif outcome is None:
                return
            else:
                await self._take(outcome)

    def _patience_s(self) -> float:
        return min(self._held.look_s, inf if self._bar is None else PERIOD_S)

    async def _take_what_finished(self, outcomes: Outcomes[Any]) -> None:
        async for outcome in outcomes:
            # What was stopped is said, and may be run again.
            if outcome.status is not TaskStatus.CANCELLED:
                await self._take(outcome)

    async def _take(self, outcome: TaskResult[Any]) -> None:
        if outcome.status is TaskStatus.NOT_STARTED:
            return
        self._held.add(outcome, self._pairs.pulled.pop(outcome.index))
        await self._tell()
        while self._held.is_full:
            await trio.sleep(self._held.look_s)
            await self._tell()

    async def _tell(self) -> None:
        """Write the lines of those tasks that the history has."""
        while (ready := self._held.take()) is not None:
            outcome, task = ready
            # No half of a line, and no outcome that is written and not counted.
            try:
                with trio.CancelScope(shield=True):
                    await self._lines.write(line_of(outcome, task, ascii_only=self._lines.ascii_only))
            except BaseException:
                # There is nowhere to tell the others, either.
                self._held.clear()
                raise
            self._summary.add(outcome, task)
            if self._bar is not None:
                self._bar.count(failed=outcome.status is not TaskStatus.SUCCESS)

    async def _tell_the_rest(self) -> None:
        # Whatever it was that ended the batch: it takes a moment, and no outcome is lost.
        with trio.CancelScope(shield=True):
            await self._tell()
            while self._held:
                await trio.sleep(self._held.look_s)
                await self._tell()
