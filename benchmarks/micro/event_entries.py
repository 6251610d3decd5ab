"""What is measured of a single event: the end of a stage, told as a run tells it."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

LOOP = Work("event.loop", "A loop that tells no event", "event", answer=[])
WORK = Work("event.told", "The end of a stage, told as a run tells it", "event", answer=["stage.end"] * 3)
WORKS = (LOOP, WORK)

JSON, STRUCTLOG = "a JSON line each, buffered", "a line of structlog each, flushed"
METRICS, DEAF = "counts and quantiles in memory", "a sink that does nothing"


def _told(name: str, label: str, listeners: str, hears: str = "quiet", **others: object) -> Program:
    return Program(f"{WORK.name}.{name}", label, WORK.name, "benchmarks.micro.event:Told", {"listeners": listeners},
                   hears=hears, **others)  # fmt: skip


PROGRAMS = (
    Program(f"{LOOP.name}.bare", "a call of a function that does nothing", LOOP.name, "benchmarks.micro.event:Loop",
            subject="hand"),
    _told("unheard", "an event that nobody listens to", "nobody"),
    _told("filtered", "an event below the level that the sink wants", "filtered"),
    Program(f"{WORK.name}.emit", "`atrio.events.emit` of an event made already, nobody listening", WORK.name,
            "benchmarks.micro.event:Emitted", tier=Tier.RIGOROUS),
    _told("sink", "an event heard by a sink that does nothing", "deaf", DEAF),
    _told("json", "an event as a line of JSON, by a user's own sink", "json", JSON),
    _told("structlog", "an event as a line of JSON, by `StructlogSink`", "structlog", STRUCTLOG),
    _told("metrics", "an event counted by `InMemoryMetrics`", "metrics", METRICS),
)  # fmt: skip


def _above(label: str, name: str, at_most: float | None = None) -> Row:
    return Row(f"{label}, above a bare loop", f"{WORK.name}.{name}", minus=f"{LOOP.name}.bare", at_most=at_most,
               scale=1e6, unit=" us", digits=2)  # fmt: skip


ROWS = (
    _above("the end of a stage that nobody listens to", "unheard", 0.2),
    _above("the end of a stage below the level that the sink wants", "filtered", 0.5),
    _above("`atrio.events.emit` of an event made already, nobody listening", "emit"),
    _above(f"the end of a stage, heard by {DEAF}", "sink"),
    _above(f"the end of a stage, {JSON}, by a user's own sink", "json"),
    _above(f"the end of a stage, {STRUCTLOG}, by `StructlogSink`", "structlog"),
    _above(f"the end of a stage, {METRICS}, by `InMemoryMetrics`", "metrics"),
)
