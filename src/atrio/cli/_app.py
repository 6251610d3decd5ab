"""The application: its commands, and what every end of it means as an exit code."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from cyclopts import (
    App,
    ArgumentCollection,
    CycloptsError,
    MissingArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from atrio import __version__
from atrio.cli._composing import add_composing_commands
from atrio.cli._exits import Exit
from atrio.cli._interrupts import exit_of_interrupt
from atrio.cli._render import console_of_stdout
from atrio.cli._secrets import forget_what_is_secret
from atrio.cli._streams import (
    NoSuchOption,
    Refused,
    Unopened,
    Unwritable,
    say,
    stdout_for_results,
    write_out,
)
from atrio.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from rich.console import Console

app: Final = App(
    name="atrio",
    help="Compose pipelines of small agents, run them, and see what happens in them.",
    usage="Usage: atrio COMMAND [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio run text-report README.md\n"
    "  atrio assemble content_analysis reporting --run README.md",
    # Markdown would take half as long again to import as all the rest that --help needs.
    help_format="plaintext",
    version=f"atrio {__version__}",
    version_format="plaintext",
    backend="trio",
    # main() decides about interrupts, errors and exit codes.
    suppress_keyboard_interrupt=False,
    print_error=False,
    exit_on_error=False,
    result_action="return_value",
)

# By its import path, so that a command is imported when it is called or asked for its help, and not for that of others.
app.command(
    "atrio.cli.run:run",
    name="run",
    help="Run a pipeline on one input.\n\n"
    "The output goes to stdout, everything else to stderr. The exit code is 0 for success, 1 if the run failed, 2 if "
    "the command line or the input cannot be used, and 130 if it was interrupted.",
    usage="Usage: atrio run PIPELINE [INPUT] [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio run text-report README.md\n"
    "  cat README.md | atrio run text-report --log-level warning\n"
    "  atrio run text-report --value '\"Some text.\"' --format json",
)

app.command(
    "atrio.cli.batch:batch",
    name="batch",
    help="Run a pipeline on many inputs.\n\n"
    "As each task finishes, its result goes to stdout, as a line of JSON with its index and input; everything else "
    "goes to stderr. A task whose input cannot be used fails alone. The exit code is 0 for success, or if more than "
    "half of the tasks succeeded, 1 if the batch failed or ran out of time, 2 if the command line or the input cannot "
    "be used, and 130 if it was interrupted; what finished by then is written.",
    usage="Usage: atrio batch PIPELINE [INPUT...] [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio batch text-report README.md CHANGELOG.md --output reports.jsonl\n"
    '  printf \'"Some text."\\n"More text."\\n\' | atrio batch text-report -\n'
    "  atrio batch text-report *.md --max-concurrent 20 --timeout none --format table",
)

app.command(
    "atrio.cli.bench:bench",
    name="bench",
    help="Compare pipelines on the same inputs.\n\n"
    "They take turns, in an order drawn anew for each round, so that what slows the machine slows all. Shown are each "
    "one's latencies, throughput, failures and what retries cost, and how far each is from the first, with a 95 % "
    "interval. A run that fails is counted, and nothing is stopped. The exit code is 0 if of each pipeline more than "
    "half of the runs reached their end, 1 if not, or if time was up, 2 if the command line or the input cannot be "
    "used, and 130 if it was interrupted; what was measured by then is shown.",
    usage="Usage: atrio bench PIPELINE... --input FILE [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio bench text-report --input README.md\n"
    "  atrio bench text-report text-report --input README.md --rounds 50\n"
    "  atrio bench text-report text-report --format json \\\n"
    "    --input README.md --input CHANGELOG.md",
)

add_composing_commands(app)

app.command(
    "atrio.cli.status:status",
    name="status",
    help="Show what ran: the latest runs, or all that is kept of one.\n\n"
    "Of each run there are its state, its time, what failed in it, and the times of the latest ones of that name as "
    "bars; then come the alerts. Of one run there is every stage with its attempts, waits and errors; of a batch there "
    "are counts, percentiles, and the slowest and the failed tasks. The exit code is 0, 2 if there is no such run or "
    "the history cannot be read, and 130 if it was interrupted.",
    usage="Usage: atrio status [RUN] [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio run text-report README.md && atrio status\n"
    "  atrio status --limit 100 --format json\n"
    "  atrio status --watch",
)

app.command(
    "atrio.cli.report:report",
    name="report",
    help="Write a page about a run: its stages on a time line, its figures, its errors.\n\n"
    "The page is one file of HTML that needs no network and no script: it can be sent, printed, and read on a phone. "
    "Whatever an agent or an error said is shown as text. The page's path goes to stdout. The exit code is 0, 1 if the "
    "page cannot be written, 2 if there is no such run, the history cannot be read or the file holds something else, "
    "and 130 if it was interrupted.",
    usage="Usage: atrio report [RUN] [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio run text-report README.md && atrio report\n"
    "  atrio report --output report.html\n"
    "  atrio report --output - > report-on-stdout.html",
)

events: Final = App(
    name="events",
    help="Check and sum up the logs of runs, and describe their lines.",
    usage="Usage: atrio events COMMAND [OPTIONS]",
    help_epilogue="Example:\n\n  atrio events check run.log",
)
app.command(events)

events.command(
    "atrio.cli.events:schema",
    name="schema",
    help="Print the JSON Schema of a line of a log.\n\n"
    "It is made from the events themselves, for all tools that read JSON Schema, draft 2020-12.",
    usage="Usage: atrio events schema",
    help_epilogue="Example:\n\n  atrio events schema > atrio.schema.json",
)

events.command(
    "atrio.cli.events:check",
    name="check",
    help="Say whether logs are valid and complete.\n\n"
    "Is every line as its event should be? Do the numbers of each run's lines, seq, have gaps, or come twice? What "
    "began and has no end, so that it was in flight? Lines of other programs are counted, and a torn last line is "
    "said. Files of any size are read in constant memory. The exit code is 0 if all is well, 1 if lines are invalid, "
    "missing, repeated, dropped or without their end, or none is atrio's, 2 if a file cannot be read, and 130 if it "
    "was interrupted.",
    usage="Usage: atrio events check FILE... [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio events check run.log\n"
    "  atrio events check run.log --rotated --format json\n"
    "  cat run.log | atrio events check -",
)

events.command(
    "atrio.cli.events:summary",
    name="summary",
    help="Sum up logs: runs, stages, batches and their tasks, circuit breakers.\n\n"
    "Shown are how often and how each ended, retries, and the 50th, 95th and 99th percentile of their durations, "
    "within 1 %; and what was in flight at the end. Files of any size are read in constant memory. The exit code is 0, "
    "or 1 if no line is atrio's, 2 if a file cannot be read, and 130 if it was interrupted.",
    usage="Usage: atrio events summary FILE... [OPTIONS]",
    help_epilogue="Examples:\n\n"
    "  atrio events summary run.log\n"
    "  atrio events summary run.log --rotated --format json\n"
    "  zcat -f run.log | atrio events summary -",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code.

    Args:
        arguments: what follows the program's name; by default that of this process.
    """
    _forgive_encodings()
    forget_what_is_secret()
    code: int = Exit.INTERRUPTED
    with stdout_for_results(), _same_path_afterwards():
        try:
            code = _ended(sys.argv[1:] if arguments is None else arguments)
        except* KeyboardInterrupt as interrupts:
            say(_interrupted(interrupts))
            code = exit_of_interrupt(_innermost(interrupts))
    return code


