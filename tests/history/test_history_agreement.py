"""A history, the log and the result of the same run say the same."""

import pytest
import trio
from history_cases import LEFT_OUT, THRICE, batches, double, flaky, kept, pipeline_of, refuse, run_of

from atrio import (
    AgentPool,
    CircuitBreaker,
    Fallback,
    FanOut,
    PipelineError,
    PipelineResult,
    PoolMember,
    current_context,
    observe_only,
)
from atrio.history import History
from atrio.sinks import JsonLinesSink
from atrio.testing import run_in_virtual_time
from history_agreement import check_agreement


@pytest.fixture
def listening(tmp_path):
    """Return a function that runs another one in virtual time, and what it is kept and logged in."""
    path, log = tmp_path / "history.db", tmp_path / "log.jsonl"

    def run(main):
        with kept(path) as history, JsonLinesSink(log) as lines, observe_only(history, lines):
            result = run_in_virtual_time(main)
        return result, path, check_agreement(path, log, *([result] if isinstance(result, PipelineResult) else []))

    return run


def test_a_run(listening):
    result, path, events = listening(lambda: pipeline_of(double, double).execute(4))
    detail = run_of(path)
    assert (detail.run.run_id, detail.run.state, detail.run.duration_s) == (
        result.run_id,
        result.status.value,
        result.duration_s,
    )
    assert [(stage.stage_id, stage.duration_s, stage.status) for stage in detail.stages] == [
        (record.stage_id, record.duration_s, record.status.value) for record in result.stages
    ]
    assert (events["stage.end"], detail.tasks, detail.inside) == (2, None, ())


def test_attempts_and_their_waits(listening):
    _, path, events = listening(lambda: pipeline_of(flaky(2), config=THRICE).execute(1))
    [stage] = run_of(path).stages
    assert events["stage.retry"] == 2
    assert [(retry.attempt, retry.max_attempts, retry.backoff_s) for retry in stage.retries] == [(1, 3, 0.5), (2, 3, 1)]
    assert (stage.attempts, stage.duration_s) == (3, 0.125 * 3 + 1.5)
    assert {retry.error_message for retry in stage.retries} == {"not yet"}


def test_a_run_that_fails(listening):
    async def main():
        with pytest.raises(PipelineError):
            (await pipeline_of(double, refuse, double).execute(3)).unwrap()

    _, path, _ = listening(main)
    detail = run_of(path)
    assert (detail.run.state, detail.run.error_type, detail.run.error_message) == ("failed", "ValueError", "not 6")
    assert "raise ValueError" in detail.run.error_stack
    assert "raise ValueError" in detail.stages[1].error_stack
    assert [stage.status for stage in detail.stages] == ["success", "error"]
    assert (detail.run.total, detail.run.failures) == (3, 1)


def test_a_run_that_is_degraded(listening):
    _, path, _ = listening(lambda: pipeline_of(refuse, double, config=LEFT_OUT).execute(3))
    detail = run_of(path)
    assert (detail.run.state, detail.run.skipped) == ("degraded", 1)
    assert [stage.status for stage in detail.stages] == ["skipped", "success"]


def test_runs_that_are_cancelled(listening):
    async def main():
        with trio.move_on_after(0.3):
            await pipeline_of(double, double).execute(1)
        with trio.move_on_after(0.3):
            await batches(max_concurrent=2).map(double, range(9))

    _, path, _ = listening(main)
    batch, run = run_of(path), run_of(path, 1)
    assert (run.run.state, batch.run.state) == ("cancelled", "cancelled")
    assert [stage.status for stage in run.stages] == ["success", "cancelled"]
    assert (batch.tasks.successful, batch.tasks.cancelled) == (2, 2)


