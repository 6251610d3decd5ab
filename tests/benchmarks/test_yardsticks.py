"""The pipeline twin does what it claims: what is compared must be the same work."""

import asyncio
import dataclasses
import io
import json
import logging
import time
from random import Random

import attrs
import pytest
import trio

import atrio
from benchmarks.twin import events as twin_events
from benchmarks.twin import pipeline as twin
from benchmarks.twin.logs import JsonFormatter, lean_records, log_event, logging_to
from benchmarks.twin.records import PipelineError, RunContext, RunStatus, StageStatus, current_run, new_run_id
from benchmarks.twin.stage import (
    Backoff,
    ErrorPolicy,
    Stage,
    StageConfig,
    call_by_timeout,
    call_by_wait_for,
    is_transient,
)

CALLS = [call_by_wait_for, call_by_timeout]
NO_WAIT = Backoff(initial=0)


class Add:
    def __init__(self, mark):
        self.mark = mark

    async def process(self, data):
        return data + self.mark


class Scripted:
    agent_id = "scripted"

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.given = []

    async def process(self, data):
        self.given.append(data)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def sleeper(data):
    await asyncio.sleep(10)
    return data


async def turns_cancellation_into_own_timeout(data):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        raise TimeoutError("my own") from None


async def answers_though_cancelled(data):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        return data


async def has_a_deadline_of_its_own(data):
    async with asyncio.timeout(0.001):
        await asyncio.sleep(10)


def pipeline_of(*agents, call=call_by_wait_for, **config):
    pipeline = twin.Pipeline("p", call=call)
    for index, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{index}", agent, config=StageConfig(backoff=NO_WAIT, **config)))
    return pipeline


def execute(pipeline, data="x", context=None):
    return asyncio.run(pipeline.execute(data, context))


def atrio_pipeline_of(stages):
    pipeline = atrio.Pipeline("p")
    for index in range(stages):
        pipeline.add_stage(atrio.Stage(f"s{index}", Add("!")))
    return pipeline


def lines_of(file):
    return [json.loads(line) for line in file.getvalue().splitlines()]


def logged(pipeline, level=logging.DEBUG):
    file = io.BytesIO()
    with logging_to(file, logging.getLogger("twin"), level):
        execute(pipeline)
    return lines_of(file)


class TestTwinStages:
    def test_first_attempt_succeeds(self):
        result = execute(pipeline_of(Add("1"), Add("23")))
        assert (result.status, result.output, result.unwrap(), result.last_output) == ("success", *["x123"] * 3)
        first, second = result.stages
        assert (second.index, second.stage_id, second.stage_name, second.agent_id) == (1, "s1", "s1", "Add")
        assert (second.status, second.attempts, second.failures, second.error) == (StageStatus.SUCCESS, 1, (), None)
        assert (second.input_size, second.output_size, second.output) == (2, 4, "x123")
        assert first.started_at.utcoffset().total_seconds() == 0
        assert first.started_at <= second.started_at
        assert 0 < first.duration_s < result.duration_s

    @pytest.mark.parametrize("call", CALLS)
    def test_retry_until_success(self, call):
        agent = Scripted(ConnectionError("one"), ConnectionError("two"), "done")
        result = execute(pipeline_of(agent, call=call))
        (record,) = result.stages
        assert (result.status, result.output) == ("success", "done")
        assert (record.attempts, record.output_size, record.error) == (3, 4, None)
        assert [(each.attempt, each.error_type, each.message) for each in record.failures] == [
            (1, "ConnectionError", "one"),
            (2, "ConnectionError", "two"),
        ]
        assert agent.given == ["x"] * 3

    @pytest.mark.parametrize(("policy", "calls"), [(ErrorPolicy.STOP, 1), (ErrorPolicy.RETRY, 3)])
    def test_stop_and_retry_fail_the_pipeline(self, policy, calls):
        agent = Scripted(*[ConnectionError("down")] * 3)
        result = execute(pipeline_of(agent, Add("!"), error_policy=policy))
        assert (result.status, result.output, result.last_output) == ("failed", None, None)
        assert [record.attempts for record in result.stages] == [calls]
        assert [(entry.error_type, entry.stage_id) for entry in result.errors] == [("ConnectionError", "s0")]
        with pytest.raises(PipelineError) as raised:
            result.unwrap()
        assert isinstance(raised.value.__cause__, ConnectionError)

    def test_skip_passes_on_what_the_stage_was_given(self):
        agent = Scripted(*[ConnectionError("down")] * 3)

        async def shout(data, stage, run):
            return data.upper()

        pipeline = pipeline_of(agent, Add("!"), error_policy=ErrorPolicy.SKIP).add_middleware(shout)
        result = execute(pipeline)
        assert (result.status, result.output) == ("degraded", "X!")
        assert [record.status for record in result.stages] == ["skipped", "success"]
        assert agent.given == ["X"] * 3

    @pytest.mark.parametrize("error", [TypeError("bug"), ExceptionGroup("", [ConnectionError(), TypeError()])])
    def test_programming_errors_are_not_retried(self, error):
        result = execute(pipeline_of(Scripted(error)))
        assert (result.stages[0].attempts, result.stages[0].error) == (1, error)

    def test_groups_of_transient_errors_are(self):
        assert is_transient(ExceptionGroup("", [ConnectionError(), ExceptionGroup("", [OSError()])]))

    def test_what_is_no_agent_is_refused(self):
        with pytest.raises(TypeError, match="must be async"):
            Stage("s", print)


