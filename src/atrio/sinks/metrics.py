"""Metrics: counts, sums and quantiles of stages and pipelines, in bounded memory."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final

import attrs

from atrio._validation import check_count
from atrio.events import BatchEnd, Event, PipelineEnd, StageEnd, TaskEnd
from atrio.events import _levels as levels

_ACCURACY: Final = 0.01
"""Relative error of a quantile at most: a reported 1.00 s was between 0.99 and 1.01 s."""
_GAMMA: Final = (1 + _ACCURACY) / (1 - _ACCURACY)
_SHORTEST: Final = 1e-9
_LONGEST: Final = 1e9
OTHER_IDS: Final = "(other)"
"""The id under which everything is counted once there are too many ids."""


class MetricsCollector(ABC):
    """A sink that records only how things ended. Derive from it to feed a metrics system.

    Both methods are sync: they run in the run's own task, and must be quick.
    """

    def __call__(self, event: Event, /) -> None:
        """Record `event` if it is the end of a stage, a pipeline, a task or a batch.

        A task is recorded as a stage under its agent's id, a batch as a pipeline under its name: so ids stay few.
        """
        if type(event) is StageEnd:
            self.record_stage_execution(event.stage_id, event.duration_s, event.status)
        elif type(event) is PipelineEnd:
            self.record_pipeline_execution(event.pipeline_id, event.duration_s, event.status)
        elif type(event) is TaskEnd:
            self.record_stage_execution(event.agent_id, event.duration_s, event.status)
        elif type(event) is BatchEnd:
            self.record_pipeline_execution(event.batch, event.duration_s, event.status)

    def minimum_level(self) -> int:
        """Return DEBUG: that is the level at which a batch's tasks end."""
        return levels.DEBUG

    @abstractmethod
    def record_stage_execution(self, stage_id: str, duration_s: float, status: str) -> None:
        """Record that a stage ended.

        Args:
            stage_id: the stage; of a batch's task, its agent.
            duration_s: seconds that it took, waits between attempts included.
            status: success, error, skipped, timeout or cancelled.
        """

    @abstractmethod
    def record_pipeline_execution(self, pipeline_id: str, duration_s: float, status: str) -> None:
        """Record that a run of a pipeline ended.

        Args:
            pipeline_id: the pipeline; of a batch, its name.
            duration_s: seconds that it took.
            status: success, degraded, failed, timeout or cancelled.
        """


@attrs.frozen
class ExecutionStatistics:
    """The figures of one id, as they were when asked for.

    Attributes:
        count: how often it ended.
        by_status: how often in each status.
        total_s: seconds of all together.
        mean_s: mean seconds.
        min_s: seconds of the shortest.
        max_s: seconds of the longest.
        p50_s: median seconds, within 1 %.
        p95_s: 95th percentile of the seconds, within 1 %.
        p99_s: 99th percentile of the seconds, within 1 %.
    """

    count: int
    by_status: Mapping[str, int]
    total_s: float
    mean_s: float
    min_s: float
    max_s: float
    p50_s: float
    p95_s: float
    p99_s: float


