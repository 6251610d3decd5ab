"""Where tasks run if nothing else is said: in this Trio loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import trio

from atrio._batch_run import BatchRun
from atrio._batch_work import BatchWork, Permits
from atrio._engine import ChunkItem, ChunkWork
from atrio._source import Pairs, SyncSource
from atrio._tasks import TaskResult
from atrio.events import observe_only

__all__ = ["LocalEngine"]


class LocalEngine:
    """Runs tasks in the Trio loop that it is called in.

    A processor knows it, and runs its tasks without asking it. :meth:`run_chunk` is for the workers of other engines,
    each of which runs its chunks with it.
    """

    slots: Final = 1

    async def run_chunk(self, work: ChunkWork, items: Sequence[ChunkItem]) -> list[TaskResult[Any]]:
        """Run the items, and return their outcomes in the same order.

        Args:
            work: what the items have in common.
            items: what each of them is; none gives none.
        """
        outcomes: list[TaskResult[Any]] = []
        batch = BatchWork(
            owner=self,
            permits=Permits(trio.CapacityLimiter(work.max_concurrent)),
            max_concurrent=work.max_concurrent,
            timeout=None,
            task_timeout=work.task_timeout,
            source=SyncSource([(item.agent, item.data) for item in items]),
            pairs=Pairs(),
            name=work.name,
        )
        # Whoever has the batch whole says what happens in it.
        with observe_only():
            await BatchRun(batch, outcomes.append).execute()
        for item, outcome in zip(items, outcomes, strict=True):
            outcome.index = item.index
        return outcomes
