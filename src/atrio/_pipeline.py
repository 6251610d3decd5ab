"""Pipelines: stages one after the other, with middleware before each."""

from __future__ import annotations

import inspect
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from trio.lowlevel import checkpoint

from atrio._context import PipelineContext, current_run
from atrio._lifetime import Lifetime
from atrio._results import PipelineResult, RunStatus
from atrio._run import Measure, Middleware, Run
from atrio._sizes import guarded, size_of
from atrio._stage import Stage
from atrio._validation import check_id
from atrio.errors import PipelineError

__all__ = ["Empty", "Pipeline"]

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
# Of `add_stage` alone: the class's own are bound by the object already, and so could not vary from stage to stage.
First = TypeVar("First")
Last = TypeVar("Last")
Next = TypeVar("Next")

if TYPE_CHECKING:

    class Empty(Any):  # type: ignore[misc]  # it is to pass for any type
        """The output type, as type checkers see it, of a pipeline that was given no stage yet.

        It passes for any type, so that a pipeline built in statements (``p.add_stage(...)``) is never a false error.
        """

else:

    class Empty:
        """The output type, as type checkers see it, of a pipeline that was given no stage yet."""


class Pipeline(Generic[In_contra, Out_co]):
    """Stages, run one after the other: each gets what the one before gave. A pipeline is itself an agent.

    Args:
        pipeline_id: names it in results and events, 1 to 200 characters.
        measure: gives the sizes in records, ``measure(data) -> int | None``, in place of the length of text, bytes and
            built-in containers. It is called before and after each stage; if it raises it is left out, and the run goes
            on.

    Raises:
        ValueError: `pipeline_id` is no string of 1 to 200 characters.
        TypeError: `measure` is not callable, or is async.
    """

    __slots__ = ("__weakref__", "_lifetime", "_measure", "_middleware", "_stages", "pipeline_id")

    @overload
    def __init__(self: Pipeline[object, Empty], pipeline_id: str, *, measure: Measure | None = None) -> None: ...
    @overload
    def __init__(self, pipeline_id: str, *, measure: Measure | None = None) -> None: ...
    def __init__(self, pipeline_id: str, *, measure: Measure | None = None) -> None:
        self.pipeline_id: str = check_id(pipeline_id, "pipeline_id")
        if measure is not None and (not callable(measure) or inspect.iscoroutinefunction(measure)):
            raise TypeError(f"measure must be a function of the data that returns an int or None, not {measure!r}")
        self._measure: Measure = size_of if measure is None else guarded(measure)
        self._stages: tuple[Stage[Any, Any], ...] = ()
        self._middleware: tuple[Middleware, ...] = ()
        self._lifetime = Lifetime()

    def __repr__(self) -> str:
        chain = " -> ".join(stage.stage_id for stage in self._stages)
        return f"<pipeline {self.pipeline_id!r}: {chain or 'no stages'}>"

    @property
    def agent_id(self) -> str:
        """The pipeline's id, by which it goes where it is an agent itself."""
        return self.pipeline_id

    @property
    def stages(self) -> tuple[Stage[Any, Any], ...]:
        """The stages, in order."""
        return self._stages

    # `object`, not `Any`: else a pipeline whose last agent is untyped would count as one without stages, and its input
    # type would be the next stage's.
    @overload
    def add_stage(self: Pipeline[object, Empty], stage: Stage[First, Next]) -> Pipeline[First, Next]: ...
    @overload
    def add_stage(self: Pipeline[First, Last], stage: Stage[Last, Next]) -> Pipeline[First, Next]: ...
    def add_stage(self, stage: Stage[Any, Any]) -> Any:
        """Add a stage at the end, and return the pipeline.

        A run that has started does not see it. Type checkers reject a stage that cannot take what the last one gives.

        Args:
            stage: its id must be new to this pipeline.

        Raises:
            TypeError: `stage` is no Stage.
            ValueError: the pipeline has a stage of that id.
        """
        if not isinstance(stage, Stage):
            raise TypeError(
                f"pipeline {self.pipeline_id!r} takes a Stage, not {type(stage).__name__}: write "
                f"add_stage(Stage('an-id', agent))"
            )
        if stage.agent is self:
            raise ValueError(f"pipeline {self.pipeline_id!r} cannot be a stage of itself: it would never end")
        if any(each.stage_id == stage.stage_id for each in self._stages):
            raise ValueError(f"pipeline {self.pipeline_id!r} has a stage {stage.stage_id!r} already: ids are unique")
        # A new tuple, so that a run that has started keeps the old one.
        self._stages = (*self._stages, stage)
        return self

    def add_middleware(self, middleware: Middleware) -> Pipeline[In_contra, Out_co]:
        """Add a function that is called before each stage, after those added before, and return the pipeline.

        Args:
            middleware: ``async def middleware(data, stage, context) -> data``. It is called once per stage, not per
                attempt; what it returns is what the agent is given, and what it raises is the stage's failure.

        Raises:
            TypeError: `middleware` is no async function.
        """
        call = middleware if inspect.isroutine(middleware) else getattr(type(middleware), "__call__", None)  # noqa: B004
        if not inspect.iscoroutinefunction(middleware) and not inspect.iscoroutinefunction(call):
            raise TypeError(
                f"middleware is an async function: write `async def middleware(data, stage, context)`, "
                f"not {middleware!r}"
            )
        self._middleware = (*self._middleware, middleware)
        return self

    async def execute(self, data: In_contra, context: PipelineContext | None = None) -> PipelineResult[Out_co]:
        """Run the stages on `data`.

        A stage's failure is in the result and is not raised; a cancellation comes through.

        Args:
            data: what the first stage is given.
            context: one of your own, that no run has used; by default a new one is made.

        Returns:
            What became of the run; ``unwrap()`` gives its output or raises.

        Raises:
            PipelineError: the pipeline has no stages.
            TypeError: `context` is no PipelineContext.
            ValueError: `context` has served a run already, or is another pipeline's.
        """
        # What runs is frozen here.
        stages, middleware = self._stages, self._middleware
        if context is None:
            context = PipelineContext(self.pipeline_id)
        try:
            self._check_call(stages, context)
        except Exception:
            await checkpoint()  # noqa: ASYNC120 - a call that is refused is a checkpoint too
            raise
        run = Run(stages, middleware, self._measure, context, current_run.get())
        token = current_run.set(context)
        try:
            return await run.execute(data)
        finally:
            current_run.reset(token)

    def _check_call(self, stages: tuple[Stage[Any, Any], ...], context: PipelineContext) -> None:
        if not stages:
            raise PipelineError(
                f"pipeline {self.pipeline_id!r} has no stages: add one with add_stage(Stage('an-id', agent))",
                pipeline_id=self.pipeline_id,
            )
        if not isinstance(context, PipelineContext):
            raise TypeError(f"context must be a PipelineContext, not {context!r}")
        if context.status is not RunStatus.PENDING:
            raise ValueError(f"{context!r} has served its run: a context serves one, so make a new one for each")
        if context.pipeline_id != self.pipeline_id:
            raise ValueError(f"{context!r} is not for pipeline {self.pipeline_id!r}: make one with that id")

    async def process(self, data: In_contra, /) -> Out_co:
        """Run the stages on `data`, and return the output: the pipeline as an agent.

        Raises:
            PipelineError: the run failed; its ``__cause__`` is the agent's own exception.
        """
        return (await self.execute(data)).unwrap()

    async def __aenter__(self) -> Pipeline[In_contra, Out_co]:
        """Enter every agent in it that is an async context manager; agents shared with others once."""
        await self._lifetime.enter([stage.agent for stage in self._stages])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what was entered, in reverse; agents shared with others with the last of them."""
        await self._lifetime.leave((kind, error, trace))  # noqa: ASYNC102 - each agent says itself what it shields
