"""Records, results, and the figures derived from them."""

import traceback
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from atrio import (
    AttemptFailure,
    Backoff,
    ErrorEntry,
    ErrorInfo,
    ErrorPolicy,
    Pipeline,
    PipelineContext,
    PipelineError,
    PipelinePerformance,
    PipelineResult,
    PipelineSummary,
    RunStatus,
    Stage,
    StageConfig,
    StageRecord,
    StageStatus,
    StageTimeoutError,
    current_context,
)
from atrio._results import percentile
from atrio.testing import ScriptedAgent, answer, fail, fixed_stamps, run_in_virtual_time

ONCE = StageConfig(attempts=1)
SKIP = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def run(*stages, data="x"):
    pipeline = Pipeline("p")
    for number, (agent, config) in enumerate(stages):
        pipeline.add_stage(Stage(f"s{number}", agent, config=config))
    return await pipeline.execute(data)


def raised_by(function, kind=PipelineError):
    with pytest.raises(kind) as caught:
        function()
    return caught.value


def good(value="good", after=0):
    return ScriptedAgent(answer(value, after=after)), ONCE


def skipped(after=0):
    return ScriptedAgent(fail(OSError("skipped"), after=after)), SKIP


def failed(error=None, after=0):
    return ScriptedAgent(fail(error or OSError("failed"), after=after)), ONCE


# Status, output, last output


def test_the_statuses_are_their_names_in_lower_case():
    names = ["PENDING", "RUNNING", "SUCCESS", "DEGRADED", "FAILED", "TIMEOUT", "CANCELLED"]
    assert {status.name: status.value for status in RunStatus} == {name: name.lower() for name in names}
    assert {status.value for status in StageStatus} == {"success", "error", "skipped", "cancelled"}


@pytest.mark.parametrize(
    ("stages", "status", "output", "last_output"),
    [
        ([good(1)], RunStatus.SUCCESS, 1, 1),
        ([good(1), good(2)], RunStatus.SUCCESS, 2, 2),
        ([good(1), good(None)], RunStatus.SUCCESS, None, None),
        ([skipped()], RunStatus.DEGRADED, "x", None),
        ([skipped(), skipped()], RunStatus.DEGRADED, "x", None),
        ([good(1), skipped()], RunStatus.DEGRADED, 1, 1),
        ([skipped(), good(2)], RunStatus.DEGRADED, 2, 2),
        ([failed()], RunStatus.FAILED, None, None),
        ([good(1), failed(), good(2)], RunStatus.FAILED, None, 1),
        ([good(1), skipped(), failed()], RunStatus.FAILED, None, 1),
    ],
    ids=lambda value: "-".join(str(each[1].error_policy) for each in value) if isinstance(value, list) else None,
)
async def test_status_output_and_last_output(stages, status, output, last_output):
    result = await run(*stages)
    assert (result.status, result.output, result.last_output) == (status, output, last_output)
    if status is RunStatus.FAILED:
        with pytest.raises(PipelineError):
            result.unwrap()
    else:
        assert result.unwrap() == output


# Records


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            StageRecord,
            (
                "index stage_id stage_name agent_id status started_at duration_s attempts "
                "input_size output_size output error failures metadata"
            ),
        ),
        (AttemptFailure, "attempt error_type message duration_s backoff_s"),
        (ErrorInfo, "error_type message exception timed_out"),
        (ErrorEntry, "message error_type stage_id timestamp"),
        (
            PipelineResult,
            "run_id pipeline_id status output last_output stages errors metadata started_at duration_s stage_count",
        ),
        (
            PipelineSummary,
            "total_stages successful_stages failed_stages skipped_stages total_execution_time_s average_stage_time_s",
        ),
        (
            PipelinePerformance,
            (
                "failure_rate stage_efficiency average_stage_time_s min_stage_time_s p95_stage_time_s max_stage_time_s "
                "total_stage_time_s"
            ),
        ),
    ],
)
def test_records_and_results_have_the_promised_fields(kind, names):
    assert " ".join(each.name for each in attrs.fields(kind)) == names


async def test_there_is_a_record_for_every_stage_that_was_begun_and_no_other():
    result = await run(good(), skipped(), good(), failed(), good())
    assert [record.status for record in result.stages] == ["success", "skipped", "success", "error"]
    assert [record.index for record in result.stages] == [0, 1, 2, 3]
    assert [record.stage_id for record in result.stages] == ["s0", "s1", "s2", "s3"]


