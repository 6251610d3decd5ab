"""What an agent is, and what is refused as one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from atrio._validation import check_id, derived_id

__all__ = ["Agent", "agent_id_of", "as_agent"]

In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


@runtime_checkable
class Agent(Protocol[In_contra, Out_co]):
    """Any object with ``async def process(self, data)``.

    An ``agent_id`` attribute, where there is one, names the agent in records and events.
    """

    async def process(self, data: In_contra, /) -> Out_co:
        """Turn `data` into the next stage's data. Whatever it raises is the stage's failure."""
        ...


class FunctionAgent(Generic[In, Out]):
    """A plain async function as an agent.

    Args:
        function: ``async def function(data)``.
        agent_id: its id in records and events; by default the function's name.
    """

    # `process` is the function itself and not a method that calls it: that spares a coroutine on every call.
    __slots__ = ("agent_id", "process")

    def __init__(self, function: Callable[[In], Awaitable[Out]], agent_id: str) -> None:
        self.process = function
        self.agent_id = agent_id

    def __repr__(self) -> str:
        return f"<agent {self.agent_id!r}, the function {self.process!r}>"


def as_agent(candidate: Any) -> Any:
    """Return `candidate` as an agent: itself, or an async function wrapped as one.

    Args:
        candidate: an object with ``async def process(self, data)``, or an ``async def f(data)``.

    Raises:
        TypeError: it is neither; the message says what would be right.
        ValueError: its ``agent_id`` is no string of 1 to 200 characters.
    """
    if inspect.isclass(candidate):
        name = candidate.__name__
        raise TypeError(f"{name} is a class, and an agent is an instance of one: write {name}(...) instead of {name}")
    process = getattr(candidate, "process", None)
    if process is not None:
        return _checked(candidate, process)
    if is_async(candidate):
        return FunctionAgent(candidate, agent_id_of(candidate))
    raise TypeError(_no_agent(candidate))


def _checked(candidate: Any, process: Any) -> Any:
    if not is_async(process):
        kind = type(candidate).__name__
        if inspect.isasyncgenfunction(process):
            raise TypeError(f"{kind}.process yields; an agent returns one value: write `return` instead of `yield`")
        raise TypeError(
            f"{kind}.process is not async: write `async def process(self, data)`, or, if it blocks, "
            f"atrio.adapters.in_thread(its process method)"
        )
    agent_id_of(candidate)
    return candidate


def is_async(function: Any) -> bool:
    """Say whether calling `function` gives a coroutine."""
    # A callable object counts by its __call__; a partial is seen through by inspect itself.
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - not a test for being callable
    )


def _no_agent(candidate: Any) -> str:
    if inspect.iscoroutine(candidate):
        candidate.close()  # else Python warns that it was never awaited, beside our error
        name = candidate.__qualname__
        return f"{name}(...) was called already: pass the function itself, `{name}` instead of `{name}(...)`"
    if inspect.isasyncgenfunction(candidate):
        return f"{candidate.__name__} yields; an agent returns one value: write `return` instead of `yield`"
    if callable(candidate):
        name = name_of(candidate)
        return (
            f"{name} is not async, so it is no agent: write `async def`, or, if it blocks, "
            f"atrio.adapters.in_thread({name})"
        )
    return (
        f"{type(candidate).__name__} object is no agent: an agent has `async def process(self, data)`, or is an "
        "`async def f(data)`; atrio.adapters.in_thread(function) turns a blocking function into one"
    )


def name_of(candidate: Any) -> str:
    """Return the name of a function, of a partial's function, or else of the class."""
    while isinstance(candidate, functools.partial):
        candidate = candidate.func
    name = getattr(candidate, "__name__", None)
    return name if isinstance(name, str) and name else type(candidate).__name__


def agent_id_of(agent: Any) -> str:
    """Return the id of `agent` in records and events.

    Its ``agent_id``, else the name of the function or of the class.

    Raises:
        ValueError: its ``agent_id`` is no string of 1 to 200 characters.
    """
    own = getattr(agent, "agent_id", None)
    if own is not None:
        return check_id(own, f"agent_id of {type(agent).__name__}")
    return derived_id(name_of(agent) if callable(agent) else type(agent).__name__)
