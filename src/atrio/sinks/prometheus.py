"""Metrics for Prometheus. It needs the extra "prometheus"; importing :mod:`atrio.sinks` does not import it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from atrio._text import encodable
from atrio._validation import check_count, is_number
from atrio.events import BreakerClosed, BreakerHalfOpened, BreakerOpened, Event, LogDropped, StageRetry
from atrio.sinks.metrics import OTHER_IDS, MetricsCollector

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"PrometheusMetrics needs the extra \"prometheus\": pip install 'atrio[prometheus]' (there is no module "
        f"{_error.name!r})",
        name=_error.name,
    ) from _error

__all__ = ["PrometheusMetrics"]

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""From an agent in memory to a batch of half an hour."""
_STATES: Final = {BreakerClosed: "closed", BreakerHalfOpened: "half_open", BreakerOpened: "open"}


class PrometheusMetrics(MetricsCollector):
    """Metrics of stages, pipelines, batches and circuit breakers for Prometheus, on a registry of its own.

    - ``atrio_stage_duration_seconds`` (histogram; labels `stage`, `status`): stages by their ids, and a batch's tasks
      by the ids of their agents.
    - ``atrio_pipeline_duration_seconds`` (histogram; `pipeline`, `status`): runs by the ids of their pipelines, and
      batches by their names.
    - ``atrio_stage_retries_total`` (counter; `stage`): failed attempts that another one followed.
    - ``atrio_breaker_openings_total`` (counter; `breaker`), and ``atrio_breaker_state`` (gauge; `breaker`, `state`): 1
      for the state that a breaker is in, 0 for the other two of `closed`, `open` and `half_open`. A breaker is known
      from when it first opens.
    - ``atrio_log_dropped_lines_total`` (counter): from the first ``log.dropped`` that is heard.

    No label has the id of a run, a task or an input, nor what an error says. Several threads may share one collector.

    Args:
        registry: where the metrics are registered; by default one of their own, which has nothing else on it.
        buckets: upper bounds of the histograms' buckets, in seconds; one without a bound is added.
        max_ids: how many stages, how many pipelines and how many breakers get labels of their own; what comes after
            them is counted together under ``(other)``.

    Raises:
        TypeError: `max_ids` is no int, or a bucket is no number.
        ValueError: `max_ids` is below 1, there is no bucket, they do not increase, or `registry` has metrics of these
            names.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, *, buckets: Iterable[float] = _BUCKETS, max_ids: int = 1000
    ) -> None:
        check_count(max_ids, "max_ids")
        bounds = _checked(buckets)
        self._registry = CollectorRegistry(auto_describe=True) if registry is None else registry
        self._stage_s = Histogram(
            "atrio_stage_duration_seconds",
            "How long stages took, waits between attempts included; a batch's tasks by their agents.",
            ("stage", "status"),
            registry=self._registry,
            buckets=bounds,
        )
        self._pipeline_s = Histogram(
            "atrio_pipeline_duration_seconds",
            "How long runs of pipelines took, and batches by their names.",
            ("pipeline", "status"),
            registry=self._registry,
            buckets=bounds,
        )
        self._retries = Counter(
            "atrio_stage_retries_total",
            "Attempts that failed and that another one followed.",
            ("stage",),
            registry=self._registry,
        )
        self._openings = Counter(
            "atrio_breaker_openings_total",
            "How often circuit breakers opened.",
            ("breaker",),
            registry=self._registry,
        )
        self._states = Gauge(
            "atrio_breaker_state",
            "1 for the state that a circuit breaker is in, 0 for the others.",
            ("breaker", "state"),
            registry=self._registry,
        )
        self._dropped: Counter | None = None
        self._stages = _Labels(max_ids)
        self._pipelines = _Labels(max_ids)
        self._breakers = _Labels(max_ids)
        # Several Trio loops, in threads of their own, may share one collector.
        self._lock = threading.Lock()

    @property
    def registry(self) -> CollectorRegistry:
        """The registry that has the metrics."""
        return self._registry

    def __call__(self, event: Event, /) -> None:
        """Record `event` if it is an end, a retry, a breaker's change of state, or lines that were dropped."""
        super().__call__(event)
        if isinstance(event, StageRetry):
            with self._lock:
                stage = self._stages[event.stage_id]
            self._retries.labels(stage).inc()
        elif isinstance(event, BreakerOpened | BreakerHalfOpened | BreakerClosed):
            with self._lock:
                self._record_breaker(event)
        elif isinstance(event, LogDropped):
            with self._lock:
                self._record_drops(event.count)

    def record_stage_execution(self, stage_id: str, duration_s: float, status: str) -> None:
        """Count a stage that ended. See :class:`~atrio.MetricsCollector`."""
        with self._lock:
            stage = self._stages[stage_id]
        self._stage_s.labels(stage, status).observe(duration_s)

    def record_pipeline_execution(self, pipeline_id: str, duration_s: float, status: str) -> None:
        """Count a run that ended. See :class:`~atrio.MetricsCollector`."""
        with self._lock:
            pipeline = self._pipelines[pipeline_id]
        self._pipeline_s.labels(pipeline, status).observe(duration_s)

    def _record_breaker(self, event: BreakerOpened | BreakerHalfOpened | BreakerClosed) -> None:
        breaker = self._breakers[event.breaker]
        if isinstance(event, BreakerOpened):
            self._openings.labels(breaker).inc()
        if breaker != OTHER_IDS:  # several breakers together are in no one state
            for kind, state in _STATES.items():
                self._states.labels(breaker, state).set(type(event) is kind)

    def _record_drops(self, count: int) -> None:
        # A counter that stands at 0 would say that nothing was dropped, and most sinks tell that to nobody but their
        # own log.
        if self._dropped is None:
            self._dropped = Counter(
                "atrio_log_dropped_lines_total", "Lines of logs that could not be written.", registry=self._registry
            )
        self._dropped.inc(count)


class _Labels:
    """The values of a label, by id: so many at most, and each one that the exposition format can hold."""

    __slots__ = ("_by_id", "_max_ids")

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._by_id: dict[str, str] = {}

    def __getitem__(self, each_id: str) -> str:
        label = self._by_id.get(each_id)
        if label is None:
            if len(self._by_id) >= self._max_ids:
                return OTHER_IDS
            # One lone surrogate would make every scrape fail, of all metrics on the registry.
            label = self._by_id[each_id] = encodable(each_id)
        return label


def _checked(buckets: Iterable[float]) -> tuple[float, ...]:
    """Return the bounds of the buckets, if they can be such."""
    bounds = tuple(buckets)
    for bound in bounds:
        if not is_number(bound):
            raise TypeError(f"buckets must be numbers of seconds, and one of them is {bound!r}")
    increasing = all(lower < upper for lower, upper in pairwise(bounds))
    # NaN is neither below nor above another bound, and may be the only one.
    if not bounds or not increasing or any(math.isnan(bound) for bound in bounds) or bounds[0] == math.inf:
        raise ValueError(f"buckets must be increasing numbers of seconds, one at least, not {bounds}")
    return tuple(map(float, bounds))