class DurationSketch:
    """Counts of durations in buckets that grow by 2 %, from which any quantile can be told within 1 %.

    The method is DDSketch's (Masson, Rim & Lee 2019): bucket i holds what is in (gamma**(i-1), gamma**i], with gamma =
    (1 + a) / (1 - a) for the relative error a. Durations from a nanosecond to 30 years fill at most 2,074 buckets.
    """

    __slots__ = ("_buckets", "_zeros", "by_status", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._zeros = 0
        self.by_status: Counter[str] = Counter()
        self.count: int = 0
        self.total: float = 0.0
        self.minimum: float = math.inf
        self.maximum: float = 0.0

    def add(self, duration_s: float, status: str) -> None:
        """Count one duration, in seconds, and how it ended."""
        self.count += 1
        self.by_status[status] += 1
        self.total += duration_s
        self.minimum = min(self.minimum, duration_s)
        self.maximum = max(self.maximum, duration_s)
        if duration_s < _SHORTEST:
            self._zeros += 1
        else:
            self._buckets[math.ceil(math.log(min(duration_s, _LONGEST), _GAMMA))] += 1

    def add_all(self, durations_s: Sequence[float], status: str) -> None:
        """Count durations, in seconds, that all ended the same way; a quarter of the time of adding each."""
        shortest, longest = min(durations_s), max(durations_s)
        if shortest < _SHORTEST or longest > _LONGEST:
            for duration_s in durations_s:
                self.add(duration_s, status)
            return
        self.count += len(durations_s)
        self.by_status[status] += len(durations_s)
        self.total += sum(durations_s)
        self.minimum = min(self.minimum, shortest)
        self.maximum = max(self.maximum, longest)
        self._buckets.update(map(math.ceil, map(math.log, durations_s, repeat(_GAMMA))))

    def quantile(self, share: float) -> float:
        """Return the nearest-rank quantile, in seconds, within 1 %; 0 if nothing was counted."""
        rank = max(math.ceil(share * self.count), 1) - self._zeros
        estimate = 0.0
        for bucket in sorted(self._buckets) if rank > 0 else ():
            estimate = 2 * _GAMMA**bucket / (_GAMMA + 1)
            rank -= self._buckets[bucket]
            if rank <= 0:
                break
        return min(max(estimate, self.minimum), self.maximum) if estimate else 0.0

    def statistics(self) -> ExecutionStatistics:
        """Return the figures as they are now."""
        return ExecutionStatistics(
            self.count,
            dict(self.by_status),
            self.total,
            self.total / self.count if self.count else 0.0,
            self.minimum if self.count else 0.0,
            self.maximum,
            self.quantile(0.50),
            self.quantile(0.95),
            self.quantile(0.99),
        )


class DurationsById:
    """A sketch for each id, up to a number of ids; what comes after them is counted together.

    Args:
        max_ids: how many ids get sketches of their own.
    """

    __slots__ = ("_max_ids", "_sketches")

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._sketches: dict[str, DurationSketch] = {}

    def __getitem__(self, each_id: str) -> DurationSketch:
        """Return the sketch of `each_id`, which is made if it is not there."""
        if each_id not in self._sketches and len(self._sketches) >= self._max_ids:
            each_id = OTHER_IDS
        return self._sketches.setdefault(each_id, DurationSketch())

    def statistics(self) -> dict[str, ExecutionStatistics]:
        """Return the figures of each id, as they are now."""
        return {each_id: sketch.statistics() for each_id, sketch in self._sketches.items()}


class InMemoryMetrics(MetricsCollector):
    """Counts, sums and quantiles per stage and per pipeline, in memory that does not grow with the number of runs.

    Args:
        max_ids: how many stage ids, and how many pipeline ids, get figures of their own; what comes after them is
            counted together under ``(other)``.

    Raises:
        TypeError: `max_ids` is no int.
        ValueError: `max_ids` is below 1.
    """

    def __init__(self, *, max_ids: int = 1000) -> None:
        check_count(max_ids, "max_ids")
        self._stages = DurationsById(max_ids)
        self._pipelines = DurationsById(max_ids)
        # Several Trio loops, in threads of their own, may share one collector.
        self._lock = threading.Lock()

    def record_stage_execution(self, stage_id: str, duration_s: float, status: str) -> None:
        """Count a stage that ended. See :class:`MetricsCollector`."""
        with self._lock:
            self._stages[stage_id].add(duration_s, status)

    def record_pipeline_execution(self, pipeline_id: str, duration_s: float, status: str) -> None:
        """Count a run that ended. See :class:`MetricsCollector`."""
        with self._lock:
            self._pipelines[pipeline_id].add(duration_s, status)

    @property
    def stages(self) -> dict[str, ExecutionStatistics]:
        """The figures of each stage, by its id, as they are now."""
        with self._lock:
            return self._stages.statistics()

    @property
    def pipelines(self) -> dict[str, ExecutionStatistics]:
        """The figures of each pipeline, by its id, as they are now."""
        with self._lock:
            return self._pipelines.statistics()
