"""Where a run is kept: a folder with its plan, every sample as it is taken, and at the end the whole as one file.

A run that was interrupted has its plan and its samples, and goes on from there.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PLAN, SAMPLES, WHOLE = "plan.json", "samples.jsonl", "run.json"


class NothingToResumeError(Exception):
    """There is no interrupted run to go on with."""


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file so that it is there whole or not at all."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(json.dumps(content) + "\n")
    beside.replace(path)


class RunFolder:
    """The folder of one run.

    Args:
        path: the folder; it is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    @classmethod
    def to_resume(cls, results: Path) -> "RunFolder":
        """Return the latest run that has a plan and no end.

        Raises:
            NothingToResumeError: every run under the folder ended, or there is none.
        """
        begun = sorted(path.parent for path in results.glob(f"*/{PLAN}") if not (path.parent / WHOLE).exists())
        if not begun:
            raise NothingToResumeError(f"there is no interrupted run under {results}; leave --resume out to begin one")
        return cls(begun[-1])

    def plan(self) -> dict[str, Any]:
        """Return what was written when the run began."""
        return json.loads((self.path / PLAN).read_text())

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write what is to be measured, and under which conditions."""
        write_whole(self.path / PLAN, plan)

    def add(self, sample: Mapping[str, Any]) -> None:
        """Add a sample, in one write: a line is there whole, or it is the torn last one."""
        line = json.dumps(sample).encode() + b"\n"
        file = os.open(self.path / SAMPLES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def samples(self) -> list[dict[str, Any]]:
        """Return the samples so far; a torn last line is cut off, so that the next one is no part of it."""
        path = self.path / SAMPLES
        if not path.exists():
            return []
        content = path.read_bytes()
        kept = content[: content.rfind(b"\n") + 1]
        if kept != content:
            os.truncate(path, len(kept))
        return list(_parsed(kept))

    def write_whole(self, run: Mapping[str, Any]) -> Path:
        """Write the run as one file, which says that it has ended."""
        write_whole(self.path / WHOLE, run)
        return self.path / WHOLE


def _parsed(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        yield json.loads(line)
