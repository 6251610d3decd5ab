"""Guarded calls: whoever does not call the agent, or does not guard it, is noticed."""

import json

import pytest
import trio

from benchmarks.harness.features import FEATURES
from benchmarks.micro import guard
from benchmarks.micro.calls import ANSWER, FAILING_CALLS, Calls
from benchmarks.micro.guard_entries import PROGRAMS, ROWS


class Unguarded(Calls):
    """Calls the agent, or does not, and guards nothing."""

    def __init__(self, call=None):
        super().__init__(trio.run, trio.sleep)
        self.call = call

    async def build(self, agents, rate=0):
        return self.call or agents[0].process


async def pretends(data):
    return f"{data} 1"


async def answers_otherwise(data):
    return f"{data} 2"


@pytest.mark.parametrize("call", [pretends, answers_otherwise])
def test_other_answers_are_noticed(call):
    assert Unguarded(call).answer() != ANSWER


def test_answers_are_json():
    assert json.loads(json.dumps(Unguarded().answer())) == ANSWER


def test_what_guards_nothing_shows_nothing():
    assert Unguarded().probe_breaker() == f"{FAILING_CALLS} of {FAILING_CALLS} calls reached the agent, 0 returned"
    assert Unguarded().probe_rate().startswith("24 calls took 0.0")


def test_a_breaker_that_makes_answers_up_is_noticed():
    assert Unguarded(pretends).probe_breaker() == "0 of 30 calls reached the agent, 30 returned"


@pytest.mark.parametrize(
    ("build", "feature"), [(guard.Breaker, "breaker"), (guard.Limiter, "rate"), (guard.Pool, "limit")]
)
def test_guards_are_at_work(build, feature):
    assert getattr(build(), f"probe_{feature}")() == FEATURES[feature].expected


def test_the_targets_of_guards():
    targets = {row.above: row.target for row in ROWS if row.target}
    assert targets == {
        "guard.call.breaker": "<= 1.5 us",
        "guard.call.limiter": "<= 2 us",
        "guard.call.pool": "<= 4 us",
    }
    assert {row.minus for row in ROWS if row.target} == {"guard.call.bare"}
    assert {program.name for program in PROGRAMS} >= {name for row in ROWS for name in row.programs}
