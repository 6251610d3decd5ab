"""What programs that write lines must have written: every field of the event, whichever library wrote it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import orjson

from benchmarks.harness.agents import NoOp

# How much of what was written is looked at: a probe writes less, a timed run more, which nobody reads.
READ_BYTES = 1 << 16

_ENVELOPE = {"schema": 1, "parent_run_id": None, "parent_stage_id": None, "parent_task_id": None}
_NO_ERROR = {"error_type": None, "error_message": None, "error_stack": None}
_STAGE_END = {
    **_ENVELOPE, **_NO_ERROR, "event": "stage.end", "level": "info", "pipeline_id": "yardstick", "agent_id": "NoOp",
    "status": "success", "attempts": 1, "input_size": 12, "output_size": 12,
}  # fmt: skip
_TASK_END = {
    **_ENVELOPE, **_NO_ERROR, "event": "task.end", "level": "debug", "batch": "batch", "agent_id": "NoOp",
    "status": "success",
}  # fmt: skip
STAGE_LINES = [{**_STAGE_END, "stage_id": f"stage_{index}", "stage_index": index} for index in range(3)]
TASK_LINES = [{**_TASK_END, "task_index": index} for index in range(3)]

# What differs between two runs of the same work must be there, of this kind.
KINDS = {
    "stage.end": {"run_id": str, "duration_s": float},
    "task.end": {"run_id": str, "task_id": str, "queued_s": float, "duration_s": float},
}


class WritingLines:
    """Whose runs write lines to a file of their own, which is gone when they are over; put before a shape.

    Attributes:
        buffering: as of ``open``: 0 for a ``write`` a line.
        written: the beginning of what the last run wrote.
    """

    buffering: int = -1
    written: bytes = b""

    def writing_to(self, file: BinaryIO) -> AbstractContextManager[Any]:
        """Return the context in which runs write their lines to the file."""
        raise NotImplementedError

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Return the context in which runs are timed."""
        with TemporaryFile("ab", buffering=self.buffering) as file:
            with self.writing_to(file):
                yield
            file.flush()
            self.written = os.pread(file.fileno(), READ_BYTES, 0)


class StageLines(WritingLines):
    """Writes a line for each end of a stage; put before `harness.shapes.Pipelines`."""

    once: Callable[..., Any]

    def probe_lines(self) -> int | str:
        """Return how many lines a run wrote, or what is wrong with one of them."""
        self.once([NoOp(), NoOp(), NoOp()])
        return compared(lines_in(self.written, "stage.end"), STAGE_LINES)


class TaskLines(WritingLines):
    """Writes a line for each end of a task; put before `harness.shapes.Batches`."""

    once: Callable[..., Any]

    def probe_lines(self) -> int | str:
        """Return how many lines a batch wrote, or what is wrong with one of them."""
        self.once(NoOp(), [0, 1, 2], 2)
        lines = lines_in(self.written, "task.end")
        return compared(sorted(lines, key=lambda line: line["task_index"]), TASK_LINES)


def lines_in(written: bytes, event: str) -> list[dict[str, Any]]:
    """Return the lines of one kind of event."""
    lines = [orjson.loads(line) for line in written.splitlines()]
    return [line for line in lines if line["event"] == event]


def compared(lines: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> int | str:
    """Return how many lines there are, or what is wrong with one of them. A line may have more than is expected."""
    for line, wanted in zip(lines, expected, strict=False):
        kinds = KINDS[wanted["event"]]
        wrong = [name for name, value in wanted.items() if name not in line or line[name] != value]
        wrong += [name for name, kind in kinds.items() if not isinstance(line.get(name), kind)]
        if wrong:
            return f"{', '.join(wrong)} of {line}"
    return len(lines)
