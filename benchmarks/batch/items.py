"""Ways to run one agent over many items on Trio: by hand and by atrio, collected and streamed."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, BinaryIO

import trio

import atrio
from atrio.events import Event, TaskEnd
from benchmarks.batch.probed import DeadlineProbed
from benchmarks.expected_lines import TaskLines
from benchmarks.harness.agents import NoOp
from benchmarks.harness.programs import Cost
from benchmarks.harness.shapes import Batches, Execute
from benchmarks.json_lines import task_end_lines
from benchmarks.rivals import handwritten_trio


class _OnTrio(Batches):
    """A batch under Trio.

    Args:
        items: how many items are timed.
        places: how many run at once.
        sleeps_s: what items sleep, in turn.
        collected: whether the garbage collector is on while batches are timed, as it is in life.
    """

    def __init__(self, items: int, places: int, sleeps_s: Sequence[float] = (), *, collected: bool = True) -> None:
        super().__init__(items, places, trio.run, trio.sleep, sleeps_s)
        self._collected = collected

    def time(self, loops: int) -> Cost:
        """Run the batch so often."""
        if self._collected:
            return super().time(loops)
        gc.disable()
        try:
            return super().time(loops)
        finally:
            gc.enable()


class Handwritten(_OnTrio):
    """The nursery of workers that one would write without any library."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return the loop."""

        async def execute(inputs: Sequence[Any]) -> list[Any]:
            return await handwritten_trio.run_batch(agent, inputs, places)

        return execute


class HandwrittenStream(_OnTrio):
    """Workers that send what they have down a channel, as one would write a stream without any library."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return what takes outputs as they come."""

        async def execute(inputs: Sequence[Any]) -> list[Any]:
            outputs = []
            send, receive = trio.open_memory_channel[Any](0)
            async with trio.open_nursery() as nursery:
                source = iter(inputs)
                async with send:
                    for _ in range(places):
                        nursery.start_soon(_sending, agent, source, send.clone())
                async for output in receive:
                    outputs.append(output)  # noqa: PERF401 - a loop around each output is what streams are for
            return outputs

        return execute


async def _sending(agent: Any, source: Iterator[Any], send: trio.MemorySendChannel[Any]) -> None:
    async with send:
        for data in source:
            await send.send(await agent.process(data))


# --- atrio ---


class _Atrio(DeadlineProbed, _OnTrio):
    timeout_s: float | None = None

    def _processor(self, places: int) -> atrio.BatchProcessor:
        return atrio.BatchProcessor(atrio.BatchConfig(max_concurrent=places, task_timeout=self.timeout_s))

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs in input order."""
        return result.unwrap()

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return, of each item, its output or its error."""
        return [each.result if each.error is None else each.error.exception for each in result.results]

    def probe_events(self) -> int:
        """Return how many ends of tasks somebody heard who listens besides."""
        heard: list[Event] = []

        async def main() -> None:
            with self.listening(), atrio.observe(heard.append):
                await self.build(NoOp(), 2)([0, 1, 2])

        trio.run(main)
        return sum(isinstance(event, TaskEnd) for event in heard)


class Map(_Atrio):
    """atrio's ``map``, with nobody listening."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return ``map`` of a processor."""
        return partial(self._processor(places).map, agent)


class LimitedMap(Map):
    """The same, each item within a time of its own."""

    timeout_s = 60.0


class HeardMap(Map):
    """The same; a sink that does nothing is given each event."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Return the context in which the sink, and nobody else, listens."""
        with atrio.observe_only(lambda _: None):
            yield


class MapLines(TaskLines, Map):
    """The same; a sink as a user would write it makes a line of JSON of each end of a task."""

    def writing_to(self, file: BinaryIO) -> AbstractContextManager[Any]:
        """Return the context in which the sink, and nobody else, listens."""
        return atrio.observe_only(task_end_lines(file))


class Pairs(_Atrio):
    """atrio's ``process_batch``, its list of pairs made within."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return what makes pairs of the inputs and processes them."""
        processor = self._processor(places)

        async def execute(inputs: Iterable[Any]) -> Any:
            return await processor.process_batch([(agent, data) for data in inputs])

        return execute


class Stream(_Atrio):
    """atrio's ``stream``, its pairs made as they are pulled; outcomes are collected as they come."""

    def build(self, agent: Any, places: int) -> Execute:
        """Return what takes outcomes as they come."""
        processor = self._processor(places)

        async def execute(inputs: Iterable[Any]) -> list[atrio.TaskResult[Any]]:
            async with processor.stream((agent, data) for data in inputs) as outcomes:
                return [outcome async for outcome in outcomes]

        return execute

    def outputs_of(self, result: Any) -> list[Any]:
        """Return the outputs in the order in which tasks ended."""
        return [outcome.result for outcome in result]

    def outcomes_of(self, result: Any) -> list[Any]:
        """Return, of each item, its output or its error."""
        return [each.result if each.error is None else each.error.exception for each in result]
