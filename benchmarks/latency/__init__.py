"""Latency: how long a run takes beside many others that were asked for at the same time."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

STAGES, SLEEP_MS = 5, 10
# How many runs at once, and how many waves of them a process measures: enough for a percentile of few.
SIZES = {100: 20, 1_000: 4, 5_000: 1}
USUAL = 1_000

ROUNDS = 11

FULL = ("records", "attempts", "timeout", "events")
METRICS = "counts and quantiles in memory"
MILLISECONDS = {"scale": 1e3, "unit": " ms", "digits": 1}


def _work(size: int) -> Work:
    title = f"{size:,} runs at once of {STAGES} stages that sleep {SLEEP_MS} ms each: {STAGES * SLEEP_MS} ms at best"
    return Work(f"latency.{size}", title, "run", answer=[size, STAGES * size, size], figure="p99_s")


def _program(size: int, name: str, label: str, build: str, features: tuple[str, ...], **others: object) -> Program:
    options = {"runs": size, "waves": SIZES[size], **others.pop("options", {})}
    return Program(f"latency.{size}.{name}", label, f"latency.{size}", f"benchmarks.latency.runs:{build}", options,
                   features, kind="figures", rounds_at_most=ROUNDS, **others)  # fmt: skip


def _twin(size: int, name: str, label: str, call: str, loop: str, tier: Tier) -> Program:
    return _program(size, name, label, "by_twin", FULL, options={"call": call, "loop": loop}, subject="twin", tier=tier)


def _programs(size: int) -> tuple[Program, ...]:
    # One size is measured whole in a few minutes, the others by what is compared first.
    besides = Tier.QUICK if size == USUAL else Tier.RIGOROUS
    first = Tier.QUICK if size >= USUAL else Tier.RIGOROUS
    return (
        _program(size, "hand", "hand-written Trio loop", "by_hand", ("timeout",), subject="hand", tier=first),
        _program(size, "hand.again", "the same once more (control)", "by_hand", ("timeout",), subject="hand",
                 control=True, tier=Tier.RIGOROUS),
        _program(size, "atrio", "atrio, nobody listening", "by_atrio", FULL, tier=first),
        _program(size, "atrio.metrics", "atrio, `InMemoryMetrics`", "by_atrio", FULL, options={"metrics": True},
                 hears=METRICS, tier=Tier.RIGOROUS),
        _twin(size, "twin", "twin by `asyncio.wait_for`, quiet", "wait_for", "asyncio", besides),
        _twin(size, "twin.timeout", "twin by `asyncio.timeout`, quiet", "timeout", "asyncio", Tier.RIGOROUS),
        _twin(size, "twin.uvloop", "twin by `asyncio.wait_for` on uvloop, quiet", "wait_for", "uvloop", Tier.RIGOROUS),
        _twin(size, "twin.timeout.uvloop", "twin by `asyncio.timeout` on uvloop, quiet", "timeout", "uvloop",
              first),
    )  # fmt: skip


def _rows(size: int) -> tuple[Row, ...]:
    at, work = f"{size:,} runs at once", f"latency.{size}"
    hand, atrio = f"{work}.hand", f"{work}.atrio"
    loop = "hand-written loop (keeps nothing)"
    return (
        Row(f"{at}: p99 of atrio, nobody listening", atrio, figure="p99_s", **MILLISECONDS),
        Row(f"{at}: p50, atrio, nobody listening / {loop}", atrio, hand, figure="p50_s"),
        Row(f"{at}: p99, atrio, nobody listening / {loop}", atrio, hand, figure="p99_s"),
        Row(f"{at}: p99 above the ideal, atrio, nobody listening / {loop}", atrio, hand, figure="excess_p99_s"),
        Row(f"{at}: CPU a run, atrio, nobody listening / {loop}", atrio, hand),
        Row(f"{at}: p99, atrio, {METRICS} / atrio, nobody listening", f"{work}.atrio.metrics", atrio, figure="p99_s"),
        Row(f"{at}: p99, twin by `asyncio.wait_for` / atrio, both quiet", f"{work}.twin", atrio, figure="p99_s"),
        Row(f"{at}: p99, twin by `asyncio.timeout` on uvloop / atrio, both quiet", f"{work}.twin.timeout.uvloop", atrio,
            figure="p99_s"),
        # Of CPU time: the tail of a distribution differs by more than a tenth though nothing else does.
        Row(f"{at}: control: CPU a run, hand-written loop / itself", f"{work}.hand.again", hand, control=True),
        Row(f"{at}: p99, hand-written loop / itself", f"{work}.hand.again", hand, figure="p99_s"),
    )  # fmt: skip


WORKS = tuple(map(_work, SIZES))
PROGRAMS = tuple(program for size in SIZES for program in _programs(size))
ROWS = tuple(row for size in SIZES for row in _rows(size))
