"""A run that is cancelled says so, once, whatever it was doing, and lets the cancellation through."""

import itertools

import pytest
import trio
from trio.testing import MockClock

from atrio import Backoff, ErrorPolicy, Pipeline, PipelineContext, Stage, StageConfig
from atrio.adapters import in_thread
from atrio.testing import ScriptedAgent, answer, cancel_at_checkpoint, capture_events, fail, run_in_virtual_time


class Guarded:
    """Takes a permit, as an agent with a limit does."""

    def __init__(self):
        self.limiter = trio.CapacityLimiter(1)

    async def process(self, data):
        async with self.limiter:
            await trio.sleep(1)
        return data


async def pause(data, stage, context):
    await trio.lowlevel.checkpoint()
    return data


def five_stages(guarded):
    nested = Pipeline("nested").add_stage(Stage("inner", ScriptedAgent(answer(after=1))))
    skipped = StageConfig(attempts=2, error_policy=ErrorPolicy.SKIP, backoff=Backoff(1))
    return (
        Pipeline("five")
        .add_stage(Stage("instant", ScriptedAgent()))
        .add_stage(Stage("guarded", guarded))
        .add_stage(Stage("retried", ScriptedAgent(fail(), answer(after=100), answer()), config=StageConfig(timeout=5)))
        .add_stage(Stage("skipped", ScriptedAgent(fail()), config=skipped))
        .add_stage(Stage("nested", nested))
        .add_middleware(pause)
    )


async def cancelled_at(number):
    guarded, context = Guarded(), PipelineContext("five")
    living = trio.lowlevel.current_statistics().tasks_living
    with capture_events() as events:
        cancelled = await cancel_at_checkpoint(number, five_stages(guarded).execute, 1, context)
    assert trio.lowlevel.current_statistics().tasks_living == living
    assert guarded.limiter.borrowed_tokens == 0
    assert trio.current_effective_deadline() == float("inf")
    return cancelled, context, events


def test_cancelled_at_every_checkpoint():
    numbers = itertools.count(1)
    for number in numbers:
        cancelled, context, events = run_in_virtual_time(cancelled_at, number)
        own = [event for event in events if event.run_id == context.run_id]
        ends = [event for event in own if event.event_name == "pipeline.end"]
        assert len(ends) == 1
        assert own[-1] is ends[0]
        assert ends[0].status == context.status
        started = [event.stage_id for event in own if event.event_name == "stage.start"]
        assert started == [event.stage_id for event in own if event.event_name == "stage.end"]
        assert started == [record.stage_id for record in context.stage_history]
        nested = [event.event_name for event in events if event.run_id != context.run_id]
        assert nested.count("pipeline.start") == nested.count("pipeline.end")
        if not cancelled:
            break
        assert context.status == "cancelled"
        assert [record.status for record in context.stage_history if record.status == "cancelled"] in (
            [],
            ["cancelled"],
        )
    assert context.status == "degraded"
    assert number > 12  # it has that many checkpoints at least: a stage each, middleware, waits


async def test_cancelled_run_gives_its_records_to_the_context(autojump_clock):
    context = PipelineContext("p")
    pipeline = Pipeline("p").add_stage(Stage("done", ScriptedAgent(answer("kept", after=1))))
    pipeline.add_stage(Stage("stopped", ScriptedAgent(fail(), answer(after=9)), config=StageConfig(backoff=Backoff(1))))
    with trio.move_on_after(5):
        await pipeline.execute(1, context)
    done, stopped = context.stage_history
    assert (done.status, done.output) == ("success", "kept")
    assert (stopped.status, stopped.attempts, stopped.duration_s) == ("cancelled", 2, 4)
    assert [failure.backoff_s for failure in stopped.failures] == [1]
    assert context.error_log == ()


async def test_pending_cancellation_is_noticed_before_the_next_stage(autojump_clock):
    second = ScriptedAgent()
    with trio.CancelScope() as scope:

        async def cancels(data):
            scope.cancel()
            return data

        await Pipeline("p").add_stage(Stage("first", cancels)).add_stage(Stage("second", second)).execute(1)
    assert scope.cancelled_caught
    assert second.calls == []


async def test_pending_cancellation_is_noticed_before_a_retry(autojump_clock):
    context, calls = PipelineContext("p"), []
    with trio.CancelScope() as scope:

        async def cancels(data):
            calls.append(data)
            scope.cancel()
            raise OSError

        await Pipeline("p").add_stage(Stage("s", cancels, config=StageConfig(backoff=Backoff(0)))).execute(1, context)
    assert scope.cancelled_caught
    assert calls == [1]
    assert context.status == "cancelled"


async def test_finished_result_is_not_thrown_away(autojump_clock):
    result = None
    with trio.CancelScope() as scope:

        async def cancels(data):
            scope.cancel()
            return "finished"

        result = await Pipeline("p").add_stage(Stage("last", cancels)).execute(1)
    assert result.unwrap() == "finished"
    assert not scope.cancelled_caught


async def test_finished_failure_is_not_thrown_away(autojump_clock):
    with trio.CancelScope() as scope:

        async def cancels(data):
            scope.cancel()
            raise TypeError("no retry")

        pipeline = Pipeline("p").add_stage(Stage("s", cancels)).add_stage(Stage("never", ScriptedAgent()))
        result = await pipeline.execute(1)
    assert result.status == "failed"


async def test_errors_beside_an_outer_cancellation_leave_with_it(autojump_clock):
    async def breaks_when_cancelled():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while closing")

    async def agent(data):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(breaks_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    context = PipelineContext("p")
    with pytest.RaisesGroup(ValueError, allow_unwrapped=True, flatten_subgroups=True), trio.move_on_after(1):
        await Pipeline("p").add_stage(Stage("s", agent)).execute(1, context)
    assert context.status == "cancelled"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_is_no_exception_is_never_caught(autojump_clock, error):
    agent, context = ScriptedAgent(fail(error)), PipelineContext("p")
    with pytest.raises(error), capture_events() as events:
        await Pipeline("p").add_stage(Stage("s", agent)).execute(1, context)
    assert len(agent.calls) == 1
    assert context.status == "cancelled"
    assert events.names[-2:] == ["stage.end", "pipeline.end"]


def test_agent_that_never_blocks_cannot_outrun_a_deadline():
    # Time passes only where the agent makes it pass, as it does when it computes.
    clock, calls = MockClock(), []

    async def computes(data):
        calls.append(data)
        clock.jump(0.001)
        raise OSError

    async def main():
        config = StageConfig(attempts=1_000_000, backoff=Backoff(0), timeout=None)
        with trio.move_on_after(0.2):
            return await Pipeline("p").add_stage(Stage("s", computes, config=config)).execute(1)

    result = trio.run(main, clock=clock)
    # The wait that would end at the deadline is not begun, so the run ends as a failure just before or at it.
    assert result is None or result.status == "failed"
    assert len(calls) <= 201


async def test_thread_is_told_of_the_timeout():
    def polls(data):
        while True:
            trio.from_thread.check_cancelled()

    agent = in_thread(polls, max_threads=1)
    config = StageConfig(attempts=2, timeout=0.01, backoff=Backoff(0))
    result = await Pipeline("p").add_stage(Stage("s", agent, config=config)).execute(1)
    assert [failure.error_type for failure in result.stages[0].failures] == ["timeout", "timeout"]
    assert agent._limiter.borrowed_tokens == 0
