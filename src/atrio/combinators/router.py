"""The right agent for each input."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast, overload

from trio.lowlevel import checkpoint

from atrio._agent import Agent, agent_id_of, as_agent
from atrio._validation import derived_id
from atrio.combinators.composite import Composite
from atrio.combinators.fan_out import named_agents
from atrio.errors import RouteError

__all__ = ["Router"]

In = TypeVar("In")
Out = TypeVar("Out")


class Router(Composite[In, Out]):
    """Calls the one agent that a function names. A router is itself an agent.

    Args:
        choose: ``choose(data)`` gives the name of the agent to call.
        agents: by name.
        default: called for a name that is not among them; None if that is an error.

    Raises:
        TypeError: `choose` is no function, `agents` no mapping, or one of them no agent.
        ValueError: there are no agents, or a name is no string of 1 to 200 characters.
    """

    __slots__ = ("_choose", "agent_id", "agents", "default")

    @overload
    def __init__(
        self, choose: Callable[[In], str], agents: Mapping[str, Agent[In, Out]], default: Agent[In, Out] | None = None
    ) -> None: ...
    @overload
    def __init__(
        self,
        choose: Callable[[In], str],
        agents: Mapping[str, Callable[[In], Awaitable[Out]]],
        default: Callable[[In], Awaitable[Out]] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        choose: Callable[[In], str],
        agents: Mapping[str, Agent[In, Out] | Callable[[In], Awaitable[Out]]],
        default: Agent[In, Out] | Callable[[In], Awaitable[Out]] | None = None,
    ) -> None: ...
    def __init__(self, choose: Any, agents: Any, default: Any = None) -> None:
        if not callable(choose):
            raise TypeError(f"choose must be a function of the data that returns a name, not {choose!r}")
        if inspect.iscoroutinefunction(choose):
            raise TypeError("choose is async, and is asked without waiting: write `def`, not `async def`")
        self._choose = cast("Callable[[Any], str]", choose)
        self.agents: dict[str, Any] = named_agents(agents, "a Router")
        self.default: Any = None if default is None else as_agent(default)
        parts = [*self.agents.values(), *([] if self.default is None else [self.default])]
        self.agent_id: str = derived_id("/".join(agent_id_of(each) for each in parts))
        super().__init__(parts)

    def __repr__(self) -> str:
        return f"<router {self.agent_id!r}>"

    async def process(self, data: In, /) -> Out:
        """Call the agent that `choose` names.

        Raises:
            RouteError: it names none of them, and there is no default; the message lists the known names.
        """
        name: object = self._choose(data)
        agent = self.agents.get(name, self.default) if isinstance(name, str) else self.default
        if agent is None:
            await checkpoint()  # whoever calls again and again must not starve others
            raise RouteError(self._unknown(name))
        output: Out = await agent.process(data)
        return output

    def _unknown(self, name: object) -> str:
        near = difflib.get_close_matches(name, self.agents, n=1) if isinstance(name, str) else []
        hint = f"; did you mean {near[0]!r}?" if near else ""
        named = "None (null)" if name is None else repr(name)
        known = ", ".join(map(repr, self.agents))
        return f"choose named {named}, and router {self.agent_id!r} knows {known}, and has no default{hint}"
