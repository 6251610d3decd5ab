"""What a run says, in plain words that are made from its figures alone: where atrio is faster, where it is slower."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.analysis.estimates import FEWEST_ROUNDS, Estimate, noise_warnings
from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.report.costs import (
    estimated,
    is_measured,
    main_column,
    measured_of,
    measured_row,
    number,
    reason_of,
    suite_of,
    suite_title,
    suites,
)
from benchmarks.report.tables import FEWEST_TOLD, verdict_of


@dataclass(frozen=True)
class Versus:
    """Another program of a work beside atrio's.

    Args:
        label: what it is.
        ratio: its cost divided by atrio's.
        lacks: the features that atrio's program has and it has not.
        has: the features that it has and atrio's program has not.
    """

    label: str
    ratio: Estimate
    lacks: tuple[str, ...]
    has: tuple[str, ...]

    @property
    def said(self) -> str:
        """The program, what it costs beside atrio, and what it does not do, or does besides."""
        notes = [f"{number(self.ratio.median)} times atrio's"]
        notes += [f"without {', '.join(self.lacks)}"] if self.lacks else []
        notes += [f"with {', '.join(self.has)} besides"] if self.has else []
        return f"{self.label} ({'; '.join(notes)})"


@dataclass(frozen=True)
class Comparison:
    """atrio in one work beside the other programs of it that do the same with events.

    Args:
        title: the work's.
        hears: what all of them do with events.
        atrio: atrio's program, and what it costs.
        others: all the others, the cheapest first.
    """

    title: str
    hears: str
    atrio: str
    others: tuple[Versus, ...]

    @property
    def slower_than(self) -> list[Versus]:
        """Those that cost less than atrio, by the whole interval."""
        return [each for each in self.others if each.ratio.high < 1 and each.ratio.rounds >= FEWEST_TOLD]

    @property
    def faster_than(self) -> list[Versus]:
        """Those that cost more than atrio, by the whole interval."""
        return [each for each in self.others if each.ratio.low > 1 and each.ratio.rounds >= FEWEST_TOLD]

    @property
    def alike(self) -> list[Versus]:
        """Those that this run cannot tell from atrio."""
        told = (*self.slower_than, *self.faster_than)
        return [each for each in self.others if each not in told]

    @property
    def said(self) -> list[str]:
        """The comparison in sentences."""
        lines = []
        faster, slower = self.faster_than, self.slower_than
        if faster:
            ends = faster[0].said if len(faster) == 1 else f"from {faster[0].said} to {faster[-1].said}"
            lines.append(f"It costs less than {self._share(faster)}{ends}.")
        if slower:
            lines.append(f"It costs more than {self._share(slower)}{'; '.join(each.said for each in slower)}.")
        if self.alike:
            lines.append(f"Not to be told from it: {'; '.join(each.label for each in self.alike)}.")
        return [*lines, *self._among_equals()]

    def _share(self, some: Sequence[Versus]) -> str:
        """Return how many of the others these are, where there are several others."""
        return f"{len(some)} of {len(self.others)}: " if len(self.others) > 1 else ""

    def _among_equals(self) -> list[str]:
        """Say how atrio stands among those that do all that it does, where there are others besides."""
        equals = [each for each in self.others if not each.lacks]
        if not equals or len(equals) == len(self.others):
            return []
        better = [each for each in equals if each.ratio.high < 1]
        alike = [each for each in equals if each.ratio.low <= 1 <= each.ratio.high]
        among = f"Among the {len(equals) + 1} that do all that it does here"
        if better:
            return [f"{among}, {better[0].label} is the cheapest, at {number(better[0].ratio.median)} of its cost."]
        if alike:
            return [f"{among}, none costs less; {len(alike)} cannot be told from it."]
        return [f"{among}, it is the cheapest."]


@dataclass(frozen=True)
class Targets:
    """The rows that have a target, with their figures, by what became of it."""

    met: tuple[tuple[Row, Estimate], ...]
    missed: tuple[tuple[Row, Estimate], ...]
    unmeasured: tuple[Row, ...]

    @property
    def missed_said(self) -> list[tuple[str, str, str]]:
        """What each missed target is of, its figure, and the target."""
        return [
            (
                f"{suite_title(suite_of(row))}: {row.label}",
                row.shown(figure.median),
                f"{row.target}{' (uncertain)' if 'uncertain' in verdict_of(row, figure) else ''}",
            )
            for row, figure in self.missed
        ]

    @property
    def uncertain(self) -> int:
        """How many of the verdicts could be the other one: the target lies in the interval."""
        return sum("uncertain" in verdict_of(row, figure) for row, figure in (*self.met, *self.missed))

    @property
    def said(self) -> str:
        """How many there are of each, in a sentence."""
        measured = len(self.met) + len(self.missed)
        if not measured:
            return "No row with a target was measured."
        parts = [f"Of {measured} targets that were measured, {len(self.met)} were met and {len(self.missed)} missed"]
        if self.uncertain:
            parts.append(f"; uncertain, for the target lies inside of the interval: {self.uncertain} of these verdicts")
        if self.unmeasured:
            parts.append(f". {len(self.unmeasured)} more could not be measured")
        return f"{''.join(parts)}."


def targets(run: Run, rows: Iterable[Row]) -> Targets:
    """Return what became of the targets of those rows that this run meant to measure."""
    met, missed, unmeasured = [], [], []
    for row in rows:
        if not row.target or any(name not in run.programs for name in row.programs):
            continue
        figure = measured_row(row, run)
        if figure is None:
            unmeasured.append(row)
        else:
            (met if row.verdict(figure.median) == "met" else missed).append((row, figure))
    return Targets(tuple(met), tuple(missed), tuple(unmeasured))


def comparisons(run: Run) -> list[Comparison]:
    """Return atrio beside others in each work; of one at several sizes, at the largest that others did too."""
    found = []
    for groups in suites(run).values():
        for group in groups:
            by_work = [_comparisons_of(run, work) for work in reversed(group.works)]
            # The one that has most to be compared with, and of equals the largest.
            found += max(by_work, key=lambda each: sum(len(one.others) for one in each), default=[])
    return found


def verdict(found: Iterable[Comparison]) -> str:
    """Return all comparisons in a sentence."""
    each = list(found)
    others, cheaper, alike = (
        sum(map(len, counted))
        for counted in ([c.others for c in each], [c.slower_than for c in each], [c.alike for c in each])
    )
    if not others:
        return "This run measured nothing beside atrio."
    counted = f"{len(each)} comparison{'s' if len(each) > 1 else ''}"
    less = others - cheaper - alike
    return (
        f"In {counted} with {others} programs, atrio costs less than {less} of them and more than {cheaper}; "
        f"{alike} cannot be told from it."
    )


def _comparisons_of(run: Run, work: str) -> list[Comparison]:
    """Return a comparison for each thing that is done with events."""
    programs = {name: run.programs[name] for name in measured_of(run, work)}
    found = []
    for hears in dict.fromkeys(program.get("hears", "quiet") for program in programs.values()):
        alike = [name for name, program in programs.items() if program.get("hears", "quiet") == hears]
        ours = [name for name in alike if programs[name].get("subject") == "atrio"]
        others = [
            name for name in alike if programs[name].get("subject") != "atrio" and not programs[name].get("control")
        ]
        # Of several of atrio's, the first is the plain one: those behind it are measured for what they add.
        versus = [each for name in others if ours and (each := _versus(run, ours[0], name)) is not None]
        if versus:
            ordered = tuple(sorted(versus, key=lambda each: each.ratio.median))
            found.append(Comparison(run.works[work]["title"], hears, _costs(run, work, ours[0]), ordered))
    return found


def _versus(run: Run, ours: str, other: str) -> Versus | None:
    """Return another program beside atrio's; None where no round has both."""
    figure = run.main_figure(ours)
    ratio = estimated(Row("", other, ours, figure=figure), run)
    if ratio is None:
        return None
    mine, theirs = (run.programs[name].get("features", ()) for name in (ours, other))
    lacks = tuple(feature for feature in mine if feature not in theirs)
    has = tuple(feature for feature in theirs if feature not in mine)
    return Versus(run.programs[other]["label"], ratio, lacks, has)


def _costs(run: Run, work: str, program: str) -> str:
    """Return what atrio's program costs."""
    column = main_column(run, [work])
    cost = column.of(program, run) if column else None
    label = run.programs[program]["label"]
    if column is None or cost is None:
        return label
    return f"{label}: {number(cost.median)} {column.unit} ({column.title})".replace("  ", " ")


def noise(run: Run, rows: Sequence[Row]) -> list[str]:
    """Return what speaks against trusting the figures: noise, and too few rounds."""
    warnings = noise_warnings(run, rows)
    rounds = run.data.get("rounds")
    if isinstance(rounds, int) and rounds < FEWEST_ROUNDS:
        warnings.append(
            f"with {rounds} round{'s' if rounds > 1 else ''} an interval is their whole range, and holds the true "
            "median with less than 95 % confidence"
        )
    return warnings


def absent(run: Run) -> list[tuple[str, str]]:
    """Return the programs that were not measured, each once, with the reason."""
    found = {
        (run.programs[name]["label"], reason_of(run, name)): None for name in run.programs if not is_measured(run, name)
    }
    return list(found)
