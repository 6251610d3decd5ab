"""What is measured of lines of JSON: written one by one, and read."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Work

STAGES, RUNS = 20, 1_000
LINES = RUNS * (STAGES + 2)

WRITTEN = Work("line.written", "The end of a stage as a line of JSON, in a write of its own", "line",
               answer=["stage.end"] * 3)  # fmt: skip
LOGGED = Work("line.logged", "The end of a stage through structlog's fastest configuration, flushed a line", "line",
              answer=["stage.end"] * 3)  # fmt: skip
READ = Work("line.read", f"A log of {LINES:,} lines, read", "line", LINES, answer=[RUNS, RUNS * STAGES])
WORKS = (WRITTEN, LOGGED, READ)
EACH = "a line of JSON each, a `write` a line"


def _program(
    work: Work, name: str, label: str, build: str, subject: str, hears: str = EACH, **options: object
) -> Program:
    return Program(f"{work.name}.{name}", label, work.name, f"benchmarks.micro.line:{build}", options, hears=hears,
                   subject=subject)  # fmt: skip


PROGRAMS = (
    _program(WRITTEN, "by-hand", "`orjson.dumps` and `os.write` of fields that are there already", "ByHand", "hand"),
    _program(WRITTEN, "path", "`JsonLinesSink` with a path, which it follows", "BySink", "atrio", followed=True),
    _program(WRITTEN, "descriptor", "`JsonLinesSink` with a descriptor", "BySink", "atrio", followed=False),
    _program(LOGGED, "by-hand", "a call of the logger with fields that are there already", "ByStructlog", "hand",
             sink=False),
    _program(LOGGED, "sink", "`StructlogSink`", "ByStructlog", "atrio", sink=True),
    _program(READ, "orjson", "`orjson.loads` of each line, and nothing else", "Read", "hand", "quiet", summed=False),
    _program(READ, "summary", "`atrio.logs.summarise`", "Read", "atrio", "quiet", summed=True),
)  # fmt: skip

ROWS = (
    Row("`JsonLinesSink` with a path / `orjson.dumps` and `os.write` of the same bytes", "line.written.path",
        "line.written.by-hand", at_most=2),
    Row("`JsonLinesSink` with a descriptor, which it does not follow / the same", "line.written.descriptor",
        "line.written.by-hand"),
    Row("`StructlogSink` / the same logger with the same fields, made beforehand", "line.logged.sink",
        "line.logged.by-hand", at_most=1.5),
    Row("a log read by `orjson.loads` alone / by `atrio.logs.summarise`, which sums it up", "line.read.orjson",
        "line.read.summary", at_least=0.5),
)  # fmt: skip
