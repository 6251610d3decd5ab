"""The record of an agent's calls: what it knows of them, and what it forgives."""

import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrio.registry.performance import FORGIVEN_AFTER, FORGIVING_FROM, RECENT, WINDOW, Calls, CallsSnapshot, Traffic
from atrio.registry.ranking import Standing, candidates_of

EXAMPLES = int(os.environ.get("ATRIO_EXAMPLES", "1000")) // 5


def called(calls, outcome):
    """Let a call succeed in so many seconds, or fail where there are none."""
    rested = calls.begin()
    if outcome is None:
        calls.fail()
    else:
        calls.succeed(outcome, rested)


outcomes = st.lists(
    st.tuples(st.none() | st.floats(0, 1e6, allow_nan=False), st.sampled_from([1, 7, RECENT, WINDOW - 1, WINDOW])),
    max_size=6,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(outcomes)
@example([(1e6, WINDOW - 1), (None, WINDOW), (1e-6, WINDOW + 1)])
@example([(175448.6334191067, WINDOW - 1), (None, WINDOW - 1), (0.0, 1)])
def test_it_knows_the_last_thousand_calls_and_no_more(runs):
    calls, all_of_them = Calls(), []
    for outcome, times in runs:
        for _ in range(times):
            called(calls, outcome)
        all_of_them += [outcome] * times
    kept = all_of_them[-WINDOW:]
    took = [each for each in kept if each is not None]
    known = calls.snapshot()
    assert (known.seen, known.calls, known.active) == (len(all_of_them), len(kept), 0)
    assert known.failures == kept.count(None)
    assert known.recent_failures == kept[-RECENT:].count(None)
    if took:
        # What rounding leaves of the calls that are gone, until the sum is next taken anew.
        rest = 1e-9 * max(each for each in all_of_them if each is not None)
        assert known.mean_s == pytest.approx(math.fsum(took) / len(took), rel=1e-9, abs=rest)
    else:
        assert known.mean_s is None


def test_a_new_record_is_empty():
    assert Calls().snapshot() == CallsSnapshot()


def test_rounding_does_not_add_up():
    calls = Calls()
    for outcome in [1e12, 1e-3] * WINDOW + [1e-3] * 2 * WINDOW:
        called(calls, outcome)
    assert calls.snapshot().mean_s == pytest.approx(1e-3, rel=1e-12)


def test_a_mean_is_never_below_zero():
    calls = Calls()
    for outcome in [1e9, *[0.1] * 7, 1e9, *[0.3] * 3, *[0.0] * (WINDOW - 3)]:
        called(calls, outcome)
    assert calls.snapshot().mean_s >= 0


def test_threads_share_a_record():
    calls = Traffic().record_for(["a"])

    def call_often(outcome):
        for _ in range(5000):
            called(calls, outcome)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(call_often, [0.5, None, 0.5, None]))
    finally:
        sys.setswitchinterval(interval)
    known = calls.snapshot()
    assert (known.seen, known.calls, known.active) == (20_000, WINDOW, 0)
    assert known.failures <= WINDOW
    assert known.mean_s in {None, 0.5}


def test_it_takes_no_more_memory_with_more_calls():
    calls, sizes = Calls(), set()
    for _ in range(4):
        for _ in range(WINDOW):
            called(calls, 0.1)
        calls.snapshot()
        sizes.add(sys.getsizeof(calls._window) + sys.getsizeof(calls._active) + len(calls._new))
    assert len(sizes) == 1


# What is forgiven


def test_rest_is_counted_in_the_calls_of_rivals():
    traffic = Traffic()
    own, rival, other = (traffic.record_for(each) for each in (["a", "b"], ["b", "c"], ["c"]))
    called(own, 0.1)
    for calls in [rival] * 3 + [other] * 50:
        called(calls, 0.1)
    assert (own.snapshot("a").rested, own.snapshot("b").rested) == (0, 3)
    assert (rival.snapshot("b").rested, rival.snapshot("c").rested) == (0, 50)
    called(own, 0.1)
    assert (own.snapshot("b").rested, own.snapshot().rested) == (0, 0)


def test_capabilities_that_nobody_has_any_more_are_forgotten():
    traffic = Traffic()
    kept = traffic.record_for(["kept"])
    for number in range(100):
        called(traffic.record_for([f"gone {number}"]), 0.1)
    assert list(traffic._counts) == ["kept"]
    assert kept.snapshot().seen == 0


