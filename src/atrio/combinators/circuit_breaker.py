"""A circuit breaker: after a few failures in a row it spares an agent further calls, and then probes it carefully.

The pattern is M. Nygard's ("Release It!", 2007), with its states: closed, open, half-open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from threading import Lock
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary, WeakMethod

import attrs
import trio
from trio.lowlevel import TrioToken, current_trio_token

from atrio import _validation as valid
from atrio._agent import Agent, agent_id_of, as_agent
from atrio._attempts import causes
from atrio._stamps import elapsed_clock, utc_now
from atrio.combinators.composite import Guard, guards_in
from atrio.errors import CircuitOpenError
from atrio.events import BreakerClosed, BreakerHalfOpened, BreakerOpened, emit

__all__ = ["BreakerGuard", "BreakerState", "BreakerStatistics", "CircuitBreaker"]

In = TypeVar("In")
Out = TypeVar("Out")


class BreakerState(StrEnum):
    """CLOSED lets calls through, OPEN refuses them, HALF_OPEN lets a few probes through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@attrs.frozen
class BreakerStatistics:
    """A circuit breaker, as it was when asked.

    Attributes:
        name: its name.
        state: its state.
        consecutive_failures: failures in a row, while closed.
        calls: calls let through so far.
        failures: how many of them failed, of those that counted.
        refused: calls refused so far.
        probes: calls let through since it is half-open.
        opened: how often it opened.
    """

    name: str
    state: BreakerState
    consecutive_failures: int
    calls: int
    failures: int
    refused: int
    probes: int
    opened: int


