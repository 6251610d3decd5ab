"""What the calls of registered agents have shown: a bounded record of each, and the wrapper that keeps it."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import attrs
import trio

from atrio._agent import agent_id_of, as_agent
from atrio._validation import check_id
from atrio.combinators.circuit_breaker import BreakerGuard, BreakerState, CircuitBreaker
from atrio.combinators.composite import Composite

__all__ = [
    "FORGIVEN_AFTER",
    "FORGIVING_FROM",
    "RECENT",
    "WINDOW",
    "Calls",
    "CallsSnapshot",
    "Measured",
    "MeasuredGuard",
    "PassesThrough",
    "Traffic",
    "measured",
    "refused_for",
]

In = TypeVar("In")
Out = TypeVar("Out")

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
        rested: calls that its rivals began since its own last one began.
        failure_weight: how much its failures still weigh, from 1, in full, to 0, forgiven.
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
    """Where the count of a capability stood when an agent last began a call."""

    __slots__ = ("count", "mark")

    def __init__(self, count: _Count) -> None:
        self.count = count
        self.mark = count.calls


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
            return Calls([self._counts.setdefault(each, _Count()) for each in capabilities])


class Calls:
    """The record of an agent's last 1,000 calls. A call costs O(1), and so does asking; threads may share it.

    What is held against an agent fades while its rivals are called and it is not: from 20 calls of theirs on by a
    hundredth for each, so that after 100 it stands as good as new. So whoever always takes the first in rank tries it
    again by then, and that call decides: a failure brings all of its failures back, a success keeps what was forgiven
    until the next failure. Slowness likewise: it comes back with a call that is not clearly shorter than the mean. An
    agent that stays broken thus costs one failed call in each 21 at most, and one in each 90 or so where its next
    rival is nearly as good. The rest ends as a call begins, so that one call tries the agent, and not everybody's at
    once.

    Args:
        counts: of its capabilities, from :meth:`Traffic.record_for`; without them nothing is ever forgiven.
    """

    __slots__ = (
        "_active",
        "_failure_weight",
        "_failures",
        "_lock",
        "_new",
        "_recent",
        "_rests",
        "_seen",
        "_slowness_weight",
        "_total_s",
        "_window",
    )

    def __init__(self, counts: Iterable[_Count] = ()) -> None:
        self._rests = tuple(_Rest(count) for count in counts)
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
        self._failure_weight = 1.0
        self._slowness_weight = 1.0

    def begin(self) -> int:
        """Count a call as going on, and return the calls of rivals since the last one began.

        One of :meth:`succeed`, :meth:`fail` and :meth:`give_back` must follow.
        """
        self._active.append(None)
        rested = 0
        for rest in self._rests:
            # Two threads may count two calls as one here. This clock need not be that exact.
            calls = rest.count.calls
            since = calls - rest.mark
            rest.count.calls = rest.mark = calls + 1
            if since > rested:  # noqa: PLR1730 - max() would cost as much as the rest of the loop
                rested = since
        return rested

    def succeed(self, took: float, rested: int) -> None:
        """Count a call that succeeded.

        Args:
            took: seconds from its begin to its end.
            rested: what :meth:`begin` returned.
        """
        self._active.pop()
        if rested >= FORGIVING_FROM or self._slowness_weight < 1.0:
            self._forgive(took, rested)
        new = self._new
        new.append(took)
        if len(new) >= _AT_ONCE:
            with self._lock:
                self._take_in()

    def fail(self) -> None:
        """Count a call that failed."""
        self._active.pop()
        with self._lock:
            self._failure_weight = 1.0
            self._new.append(_FAILED)
            self._take_in()

    def give_back(self) -> None:
        """Count a call as neither: it was cancelled."""
        self._active.pop()

    def snapshot(self) -> CallsSnapshot:
        """Return what is known now."""
        rested = max((rest.count.calls - rest.mark for rest in self._rests), default=0)
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
                self._failure_weight * fades,
                self._slowness_weight * fades,
            )

    def _forgive(self, took: float, rested: int) -> None:
        """Keep what the agent's rest has forgiven, as this call shows that it was right."""
        fades = _fades(rested)
        with self._lock:
            self._take_in()
            successes = len(self._window) - self._failures
            is_faster = took * successes <= _CLEARLY_FASTER * self._total_s
            self._slowness_weight = self._slowness_weight * fades if is_faster else 1.0
            self._failure_weight *= fades

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


