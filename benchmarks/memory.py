"""What batches keep and streams hold, each in a process of its own: ``benchmarks/memory.py kept atrio 10000``.

``kept``: what Python allocated between before the batch and after it, its result alive and its inputs made beforehand;
the agent returns what it was given, so that outputs cost nothing. ``stream``: the largest size of the whole process.
"""

import gc
import json
import resource
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from rows import Row, Samples
from sampling import interleave

PLACES = 50
SIZES = (10_000, 100_000)
STREAM_ITEMS, MORE_STREAM_ITEMS, MOST_STREAM_ITEMS = 10_000, 200_000, 1_000_000
LABELS = {
    "atrio": "atrio's `process_batch`",
    "twin": "twin",
    "hand": "hand-written Trio loop, which keeps only outputs",
}


# --- Inside the process that is measured ---


class NoOp:
    """An agent that returns what it was given."""

    async def process(self, data: Any) -> Any:
        """Return what was given."""
        return data


def _runner(who: str) -> Callable[[list[tuple[Any, Any]]], Any]:
    # Imported by those who need them: the process is to hold nothing else.
    if who == "twin":
        import asyncio  # noqa: PLC0415

        import twin_batch  # noqa: PLC0415

        async def main(pairs: Any) -> Any:
            return await twin_batch.BatchProcessor(max_concurrent=PLACES).process_batch(pairs)

        return lambda pairs: asyncio.run(main(pairs))
    import trio  # noqa: PLC0415

    if who == "hand":
        import handwritten  # noqa: PLC0415

        return lambda pairs: trio.run(handwritten.run_batch, NoOp(), [data for _, data in pairs], PLACES)
    from atrio import BatchConfig, BatchProcessor  # noqa: PLC0415

    async def ours(pairs: Any) -> Any:
        return await BatchProcessor(BatchConfig(max_concurrent=PLACES)).process_batch(pairs)

    return lambda pairs: trio.run(ours, pairs)


def kept(who: str, items: int) -> dict[str, float]:
    """Return the bytes an item that are there after a batch, and the most that were there during it."""
    run, agent = _runner(who), NoOp()
    run([(agent, 0)])
    pairs = [(agent, index) for index in range(items)]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    result = run(pairs)
    gc.collect()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    outputs = result if isinstance(result, list) else result.unwrap()
    if outputs != list(range(items)):
        raise RuntimeError(f"{who} gave other outputs")
    return {"kept": (after - before) / items, "peak": (peak - before) / items}


def stream(items: int) -> dict[str, float]:
    """Return the largest size of this process, in MB, after so many items came by."""
    import trio  # noqa: PLC0415

    from atrio import BatchConfig, BatchProcessor  # noqa: PLC0415

    async def main() -> int:
        agent, taken = NoOp(), 0
        processor = BatchProcessor(BatchConfig(max_concurrent=PLACES, timeout=None))
        async with processor.stream((agent, index) for index in range(items)) as outcomes:
            async for outcome in outcomes:
                taken += outcome.status == "success"
        return taken

    if trio.run(main) != items:
        raise RuntimeError("the stream lost items")
    return {"largest": largest_mb()}


def largest_mb() -> float:
    """Return the largest size that this process had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss there: that begins with the size of the process which started this one.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 2**20 if sys.platform == "darwin" else largest / 1024


# --- Outside of it ---


def measured(*arguments: str) -> dict[str, float]:
    """Run this file in a process of its own and return what it printed."""
    run = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


def samples(rounds: int, rng: Random, *, rigorous: bool) -> tuple[dict[str, str], Samples]:
    """Return what each contestant is, and its bytes an item or MB, round by round."""
    measures, labels = {}, {}
    for who, label in LABELS.items():
        for size in SIZES if who == "atrio" else SIZES[:1]:
            measures[f"{who} {size}"] = partial(measured, "kept", who, str(size))
            labels[f"{who} {size}"] = f"{size:,} items: {label}"
    for items in (STREAM_ITEMS, MOST_STREAM_ITEMS if rigorous else MORE_STREAM_ITEMS):
        measures[f"stream {items}"] = partial(measured, "stream", str(items))
        labels[f"stream {items}"] = f"{items:,} items: atrio's `stream`, the whole process"
    taken = interleave(measures, rounds, rng)
    return labels, {
        f"{name}, {figure}": [each[figure] for each in rounds_of]
        for name, rounds_of in taken.items()
        for figure in rounds_of[0]
    }


def rows(*, rigorous: bool) -> tuple[Row, ...]:
    """Return the rows; how many items the stream had depends on how much time there was."""
    most = MOST_STREAM_ITEMS if rigorous else MORE_STREAM_ITEMS
    in_bytes = {"unit": " bytes", "digits": 0}
    return (
        *(
            Row(
                f"{size:,} items: kept by `process_batch` an item, beyond inputs and outputs",
                f"atrio {size}, kept",
                at_most=250,
                **in_bytes,
            )
            for size in SIZES
        ),
        Row(f"{SIZES[0]:,} items: kept by the twin an item", f"twin {SIZES[0]}, kept", **in_bytes),
        Row(
            f"`stream`: growth of the largest size from {STREAM_ITEMS:,} to {most:,} items",
            f"stream {most}, largest",
            minus=f"stream {STREAM_ITEMS}, largest",
            at_most=5,
            unit=" MB",
            digits=2,
        ),
    )


def costs(labels: Mapping[str, str], taken: Samples) -> str:
    """Return what is kept, and the most that was held, as a Markdown table."""
    lines = ["| contestant | kept | most held |", "|---|---|---|"]
    for name, label in labels.items():
        if f"{name}, largest" in taken:
            lines.append(f"| {label} | | {statistics.median(taken[f'{name}, largest']):.1f} MB |")
        else:
            after, peak = (statistics.median(taken[f"{name}, {figure}"]) for figure in ("kept", "peak"))
            lines.append(f"| {label} | {after:.0f} bytes an item | {peak:.0f} bytes an item |")
    return "\n".join(lines)


def main() -> None:
    """Measure what the command line says and print it as JSON."""
    kind, *arguments = sys.argv[1:]
    print(json.dumps(stream(int(arguments[0])) if kind == "stream" else kept(arguments[0], int(arguments[1]))))


if __name__ == "__main__":
    main()
