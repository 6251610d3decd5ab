"""What is measured of the pipeline of twenty no-op stages."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.agents import marked
from benchmarks.harness.programs import Program, Tier, Work

STAGES = 20
WORK = Work(
    f"pipeline.{STAGES}", f"A pipeline of {STAGES} stages that do nothing", "stage", STAGES, [marked(STAGES), STAGES]
)

LINE = "a JSON line a stage"
BUFFERED, UNBUFFERED = f"{LINE}, buffered", f"{LINE}, a `write` each"
STRUCTLOG, METRICS = "a line of structlog an event from info up, flushed", "counts and quantiles in memory"
FULL = ("records", "attempts", "timeout", "events")


def _program(name: str, label: str, build: str, *features: str, subject: str, **others: object) -> Program:
    options = {"stages": STAGES, **others.pop("options", {})}
    return Program(f"{WORK.name}.{name}", label, WORK.name, f"benchmarks.micro.{build}", options, features,
                   subject=subject, **others)  # fmt: skip


def _heard(name: str, label: str, build: str, hears: str, *features: str, **others: object) -> Program:
    build = f"stage_heard:{build}"
    return _program(f"atrio.{name}", label, build, *FULL, *features, hears=hears, subject="atrio", **others)


def _twin(name: str, label: str, call: str, loop: str, tier: Tier = Tier.QUICK) -> Program:
    options = {"call": call, "loop": loop}
    return _program(name, label, "stage_twin:Twin", *FULL, subject="twin", options=options, tier=tier)


def _twin_lines(name: str, label: str, hears: str = BUFFERED, tier: Tier = Tier.QUICK, **options: object) -> Program:
    return _program(name, label, "stage_twin:TwinLines", *FULL, "lines", subject="twin", options=options, hears=hears,
                    tier=tier)  # fmt: skip


PROGRAMS = (
    _program("hand", "hand-written Trio loop", "stage:Handwritten", "timeout", subject="hand", tier=Tier.CORE),
    _program("hand.again", "the same once more (control)", "stage:Handwritten", "timeout", subject="hand",
             tier=Tier.CORE, control=True),
    _program("atrio", "atrio, nobody listening", "stage:Atrio", *FULL, subject="atrio", tier=Tier.CORE),
    _heard("json", "atrio, `stage.end` as JSON, sink a plain function, buffered", "AtrioLines", BUFFERED, "lines",
           options={"sink": "function"}),
    _heard("json.info", "atrio, `stage.end` as JSON, sink at info, buffered", "AtrioLines", BUFFERED, "lines",
           tier=Tier.CORE),
    _heard("json.unbuffered", "atrio, `stage.end` as JSON, sink at info, a `write` a line", "AtrioLines",
           UNBUFFERED, "lines", options={"buffering": 0}, tier=Tier.RIGOROUS),
    _heard("jsonlines", "atrio, `JsonLinesSink` at info with a descriptor, a `write` a line", "AtrioJsonLines",
           UNBUFFERED, "lines"),
    _heard("structlog", "atrio, `StructlogSink` at info, flushed a line", "AtrioStructlog", STRUCTLOG, "lines"),
    _heard("metrics", "atrio, `InMemoryMetrics`", "AtrioMetrics", METRICS),
    _twin("twin", "twin by `asyncio.wait_for`, quiet", "wait_for", "asyncio", Tier.CORE),
    _twin("twin.timeout", "twin by `asyncio.timeout`, quiet", "timeout", "asyncio"),
    _twin("twin.uvloop", "twin by `asyncio.wait_for` on uvloop, quiet", "wait_for", "uvloop"),
    _twin("twin.timeout.uvloop", "twin by `asyncio.timeout` on uvloop, quiet", "timeout", "uvloop", Tier.CORE),
    _twin("twin.moved", "twin by one `asyncio.timeout` a run, moved, quiet", "moved", "asyncio"),
    _twin("twin.moved.uvloop", "twin by one `asyncio.timeout` a run, moved, on uvloop, quiet", "moved", "uvloop"),
    _twin_lines("twin.json", "twin by `asyncio.wait_for`, `stage.end` through `logging`, buffered", tier=Tier.CORE),
    _twin_lines("twin.json.unbuffered", "twin by `asyncio.wait_for`, `stage.end` through `logging`, a `write` a line",
                UNBUFFERED, buffering=0),
    _twin_lines("twin.timeout.json", "twin by `asyncio.timeout`, `stage.end` through `logging`, buffered",
                call="timeout"),
    _twin_lines("twin.json.uvloop", "twin by `asyncio.wait_for` on uvloop, `stage.end` through `logging`, buffered",
                tier=Tier.RIGOROUS, loop="uvloop"),
    _twin_lines("twin.timeout.json.uvloop",
                "twin by `asyncio.timeout` on uvloop, `stage.end` through `logging`, buffered",
                call="timeout", loop="uvloop"),
)  # fmt: skip

# The loop keeps no record, tries nothing again and tells nobody: what atrio does beside it is in the table of features.
HAND = "hand-written loop (quiet, keeps nothing, lets others run after each stage)"


def _row(label: str, above: str, below: str, **others: object) -> Row:
    return Row(label, f"{WORK.name}.{above}", f"{WORK.name}.{below}", **others)


ROWS = (
    _row(f"atrio, nobody listening / {HAND}", "atrio", "hand", at_most=0.45, gate=True),
    _row(f"atrio, {BUFFERED}, sink a plain function / {HAND}", "atrio.json", "hand", at_most=0.90),
    _row(f"atrio, {BUFFERED}, sink at info / {HAND}", "atrio.json.info", "hand", at_most=0.90, gate=True),
    _row(f"atrio, {UNBUFFERED}, sink at info / {HAND}", "atrio.json.unbuffered", "hand"),
    _row(f"atrio, {UNBUFFERED}, `JsonLinesSink` with a descriptor / {HAND}", "atrio.jsonlines", "hand"),
    _row(f"atrio, {UNBUFFERED}, `JsonLinesSink` / twin by `asyncio.wait_for`, the same", "atrio.jsonlines",
         "twin.json.unbuffered"),
    _row(f"atrio, {STRUCTLOG}, `StructlogSink` / {HAND}", "atrio.structlog", "hand"),
    _row(f"atrio, {METRICS}, `InMemoryMetrics` / {HAND}", "atrio.metrics", "hand"),
    _row("twin by `asyncio.wait_for` / atrio, both quiet", "twin", "atrio", at_least=2.5, gate=True),
    _row("twin by `asyncio.timeout` / atrio, both quiet", "twin.timeout", "atrio", at_least=1),
    _row("twin by `asyncio.wait_for` on uvloop / atrio, both quiet", "twin.uvloop", "atrio", at_least=1),
    _row("twin by `asyncio.timeout` on uvloop / atrio, both quiet", "twin.timeout.uvloop", "atrio", at_least=1,
         gate=True),
    _row("twin by one `asyncio.timeout` a run, moved / atrio, both quiet", "twin.moved", "atrio", at_least=1),
    _row("twin by one `asyncio.timeout` a run, moved, on uvloop / atrio, both quiet", "twin.moved.uvloop", "atrio",
         at_least=1),
    _row(f"twin by `asyncio.wait_for` / atrio, both {BUFFERED}, at info", "twin.json", "atrio.json.info", at_least=2.5,
         gate=True),
    _row(f"atrio / twin by `asyncio.wait_for`, both {BUFFERED}, atrio's sink a plain function", "atrio.json",
         "twin.json"),
    _row(f"atrio / twin by `asyncio.wait_for`, both {UNBUFFERED}, at info", "atrio.json.unbuffered",
         "twin.json.unbuffered"),
    _row(f"atrio / twin by `asyncio.timeout`, both {BUFFERED}, at info", "atrio.json.info", "twin.timeout.json"),
    _row(f"atrio / twin by `asyncio.wait_for` on uvloop, both {BUFFERED}, at info", "atrio.json.info",
         "twin.json.uvloop"),
    _row(f"atrio / twin by `asyncio.timeout` on uvloop, both {BUFFERED}, at info", "atrio.json.info",
         "twin.timeout.json.uvloop"),
    _row("control: hand-written loop / itself", "hand.again", "hand", control=True),
)  # fmt: skip