class PassesThrough:
    """Hands on to the agent behind it what is asked of it and it does not have itself.

    Names with two underscores at both ends are not handed on: Python looks for special methods at the class, so that
    half of them would work and half would not.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        # Not `self.agent`: where that is missing, in an object not yet made, it would be asked for here, for ever.
        return getattr(object.__getattribute__(self, "agent"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__") or hasattr(type(self), name):
            object.__setattr__(self, name, value)
        else:
            setattr(object.__getattribute__(self, "agent"), name, value)

    def __delattr__(self, name: str) -> None:
        if name.startswith("__") or hasattr(type(self), name):
            object.__delattr__(self, name)
        else:
            delattr(object.__getattribute__(self, "agent"), name)


class Measured(PassesThrough, Composite[In, Out]):
    """An agent whose calls are measured. It has all the attributes of the agent behind it, to read and to set.

    It is no instance of that agent's class: ask ``isinstance(measured.agent, ...)``. As an async context manager it
    enters the agent if that is one, and else does nothing. A call costs about a microsecond more.

    Args:
        agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.
        calls: the record of its calls, which several agents may share.
        agent_id: its id in records and events; by default the agent's own.

    Attributes:
        agent: the agent behind it.
        agent_id: its id.

    Raises:
        TypeError: `agent` is no agent.
        ValueError: an id is not a string of 1 to 200 characters.
    """

    __slots__ = ("_calls", "agent", "agent_id")

    def __init__(self, agent: Any, calls: Calls, *, agent_id: str | None = None) -> None:
        self.agent: Any = as_agent(agent)
        self.agent_id: str = agent_id_of(self.agent) if agent_id is None else check_id(agent_id, "agent_id")
        self._calls: Calls = calls
        super().__init__([self.agent])

    def __repr__(self) -> str:
        return f"<{self.agent!r}, measured>"

    async def process(self, data: In, /) -> Out:
        """Call the agent. A call that is cancelled is no failure, nor a success."""
        calls = self._calls
        begun = trio.current_time()
        rested = calls.begin()
        try:
            output: Out = await self.agent.process(data)
        except Exception:
            calls.fail()
            raise
        except BaseException:
            calls.give_back()
            raise
        calls.succeed(trio.current_time() - begun, rested)
        return output


class MeasuredGuard(PassesThrough, BreakerGuard[In, Out]):
    """A measured agent behind its circuit breaker, with all the attributes of the agent.

    The breaker stands in front, so that a pool sees it, and a call that it refuses is none of the agent's.
    """

    __slots__ = ()


def measured(
    agent: Any, calls: Calls, *, agent_id: str | None = None, breaker: CircuitBreaker | None = None
) -> Measured[Any, Any] | MeasuredGuard[Any, Any]:
    """Return `agent` as one whose calls are measured, and that is guarded by `breaker` if there is one.

    Args:
        agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.
        calls: the record of its calls.
        agent_id: its id in records and events; by default the agent's own.
        breaker: the circuit breaker, or None.

    Raises:
        TypeError: `agent` is no agent.
        ValueError: an id is not a string of 1 to 200 characters.
    """
    inner = Measured[Any, Any](agent, calls, agent_id=agent_id)
    return inner if breaker is None else MeasuredGuard[Any, Any](breaker, inner)


def refused_for(breaker: CircuitBreaker) -> float | None:
    """Return the seconds for which `breaker` refuses calls, 0 while its probes are out; None if it lets one through.

    One that is open, but let a probe through now, does not refuse: else nobody would ever probe it. Outside of Trio,
    where no time passes, an open one refuses for ever.
    """
    try:
        return breaker.retry_after()
    except RuntimeError:
        return math.inf if breaker.state is BreakerState.OPEN else None
