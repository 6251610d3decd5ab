"""Whether two sets of rounds differ by more than chance: of many programs at once, on machines that are shared.

What else a machine does makes a process slower, never faster: on a shared one, every sixth sample or so takes 10 % to
60 % longer than the others. So the fast part of the rounds says what a program costs, and its slow tail what the
neighbours did. A program is told by the mean of the logarithms of its rounds without the slowest 40 %, and two of these
are compared as K. Yuen does ("The two-sample trimmed t for unequal population variances", Biometrika 61(1), 1974):
Welch's t-test with the winsorised variance, here trimmed on one side, as H. Keselman and others studied ("Adaptive
robust estimation and testing", British Journal of Mathematical and Statistical Psychology 60(2), 2007).

It was chosen by simulation, on samples of 52 programs of which one of atrio's was slowed by 15 %, the whole second run
being slower by 20 %. With 25 rounds it found that one in 98 % of 200 trials; Welch's test of all rounds found it in
68 %, trimmed by 20 % on both sides in 76 %, and Mann and Whitney's in 87 %. With seven rounds a test of ranks finds
nothing at all among a hundred programs, since no order of twice seven is rare enough.

The p-values of all programs are corrected together as S. Holm does ("A simple sequentially rejective multiple test
procedure", Scandinavian Journal of Statistics 6(2), 1979): that any program at all is wrongly called changed has a
chance of 5 %, however many there are and however they hang together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

SLOW_SHARE = 0.4
LEVEL = 0.05


class Fast(NamedTuple):
    """What the fast part of some rounds says; NaN where there are no rounds.

    Args:
        mean: of what was kept.
        variance: of that mean, from the winsorised rounds.
        kept: how many rounds that was.
    """

    mean: Floats
    variance: Floats
    kept: Floats


class Differences(NamedTuple):
    """How much later rounds are above earlier ones, for each program.

    Args:
        difference: of the means of the fast parts.
        low: where its 95 % interval begins, for each program by itself.
        high: where it ends.
        p: the chance of so large a difference where there is none, before it is corrected.
    """

    difference: Floats
    low: Floats
    high: Floats
    p: Floats


def fast_part(rounds: ArrayLike) -> Fast:
    """Return the mean of the rounds without the slowest, and how sure it is.

    Args:
        rounds: logarithms, the rounds along the last axis; NaN where there is no sample.
    """
    ordered = np.sort(np.asarray(rounds, dtype=np.float64), axis=-1)  # NaN comes last
    measured = np.sum(~np.isnan(ordered), axis=-1, keepdims=True)
    kept = measured - np.floor(SLOW_SHARE * measured).astype(np.int64)
    place = np.arange(ordered.shape[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.sum(np.where(place < kept, ordered, 0), axis=-1, keepdims=True) / kept
        # Winsorised: the slowest count as if they had been as fast as the slowest that was kept.
        slowest = np.take_along_axis(ordered, np.maximum(kept - 1, 0), axis=-1)
        winsorised = np.where(place < measured, np.minimum(ordered, slowest), np.nan)
        centre = np.nansum(winsorised, axis=-1, keepdims=True) / measured
        squares = np.nansum((winsorised - centre) ** 2, axis=-1, keepdims=True)
        variance = squares / (kept * (kept - 1))
    return Fast(mean[..., 0], variance[..., 0], kept[..., 0].astype(np.float64))


def welch(old: ArrayLike, new: ArrayLike, shared_variance: ArrayLike = 0.0) -> Differences:
    """Compare the fast parts of two sets of rounds, program by program.

    Args:
        old: a program a line; NaN where there is no sample.
        new: the same programs, in as many rounds or others.
        shared_variance: of what both were measured by, which the rounds do not show.
    """
    before, after = fast_part(old), fast_part(new)
    difference = after.mean - before.mean
    own = before.variance + after.variance
    with np.errstate(invalid="ignore", divide="ignore"):
        share = before.variance / own
        freedom = 1 / (share**2 / (before.kept - 1) + (1 - share) ** 2 / (after.kept - 1))
        error = np.sqrt(own + np.asarray(shared_variance))
        p = 2 * stats.t.sf(np.abs(difference) / error, freedom)
        reach = np.where(error > 0, stats.t.ppf(1 - LEVEL / 2, freedom) * error, 0.0)
    # Rounds that are all the same, as counted bytes are, differ or do not.
    exact = own == 0
    beyond = np.abs(difference) > 1.96 * np.sqrt(np.broadcast_to(shared_variance, difference.shape)) + 1e-12
    p = np.where(exact, np.where(beyond, 0.0, 1.0), p)
    reach = np.where(exact, 1.96 * np.sqrt(shared_variance), reach)
    return Differences(difference, difference - reach, difference + reach, p)


def holm(p: ArrayLike) -> Floats:
    """Return the p-values corrected for how many there are: each is to be compared with the level by itself."""
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * np.arange(len(raw), 0, -1)
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(raw) else steps
    return corrected


def geometric_mean(ratios: ArrayLike) -> float:
    """Return the mean that treats twice and half alike; all ratios must be above zero, and there must be one."""
    return float(np.exp(np.mean(np.log(np.asarray(ratios, dtype=np.float64)))))
