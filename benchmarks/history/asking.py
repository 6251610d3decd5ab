"""Questions to a history that is large."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from atrio.history import History, UnknownRunError
from benchmarks.history import STAGES
from benchmarks.history.filled import NAMES, TASKS, fill

_TIMES = 5


class Asking:
    """What is asked of a history, each time of one that was just opened, as a command does.

    Args:
        stages: how many records of stages there are, nine in ten of them inside of batches.
    """

    def __init__(self, stages: int) -> None:
        runs = stages // STAGES + 1
        self._batches = runs * 9 // 10 // TASKS
        self._alone = runs - self._batches * TASKS

    def answer(self) -> Any:
        """Return how many runs a small history has on top, what kind the last one is, and how many stages it has."""
        with TemporaryDirectory() as name:
            path = Path(name, "history.db")
            fill(path, alone=3)
            with History(path) as history:
                [last, *_] = runs = history.runs()
                return [len(runs), last.kind, len(history.run(last.run_id).stages)]

    def figures(self) -> Mapping[str, float]:
        """Return the seconds that each question took, the slowest of five."""
        with TemporaryDirectory() as name:
            path = Path(name, "history.db")
            fill(path, self._alone, self._batches)
            with History(path) as history:
                run_id = history.runs(1, kind="pipeline")[0].run_id
                batches = history.runs(1, kind="batch")
            batch_id = batches[0].run_id if batches else run_id
            return {
                "latest_s": _slowest(path, _latest),
                "run_s": _slowest(path, lambda history: history.run(run_id[:-2])),
                "batch_s": _slowest(path, lambda history: history.run(batch_id[:-2])),
                "stages_s": _slowest(path, lambda history: history.stage_durations("pipeline-1")),
                "unknown_s": _slowest(path, _unknown),
            }


def _latest(history: History) -> Any:
    runs = history.runs(20)
    named = {(run.kind, run.name) for run in runs}
    return runs, {key: history.durations(*key, limit=20) for key in named}


def _unknown(history: History) -> Any:
    try:
        return history.run(f"pipeline-{NAMES}")
    except UnknownRunError as error:
        return error


def _slowest(path: Path, ask: Callable[[History], Any]) -> float:
    taken = []
    for _ in range(_TIMES):
        began = perf_counter()
        with History(path) as history:
            ask(history)
        taken.append(perf_counter() - began)
    return max(taken)
