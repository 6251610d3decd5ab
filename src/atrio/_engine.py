"""The seams of a batch: where its tasks run, and where it keeps what they gave.

Both are protocols. Tasks run in this Trio loop unless an engine takes them elsewhere, and nothing is kept unless a
journal is given, so that the local path pays for neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from atrio import _validation as valid
from atrio._tasks import TaskResult

__all__ = ["ChunkItem", "ChunkWork", "Engine", "Journal"]


class Journal(Protocol):
    """What a batch must know to be resumed: the output of each input that succeeded.

    Commit first, deliver second: a batch hands on no outcome that :meth:`record` has not made durable.
    """

    async def open(self, run_id: str, fingerprint: str) -> Mapping[str, Any]:
        """Begin or resume a run.

        Args:
            run_id: the batch's id; the same one resumes it.
            fingerprint: names the work: its agent and its inputs. A run of other work is refused, with both named.

        Returns:
            The outputs recorded so far, by key.
        """
        ...

    async def record(self, run_id: str, key: str, output: Any) -> None:
        """Make the output of one input durable; the first one of a key wins.

        Args:
            run_id: the batch's id.
            key: names the input in it.
            output: what the agent gave.
        """
        ...


@attrs.frozen
class ChunkWork:
    """What the items of a chunk have in common.

    Args:
        name: the batch's name.
        max_concurrent: how many of them run at once at most.
        task_timeout: seconds for each, or None.
    """

    name: str
    max_concurrent: int = attrs.field(validator=valid.count)
    task_timeout: float | None = attrs.field(default=None, validator=valid.seconds)


@attrs.frozen
class ChunkItem:
    """One input of a chunk.

    Attributes:
        index: its place in the batch, from 0.
        agent: its agent.
        data: what the agent is given.
    """

    index: int
    agent: Any
    data: Any


class Engine(Protocol):
    """Where tasks run. The processor keeps their order, limits and backpressure, wherever that is."""

    @property
    def slots(self) -> int:
        """How many chunks it runs at once."""
        ...

    async def run_chunk(self, work: ChunkWork, items: Sequence[ChunkItem]) -> list[TaskResult[Any]]:
        """Run some items of a batch, and return their outcomes in the same order.

        Args:
            work: what the items have in common.
            items: what each of them is.
        """
        ...
