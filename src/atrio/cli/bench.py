"""``atrio bench``: pipelines side by side on the same inputs, and how far they differ."""

import contextlib
import sys
from collections.abc import Generator, Sequence
from random import randrange
from typing import Annotated, Final

from cyclopts import Parameter

from atrio import RunStatus, observe_only
from atrio.cli._bench_report import Report, as_dict, as_text, report_on
from atrio.cli._bench_run import Bench, Contestant, Plan, cases_at, labels
from atrio.cli._bench_words import complaint_of
from atrio.cli._configuration import configuration_at, with_settings
from atrio.cli._exits import Exit, exit_for
from atrio.cli._inputs import STDIN
from atrio.cli._logs import logging_as
from atrio.cli._options import BenchOptions, FailOn, seconds_or_none, whole_number
from atrio.cli._pipelines import Pipelines
from atrio.cli._progress import is_wanted, progress_bar
from atrio.cli._render import as_json
from atrio.cli._streams import Refused, say, write_out

_DEFAULTS: Final = BenchOptions()
_SEEDS: Final = 2**32


async def bench(
    *pipelines: Annotated[
        str,
        Parameter(
            name="PIPELINE",
            help="What is measured: a pipeline of atrio.toml, text-report, or module:attribute, which is one of your "
            "own, or a function that returns it, imported from the current directory first. All others are compared "
            "with the first; one that is named twice is compared with itself.",
        ),
    ],
    inputs: Annotated[
        tuple[str, ...],
        Parameter(
            name="--input",
            negative="",
            show_default=False,
            help="A file that all of them run on: of a .jsonl file each line of JSON, of a .json file all of it, of "
            "any other its text. It can be given several times. With -, standard input is read to its end, as JSON "
            "lines.",
            # For the - alone, as in the other commands.
            allow_leading_hyphen=True,
        ),
    ] = (),
    rounds: Annotated[
        str,
        Parameter(
            help="How many rounds are measured. In each, every pipeline runs on every input, in an order drawn anew."
        ),
    ] = "20",
    warmup: Annotated[str, Parameter(help="How many rounds come before, and are not counted.")] = "1",
    max_concurrent: Annotated[
        str,
        Parameter(
            help="How many runs of a pipeline go on at once. Above 1, pipelines take turns by blocks, each of all "
            "inputs."
        ),
    ] = "1",
    timeout: Annotated[  # noqa: ASYNC109 - an option of the command, and no limit to the function
        str, Parameter(help="Seconds for all of it, or none. What was measured by then is shown.")
    ] = "300",
    seed: Annotated[
        str | None, Parameter(help="A number that the order of runs depends on; drawn, and shown, if it is not given.")
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        Parameter(
            help="Exit with 1 if a pipeline is degraded: some of its runs failed, but less than half, or some skipped "
            "a stage."
        ),
    ] = None,
    options: BenchOptions = _DEFAULTS,
) -> Exit:
    """Measure pipelines side by side, and return the exit code."""
    logged = options.log_level is not None or options.log_file is not None
    plan = Plan(
        whole_number(rounds, "--rounds"),
        whole_number(warmup, "--warmup", least=0),
        whole_number(max_concurrent, "--max-concurrent"),
        seconds_or_none(timeout, "--timeout"),
        randrange(_SEEDS) if seed is None else whole_number(seed, "--seed", least=0),  # noqa: S311 - no secret
        logged,
    )
    if not pipelines:
        raise Refused("there is no pipeline: name one, or several to compare.")
    configuration = configuration_at(options.config)
    options = with_settings(options, configuration.cli)
    named = Pipelines(configuration)
    known = [named.called(name) for name in pipelines]
    cases = await cases_at(inputs)
    made = zip(labels(pipelines), pipelines, known, strict=True)
    measured = Bench([Contestant(label, name, each.build()) for label, name, each in made], cases, plan)
    with _logging(options, wanted=logged), progress_bar(measured.all_runs, wanted=_has_bar(inputs)) as bar:
        ended = await measured.run(bar)
    return _ended(report_on(measured, ended), fail_on, options)


def _has_bar(inputs: Sequence[str]) -> bool:
    return is_wanted(typed=STDIN in inputs and sys.stdin.isatty())


@contextlib.contextmanager
def _logging(options: BenchOptions, *, wanted: bool) -> Generator[None]:
    """Log in the block what `options` ask for; if nothing is `wanted`, not even an event is made."""
    if not wanted:
        with observe_only():
            yield
        return
    with logging_as(options, lambda _: options.log_level is not None):
        yield


def _ended(report: Report, fail_on: FailOn | None, options: BenchOptions) -> Exit:
    write_out(as_json(as_dict(report)) if options.format == "json" else as_text(report))
    measured = report.measured
    complaint = complaint_of(report.ended, report.figures, planned=measured.planned, duration_s=measured.duration_s)
    if complaint:
        say(complaint)
    if report.ended is RunStatus.CANCELLED:
        raise measured.interrupt.raised(f"{len(measured.samples):,} of {measured.planned:,} runs were measured")
    return exit_for(report.status, fail_on)
