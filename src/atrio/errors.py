"""What can go wrong, as one tree.

::

    Exception
    └── AtrioError                what atrio itself raises, to catch it all at once
        ├── PipelineError         a run that gave no output, raised by ``unwrap()`` and ``process()``
        │   └── StageTimeoutError (and TimeoutError): a stage's own deadline stopped an attempt
        ├── TaskError             a task of a batch that gave no output, and has no exception of its agent's
        │   ├── TaskTimeoutError (and TimeoutError): its own time was up
        │   ├── TaskCancelledError    it was stopped: the batch's time was up
        │   └── TaskNotStartedError   it had not begun when the batch's time was up
        ├── BatchError (and ExceptionGroup): the errors of a batch's tasks, or what its source raised
        ├── NestedBatchError (and RuntimeError): a task began a batch on the processor that runs it
        ├── CircuitOpenError      a circuit breaker refused the call; the agent was not touched
        ├── RouteError (and LookupError): a router has no agent of the name that was chosen, and no default
        ├── CostError (and ValueError): a rate limiter could never let the call through, whatever the wait
        ├── RegistryError         an agent that the registry does not have, or cannot make from its definition
        │   ├── DefinitionError (and ValueError): a definition that no agent can be made from, refused as it is built
        │   └── PlanningError         no chain of agents does what was asked for
        └── ConfigError           a configuration that cannot be used, with all that is wrong with it

Misuse (a bad argument, a second run on one context) is a plain ``TypeError`` or ``ValueError``, as in the standard
library. An agent's own exception is never wrapped where it can be kept: records hold the object itself, and
``unwrap()`` hands it on as ``__cause__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "AtrioError",
    "BatchError",
    "CircuitOpenError",
    "ConfigError",
    "ConfigProblem",
    "CostError",
    "DefinitionError",
    "NestedBatchError",
    "PipelineError",
    "PlanningError",
    "RegistryError",
    "RouteError",
    "SinkWarning",
    "StageTimeoutError",
    "TaskCancelledError",
    "TaskError",
    "TaskNotStartedError",
    "TaskTimeoutError",
]


class AtrioError(Exception):
    """Anything that atrio raises as its own; catch it to catch them all."""


class PipelineError(AtrioError):
    """A pipeline gave no output.

    Differs from the agent's own exception in saying *where*: that exception is this one's ``__cause__``.

    Args:
        message: what happened, in a sentence.
        pipeline_id: the pipeline that failed.
        stage_id: the stage that ended the run, or ``None`` where no stage was begun.
        result: the whole :class:`~atrio.PipelineResult`, or ``None`` where there is none (a pipeline without stages).
    """

    def __init__(
        self, message: str, *, pipeline_id: str, stage_id: str | None = None, result: Any | None = None
    ) -> None:
        super().__init__(message)
        self.pipeline_id = pipeline_id
        self.stage_id = stage_id
        self.result = result

    def __reduce__(self) -> tuple[Callable[..., PipelineError], tuple[Any, ...]]:
        # Exceptions pickle by their positional arguments alone; ours has keywords, and crosses process borders.
        return _rebuild, (type(self), str(self), self.pipeline_id, self.stage_id, self.result)


def _rebuild(
    kind: type[PipelineError], message: str, pipeline_id: str, stage_id: str | None, result: Any | None
) -> PipelineError:
    return kind(message, pipeline_id=pipeline_id, stage_id=stage_id, result=result)


class StageTimeoutError(PipelineError, TimeoutError):
    """A stage's own deadline stopped an attempt.

    Differs from an agent's ``TimeoutError`` or ``trio.TooSlowError``, which are the agent's failures and stay what they
    are. Errors that the agent raised beside its cancellation are the ``__cause__``.
    """


class TaskError(AtrioError):
    """A task of a batch that gave no output, though its agent raised nothing.

    Args:
        task_id: the task.
        index: its input's place, from 0.
    """

    _happened: ClassVar[str] = "gave no output"

    def __init__(self, task_id: str, index: int) -> None:
        super().__init__(task_id, index)
        self.task_id = task_id
        self.index = index

    def __str__(self) -> str:
        return f"task {self.index} {self._happened} ({self.task_id})"


class TaskTimeoutError(TaskError, TimeoutError):
    """A task's own time was up. Errors that its agent raised beside its cancellation are the ``__cause__``."""

    _happened = "ran out of time"


class TaskCancelledError(TaskError):
    """A task was stopped, because its batch's time was up."""

    _happened = "was stopped"


class TaskNotStartedError(TaskError):
    """A task had not begun when its batch's time was up."""

    _happened = "had not begun"


