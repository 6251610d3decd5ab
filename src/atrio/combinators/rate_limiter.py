"""A rate limiter: a token bucket, first come, first served."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import attrs
import trio
from trio.lowlevel import ParkingLot

from atrio import _validation as valid
from atrio._agent import Agent, agent_id_of, as_agent
from atrio.combinators.composite import Guard, guards_in
from atrio.errors import CostError

__all__ = ["LimiterGuard", "LimiterStatistics", "RateLimiter"]

In = TypeVar("In")
Out = TypeVar("Out")


@attrs.frozen
class LimiterStatistics:
    """A rate limiter, as it was when asked.

    Attributes:
        name: its name.
        tokens: how many there are now.
        waiting: how many calls wait for theirs.
        calls: calls let through so far.
    """

    name: str
    tokens: float
    waiting: int
    calls: int


class RateLimiter:
    """Lets calls through at a rate: never more than ``burst + rate * t / per`` tokens in any time `t`.

    A token bucket (J. Turner, 1986) on Trio's clock. A call takes one token, or what `cost` says; those that must wait
    are served in order, and one that is cancelled takes nothing.

    Args:
        name: names it in errors, 1 to 200 characters.
        rate: tokens that come in `per` seconds, above 0.
        per: seconds, above 0.
        burst: tokens that the bucket holds, and begins with; by default `rate`, but at least 1.
        cost: ``cost(data)`` gives the tokens of a call, language-model tokens for instance; by default each costs 1.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: a number is out of its range, or `name` is no id.
    """

    __slots__ = ("_calls", "_cost", "_parked", "_serving", "_tokens", "_updated", "burst", "name", "per", "rate")

    def __init__(
        self,
        name: str,
        rate: float,
        per: float = 1.0,
        burst: float | None = None,
        cost: Callable[[Any], float] | None = None,
    ) -> None:
        self.name: str = valid.check_id(name, "RateLimiter.name")
        self.rate: float = valid.check_above_zero(rate, "RateLimiter.rate")
        self.per: float = valid.check_above_zero(per, "RateLimiter.per")
        own_burst = max(self.rate, 1.0) if burst is None else valid.check_above_zero(burst, "RateLimiter.burst")
        self.burst: float = own_burst
        if cost is not None and not callable(cost):
            raise TypeError(f"RateLimiter.cost must be a function of the data, not {cost!r}")
        if inspect.iscoroutinefunction(cost):
            raise TypeError("RateLimiter.cost is async, and is asked without waiting: write `def`, not `async def`")
        if cost is None and own_burst < 1:
            raise ValueError(f"RateLimiter.burst must be at least 1, what a call costs, not {burst!r}")
        self._cost = cost
        self._tokens = own_burst
        # Minus infinity: a bucket that was never used is full, whenever it is used first.
        self._updated = -math.inf
        self._serving = False
        self._parked = ParkingLot()
        self._calls = 0

    def __repr__(self) -> str:
        return f"RateLimiter({self.name!r}, rate={self.rate:g}, per={self.per:g}, burst={self.burst:g})"

    def statistics(self) -> LimiterStatistics:
        """Return how it stands, and what it counted."""
        waiting = len(self._parked) + self._serving
        return LimiterStatistics(self.name, self._refilled(trio.current_time()), waiting, self._calls)

    @overload
    def guard(self, agent: Agent[In, Out]) -> LimiterGuard[In, Out]: ...
    @overload
    def guard(self, agent: Callable[[In], Awaitable[Out]]) -> LimiterGuard[In, Out]: ...
    def guard(self, agent: Any) -> LimiterGuard[Any, Any]:
        """Return an agent that calls `agent` at this rate.

        Args:
            agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.

        Raises:
            TypeError: `agent` is no agent.
            ValueError: this limiter guards `agent` already, or something that it is made of, so that a call would pay
                twice.
        """
        if any(isinstance(each, LimiterGuard) and each.limiter is self for each in guards_in(agent)):
            raise ValueError(
                f"rate limiter {self.name!r} guards {agent!r} already, or something in it, and a call would take its "
                "tokens twice: leave out one of the two, or make another limiter"
            )
        return LimiterGuard(self, agent)

    def cost_of(self, data: Any) -> float:
        """Return the tokens that a call with `data` takes.

        Raises:
            CostError: they are more than the burst, so that the call could never be made, or below 0.
            TypeError: `cost` gave no number.
        """
        if self._cost is None:
            return 1.0
        asked = self._cost(data)
        try:
            tokens = valid.check_at_least(asked, f"the cost of a call through rate limiter {self.name!r}", 0)
        except ValueError as error:
            raise CostError(str(error)) from None
        if tokens > self.burst:
            raise CostError(
                f"a call through rate limiter {self.name!r} costs {tokens:g} tokens and could never be made: the burst "
                f"is {self.burst:g}, so raise it, or make the call smaller"
            )
        return tokens

    async def take(self, tokens: float = 1.0) -> None:
        """Wait until `tokens` are there and all that asked before are served, and take them.

        A checkpoint only if it must wait.

        Args:
            tokens: how many, 0 up to the burst.

        Raises:
            CostError: they are negative, or more than the burst.
        """
        if not 0 <= tokens <= self.burst:
            raise CostError(f"rate limiter {self.name!r} gives 0 to {self.burst:g} tokens at a time, not {tokens!r}")
        now = trio.current_time()
        if not self._serving and self._refilled(now) >= tokens:
            self._spend(tokens, now)
            return
        if self._serving:
            # Whoever is served hands over to the next in line, who then is the one that is served.
            await self._parked.park()
        self._serving = True
        try:
            now = trio.current_time()
            short = tokens - self._refilled(now)
            if short > 0:
                # Computed once: a loop on what is left would go on for ever on a remainder too small for the clock.
                now += short * self.per / self.rate
                await trio.sleep_until(now)
                now = max(now, trio.current_time())
            self._spend(tokens, now)
        finally:
            self._serving = bool(self._parked.unpark())

    def _refilled(self, now: float) -> float:
        # Another Trio loop has another clock, which may stand behind the one that the limiter was used under before.
        self._updated = min(self._updated, now)
        return min(self._tokens + (now - self._updated) * self.rate / self.per, self.burst)

    def _spend(self, tokens: float, now: float) -> None:
        # May fall below 0 by a rounding error, which then is owed and not forgiven.
        self._tokens = self._refilled(now) - tokens
        self._updated = now
        self._calls += 1


class LimiterGuard(Guard[In, Out]):
    """An agent behind a rate limiter; made by :meth:`RateLimiter.guard`.

    Attributes:
        limiter: the limiter.
        agent: the agent behind it.
        agent_id: the agent's id, so that records name who did the work.
    """

    __slots__ = ("agent_id", "limiter")

    def __init__(self, limiter: RateLimiter, agent: Any) -> None:
        super().__init__(as_agent(agent))
        self.limiter: RateLimiter = limiter
        self.agent_id: str = agent_id_of(self.agent)

    def __repr__(self) -> str:
        return f"<{self.agent!r} behind rate limiter {self.limiter.name!r}>"

    async def process(self, data: In, /) -> Out:
        """Call the agent when its turn has come.

        Raises:
            CostError: the call costs more than the burst, or less than nothing.
            TypeError: `cost` gave no number.
        """
        limiter = self.limiter
        try:
            cost = limiter.cost_of(data)
        except Exception:
            await trio.lowlevel.checkpoint()  # noqa: ASYNC120 - whoever calls again and again must not starve others
            raise
        await limiter.take(cost)
        output: Out = await self.agent.process(data)
        return output
