"""The wrapper that keeps the record of a registered agent's calls."""

from __future__ import annotations

from typing import Any, TypeVar

import trio

from atrio._agent import agent_id_of, as_agent
from atrio._validation import check_id
from atrio.combinators.circuit_breaker import BreakerGuard, CircuitBreaker
from atrio.combinators.composite import Composite
from atrio.registry.performance import Calls

__all__ = ["Measured", "MeasuredGuard", "PassesThrough", "measured"]

In = TypeVar("In")
Out = TypeVar("Out")


class PassesThrough:
    """Hands on to the agent behind it what is asked of it and it does not have itself.

    What it has itself is reserved: ``process``, ``agent``, ``agent_id``, and ``breaker``, ``limiter`` or ``agents``
    where there are such. An agent's own attribute of such a name is reached through ``agent``. Names with two
    underscores at both ends are not handed on: Python looks for special methods at the class, so that half of them
    would work and half would not.
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
    """An agent whose calls are measured. It has the attributes of the agent behind it, to read and to set.

    It is no instance of that agent's class: ask ``isinstance(measured.agent, ...)``. As an async context manager it
    enters the agent if that is one, and else does nothing. A call costs a microsecond or two more.

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

    __slots__ = ("__calls", "agent", "agent_id")  # mangled, as an agent may have `_calls` itself

    def __init__(self, agent: Any, calls: Calls, *, agent_id: str | None = None) -> None:
        self.agent: Any = as_agent(agent)
        self.agent_id: str = agent_id_of(self.agent) if agent_id is None else check_id(agent_id, "agent_id")
        self.__calls: Calls = calls
        super().__init__([self.agent])

    def __repr__(self) -> str:
        return f"<{self.agent!r}, measured>"

    async def process(self, data: In, /) -> Out:
        """Call the agent.

        A call that is cancelled since its deadline has passed, its stage's or another, counts as failed: the agent did
        not answer in the time that it was given. Any other that is cancelled is no failure, nor a success.
        """
        calls = self.__calls
        begun = trio.current_time()
        rested = calls.begin()
        try:
            output: Out = await self.agent.process(data)
        except Exception:
            calls.fail()
            raise
        except BaseException as error:
            # A deadline that had passed before the call began gave it no time.
            if begun < trio.current_time() and _is_out_of_time(error):
                calls.fail()
            else:
                calls.give_back()
            raise
        calls.succeed(trio.current_time() - begun, rested)
        return output


def _is_out_of_time(error: BaseException) -> bool:
    """Say whether a call ended with `error` since a deadline had passed, and was not cancelled otherwise."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_out_of_time, error.exceptions))
    return isinstance(error, trio.Cancelled) and error.source == "deadline"


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
