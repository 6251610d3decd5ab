"""A stage: an agent, and what happens when it fails."""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Generic, TypeVar, overload

import attrs

from atrio import _validation as valid
from atrio._agent import Agent, agent_id_of, as_agent
from atrio._attempts import Backoff, Policy, RetryOn, is_transient

__all__ = ["ErrorPolicy", "Stage", "StageConfig"]

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class ErrorPolicy(StrEnum):
    """What a stage's failure means.

    STOP: one call, and the pipeline fails. RETRY: up to `attempts` calls, then the pipeline fails. SKIP: up to
    `attempts` calls, then the next stage gets what the skipped one was given.
    """

    STOP = "stop"
    RETRY = "retry"
    SKIP = "skip"


def check_retry_on(value: object, what: str) -> None:
    """Raise TypeError unless `value` is an exception class, a tuple of them, or a predicate."""
    for each in value if isinstance(value, tuple) else (value,):
        is_class = isinstance(each, type)
        if is_class and issubclass(each, Exception):
            continue
        if is_class or isinstance(value, tuple) or not callable(each):
            right = "an exception class, a tuple of them, or a predicate that takes the exception"
            raise TypeError(f"{what} must be {right}, not {each!r}")
    if inspect.iscoroutinefunction(value):
        raise TypeError(f"{what} is async, and a predicate is asked without waiting: write `def`, not `async def`")


def _check_retry_on(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_retry_on(value, f"{type(instance).__name__}.{attribute.name}")


@attrs.frozen
class StageConfig:
    """How a stage makes its attempts.

    Args:
        attempts: calls at most, the first included; at least 1. With ``ErrorPolicy.STOP`` there is one, whatever this
            says.
        timeout: seconds per attempt, above 0, or None for no limit.
        error_policy: what happens after the last failed attempt.
        backoff: the waits between attempts.
        retry_on: what is worth another attempt: an exception class, a tuple of them, or a predicate. A timeout of the
            stage's own always is; an open circuit breaker never.
        random: where the jitter of the waits is drawn from.

    Raises:
        TypeError: an argument is of the wrong type: a bool or a string for a number, a fraction of an attempt.
        ValueError: a number is out of its range, infinite or NaN.
    """

    attempts: int = attrs.field(default=3, validator=valid.count)
    timeout: float | None = attrs.field(default=60.0, validator=valid.seconds)
    error_policy: ErrorPolicy = attrs.field(
        default=ErrorPolicy.RETRY, validator=valid.of_type(ErrorPolicy, "ErrorPolicy.STOP, .RETRY or .SKIP")
    )
    backoff: Backoff = attrs.field(
        factory=Backoff, validator=valid.of_type(Backoff, "Backoff(initial=1.0, factor=2.0, maximum=10.0)")
    )
    retry_on: RetryOn = attrs.field(default=is_transient, validator=_check_retry_on)
    random: random.Random = attrs.field(
        factory=random.Random,  # noqa: S311 - jitter is no secret
        eq=False,
        repr=False,
        validator=valid.of_type(random.Random, "random.Random(seed)"),  # noqa: S311 - the same
    )

    @property
    def _policy(self) -> Policy:
        """These settings as the attempts' own, in which STOP is one attempt."""
        attempts = 1 if self.error_policy is ErrorPolicy.STOP else self.attempts
        return Policy(attempts, self.timeout, self.backoff, self.retry_on, self.random)


# Frozen, so that one is shared by all stages that are given none: seeding a Random costs more than all the rest.
_DEFAULT_CONFIG = StageConfig()


@attrs.frozen(init=False)
class Stage(Generic[In_contra, Out_co]):
    """One step of a pipeline.

    Args:
        stage_id: unique in its pipeline, 1 to 200 characters.
        agent: an object with ``async def process(self, data)``, or an ``async def f(data)``.
        name: for people; by default the id.
        description: for people.
        config: attempts, timeout, and what a failure means.

    Attributes:
        agent_id: the id of the agent in records and events.

    Raises:
        ValueError: an id is not a string of 1 to 200 characters.
        TypeError: `agent` is no agent, or `config` no StageConfig; the message says what would be right.
    """

    stage_id: str
    agent: Agent[In_contra, Out_co]
    name: str
    description: str
    config: StageConfig
    agent_id: str

    @overload
    def __init__(
        self,
        stage_id: str,
        agent: Agent[In_contra, Out_co],
        *,
        name: str | None = None,
        description: str = "",
        config: StageConfig = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        stage_id: str,
        agent: Callable[[In_contra], Awaitable[Out_co]],
        *,
        name: str | None = None,
        description: str = "",
        config: StageConfig = ...,
    ) -> None: ...
    def __init__(
        self,
        stage_id: str,
        agent: Any,
        *,
        name: str | None = None,
        description: str = "",
        config: StageConfig = _DEFAULT_CONFIG,
    ) -> None:
        valid.check_id(stage_id, "stage_id")
        if not isinstance(config, StageConfig):
            raise TypeError(f"config of stage {stage_id!r} must be a StageConfig, not {config!r}")
        for what, text in (("name", name), ("description", description)):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"{what} of stage {stage_id!r} must be a string, not {text!r}")
        checked = as_agent(agent)
        values = {
            "stage_id": stage_id,
            "agent": checked,
            "name": stage_id if name is None else name,
            "description": description,
            "config": config,
            "agent_id": agent_id_of(checked),
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)
