"""What many measured times come to: percentiles by the nearest rank, so that each is a time that was measured."""

from collections.abc import Iterable, Sequence

SHOWN = {"p50_s": 50, "p95_s": 95, "p99_s": 99}
# Enough to draw a distribution by.
PLOTTED = range(2, 100, 2)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the least of the ordered values that so many percent do not exceed."""
    rank = -(-percent * len(ordered) // 100)
    return ordered[max(rank, 1) - 1]


def distribution(values: Iterable[float]) -> dict[str, float]:
    """Return the figures of a distribution: ``p50_s p95_s p99_s``, ``min_s max_s``, and ``q02`` to ``q98``."""
    ordered = sorted(values)
    return {
        **{name: percentile(ordered, percent) for name, percent in SHOWN.items()},
        "min_s": ordered[0],
        "max_s": ordered[-1],
        **{f"q{percent:02}": percentile(ordered, percent) for percent in PLOTTED},
    }
