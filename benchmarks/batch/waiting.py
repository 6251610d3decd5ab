"""What is measured of batches of agents that sleep, by wall time, and of streams."""

from benchmarks.analysis.rows import Row
from benchmarks.batch.throughput import ANSWER, FEATURES, HAND_FEATURES, PLACES, SMALL, program_of
from benchmarks.harness.programs import Program, Tier, Work

DELAYS_S, SLEEPING_PLACES = (0.05, 0.1), 1_000

SLEEP = Work(
    f"sleep.{SMALL}.{SLEEPING_PLACES}",
    f"{SMALL:,} items that sleep {DELAYS_S[0] * 1e3:.0f} and {DELAYS_S[1] * 1e3:.0f} ms, {SLEEPING_PLACES:,} at once",
    "item", SMALL, ANSWER, figure="wall_s",
)  # fmt: skip
STREAM = Work(f"stream.{SMALL}.{PLACES}", f"A stream of {SMALL:,} items that do nothing, {PLACES} at once", "item",
              SMALL, ANSWER)  # fmt: skip
WORKS = (SLEEP, STREAM)

# One batch takes most of a second, and four of them are taken a sample.
_ROUNDS = 5


def _sleeping(name: str, label: str, build: str, *features: str, **others: object) -> Program:
    options = {"sleeps_s": list(DELAYS_S), **others.pop("options", {})}
    return program_of(SLEEP, name, label, build, *features, options=options, rounds_at_most=_ROUNDS, **others)


PROGRAMS = (
    _sleeping("hand", "hand-written Trio loop", "items:Handwritten", *HAND_FEATURES, subject="hand"),
    _sleeping("hand.again", "the same loop once more (control)", "items:Handwritten", *HAND_FEATURES, subject="hand",
              control=True, tier=Tier.RIGOROUS),
    _sleeping("atrio", "atrio's `map`, nobody listening", "items:Map", *FEATURES),
    _sleeping("twin", "twin, quiet", "items_twin:Twin", *FEATURES, subject="twin"),
    _sleeping("twin.uvloop", "twin on uvloop, quiet", "items_twin:Twin", *FEATURES, subject="twin",
              options={"loop": "uvloop"}, tier=Tier.RIGOROUS),
    program_of(STREAM, "hand", "hand-written workers that send outputs down a channel", "items:HandwrittenStream",
               "limit", subject="hand"),
    program_of(STREAM, "atrio", "atrio's `stream`, nobody listening", "items:Stream", "limit", "outcomes", "events"),
)  # fmt: skip


def _throughput(label: str, below: str, **others: object) -> Row:
    # More of one's throughput is less of one's time: the hand-written loop's time stands above.
    return Row(f"{SLEEP.title}: {label}", f"{SLEEP.name}.hand", f"{SLEEP.name}.{below}", figure="wall_s", **others)


ROWS = (
    _throughput("atrio's throughput / the hand-written loop's (keeps outputs alone), both quiet", "atrio",
                at_least=0.93),
    _throughput("the twin's throughput / the hand-written loop's (keeps outputs alone), both quiet", "twin"),
    _throughput("the twin's throughput on uvloop / the hand-written loop's (keeps outputs alone), both quiet",
                "twin.uvloop"),
    Row(f"{SLEEP.title}: CPU time, atrio / the hand-written loop (keeps outputs alone), both quiet",
        f"{SLEEP.name}.atrio", f"{SLEEP.name}.hand"),
    _throughput("control: the hand-written loop's throughput / its own", "hand.again", control=True),
    Row(f"{STREAM.title}: atrio's `stream` / hand-written workers and a channel (keeps outputs alone), both quiet",
        f"{STREAM.name}.atrio", f"{STREAM.name}.hand"),
)  # fmt: skip
