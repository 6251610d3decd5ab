"""What the calls of registered agents have shown: a bounded record of each."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Final
from weakref import WeakValueDictionary

import attrs

__all__ = [
    "FORGIVEN_AFTER",
    "FORGIVING_FROM",
    "RECENT",
    "WINDOW",
    "Calls",
    "CallsSnapshot",
    "Traffic",
]

WINDOW: Final = 1000
"""Calls of an agent that are remembered."""
RECENT: Final = 20
"""Calls, the latest of those, that are also looked at by themselves, so that an outage shows at once."""
FORGIVING_FROM: Final = 20
"""Calls of its rivals, since its own last one, from which on less is held against an agent, one hundredth for each."""
FORGIVEN_AFTER: Final = 100
"""Calls after which nothing is."""

_FAILED: Final = -1.0
"""Stands in the window for a call that failed; how long that took says nothing about the agent's speed."""
_AT_ONCE: Final = 64
"""New calls that are taken in together, if nobody asks before."""
_RECENT_BITS: Final = (1 << RECENT) - 1
_CLEARLY_FASTER: Final = 0.9
"""Of the mean: what a call may take at most to show that the agent has become faster."""


@attrs.frozen
class CallsSnapshot:
    """The calls of an agent, as they were when asked.

    Attributes:
        seen: calls counted so far, successes and failures.
        calls: how many of them are remembered: at most 1,000.
        failures: how many of those failed.
        recent_failures: how many of the last 20 failed.
        mean_s: seconds that those that succeeded took, on average; None if none did.
        active: calls that go on now.
        rested: calls that its rivals at the capability asked for began since its own last one began.
        failure_weight: how much its failures still weigh there, from 1, in full, to 0, forgiven.
        slowness_weight: the same of its slowness.
    """

    seen: int = 0
    calls: int = 0
    failures: int = 0
    recent_failures: int = 0
    mean_s: float | None = None
    active: int = 0
    rested: int = 0
    failure_weight: float = 1.0
    slowness_weight: float = 1.0


class _Count:
    """How many calls the agents of one capability have begun."""

    __slots__ = ("__weakref__", "calls")

    def __init__(self) -> None:
        self.calls = 0


class _Rest:
    """Where the count of a capability stood when an agent last began a call, and what is held against it there."""

    __slots__ = ("count", "failure_weight", "mark", "slowness_weight")

    def __init__(self, count: _Count) -> None:
        self.count = count
        self.mark = count.calls
        self.failure_weight = 1.0
        self.slowness_weight = 1.0


