"""A circuit breaker: after a few failures in a row it spares an agent further calls, and then probes it carefully.

The pattern is M. Nygard's ("Release It!", 2007), with its states: closed, open, half-open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeVar, overload
from weakref import WeakSet

import attrs
import trio
from trio.lowlevel import ParkingLot

from atrio import _validation as valid
from atrio._agent import Agent, agent_id_of, as_agent
from atrio._attempts import causes
from atrio._stamps import utc_now
from atrio.combinators.composite import Guard
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
    _opened_at: float = attrs.field(default=0.0, init=False, repr=False)
    _probes: int = attrs.field(default=0, init=False, repr=False)
    _successful_probes: int = attrs.field(default=0, init=False, repr=False)
    _calls: int = attrs.field(default=0, init=False, repr=False)
    _failures: int = attrs.field(default=0, init=False, repr=False)
    _refused: int = attrs.field(default=0, init=False, repr=False)
    _opened: int = attrs.field(default=0, init=False, repr=False)
    _watchers: WeakSet[ParkingLot] = attrs.field(factory=WeakSet, init=False, repr=False)

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

        Args:
            agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.

        Raises:
            TypeError: `agent` is no agent.
        """
        return BreakerGuard(self, agent)

    def retry_after(self) -> float | None:
        """Return the seconds until it lets a call through, 0 while its probes are out; None if it does so now."""
        if self._state is BreakerState.OPEN:
            now = trio.current_time()
            # Another Trio loop has another clock, which may stand behind the one under which the breaker opened.
            self._opened_at = min(self._opened_at, now)
            left = self._opened_at + self.recovery_timeout - now
            return left if left > 0 else None
        if self._state is BreakerState.HALF_OPEN and self._probes >= self.half_open_max_calls:
            return 0.0
        return None

    def admit(self) -> int:
        """Let a call through, and return the generation that it belongs to.

        Raises:
            CircuitOpenError: the call is refused.
        """
        if self._state is not BreakerState.CLOSED:
            wait = self.retry_after()
            if wait is not None:
                self._refused += 1
                raise CircuitOpenError(f"circuit breaker {self.name!r} is open", retry_after=wait)
            if self._state is BreakerState.OPEN:
                self._change(BreakerState.HALF_OPEN)
                emit(BreakerHalfOpened(None, None, None, None, utc_now(), self.name, self._open_s()))
            self._probes += 1
        self._calls += 1
        return self._generation

    def record_success(self, generation: int) -> None:
        """Count a call of `generation` that succeeded."""
        if generation != self._generation:
            return
        if self._state is BreakerState.CLOSED:
            self._failures_in_a_row = 0
            return
        self._successful_probes += 1
        if self._successful_probes == self.half_open_max_calls:
            self._change(BreakerState.CLOSED)
            emit(BreakerClosed(None, None, None, None, utc_now(), self.name, self._open_s()))

    def record_failure(self, generation: int, error: Exception) -> None:
        """Count a call of `generation` that raised `error`, if that is what this breaker trips on."""
        if generation != self._generation:
            return
        if not any(isinstance(each, self.trips_on) for each in causes(error)):
            self.give_back(generation)
            return
        self._failures += 1
        self._failures_in_a_row += 1
        if self._state is BreakerState.HALF_OPEN or self._failures_in_a_row >= self.failure_threshold:
            failures = self._failures_in_a_row
            self._change(BreakerState.OPEN)
            self._opened_at = trio.current_time()
            self._opened += 1
            emit(BreakerOpened(None, None, None, None, utc_now(), self.name, failures, self.recovery_timeout))

    def give_back(self, generation: int) -> None:
        """Count a call of `generation` neither way: its place is free again."""
        if generation == self._generation and self._state is BreakerState.HALF_OPEN:
            self._probes -= 1
            self._wake()

    def wakes(self, parked: ParkingLot) -> None:
        """Wake whoever is parked there whenever a call may be let through that was refused before."""
        self._watchers.add(parked)

    def _wake(self) -> None:
        for parked in self._watchers:
            parked.unpark_all()

    def _change(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._failures_in_a_row = self._probes = self._successful_probes = 0
        self._wake()

    def _open_s(self) -> float:
        return max(trio.current_time() - self._opened_at, 0.0)


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
