"""Stages and their configuration: defaults, refusals, and what each error policy does."""

import math
import random
from fractions import Fraction

import attrs
import pytest

from atrio import Backoff, ErrorPolicy, Pipeline, RunStatus, Stage, StageConfig, is_transient
from atrio.testing import ScriptedAgent, answer, fail

STOP, RETRY, SKIP = ErrorPolicy.STOP, ErrorPolicy.RETRY, ErrorPolicy.SKIP


async def echo(data):
    return data


def test_a_stage_has_the_promised_defaults():
    stage = Stage("s", echo)
    assert (stage.stage_id, stage.name, stage.description) == ("s", "s", "")
    assert stage.config == StageConfig()


def test_a_stage_keeps_what_it_is_given():
    config = StageConfig(attempts=2)
    stage = Stage("s", echo, name="A name", description="What it does", config=config)
    assert (stage.name, stage.description) == ("A name", "What it does")
    assert stage.config is config


def test_a_configuration_has_the_promised_defaults():
    config = StageConfig()
    assert (config.attempts, config.timeout, config.error_policy) == (3, 60.0, RETRY)
    assert config.backoff == Backoff(initial=1.0, factor=2.0, maximum=10.0, jitter=0.0)
    assert config.retry_on is is_transient
    assert isinstance(config.random, random.Random)


@pytest.mark.parametrize(
    ("thing", "name"),
    [(StageConfig(), "attempts"), (Backoff(), "initial"), (Stage("s", echo), "stage_id")],
    ids=["config", "backoff", "stage"],
)
def test_what_is_configured_is_frozen(thing, name):
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(thing, name, getattr(thing, name))


@pytest.mark.parametrize("policy", ErrorPolicy)
def test_policies_are_their_names_in_lower_case(policy):
    assert policy.value == policy.name.lower()
    assert {each.name for each in ErrorPolicy} == {"STOP", "RETRY", "SKIP"}


WRONG_TYPES = [True, False, "1", Fraction(1, 2), [1]]


@pytest.mark.parametrize("bad", [*WRONG_TYPES, None, 1.0, 2.5, math.nan], ids=repr)
def test_attempts_of_a_wrong_type_are_refused(bad):
    with pytest.raises(TypeError, match=r"StageConfig\.attempts must be a whole number, at least 1"):
        StageConfig(attempts=bad)


@pytest.mark.parametrize("bad", [0, -1])
def test_attempts_below_1_are_refused(bad):
    with pytest.raises(ValueError, match=r"StageConfig\.attempts"):
        StageConfig(attempts=bad)


@pytest.mark.parametrize("bad", WRONG_TYPES, ids=repr)
def test_a_timeout_of_a_wrong_type_is_refused(bad):
    with pytest.raises(TypeError, match=r"StageConfig\.timeout must be a number of seconds above 0"):
        StageConfig(timeout=bad)


@pytest.mark.parametrize("bad", [0, 0.0, -1, math.nan, -math.inf])
def test_a_timeout_not_above_0_is_refused(bad):
    with pytest.raises(ValueError, match=r"StageConfig\.timeout"):
        StageConfig(timeout=bad)


@pytest.mark.parametrize("good", [None, 1, 0.5])
def test_a_timeout_is_a_number_above_0_or_none(good):
    assert StageConfig(timeout=good).timeout is good


@pytest.mark.parametrize("name", ["initial", "factor", "maximum", "jitter"])
class TestBackoff:
    @pytest.mark.parametrize("bad", [*WRONG_TYPES, None], ids=repr)
    def test_a_wrong_type_is_refused(self, name, bad):
        with pytest.raises(TypeError, match=rf"Backoff\.{name} must be"):
            Backoff(**{name: bad})

    @pytest.mark.parametrize("bad", [-1, -0.1, math.nan, math.inf])
    def test_a_number_out_of_range_is_refused(self, name, bad):
        with pytest.raises(ValueError, match=rf"Backoff\.{name} must be"):
            Backoff(**{name: bad})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("error_policy", "retry"),
        ("error_policy", None),
        ("backoff", 1.0),
        ("backoff", None),
        ("random", 7),
        ("retry_on", None),
        ("retry_on", "OSError"),
        ("retry_on", OSError()),
        ("retry_on", int),
        ("retry_on", KeyboardInterrupt),
        ("retry_on", [OSError]),
        ("retry_on", (OSError, "ValueError")),
        ("retry_on", (OSError, bool)),
    ],
)
def test_any_other_setting_of_a_wrong_type_is_refused(name, bad):
    with pytest.raises(TypeError, match=rf"StageConfig\.{name} must be"):
        StageConfig(**{name: bad})


