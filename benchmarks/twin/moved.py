"""The twin's pipeline with one ``asyncio.timeout`` a run, whose time is moved for each attempt.

asyncio's documentation does not do it so, but its ``Timeout.reschedule`` makes it possible, and atrio does the same
with Trio's cancel scope: so this is what a deadline a stage costs at least on asyncio. The price is a timeout that has
to be left and made anew once it has fired, in whichever way the agent took it.
"""

import asyncio
from asyncio import CancelledError
from contextvars import ContextVar
from typing import Any

from benchmarks.twin.pipeline import Pipeline
from benchmarks.twin.records import AttemptTimeoutError, PipelineResult, RunContext
from benchmarks.twin.stage import Process


class Deadline:
    """The deadline of a run, moved from attempt to attempt; it is there between `enter` and `leave`."""

    __slots__ = ("_now", "_timeout")

    async def enter(self) -> None:
        """Begin, without a time that is set."""
        self._now = asyncio.get_running_loop().time
        self._timeout = asyncio.timeout(None)
        await self._timeout.__aenter__()

    async def leave(self, error: BaseException | None = None) -> bool:
        """End; say whether the time was up and `error` is the cancellation that it caused."""
        try:
            await self._timeout.__aexit__(None if error is None else type(error), error, None)
        except TimeoutError:
            return True
        return False

    async def call(self, process: Process, data: Any, seconds: float | None) -> Any:
        """Call the agent within so many seconds."""
        timeout = self._timeout
        timeout.reschedule(None if seconds is None else self._now() + seconds)
        try:
            output = await process(data)
        except BaseException as error:
            if await self._settle(timeout, error):
                raise AttemptTimeoutError(f"no answer within {seconds} s") from error
            raise
        if timeout.expired():  # the agent made an output of its cancellation
            await self._settle(timeout, None)
        else:
            # What comes between two attempts, middleware and waits, has no deadline.
            timeout.reschedule(None)
        return output

    async def _settle(self, used: asyncio.Timeout, error: BaseException | None) -> bool:
        """Clear up after an attempt that failed, or whose time was up; say whether the time ended it."""
        if not used.expired():
            used.reschedule(None)
            return False
        ended = await self.leave(error)
        await self.enter()
        return ended and isinstance(error, CancelledError)


_deadline: ContextVar[Deadline] = ContextVar("moved_deadline")


async def call_by_moving(process: Process, data: Any, timeout: float | None) -> Any:  # noqa: ASYNC109
    """Call the agent within the deadline of its run, moved to so many seconds from now."""
    return await _deadline.get().call(process, data, timeout)


class MovedPipeline(Pipeline):
    """A pipeline each run of which has one deadline that is moved."""

    def __init__(self, pipeline_id: str) -> None:
        super().__init__(pipeline_id, call=call_by_moving)

    async def execute(self, data: Any, context: RunContext | None = None) -> PipelineResult:
        """Run the stages."""
        deadline = Deadline()
        await deadline.enter()
        token = _deadline.set(deadline)
        try:
            return await super().execute(data, context)
        finally:
            _deadline.reset(token)
            await deadline.leave()
