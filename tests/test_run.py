"""The fast form of a run equals the plain one, on random runs and on those that hide its classic mistakes."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import Backoff, ErrorPolicy, Pipeline, PipelineContext, Stage, StageConfig, observe
from atrio.testing import ScriptedAgent, answer, capture_events, fail, run_in_virtual_time
from plain_loop import Trace, plain_run

moments = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
steps = st.one_of(
    st.builds(answer, st.integers(), after=moments),
    st.builds(
        fail, st.sampled_from([OSError("x"), TypeError("y"), TimeoutError("z"), trio.TooSlowError]), after=moments
    ),
)
configs = st.builds(
    StageConfig,
    attempts=st.integers(1, 4),
    timeout=st.sampled_from([None, 0.5, 1.0, 2.0]),
    error_policy=st.sampled_from(ErrorPolicy),
    backoff=st.builds(Backoff, initial=st.sampled_from([0.0, 0.5, 1.0]), maximum=st.just(2.0)),
)
scripts = st.lists(st.tuples(st.lists(steps, min_size=1, max_size=5), configs), min_size=1, max_size=6)
pauses = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 5.0]))
outer_deadlines = st.one_of(st.just(float("inf")), st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 4.0, 7.5]))


def stages_of(script):
    return [Stage(f"s{i}", ScriptedAgent(*steps), config=config) for i, (steps, config) in enumerate(script)]


def middleware_of(pause):
    async def wait(data, stage, context):
        await trio.sleep(pause)
        return data

    return [] if pause is None else [wait]


async def plain(script, pause, deadline):
    trace = Trace()
    with trio.CancelScope(deadline=deadline) as scope:
        await plain_run(stages_of(script), middleware_of(pause), "data", trace)
    return trace, scope.cancelled_caught


async def fast(script, pause, deadline):
    pipeline = Pipeline("p")
    for stage in stages_of(script):
        pipeline.add_stage(stage)
    for function in middleware_of(pause):
        pipeline.add_middleware(function)
    context, result = PipelineContext("p"), None
    with trio.CancelScope(deadline=deadline) as scope:
        result = await pipeline.execute("data", context)
    rows = [
        {
            "stage": record.stage_id,
            "status": record.status.value,
            "attempts": record.attempts,
            "failures": [(f.attempt, f.error_type, f.duration_s, f.backoff_s) for f in record.failures],
            "took": record.duration_s,
            "begun": (record.started_at - context.started_at).total_seconds(),
        }
        for record in context.stage_history
    ]
    output = result.output if result else None
    return Trace(rows, context.status.value, output, trio.current_time()), scope.cancelled_caught


@settings(max_examples=600, deadline=None)
@given(scripts, pauses, outer_deadlines)
def test_fast_run_equals_the_plain_one(script, pause, deadline):
    expected, expected_caught = run_in_virtual_time(plain, script, pause, deadline)
    got, caught = run_in_virtual_time(fast, script, pause, deadline)
    assert caught == expected_caught
    assert got == expected


@settings(max_examples=200, deadline=None)
@given(scripts, pauses, outer_deadlines)
def test_every_start_has_one_end(script, pause, deadline):
    with capture_events() as events:
        got, _ = run_in_virtual_time(fast, script, pause, deadline)
    starts = [event.stage_index for event in events if event.event_name == "stage.start"]
    ends = [(event.stage_index, event.status) for event in events if event.event_name == "stage.end"]
    assert [index for index, _ in ends] == starts
    assert [status for _, status in ends] == [row["status"] for row in got.stages]
    assert events.names.count("pipeline.start") == events.names.count("pipeline.end") == 1
    assert events.names[0] == "pipeline.start"
    assert events.names[-1] == "pipeline.end"
    # A failure is followed by a retry, but for the one that ended its stage.
    followed = [
        len(row["failures"]) - (row["failures"] != [] and row["status"] in {"error", "skipped"}) for row in got.stages
    ]
    assert events.names.count("stage.retry") == sum(followed)


async def test_deadline_of_an_instant_stage_is_not_left_behind(autojump_clock):
    pipeline = (
        Pipeline("p")
        .add_stage(Stage("instant", ScriptedAgent(), config=StageConfig(timeout=1)))
        .add_stage(Stage("endless", ScriptedAgent(answer(after=100)), config=StageConfig(timeout=None)))
    )
    result = await pipeline.execute(1)
    assert result.status == "success"
    assert result.duration_s == 100


async def test_deadline_does_not_cover_middleware(autojump_clock):
    async def slow(data, stage, context):
        await trio.sleep(100)
        return data

    pipeline = Pipeline("p").add_middleware(slow)
    for name in ("first", "second"):
        pipeline.add_stage(Stage(name, ScriptedAgent(answer(after=0.5)), config=StageConfig(timeout=1)))
    result = await pipeline.execute(1)
    assert result.status == "success"
    assert [record.duration_s for record in result.stages] == [100.5, 100.5]


@pytest.mark.parametrize("where", ["middleware", "agent", "backoff"])
async def test_effective_deadline_is_the_callers_but_for_the_agent(autojump_clock, where):
    seen = {}

    async def look(data, stage, context):
        seen["middleware"] = trio.current_effective_deadline()
        return data

    async def agent(data):
        seen.setdefault("agent", trio.current_effective_deadline())
        if "backoff" not in seen:
            seen["backoff"] = None
            raise OSError
        return data

    def note_backoff(event):
        if event.event_name == "stage.retry":
            seen["backoff"] = trio.current_effective_deadline()

    pipeline = Pipeline("p").add_stage(Stage("first", ScriptedAgent())).add_middleware(look)
    pipeline.add_stage(Stage("s", agent, config=StageConfig(timeout=7, backoff=Backoff(1.0))))
    with trio.fail_after(50), observe(note_backoff):
        assert (await pipeline.execute(1)).status == "success"
    assert seen[where] == {"middleware": 50.0, "agent": 7.0, "backoff": 50.0}[where]
