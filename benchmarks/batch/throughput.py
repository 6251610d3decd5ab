"""What is measured of batches of agents that do nothing: CPU time an item."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

SMALL, LARGE, PLACES = 10_000, 100_000, 50
LARGE_ROUNDS = 11
CONCURRENCIES = (1, 10, PLACES, 1_000)
# Of each batch a hundred marked items, whatever is timed.
ANSWER = [[f"{index:03} 1" for index in range(100)], 100]

LINE = "a JSON line a task, buffered"
DEAF = "a sink that does nothing"
HAND_FEATURES = ("limit", "order")
FEATURES = ("limit", "order", "outcomes", "events")

# The loop keeps outputs and nothing else; an item that fails ends it.
HAND = "hand-written loop (quiet, keeps outputs alone)"


def work_of(items: int, places: int) -> Work:
    """Return the work of so many items."""
    title = f"{items:,} items that do nothing, {places:,} at once"
    return Work(f"batch.{items}.{places}", title, "item", items, ANSWER)


def program_of(work: Work, name: str, label: str, build: str, *features: str, **others: object) -> Program:
    """Return one way to do such a work."""
    _, items, places = work.name.split(".")
    options = {"items": int(items), "places": int(places), **others.pop("options", {})}
    if int(items) >= LARGE:
        others.setdefault("rounds_at_most", LARGE_ROUNDS)
    return Program(f"{work.name}.{name}", label, work.name, f"benchmarks.batch.{build}", options, features, **others)


def three(work: Work, tier: Tier, twin: Tier) -> tuple[Program, ...]:
    """Return the three that are there of every size and concurrency."""
    return (
        program_of(work, "hand", "hand-written Trio loop", "items:Handwritten", *HAND_FEATURES, subject="hand",
                   tier=tier),
        program_of(work, "atrio", "atrio's `map`, nobody listening", "items:Map", *FEATURES, tier=tier),
        program_of(work, "twin", "twin, quiet", "items_twin:Twin", *FEATURES, subject="twin", tier=twin),
    )  # fmt: skip


def _measured_twice(work: Work, tier: Tier) -> tuple[Program, ...]:
    # What is measured of small batches in every tier, of large ones where there is time.
    later = max(tier, Tier.QUICK)
    off = {"options": {"collected": False}, "tier": Tier.RIGOROUS}
    return (
        *three(work, tier, tier),
        program_of(work, "hand.again", "the same loop once more (control)", "items:Handwritten", *HAND_FEATURES,
                   subject="hand", tier=tier, control=True),
        program_of(work, "atrio.json", "atrio's `map`, `task.end` as JSON, plain function, buffered", "items:MapLines",
                   *FEATURES, "lines", hears=LINE, tier=tier),
        program_of(work, "twin.json", "twin, `task.end` through `logging`, buffered", "items_twin:TwinLines", *FEATURES,
                   "lines", hears=LINE, subject="twin", tier=later),
        program_of(work, "hand.uncollected", "hand-written Trio loop, garbage collector off", "items:Handwritten",
                   *HAND_FEATURES, subject="hand", **off),
        program_of(work, "atrio.uncollected", "atrio's `map`, nobody listening, garbage collector off", "items:Map",
                   *FEATURES, **off),
    )  # fmt: skip


def _limited_twin(name: str, label: str, call: str, loop: str, tier: Tier) -> Program:
    options = {"timeout_s": 60.0, "call": call, "loop": loop}
    return program_of(_WORK, f"twin.{name}", label, "items_twin:Twin", *FEATURES, "timeout", options=options,
                      subject="twin", tier=tier)  # fmt: skip


_WORK, _LARGE_WORK = work_of(SMALL, PLACES), work_of(LARGE, PLACES)
_OTHERS = tuple(work_of(SMALL, places) for places in CONCURRENCIES if places != PLACES)


def _tier_of(work: Work) -> Tier:
    # The ends say whether more at once costs more; what is between is for those who have time.
    return Tier.RIGOROUS if work == work_of(SMALL, 10) else Tier.QUICK


WORKS = (_WORK, _LARGE_WORK, *_OTHERS)

PROGRAMS = (
    *_measured_twice(_WORK, Tier.CORE),
    *_measured_twice(_LARGE_WORK, Tier.RIGOROUS),
    program_of(_WORK, "atrio.sink", f"atrio's `map`, {DEAF} with any event", "items:HeardMap", *FEATURES, hears=DEAF),
    program_of(_WORK, "atrio.pairs", "atrio's `process_batch`, its list of pairs made within, quiet", "items:Pairs",
               *FEATURES, tier=Tier.RIGOROUS),
    program_of(_WORK, "atrio.timeout", "atrio's `map`, a time limit a task, quiet", "items:LimitedMap", *FEATURES,
               "timeout"),
    program_of(_WORK, "twin.uvloop", "twin on uvloop, quiet", "items_twin:Twin", *FEATURES, subject="twin",
               options={"loop": "uvloop"}),
    program_of(_WORK, "twin.json.uvloop", "twin on uvloop, `task.end` through `logging`, buffered",
               "items_twin:TwinLines", *FEATURES, "lines", subject="twin", options={"loop": "uvloop"}, hears=LINE,
               tier=Tier.RIGOROUS),
    _limited_twin("wait-for", "twin, `asyncio.wait_for` around each task, quiet", "wait_for", "asyncio", Tier.RIGOROUS),
    _limited_twin("timeout", "twin, `asyncio.timeout` around each task, quiet", "timeout", "asyncio", Tier.QUICK),
    _limited_twin("timeout.uvloop", "twin on uvloop, `asyncio.timeout` around each task, quiet", "timeout", "uvloop",
                  Tier.RIGOROUS),
    *(program for work in _OTHERS for program in three(work, _tier_of(work), Tier.RIGOROUS)),
)  # fmt: skip


def _row(work: Work, label: str, above: str, below: str, **others: object) -> Row:
    return Row(f"{work.title}: {label}", f"{work.name}.{above}", f"{work.name}.{below}", **others)


def _rows_of_both(work: Work, *, gate: bool) -> tuple[Row, ...]:
    return (
        _row(work, f"atrio, nobody listening / {HAND}", "atrio", "hand", at_most=1.2, gate=gate),
        _row(work, f"atrio, {LINE} / {HAND}", "atrio.json", "hand", at_most=3.5, gate=gate),
        _row(work, f"garbage collector off, atrio, nobody listening / {HAND}", "atrio.uncollected", "hand.uncollected"),
        _row(work, "twin / atrio, both quiet", "twin", "atrio", at_least=3, gate=gate),
        _row(work, f"atrio / twin, both {LINE}", "atrio.json", "twin.json"),
        _row(work, "control: hand-written loop / itself", "hand.again", "hand", control=True),
    )


def _rows_of_concurrency(work: Work) -> tuple[Row, ...]:
    return (
        _row(work, f"atrio, nobody listening / {HAND}", "atrio", "hand"),
        _row(work, "atrio / twin, both quiet", "atrio", "twin"),
    )


ROWS = (
    *_rows_of_both(_WORK, gate=True),
    *_rows_of_both(_LARGE_WORK, gate=False),
    _row(_WORK, "atrio / twin on uvloop, both quiet", "atrio", "twin.uvloop"),
    _row(_WORK, f"atrio / twin on uvloop, both {LINE}", "atrio.json", "twin.json.uvloop"),
    _row(_WORK, f"atrio, {DEAF} / {HAND}", "atrio.sink", "hand"),
    _row(_WORK, f"atrio's `process_batch` of pairs / {HAND}", "atrio.pairs", "hand"),
    _row(_WORK, f"atrio, a time limit a task / {HAND}, without one", "atrio.timeout", "hand"),
    _row(_WORK, "a time limit a task, both quiet: atrio / twin by `asyncio.wait_for`", "atrio.timeout",
         "twin.wait-for"),
    _row(_WORK, "a time limit a task, both quiet: atrio / twin by `asyncio.timeout`", "atrio.timeout", "twin.timeout"),
    _row(_WORK, "a time limit a task, both quiet: atrio / twin by `asyncio.timeout` on uvloop", "atrio.timeout",
         "twin.timeout.uvloop"),
    *(row for work in _OTHERS for row in _rows_of_concurrency(work)),
)  # fmt: skip