async def test_a_record_of_a_success():
    stage = Stage("s", ScriptedAgent(answer([1, 2]), agent_id="agent"), name="The stage")
    record = (await Pipeline("p").add_stage(stage).execute("abc")).stages[0]
    assert (record.stage_name, record.agent_id, record.attempts) == ("The stage", "agent", 1)
    assert (record.output, record.input_size, record.output_size) == ([1, 2], 3, 2)
    assert (record.error, record.failures, record.metadata) == (None, (), {})


async def test_a_record_tells_each_failed_attempt_and_the_times_of_all(autojump_clock):
    async def slow(data, stage, context):
        await trio.sleep(100)
        return data

    agent = ScriptedAgent(fail(OSError("one"), after=1), fail(KeyError("two"), after=2), answer(after=3))
    config = StageConfig(backoff=Backoff(initial=10, factor=2, maximum=1000))
    pipeline = Pipeline("p").add_stage(Stage("s", agent, config=config)).add_middleware(slow)
    record = (await pipeline.execute("x")).stages[0]
    assert record.failures == (
        AttemptFailure(1, "OSError", "one", 1, 10),
        AttemptFailure(2, "KeyError", "'two'", 2, 20),
    )
    assert (record.attempts, record.duration_s, record.status) == (3, 136, "success")


async def test_the_last_failed_attempt_is_followed_by_no_wait(autojump_clock):
    record = (await run((ScriptedAgent(fail(OSError("x"), after=1)), StageConfig(attempts=2)))).stages[0]
    assert [failure.backoff_s for failure in record.failures] == [1, 0]
    assert (record.error.message, record.duration_s) == ("x", 3)


async def test_an_error_keeps_the_exception_itself_traceback_and_all():
    async def reads_a_file(data):
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise OSError("gone") from cause

    info = (await run((reads_a_file, ONCE))).stages[0].error
    assert (info.error_type, info.message) == ("OSError", "gone")
    assert isinstance(info.exception.__cause__, KeyError)
    assert "reads_a_file" in [frame.name for frame in traceback.extract_tb(info.exception.__traceback__)]
    assert "KeyError: 'cause'" in info.stack
    assert "reads_a_file" in info.stack


async def test_a_stack_shows_no_local_variables():
    async def login(data):
        raise OSError("denied")

    assert "hunter2" not in (await run((login, ONCE), data="hunter2")).stages[0].error.stack


class Unformattable(OSError):
    """Its own formatting breaks."""

    @property
    def __notes__(self):
        raise RuntimeError("no")

    @property
    def __suppress_context__(self):
        raise RuntimeError("no")


async def test_a_stack_is_a_text_also_where_formatting_raises():
    info = (await run(failed(Unformattable("gone")))).stages[0].error
    assert (info.error_type, info.message) == ("Unformattable", "gone")
    assert "Unformattable: gone" in info.stack


async def test_timestamps_are_of_the_wall_clock_and_durations_of_trios(autojump_clock):
    with fixed_stamps(NOON):
        autojump_clock.jump(5)
        result = await run(good(after=10), skipped(after=20), good(after=30))
    assert result.started_at == NOON + timedelta(seconds=5)
    starts = [(record.started_at - NOON).total_seconds() for record in result.stages]
    assert starts == pytest.approx([5, 15, 35], abs=1e-5)
    assert [record.duration_s for record in result.stages] == [10, 20, 30]
    assert result.duration_s == 60
    assert {record.started_at.tzinfo for record in result.stages} == {UTC}


async def test_a_record_of_a_real_run_has_the_time_of_day():
    before = datetime.now(UTC)
    result = await run(good())
    assert before - timedelta(milliseconds=1) <= result.stages[0].started_at <= datetime.now(UTC)


async def test_a_result_is_frozen():
    result = await run(good())
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        result.status = RunStatus.FAILED


async def test_the_metadata_is_as_it_was_when_the_run_ended():
    async def add(data):
        current_context().metadata["during"] = 1
        return data

    context = PipelineContext("p", {"before": 0})
    result = await Pipeline("p").add_stage(Stage("a", add)).execute("x", context)
    context.metadata["after"] = 2
    assert result.metadata == {"before": 0, "during": 1}


# unwrap


async def test_unwrap_raises_where_it_failed_and_why():
    error = ValueError("bad input")
    result = await run(good(), failed(error))
    caught = raised_by(result.unwrap)
    assert (caught.pipeline_id, caught.stage_id) == ("p", "s1")
    assert caught.result is result
    assert caught.__cause__ is error
    assert type(caught) is PipelineError
    for part in ("'p'", "'s1'", "ValueError", "bad input"):
        assert part in str(caught)


