"""``atrio run``: one input through one pipeline."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final

import trio
from cyclopts import Parameter

from atrio import Pipeline, PipelineContext, PipelineResult, RunStatus
from atrio.cli._configuration import configuration_at, with_level
from atrio.cli._exits import Exit, exit_for
from atrio.cli._history import keeping_history
from atrio.cli._inputs import read_task
from atrio.cli._interrupts import interrupt_cancels
from atrio.cli._logs import logging_as
from atrio.cli._options import FailOn, LogLevel, Options
from atrio.cli._pipelines import Pipelines, ReadyMade, opened
from atrio.cli._render import as_json, as_table, complaint_of, output_of, used, without_secrets_in_errors
from atrio.cli._streams import say, write_out

if TYPE_CHECKING:
    from atrio.config import Configuration

_DEFAULTS: Final = Options()


async def run(
    pipeline: Annotated[
        str,
        Parameter(
            help="The pipeline: one of atrio.toml; text-report, which cleans a text, measures it, and writes a report "
            "in Markdown; or module:attribute, one of your own, or a function that returns it, imported from the "
            "current directory first."
        ),
    ],
    input: Annotated[  # noqa: A002 - it is INPUT on the command line
        str | None,
        Parameter(
            help="A file, or - for standard input, which is also read if there is no INPUT and it is no terminal. "
            "A .json file is parsed, and so is the one line of a .jsonl file; anything else is text.",
            # For the - alone: what else begins with a hyphen, and is no option, is looked for as a file.
            allow_leading_hyphen=True,
        ),
    ] = None,
    /,
    *,
    value: Annotated[str | None, Parameter(help="The input itself, as JSON, in place of INPUT.")] = None,
    fail_on: Annotated[
        FailOn | None,
        Parameter(help="Exit with 1 if the run is degraded: it reached its end, but a stage was skipped."),
    ] = None,
    options: Options = _DEFAULTS,
) -> Exit:
    """Run a pipeline on one input, and return the exit code."""
    configuration = configuration_at(options.config)
    known = Pipelines(configuration).called(pipeline)
    task = read_task(input, value)
    return await ran(known, task, configuration, with_level(options, configuration.cli), fail_on)


async def ran(
    known: ReadyMade, task: Any, configuration: "Configuration", options: Options, fail_on: FailOn | None
) -> Exit:
    """Run a pipeline on `task`, print what `options` ask for, and return the exit code."""
    history = keeping_history(options, configuration)
    with logging_as(options), history:
        result = await _result_of(known.build(), task)
        # Before the history is closed, which may wait for another process.
        write_out(_rendered(result, options))
    if options.format is None and result.usage.calls and options.shown_level.value <= LogLevel.INFO.value:
        say(used(result.usage))
    debugged = options.shown_level is LogLevel.DEBUG
    if complaint := complaint_of(result, known.takes, stack_was_shown=debugged):
        say(complaint)
    if result.status is RunStatus.FAILED and known.takes is None and _is_json(task):
        say("the input was text that is JSON: what is to be read as JSON comes from a .json file, or by --value.")
    return exit_for(result.status, fail_on)


def _is_json(task: Any) -> bool:
    if not isinstance(task, str) or not task.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(task)
    except (ValueError, RecursionError):
        return False
    return True


async def _result_of(pipeline: Pipeline[Any, Any], task: Any) -> PipelineResult[Any]:
    context = PipelineContext(pipeline.pipeline_id)
    result = None
    with trio.CancelScope() as scope, interrupt_cancels(scope) as interrupt:
        async with opened(pipeline):
            result = await pipeline.execute(task, context)
    # An interrupt that comes while the agents are closed is too late to undo what was finished.
    if result is None:
        raise interrupt.raised(f"run {context.run_id} of {pipeline.pipeline_id} was cancelled")
    return result


def _rendered(result: PipelineResult[Any], options: Options) -> Iterable[str]:
    if options.format == "json":
        return as_json(without_secrets_in_errors(result))
    if options.format == "table":
        return (as_table(result),)
    return () if result.status is RunStatus.FAILED else output_of(result)
