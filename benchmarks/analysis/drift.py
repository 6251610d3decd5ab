"""How two runs are made comparable although the machine was not the same: by the programs that are not atrio's.

Runs of identical code differ by as much as a factor of 1.2, and a machine may slow down in the middle of one. What
slows everything is therefore measured by *yardsticks*, the programs of the run that are not atrio's own (the
hand-written loop, its control, the twins, the rivals), and taken out in two steps:

1. Round by round, within a run: each yardstick's distance from its own cost in that run, of which the lower quartile is
   taken off everything in that round. A sample that was disturbed is slow, so the quartile is of those that were not.
   In the simulation that `significance` tells of, a slowdown of 15 % was found in 98 % of the trials by it, in 93 % by
   the yardsticks' mean and in 46 % by the mean of the control pair; a single yardstick found it in 54 %, and let
   another program look changed in 38 %.
2. Between the runs: the median of what the yardsticks' costs became. A yardstick that did become faster, because a
   rival was updated, changes nothing for the others, as long as most yardsticks are what they were.

How unsure the second step is counts as variance of each program's change. Yardsticks are those of the same work; where
it has fewer than three, those of all works of its suite, and for CPU time those of the whole run. Where even these are
too few, and for figures that are no time, costs are compared as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.analysis.runs import Run
from benchmarks.analysis.significance import Floats, fast_part

FEWEST_YARDSTICKS = 3
QUARTILE = 0.25
# A median of many is as sure as a mean of so many times fewer.
MEDIAN_LOSS = np.pi / 2


@dataclass(frozen=True)
class Measure:
    """What some programs of one figure are measured by.

    Args:
        where: in words, for tables: ``its work``, ``its suite``, ``the run``; empty if by nothing.
        yardsticks: the programs.
    """

    where: str
    yardsticks: tuple[str, ...]


BY_NOTHING = Measure("", ())


def measures(run: Run, programs: Sequence[str]) -> dict[str, Measure]:
    """Return what each of the programs is measured by, all of which are in both runs.

    Args:
        run: either of them.
        programs: those that are compared.
    """
    figures = {name: run.main_figure(name) for name in programs}
    works = {name: run.programs[name]["work"] for name in programs}
    timed = {name for name in programs if run.is_time(name)}
    able = [name for name in programs if name in timed and run.programs[name].get("subject") != "atrio"]

    def measure_of(name: str) -> Measure:
        if name not in timed:
            return BY_NOTHING
        alike = [each for each in able if figures[each] == figures[name]]
        suite = works[name].partition(".")[0]
        wider = {
            "its work": [each for each in alike if works[each] == works[name]],
            "its suite": [each for each in alike if works[each].partition(".")[0] == suite],
            # Wall time may be spent asleep, which no machine does more slowly.
            "the run": alike if figures[name] == "cpu_s" else [],
        }
        for where, yardsticks in wider.items():
            if len(yardsticks) >= FEWEST_YARDSTICKS:
                return Measure(where, tuple(yardsticks))
        return BY_NOTHING

    return {name: measure_of(name) for name in programs}


@dataclass(frozen=True)
class Logs:
    """Logarithms of what programs cost in the rounds of one run.

    Args:
        programs: a line each.
        rounds: a line a program, a column a round; NaN where there is no sample.
    """

    programs: tuple[str, ...]
    rounds: Floats

    @classmethod
    def of(cls, run: Run, programs: Sequence[str]) -> "Logs":
        """Return the main figure of each program; what is not above zero has no logarithm, and counts as missing."""
        costs = [run.by_round(name, run.main_figure(name)) for name in programs]
        columns = sorted({round_ for each in costs for round_ in each})
        table = np.array([[each.get(round_, np.nan) for round_ in columns] for each in costs], dtype=np.float64)
        table = table.reshape(len(costs), len(columns))
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.log(table)
        return cls(tuple(programs), np.where(np.isfinite(logs), logs, np.nan))

    def steadied(self, measured_by: Mapping[str, Measure]) -> "Logs":
        """Return them without what slowed the rounds down: the first step."""
        rounds = self.rounds.copy()
        lines = {name: index for index, name in enumerate(self.programs)}
        for measure in set(measured_by.values()) - {BY_NOTHING}:
            yardsticks = self.rounds[[lines[name] for name in measure.yardsticks]]
            pace = _lower_quartile(yardsticks - fast_part(yardsticks).mean[:, np.newaxis])
            those = [lines[name] for name in self.programs if measured_by[name] == measure]
            # A round without any yardstick has no pace: NaN, and the sample is not used.
            rounds[those] = self.rounds[those] - pace
        return Logs(self.programs, rounds)


def _lower_quartile(distances: Floats) -> Floats:
    """Return the lower quartile of each column, the lower one of two; NaN for one that is empty."""
    ordered = np.sort(distances, axis=0)
    last = np.maximum(np.sum(~np.isnan(distances), axis=0) - 1, 0)
    place = np.floor(QUARTILE * last).astype(np.int64)
    pace: Floats = np.take_along_axis(ordered, place[np.newaxis], axis=0)[0]
    return pace


def median_of(values: Floats) -> Floats:
    """Return the medians along the last axis, leaving NaN out; NaN where there is nothing else."""
    ordered = np.sort(values, axis=-1)
    count = np.sum(~np.isnan(values), axis=-1, keepdims=True)
    below, above = (np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[-1] - 1))
    middle = [np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in (below, above)]
    return np.where(count[..., 0] > 0, (middle[0] + middle[1]) / 2, np.nan)


@dataclass(frozen=True)
class Shift:
    """By how much the machine was slower in the second of two runs, for each program's measure: the second step.

    Args:
        lines: for each measure, the lines of its yardsticks and of what they measure.
        programs: how many lines there are.
    """

    lines: tuple[tuple[Sequence[int], Sequence[int]], ...]
    programs: int

    @classmethod
    def by(cls, programs: Sequence[str], measured_by: Mapping[str, Measure]) -> "Shift":
        """Return the shift of programs, a line each, that are measured so."""
        lines = {name: index for index, name in enumerate(programs)}
        found = []
        for measure in dict.fromkeys(measured_by.values()):
            if measure != BY_NOTHING:
                those = [lines[name] for name in programs if measured_by[name] == measure]
                found.append(([lines[name] for name in measure.yardsticks], those))
        return cls(tuple(found), len(programs))

    def of(self, differences: Floats) -> Floats:
        """Return what is to be taken off each of the differences, the programs of which are along the last axis."""
        shifts = np.zeros_like(differences)
        for yardsticks, those in self.lines:
            shifts[..., those] = median_of(differences[..., yardsticks])[..., np.newaxis]
        return shifts

    def variance(self, variances: Floats) -> Floats:
        """Return how unsure that is, given the variances of the programs' own differences."""
        found = np.zeros(self.programs)
        for yardsticks, those in self.lines:
            known = variances[yardsticks][np.isfinite(variances[yardsticks])]
            found[those] = MEDIAN_LOSS * np.mean(known) / len(known) if len(known) else np.nan
        return found
