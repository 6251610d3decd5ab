"""The mistakes that an earlier design made, one test each: none of them may come back."""

import json
from datetime import timedelta

import pytest
import trio

from atrio import (
    ErrorPolicy,
    InMemoryMetrics,
    MetricsCollector,
    Pipeline,
    PipelineContext,
    PipelineError,
    RunStatus,
    SinkWarning,
    Stage,
    StageConfig,
    current_context,
    observe,
)
from atrio._stamps import uuid7
from atrio.testing import ScriptedAgent, answer, fail

ONCE = StageConfig(attempts=1)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)


def pipeline_of(*agents, config=ONCE):
    pipeline = Pipeline("p")
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent, config=config))
    return pipeline


async def test_01_zero_retries_meant_that_the_agent_never_ran():
    agent = ScriptedAgent(answer("ran"))
    assert await pipeline_of(agent, config=StageConfig(attempts=1)).process("x") == "ran"
    assert len(agent.calls) == 1
    with pytest.raises(ValueError, match="attempts"):
        StageConfig(attempts=0)


async def test_02_stop_retried(autojump_clock):
    agent = ScriptedAgent(fail(), answer())
    config = StageConfig(attempts=5, error_policy=ErrorPolicy.STOP)
    result = await pipeline_of(agent, config=config).execute("x")
    assert (len(agent.calls), result.status, trio.current_time()) == (1, RunStatus.FAILED, 0)


@pytest.mark.parametrize(
    "kind", [TypeError, AttributeError, NameError, AssertionError, ImportError, NotImplementedError]
)
async def test_03_everything_was_retried_a_type_error_too(kind, autojump_clock):
    agent = ScriptedAgent(fail(kind), answer())
    await pipeline_of(agent, config=StageConfig(attempts=5)).execute("x")
    assert len(agent.calls) == 1


@pytest.mark.parametrize("kind", [TimeoutError, trio.TooSlowError])
async def test_04_an_agents_own_timeout_error_was_reported_as_the_stages(kind):
    result = await pipeline_of(ScriptedAgent(fail(kind("mine")))).execute("x")
    info = result.stages[0].error
    assert (info.error_type, type(info.exception)) == (kind.__name__, kind)
    with pytest.raises(PipelineError) as caught:
        result.unwrap()
    assert type(caught.value) is PipelineError


async def test_05_a_cancelled_run_stayed_running_with_no_record_and_no_metric(autojump_clock):
    context, metrics = PipelineContext("p"), InMemoryMetrics()
    with observe(metrics), trio.move_on_after(1):
        await pipeline_of(ScriptedAgent(answer(after=2))).execute("x", context)
    assert context.status is RunStatus.CANCELLED
    assert [record.status for record in context.stage_history] == ["cancelled"]
    assert metrics.pipelines["p"].by_status == metrics.stages["s0"].by_status == {"cancelled": 1}


async def test_06_a_middleware_failure_left_no_record():
    async def broken(data, stage, context):
        raise OSError("middleware")

    result = await pipeline_of(ScriptedAgent()).add_middleware(broken).execute("x")
    (record,) = result.stages
    assert (record.status, record.error.message, result.errors[0].stage_id) == ("error", "middleware", "s0")


async def test_07_a_run_with_every_stage_skipped_was_a_plain_success():
    result = await pipeline_of(ScriptedAgent(fail()), ScriptedAgent(fail()), config=SKIP).execute("x")
    assert result.status is RunStatus.DEGRADED


async def test_08_a_failed_runs_output_was_its_input():
    result = await pipeline_of(ScriptedAgent(fail())).execute("x")
    assert (result.output, result.last_output) == (None, None)


async def test_09_only_the_text_of_an_error_was_kept():
    error = OSError("gone")
    result = await pipeline_of(ScriptedAgent(fail(error))).execute("x")
    assert result.stages[0].error.exception is error
    assert error.__traceback__ is not None
    with pytest.raises(PipelineError) as caught:
        result.unwrap()
    assert caught.value.__cause__ is error