def rested(own, rival, calls):
    for _ in range(calls):
        called(rival, 0.1)
    return own.snapshot("a")


@pytest.mark.parametrize(
    ("rest", "weight"),
    [(0, 1), (FORGIVING_FROM - 1, 1), (FORGIVING_FROM, 0.8), (50, 0.5), (FORGIVEN_AFTER, 0), (5 * FORGIVEN_AFTER, 0)],
)
def test_what_is_held_against_an_agent_fades_as_it_rests(rest, weight):
    traffic = Traffic()
    own, rival = traffic.record_for(["a"]), traffic.record_for(["a"])
    called(own, None)
    known = rested(own, rival, rest)
    assert (known.failure_weight, known.slowness_weight) == pytest.approx((weight, weight))
    assert known.failures == 1, "forgiven is not forgotten"


def test_a_success_keeps_what_was_forgiven_and_a_failure_brings_it_back():
    traffic = Traffic()
    own, rival = traffic.record_for(["a"]), traffic.record_for(["a"])
    called(own, None)
    rested(own, rival, 50)
    called(own, 0.1)
    assert own.snapshot("a").failure_weight == pytest.approx(0.5)
    rested(own, rival, 60)
    called(own, 0.1)
    assert own.snapshot("a").failure_weight == pytest.approx(0.2)
    called(own, None)
    assert own.snapshot("a").failure_weight == 1


def test_slowness_comes_back_with_a_call_that_is_not_clearly_shorter_than_the_mean():
    traffic = Traffic()
    own, rival = traffic.record_for(["a"]), traffic.record_for(["a"])
    for _ in range(10):
        called(own, 1.0)
    rested(own, rival, 100)
    called(own, 0.1)
    assert own.snapshot("a").slowness_weight == 0
    called(own, 0.95)
    assert own.snapshot("a").slowness_weight == 1
    assert own.snapshot("a").failure_weight == 0, "slow as it was, it succeeded"


def test_the_rest_ends_as_a_call_begins():
    traffic = Traffic()
    own, rival = traffic.record_for(["a"]), traffic.record_for(["a"])
    called(own, None)
    rested(own, rival, FORGIVEN_AFTER)
    rest = own.begin()
    assert own.snapshot("a").failure_weight == 1, "one call tries it, and not everybody's"
    own.succeed(0.1, rest)
    assert own.snapshot("a").failure_weight == 0


def test_what_rivals_do_at_another_capability_forgives_nothing():
    traffic = Traffic()
    own, rival, other = traffic.record_for(["a", "b"]), traffic.record_for(["a"]), traffic.record_for(["b"])
    called(own, None)
    called(own, 3.0)
    for _ in range(60):
        called(other, 0.1)
    assert (own.snapshot("a").failure_weight, own.snapshot("a").slowness_weight) == (1, 1)
    assert own.snapshot("b").failure_weight == pytest.approx(0.4)
    called(own, 0.1)
    for _ in range(50):
        called(rival, 0.1)
    known = own.snapshot("a"), own.snapshot("b")
    assert [each.failure_weight for each in known] == pytest.approx([0.5, 0.4])
    assert [each.slowness_weight for each in known] == pytest.approx([0.5, 0.4])
    called(own, None)
    assert (own.snapshot("a").failure_weight, own.snapshot("b").failure_weight) == (1, 1)


@pytest.mark.parametrize("others", [0, 10, 30, 95])
@pytest.mark.parametrize("score", [0.25, 0.5, 0.9])
def test_an_agent_of_two_capabilities_that_fails_loses_its_place_at_each(others, score):
    traffic = Traffic()
    broken, rival, other = traffic.record_for(["a", "b"]), traffic.record_for(["a"]), traffic.record_for(["b"])
    chosen = []
    for _ in range(300):
        known = [Standing("broken", 1.0, broken.snapshot("a")), Standing("rival", score, rival.snapshot("a"))]
        chosen.append(candidates_of(known)[0].agent_id)
        called(*((broken, None) if chosen[-1] == "broken" else (rival, 0.1)))
        for _ in range(others):
            called(other, 0.1)
    assert chosen[50:].count("broken") <= 250 / FORGIVING_FROM
