"""What changed between two runs: of each program that is in both, and on the geometric mean.

What a program costs is its work's figure. `drift` takes out what the machine did, `significance` says what is more than
chance. A program is called changed if the corrected p-value is at most 5 % **and** the change at least 3 %: two builds
of the same code differ by a percent or two, through where things come to lie in memory, and with many rounds any such
difference becomes significant.

An *alarm* is a comparison of a commit with itself that calls any program changed: 0 to 4 % of 200 comparisons of
samples that were drawn anew from 52 programs on a shared machine, also where the second run was slower by 20 %, or
became so in its middle. How often a program of atrio's among these is found that is slower, process starts left out,
which by themselves spread by more than 15 %:

====== =========== ===========
rounds 15 % slower 30 % slower
====== =========== ===========
5             14 %        35 %
7             46 %        69 %
11            78 %        92 %
15            92 %        97 %
25            98 %       100 %
====== =========== ===========

So the quick tier's seven rounds miss half of the changes of 15 %: take 15 to find one, or the rigorous tier's 25.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.analysis.conditions import warnings_of
from benchmarks.analysis.drift import Logs, Shift, measures
from benchmarks.analysis.estimates import CONFIDENCE, SEED, expanded_level
from benchmarks.analysis.runs import Run
from benchmarks.analysis.significance import LEVEL, Differences, Floats, fast_part, geometric_mean, holm, welch

LEAST_CHANGE = 0.03
FEWEST_ROUNDS = 5
RESAMPLES = 999

TOO_FEW = "cannot be told: too few rounds"
NO_CHANGE = "no change can be told"

# What makes a program another one, and its figures no ones to compare; how it is built may change with the code.
SAME_PROGRAM = ("work", "options", "kind", "hears", "environment")
SAME_WORK = ("size", "unit", "figure", "clock", "answer")


@dataclass(frozen=True)
class Change:
    """What became of a program.

    Args:
        program: its name.
        label: what it is.
        work: the title of its work.
        subject: whose it is.
        clock: the unit of the figure, ``s`` for seconds.
        old: its cost in the old run, the median over the rounds; None where no round has a cost above zero.
        new: the same of the new one.
        raw: the new cost divided by the old, as measured.
        ratio: the same, without what the machine did; None where it cannot be told.
        low: where its 95 % interval begins, for this program by itself.
        high: where it ends.
        p: the p-value, corrected for all programs.
        verdict: ``faster``, ``slower``, ``less``, ``more``, or why neither is said.
        rounds: how many there were, in the old run and in the new one.
        by: what it was measured by, in words; empty if by nothing.
    """

    program: str
    label: str
    work: str
    subject: str
    clock: str
    old: float | None
    new: float | None
    raw: float | None
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str
    rounds: tuple[int, int] = (0, 0)
    by: str = ""

    @property
    def changed(self) -> bool:
        """Whether the program is reported as changed."""
        return self.verdict in {"faster", "slower", "less", "more"}


@dataclass(frozen=True)
class Mean:
    """The geometric mean of what some programs became, with its 95 % interval."""

    ratio: float
    low: float
    high: float
    programs: int


@dataclass(frozen=True)
class Comparison:
    """What changed between two runs.

    Args:
        old: the name of the old run.
        new: the name of the new one.
        changes: of each program that both measured, doing the same.
        overall: the geometric mean over all whose figure is a time; None if there are none.
        own: the same over atrio's own programs.
        differing: programs of both runs that do not do the same, with what differs.
        unmeasured: programs of both runs that one of them did not measure, with the reason.
        only_old: programs that are only in the old run.
        only_new: programs that are only in the new one.
        warnings: what else differed, and what speaks against trusting the figures.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    overall: Mean | None
    own: Mean | None
    differing: Mapping[str, str]
    unmeasured: Mapping[str, str]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def changed(self) -> tuple[Change, ...]:
        """The programs that are reported as changed."""
        return tuple(change for change in self.changes if change.changed)


def compared(old: Run, new: Run, *, resamples: int = RESAMPLES) -> Comparison:
    """Return what changed between two runs.

    Args:
        old: the run that is compared with.
        new: the run that is looked at.
        resamples: how often the rounds are drawn anew for the intervals of the geometric means.
    """
    shared = [name for name in new.programs if name in old.programs]
    differing = {name: said for name in shared if (said := difference_of(old, new, name))}
    absences = {name: _absence(old, new, name) for name in shared if name not in differing}
    programs = [name for name, absence in absences.items() if absence is None]
    changes, overall, own = _changes(old, new, programs, resamples)
    return Comparison(
        old=old.name,
        new=new.name,
        changes=changes,
        overall=overall,
        own=own,
        differing=differing,
        unmeasured={name: absence for name, absence in absences.items() if absence is not None},
        only_old=tuple(name for name in old.programs if name not in new.programs),
        only_new=tuple(name for name in new.programs if name not in old.programs),
        warnings=tuple(warnings_of(old, new, programs)),
    )


def difference_of(old: Run, new: Run, program: str) -> str:
    """Return what makes a program of one run another one in the other; empty if it is the same."""
    before, after = old.programs[program], new.programs[program]
    said = _differing(SAME_PROGRAM, before, after)
    works = [run.works.get(each["work"], {}) for run, each in ((old, before), (new, after))]
    return "; ".join([*said, *_differing(SAME_WORK, *works)])