@pytest.mark.parametrize("good", [OSError, Exception, (OSError, ValueError), bool, lambda error: True])
def test_retry_on_is_a_class_a_tuple_or_a_predicate(good):
    if good is bool:
        with pytest.raises(TypeError):
            StageConfig(retry_on=good)  # a class, but of no exceptions
    else:
        assert StageConfig(retry_on=good).retry_on is good


@pytest.mark.parametrize(
    "wrong", [{"config": None}, {"config": {"attempts": 2}}, {"name": 5}, {"description": None, "name": b"n"}], ids=repr
)
def test_a_stage_refuses_what_is_of_a_wrong_type(wrong):
    with pytest.raises(TypeError, match="of stage 's' must be a"):
        Stage("s", echo, **wrong)


# Policies


@pytest.mark.parametrize(
    ("policy", "attempts", "calls"),
    [(STOP, 1, 1), (STOP, 5, 1), (RETRY, 1, 1), (RETRY, 4, 4), (SKIP, 1, 1), (SKIP, 4, 4)],
)
async def test_a_policy_says_how_many_calls_are_made(policy, attempts, calls, autojump_clock):
    agent, after = ScriptedAgent(fail(OSError)), ScriptedAgent()
    config = StageConfig(attempts=attempts, error_policy=policy)
    pipeline = Pipeline("p").add_stage(Stage("s", agent, config=config)).add_stage(Stage("after", after))
    result = await pipeline.execute("data")
    assert len(agent.calls) == result.stages[0].attempts == calls
    assert [failure.attempt for failure in result.stages[0].failures] == list(range(1, calls + 1))
    assert len(after.calls) == (policy is SKIP)
    assert result.status is (RunStatus.DEGRADED if policy is SKIP else RunStatus.FAILED)


@pytest.mark.parametrize("policy", [RETRY, SKIP])
async def test_attempts_end_with_the_first_success(policy, autojump_clock):
    agent = ScriptedAgent(fail(OSError), answer("done"))
    stage = Stage("s", agent, config=StageConfig(attempts=5, error_policy=policy))
    result = await Pipeline("p").add_stage(stage).execute("data")
    assert (len(agent.calls), result.output, result.status) == (2, "done", RunStatus.SUCCESS)
    record = result.stages[0]
    assert (record.status, record.attempts, record.error, len(record.failures)) == ("success", 2, None, 1)


@pytest.mark.parametrize("policy", ErrorPolicy)
async def test_what_is_not_worth_a_retry_ends_as_the_policy_says_after_one_call(policy):
    agent = ScriptedAgent(fail(TypeError("mine")))
    stage = Stage("s", agent, config=StageConfig(attempts=5, error_policy=policy))
    result = await Pipeline("p").add_stage(stage).execute("data")
    assert len(agent.calls) == 1
    assert result.stages[0].status == ("skipped" if policy is SKIP else "error")


async def test_after_a_skipped_stage_the_next_gets_what_it_was_given_before_middleware():
    async def mark(data, stage, context):
        return f"{data}>{stage.stage_id}"

    broken, after = ScriptedAgent(fail(OSError)), ScriptedAgent()
    skip = StageConfig(attempts=1, error_policy=SKIP)
    pipeline = (
        Pipeline("p")
        .add_stage(Stage("a", echo))
        .add_stage(Stage("b", broken, config=skip))
        .add_stage(Stage("c", after))
        .add_middleware(mark)
    )
    result = await pipeline.execute("x")
    assert broken.calls[0].data == "x>a>b"
    assert after.calls[0].data == result.output == "x>a>c"


async def test_stages_that_share_a_configuration_share_nothing_else():
    config = StageConfig(attempts=1, error_policy=SKIP)
    agents = ScriptedAgent(fail(OSError), answer("second")), ScriptedAgent()
    pipeline = Pipeline("p")
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(str(number), agent, config=config))
    first, second = await pipeline.execute("x"), await pipeline.execute("x")
    assert [record.status for record in first.stages] == ["skipped", "success"]
    assert [record.status for record in second.stages] == ["success", "success"]