class BatchError(AtrioError, ExceptionGroup[Exception]):
    """The errors of a batch's tasks, in input order; or what the batch's source raised, alone.

    Args:
        message: what happened, in a sentence.
        errors: the exceptions.
        result: the whole :class:`~atrio.BatchResult`, with every outcome.
    """

    result: Any

    def __new__(cls, message: str, errors: Sequence[Exception], *, result: Any = None) -> Self:
        """Make a group of `errors`."""
        group = super().__new__(cls, message, errors)
        group.result = result
        return group

    def __init__(self, message: str, errors: Sequence[Exception], *, result: Any = None) -> None:  # noqa: ARG002
        super().__init__(message, errors)

    # Exceptions alone are in this group, as the type of BaseExceptionGroup.derive cannot say.
    def derive(self, errors: Sequence[Exception], /) -> BatchError:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a group of some of the errors, as ``split`` and ``except*`` do, with the same result."""
        return BatchError(self.message, errors, result=self.result)

    def __reduce__(self) -> tuple[Callable[..., BatchError], tuple[Any, ...]]:
        return _rebuild_batch_error, (self.message, self.exceptions, self.result)


def _rebuild_batch_error(message: str, errors: Sequence[Exception], result: Any) -> BatchError:
    return BatchError(message, errors, result=result)


class NestedBatchError(AtrioError, RuntimeError):
    """A task began a batch on the processor that runs it, and would wait for its own place for ever.

    A stage never retries it. Give the inner batch a processor of its own.
    """


class CircuitOpenError(AtrioError):
    """A circuit breaker is open and refused the call; the agent behind it was not touched.

    A stage never retries it: the breaker has already decided.

    Args:
        message: which breaker refused, in a sentence.
        retry_after: seconds until the breaker lets a call through again, 0 while its probes are out.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Callable[..., CircuitOpenError], tuple[Any, ...]]:
        return _rebuild_open, (str(self), self.retry_after)


def _rebuild_open(message: str, retry_after: float) -> CircuitOpenError:
    return CircuitOpenError(message, retry_after=retry_after)


class RouteError(AtrioError, LookupError):
    """A router has no agent of the name that its `choose` gave, and no default.

    A stage never retries it: the same data would be given the same name.
    """


class CostError(AtrioError, ValueError):
    """A call costs more tokens than a rate limiter's burst, or less than none, so that it could never be made.

    A stage never retries it: no wait would help.
    """


class RegistryError(AtrioError):
    """The registry has no such agent, or cannot make it: its class, its options, or what came of them are refused.

    Args:
        message: which agent, what was wrong, and what would be right, in a sentence or two.
        agent_id: the agent, or ``None`` where it is about no single one.
        nearest: the names most like the one that was wrong, best first: agents, options or capabilities.
    """

    def __init__(self, message: str, *, agent_id: str | None = None, nearest: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.agent_id = agent_id
        self.nearest: tuple[str, ...] = tuple(nearest)

    def __reduce__(self) -> tuple[Any, ...]:
        # The attributes travel as state, so that each kind needs no rebuilding of its own.
        return type(self), self.args, dict(self.__dict__)


class DefinitionError(RegistryError, ValueError):
    """A definition that no agent can be made from: a name that is none, a score out of range.

    Differs from a plain ``RegistryError`` in that nothing was looked up or imported: the words alone are wrong.
    """


class PlanningError(RegistryError):
    """No chain of agents does what was asked for.

    Args:
        message: where it breaks, and what would mend it.
        nearest: of a capability that nobody has, the registered ones most like it.
        capability: the first capability that cannot be reached, ``None`` where there is none.
        previous: the capability before it, the last one that can be reached; ``None`` if it is the first.
        given: the schemas that agents with `previous` can give there.
        needed: the schemas that agents with `capability` take.
    """

    def __init__(
        self,
        message: str,
        *,
        nearest: Sequence[str] = (),
        capability: str | None = None,
        previous: str | None = None,
        given: Sequence[str] = (),
        needed: Sequence[str] = (),
    ) -> None:
        super().__init__(message, nearest=nearest)
        self.capability = capability
        self.previous = previous
        self.given: tuple[str, ...] = tuple(given)
        self.needed: tuple[str, ...] = tuple(needed)


class ConfigProblem(NamedTuple):
    """One thing that is wrong with a configuration.

    Attributes:
        file: where it is, as the user named it.
        line: the line in it, from 1; None where it is about no line.
        path: the key, with those of the tables around it: ``pipelines.triage.stages[1].agent``; empty if it is about
            the whole file.
        message: what is wrong, and what would be right, in a sentence without its full stop.
        severity: ``"error"`` if the configuration cannot be used with it, ``"warning"`` if it can.
    """

    file: str
    line: int | None
    path: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [place, "warning" if self.severity == "warning" else "", self.path, self.message]
        return ": ".join(filter(None, parts))


class ConfigError(AtrioError):
    """A configuration that cannot be used. It tells all that is wrong at once.

    Args:
        problems: what is wrong, each with its place; warnings may be among them.
    """

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        super().__init__(tuple(problems))
        self.problems: tuple[ConfigProblem, ...] = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class SinkWarning(RuntimeWarning):
    """A sink or a ``measure=`` function raised; it is left out from then on, and the run goes on unchanged."""