def _differing(keys: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} was {before.get(key)!r}, now {after.get(key)!r}" for key in keys if before.get(key) != after.get(key)
    ]


def _absence(old: Run, new: Run, program: str) -> str | None:
    """Return why one of the runs has no cost of a program; None where both have."""
    said = []
    for which, run in (("old", old), ("new", new)):
        absence, figure = run.absence(program), run.main_figure(program)
        if absence is None and not run.by_round(program, figure):
            absence = f"no {figure}"
        if absence is not None:
            said.append(f"{which}: {absence.removeprefix(f'{program}: ')}")
    return "; ".join(said) or None


def _changes(
    old: Run, new: Run, programs: Sequence[str], resamples: int
) -> tuple[tuple[Change, ...], Mean | None, Mean | None]:
    """Compare the costs of programs that both runs have; return the changes, and the two geometric means."""
    if not programs:
        return (), None, None
    measured_by = measures(new, programs)
    before, after = (Logs.of(run, programs).steadied(measured_by).rounds for run in (old, new))
    shift = Shift.by(programs, measured_by)
    variances = fast_part(before).variance + fast_part(after).variance
    shifts = shift.of(fast_part(after).mean - fast_part(before).mean)
    found = welch(before, after - shifts[:, np.newaxis], shift.variance(variances))
    counts = np.stack([np.sum(~np.isnan(each), axis=1) for each in (before, after)], axis=1)
    told = (counts.min(axis=1) >= FEWEST_ROUNDS) & np.isfinite(found.p)
    corrected = np.full(len(programs), np.nan)
    corrected[told] = holm(found.p[told])
    changes = tuple(
        _change(old, new, name, Differences(*(values[index] for values in found._replace(p=corrected))))
        for index, name in enumerate(programs)
    )
    changes = tuple(
        replace(change, rounds=(int(few), int(many)), by=measured_by[change.program].where)
        for change, (few, many) in zip(changes, counts, strict=True)
    )
    mean_of = _geometric_means(before, after, shift, resamples)
    timed = [index for index, change in enumerate(changes) if change.clock == "s" and change.ratio is not None]
    own = [index for index in timed if changes[index].subject == "atrio"]
    return changes, mean_of(timed), mean_of(own)


def _change(old: Run, new: Run, program: str, found: Differences) -> Change:
    """Return what became of a program, as far as its own line tells."""
    known = new.programs[program]
    work = new.works.get(known["work"], {})
    costs = [_cost(run, program) for run in (old, new)]
    told = bool(np.isfinite(found.p))
    ratio, low, high = (float(value) if np.isfinite(value) else None for value in np.exp(found[:3]))
    return Change(
        program=program,
        label=known.get("label", program),
        work=work.get("title", known["work"]),
        subject=known.get("subject", ""),
        clock=work.get("clock", "s"),
        old=costs[0],
        new=costs[1],
        raw=None if costs[0] is None or costs[1] is None else costs[1] / costs[0],
        ratio=ratio,
        low=low if told else None,
        high=high if told else None,
        p=float(found.p) if told else None,
        verdict=_verdict(ratio, float(found.p), new.is_time(program)) if told and ratio is not None else TOO_FEW,
    )


def _cost(run: Run, program: str) -> float | None:
    """Return the median over the rounds; None if it has no logarithm."""
    costs = [each for each in run.by_round(program, run.main_figure(program)).values() if each > 0]
    return float(np.median(costs)) if costs else None


def _verdict(ratio: float, p: float, is_time: bool) -> str:  # noqa: FBT001 -- one of three facts, all of the same rank
    """Say what became of a program."""
    if p > LEVEL or max(ratio, 1 / ratio) < 1 + LEAST_CHANGE:
        return NO_CHANGE
    if ratio > 1:
        return "slower" if is_time else "more"
    return "faster" if is_time else "less"


def _geometric_means(
    before: Floats, after: Floats, shift: Shift, resamples: int
) -> Callable[[Sequence[int]], Mean | None]:
    """Return what makes the geometric mean of some lines, with the interval from drawing whole rounds anew.

    Whole rounds, since what disturbs a round disturbs many programs of it, and the shift between the runs is shared.
    """
    rng = np.random.default_rng(SEED)
    rounds = min(before.shape[1], after.shape[1])

    def drawn(logs: Floats) -> Floats:
        columns = rng.integers(0, logs.shape[1], size=(resamples, logs.shape[1]))
        return fast_part(np.moveaxis(logs[:, columns], 0, 1)).mean

    def shifted(differences: Floats) -> Floats:
        return differences - shift.of(differences)

    found = shifted(fast_part(after).mean - fast_part(before).mean)
    anew = shifted(drawn(after) - drawn(before))
    tail = 100 * (1 - (expanded_level(rounds) if rounds > 1 else CONFIDENCE)) / 2

    def mean_of(lines: Sequence[int]) -> Mean | None:
        if not lines:
            return None
        # Of a program that has few rounds none may have been drawn.
        means = np.ma.masked_invalid(anew[:, list(lines)]).mean(axis=1).compressed()
        low, high = np.exp(np.percentile(means, [tail, 100 - tail])) if means.size else (np.nan, np.nan)
        return Mean(geometric_mean(np.exp(found[list(lines)])), float(low), float(high), len(lines))

    return mean_of