async def test_unwrap_of_an_error_that_says_nothing_names_its_type():
    result = await run(failed(ValueError()))
    assert str(raised_by(result.unwrap)).endswith("ValueError")


async def test_unwrap_of_a_timeout_is_a_timeout(autojump_clock):
    result = await run((ScriptedAgent(answer(after=10)), StageConfig(attempts=1, timeout=1)))
    caught = raised_by(result.unwrap, TimeoutError)
    assert isinstance(caught, StageTimeoutError)
    assert isinstance(caught.__cause__, StageTimeoutError)
    assert caught.result is result


async def test_unwrap_can_be_asked_again():
    result = await run(failed())
    first, second = (raised_by(result.unwrap) for _ in range(2))
    assert first is not second
    assert first.__cause__ is second.__cause__


@pytest.mark.parametrize("stages", [0, 1])
def test_unwrap_of_a_result_without_an_error_says_which_pipeline(stages):
    records = tuple(record_of(number, StageStatus.CANCELLED, 1.0) for number in range(stages))
    result = PipelineResult("0" * 32, "the-one", RunStatus.CANCELLED, None, None, records, (), {}, NOON, 1.0)
    caught = raised_by(result.unwrap)
    assert "'the-one'" in str(caught)
    assert (caught.stage_id, caught.__cause__) == ("0" if stages else None, None)


# Figures

SECONDS = st.floats(0, 1e6)
KINDS = st.sampled_from(list(StageStatus))


def record_of(number, status, seconds):
    return StageRecord(number, str(number), "", "a", status, NOON, seconds, 1, None, None, None, None, (), {})


@given(st.lists(st.tuples(KINDS, SECONDS), max_size=50), st.integers(0, 5), SECONDS)
def test_the_figures_are_what_a_naive_computation_gives(stages, not_run, duration_s):
    records = tuple(record_of(number, *each) for number, each in enumerate(stages))
    total = len(records) + not_run
    result = PipelineResult("0" * 32, "p", RunStatus.SUCCESS, 1, 1, records, (), {}, NOON, duration_s, total)
    kinds, seconds = [each[0] for each in stages], sorted(each[1] for each in stages)
    average = sum(seconds) / len(seconds) if seconds else 0
    summary, performance = result.summary, result.performance

    assert summary.total_stages == total
    assert summary.successful_stages == kinds.count("success")
    assert summary.failed_stages == kinds.count("error")
    assert summary.skipped_stages == kinds.count("skipped")
    assert summary.total_execution_time_s == duration_s
    assert summary.average_stage_time_s == performance.average_stage_time_s == pytest.approx(average)
    assert performance.total_stage_time_s == pytest.approx(sum(seconds))
    if seconds:
        assert performance.failure_rate == pytest.approx(kinds.count("error") / len(kinds))
        assert performance.stage_efficiency == pytest.approx(kinds.count("success") / len(kinds))
        assert performance.min_stage_time_s == seconds[0]
        assert performance.max_stage_time_s == seconds[-1]
        assert performance.p95_stage_time_s == seconds[-(-95 * len(seconds) // 100) - 1]
    else:
        assert set(attrs.astuple(performance)) == {0}


@given(st.lists(st.floats(0, 1e300), min_size=1))
def test_the_average_lies_between_the_extremes(seconds):
    records = tuple(record_of(number, StageStatus.SUCCESS, each) for number, each in enumerate(seconds))
    result = PipelineResult("0" * 32, "p", RunStatus.SUCCESS, 1, 1, records, (), {}, NOON, 1.0)
    assert min(seconds) <= result.performance.average_stage_time_s <= max(seconds)


@pytest.mark.parametrize("percent", [1, 50, 90, 95, 99, 100])
def test_a_percentile_is_the_nearest_rank_for_any_number_of_values(percent):
    for count in range(1, 2001):
        assert percentile(range(1, count + 1), percent / 100) == -(-percent * count // 100)


def test_averages_are_over_the_stages_that_were_run():
    result = run_in_virtual_time(run, good(after=1), skipped(after=2), failed(after=6), good(after=1), good(after=1))
    assert result.summary.total_stages == 5
    assert result.summary.average_stage_time_s == result.performance.average_stage_time_s == 3
    assert result.performance.total_stage_time_s == result.summary.total_execution_time_s == 9
    assert result.performance.stage_efficiency == result.performance.failure_rate == pytest.approx(1 / 3)
    assert (result.performance.min_stage_time_s, result.performance.max_stage_time_s) == (1, 6)
    assert (result.summary.successful_stages, result.summary.failed_stages, result.summary.skipped_stages) == (1, 1, 1)
