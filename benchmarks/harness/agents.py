"""The agents that all programs run: one that costs nothing, and those by which answers and claims are checked.

Nothing but the standard library is imported here, because rivals run these in environments of their own.
"""

from collections.abc import Awaitable, Callable
from typing import Any

Sleep = Callable[[float], Awaitable[Any]]

DATA = "what goes in"


class NoOp:
    """An agent that costs as little as an agent can."""

    async def process(self, data: Any) -> Any:
        """Return what was given."""
        return data


class Marking:
    """Adds its number to the data, and counts its calls."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    async def process(self, data: str) -> str:
        """Return the data with this agent's number added."""
        self.calls += 1
        return f"{data} {self.number}"


class Failing:
    """Fails so many times, and then returns what it was given."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls = 0

    async def process(self, data: Any) -> Any:
        """Return what was given, or raise a ``ConnectionError``."""
        self.calls += 1
        if self.calls <= self.times:
            raise ConnectionError("not yet")
        return data


class Sleeping:
    """Sleeps by its own or by the item's seconds, and knows how many slept at once."""

    def __init__(self, sleep: Sleep, seconds: float | None = None) -> None:
        self._sleep = sleep
        self._seconds = seconds
        self.active = self.most = 0

    async def process(self, data: Any) -> Any:
        """Return what was given, later."""
        self.active += 1
        self.most = max(self.most, self.active)
        try:
            await self._sleep(data if self._seconds is None else self._seconds)
        finally:
            self.active -= 1
        return data


class Refusing:
    """Refuses one input."""

    def __init__(self, refused: Any) -> None:
        self.refused = refused

    async def process(self, data: Any) -> Any:
        """Return what was given, or raise a ``ValueError``."""
        if data == self.refused:
            raise ValueError(f"{data} is refused")
        return data


def marked(stages: int) -> str:
    """Return what so many marking agents make of `DATA`."""
    return " ".join([DATA, *map(str, range(stages))])
