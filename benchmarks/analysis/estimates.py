"""What a row's figure is, how sure that is, and what speaks against trusting it.

A figure is the median over the rounds: a share of the rounds may be spoilt by what else the machine did, and samples
have tails that make a mean move with a single one of them.

Its interval is the percentile bootstrap of `scipy.stats.bootstrap`, over the rounds. Not BCa, scipy's default: that
corrects by a jackknife, and the jackknife is inconsistent for a median, since leaving one out moves it in jumps or not
at all (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 11.6). Few rounds make the
percentile interval too narrow, so the level is widened to what Student's t needs, "expanded percentile" (T. Hesterberg,
"What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015). With fewer than six rounds
nothing that they span holds the true median with 95 % confidence; the interval is then their whole range, and
`Estimate.confidence` says how much that is worth.
"""

import math
import os
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run

CONFIDENCE = 0.95
RESAMPLES = 4999
SEED = 20
# The range of so many values holds the median with 1 - 2 ** (1 - n): 93.8 % of five, 96.9 % of six.
FEWEST_ROUNDS = 6

# Beyond these the machine was busy with something else, and the third digit of a ratio means nothing.
NOISY_SPREAD = 0.10
NOISY_CONTROL = 0.03


@dataclass(frozen=True)
class Estimate:
    """A median over rounds, and the interval in which it lies.

    Args:
        median: of the rounds.
        low: where the interval begins.
        high: where it ends.
        rounds: how many there were.
        spread: the interquartile range as a share of the median; 0 of fewer than four rounds.
    """

    median: float
    low: float
    high: float
    rounds: int
    spread: float = 0.0

    @property
    def confidence(self) -> float:
        """With which confidence the interval holds the true median: 0.95, less of fewer than six rounds."""
        return CONFIDENCE if self.rounds >= FEWEST_ROUNDS else 1 - 2.0 ** (1 - self.rounds)


def estimate(row: Row, run: Run) -> Estimate | None:
    """Return a row's figure; None where one of its programs was not measured, or no round has all that it needs."""
    if any(run.absence(program) for program in row.programs):
        return None
    rounds = run.rounds(row)
    return estimate_of(rounds) if rounds else None


def estimate_of(rounds: Sequence[float], seed: int = SEED) -> Estimate:
    """Return the median of what each round gave, with its interval.

    Args:
        rounds: one figure a round, at least one.
        seed: of the resampling: the same rounds give the same interval.
    """
    median, low, high = statistics.median(rounds), min(rounds), max(rounds)
    if len(rounds) >= FEWEST_ROUNDS and low < high:
        interval = stats.bootstrap(
            (np.asarray(rounds),),
            np.median,
            confidence_level=expanded_level(len(rounds)),
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        # A percentile between two equal medians may be off in its last digit.
        low, high = max(low, min(float(interval.low), median)), min(high, max(float(interval.high), median))
    return Estimate(median, low, high, len(rounds), spread_of(rounds))


def expanded_level(rounds: int) -> float:
    """Return the level at which the percentiles are as far apart as Student's t would have them."""
    tail = (1 - CONFIDENCE) / 2
    wide = math.sqrt(rounds / (rounds - 1)) * stats.t.ppf(tail, rounds - 1)
    return float(1 - 2 * stats.norm.cdf(wide))


def spread_of(samples: Sequence[float]) -> float:
    """Return the interquartile range as a share of the median; 0 where there are too few samples to tell."""
    if len(samples) < 4:
        return 0.0
    first, median, third = statistics.quantiles(samples, n=4, method="inclusive")
    return (third - first) / abs(median) if median else 0.0


def spreads(run: Run) -> dict[str, float]:
    """Return how far each measured program's main figure spreads over the rounds."""
    measured = [name for name in run.programs if run.absence(name) is None]
    return {name: spread_of(list(run.by_round(name, run.main_figure(name)).values())) for name in measured}


def noise_warnings(run: Run, rows: Iterable[Row], cores: int | None = None) -> list[str]:
    """Return a warning for each sign that the machine was noisy.

    Args:
        run: what was measured.
        rows: those of its table, of which the controls are looked at.
        cores: how many the machine has; by default what the run says, or else this machine's.
    """
    return [*_spread_warnings(spreads(run)), *_control_warnings(run, rows), *load_warnings(run, cores)]


def _spread_warnings(spread: Mapping[str, float]) -> list[str]:
    noisy = [name for name, each in spread.items() if each > NOISY_SPREAD]
    if not noisy:
        return []
    worst = max(noisy, key=spread.__getitem__)
    share = f"{len(noisy)} of {len(spread)} programs, most of {worst}: {spread[worst]:.0%}"
    return [f"half of the samples spread over more than {NOISY_SPREAD:.0%} of their median, of {share}"]


def _control_warnings(run: Run, rows: Iterable[Row]) -> list[str]:
    warnings = []
    for row in rows:
        figure = estimate(row, run) if row.control else None
        if figure is not None and abs(figure.median - 1) > NOISY_CONTROL:
            warnings.append(f"a control, a program against itself, came out at {figure.median:.2f}: {row.label}")
    return warnings


def load_warnings(run: Run, cores: int | None = None) -> list[str]:
    """Return a warning if the machine had more to do than cores, before the run or after it."""
    cores = cores or cores_of(run) or os.cpu_count() or 1
    load: Mapping[str, float | None] = run.data.get("load") or {}
    return [
        f"the load {when} the run was {load[when]:.1f}, on {cores} cores"
        for when in ("before", "after")
        if (load.get(when) or 0) > cores
    ]


def cores_of(run: Run) -> int | None:
    """Return how many cores the run's machine has, if it says so."""
    found = re.search(r"(\d+) cores", str((run.data.get("machine") or {}).get("machine", "")))
    return int(found[1]) if found else None