class TestTwinTimeouts:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize(
        ("agent", "status", "error_type"),
        [
            (sleeper, "error", "timeout"),
            (turns_cancellation_into_own_timeout, "error", "TimeoutError"),
            (answers_though_cancelled, "success", None),
        ],
    )
    def test_only_the_deadline_times_out(self, call, agent, status, error_type):
        result = execute(pipeline_of(agent, call=call, timeout=0.005, attempts=1))
        (record,) = result.stages
        assert record.status == status
        assert [failure.error_type for failure in record.failures] == ([error_type] if error_type else [])

    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("timeout", [60.0, None])
    @pytest.mark.parametrize("make_agent", [lambda: has_a_deadline_of_its_own, lambda: Scripted(TimeoutError("mine"))])
    def test_own_timeout_is_the_agents(self, call, timeout, make_agent):
        agent = make_agent()
        result = execute(pipeline_of(agent, call=call, timeout=timeout, attempts=1))
        assert result.stages[0].failures[0].error_type == "TimeoutError"

    def test_every_attempt_has_its_own_deadline(self):
        result = execute(pipeline_of(sleeper, timeout=0.005, attempts=2))
        assert [failure.error_type for failure in result.stages[0].failures] == ["timeout", "timeout"]


class TestTwinBackoff:
    def test_grows_to_its_cap(self):
        backoff = Backoff(initial=1, factor=2, maximum=5)
        assert [backoff.wait_after(attempt, Random(1)) for attempt in (1, 2, 3, 4)] == [1, 2, 4, 5]

    def test_jitter_is_drawn_on_top(self):
        backoff = Backoff(initial=10, jitter=0.5)
        waits = {backoff.wait_after(1, Random(seed)) for seed in range(20)}
        assert len(waits) > 1
        assert all(10 <= wait <= 15 for wait in waits)

    def test_retry_after_lengthens_it(self):
        error = ConnectionError()
        error.retry_after = 7.0
        assert StageConfig(backoff=NO_WAIT).wait_after(1, error) == 7.0

    def test_none_after_the_last_attempt(self):
        assert StageConfig(attempts=2).wait_after(2, ConnectionError()) is None

    def test_is_waited_for_and_noted(self):
        pipeline = twin.Pipeline("p")
        config = StageConfig(backoff=Backoff(initial=0.02), attempts=2)
        pipeline.add_stage(Stage("s", Scripted(ConnectionError(), "y"), config=config))
        (record,) = execute(pipeline).stages
        assert record.duration_s >= 0.02
        assert record.failures[0].backoff_s == 0.02


class TestTwinRuns:
    def test_middleware_failure_is_the_stages_and_not_retried(self):
        calls = []

        async def broken(data, stage, run):
            calls.append(stage.stage_id)
            raise ConnectionError("middleware")

        result = execute(pipeline_of(Add("!")).add_middleware(broken))
        assert (result.status, calls) == ("failed", ["s0"])
        assert (result.stages[0].attempts, str(result.stages[0].error)) == (0, "middleware")

    @pytest.mark.parametrize("outcomes", [(), (ConnectionError(),)], ids=["in a call", "in a backoff"])
    def test_cancellation_is_recorded_and_goes_on(self, outcomes):
        agent = Scripted(*outcomes) if outcomes else sleeper
        pipeline, context = twin.Pipeline("p"), RunContext("p")
        pipeline.add_stage(Stage("s", agent, config=StageConfig(backoff=Backoff(initial=10))))

        async def main():
            run = asyncio.create_task(pipeline.execute("x", context))
            await asyncio.sleep(0.01)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

        asyncio.run(main())
        assert context.status is RunStatus.CANCELLED
        assert [(record.status, record.attempts) for record in context.stage_history] == [("cancelled", 1)]

    def test_a_context_serves_one_run(self):
        context = RunContext("p")
        execute(pipeline_of(Add("!")), context=context)
        with pytest.raises(ValueError, match="one run"):
            execute(pipeline_of(Add("!")), context=context)

    def test_misuse(self):
        with pytest.raises(PipelineError, match="no stages"):
            execute(twin.Pipeline("p"))
        with pytest.raises(ValueError, match="already"):
            pipeline_of(Add("!")).add_stage(Stage("s0", Add("?")))

    def test_nested_runs_know_their_parent(self):
        seen = []

        async def note(data):
            seen.append(current_run.get())
            return data

        result = execute(pipeline_of(pipeline_of(note)))
        (inner,) = seen
        assert (inner.parent_run_id, inner.parent_stage_id) == (result.run_id, "s0")
        assert inner.run_id != result.run_id

    def test_run_ids_are_uuid7(self):
        ids = [new_run_id() for _ in range(1000)]
        assert len(set(ids)) == 1000
        assert all(len(each) == 32 and each[12] == "7" and each[16] in "89ab" for each in ids)
        assert [each[:12] for each in ids] == sorted(each[:12] for each in ids)

    @pytest.mark.parametrize("call", CALLS)
    def test_agents_that_never_block_let_others_run(self, call):
        async def busy(data):
            ends = time.perf_counter() + 0.0005
            while time.perf_counter() < ends:
                pass

        ticks = 0

        async def ticking():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        async def main():
            other = asyncio.create_task(ticking())
            await pipeline_of(*[busy] * 20, call=call).execute("x")
            other.cancel()

        asyncio.run(main())
        assert ticks >= 5


