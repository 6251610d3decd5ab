"""What the script measures: six suites, each with its rows, its contestants and what they cost."""

import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import batches
import guards
import memory
from contestants import STAGES, check_fairness, contestants, sampler
from rows import Row, Samples
from sampling import interleave, spread_of
from startup import programs, starter

HAND = "hand-written loop"
LINE = "a JSON line a stage"
PIPELINE_ROWS = (
    Row(f"atrio, nobody listening / {HAND}", "atrio", "hand", at_most=0.45),
    Row(f"atrio, {LINE}, plain function, buffered / {HAND}", "atrio json", "hand", at_most=0.90),
    Row(f"atrio, {LINE}, sink at info, buffered / {HAND}", "atrio json at info", "hand", at_most=0.90),
    Row(f"atrio, {LINE}, sink at info, unbuffered / {HAND}", "atrio json unbuffered", "hand"),
    Row(f"atrio, `StructlogSink` at info (orjson), flushed a line / {HAND}", "atrio structlog", "hand"),
    Row("twin / atrio, both quiet", "twin", "atrio", at_least=2.5),
    Row(f"twin / atrio, both {LINE}, at info, buffered", "twin json", "atrio json at info", at_least=2.5),
    Row(f"twin / atrio, both {LINE}, atrio's by a plain function, buffered", "twin json", "atrio json"),
    Row(f"twin / atrio, both {LINE}, at info, unbuffered", "twin json unbuffered", "atrio json unbuffered"),
    Row("twin with `asyncio.timeout` / atrio, both quiet", "twin timeout", "atrio"),
    Row(f"twin with `asyncio.timeout` / atrio, both {LINE}, at info", "twin timeout json", "atrio json at info"),
    Row(f"control: {HAND} / itself", "hand again", "hand", control=True),
)
STARTUP_ROWS = (
    Row("`import atrio` / `import trio`, CPU", "import atrio", "import trio", at_most=1.4),
    Row("`atrio --help` / `import trio`, CPU", "atrio --help", "import trio", at_most=2.5),
    Row("`import atrio` / `import trio`, wall", "import atrio, wall", "import trio, wall"),
    Row("`atrio --help` / `import trio`, wall", "atrio --help, wall", "import trio, wall"),
    Row("`import atrio` / `import trio`, CPU above a bare interpreter's", "import atrio, net", "import trio, net"),
)


def pipeline_samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each contestant is, and its CPU seconds per run, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        entered = contestants(Path(folder))
        check_fairness(entered)
        samples = interleave({name: sampler(each) for name, each in entered.items()}, rounds, rng)
    return {name: each.label for name, each in entered.items()}, samples


def startup_samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each program is, and its seconds per start: CPU, wall, and CPU net of the bare interpreter's."""
    costs = interleave({name: starter(command) for name, command in programs().items()}, rounds, rng)
    cpu = {name: [cost.cpu_s for cost in each] for name, each in costs.items()}
    wall = {f"{name}, wall": [cost.wall_s for cost in each] for name, each in costs.items()}
    bare = statistics.median(cpu["python -c pass"])
    net = {f"{name}, net": [cost - bare for cost in each] for name, each in cpu.items() if name.startswith("import")}
    return {name: f"`{name}`" for name in cpu}, {**cpu, **wall, **net}


def pipeline_costs(labels: Mapping[str, str], samples: Samples) -> str:
    """Return what a run and a stage cost, as a Markdown table."""
    lines = ["| contestant | us a run | us a stage | spread |", "|---|---|---|---|"]
    for name, label in labels.items():
        run_us = statistics.median(samples[name]) * 1e6
        lines.append(f"| {label} | {run_us:.0f} | {run_us / STAGES:.2f} | {spread_of(samples[name]):.0%} |")
    return "\n".join(lines)


def startup_costs(labels: Mapping[str, str], samples: Samples) -> str:
    """Return what a start costs, as a Markdown table."""
    lines = ["| program | CPU ms | wall ms | spread |", "|---|---|---|---|"]
    for name, label in labels.items():
        cpu_ms, wall_ms = (statistics.median(samples[key]) * 1e3 for key in (name, f"{name}, wall"))
        lines.append(f"| {label} | {cpu_ms:.0f} | {wall_ms:.0f} | {spread_of(samples[name]):.0%} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Suite:
    """One half of the table, or less: what is measured together.

    ``measure`` takes the rounds, a source of random orders and whether there is time to be rigorous; it returns what
    each contestant is, and its samples. ``costs`` makes the second table of these.
    """

    title: str
    rounds: int
    measure: Callable[[int, Random, bool], tuple[dict[str, str], Samples]]
    rows: Callable[[bool], tuple[Row, ...]]
    costs: Callable[[Mapping[str, str], Samples], str]


SUITES = {
    "pipeline": Suite(
        f"Pipeline of {STAGES} no-op stages",
        30,
        lambda rounds, rng, _: pipeline_samples(rounds, rng),
        lambda _: PIPELINE_ROWS,
        pipeline_costs,
    ),
    "batch": Suite(
        f"Batch of no-op agents, {batches.PLACES} at once",
        11,
        lambda rounds, rng, _: batches.samples(rounds, rng),
        lambda _: batches.rows(),
        batches.costs,
    ),
    "sleep": Suite(
        f"Batch of {batches.SLEEPING_ITEMS:,} items that sleep 50 and 100 ms, {batches.SLEEPING_PLACES:,} at once",
        9,
        lambda rounds, rng, _: batches.sleeping_samples(rounds, rng),
        lambda _: batches.SLEEPING_ROWS,
        batches.sleeping_costs,
    ),
    "guards": Suite(
        "A guarded call of a no-op agent",
        30,
        lambda rounds, rng, _: guards.samples(rounds, rng),
        lambda _: guards.ROWS,
        guards.costs,
    ),
    "memory": Suite(
        f"Memory, {memory.PLACES} at once",
        5,
        lambda rounds, rng, rigorous: memory.samples(rounds, rng, rigorous=rigorous),
        lambda rigorous: memory.rows(rigorous=rigorous),
        memory.costs,
    ),
    "startup": Suite(
        "Startup",
        15,
        lambda rounds, rng, _: startup_samples(rounds, rng),
        lambda _: STARTUP_ROWS,
        startup_costs,
    ),
}
