"""One input to several agents at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, overload

import trio

from atrio._agent import Agent, agent_id_of, as_agent
from atrio._nurseries import unseen_nursery
from atrio._validation import check_id, derived_id
from atrio.combinators.composite import Composite

__all__ = ["FanOut", "named_agents"]

In = TypeVar("In")
Out = TypeVar("Out")


def named_agents(agents: object, what: str) -> dict[str, Any]:
    """Return a mapping of names to agents, checked.

    Raises:
        TypeError: it is no mapping, or holds what is no agent.
        ValueError: it is empty, or a name is no string of 1 to 200 characters.
    """
    if not isinstance(agents, Mapping):
        raise TypeError(f"{what} takes a mapping of names to agents, not {type(agents).__name__}")
    if not agents:
        raise ValueError(f"{what} has no agents: give it one at least")
    return {check_id(name, f"a name in {what}"): as_agent(agent) for name, agent in agents.items()}


class FanOut(Composite[In, dict[str, Out]]):
    """Gives one input to several agents at once, and returns a dict of what they give. It is itself an agent.

    Args:
        agents: by the names that their outputs get.

    Raises:
        TypeError: `agents` is no mapping, or one of them no agent.
        ValueError: there are none, or a name is no string of 1 to 200 characters.
    """

    __slots__ = ("agent_id", "agents")

    @overload
    def __init__(self, agents: Mapping[str, Agent[In, Out]]) -> None: ...
    @overload
    def __init__(self, agents: Mapping[str, Callable[[In], Awaitable[Out]]]) -> None: ...
    @overload
    def __init__(self, agents: Mapping[str, Any]) -> None: ...
    def __init__(self, agents: Any) -> None:
        self.agents: dict[str, Any] = named_agents(agents, "a FanOut")
        self.agent_id: str = derived_id("&".join(agent_id_of(each) for each in self.agents.values()))
        super().__init__(list(self.agents.values()))

    def __repr__(self) -> str:
        return f"<fan-out {self.agent_id!r}>"

    async def process(self, data: In, /) -> dict[str, Out]:
        """Call all agents at once, and return what they give, by their names, in their order.

        Raises:
            Exception: the first failure, which cancels the others; several at once leave as one group.
        """
        outputs: dict[str, Out] = {}
        # Kept apart from the nursery, which would take a group of the agent's own to pieces.
        failures: list[Exception] = []

        async def call(name: str, agent: Any, others: trio.CancelScope) -> None:
            try:
                outputs[name] = await agent.process(data)
            except Exception as error:  # noqa: BLE001 - an agent's failure, of whatever class, is the fan-out's
                failures.append(error)
                others.cancel()

        async with unseen_nursery() as nursery:
            for name, agent in self.agents.items():
                nursery.start_soon(call, name, agent, nursery.cancel_scope)
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise ExceptionGroup(f"{len(failures)} agents of {self.agent_id!r} failed at once", failures)
        return {name: outputs[name] for name in self.agents}
