"""A plain model of a batch: what must come out, worked out without tasks, from one event to the next.

Times are whole units of a sixteenth of a second, so that floats hold them exactly.
"""

import heapq
from math import inf

import attrs
import trio

UNIT = 1 / 16


class Scripted(Exception):
    pass


@attrs.frozen
class Work:
    """What one input's agent does: after so many units it answers, or fails in some way."""

    units: int
    does: str = "answer"
    sets_variable: bool = False


@attrs.frozen
class Case:
    """A batch: its inputs, limits, source, and what stops it. Times are in units; inf is never."""

    works: tuple
    places: int
    source: str = "list"
    delay: int = 0
    raises: bool = False
    timeout: float = inf
    task_timeout: float = inf
    cancel: float = inf

    @property
    def stop(self):
        return min(self.timeout, self.cancel)


@attrs.define
class Expected:
    """What must come out: of each input pulled its status, begin and units; and how the batch ends.

    It is late if every input ended by itself, but not all before the end: then it may be called stopped or not.
    """

    outcomes: list = attrs.field(factory=list)
    stopped: bool = False
    late: bool = False
    source_failed: bool = False

    @property
    def ended(self):
        return max((begun + units for status, begun, units in self.outcomes if status != "not_started"), default=0)


def expected_of(case):
    """Hand the inputs to whichever place is free first, until something ends it."""
    expected, free, handed = Expected(), [0] * case.places, 0
    for work in [*case.works, None]:
        place = heapq.heappop(free)
        ready = handed + case.delay if case.source == "async" else place
        last = work is None
        if ready >= case.stop and not (last and not case.raises and case.source == "async"):
            # Nobody is left to pull; that nothing was left to be pulled is known only of a list.
            expected.stopped = expected.stopped or not last or case.raises
            break
        if last:
            expected.source_failed = case.raises
            break
        handed = max(place, ready)
        if handed >= case.stop:
            expected.outcomes.append(("not_started", 0, 0))
            expected.stopped = True
            break
        status, units = _run(work, handed, case)
        expected.stopped = expected.stopped or status == "cancelled"
        expected.late = expected.late or handed + units >= case.stop
        expected.outcomes.append((status, handed, units))
        heapq.heappush(free, handed + units)
    if case.source == "list" and case.timeout < case.cancel:
        expected.outcomes += [("not_started", 0, 0)] * (len(case.works) - len(expected.outcomes))
    return expected


def _run(work, begun, case):
    ends, limit, stop = work.units, case.task_timeout, case.stop - begun
    if work.does == "shielded" or ends == 0 or ends < min(limit, stop):
        return ("success" if work.does in {"answer", "shielded", "deaf"} else "error"), ends
    if work.does == "deaf":  # turns its cancellation into an error of its own
        return "error", min(limit, stop)
    return ("timeout", limit) if limit < stop else ("cancelled", stop)


class ModelAgent:
    """Does what its input says, and counts how many calls live at once."""

    agent_id = "model"

    def __init__(self, variable):
        self.variable = variable
        self.living = self.most_living = 0
        self.seen = set()

    async def process(self, work):
        self.seen.add(self.variable.get())
        if work.sets_variable:
            self.variable.set("changed by a task")
        self.living += 1
        self.most_living = max(self.living, self.most_living)
        try:
            await _wait(work)
        except trio.Cancelled:
            if work.does != "deaf":
                raise
            raise Scripted from None
        finally:
            self.living -= 1
        if work.does in {"fail", "own_timeout"}:
            raise (Scripted if work.does == "fail" else TimeoutError)
        return work


async def _wait(work):
    if work.units:
        with trio.CancelScope(shield=work.does == "shielded"):
            await trio.sleep(work.units * UNIT)


def source_of(case, pairs, count=lambda pair: pair):
    """Return the source of a case; `count` is told each pair as it is pulled."""
    return {"list": CountedList, "generator": _generator, "async": _async}[case.source](case, pairs, count)


class CountedList(list):
    """A list that tells what is pulled from it."""

    def __init__(self, _case, pairs, count):
        super().__init__(pairs)
        self.count = count

    def __iter__(self):
        return map(self.count, super().__iter__())


def _generator(case, pairs, count):
    for pair in pairs:
        yield count(pair)
    if case.raises:
        raise Scripted("the source")


async def _async(case, pairs, count):
    for pair in pairs:
        if case.delay:
            await trio.sleep(case.delay * UNIT)
        yield count(pair)
    if case.raises:
        if case.delay:
            await trio.sleep(case.delay * UNIT)
        raise Scripted("the source")
