"""Outcomes of a batch, held back until the history has them: whoever saw a result line finds its task there."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

if TYPE_CHECKING:
    from atrio import TaskResult
    from atrio.cli._tasks_input import TaskInput
    from atrio.history import HistorySink, Mark

_LOOK_S: Final = 0.02
"""Seconds between two looks at what is held."""
_LONGEST_S: Final = 2.0
"""Seconds that an outcome is held at most: a history that is slow must not keep results back."""
_MOST: Final = 64
"""Outcomes that are held at most: a reader that is slow holds the batch back, and results may be large."""
_SHORT_LOOK_S: Final = 0.002
"""The same while no more can be held, and the history was asked to hurry."""


@attrs.frozen
class _Held:
    outcome: TaskResult[Any]
    task: TaskInput
    mark: Mark | None
    until: float


class Held:
    """Outcomes, in their order, that are given back when the history has them.

    A process that is killed then leaves no result line whose task is missing in the history. Where nothing is kept
    they come back at once.

    Args:
        history: what keeps the history, or None.
    """

    def __init__(self, history: HistorySink | None) -> None:
        self._history = history
        self._held: deque[_Held] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, outcome: TaskResult[Any], task: TaskInput) -> None:
        """Hold the outcome of a task that ended just now."""
        mark = None if self._history is None else self._history.mark()
        self._held.append(_Held(outcome, task, mark, trio.current_time() + _LONGEST_S))

    @property
    def look_s(self) -> float:
        """Seconds after which it is worth to look again; infinite if nothing is held."""
        if not self._held:
            return inf
        if self._history is None or len(self._held) < _MOST:
            return _LOOK_S
        self._history.hurry()
        return _SHORT_LOOK_S

    @property
    def is_full(self) -> bool:
        """Whether no more should be added now."""
        return len(self._held) >= _MOST

    def take(self) -> tuple[TaskResult[Any], TaskInput] | None:
        """Return the first one, if it is in the history or was held for long enough."""
        if not self._held:
            return None
        first = self._held[0]
        if first.mark is not None and not first.mark.is_settled and trio.current_time() < first.until:
            return None
        self._held.popleft()
        return first.outcome, first.task

    def clear(self) -> None:
        """Forget all that are held."""
        self._held.clear()
