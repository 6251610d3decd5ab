"""Cancellation: how long a cancelled batch takes to be quiet, and how late deadlines are in a busy event loop."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

LIVE, CALLERS = 10_000, 1_000
ROUNDS = 11
FULL, RESULTS = ("records", "timeout", "events"), ("limit", "order", "outcomes")

MILLISECONDS = {"scale": 1e3, "unit": " ms", "digits": 1}


# --- A cancelled batch ---

QUIET = Work(
    f"cancel.live.{LIVE}",
    f"A batch of {LIVE:,} live tasks is cancelled: until whoever cancelled it can go on",
    "task",
    LIVE,
    [LIVE, LIVE, 0],
    figure="quiet_s",
)


def _quiet(name: str, label: str, build: str, features: tuple[str, ...], subject: str, **others: object) -> Program:
    options = {"items": LIVE, **others.pop("options", {})}
    return Program(f"{QUIET.name}.{name}", label, QUIET.name, f"benchmarks.cancel.quiet:{build}", options, features,
                   kind="figures", subject=subject, rounds_at_most=ROUNDS, **others)  # fmt: skip


QUIET_PROGRAMS = (
    _quiet("hand", "hand-written Trio loop, a worker a task", "by_hand", ("limit", "order"), "hand"),
    _quiet("hand.again", "the same once more (control)", "by_hand", ("limit", "order"), "hand", control=True,
           tier=Tier.RIGOROUS),
    _quiet("nursery", "a nursery of bare tasks, which has no limit and no outputs", "by_nursery", (), "hand",
           tier=Tier.RIGOROUS),
    _quiet("atrio", "atrio's `process_batch`, nobody listening", "by_atrio", RESULTS, "atrio"),
    _quiet("twin", "twin's `process_batch`, on asyncio", "by_twin", RESULTS, "twin", tier=Tier.RIGOROUS),
    _quiet("twin.uvloop", "twin's `process_batch`, on uvloop", "by_twin", RESULTS, "twin",
           options={"loop": "uvloop"}),
)  # fmt: skip


def _quiet_row(label: str, above: str, below: str, figure: str = "quiet_s", **others: object) -> Row:
    label = f"{LIVE:,} live tasks cancelled, until quiet: {label}"
    return Row(label, f"{QUIET.name}.{above}", f"{QUIET.name}.{below}", figure=figure, **others)


QUIET_ROWS = (
    _quiet_row("atrio's `process_batch` / hand-written loop (keeps only outputs)", "atrio", "hand", at_most=1.3),
    _quiet_row("the same, CPU", "atrio", "hand", "cpu_s"),
    _quiet_row("a nursery of bare tasks / hand-written loop", "nursery", "hand"),
    _quiet_row("twin on asyncio / atrio, both quiet", "twin", "atrio"),
    _quiet_row("twin on uvloop / atrio, both quiet", "twin.uvloop", "atrio"),
    _quiet_row("control: hand-written loop / itself", "hand.again", "hand", control=True),
)


# --- Deadlines ---

LATE = Work(
    f"cancel.deadlines.{CALLERS}",
    f"{CALLERS:,} stages hang until their deadline, beside a task that computes 1 ms a turn: how late they are cut off",
    "stage",
    answer=[CALLERS, CALLERS, CALLERS, 0],
    figure="p99_s",
)


def _late(name: str, label: str, build: str, features: tuple[str, ...], subject: str, **others: object) -> Program:
    options = {"callers": CALLERS, **others.pop("options", {})}
    return Program(f"{LATE.name}.{name}", label, LATE.name, f"benchmarks.cancel.deadlines:{build}", options, features,
                   kind="figures", subject=subject, rounds_at_most=ROUNDS, **others)  # fmt: skip


def _late_twin(name: str, label: str, call: str, loop: str, tier: Tier = Tier.QUICK) -> Program:
    return _late(name, label, "by_twin", FULL, "twin", options={"call": call, "loop": loop}, tier=tier)


LATE_PROGRAMS = (
    _late("hand", "`trio.move_on_after` around the call", "by_hand", ("timeout",), "hand"),
    _late("hand.again", "the same once more (control)", "by_hand", ("timeout",), "hand", control=True,
          tier=Tier.RIGOROUS),
    _late("atrio", "atrio's stages, nobody listening", "by_atrio", FULL, "atrio"),
    _late_twin("twin", "twin by `asyncio.wait_for`, quiet", "wait_for", "asyncio"),
    _late_twin("twin.timeout", "twin by `asyncio.timeout`, quiet", "timeout", "asyncio", Tier.RIGOROUS),
    _late_twin("twin.uvloop", "twin by `asyncio.wait_for` on uvloop, quiet", "wait_for", "uvloop", Tier.RIGOROUS),
    _late_twin("twin.timeout.uvloop", "twin by `asyncio.timeout` on uvloop, quiet", "timeout", "uvloop"),
)  # fmt: skip


def _late_row(label: str, above: str, below: str | None = None, figure: str = "p99_s", **others: object) -> Row:
    below = below and f"{LATE.name}.{below}"
    return Row(f"deadlines under load: {label}", f"{LATE.name}.{above}", below, figure=figure, **others)


LATE_ROWS = (
    _late_row("how late atrio's caller goes on at least: never early", "atrio", figure="min_s", at_least=0, scale=1e6,
              unit=" us", digits=1),
    _late_row("p50 of atrio's lateness", "atrio", figure="p50_s", **MILLISECONDS),
    _late_row("p99 of atrio's lateness", "atrio", **MILLISECONDS),
    _late_row("p99, atrio / `move_on_after` by hand (keeps nothing)", "atrio", "hand"),
    _late_row("p99, the wait until the stage began included, atrio / `move_on_after` by hand (keeps nothing)", "atrio",
              "hand", "asked_p99_s"),
    _late_row("p99, twin by `asyncio.wait_for` / atrio, both quiet", "twin", "atrio"),
    _late_row("p99, twin by `asyncio.timeout` on uvloop / atrio, both quiet", "twin.timeout.uvloop", "atrio"),
    _late_row("p99, the wait until the stage began included, twin by `asyncio.timeout` on uvloop / atrio, both quiet",
              "twin.timeout.uvloop", "atrio", "asked_p99_s"),
    _late_row("p99, `move_on_after` by hand / itself", "hand.again", "hand"),
)  # fmt: skip


WORKS = (QUIET, LATE)
PROGRAMS = (*QUIET_PROGRAMS, *LATE_PROGRAMS)
ROWS = (*QUIET_ROWS, *LATE_ROWS)
