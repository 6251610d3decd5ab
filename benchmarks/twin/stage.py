"""What a stage of the twin is: an agent, its deadline, its attempts, and what follows a failure."""

import asyncio
import inspect
from asyncio import wait_for
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from benchmarks.twin.records import AttemptTimeoutError

PROGRAMMING_ERRORS = (TypeError, AttributeError, NameError, AssertionError, ImportError, NotImplementedError)

Process = Callable[[Any], Awaitable[Any]]
Call = Callable[[Process, Any, float | None], Awaitable[Any]]


# --- One call of an agent, within its time ---


async def _noting_own_timeout(process: Process, data: Any, own: list[TimeoutError]) -> Any:
    try:
        return await process(data)
    except TimeoutError as error:
        own.append(error)
        raise


async def call_by_wait_for(process: Process, data: Any, timeout: float | None) -> Any:  # noqa: ASYNC109
    """Call the agent within ``asyncio.wait_for``."""
    if timeout is None:
        return await process(data)
    own: list[TimeoutError] = []
    try:
        return await wait_for(_noting_own_timeout(process, data, own), timeout)
    except TimeoutError as error:
        if own and error is own[0]:
            raise
        raise AttemptTimeoutError(f"no answer within {timeout} s") from error


async def call_by_timeout(process: Process, data: Any, timeout: float | None) -> Any:  # noqa: ASYNC109
    """Call the agent within ``asyncio.timeout``: no task per call, so faster where ``wait_for`` makes one."""
    own = None
    try:
        async with asyncio.timeout(timeout):
            try:
                return await process(data)
            except TimeoutError as error:
                own = error
                raise
    except TimeoutError as error:
        if error is own:
            raise
        raise AttemptTimeoutError(f"no answer within {timeout} s") from error
    finally:
        own = None  # else the error, its traceback and this frame would keep one another alive


# --- What a stage is ---


class ErrorPolicy(StrEnum):
    """What follows a failed attempt."""

    STOP = "stop"
    RETRY = "retry"
    SKIP = "skip"


def is_transient(error: BaseException) -> bool:
    """Tell whether another attempt may help: not after a programming error, nor a group with one in it."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(_is_transient_leaf)[1] is None
    return _is_transient_leaf(error)


def _is_transient_leaf(error: BaseException) -> bool:
    # split asks about groups too, and a group that said yes would not be looked into.
    refused = (*PROGRAMMING_ERRORS, BaseExceptionGroup)
    return isinstance(error, Exception) and not isinstance(error, refused)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt."""

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 10.0
    jitter: float = 0.0

    def wait_after(self, attempt: int, draw: Random) -> float:
        """Return the seconds to wait after this attempt, the first being 1."""
        wait = min(self.initial * self.factor ** (attempt - 1), self.maximum)
        return wait + draw.uniform(0, self.jitter * wait) if self.jitter else wait


@dataclass(frozen=True, slots=True)
class StageConfig:
    """How a stage is tried."""

    attempts: int = 3
    timeout: float | None = 60.0
    error_policy: ErrorPolicy = ErrorPolicy.RETRY
    backoff: Backoff = Backoff()
    retry_on: Callable[[BaseException], bool] = is_transient
    random: Random = field(default_factory=Random)

    def wait_after(self, attempt: int, error: Exception) -> float | None:
        """Return the seconds to wait before the next attempt, or ``None`` where there is none."""
        if self.error_policy is ErrorPolicy.STOP or attempt >= self.attempts or not self.retry_on(error):
            return None
        return max(self.backoff.wait_after(attempt, self.random), getattr(error, "retry_after", 0.0))


def process_of(agent: Any) -> Process:
    """Return what to call: the agent's ``process``, or the function that it is."""
    return getattr(agent, "process", agent)


def agent_id_of(agent: Any) -> str:
    """Return the agent's id: its own, else the name of its function or class."""
    own_name = getattr(agent, "__name__", type(agent).__name__)
    return getattr(agent, "agent_id", own_name)


class Stage:
    """An agent, or a plain async function, and how it is tried."""

    __slots__ = ("agent_id", "config", "name", "process", "stage_id", "timeout")

    def __init__(self, stage_id: str, agent: Any, *, name: str | None = None, config: StageConfig | None = None):
        self.process = process_of(agent)
        if not inspect.iscoroutinefunction(self.process):
            raise TypeError(f"{agent!r} is no agent: its process must be async")
        self.stage_id = stage_id
        self.name = stage_id if name is None else name
        self.agent_id = agent_id_of(agent)
        self.config = StageConfig() if config is None else config
        self.timeout = self.config.timeout
