"""Cost against size: with more stages, with more items, with more sinks."""

from benchmarks.analysis.rows import Row
from benchmarks.batch.throughput import ANSWER, FEATURES, HAND_FEATURES, PLACES
from benchmarks.harness.agents import marked
from benchmarks.harness.programs import Program, Tier, Work

STAGES = (1, 20, 100, 1_000)
ITEMS = (100, 1_000, 10_000, 100_000, 1_000_000)
SINKS = (0, 1, 2, 3, 4, 5)
SINK_STAGES = 20

FULL = ("records", "attempts", "timeout", "events")

# A million items take seconds, and what they cost differs little between processes.
_LONG, _LONG_ROUNDS = 100_000, 3
# Where time is short, lines are drawn by their ends and by what the targets compare, the twin's by its ends alone.
_QUICK_STAGES, _QUICK_ITEMS = {1, 20, 1_000}, {100, 10_000}


# --- Stages ---


def _stages(size: int) -> Work:
    title = f"A pipeline of {size:,} stages that do nothing" if size > 1 else "A pipeline of one stage"
    return Work(f"scale.stages.{size}", title, "stage", size, [marked(size), size])


def _stage_programs(work: Work) -> tuple[Program, ...]:
    def program(name: str, label: str, build: str, *features: str, **others: object) -> Program:
        build = f"benchmarks.micro.{build}"
        return Program(f"{work.name}.{name}", label, work.name, build, {"stages": work.size}, features, **others)

    tier = Tier.QUICK if work.size in _QUICK_STAGES else Tier.RIGOROUS
    return (
        program("hand", "hand-written Trio loop", "stage:Handwritten", "timeout", subject="hand", tier=tier),
        program("atrio", "atrio, nobody listening", "stage:Atrio", *FULL, tier=tier),
        program("twin", "twin by `asyncio.wait_for`, quiet", "stage_twin:Twin", *FULL, subject="twin",
                tier=Tier.RIGOROUS),
    )  # fmt: skip


def _stage_rows(size: int) -> tuple[Row, ...]:
    work = f"scale.stages.{size}"
    at = f"{size:,} stage{'s' if size > 1 else ''}"
    return (
        Row(f"{at}: CPU a stage, atrio, nobody listening", f"{work}.atrio", per_unit=True, scale=1e6, unit=" us",
            digits=2),
        Row(f"{at}: atrio, nobody listening / hand-written loop (quiet, keeps nothing)", f"{work}.atrio",
            f"{work}.hand"),
        Row(f"{at}: atrio / twin by `asyncio.wait_for`, both quiet", f"{work}.atrio", f"{work}.twin"),
    )  # fmt: skip


# --- Items ---


def _items(size: int) -> Work:
    return Work(f"scale.items.{size}", f"{size:,} items that do nothing, {PLACES} at once", "item", size, ANSWER)


def _item_programs(work: Work) -> tuple[Program, ...]:
    tier = Tier.QUICK if work.size in _QUICK_ITEMS else Tier.RIGOROUS
    how = {"tier": tier, "rounds_at_most": _LONG_ROUNDS if work.size >= _LONG else None}
    options = {"items": work.size, "places": PLACES}

    def program(name: str, label: str, build: str, *features: str, **others: object) -> Program:
        build = f"benchmarks.batch.{build}"
        return Program(f"{work.name}.{name}", label, work.name, build, options, features, **others)

    programs = (
        program("hand", "hand-written Trio loop", "items:Handwritten", *HAND_FEATURES, subject="hand", **how),
        program("atrio", "atrio's `map`, nobody listening", "items:Map", *FEATURES, **how),
        program("twin", "twin, quiet", "items_twin:Twin", *FEATURES, subject="twin", **how),
    )
    # The twin makes a task an item before the first one runs: a million of them are a matter of memory, not of time.
    return programs if work.size <= _LONG else programs[:2]


