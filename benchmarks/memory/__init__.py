"""Memory: what the results of batches keep, and whether streams hold more the longer they are."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

PLACES = 50
SIZES = (10_000, 100_000)
STREAMED = (10_000, 200_000, 1_000_000)
# What is allocated hardly differs from one process to another: a few rounds are enough, fewer of what takes long.
ROUNDS, LARGE_ROUNDS, LARGEST_ROUNDS = 7, 3, 1

ANSWER = [[f"{index:03} 1" for index in range(100)], 100]
RESULTS = ("limit", "order", "outcomes")

BYTES = {"unit": " bytes", "digits": 0}


# --- What is there after a batch ---


def _kept_work(size: int) -> Work:
    title = f"What a batch of {size:,} items keeps an item, {PLACES} at once, beyond inputs and outputs"
    return Work(f"memory.kept.{size}", title, "item", size, ANSWER, figure="kept_bytes", clock="bytes")


def _kept(size: int, who: str, label: str, features: tuple[str, ...], subject: str, tier: Tier) -> Program:
    work = f"memory.kept.{size}"
    return Program(f"{work}.{who}", label, work, f"benchmarks.memory.kept:by_{who}", {"items": size}, features,
                   tier=tier, rounds_at_most=ROUNDS if size == SIZES[0] else LARGE_ROUNDS, kind="figures",
                   subject=subject)  # fmt: skip


def _kept_programs(size: int) -> tuple[Program, ...]:
    small = size == SIZES[0]
    tier = Tier.QUICK if small else Tier.RIGOROUS
    core = Tier.CORE if small else Tier.RIGOROUS
    return (
        _kept(size, "hand", "hand-written Trio loop, which keeps only outputs", ("limit", "order"), "hand", tier),
        _kept(size, "atrio", "atrio's `process_batch`", RESULTS, "atrio", core),
        _kept(size, "twin", "twin's `process_batch`", RESULTS, "twin", tier),
    )


def _kept_rows(size: int) -> tuple[Row, ...]:
    at, atrio = f"{size:,} items", f"memory.kept.{size}.atrio"
    return (
        Row(f"{at}: kept by atrio's `process_batch` an item, beyond inputs and outputs", atrio, figure="kept_bytes",
            at_most=250, gate=size == SIZES[0], **BYTES),
        Row(f"{at}: the most that it held at once, an item", atrio, figure="peak_bytes", **BYTES),
        Row(f"{at}: kept by the twin an item", f"memory.kept.{size}.twin", figure="kept_bytes", **BYTES),
        Row(f"{at}: kept by the hand-written loop, which has no results, an item", f"memory.kept.{size}.hand",
            figure="kept_bytes", **BYTES),
    )  # fmt: skip


# --- What a stream holds ---


def _streamed_work(size: int) -> Work:
    title = f"The largest size of the process that streams {size:,} items, {PLACES} at once"
    return Work(f"memory.streamed.{size}", title, "item", size, ANSWER, figure="largest_mb", clock="MB")


def _streamed(size: int) -> Program:
    tier, rounds = (Tier.RIGOROUS, LARGEST_ROUNDS) if size == STREAMED[-1] else (Tier.QUICK, ROUNDS)
    work = f"memory.streamed.{size}"
    return Program(f"{work}.atrio", "atrio's `stream`, the whole process", work, "benchmarks.memory.streams:Streamed",
                   {"items": size}, ("limit", "outcomes"), tier=tier, rounds_at_most=rounds,
                   kind="figures")  # fmt: skip


def _growth(size: int) -> Row:
    least = STREAMED[0]
    return Row(f"`stream`: growth of the process's largest size from {least:,} to {size:,} items",
               f"memory.streamed.{size}.atrio", minus=f"memory.streamed.{least}.atrio", figure="largest_mb", at_most=5,
               unit=" MB", digits=2)  # fmt: skip


WORKS = (*map(_kept_work, SIZES), *map(_streamed_work, STREAMED))
PROGRAMS = (*(program for size in SIZES for program in _kept_programs(size)), *map(_streamed, STREAMED))
ROWS = (*(row for size in SIZES for row in _kept_rows(size)), *map(_growth, STREAMED[1:]))
