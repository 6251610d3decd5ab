"""How measurements are taken and compared: interleaved rounds, medians of the rounds' ratios, intervals."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

Sample = TypeVar("Sample")

RESAMPLES = 2000
CONFIDENCE = 0.95

# Beyond these the machine was busy with something else, and the third digit of a ratio means nothing.
NOISY_SPREAD = 0.10
NOISY_CONTROL = 0.03


def interleave(measures: Mapping[str, Callable[[], Sample]], rounds: int, rng: Random) -> dict[str, list[Sample]]:
    """Take one sample of each per round, in a new order each round, so that no one always comes after the same."""
    samples: dict[str, list[Sample]] = {name: [] for name in measures}
    order = list(measures)
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            samples[name].append(measures[name]())
    return samples


@dataclass(frozen=True)
class Estimate:
    """A median over the rounds, and the interval in which it lies with 95 % confidence."""

    median: float
    low: float
    high: float


def estimate(rounds: Sequence[float], rng: Random) -> Estimate:
    """Return the median of what each round gave; the interval comes from resampling the rounds."""
    medians = sorted(statistics.median(rng.choices(rounds, k=len(rounds))) for _ in range(RESAMPLES))
    tail = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return Estimate(statistics.median(rounds), medians[tail], medians[-tail - 1])


def spread_of(samples: Sequence[float]) -> float:
    """Return the interquartile range as a share of the median; 0 where there are too few samples to tell."""
    if len(samples) < 4:
        return 0.0
    first, median, third = statistics.quantiles(samples, n=4, method="inclusive")
    return (third - first) / median


def noise_in(samples: Mapping[str, Sequence[float]], controls: Sequence[Estimate]) -> list[str]:
    """Return a warning for each sign that the machine was noisy."""
    spreads = {name: spread_of(each) for name, each in samples.items()}
    noisy = [name for name, spread in spreads.items() if spread > NOISY_SPREAD]
    warnings = []
    if noisy:
        worst = max(noisy, key=spreads.__getitem__)
        warnings.append(
            f"half of the samples spread over more than {NOISY_SPREAD:.0%} of their median for {len(noisy)} of "
            f"{len(samples)} contestants, most for {worst}: {spreads[worst]:.0%}"
        )
    return warnings + [
        f"a control, a loop against itself, came out at {control.median:.2f}"
        for control in controls
        if abs(control.median - 1) > NOISY_CONTROL
    ]
