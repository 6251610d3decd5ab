"""CI's gate: a fresh run of the core held against the recorded reference.

CI's machines are shared, of several kinds, and the core has few rounds, so only rows that are ratios within a round
are held (``gate=True``), and only one that is worse by a factor of 1.5 fails. What was not measured fails as well, with
the reason: a gate that passes because a program broke is none.
"""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.analysis.estimates import Estimate, estimate
from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run
from benchmarks.analysis.text import aligned

FACTOR = 1.5


class Held(NamedTuple):
    """A row held against its record.

    Args:
        row: the row.
        fresh: its figure now, as shown; empty where there is none.
        recorded: its figure in the reference.
        worse: by which factor it is worse, below 1 if it is better; None where that cannot be told.
        verdict: ``passed``, ``FAILED`` with the reason, or the note that nothing is recorded.
        ok: whether it lets the run pass.
    """

    row: Row
    fresh: str
    recorded: str
    worse: float | None
    verdict: str
    ok: bool

    @property
    def line(self) -> tuple[str, ...]:
        """The row of the table."""
        factor = "" if self.worse is None else f"{self.worse:.2f}"
        return self.row.label, self.verdict, self.fresh, self.recorded, factor


def gate_report(fresh: Run, reference: Run, rows: Iterable[Row]) -> tuple[str, bool]:
    """Return what the gate says, and whether it lets pass.

    Args:
        fresh: what was measured now.
        reference: what is recorded.
        rows: of which those with ``gate`` are held.
    """
    held = [_held(row, fresh, reference) for row in rows if row.gate]
    compared = sum(each.worse is not None for each in held)
    failed = sum(not each.ok for each in held)
    ok = not failed and compared > 0
    said = f"{compared} of {len(held)} rows were held against {reference.name}, {failed} failed"
    if not compared:
        said += ": a gate that holds nothing does not pass"
    table = aligned(("row", "verdict", "now", "recorded", "times worse"), [each.line for each in held], words=2)
    meaning = f"A row fails if it is more than {FACTOR:g} times worse than recorded, or was not measured."
    return f"{table}\n\n{meaning}\n{'PASSED' if ok else 'FAILED'}: {said}.", ok


def _held(row: Row, fresh: Run, reference: Run) -> Held:
    """Hold one row against its record."""
    now, before = estimate(row, fresh), estimate(row, reference)
    shown = ["" if each is None else row.shown(each.median) for each in (now, before)]
    if now is None:
        return Held(row, shown[0], shown[1], None, f"FAILED: not measured: {reason_of(row, fresh)}", ok=False)
    if before is None:
        note = f"note: nothing to hold it against: {reason_of(row, reference)}"
        return Held(row, shown[0], shown[1], None, note, ok=True)
    worse = _times_worse(row, now, before)
    if worse is None:
        return Held(row, shown[0], shown[1], None, "FAILED: a figure that is not above zero has no factor", ok=False)
    ok = worse <= FACTOR
    return Held(row, shown[0], shown[1], worse, "passed" if ok else f"FAILED: worse by more than {FACTOR:g}", ok=ok)


def _times_worse(row: Row, now: Estimate, before: Estimate) -> float | None:
    """Return by which factor a figure is worse; None if it has none."""
    if now.median <= 0 or before.median <= 0:
        return None
    return before.median / now.median if row.higher_is_better else now.median / before.median


def reason_of(row: Row, run: Run) -> str:
    """Return why a run has no figure of a row."""
    absences = [absence for name in dict.fromkeys(row.programs) if (absence := run.absence(name))]
    return "; ".join(absences) or f"no round has all of its figures: {', '.join(dict.fromkeys(row.programs))}"
