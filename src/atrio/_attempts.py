"""Attempts: how long to wait between them, what is worth another, and the loop that makes them.

What follows a failed attempt is decided by pure functions; only :func:`attempt_again` waits and calls.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import trio

from atrio import _validation as valid
from atrio._results import AttemptFailure, ErrorInfo, annotate, without_callers
from atrio._text import message_of
from atrio.errors import (
    CircuitOpenError,
    CostError,
    NestedBatchError,
    PipelineError,
    RegistryError,
    RouteError,
    StageTimeoutError,
)

if TYPE_CHECKING:
    import random

__all__ = ["Backoff", "RetryOn", "is_transient"]

RetryOn: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], object]
"""What is worth another attempt: an exception class, a tuple of them, or a predicate."""

_PROGRAMMERS_OWN: Final = (
    TypeError,
    AttributeError,
    NameError,
    AssertionError,
    ImportError,
    NotImplementedError,
)
_NEVER_RETRIED: Final = (CircuitOpenError, CostError, NestedBatchError, RegistryError, RouteError)
"""Refusals of ours: another attempt would meet the same one, whatever `retry_on` says."""


def is_transient(error: Exception) -> bool:
    """Say whether `error` may go away by itself: every Exception but the programmer's own mistakes.

    Those are TypeError, AttributeError, NameError, AssertionError, ImportError and NotImplementedError: another attempt
    would only repeat them.
    """
    return not isinstance(error, _PROGRAMMERS_OWN)


@attrs.frozen
class Backoff:
    """Exponential backoff: the wait after failed attempt `n` (from 0) is ``min(initial * factor**n, maximum)``.

    Args:
        initial: seconds after the first failed attempt; 0 for no wait.
        factor: by which each wait is longer than the one before; at least 1.
        maximum: seconds that no wait exceeds, before jitter.
        jitter: a uniform draw of up to this share of the wait is added to it, so it may exceed `maximum`.

    Raises:
        TypeError: an argument is no number.
        ValueError: an argument is negative, infinite or NaN, or `factor` is below 1.
    """

    initial: float = attrs.field(default=1.0, validator=valid.at_least(0))
    factor: float = attrs.field(default=2.0, validator=valid.at_least(1))
    maximum: float = attrs.field(default=10.0, validator=valid.at_least(0))
    jitter: float = attrs.field(default=0.0, validator=valid.at_least(0))

    def delay(self, attempt: int, random: random.Random) -> float:
        """Return the seconds to wait after failed attempt `attempt`, counted from 0.

        Args:
            attempt: which attempt failed, from 0.
            random: where the jitter is drawn from; not touched without jitter.
        """
        try:
            wait = float(min(self.initial * self.factor**attempt, self.maximum)) if self.initial else 0.0
        except OverflowError:  # factor**attempt left the range of floats, and so far above any maximum
            wait = float(self.maximum)
        return wait + random.uniform(0.0, self.jitter * wait) if self.jitter else wait


def causes(error: BaseException) -> list[BaseException]:
    """Return the agents' own exceptions behind `error`, each once, in order.

    A group gives its leaves, and the failure of a nested pipeline what failed in it.
    """
    found: list[BaseException] = []
    seen: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, BaseExceptionGroup):
            left.extend(reversed(each.exceptions))
        elif isinstance(each, PipelineError) and each.result is not None and each.__cause__ is not None:
            # Only unwrap() gives a PipelineError its result, and then the agent's own exception is the cause.
            left.append(each.__cause__)
        else:
            found.append(each)
    return found


def _matches(kinds: RetryOn, error: Exception) -> bool:
    return isinstance(error, kinds) if isinstance(kinds, type | tuple) else bool(kinds(error))


def covers(kinds: RetryOn, error: Exception) -> bool:
    """Say whether `error`, or else all that is behind it, is of `kinds`."""
    behind = [each for each in causes(error) if each is not error]
    return _matches(kinds, error) or (
        behind != [] and all(isinstance(each, Exception) and _matches(kinds, each) for each in behind)
    )


def _may_retry(retry_on: RetryOn, error: BaseException) -> bool:
    if isinstance(error, _NEVER_RETRIED) or not isinstance(error, Exception):
        return False
    if isinstance(error, PipelineError) and error.result is None and not isinstance(error, StageTimeoutError):
        return False  # a nested pipeline without stages: the call itself was wrong
    return _matches(retry_on, error)


def is_worth_a_retry(retry_on: RetryOn, error: Exception) -> bool:
    """Say whether all that is behind `error` is covered by `retry_on`; what another would meet again never is."""
    return all(_may_retry(retry_on, each) for each in causes(error))


def retry_after(error: Exception) -> float:
    """Return the longest finite, non-negative ``retry_after`` of `error` and what is behind it, in seconds, else 0."""
    return max(map(_asked_for, (error, *causes(error))))


def _asked_for(error: BaseException) -> float:
    try:
        asked = getattr(error, "retry_after", None)
        return float(asked) if valid.is_number(asked) and math.isfinite(asked) and asked >= 0 else 0.0
    except Exception:  # noqa: BLE001 - the agent's exception may do anything there; then it asks for nothing
        return 0.0


@attrs.frozen
class Policy:
    """How the attempts of a stage are made.

    Attributes:
        attempts: calls at most, the first included.
        timeout: seconds per attempt, or None.
        backoff: the waits between them.
        retry_on: what is worth another.
        random: where jitter is drawn from.
    """

    attempts: int
    timeout: float | None
    backoff: Backoff
    retry_on: RetryOn
    random: random.Random


def wait_before_retry(
    policy: Policy, attempt: int, error: Exception, *, timed_out: bool, now: float, deadline: float
) -> float | None:
    """Return the seconds to wait before the next attempt, or None if there is none. Pure but for the jitter's draw.

    Args:
        policy: the stage's.
        attempt: which attempt failed, from 1.
        error: its failure.
        timed_out: whether `error` is the stage's own timeout, which is always worth a retry.
        now: Trio's time.
        deadline: the enclosing one. A wait that would end at or after it is not begun; minus infinity means cancelled
            already, which is for the checkpoint before the retry to say.
    """
    if attempt >= policy.attempts or not (timed_out or is_worth_a_retry(policy.retry_on, error)):
        return None
    wait = max(policy.backoff.delay(attempt - 1, policy.random), retry_after(error))
    return None if -math.inf < deadline <= now + wait else wait


class Attempts:
    """The attempts of one stage as they are made, and how they failed. Plain state, read by the stage's record.

    Args:
        made: calls so far.
        error: what the stage failed with so far, where that was no attempt (middleware).

    Attributes:
        made: calls so far.
        failures: the failed ones.
        error: what ended the stage, or None.
        timed_out: whether `error` is the stage's own timeout.
        remark: what else went wrong, in a sentence, or None.
    """

    __slots__ = ("error", "failures", "made", "remark", "timed_out")

    def __init__(self, made: int = 0, error: Exception | None = None) -> None:
        self.made = made
        self.failures: list[AttemptFailure] = []
        self.error = error
        self.timed_out = False
        self.remark: str | None = None

    def fail(self, error: Exception | None, timeout: StageTimeoutError | None, duration_s: float) -> None:
        """Keep how the attempt that was made last failed.

        Args:
            error: what the agent raised, or None.
            timeout: the stage's own timeout, if its deadline stopped the attempt; `error` is then what the agent
                raised beside its cancellation, and becomes the cause.
            duration_s: seconds that the attempt took.
        """
        if timeout is not None:
            timeout.__cause__ = error
        self.error = error if timeout is None else timeout
        self.timed_out = timeout is not None
        assert self.error is not None  # noqa: S101 - an attempt fails with an error, a timeout, or both
        info = ErrorInfo.of(self.error, timed_out=self.timed_out)
        self.failures.append(AttemptFailure(self.made, info.error_type, info.message, duration_s, 0.0))

    def next_wait(self, policy: Policy) -> float | None:
        """Return the seconds to wait before the next attempt, and keep them; None if the stage has ended."""
        if self.error is None:
            return None
        try:
            wait = wait_before_retry(
                policy,
                self.made,
                self.error,
                timed_out=self.timed_out,
                now=trio.current_time(),
                deadline=trio.current_effective_deadline(),
            )
        except Exception as raised:  # noqa: BLE001 - the user's retry_on failed, and with it the stage
            # The agent's error stays the stage's; that it could not be judged is said beside it.
            self.remark = f"retry_on raised {type(raised).__name__}: {message_of(raised)}"
            annotate(self.error, self.remark)
            return None
        if wait is not None:
            self.failures[-1] = attrs.evolve(self.failures[-1], backoff_s=wait)
        return wait


async def attempt_again(
    call: Callable[[], Awaitable[Any]],
    policy: Policy,
    attempts: Attempts,
    *,
    timeout_error: Callable[[], StageTimeoutError],
    on_retry: Callable[[float], None],
) -> Any:
    """Make the attempts that follow a failed first one, until one succeeds or none is left.

    Each has a cancel scope of its own. Waiting and deciding happen outside of it, so that the deadline seen there is
    the caller's.

    Args:
        call: calls the agent.
        policy: how often, how long, what for.
        attempts: has the first failure, and gets those that follow; its `error` is None after a success.
        timeout_error: makes the error of an attempt whose own deadline stopped it.
        on_retry: told the wait before each retry.

    Returns:
        What the agent gave; None if no attempt succeeded.
    """
    output = None
    while (wait := attempts.next_wait(policy)) is not None:
        if trio.current_effective_deadline() > -math.inf:
            on_retry(wait)
        await trio.sleep(wait)
        begun = trio.current_time()
        attempts.error = error = None
        attempts.made += 1
        scope = trio.CancelScope(deadline=math.inf if policy.timeout is None else begun + policy.timeout)
        try:
            with scope:
                output = await call()
        except Exception as raised:  # noqa: BLE001 - an agent's failure, of whatever class, is the stage's
            error = without_callers(raised)
        if error is not None or scope.cancelled_caught:
            timeout = timeout_error() if scope.cancelled_caught else None
            attempts.fail(error, timeout, trio.current_time() - begun)
    return output