class TestTwinFigures:
    def test_counts_and_figures_are_over_the_stages_that_ran(self):
        flaky = Scripted(ConnectionError("down"))
        pipeline = pipeline_of(Add("1"), Add("2"), error_policy=ErrorPolicy.STOP)
        pipeline.add_stage(Stage("last", flaky, config=StageConfig(error_policy=ErrorPolicy.STOP)))
        pipeline.add_stage(Stage("never", Add("3")))
        result = execute(pipeline)
        durations = [record.duration_s for record in result.stages]
        summary, performance = result.summary, result.performance
        assert (summary.total_stages, summary.successful_stages, summary.failed_stages) == (4, 2, 1)
        assert (summary.skipped_stages, summary.total_execution_time_s) == (0, result.duration_s)
        assert summary.average_stage_time_s == performance.average_stage_time_s == pytest.approx(sum(durations) / 3)
        assert (performance.failure_rate, performance.stage_efficiency) == (1 / 3, 2 / 3)
        assert (performance.min_stage_time_s, performance.max_stage_time_s) == (min(durations), max(durations))
        assert performance.p95_stage_time_s == max(durations)
        assert performance.total_stage_time_s == pytest.approx(sum(durations))

    def test_they_are_atrios(self):
        ours = trio.run(atrio_pipeline_of(3).execute, "x")
        theirs = execute(pipeline_of(Add("!"), Add("!"), Add("!")))
        for what in ("summary", "performance"):
            assert [field.name for field in dataclasses.fields(getattr(theirs, what))] == list(
                attrs.fields_dict(type(getattr(ours, what)))
            )
        # The twin has no language models whose use it could sum up.
        assert theirs.to_dict().keys() == ours.to_dict().keys() - {"last_output", "usage"}


class TestTwinLogging:
    def test_events_of_a_run(self):
        lines = logged(pipeline_of(Scripted(ConnectionError("one"), "y"), Add("!")))
        assert [line["event"] for line in lines] == [
            "pipeline.start", "stage.start", "stage.retry", "stage.end", "stage.start", "stage.end", "pipeline.end",
        ]  # fmt: skip
        assert [line["level"] for line in lines] == ["info", "debug", "warning", "info", "debug", "info", "info"]
        assert len({line["run_id"] for line in lines}) == 1
        end = lines[-2]
        assert (end["stage_id"], end["stage_index"], end["status"], end["attempts"]) == ("s1", 1, "success", 1)
        assert (end["input_size"], end["output_size"], end["error_type"]) == (1, 2, None)
        assert end["timestamp"].endswith("Z")

    def test_failures_have_their_level_and_stack(self):
        end = logged(pipeline_of(Scripted(TypeError("bug"))), logging.WARNING)[0]
        assert (end["event"], end["level"], end["error_type"], end["error_message"]) == (
            "stage.end", "error", "TypeError", "bug",
        )  # fmt: skip
        assert "Traceback" in end["error_stack"]

    def test_quiet_builds_nothing(self, monkeypatch):
        def refuse(*args):
            pytest.fail("an event was built though nobody listens")

        monkeypatch.setattr(twin, "log_event", refuse)
        monkeypatch.setattr(twin_events, "log_event", refuse)
        with logging_to(io.BytesIO(), logging.getLogger("twin"), logging.CRITICAL):
            execute(pipeline_of(Scripted(ConnectionError(), "y"), Scripted(TypeError())))

    def test_standard_handlers_can_format_too(self):
        stream, logger = io.StringIO(), logging.getLogger("twin.stage")
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
        try:
            log_event(logger, logging.ERROR, "stage.end", {"stage_id": "s"})
        finally:
            logger.removeHandler(handler)
        assert json.loads(stream.getvalue())["stage_id"] == "s"

    def test_settings_are_put_back(self):
        logger = logging.getLogger("twin.stage")
        before = logger.level, logger.propagate, list(logger.handlers), logging.logThreads
        with lean_records(), logging_to(io.BytesIO(), logger, logging.DEBUG):
            assert (logger.level, logging.logThreads) == (logging.DEBUG, False)
        assert (logger.level, logger.propagate, list(logger.handlers), logging.logThreads) == before
