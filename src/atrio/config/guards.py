"""Circuit breakers and rate limiters as a configuration says them, those that are shared made once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atrio.combinators import CircuitBreaker, RateLimiter
from atrio.config.expressions import compiled
from atrio.config.imports import exception_called
from atrio.config.settings import BreakerSettings, Configuration, RateSettings

__all__ = ["Guards", "exceptions"]


def exceptions(names: Sequence[str] | None, directory: Path | None) -> tuple[type[Exception], ...] | None:
    """Return the exception classes of these names, None of None.

    Raises:
        ValueError: there is no such exception.
    """
    return None if names is None else tuple(exception_called(name, directory) for name in names)


class Guards:
    """Makes the guards of a configuration.

    Args:
        configuration: the configuration, whose exceptions and expressions were checked.
        directory: where modules are looked for first.
    """

    __slots__ = ("_breakers", "_configuration", "_directory", "_limiters")

    def __init__(self, configuration: Configuration, directory: Path | None) -> None:
        self._configuration = configuration
        self._directory = directory
        self._breakers: dict[str, CircuitBreaker] = {}
        self._limiters: dict[str, RateLimiter] = {}

    def breaker(self, said: BreakerSettings | str | None, owner: str) -> CircuitBreaker | None:
        """Return a circuit breaker: the shared one if `said` is its name, one of its own if it says what it does.

        Args:
            said: the value of the key ``breaker``.
            owner: names one that is not shared.
        """
        if said is None:
            return None
        if isinstance(said, BreakerSettings):
            return self._new_breaker(owner, said)
        if said not in self._breakers:
            self._breakers[said] = self._new_breaker(said, self._configuration.breakers[said])
        return self._breakers[said]

    def _new_breaker(self, name: str, said: BreakerSettings) -> CircuitBreaker:
        return CircuitBreaker(
            name,
            failure_threshold=said.failure_threshold,
            recovery_timeout=said.recovery_timeout,
            half_open_max_calls=said.half_open_max_calls,
            trips_on=exceptions(said.trips_on, self._directory) or Exception,
        )

    def limiter(self, said: RateSettings | str | None, owner: str) -> RateLimiter | None:
        """Return a rate limiter, as :meth:`breaker` does.

        Args:
            said: the value of the key ``rate``.
            owner: names one that is not shared.
        """
        if said is None:
            return None
        if isinstance(said, RateSettings):
            return _new_limiter(owner, said)
        if said not in self._limiters:
            self._limiters[said] = _new_limiter(said, self._configuration.rate_limits[said])
        return self._limiters[said]


def _new_limiter(name: str, said: RateSettings) -> RateLimiter:
    cost = None if said.cost is None else compiled(said.cost)
    return RateLimiter(name, said.rate, said.per, said.burst, cost)