def test_a_batch_of_pipelines(listening):
    async def sometimes(value):
        await trio.sleep(value / 100)
        if value % 10 == 3:
            raise ValueError(f"not {value}")
        return value

    result, path, events = listening(
        lambda: batches(task_timeout=1.4).map(pipeline_of(sometimes, sometimes), range(100), name="all")
    )
    detail = run_of(path)
    figures, metrics = detail.tasks, result.metrics
    assert (detail.run.name, detail.run.run_id, detail.run.total) == ("all", result.batch_id, 100)
    assert (figures.successful, figures.failed + figures.timed_out) == (
        metrics.successful_tasks,
        metrics.failed_tasks,
    )
    assert (figures.timed_out > 0, figures.failed > 0) == (True, True)
    assert (figures.p95_s, figures.longest_s) == pytest.approx(
        (metrics.p95_task_time_s, max(task.duration_s for task in result.results)), abs=1e-6
    )
    assert figures.mean_s == pytest.approx(metrics.average_task_time_s, abs=1e-6)
    assert (figures.throughput_per_s, figures.efficiency) == pytest.approx(
        (metrics.throughput_per_s, metrics.efficiency), abs=1e-6
    )
    assert events["pipeline.end"] == 100
    slowest = figures.slowest[0]
    inside = {run.parent_task_id: run.run_id for run in run_of(path, inside=100).inside}
    assert (len(inside), slowest.run_id) == (100, inside[slowest.task_id])


def test_agents_that_wrap_agents(listening):
    async def main():
        breaker = CircuitBreaker("shaky", failure_threshold=2, recovery_timeout=60)
        pool = AgentPool([PoolMember(Fallback(breaker.guard(refuse), double))], pool_id="pool")
        inner = pipeline_of(FanOut({"one": double, "two": pool}), flaky(2), name="inner", config=THRICE)
        outer = pipeline_of(inner, batched)
        await batches(max_concurrent=2).map(outer, range(6))

    async def batched(values):
        with trio.move_on_after(0.2):
            await batches().map(double, values.values(), name="within")
        return values

    _, path, events = listening(main)
    assert (events["pipeline.end"], events["batch.end"], events["breaker.opened"], events["stage.retry"]) == (
        12,
        7,
        1,
        2,
    )
    outer = run_of(path).inside[0]
    with History(path) as history:
        inner = history.runs(parent=outer.run_id)
    assert [(run.kind, run.name, run.parent_stage_id) for run in inner] == [
        ("batch", "within", "stage-1"),
        ("pipeline", "inner", "stage-0"),
    ]


def noting(agent, **values):
    """Return an agent that does what `agent` does, and notes these values, how often it was called, and some usage."""

    async def process(value):
        context = current_context()
        process.calls += 1
        context.note(calls=process.calls, **{f"call {process.calls}": value}, **values)
        context.add_usage(input_tokens=100, output_tokens=None if process.calls == 1 else 10)
        return await agent(value)

    process.calls = 0
    return process


NOTES = {"model": "small ä\n", "share": 0.1 + 0.2, "exact": None, "large": 2**60, "seen": [1, {"deep": [True, ""]}]}


@pytest.mark.parametrize(
    ("agents", "config", "status", "attempts"),
    [
        ([double, flaky(2), double], THRICE, "success", [1, 3, 1]),
        ([double, flaky(5)], THRICE, "failed", [1, 3]),
        ([refuse, double], LEFT_OUT, "degraded", [1, 1]),
        ([Fallback(refuse, double)], LEFT_OUT, "success", [1]),
    ],
    ids=["retried", "failed", "skipped", "fallen back"],
)
def test_what_stages_noted(listening, agents, config, status, attempts):
    processes = [noting(getattr(agent, "process", agent), **NOTES) for agent in agents]
    result, path, _ = listening(lambda: pipeline_of(*processes, config=config).execute(1))
    assert result.status == status
    stages = run_of(path).stages
    assert [stage.attempts for stage in stages] == attempts
    for stage, calls in zip(stages, attempts, strict=True):
        assert stage.metadata["usage"] == {
            "calls": calls,
            "input_tokens": 100 * calls,
            "output_tokens": 10 * (calls - 1),
        }
        assert stage.metadata["calls"] == calls
        assert stage.metadata.items() >= NOTES.items()
    assert result.usage.input_tokens == sum(stage.metadata["usage"]["input_tokens"] for stage in stages)


def test_what_stages_noted_in_the_tasks_of_a_batch(listening):
    pipeline = pipeline_of(noting(double), noting(flaky(3)), name="noting", config=THRICE)
    result, path, events = listening(lambda: batches().map(pipeline, range(20)))
    noted = [stage.metadata["usage"] for run in run_of(path, inside=20).inside for stage in run_of_id(path, run.run_id)]
    assert (events["pipeline.end"], len(noted)) == (20, 40)
    assert (result.usage.calls, result.usage.input_tokens) == (
        sum(usage["calls"] for usage in noted),
        sum(usage["input_tokens"] for usage in noted),
    )


def run_of_id(path, run_id):
    with History(path) as history:
        return history.run(run_id).stages
