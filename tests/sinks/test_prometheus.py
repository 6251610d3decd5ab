"""Metrics for Prometheus: the figures that InMemoryMetrics has of the same runs, in text that Prometheus reads."""

import math
import threading
from collections import defaultdict
from datetime import UTC, datetime

import pytest
import trio

from atrio import (
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    ErrorPolicy,
    InMemoryMetrics,
    Pipeline,
    Stage,
    StageConfig,
    events,
    observe,
    observe_only,
)
from atrio.testing import ScriptedAgent, answer, fail

client = pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from prometheus_client.parser import text_string_to_metric_families  # noqa: E402 - only where it is installed

from atrio.sinks.prometheus import PrometheusMetrics  # noqa: E402 - the same

NOWHERE = (None, None, None, None, datetime(2026, 1, 1, tzinfo=UTC))
BUCKETS = (0.5, 1, 2.5)


def samples(metrics, name):
    """Return the values of a sample by its labels, as Prometheus would read them."""
    text = client.generate_latest(metrics.registry).decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def figures(metrics, name):
    """Return the count, the seconds and the counts by status of each id of a histogram."""
    found = defaultdict(lambda: [0, 0.0, {}])
    seconds = samples(metrics, f"{name}_sum")
    for (each_id, status), count in samples(metrics, f"{name}_count").items():
        found[each_id][0] += count
        found[each_id][1] += seconds[each_id, status]
        found[each_id][2][status] = count
    return dict(found)


def expected(statistics):
    return {name: [each.count, pytest.approx(each.total_s), dict(each.by_status)] for name, each in statistics.items()}


def labels_of(metrics):
    text = client.generate_latest(metrics.registry).decode()
    return {name for family in text_string_to_metric_families(text) for each in family.samples for name in each.labels}


async def varied():
    """Run pipelines and batches that end in every way, with retries and a breaker that opens and closes."""
    skip = StageConfig(attempts=2, error_policy=ErrorPolicy.SKIP)
    breaker = CircuitBreaker("upstream", failure_threshold=2, recovery_timeout=3)
    shaky = ScriptedAgent(fail(), answer(after=1), fail(times=4), answer(after=0.25, times=1000))
    pipeline = (
        Pipeline("orders")
        .add_stage(Stage("fetch", breaker.guard(shaky), config=StageConfig(attempts=2)))
        .add_stage(Stage("enrich", ScriptedAgent(fail(times=1000)), config=skip))
    )
    for number in range(10):
        await pipeline.execute(number)
        await trio.sleep(2)
    slow = ScriptedAgent(answer(after=1), answer(after=60), fail(ValueError()), answer(times=99), agent_id="lookup")
    await BatchProcessor(BatchConfig(max_concurrent=3, task_timeout=20)).map(slow, range(30), name="nightly")
    with trio.move_on_after(5):
        await Pipeline("cancelled").add_stage(Stage("long", ScriptedAgent(answer(after=9)))).execute(1)


class TestARun:
    async def test_has_the_figures_in_memory(self, autojump_clock):
        metrics, memory = PrometheusMetrics(), InMemoryMetrics()
        with observe(metrics, memory):
            await varied()
        assert figures(metrics, "atrio_stage_duration_seconds") == expected(memory.stages)
        assert figures(metrics, "atrio_pipeline_duration_seconds") == expected(memory.pipelines)
        statuses = {status for each in memory.stages.values() for status in each.by_status}
        assert statuses == {"success", "error", "skipped", "timeout", "cancelled"}

    async def test_counts_retries_and_openings(self, autojump_clock):
        metrics, heard = PrometheusMetrics(), []
        with observe_only(metrics, heard.append):
            await varied()
        retries = [event.stage_id for event in heard if isinstance(event, events.StageRetry)]
        assert samples(metrics, "atrio_stage_retries_total") == {
            (name,): retries.count(name) for name in ("fetch", "enrich")
        }
        openings = [event for event in heard if isinstance(event, events.BreakerOpened)]
        assert samples(metrics, "atrio_breaker_openings_total") == {("upstream",): len(openings)}
        assert len(openings) > 1

    async def test_is_counted_alone_by_its_collector(self, autojump_clock):
        """A collector that nobody else's level helps hears of tasks, which end at debug."""
        metrics = PrometheusMetrics()
        with observe_only(metrics):
            await BatchProcessor().map(ScriptedAgent(agent_id="reader"), range(10), name="nightly")
        assert figures(metrics, "atrio_stage_duration_seconds")["reader"][0] == 10
        assert figures(metrics, "atrio_pipeline_duration_seconds")["nightly"][0] == 1

    async def test_has_few_labels(self, autojump_clock):
        metrics = PrometheusMetrics()
        with observe(metrics):
            await varied()
        assert labels_of(metrics) == {"stage", "pipeline", "breaker", "status", "state", "le"}