@contextlib.contextmanager
def _same_path_afterwards() -> Generator[None]:
    """Give a host's process back the list of directories to import from that it had."""
    before = sys.path[:]
    try:
        yield
    finally:
        sys.path[:] = before


def _ended(arguments: Sequence[str]) -> Exit:
    try:
        code: Exit | None = app(arguments, console=cast("Console", _ForHelp()))
    except (CycloptsError, Refused, ConfigError) as error:
        for sentence in _sentences_of(error):
            say(sentence)
        return Exit.UNUSABLE
    except (Unwritable, Unopened) as reason:
        say(str(reason))
        return Exit.FAILED
    except BrokenPipeError:
        return Exit.STDOUT_CLOSED
    # Help and version answer nothing.
    return Exit.SUCCESS if code is None else code


def _sentences_of(error: CycloptsError | Refused | ConfigError) -> list[str]:
    """Return what cannot be used, and why, a line each."""
    if isinstance(error, CycloptsError):
        return [_misused(error)]
    if isinstance(error, ConfigError):
        return [str(problem) for problem in error.problems]
    if isinstance(error, NoSuchOption):
        known = app["batch"].assemble_argument_collection()
        return [f"{_unknown_option(str(error), known)} See atrio batch --help."]
    return [str(error)]


def _forgive_encodings() -> None:
    """Let stdout show what its encoding lacks as escapes: a result is not lost for one character."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # not where it is closed, or a host has put its own in its place
        sys.stdout.reconfigure(errors="backslashreplace")


def _misused(error: CycloptsError) -> str:
    """Return what is wrong with the command line, and where to read what would be right, in sentences."""
    error.verbose = False
    command = " ".join(("atrio", *(error.command_chain or ())))
    what = str(error)
    unused = error.unused_tokens or []
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.keyword or error.argument.name
        what = f"{name} needs a value." if name.startswith("-") else f"{name} is missing."
    elif "--" in (error.root_input_tokens or []) and isinstance(error, UnusedCliTokensError | UnknownOptionError):
        what = "nothing that comes after -- is an option: put options before it."
    elif isinstance(error, UnknownCommandError) and unused[0].startswith("-"):
        what = f"{unused[0]!r} comes before the command, and options come after it."
    elif isinstance(error, UnusedCliTokensError):
        what = _mistyped_option(error) or f"that is more than {command} takes: {' '.join(map(repr, unused))}."
    return f"{what} See {command} --help."


def _mistyped_option(error: UnusedCliTokensError) -> str | None:
    """Return what is wrong with an option that was taken for an input, which leaves its value over; None if none was.

    Inputs may begin with a hyphen, so that one can be ``-``.
    """
    known = (error.app or app).assemble_argument_collection()
    names = {name for argument in known for name in argument.names}
    for word in error.root_input_tokens or []:
        name = word.partition("=")[0]
        if name.startswith("-") and name not in {"-", *names}:
            return _unknown_option(name, known)
    return None


def _unknown_option(name: str, known: ArgumentCollection) -> str:
    token = Token(value=name, source="cli")
    return str(UnknownOptionError(token=token, argument_collection=known, verbose=False))


def _interrupted(interrupts: BaseExceptionGroup[KeyboardInterrupt]) -> str:
    error = _innermost(interrupts)
    return f"interrupted: {error}." if str(error) else "interrupted."


def _innermost(interrupts: BaseExceptionGroup[KeyboardInterrupt]) -> BaseException:
    error: BaseException = interrupts
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _ForHelp:
    """What help and the version are printed with: as results are, so that whoever does not read them is told apart."""

    def print(self, *objects: Any, **options: Any) -> None:
        console = console_of_stdout()
        with console.capture() as captured:
            console.print(*objects, **options)
        write_out([captured.get()])

    def __getattr__(self, name: str) -> Any:
        return getattr(console_of_stdout(), name)