class Traffic:
    """Counts the calls of a registry's agents by capability: the clock by which what was seen of an agent fades.

    Rivals are agents that share a capability. Seconds would not do for this clock: each Trio loop has its own, outside
    of one there is none, and how many calls an agent's recovery may cost should not depend on how fast they come.
    """

    __slots__ = ("_counts", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()  # two threads that met here could make two counts of one capability
        # Weak, so that the capabilities of agents that were taken out again are not kept for ever.
        self._counts: WeakValueDictionary[str, _Count] = WeakValueDictionary()

    def record_for(self, capabilities: Iterable[str]) -> Calls:
        """Return an empty record for an agent with `capabilities`."""
        with self._lock:
            return Calls({each: self._counts.setdefault(each, _Count()) for each in capabilities})


class Calls:
    """The record of an agent's last 1,000 calls. A call costs O(1), and so does asking; threads may share it.

    What is held against an agent fades while its rivals are called and it is not: from 20 calls of theirs on by a
    hundredth for each, so that after 100 it stands as good as new. So whoever always takes the first in rank tries it
    again by then, and that call decides: a failure brings all of its failures back, a success keeps what was forgiven
    until the next failure. Slowness likewise: it comes back with a call that is not clearly shorter than the mean. An
    agent that stays broken thus costs one failed call in each 21 at most, and one in each 90 or so where its next
    rival is nearly as good. The rest ends as a call begins, so that one call tries the agent, and not everybody's at
    once.

    All of this is kept by capability: at each only calls of rivals that have it count. Its own calls count at all of
    them, since nobody says at a call what it is for.

    Args:
        counts: by capability, from :meth:`Traffic.record_for`; without them nothing is ever forgiven.
    """

    __slots__ = (
        "_active",
        "_at",
        "_failures",
        "_has_forgiven_slowness",
        "_lock",
        "_new",
        "_recent",
        "_rests",
        "_seen",
        "_total_s",
        "_window",
    )

    def __init__(self, counts: Mapping[str, _Count] | None = None) -> None:
        self._at: dict[str | None, _Rest] = {name: _Rest(each) for name, each in (counts or {}).items()}
        self._rests = tuple(self._at.values())
        self._lock = Lock()
        # A list for a counter: append and pop are atomic, and cost less than taking the lock.
        self._active: list[None] = []
        # Calls that ended, and are not yet in the figures below: to take in many at once costs less than one by one.
        self._new: list[float] = []
        self._window = array("d")  # the call with the number n is at n % WINDOW
        self._seen = 0
        self._failures = 0
        self._recent = 0  # a bit for each of the last calls, set if it failed
        self._total_s = 0.0
        self._has_forgiven_slowness = False

    def begin(self) -> dict[_Rest, int] | None:
        """Count a call as going on, and return where it ends a rest that counts, after how many calls of rivals.

        One of :meth:`succeed`, :meth:`fail` and :meth:`give_back` must follow.
        """
        self._active.append(None)
        rested = None
        for rest in self._rests:
            # Two threads may count two calls as one here. This clock need not be that exact.
            count = rest.count
            since = (calls := count.calls) - rest.mark
            count.calls = rest.mark = calls + 1
            if since >= FORGIVING_FROM:
                rested = {**(rested or {}), rest: since}
        return rested

    def succeed(self, took: float, rested: dict[_Rest, int] | None) -> None:
        """Count a call that succeeded.

        Args:
            took: seconds from its begin to its end.
            rested: what :meth:`begin` returned.
        """
        self._active.pop()
        if rested is not None or self._has_forgiven_slowness:
            self._forgive(took, rested or {})
        new = self._new
        new.append(took)
        if len(new) >= _AT_ONCE:
            with self._lock:
                self._take_in()

    def fail(self) -> None:
        """Count a call that failed."""
        self._active.pop()
        with self._lock:
            for rest in self._rests:
                rest.failure_weight = 1.0
            self._new.append(_FAILED)
            self._take_in()

    def give_back(self) -> None:
        """Count a call as neither: it was cancelled, and had time left."""
        self._active.pop()

    def snapshot(self, capability: str | None = None) -> CallsSnapshot:
        """Return what is known now.

        Args:
            capability: the one that it is asked for; at None, as at one that the agent has not, nothing is forgiven.
        """
        rest = self._at.get(capability)
        rested = 0 if rest is None else rest.count.calls - rest.mark
        fades = _fades(rested)
        with self._lock:
            self._take_in()
            calls = len(self._window)
            successes = calls - self._failures
            return CallsSnapshot(
                self._seen,
                calls,
                self._failures,
                self._recent.bit_count(),
                # Sums of differences err by a last digit, and a time is never below 0.
                max(self._total_s, 0.0) / successes if successes else None,
                len(self._active),
                rested,
                1.0 if rest is None else rest.failure_weight * fades,
                1.0 if rest is None else rest.slowness_weight * fades,
            )

    def _forgive(self, took: float, rested: Mapping[_Rest, int]) -> None:
        """Keep what the agent's rest has forgiven, as this call shows that it was right."""
        with self._lock:
            self._take_in()
            is_faster = took * (len(self._window) - self._failures) <= _CLEARLY_FASTER * self._total_s
            self._has_forgiven_slowness = False
            for rest in self._rests:
                fades = _fades(rested.get(rest, 0))
                rest.failure_weight *= fades
                rest.slowness_weight = rest.slowness_weight * fades if is_faster else 1.0
                if rest.slowness_weight < 1.0:
                    self._has_forgiven_slowness = True

    def _take_in(self) -> None:
        """Bring the new calls into the window, and the figures up to date. The lock is held."""
        new = self._new[:]
        del self._new[: len(new)]  # others may have come since, from threads
        window, seen = self._window, self._seen
        total_s, failures, recent = self._total_s, self._failures, self._recent
        for number, entry in enumerate(new, seen):
            if number < WINDOW:
                window.append(entry)
            else:
                pushed_out, window[number % WINDOW] = window[number % WINDOW], entry
                if pushed_out == _FAILED:
                    failures -= 1
                else:
                    total_s -= pushed_out
            if entry == _FAILED:
                failures += 1
                recent = recent << 1 | 1
            else:
                total_s += entry
                recent <<= 1
        self._seen += len(new)
        self._failures, self._recent = failures, recent & _RECENT_BITS
        if self._seen // WINDOW > seen // WINDOW:
            # Once around, the sum is taken anew, so that what rounding did to it does not add up.
            total_s = math.fsum(entry for entry in window if entry != _FAILED)
        self._total_s = total_s


def _fades(rested: int) -> float:
    return 1.0 if rested < FORGIVING_FROM else max(0.0, 1.0 - rested / FORGIVEN_AFTER)
