"""What is too old is taken out, while another process writes."""

import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

from atrio.history import History, HistorySink
from benchmarks.history.filled import fill

_LONGEST_S = 600.0

# Once it has begun, it asks for the right to write again and again, and says how long it waited for it at most; it ends
# with its input.
_OTHER = """
import select, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
longest = 0.0
print(flush=True)
while not longest or not select.select([sys.stdin], [], [], 0.002)[0]:
    began = time.perf_counter()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError:
            time.sleep(0.0001)
    longest = max(longest, time.perf_counter() - began)
    connection.execute("ROLLBACK")
print(longest)
"""


class Purging:
    """Runs that are too old, taken out by a sink that has just been opened.

    Args:
        runs: how many there are.
    """

    def __init__(self, runs: int) -> None:
        self._runs = runs

    def answer(self) -> Any:
        """Return how many runs, stages and tasks there are after all of a small history was purged."""
        with TemporaryDirectory() as name:
            path = Path(name, "history.db")
            fill(path, alone=50, batches=1)
            _purge(path)
            with closing(sqlite3.connect(path)) as connection:
                return [
                    connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
                    for table in ("runs", "stages", "tasks")
                ]

    def figures(self) -> Mapping[str, float]:
        """Return how long another process waited at most for the right to write, and how long all of it took."""
        with TemporaryDirectory() as name:
            path = Path(name, "history.db")
            fill(path, alone=self._runs)
            with Popen([sys.executable, "-c", _OTHER, str(path)], stdin=PIPE, stdout=PIPE, text=True) as other:
                if other.stdout is not None:
                    other.stdout.readline()
                began = perf_counter()
                _purge(path)
                whole_s = perf_counter() - began
                said, _ = other.communicate("\n")
        return {"longest_s": float(said), "whole_s": whole_s}


def _purge(path: Path) -> None:
    """Keep a sink open until nothing is left.

    Raises:
        TimeoutError: something is left after ten minutes.
    """
    until = perf_counter() + _LONGEST_S
    with HistorySink(path), History(path) as history:
        while history.runs(1):
            if perf_counter() > until:
                raise TimeoutError("the history was not purged")
            sleep(0.05)
