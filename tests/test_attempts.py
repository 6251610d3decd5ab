"""Attempts and the waits between them, against a plain model."""

import math
import random
import traceback

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrio import (
    Backoff,
    BatchProcessor,
    CircuitOpenError,
    CostError,
    ErrorPolicy,
    NestedBatchError,
    Pipeline,
    PipelineError,
    RegistryError,
    RouteError,
    Stage,
    StageConfig,
    is_transient,
)
from atrio._attempts import causes, is_worth_a_retry, retry_after
from atrio.testing import ScriptedAgent, answer, capture_events, fail, run_in_virtual_time


class Throttled(Exception):
    def __init__(self, seconds):
        super().__init__(f"retry after {seconds}")
        self.retry_after = seconds


seconds = st.floats(0, 1e6, allow_nan=False)
backoffs = st.builds(Backoff, initial=seconds, factor=st.floats(1, 1e6), maximum=seconds, jitter=st.floats(0, 3))
KINDS = ["transient", "permanent", "hang", "throttled", "group", "mixed group", "open", "refused"]


def error_of(kind):
    return {
        "transient": OSError("x"),
        "permanent": TypeError("x"),
        "throttled": Throttled(33.0),
        "group": ExceptionGroup("g", [OSError(), ExceptionGroup("h", [ValueError()])]),
        "mixed group": ExceptionGroup("g", [OSError(), TypeError()]),
        "open": CircuitOpenError("open", retry_after=1.0),
        "refused": ExceptionGroup("g", [OSError(), CostError("too dear")]),
    }[kind]


def step_of(kind, after):
    return answer(after=10_000_000) if kind == "hang" else fail(error_of(kind), after=after)


def model(config, seed, failures):
    """The moments at which calls begin, and whether the last one succeeds."""
    draw = random.Random(seed)
    now, starts = 0.0, []
    calls = 1 if config.error_policy is ErrorPolicy.STOP else config.attempts
    for attempt in range(calls):
        starts.append(now)
        if attempt >= len(failures):
            return starts, now, True
        kind, after = failures[attempt]
        hangs = kind == "hang" or (config.timeout is not None and after >= config.timeout)
        now += config.timeout if hangs else after
        if attempt + 1 == calls or (not hangs and kind in {"permanent", "mixed group", "open", "refused"}):
            return starts, now, False
        try:
            wait = min(config.backoff.initial * config.backoff.factor**attempt, config.backoff.maximum)
        except OverflowError:
            wait = config.backoff.maximum if config.backoff.initial else 0.0
        if config.backoff.jitter:
            wait += draw.uniform(0, config.backoff.jitter * wait)
        now += max(wait, 33.0) if kind == "throttled" and not hangs else wait
    raise AssertionError


@settings(max_examples=400, deadline=None)
@given(
    attempts=st.integers(1, 8),
    timeout=st.floats(0.1, 1e5),
    policy=st.sampled_from(ErrorPolicy),
    backoff=backoffs,
    seed=st.integers(),
    failures=st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0, 100)), max_size=10),
)
def test_schedule_equals_the_models(attempts, timeout, policy, backoff, seed, failures):
    config = StageConfig(
        attempts=attempts, timeout=timeout, error_policy=policy, backoff=backoff, random=random.Random(seed)
    )
    agent = ScriptedAgent(*[step_of(kind, after) for kind, after in failures], answer())
    starts, end, succeeds = model(config, seed, failures)
    with capture_events() as events:
        result = run_in_virtual_time(Pipeline("p").add_stage(Stage("s", agent, config=config)).execute, 1)
    assert [call.started_at for call in agent.calls] == pytest.approx(starts, rel=1e-9)
    record = result.stages[0]
    assert record.attempts == len(starts)
    assert record.duration_s == pytest.approx(end, rel=1e-9)
    assert len(record.failures) == len(starts) - succeeds
    assert events.names.count("stage.retry") == len(starts) - 1
    ended = "skipped" if policy is ErrorPolicy.SKIP else "error"
    assert record.status == ("success" if succeeds else ended)


@given(backoffs, st.integers(0, 100_000), st.integers())
@example(Backoff(1.0, 2.0, 10.0), 100_000, 0)
@example(Backoff(0.0, 1e6, 10.0), 100_000, 0)
def test_delay_stays_in_its_bounds(backoff, attempt, seed):
    delay = backoff.delay(attempt, random.Random(seed))
    assert 0 <= delay <= backoff.maximum * (1 + backoff.jitter) * (1 + 1e-12)
    without = Backoff(backoff.initial, backoff.factor, backoff.maximum).delay(attempt, random.Random(seed))
    assert delay >= without


