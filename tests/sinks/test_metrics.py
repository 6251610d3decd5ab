"""Metrics: counts, sums and quantiles of stages and pipelines, in bounded memory."""

import math
import random
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from atrio import (
    BatchProcessor,
    ErrorPolicy,
    InMemoryMetrics,
    MetricsCollector,
    Pipeline,
    RunStatus,
    SinkWarning,
    Stage,
    StageConfig,
    events,
    observe,
    observe_only,
)
from atrio.sinks.metrics import DurationSketch
from atrio.testing import ScriptedAgent, answer, fail

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)
ONCE = StageConfig(attempts=1)


class Recording(MetricsCollector):
    def __init__(self):
        self.calls = []

    def record_stage_execution(self, stage_id, duration_s, status):
        self.calls.append(("stage", stage_id, duration_s, status))

    def record_pipeline_execution(self, pipeline_id, duration_s, status):
        self.calls.append(("pipeline", pipeline_id, duration_s, status))


class FalsyRecording(Recording):
    def __bool__(self):
        return False

    def __len__(self):
        return 0


async def run_all(autojump_clock):
    """Run pipelines that end in every way."""
    pipeline = Pipeline("good").add_stage(Stage("a", ScriptedAgent(answer(after=1))))
    await pipeline.add_stage(Stage("b", ScriptedAgent(answer(after=2)))).execute("x")
    pipeline = Pipeline("degraded").add_stage(Stage("c", ScriptedAgent(fail(after=3)), config=SKIP))
    await pipeline.execute("x")
    await Pipeline("failed").add_stage(Stage("d", ScriptedAgent(fail(after=4)), config=ONCE)).execute("x")
    with trio.move_on_after(5):
        await Pipeline("cancelled").add_stage(Stage("e", ScriptedAgent(answer(after=10)))).execute("x")


EXPECTED = [
    ("stage", "a", 1, "success"),
    ("stage", "b", 2, "success"),
    ("pipeline", "good", 3, "success"),
    ("stage", "c", 3, "skipped"),
    ("pipeline", "degraded", 3, "degraded"),
    ("stage", "d", 4, "error"),
    ("pipeline", "failed", 4, "failed"),
    ("stage", "e", 5, "cancelled"),
    ("pipeline", "cancelled", 5, "cancelled"),
]


@pytest.mark.parametrize("kind", [Recording, FalsyRecording])
@pytest.mark.parametrize("attach", [observe, observe_only])
async def test_a_collector_is_told_every_end_of_a_stage_and_a_pipeline(kind, attach, autojump_clock):
    collector = kind()
    with attach(collector):
        await run_all(autojump_clock)
    assert collector.calls == EXPECTED


def test_the_collector_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        MetricsCollector()
    assert issubclass(InMemoryMetrics, MetricsCollector)


@pytest.mark.parametrize("broken", ["record_stage_execution", "record_pipeline_execution"])
async def test_a_collector_that_raises_does_not_turn_a_good_stage_into_a_bad_one(broken, monkeypatch):
    def refuse(self, *args):
        raise OSError("metrics server gone")

    monkeypatch.setattr(Recording, broken, refuse)
    with pytest.warns(SinkWarning, match="metrics server gone"), observe(Recording()):
        result = await Pipeline("p").add_stage(Stage("a", ScriptedAgent())).execute("x")
    assert (result.status, result.stages[0].status) == (RunStatus.SUCCESS, "success")


async def test_in_memory_metrics_count_by_id_and_status(autojump_clock):
    metrics = InMemoryMetrics()
    with observe(metrics):
        await run_all(autojump_clock)
        await run_all(autojump_clock)
    assert {name: (each.count, dict(each.by_status), each.total_s) for name, each in metrics.stages.items()} == {
        "a": (2, {"success": 2}, 2),
        "b": (2, {"success": 2}, 4),
        "c": (2, {"skipped": 2}, 6),
        "d": (2, {"error": 2}, 8),
        "e": (2, {"cancelled": 2}, 10),
    }
    assert {name: dict(each.by_status) for name, each in metrics.pipelines.items()} == {
        "good": {"success": 2},
        "degraded": {"degraded": 2},
        "failed": {"failed": 2},
        "cancelled": {"cancelled": 2},
    }
    figures = metrics.stages["d"]
    assert (figures.mean_s, figures.min_s, figures.max_s) == (4, 4, 4)
    assert figures.p50_s == figures.p95_s == figures.p99_s == 4


def recorded(durations):
    metrics = InMemoryMetrics()
    for duration_s, status in durations:
        metrics.record_stage_execution("s", duration_s, status)
        metrics.record_pipeline_execution("p", duration_s, status)
    return metrics


# From a nanosecond to thirty years, and nothing at all.
SECONDS = st.just(0.0) | st.floats(1e-9, 1e9)


