"""The suite's command: ``python -m benchmarks --help``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import commands
from benchmarks.analysis.runs import RunFileError
from benchmarks.catalogue import SUITES, UnknownSelectionError
from benchmarks.harness.folders import NothingToResumeError

EXAMPLES = """\
examples:
  python -m benchmarks                          the quick suite, about ten minutes
  python -m benchmarks run --only stage,batch   some of it
  python -m benchmarks run --rigorous           all of it, 25 rounds, hours
  python -m benchmarks run --resume             go on with a run that was interrupted
  python -m benchmarks compare OLD NEW          two runs: what changed, and how sure that is
  python -m benchmarks list                     what there is to measure
"""


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def words(text: str) -> list[str]:
    """Return words that were parted by commas."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError("it needs words, such as stage,batch")
    return found


def arguments() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure atrio beside the hand-written loop, the asyncio twin, and other libraries.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    of = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = of.add_parser("run", help="measure (the default)", description="Measure, and write a folder with the report.")
    run.set_defaults(call=commands.run)
    tier = run.add_mutually_exclusive_group()
    tier.add_argument("--core", action="store_true", help="what CI measures, in less than two minutes")
    tier.add_argument("--rigorous", action="store_true", help="everything, in 25 rounds: hours")
    run.add_argument(
        "--only", type=words, default=[], metavar="WORD,...",
        help=f"only what these pick: suites ({', '.join(SUITES)}), works, programs, or parts of their names",
    )  # fmt: skip
    run.add_argument(
        "--rounds",
        type=positive,
        metavar="N",
        help="how often each is measured (default: 7, those that take long 3; core 5; rigorous 25)",
    )
    run.add_argument("--seed", type=int, default=20, help="of the order in which programs are measured (default: 20)")
    run.add_argument("--results", type=Path, default=commands.RESULTS, metavar="FOLDER", help="where runs are kept")
    run.add_argument("--resume", action="store_true", help="go on with the latest run that was interrupted")

    report = of.add_parser(
        "report", help="make the report of runs anew", description="Make the report anew from what runs wrote down."
    )
    report.set_defaults(call=commands.report)
    report.add_argument("run", type=Path, help="a run's folder or its run.json")
    report.add_argument(
        "--docs", action="store_true", help="take it as the reference: benchmarks/results and docs/benchmarks.md"
    )

    compare = of.add_parser("compare", help="compare two runs", description="Say what changed between two runs.")
    compare.set_defaults(call=commands.compare)
    compare.add_argument("old", type=Path, help="a run's folder or its run.json")
    compare.add_argument("new", type=Path, help="the same, later")

    gate = of.add_parser(
        "gate", help="measure the core and fail if a ratio is much worse than the recorded one",
        description="Measure the core; exit with 1 if a ratio is worse than the recorded one by a factor of 1.5.",
    )  # fmt: skip
    gate.set_defaults(call=commands.gate)
    gate.add_argument("--rounds", type=positive, help="how often each is measured (default: 5)")
    gate.add_argument("--results", type=Path, default=commands.RESULTS, metavar="FOLDER", help="where runs are kept")
    gate.add_argument("--reference", type=Path, default=commands.REFERENCE, metavar="FILE", help="the recorded run")

    listed = of.add_parser("list", help="list all programs", description="List all programs, their tiers and features.")
    listed.set_defaults(call=commands.listed)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks for, and return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help"}):
        given.insert(0, "run")
    try:
        return commands_code(arguments().parse_args(given))
    except (UnknownSelectionError, RunFileError, NothingToResumeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except commands.RefusedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: `--resume` goes on from here.", file=sys.stderr)
        return 130


def commands_code(options: argparse.Namespace) -> int:
    """Return what the chosen command returns."""
    return options.call(options)


if __name__ == "__main__":
    sys.exit(main())
