"""What agents that are made of others have in common: they are entered and left with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from atrio._lifetime import Lifetime
from atrio._pipeline import Pipeline

In = TypeVar("In")
Out = TypeVar("Out")


class Composite(ABC, Generic[In, Out]):
    """An agent made of others: as an async context manager it enters them, and leaves them in reverse.

    Args:
        parts: the agents that it is made of.
    """

    __slots__ = ("__lifetime", "__parts")  # mangled, as what hands on attributes of an agent has all others of that

    def __init__(self, parts: Sequence[Any]) -> None:
        self.__parts: Sequence[Any] = parts
        self.__lifetime = Lifetime()

    @abstractmethod
    async def process(self, data: In, /) -> Out:
        """Call what it is made of, each in its own way."""

    async def __aenter__(self) -> Self:
        """Enter every part that is an async context manager; agents shared with others once."""
        await self.__lifetime.enter(self.__parts)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what was entered, in reverse; agents shared with others with the last of them."""
        await self.__lifetime.leave((kind, error, trace))  # noqa: ASYNC102 - each agent says itself what it shields


class Guard(Composite[In, Out]):
    """An agent that stands before one other, and decides whether and when a call of it goes through.

    Args:
        agent: the agent behind it.
    """

    __slots__ = ("agent",)

    def __init__(self, agent: Any) -> None:
        self.agent: Any = agent
        super().__init__([agent])


_PARTS: Final[Any] = vars(Composite)["_Composite__parts"]


def guards_in(agent: object) -> Iterator[Guard[Any, Any]]:
    """Yield every guard in an agent, itself included: before it, and before all that it is made of.

    Args:
        agent: an agent. Of pipelines the stages that they have now are looked at.
    """
    left, seen = [agent], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Guard):
            yield each
        if isinstance(each, Composite):
            left.extend(_PARTS.__get__(each))
        elif isinstance(each, Pipeline):
            left.extend(stage.agent for stage in each.stages)
