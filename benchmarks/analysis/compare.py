"""``compare OLD NEW``: what changed between two runs, in words and a table; `changes` finds it."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.analysis.changes import FEWEST_ROUNDS, LEAST_CHANGE, Change, Comparison, Mean, compared
from benchmarks.analysis.significance import LEVEL
from benchmarks.analysis.text import aligned, change, cost

__all__ = ["compared", "comparison_text", "summary"]

HEADS = ("program", "verdict", "old", "new", "as measured", "beside the others", "95 % interval", "rounds", "others")


def comparison_text(comparison: Comparison) -> str:
    """Return a comparison as Markdown."""
    return "\n".join([f"# {comparison.old} -> {comparison.new}", "", *_paragraphs(comparison)])


def _paragraphs(comparison: Comparison) -> Iterator[str]:
    yield from _listed("**Take care**", comparison.warnings)
    yield summary(comparison)
    yield ""
    if comparison.changes:
        yield aligned(HEADS, [_line(each) for each in comparison.changes], words=2)
        yield ""
        yield from _explained(comparison.changes)
    for title, mean in (("over all programs", comparison.overall), ("over atrio's own", comparison.own)):
        if mean is not None:
            yield f"- geometric mean {title} ({mean.programs}): {_mean(mean)}"
    if comparison.overall is not None:
        yield ""
    yield from _listed("Not compared, since they do not do the same", _named(comparison.differing))
    yield from _listed("Not measured", _named(comparison.unmeasured))
    yield from _listed("Only in the old run", comparison.only_old)
    yield from _listed("Only in the new run", comparison.only_new)


def summary(comparison: Comparison) -> str:
    """Return in one sentence what changed."""
    if not comparison.changes:
        return "No program is in both runs, measured and doing the same: there is nothing to compare."
    changed = sorted(comparison.changed, key=lambda each: each.verdict)
    untold = sum(each.p is None for each in comparison.changes)
    said = f"{len(changed)} of {len(comparison.changes)} programs changed"
    if changed:
        said += f": {', '.join(f'{each.program} is {_said(each)}' for each in changed)}"
    return said + (f"; {untold} cannot be told" if untold else "") + "."


def _said(changed: Change) -> str:
    return f"{change(changed.ratio)} ({changed.verdict})"


def _line(each: Change) -> Sequence[str]:
    interval = "" if each.low is None or each.high is None else f"{change(each.low)} to {change(each.high)}"
    rounds = f"{each.rounds[0]}" if each.rounds[0] == each.rounds[1] else f"{each.rounds[0]}, {each.rounds[1]}"
    costs = cost(each.old, each.clock), cost(each.new, each.clock)
    changes = change(each.raw), change(each.ratio)
    return each.program, each.verdict, *costs, *changes, interval, rounds, each.by or "none"


def _explained(changes: Sequence[Change]) -> Iterator[str]:
    """Say what the columns mean."""
    yield (
        "*Beside the others* is the change without what slowed the whole machine down, which the programs that are not "
        "atrio's tell: those of the same work, of its suite, or of the run. A change is called one if it is at least "
        f"{LEAST_CHANGE:.0%} and its p-value, corrected for all {len(changes)} programs, at most {LEVEL:.0%}; the "
        "interval is of each program by itself, of the faster part of its rounds. "
        f"Fewer than {FEWEST_ROUNDS} rounds tell nothing."
    )
    if any(not each.by and each.clock == "s" for each in changes):
        yield ""
        yield (
            "Where the others are *none*, too few of them were measured: what looks like a change may be a machine "
            "that was slower or faster."
        )
    yield ""


def _mean(mean: Mean) -> str:
    return f"{change(mean.ratio)}, 95 % interval {change(mean.low)} to {change(mean.high)}"


def _named(said: Mapping[str, str]) -> Sequence[str]:
    return [f"{name}: {what}" for name, what in said.items()]


def _listed(title: str, points: Sequence[str]) -> Iterator[str]:
    if points:
        yield f"{title}:"
        yield ""
        yield from (f"- {point}" for point in points)
        yield ""