def _check_trips_on(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    kinds = value if isinstance(value, tuple) else (value,)
    if not kinds or not all(isinstance(each, type) and issubclass(each, Exception) for each in kinds):
        name = f"{type(instance).__name__}.{attribute.name}"
        raise TypeError(f"{name} must be an exception class or a tuple of them, not {value!r}")


def _check_name(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    valid.check_id(value, f"{type(instance).__name__}.{attribute.name}")


@attrs.define(eq=False)
class CircuitBreaker:
    """Refuses calls to an agent that fails again and again, until it has recovered. One may guard many agents.

    Closed: `failure_threshold` consecutive failures open it. Open: every call is refused, for `recovery_timeout`
    seconds. Half-open, then: `half_open_max_calls` probes are let through; one failure opens it again, that many
    successes close it. A cancelled call, which a stage's timeout is to it too, counts as neither and gives its place
    back; so does an exception that `trips_on` does not cover. What comes of a call that began before the last change of
    state is not looked at.

    Agents in several Trio loops, in threads, may share one. Each loop has a clock of its own: the recovery time passes
    on that of the loop in which it opened, and elsewhere on the computer's.

    Args:
        name: names it in events and errors, 1 to 200 characters.
        failure_threshold: failures in a row that open it; at least 1.
        recovery_timeout: seconds that it stays open, above 0.
        half_open_max_calls: probes at once, and successes that close it; at least 1.
        trips_on: what counts as a failure: an exception class, or a tuple of them. A group does if anything in it does.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: a number is out of its range, or `name` is no id.
    """

    name: str = attrs.field(validator=_check_name)
    failure_threshold: int = attrs.field(default=5, kw_only=True, validator=valid.count)
    recovery_timeout: float = attrs.field(default=60.0, kw_only=True, validator=valid.above_zero)
    half_open_max_calls: int = attrs.field(default=1, kw_only=True, validator=valid.count)
    trips_on: type[Exception] | tuple[type[Exception], ...] = attrs.field(
        default=Exception, kw_only=True, validator=_check_trips_on
    )
    _state: BreakerState = attrs.field(default=BreakerState.CLOSED, init=False, repr=False)
    # Counts the changes of state. A call carries the number that it began with.
    _generation: int = attrs.field(default=0, init=False, repr=False)
    _failures_in_a_row: int = attrs.field(default=0, init=False, repr=False)
    # On the computer's clock, and on that of each Trio loop in which somebody looked since.
    _opened_at: float = attrs.field(default=0.0, init=False, repr=False)
    _opened_in: WeakKeyDictionary[TrioToken, float] = attrs.field(factory=WeakKeyDictionary, init=False, repr=False)
    _probes: int = attrs.field(default=0, init=False, repr=False)
    _successful_probes: int = attrs.field(default=0, init=False, repr=False)
    _calls: int = attrs.field(default=0, init=False, repr=False)
    _failures: int = attrs.field(default=0, init=False, repr=False)
    _refused: int = attrs.field(default=0, init=False, repr=False)
    _opened: int = attrs.field(default=0, init=False, repr=False)
    _watchers: dict[WeakMethod[Callable[[], object]], TrioToken] = attrs.field(factory=dict, init=False, repr=False)
    # Threads meet where it changes; the path of a call that it lets through while closed is without it.
    _lock: Lock = attrs.field(factory=Lock, init=False, repr=False)

    @property
    def state(self) -> BreakerState:
        """How it stands. It goes from open to half-open with the first call after its recovery time."""
        return self._state

    def statistics(self) -> BreakerStatistics:
        """Return how it stands, and what it counted."""
        return BreakerStatistics(
            self.name,
            self._state,
            self._failures_in_a_row,
            self._calls,
            self._failures,
            self._refused,
            self._probes,
            self._opened,
        )

    @overload
    def guard(self, agent: Agent[In, Out]) -> BreakerGuard[In, Out]: ...
    @overload
    def guard(self, agent: Callable[[In], Awaitable[Out]]) -> BreakerGuard[In, Out]: ...
    def guard(self, agent: Any) -> BreakerGuard[Any, Any]:
        """Return an agent that calls `agent` as far as this breaker allows.

        A breaker stands in the way of a call once. If it did so twice, a failure would count twice, and the outer place
        would take the only probe that the inner one needs: once open, it would never close again.

        Args:
            agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.

        Raises:
            TypeError: `agent` is no agent.
            ValueError: this breaker guards `agent` already, or something that it is made of: a member of a pool, or an
                agent of a pipeline that has it by now.
        """
        if any(isinstance(each, BreakerGuard) and each.breaker is self for each in guards_in(agent)):
            raise ValueError(
                f"circuit breaker {self.name!r} guards {agent!r} already, or something in it, and would count each "
                "call twice: leave out one of the two, or make another breaker"
            )
        return BreakerGuard(self, agent)

    def retry_after(self) -> float | None:
        """Return the seconds until it lets a call through, 0 while its probes are out; None if it does so now.

        This may be asked outside of Trio, too.
        """
        if self._state is BreakerState.OPEN:
            opened_at, now = self._opening()
            left = opened_at + self.recovery_timeout - now
            return left if left > 0 else None
        if self._state is BreakerState.HALF_OPEN and self._probes >= self.half_open_max_calls:
            return 0.0
        return None

    def refusal(self) -> CircuitOpenError | None:
        """Return the error that a call is refused with, and count it; None if one is let through now."""
        wait = self.retry_after()
        return None if wait is None else self._refusal(wait)

    def admit(self) -> int:
        """Let a call through, and return the generation that it belongs to.

        Raises:
            CircuitOpenError: the call is refused.
        """
        if self._state is not BreakerState.CLOSED:
            return self._admit_unless_open()
        self._calls += 1
        return self._generation

    def record_success(self, generation: int) -> None:
        """Count a call of `generation` that succeeded."""
        if generation != self._generation:
            return
        if self._state is BreakerState.CLOSED:
            self._failures_in_a_row = 0
            return
        with self._lock:
            if generation != self._generation:
                return
            self._successful_probes += 1
            if self._successful_probes < self.half_open_max_calls:
                return
            self._change(BreakerState.CLOSED)
        emit(BreakerClosed(None, None, None, None, utc_now(), self.name, self._open_s()))

    def record_failure(self, generation: int, error: Exception) -> None:
        """Count a call of `generation` that raised `error`, if that is what this breaker trips on."""
        if generation != self._generation:
            return
        if not any(isinstance(each, self.trips_on) for each in causes(error)):
            self.give_back(generation)
            return
        with self._lock:
            if generation != self._generation:
                return
            self._failures += 1
            self._failures_in_a_row += 1
            if self._state is BreakerState.CLOSED and self._failures_in_a_row < self.failure_threshold:
                return
            failures = self._failures_in_a_row
            self._opened_at = elapsed_clock()
            here = _this_loop()
            self._opened_in = WeakKeyDictionary({} if here is None else {here: trio.current_time()})
            self._opened += 1
            self._change(BreakerState.OPEN)
        emit(BreakerOpened(None, None, None, None, utc_now(), self.name, failures, self.recovery_timeout))

    def give_back(self, generation: int) -> None:
        """Count a call of `generation` neither way: its place is free again."""
        with self._lock:
            if generation == self._generation and self._state is BreakerState.HALF_OPEN:
                self._probes -= 1
                self._wake()

    def wakes(self, wake: Callable[[], object]) -> None:
        """Call `wake` whenever calls may be let through that were refused before, or the other way round.

        It is called in the Trio loop in which this was called last.

        Args:
            wake: a bound method, of an object that is held weakly.
        """
        watchers = self._watchers
        with self._lock:
            watchers[WeakMethod(wake, lambda gone: watchers.pop(gone, None))] = current_trio_token()

    def _wake(self) -> None:
        here = _this_loop()
        for watcher, token in self._watchers.copy().items():  # a copy, as those that are gone drop out
            wake = watcher()
            if wake is not None and token is here:
                wake()
            elif wake is not None:
                # A task of another loop cannot be woken from here; and where that has ended, nobody waits.
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(wake)

    def _admit_unless_open(self) -> int:
        was_open = False
        with self._lock:
            refusal = self.refusal()
            if refusal is not None:
                raise refusal
            if self._state is BreakerState.OPEN:
                was_open = True
                self._change(BreakerState.HALF_OPEN)
            if self._state is BreakerState.HALF_OPEN:
                self._probes += 1
            self._calls += 1
            generation = self._generation
        if was_open:
            emit(BreakerHalfOpened(None, None, None, None, utc_now(), self.name, self._open_s()))
        return generation

    def _refusal(self, wait: float) -> CircuitOpenError:
        self._refused += 1
        return CircuitOpenError(f"circuit breaker {self.name!r} is open", retry_after=wait)

    def _change(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._failures_in_a_row = self._probes = self._successful_probes = 0
        self._wake()

    def _opening(self) -> tuple[float, float]:
        """Return when it opened, and the time now, both on the same clock."""
        here, since = _this_loop(), elapsed_clock() - self._opened_at
        if here is None:
            return 0.0, since
        now = trio.current_time()
        # Loops have clocks of their own, in tests even such as jump. From the first look in a loop on its own counts.
        return self._opened_in.setdefault(here, now - since), now

    def _open_s(self) -> float:
        opened_at, now = self._opening()
        return max(now - opened_at, 0.0)


def _this_loop() -> TrioToken | None:
    try:
        return current_trio_token()
    except RuntimeError:
        return None


class BreakerGuard(Guard[In, Out]):
    """An agent behind a circuit breaker; made by :meth:`CircuitBreaker.guard`.

    Attributes:
        breaker: the breaker.
        agent: the agent behind it.
        agent_id: the agent's id, so that records name who did the work.
    """

    __slots__ = ("agent_id", "breaker")

    def __init__(self, breaker: CircuitBreaker, agent: Any) -> None:
        super().__init__(as_agent(agent))
        self.breaker: CircuitBreaker = breaker
        self.agent_id: str = agent_id_of(self.agent)

    def __repr__(self) -> str:
        return f"<{self.agent!r} behind circuit breaker {self.breaker.name!r}>"

    async def process(self, data: In, /) -> Out:
        """Call the agent.

        Raises:
            CircuitOpenError: the breaker refuses; the agent is not called.
        """
        breaker = self.breaker
        try:
            generation = breaker.admit()
        except CircuitOpenError:
            await trio.lowlevel.checkpoint()  # noqa: ASYNC120 - whoever calls again and again must not starve others
            raise
        try:
            output: Out = await self.agent.process(data)
        except Exception as error:
            breaker.record_failure(generation, error)
            raise
        except BaseException:
            breaker.give_back(generation)
            raise
        breaker.record_success(generation)
        return output
