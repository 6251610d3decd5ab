"""The summary of logs: it equals the figures that a collector in the same program had."""

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from log_cases import NOON, events_of_run, lines_of, outside, run_id, write_dropped, write_varied_log

from atrio import (
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    ErrorPolicy,
    InMemoryMetrics,
    Pipeline,
    Stage,
    StageConfig,
    observe_only,
)
from atrio import events as ev
from atrio.logs import _summing as summing
from atrio.logs import summarise
from atrio.sinks import JsonLinesSink
from atrio.testing import ScriptedAgent, answer, fail, run_in_virtual_time


def summed(*lines):
    return summarise(io.BytesIO(b"".join(lines)))


class RoundedMetrics(InMemoryMetrics):
    """The figures in memory, of durations as a log has them."""

    def record_stage_execution(self, stage_id, duration_s, status):
        super().record_stage_execution(stage_id, round(duration_s, 6), status)

    def record_pipeline_execution(self, pipeline_id, duration_s, status):
        super().record_pipeline_execution(pipeline_id, round(duration_s, 6), status)


def same(found, expected):
    """Say whether figures are the same, but for the order of adding floats."""
    assert set(found) == set(expected)
    for name, figures in expected.items():
        assert (found[name].total_s, found[name].mean_s) == pytest.approx((figures.total_s, figures.mean_s))
        for field in ("count", "by_status", "min_s", "max_s", "p50_s", "p95_s", "p99_s"):
            assert getattr(found[name], field) == getattr(figures, field), (name, field)
    return True


def test_of_a_varied_log_equals_the_figures_in_memory(tmp_path):
    metrics = RoundedMetrics()
    write_varied_log(tmp_path / "log", metrics)
    write_dropped(tmp_path / "log", 4)
    summary = summarise(tmp_path / "log")
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert same({**summary.pipelines, **summary.batches}, metrics.pipelines)
    assert same({**summary.stages, **summary.tasks}, metrics.stages)
    assert sum(summary.retries.values()) == sum(line["event"] == "stage.retry" for line in lines)
    assert summary.fallbacks == {"gone|ask": sum(line["event"] == "fallback.used" for line in lines)} == {"gone|ask": 2}
    assert (summary.lines, summary.events, summary.dropped) == (len(lines), len(lines), 4)
    assert (summary.unusable, summary.foreign, summary.torn, summary.forgotten) == (0, 0, 0, 0)
    stamps = sorted(line["timestamp"] for line in lines)
    assert (summary.first, summary.last) == (stamps[0], stamps[-1])
    assert summary.in_flight == {"pipeline": {}, "stage": {}, "batch": {}, "task": {}}
    (breaker,) = [line for line in lines if line["event"] == "breaker.opened"][:1]
    assert summary.breakers[breaker["breaker"]].opened == sum(line["event"] == "breaker.opened" for line in lines)


STEPS = st.lists(
    st.builds(answer, after=st.sampled_from([0, 0.25, 1, 3, 40]))
    | st.builds(fail, st.sampled_from([OSError, ValueError]), after=st.sampled_from([0, 0.5])),
    max_size=6,
)
CONFIGS = st.builds(
    StageConfig,
    attempts=st.integers(1, 3),
    timeout=st.sampled_from([None, 2, 10]),
    error_policy=st.sampled_from(ErrorPolicy),
)