class TestABreaker:
    def states(self, metrics):
        return {state: value for (_, state), value in samples(metrics, "atrio_breaker_state").items()}

    def test_is_in_one_state(self):
        metrics = PrometheusMetrics()
        assert self.states(metrics) == {}
        for event, state in (
            (events.BreakerOpened(*NOWHERE, "b", 3, 1.0), "open"),
            (events.BreakerHalfOpened(*NOWHERE, "b", 1.0), "half_open"),
            (events.BreakerOpened(*NOWHERE, "b", 3, 1.0), "open"),
            (events.BreakerHalfOpened(*NOWHERE, "b", 1.0), "half_open"),
            (events.BreakerClosed(*NOWHERE, "b", 1.0), "closed"),
        ):
            metrics(event)
            assert self.states(metrics) == dict.fromkeys(("closed", "half_open", "open"), 0) | {state: 1}
        assert samples(metrics, "atrio_breaker_openings_total") == {("b",): 2}

    def test_has_no_state_among_the_others(self):
        metrics = PrometheusMetrics(max_ids=1)
        for name in ("a", "b", "c"):
            metrics(events.BreakerOpened(*NOWHERE, name, 3, 1.0))
        assert samples(metrics, "atrio_breaker_openings_total") == {("a",): 1, ("(other)",): 2}
        assert {name for name, _ in samples(metrics, "atrio_breaker_state")} == {"a"}


class TestDroppedLines:
    def test_are_counted_from_the_first_that_is_heard(self):
        metrics = PrometheusMetrics()
        assert samples(metrics, "atrio_log_dropped_lines_total") == {}
        metrics(events.LogDropped(*NOWHERE, 3, "disk full"))
        metrics(events.LogDropped(*NOWHERE, 4, "nobody reads"))
        assert samples(metrics, "atrio_log_dropped_lines_total") == {(): 7}


class TestIds:
    def test_beyond_the_limit_are_counted_together(self):
        metrics, memory = PrometheusMetrics(max_ids=3), InMemoryMetrics(max_ids=3)
        for number in (*range(10), 0, 9):
            for each in (metrics, memory):
                each.record_stage_execution(f"s{number}", 1.0, "success")
                each.record_pipeline_execution(f"p{number}", 1.0, "failed")
        assert figures(metrics, "atrio_stage_duration_seconds") == expected(memory.stages)
        assert figures(metrics, "atrio_pipeline_duration_seconds") == expected(memory.pipelines)
        assert "(other)" in memory.stages

    def test_by_default_are_a_thousand_at_most(self):
        metrics = PrometheusMetrics()
        for number in range(1500):
            metrics.record_stage_execution(str(number), 1.0, "success")
        counts = samples(metrics, "atrio_stage_duration_seconds_count")
        assert (len(counts), sum(counts.values())) == (1001, 1500)

    @pytest.mark.parametrize("text", ["\ud800", "a\nb", 'a"b', "\\", "\x00", "\N{SNOWMAN}", "\u2028", "x" * 5000])
    def test_of_any_content_can_be_read(self, text):
        metrics = PrometheusMetrics()
        metrics.record_stage_execution(text, 1.0, "success")
        ((name, _),) = samples(metrics, "atrio_stage_duration_seconds_count")
        assert name == ("\\ud800" if text == "\ud800" else text)


