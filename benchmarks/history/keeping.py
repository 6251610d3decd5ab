"""A batch of small pipelines, with a history of it kept and without."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import trio

import atrio
from atrio.history import History, HistorySink
from atrio.sinks import JsonLinesSink
from benchmarks.harness.programs import Cost
from benchmarks.history import ITEMS, PLACES, STAGES

_WAITS_S = {"waiting": 0.005, "computing": 0.0, "idle": 0.0}
_COMPUTES_S = {"waiting": 0.0, "computing": 0.0005, "idle": 0.0}


class Running:
    """So many runs of a pipeline in a batch.

    Args:
        shape: what stages do: ``waiting``, ``computing`` or ``idle``.
        listener: who hears of it: ``quiet`` for nobody, ``lines``, or ``kept``.
    """

    def __init__(self, shape: str, listener: str) -> None:
        self._wait_s, self._compute_s = _WAITS_S[shape], _COMPUTES_S[shape]
        self._listener = listener

    async def _process(self, data: Any) -> Any:
        if self._compute_s:
            until = perf_counter() + self._compute_s
            while perf_counter() < until:
                pass
        if self._wait_s:
            await trio.sleep(self._wait_s)
        else:
            await trio.lowlevel.checkpoint()
        return data

    async def _batch(self, items: int) -> Any:
        pipeline = atrio.Pipeline("bench")
        for each in range(STAGES):
            pipeline = pipeline.add_stage(atrio.Stage(f"stage-{each}", self._process))
        return await atrio.BatchProcessor(atrio.BatchConfig(max_concurrent=PLACES)).map(pipeline, range(items))

    @contextmanager
    def _listening(self, folder: Path) -> Iterator[Callable[[], object]]:
        """Listen in the block; give what waits until all that was told is kept."""
        if self._listener == "quiet":
            with atrio.observe_only():
                yield bool
        elif self._listener == "lines":
            with JsonLinesSink(folder / "log.jsonl") as lines, atrio.observe_only(lines):
                yield bool
        else:
            with _kept(folder / "history.db") as history, atrio.observe_only(history):
                yield history.flush

    def answer(self) -> Any:
        """Return the outputs of three runs, and how the batch ended: as the history has it, where one is kept."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            with self._listening(folder):
                result = trio.run(self._batch, 3)
            state = result.status.value
            if self._listener == "kept":
                with History(folder / "history.db") as history:
                    state = history.runs(1)[0].state
        return [result.unwrap(), state]

    def time(self, loops: int) -> Cost:
        """Run the batch so often; a program opens a history once, so that this is not part of it."""
        with TemporaryDirectory() as name, self._listening(Path(name)) as wait_until_kept:
            trio.run(self._batch, PLACES)
            gc.collect()
            cpu_began, wall_began = process_time(), perf_counter()
            for _ in range(loops):
                trio.run(self._batch, ITEMS)
                wait_until_kept()
            return Cost(process_time() - cpu_began, perf_counter() - wall_began)


class Opening:
    """A history that is there already, opened and closed with nothing to keep: what a command pays once."""

    def answer(self) -> Any:
        """Return how many runs are in a history that was opened and closed."""
        with TemporaryDirectory() as name:
            path = Path(name, "history.db")
            with _kept(path):
                pass
            with History(path) as history:
                return len(history.runs())

    def time(self, loops: int) -> Cost:
        """Open and close it so often."""
        with TemporaryDirectory() as name:
            path = Path(name, "history.db")
            with _kept(path):
                pass
            gc.collect()
            cpu_began, wall_began = process_time(), perf_counter()
            for _ in range(loops):
                with _kept(path):
                    pass
            return Cost(process_time() - cpu_began, perf_counter() - wall_began)


@contextmanager
def _kept(path: Path) -> Iterator[HistorySink]:
    """Keep a history while the block runs.

    Raises:
        RuntimeError: it cannot be kept.
    """
    problems: list[str] = []
    with HistorySink(path, on_problem=problems.append) as history:
        yield history
    if problems:
        raise RuntimeError(problems[0])