@settings(max_examples=50)
@given(
    stages=st.lists(st.tuples(STEPS, CONFIGS), min_size=1, max_size=3),
    config=st.builds(
        BatchConfig,
        max_concurrent=st.integers(1, 3),
        timeout=st.sampled_from([None, 15]),
        task_timeout=st.sampled_from([None, 5]),
    ),
    tasks=st.integers(1, 8),
    runs=st.integers(0, 3),
    stopped=st.sampled_from([5, 1000]),
    threshold=st.integers(1, 3),
)
def test_of_random_runs_equals_the_figures_in_memory(stages, config, tasks, runs, stopped, threshold):
    metrics, heard = RoundedMetrics(), []
    breaker = CircuitBreaker("breaker", failure_threshold=threshold, recovery_timeout=2)
    pipeline = Pipeline("pipeline")
    for number, (steps, stage_config) in enumerate(stages):
        agent = ScriptedAgent(*steps, answer(times=1000), agent_id=f"agent {number}")
        pipeline.add_stage(Stage(f"stage {number}", breaker.guard(agent), config=stage_config))

    async def main():
        with trio.move_on_after(stopped):
            for number in range(runs):
                await pipeline.execute(number)
            await BatchProcessor(config).map(pipeline, range(tasks), name="batch")

    with TemporaryDirectory() as directory:
        path = Path(directory, "log")
        with JsonLinesSink(path) as sink, observe_only(sink, metrics, heard.append):
            run_in_virtual_time(main)
        summary = summarise(path)
    assert same({**summary.pipelines, **summary.batches}, metrics.pipelines)
    # A task is counted under the id of its agent, the pipeline.
    assert same({**summary.stages, **summary.tasks}, metrics.stages)
    retries = [event.stage_id for event in heard if isinstance(event, ev.StageRetry)]
    assert summary.retries == {stage_id: retries.count(stage_id) for stage_id in retries}
    statistics = breaker.statistics()
    opened = summary.breakers["breaker"].opened if summary.breakers else 0
    assert opened == sum(isinstance(event, ev.BreakerOpened) for event in heard)
    if summary.breakers:
        assert summary.breakers["breaker"].state == statistics.state.value.replace("-", "_")


def test_time_open_is_what_passed_until_a_probe():
    lines = lines_of([
        outside(ev.BreakerOpened, "a", 3, 2.0),
        outside(ev.BreakerHalfOpened, "a", 2.5),
        outside(ev.BreakerOpened, "a", 1, 2.0),
        outside(ev.BreakerHalfOpened, "a", 2.25),
        outside(ev.BreakerClosed, "a", 3.0),
        outside(ev.BreakerOpened, "b", 3, 2.0),
        outside(ev.BreakerHalfOpened, "c", 1.0),
    ])  # fmt: skip
    breakers = summed(*lines).breakers
    assert {name: (each.opened, each.open_s, each.state) for name, each in breakers.items()} == {
        "a": (2, 4.75, "closed"), "b": (1, 0.0, "open"), "c": (0, 1.0, "half_open"),
    }  # fmt: skip


def test_what_is_in_flight():
    batch = (run_id(1), None, None, None)
    events = [
        ev.BatchStart(*batch, NOON, "nightly", None, 2),
        ev.TaskStart(*batch, NOON, "nightly", "t-0", "p", 0, 0.0),
        ev.TaskStart(*batch, NOON, "nightly", "t-1", "p", 0, 0.0),
        *events_of_run(2)[:2],
        *events_of_run(3)[:-1],
        *events_of_run(4),
    ]
    summary = summed(*lines_of(events))
    assert summary.in_flight == {"pipeline": {"p": 2}, "stage": {"s0": 1}, "batch": {"nightly": 1}, "task": {"p": 2}}
    # Those that began before the log are in flight as well, if their run did not end.
    assert summed(*lines_of(events)[2:4]).in_flight["task"] == {"p": 1}


def test_a_stage_whose_end_is_lost_is_not_in_flight():
    lines = lines_of(events_of_run())
    assert summed(*lines[:2], *lines[3:]).in_flight["stage"] == {}


def test_ids_beyond_the_most_are_counted_together(monkeypatch):
    monkeypatch.setattr(summing, "MAX_IDS", 1)
    events = [each for number in range(3) for each in events_of_run(number, pipeline_id=f"p{number}")]
    events += [outside(ev.BreakerOpened, name, 3, 2.0) for name in "abc"]
    retry = (run_id(9), None, None, None, NOON, "p")
    events += [ev.StageRetry(*retry, name, "agent", 1, 3, 1.0, None, None) for name in "abc"]
    events += [outside(ev.FallbackUsed, None, None, name, "a", "b", None, None) for name in "abc"]
    events += [each for number in range(5, 8) for each in events_of_run(number, pipeline_id=f"q{number}")[:1]]
    summary = summed(*lines_of(events))
    assert {name: each.count for name, each in summary.pipelines.items()} == {"p0": 1, "(other)": 2}
    assert {name: each.opened for name, each in summary.breakers.items()} == {"a": 1, "(other)": 2}
    assert summary.retries == summary.fallbacks == {"a": 1, "(other)": 2}
    assert summary.in_flight["pipeline"] == {"q5": 1, "(other)": 2}