@given(st.lists(st.tuples(SECONDS, st.sampled_from(["success", "error"])), min_size=1, max_size=200))
@example([(0.0, "success")])
@example([(1e-9, "success"), (1e9, "error")])
@example([(1.0, "success")] * 19 + [(2.0, "error")])
@example([(1.0, "success")] * 18 + [(2.0, "error")] * 2)
def test_the_figures_are_those_of_the_durations_and_quantiles_within_1_percent(durations):
    metrics = recorded(durations)
    assert metrics.stages["s"] == metrics.pipelines["p"]
    figures = metrics.stages["s"]
    seconds = sorted(each[0] for each in durations)
    assert figures.count == len(seconds)
    assert figures.by_status == Counter(each[1] for each in durations)
    assert (figures.min_s, figures.max_s) == (seconds[0], seconds[-1])
    assert figures.total_s == pytest.approx(math.fsum(seconds))
    assert figures.mean_s == pytest.approx(math.fsum(seconds) / len(seconds))
    for percent, found in ((50, figures.p50_s), (95, figures.p95_s), (99, figures.p99_s)):
        nearest_rank = seconds[-(-percent * len(seconds) // 100) - 1]
        assert found == pytest.approx(nearest_rank, rel=0.0100001, abs=0)


def test_quantiles_of_many_durations_are_within_1_percent():
    draw = random.Random(5)
    seconds = sorted(draw.lognormvariate(0, 3) for _ in range(20_000))
    figures = recorded((each, "success") for each in seconds).stages["s"]
    for found, rank in ((figures.p50_s, 10_000), (figures.p95_s, 19_000), (figures.p99_s, 19_800)):
        assert found == pytest.approx(seconds[rank - 1], rel=0.01)


@given(st.lists(SECONDS, min_size=1, max_size=50))
def test_quantiles_never_leave_the_range_nor_cross_each_other(seconds):
    figures = recorded((each, "success") for each in seconds).stages["s"]
    assert min(seconds) <= figures.p50_s <= figures.p95_s <= figures.p99_s <= max(seconds)


def test_memory_does_not_grow_with_the_number_of_durations():
    draw = random.Random(5)
    sketch = DurationSketch()
    for _ in range(60_000):
        sketch.add(10 ** draw.uniform(-20, 20), "success")
    assert 2000 < len(sketch._buckets) <= 2074
    assert sketch.count == 60_000


def test_a_sketch_without_durations_has_figures_of_0():
    figures = DurationSketch().statistics()
    assert (figures.count, figures.total_s, figures.mean_s, figures.min_s, figures.max_s) == (0, 0, 0, 0, 0)
    assert (figures.p50_s, figures.p95_s, figures.p99_s) == (0, 0, 0)


def ends_of_a_batch():
    ids = "0" * 32, None, None, None, NOON
    none = None, None, None
    yield events.TaskEnd(*ids, "nightly", "task-0", "reader", 0, "success", 0.0, 1.5, *none)
    yield events.TaskEnd(*ids, "nightly", "task-1", "reader", 1, "timeout", 0.0, 2.5, "timeout", "m", "s")
    yield events.BatchEnd(*ids, "nightly", "degraded", 2, 1, 0, 1, 0, 0, 4.0, 0.5, 1.0)


def test_tasks_arrive_under_their_agents_id_and_batches_under_their_name():
    collector = Recording()
    for event in ends_of_a_batch():
        collector(event)
    assert collector.calls == [
        ("stage", "reader", 1.5, "success"),
        ("stage", "reader", 2.5, "timeout"),
        ("pipeline", "nightly", 4.0, "degraded"),
    ]


async def test_a_batch_that_only_the_collector_hears_is_counted_whole():
    metrics = InMemoryMetrics()
    with observe_only(metrics):
        await BatchProcessor().map(ScriptedAgent(agent_id="reader"), range(10), name="nightly")
    assert {name: each.count for name, each in metrics.stages.items()} == {"reader": 10}
    assert {name: each.count for name, each in metrics.pipelines.items()} == {"nightly": 1}


def test_ids_beyond_the_limit_are_counted_together():
    metrics = InMemoryMetrics(max_ids=3)
    for number in range(10):
        metrics.record_stage_execution(f"s{number}", 1.0, "success")
        metrics.record_pipeline_execution(f"p{number}", 1.0, "success")
    metrics.record_stage_execution("s0", 1.0, "error")
    assert {name: each.count for name, each in metrics.stages.items()} == {"s0": 2, "s1": 1, "s2": 1, "(other)": 7}
    assert {name: each.count for name, each in metrics.pipelines.items()} == {"p0": 1, "p1": 1, "p2": 1, "(other)": 7}


def test_by_default_there_are_a_thousand_ids_at_most():
    metrics = InMemoryMetrics()
    for number in range(3000):
        metrics.record_stage_execution(str(number), 1.0, "success")
    assert len(metrics.stages) == 1001
    assert sum(each.count for each in metrics.stages.values()) == 3000


@pytest.mark.parametrize(("bad", "kind"), [(0, ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError)])
def test_a_limit_that_is_none_is_refused(bad, kind):
    with pytest.raises(kind, match="max_ids must be"):
        InMemoryMetrics(max_ids=bad)


def test_figures_are_a_snapshot():
    metrics = recorded([(1.0, "success")])
    before = metrics.stages
    metrics.record_stage_execution("s", 5.0, "error")
    before["mine"] = None
    assert (before["s"].count, dict(before["s"].by_status)) == (1, {"success": 1})
    assert set(metrics.stages) == {"s"}
    assert metrics.stages["s"].count == 2


def test_threads_may_share_a_collector():
    metrics = InMemoryMetrics()

    def record():
        for number in range(500):
            metrics.record_stage_execution(f"s{number % 7}", 0.001 * number, "success")

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.count for each in metrics.stages.values()) == 2000