def test_default_delays():
    assert [Backoff().delay(n, random.Random()) for n in range(6)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(
    "error", [TypeError(), AttributeError(), NameError(), AssertionError(), ImportError(), NotImplementedError()]
)
def test_programmers_own_mistakes_are_not_transient(error):
    assert not is_transient(error)


@pytest.mark.parametrize("error", [OSError(), ValueError(), KeyError(), TimeoutError(), trio.TooSlowError()])
def test_everything_else_is_transient(error):
    assert is_transient(error)


def failure_of_nested(error):
    async def unwrapped():
        result = (
            await Pipeline("inner")
            .add_stage(Stage("s", ScriptedAgent(fail(error)), config=StageConfig(attempts=1)))
            .execute(1)
        )
        with pytest.raises(PipelineError) as caught:
            result.unwrap()
        return caught.value

    return run_in_virtual_time(unwrapped)


def test_of_a_nested_failure_the_agents_own_exception_is_asked_about():
    own = KeyError("own")
    nested = failure_of_nested(failure_of_nested(own))
    assert list(causes(nested)) == [own]
    assert is_worth_a_retry(KeyError, nested)
    assert not is_worth_a_retry(PipelineError, nested)
    assert not is_worth_a_retry(is_transient, failure_of_nested(TypeError()))
    assert not is_worth_a_retry(lambda _: True, failure_of_nested(CircuitOpenError("open")))


@pytest.mark.parametrize("kind", [CircuitOpenError, CostError, NestedBatchError, RegistryError, RouteError])
def test_refusals_are_never_worth_a_retry_whatever_retry_on_says(kind):
    error = kind("refused")
    for retry_on in (is_transient, kind, Exception, lambda _: True):
        assert not is_worth_a_retry(retry_on, error)
        assert not is_worth_a_retry(retry_on, ExceptionGroup("g", [OSError(), error]))
        assert not is_worth_a_retry(retry_on, failure_of_nested(error))


def test_a_pipeline_without_stages_is_asked_about_as_itself():
    error = PipelineError("no stages", pipeline_id="p")
    assert list(causes(error)) == [error]


@pytest.mark.parametrize(
    ("asked", "got"),
    [(5, 5.0), (0.5, 0.5), (0, 0.0), (-1, 0.0), (math.inf, 0.0), (math.nan, 0.0), (True, 0.0), ("7", 0.0), (None, 0.0)],
)
def test_retry_after_counts_if_it_is_a_finite_number_of_seconds(asked, got):
    assert retry_after(Throttled(asked)) == got


def test_retry_after_is_found_behind_groups_and_nested_pipelines():
    group = ExceptionGroup("g", [OSError(), Throttled(3), ExceptionGroup("h", [Throttled(8)])])
    assert retry_after(group) == 8
    assert retry_after(failure_of_nested(Throttled(4))) == 4


def test_retry_after_that_raises_asks_for_nothing():
    class Hostile(Exception):
        @property
        def retry_after(self):
            raise ValueError("no")

    assert retry_after(Hostile()) == 0


def one_stage(agent, **config):
    return Pipeline("p").add_stage(Stage("s", agent, config=StageConfig(**config)))


@pytest.mark.parametrize(("deadline", "calls"), [(10, 1), (10.5, 2), (math.inf, 2)])
async def test_a_wait_that_would_end_at_the_deadline_is_not_begun(autojump_clock, deadline, calls):
    agent = ScriptedAgent(fail(), answer("ok"))
    with trio.CancelScope(deadline=deadline):
        result = await one_stage(agent, backoff=Backoff(10)).execute(1)
        assert len(agent.calls) == calls
        assert trio.current_time() == (0 if calls == 1 else 10)
        assert result.stages[0].failures[0].backoff_s == (0 if calls == 1 else 10)
        assert result.status == ("failed" if calls == 1 else "success")


async def test_a_predicate_that_raises_ends_the_stage_with_what_it_raised(autojump_clock):
    def predicate(error):
        raise LookupError("my mistake")

    agent = ScriptedAgent(fail(OSError("first")))
    result = await one_stage(agent, retry_on=predicate).execute(1)
    record = result.stages[0]
    assert len(agent.calls) == 1
    assert record.error.message == "first"
    assert record.error.exception.__notes__[0] == "retry_on raised LookupError: my mistake"
    assert [entry.message for entry in result.errors] == ["retry_on raised LookupError: my mistake", "first"]
    assert [failure.error_type for failure in record.failures] == ["OSError"]


async def test_retry_on_a_tuple(autojump_clock):
    agent = ScriptedAgent(fail(KeyError()), fail(ValueError()), fail(OSError()), answer())
    result = await one_stage(agent, attempts=9, retry_on=(KeyError, ValueError)).execute(1)
    assert [failure.error_type for failure in result.stages[0].failures] == ["KeyError", "ValueError", "OSError"]
    assert result.status == "failed"


async def test_jitter_is_drawn_from_the_given_random(autojump_clock):
    def durations(seed):
        return one_stage(ScriptedAgent(fail()), backoff=Backoff(jitter=1.0), random=random.Random(seed))

    first, again, other = [await durations(seed).execute(1) for seed in (1, 1, 2)]
    waits = [[f.backoff_s for f in result.stages[0].failures] for result in (first, again, other)]
    assert waits[0] == waits[1] != waits[2]
    assert 1 <= waits[0][0] <= 2


async def test_a_singletons_notes_do_not_grow(autojump_clock):
    error = OSError("always the same")
    pipeline = one_stage(ScriptedAgent(fail(error)), attempts=2)
    for _ in range(3):
        await pipeline.execute(1)
    assert error.__notes__ == ["raised in stage 's' of pipeline 'p'"]


@pytest.mark.parametrize("attempts", [1, 2])
async def test_traceback_begins_in_the_agent(autojump_clock, attempts):
    async def breaks(data):
        raise OSError

    pipeline = one_stage(breaks, attempts=attempts)
    trace = (await pipeline.execute(1)).stages[0].error.exception.__traceback__
    assert trace.tb_frame.f_code is breaks.__code__
    assert trace.tb_next is None
    batch = await BatchProcessor().map(breaks, [1])
    assert batch.results[0].error.exception.__traceback__.tb_frame.f_code is breaks.__code__


async def test_traceback_of_what_middleware_raised_begins_there(autojump_clock):
    async def breaks(data, stage, context):
        raise OSError

    result = await one_stage(ScriptedAgent()).add_middleware(breaks).execute(1)
    names = [frame.name for frame in traceback.extract_tb(result.stages[0].error.exception.__traceback__)]
    assert names == ["breaks"]