class TestBuckets:
    def test_are_those_given(self):
        metrics = PrometheusMetrics(buckets=BUCKETS)
        for duration_s in (0.1, 0.5, 0.6, 2, 100):
            metrics.record_stage_execution("s", duration_s, "success")
        found = {labels[-1]: value for labels, value in by_bound(metrics).items()}
        assert found == {"0.5": 2, "1.0": 3, "2.5": 4, "+Inf": 5}

    def test_may_end_without_a_bound(self):
        PrometheusMetrics(buckets=(1, math.inf)).record_stage_execution("s", 0.5, "success")

    @pytest.mark.parametrize("bad", [(), (1, 1), (2, 1), (math.nan,), (1, math.nan), (math.inf,)])
    def test_that_are_none_are_refused(self, bad):
        with pytest.raises(ValueError, match="buckets must be increasing numbers of seconds"):
            PrometheusMetrics(buckets=bad)

    @pytest.mark.parametrize("bad", ["12", (1, "2"), (True, 2), (None,)])
    def test_of_something_else_are_refused(self, bad):
        with pytest.raises(TypeError, match="buckets must be numbers of seconds"):
            PrometheusMetrics(buckets=bad)


def by_bound(metrics):
    text = client.generate_latest(metrics.registry).decode()
    return {
        (sample.labels["le"],): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "atrio_stage_duration_seconds_bucket"
    }


class TestTheRegistry:
    def test_is_its_own(self):
        first, second = PrometheusMetrics(), PrometheusMetrics()
        first.record_stage_execution("s", 1.0, "success")
        assert first.registry is not second.registry
        assert samples(second, "atrio_stage_duration_seconds_count") == {}
        assert not [family for family in client.REGISTRY.collect() if family.name.startswith("atrio_")]

    def test_may_be_given(self):
        registry = client.CollectorRegistry()
        metrics = PrometheusMetrics(registry)
        assert metrics.registry is registry
        with pytest.raises(ValueError, match="atrio_stage_duration_seconds"):
            PrometheusMetrics(registry)

    def test_has_names_and_units_as_prometheus_wants_them(self):
        metrics = PrometheusMetrics()
        metrics(events.LogDropped(*NOWHERE, 3, "disk full"))
        kinds = {family.name: family.type for family in metrics.registry.collect()}
        assert kinds == {
            "atrio_stage_duration_seconds": "histogram",
            "atrio_pipeline_duration_seconds": "histogram",
            "atrio_stage_retries": "counter",  # the text adds _total
            "atrio_breaker_openings": "counter",
            "atrio_breaker_state": "gauge",
            "atrio_log_dropped_lines": "counter",
        }
        assert all(family.documentation.endswith(".") for family in metrics.registry.collect())


@pytest.mark.parametrize(("bad", "kind"), [(0, ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError)])
def test_a_limit_that_is_none_is_refused(bad, kind):
    with pytest.raises(kind, match="max_ids must be"):
        PrometheusMetrics(max_ids=bad)


def test_threads_may_share_a_collector():
    metrics = PrometheusMetrics(max_ids=5)

    def record():
        for number in range(500):
            metrics.record_stage_execution(f"s{number % 7}", 0.001, "success")
            metrics(events.BreakerOpened(*NOWHERE, f"b{number % 3}", 3, 1.0))
            metrics(events.LogDropped(*NOWHERE, 1, "disk full"))
            if number % 100 == 0:
                client.generate_latest(metrics.registry)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = samples(metrics, "atrio_stage_duration_seconds_count")
    assert (len(counts), sum(counts.values())) == (6, 2000)
    assert sum(samples(metrics, "atrio_breaker_openings_total").values()) == 2000
    assert samples(metrics, "atrio_log_dropped_lines_total") == {(): 2000}
