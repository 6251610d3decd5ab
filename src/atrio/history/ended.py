"""What ended since it was looked at last, by name, in its order: what there is much of is looked at in parts."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import NamedTuple

import attrs

__all__ = ["Ended", "Run", "note_first"]


class Run(NamedTuple):
    """A run that began.

    Attributes:
        name: the pipeline's id, or the batch's name.
        began: when it did.
        parent: the id of the run that it is inside of, or None.
    """

    name: str
    began: datetime
    parent: str | None


@attrs.define
class Ended:
    """What ended in some span of time.

    Attributes:
        pipelines: the pipelines, each with the first of the outermost runs that it ended in.
        batches: the names of batches of which tasks ended, as `pipelines`.
    """

    pipelines: dict[str, Run] = attrs.field(factory=dict[str, Run])
    batches: dict[str, Run] = attrs.field(factory=dict[str, Run])

    def __bool__(self) -> bool:
        return bool(self.pipelines or self.batches)

    def with_what_ended_before(self, before: Ended) -> Ended:
        """Return both together, what ended before at the begin."""
        both = Ended(before.pipelines.copy(), before.batches.copy())
        for names, added in ((both.pipelines, self.pipelines), (both.batches, self.batches)):
            for name, run in added.items():
                note_first(names, name, run)
        return both

    def part(self, begin: int, end: int | None) -> Ended:
        """Return those of each kind from one place on, up to another."""
        pipelines, batches = self.pipelines.items(), self.batches.items()
        return Ended(dict(islice(pipelines, begin, end)), dict(islice(batches, begin, end)))


def note_first(names: dict[str, Run], name: str, run: Run) -> None:
    """Note of `name` that it ended in `run`, unless it ended in one that began before."""
    if name not in names or run.began < names[name].began:
        names[name] = run