def _item_rows(size: int) -> tuple[Row, ...]:
    work, at = f"scale.items.{size}", f"{size:,} items"
    rows = (
        Row(f"{at}: CPU an item, atrio, nobody listening", f"{work}.atrio", per_unit=True, scale=1e6, unit=" us",
            digits=2),
        Row(f"{at}: atrio, nobody listening / hand-written loop (quiet, keeps outputs alone)", f"{work}.atrio",
            f"{work}.hand"),
        Row(f"{at}: atrio / twin, both quiet", f"{work}.atrio", f"{work}.twin"),
    )  # fmt: skip
    return rows if size <= _LONG else rows[:2]


# --- Sinks ---


def _heard_by(count: int) -> str:
    # With no sink at all nobody is told anything.
    return f"{count} sink{'s' if count > 1 else ''} that do{'' if count > 1 else 'es'} nothing" if count else "quiet"


def _sinks(count: int) -> Work:
    title = f"A pipeline of {SINK_STAGES} stages that do nothing, {count} sink{'' if count == 1 else 's'} listening"
    return Work(f"scale.sinks.{count}", title, "stage", SINK_STAGES, [marked(SINK_STAGES), SINK_STAGES])


def _sink_program(count: int) -> Program:
    options = {"stages": SINK_STAGES, "sinks": count}
    # The cost of a sink is told by the ends; what is between shows that it grows by as much each time.
    tier = Tier.QUICK if count in {0, 5} else Tier.RIGOROUS
    return Program(f"scale.sinks.{count}.atrio", f"atrio, {_heard_by(count)}", f"scale.sinks.{count}",
                   "benchmarks.micro.stage_heard:AtrioSinks", options, FULL, hears=_heard_by(count),
                   tier=tier)  # fmt: skip


def _sink_rows(count: int) -> tuple[Row, ...]:
    label = f"{SINK_STAGES} stages, atrio, {_heard_by(count)} / atrio, quiet"
    return (Row(label, f"scale.sinks.{count}.atrio", "scale.sinks.0.atrio"),) if count else ()


WORKS = (*map(_stages, STAGES), *map(_items, ITEMS), *map(_sinks, SINKS))
PROGRAMS = (
    *(program for size in STAGES for program in _stage_programs(_stages(size))),
    *(program for size in ITEMS for program in _item_programs(_items(size))),
    *(_sink_program(count) for count in SINKS),
)
ROWS = (
    Row("atrio, quiet: a stage of 1,000 / a stage of 20", "scale.stages.1000.atrio", "scale.stages.20.atrio",
        per_unit=True, at_most=1.10),
    Row("hand-written loop: a stage of 1,000 / a stage of 20", "scale.stages.1000.hand", "scale.stages.20.hand",
        per_unit=True),
    Row("twin by `asyncio.wait_for`, quiet: a stage of 1,000 / a stage of 20", "scale.stages.1000.twin",
        "scale.stages.20.twin", per_unit=True),
    Row("atrio, quiet: an item of 1,000,000 / an item of 10,000", "scale.items.1000000.atrio",
        "scale.items.10000.atrio", per_unit=True, at_most=1.15),
    Row("hand-written loop: an item of 1,000,000 / an item of 10,000", "scale.items.1000000.hand",
        "scale.items.10000.hand", per_unit=True),
    Row("atrio, quiet: an item of 100,000 / an item of 10,000", "scale.items.100000.atrio", "scale.items.10000.atrio",
        per_unit=True),
    Row("twin, quiet: an item of 100,000 / an item of 10,000", "scale.items.100000.twin", "scale.items.10000.twin",
        per_unit=True),
    Row(f"what each of {_heard_by(5)} adds to a stage, above atrio, quiet", "scale.sinks.5.atrio",
        minus="scale.sinks.0.atrio", per_unit=True, scale=1e6 / 5, unit=" us", digits=2),
    *(row for count in SINKS for row in _sink_rows(count)),
    *(row for size in STAGES for row in _stage_rows(size)),
    *(row for size in ITEMS for row in _item_rows(size)),
)  # fmt: skip
