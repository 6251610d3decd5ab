"""The next agent where one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from atrio._agent import Agent, agent_id_of, as_agent
from atrio._attempts import RetryOn, covers
from atrio._fallbacks import record_fallback
from atrio._stage import check_retry_on
from atrio._validation import derived_id
from atrio.combinators.composite import Composite

__all__ = ["Fallback"]

In = TypeVar("In")
Out = TypeVar("Out")


class Fallback(Composite[In, Out]):
    """Tries agents in order, until one succeeds. A fallback is itself an agent.

    Each time that the next one is asked is an event, :class:`~atrio.events.FallbackUsed`, and is counted in the stage's
    record, as `fallbacks` in its metadata.

    Args:
        first: the agent that is tried first.
        others: those that are tried after it, in order; at least one.
        on: the failures after which the next one is tried: an exception class, a tuple of them, or a predicate. Any
            other leaves at once.

    Raises:
        TypeError: one of them is no agent, or `on` neither classes nor a predicate.
        ValueError: there is only one agent.
    """

    __slots__ = ("__ids", "__on", "agent_id", "agents")

    @overload
    def __init__(self, first: Agent[In, Out], *others: Agent[In, Out], on: RetryOn = ...) -> None: ...
    @overload
    def __init__(
        self,
        first: Agent[In, Out] | Callable[[In], Awaitable[Out]],
        *others: Agent[In, Out] | Callable[[In], Awaitable[Out]],
        on: RetryOn = ...,
    ) -> None: ...
    def __init__(self, first: Any, *others: Any, on: RetryOn = Exception) -> None:
        if not others:
            raise ValueError("a Fallback needs another agent to fall back to: write Fallback(first, second)")
        check_retry_on(on, "Fallback.on")
        self.agents: tuple[Any, ...] = tuple(as_agent(each) for each in (first, *others))
        self.__ids = [agent_id_of(each) for each in self.agents]
        self.agent_id: str = derived_id("|".join(self.__ids))
        self.__on: RetryOn = on
        super().__init__(self.agents)

    def __repr__(self) -> str:
        return f"<fallback {self.agent_id!r}>"

    async def process(self, data: In, /) -> Out:
        """Call the agents in order, and return what the first that succeeds gives.

        Raises:
            ExceptionGroup: all of them failed; it holds every failure, in order.
            Exception: what an agent raised that `on` does not cover.
        """
        failures: list[Exception] = []
        for agent in self.agents:
            try:
                output: Out = await agent.process(data)
            except Exception as error:
                if not covers(self.__on, error):
                    raise
                failures.append(error)
                asked = len(failures)
                if asked < len(self.agents):
                    record_fallback((self.agent_id, self.__ids[asked - 1], self.__ids[asked]), error)
            else:
                return output
        raise ExceptionGroup(f"all {len(self.agents)} agents of {self.agent_id!r} failed", failures)