async def test_10_averages_were_over_configured_and_not_over_run_stages(autojump_clock):
    result = await pipeline_of(ScriptedAgent(answer(after=4)), ScriptedAgent(fail(after=2)), ScriptedAgent()).execute(
        "x"
    )
    assert (result.summary.total_stages, result.summary.average_stage_time_s) == (3, 3)
    assert result.performance.stage_efficiency == 0.5


async def test_11_durations_were_of_the_wall_clock_and_timestamps_naive(autojump_clock):
    result = await pipeline_of(ScriptedAgent(answer(after=50)), ScriptedAgent(fail())).execute("x")
    assert (result.duration_s, result.stages[0].duration_s) == (50, 50)
    stamps = [result.started_at, result.stages[0].started_at, result.errors[0].timestamp]
    assert [stamp.utcoffset() for stamp in stamps] == [timedelta(0)] * 3


async def test_12_the_data_was_converted_to_text_for_its_length():
    class Data:
        def __str__(self):
            raise AssertionError("converted")

        __repr__ = __len__ = __str__

    result = await pipeline_of(ScriptedAgent()).execute(Data())
    assert (result.status, result.stages[0].input_size) == (RunStatus.SUCCESS, None)


def test_13_metrics_grew_without_bound():
    metrics = InMemoryMetrics(max_ids=10)
    for number in range(20_000):
        metrics.record_stage_execution(f"s{number}", number * 1e-4, "success")
    sketches = metrics._stages._sketches
    assert len(metrics.stages) == len(sketches) == 11
    assert sum(len(sketch._buckets) for sketch in sketches.values()) < 1000


class BrokenMetrics(MetricsCollector):
    def record_stage_execution(self, stage_id, duration_s, status):
        raise OSError("metrics server gone")

    record_pipeline_execution = record_stage_execution


async def test_14_a_metrics_failure_turned_a_good_stage_into_a_bad_one():
    with pytest.warns(SinkWarning), observe(BrokenMetrics()):
        result = await pipeline_of(ScriptedAgent()).execute("x")
    assert (result.status, result.stages[0].status, result.errors) == (RunStatus.SUCCESS, "success", ())


async def test_15_a_falsy_collector_was_replaced():
    class Empty(InMemoryMetrics):
        def __len__(self):
            return 0

    collector = Empty()
    with observe(collector):
        await pipeline_of(ScriptedAgent()).execute("x")
    assert (collector.stages["s0"].count, collector.pipelines["p"].count) == (1, 1)


async def test_16_stages_added_while_running_were_executed():
    late = ScriptedAgent()

    async def extend(data):
        pipeline.add_stage(Stage("late", late))
        return data

    pipeline = pipeline_of(extend)
    await pipeline.execute("x")
    assert (len(late.calls), len(pipeline.stages)) == (0, 2)


async def test_17_duplicate_stage_ids_merged_and_a_reused_context_mixed_two_runs():
    pipeline, context = pipeline_of(ScriptedAgent()), PipelineContext("p")
    with pytest.raises(ValueError, match="s0"):
        pipeline.add_stage(Stage("s0", ScriptedAgent()))
    await pipeline.execute("x", context)
    with pytest.raises(ValueError, match="a context serves one"):
        await pipeline.execute("y", context)
    assert len(context.stage_history) == 1


async def test_18_results_were_not_serialisable():
    async def noting(data):
        current_context().note(lock=object())
        raise OSError("x")

    context = PipelineContext("p", {"lock": object()})
    result = await pipeline_of(ScriptedAgent(answer({1, 2})), noting).execute(b"\xff", context)
    assert json.loads(json.dumps(result.to_dict()))["stages"][1]["error"]["error_type"] == "OSError"


def test_22_ids_collided_within_a_second():
    assert len({uuid7() for _ in range(20_000)}) == 20_000
    assert len({PipelineContext("p").run_id for _ in range(1000)}) == 1000