@pytest.mark.parametrize(("runs", "parts"), [(1, 100), (100, 1)])
def test_runs_beyond_the_most_are_forgotten(monkeypatch, runs, parts):
    monkeypatch.setattr(summing, "MOST_OPEN", runs)
    monkeypatch.setattr(summing, "_MOST_PARTS", parts)
    summary = summed(*(line for number in range(3) for line in lines_of(events_of_run(number)[:1])))
    assert (summary.forgotten, summary.in_flight["pipeline"]) == (2, {"p": 1})


def test_long_logs_are_summed_up_as_they_are_read(monkeypatch):
    monkeypatch.setattr(summing, "_BLOCKS", 1)
    summary = summed(*(line for number in range(300) for line in lines_of(events_of_run(number))))
    assert (summary.pipelines["p"].count, summary.stages["s0"].by_status) == (300, {"success": 300})


def test_lines_that_cannot_be_used_are_counted():
    start, stage_start, stage_end, *_ = lines_of(events_of_run())
    bad = [
        stage_end.replace(b'"duration_s":0.001,', b""),
        stage_end.replace(b'"duration_s":0.001', b'"duration_s":"x"'),
        stage_end.replace(b'"duration_s":0.001', b'"duration_s":-1'),
        stage_end.replace(b'"status":"success"', b'"status":"timeout"'),
        stage_end.replace(b'"stage_id":"s0"', b'"stage_id":7'),
        stage_end.replace(b'"stage_id":"s0"', b'"stage_id":[]'),
        start.replace(b'"schema":1', b'"schema":2'),
        start.replace(b'"event":"pipeline.start"', b'"event":"x"'),
        stage_start[:50] + b"\n",
        b'{"schema":1,' + b"x" * 2_000_000 + b"\n",
        *(
            line.replace(b'"breaker":"b"', b'"breaker":1')
            for line in lines_of([outside(ev.BreakerOpened, "b", 3, 2.0)])
        ),
        *(
            line.replace(b"2.0", seconds)
            for line in lines_of([outside(ev.BreakerHalfOpened, "b", 2.0)])
            for seconds in (b"true", b"-1e308", b"1e308")
        ),
        *(
            line.replace(b'"count":3', b'"count":' + count)
            for line in lines_of([outside(ev.LogDropped, 3, "stalled")])
            for count in (b"-3", b"2.5", b"true", b'"3"', b"1e308")
        ),
        *(start.replace(b'"p"', name) for name in (b'["p"]', b"5", b"null")),
        *(stage_start.replace(b'"s0"', name) for name in (b'["s0"]', b"5", b"null")),
        *(
            line.replace(b'"s0"', name)
            for line in lines_of([ev.StageRetry(run_id(1), *[None] * 3, NOON, "p", "s0", "a", 1, 3, 1.0, None, None)])
            for name in (b'["s0"]', b"5", b"null")
        ),
        *(
            line.replace(b'"a|b"', name)
            for line in lines_of([outside(ev.FallbackUsed, None, None, "a|b", "a", "b", None, None)])
            for name in (b'["s0"]', b"5", b"null")
        ),
        *(
            line.replace(b'"agent"', name)
            for line in lines_of([ev.TaskStart(run_id(1), *[None] * 3, NOON, "b", "t", "agent", 0, 0.0)])
            for name in (b'["a"]', b"5", b"null")
        ),
    ]
    summary = summed(start, *bad, stage_end)
    assert (summary.unusable, summary.events, summary.lines) == (len(bad), 2, len(bad) + 2)
    assert (summary.stages["s0"].count, summary.breakers) == (1, {})
    assert (summary.dropped, summary.retries, summary.fallbacks) == (0, {}, {})
    assert summary.in_flight == {"pipeline": {"p": 1}, "stage": {}, "batch": {}, "task": {}}
    assert summed(bad[0]).stages == {}


@pytest.mark.parametrize("stamp", [b"7", b'"~"', b'"never"', b"[]"])
def test_times_that_there_are_none_of_are_passed_over(stamp):
    lines = lines_of(events_of_run())
    bad = lines[0].replace(b'"2026-01-31T12:00:00.000000Z"', stamp)
    summary = summed(bad, *lines[1:])
    assert (summary.first, summary.last) == ("2026-01-31T12:00:00.001000Z", "2026-01-31T12:00:00.005000Z")
    assert summed(bad).first is None
