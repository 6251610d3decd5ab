"""Who is best at a capability, and why."""

import math
import os
import random

import attrs
import pytest
import trio
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atrio import Candidate, CircuitBreaker
from atrio.registry.measuring import measured
from atrio.registry.performance import FORGIVEN_AFTER, FORGIVING_FROM, CallsSnapshot, Traffic
from atrio.registry.ranking import ENOUGH, Standing, availability_of, candidates_of, performance_of, ranked
from atrio.testing import ScriptedAgent, answer, fail, run_in_virtual_time

EXAMPLES = int(os.environ.get("ATRIO_EXAMPLES", "1000")) // 5

shares = st.floats(0, 1)


@st.composite
def records(draw):
    calls = draw(st.integers(0, 1000))
    failures = draw(st.integers(0, calls))
    return CallsSnapshot(
        seen=draw(st.integers(1000, 5000)) if calls == 1000 else calls,
        calls=calls,
        failures=failures,
        recent_failures=draw(st.integers(max(0, failures - max(calls - 20, 0)), min(failures, 20))),
        mean_s=draw(st.floats(0, 1e6)) if calls > failures else None,
        active=draw(st.integers(0, 6)),
        rested=draw(st.integers(0, 200)),
        failure_weight=draw(shares),
        slowness_weight=draw(shares),
    )


def standings(ids="abcdefgh"):
    one = st.builds(
        Standing,
        st.sampled_from(list(ids)),
        shares,
        records(),
        st.integers(1, 4),
        st.sampled_from([(), (), ("KEY",), ("KEY", "URL")]),
        st.sampled_from([None, None, 0.0, 12.5]),
    )
    return st.lists(one, max_size=8, unique_by=lambda each: each.agent_id)


def working(calls=40, **others):
    return CallsSnapshot(seen=calls, calls=calls, **{"mean_s": 0.1, **others})


# The three factors


@settings(max_examples=EXAMPLES, deadline=None)
@given(standings())
def test_figures_are_shares_and_the_score_is_their_product(agents):
    for each in candidates_of(agents):
        factors = each.capability_score, each.performance, each.availability
        assert all(0 <= figure <= 1 for figure in (*factors, each.score))
        assert each.score == pytest.approx(math.prod(factors))
        assert len(each.reasons) == 3
        assert all(each.reasons)
        assert str(each).startswith(f"{each.agent_id}: ")


@settings(max_examples=EXAMPLES, deadline=None)
@given(standings().flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))))
def test_the_order_in_which_they_come_does_not_matter(drawn):
    one, other = map(candidates_of, drawn)
    assert one == other
    assert ranked(reversed(one)) == one


@settings(max_examples=EXAMPLES, deadline=None)
@given(standings())
def test_whoever_cannot_work_comes_after_all_who_can(agents):
    refused = [each.refusal is not None for each in candidates_of(agents)]
    assert refused == sorted(refused)


@settings(max_examples=EXAMPLES, deadline=None)
@given(standings(), st.data())
def test_a_better_factor_never_costs_a_place(agents, data):
    assume(agents)
    chosen = data.draw(st.sampled_from(agents))
    before = [each.agent_id for each in candidates_of(agents)].index(chosen.agent_id)
    calls = chosen.calls
    better = data.draw(
        st.sampled_from(
            [
                attrs.evolve(chosen, capability_score=data.draw(st.floats(chosen.capability_score, 1))),
                attrs.evolve(chosen, capacity=chosen.capacity + 1),
                attrs.evolve(chosen, missing=(), refused_for=None),
                attrs.evolve(chosen, calls=attrs.evolve(calls, active=0)),
                attrs.evolve(chosen, calls=attrs.evolve(calls, recent_failures=0, failures=calls.failures // 2)),
                attrs.evolve(chosen, calls=attrs.evolve(calls, failure_weight=0.0)),
                attrs.evolve(chosen, calls=attrs.evolve(calls, slowness_weight=0.0)),
            ]
        )
    )
    after = candidates_of([better if each is chosen else each for each in agents])
    assert [each.agent_id for each in after].index(chosen.agent_id) <= before


@settings(max_examples=EXAMPLES, deadline=None)
@given(records(), st.lists(records(), max_size=4), st.floats(0, 1e6))
def test_performance_falls_with_failures_and_with_slowness(calls, rivals, faster_s):
    now = performance_of(calls, rivals)
    assert performance_of(calls, [*rivals, calls]) == now, "whether its own are among them does not matter"
    if calls.failures < calls.calls:
        assert performance_of(attrs.evolve(calls, failures=calls.failures + 1), rivals) <= now
        assert performance_of(attrs.evolve(calls, mean_s=calls.mean_s + faster_s), rivals) <= now
    assert performance_of(calls, [*rivals, working(mean_s=faster_s)]) <= now


def test_until_enough_was_seen_an_agent_is_neutral():
    traffic = Traffic()
    calls = traffic.record_for(["a"])
    for _ in range(ENOUGH - 1):
        calls.begin()
        calls.fail()
    assert performance_of(calls.snapshot(), [working()]) == 1
    assert "neutral: 19 of the 20 calls seen" in str(candidates_of([Standing("a", 1.0, calls.snapshot())])[0])
    calls.begin()
    calls.fail()
    assert performance_of(calls.snapshot(), [working()]) == 0


def test_the_speed_of_a_rival_of_whom_little_was_seen_says_nothing():
    slow = working(mean_s=2.0)
    assert performance_of(slow, [working(ENOUGH - 1, mean_s=0.1)]) == 1
    assert performance_of(slow, [working(ENOUGH, mean_s=0.1)]) == pytest.approx(0.75 + 0.25 * 0.101 / 2.001)


@pytest.mark.parametrize(
    ("own_s", "rivals_s", "performance"),
    [
        (1.0, [], 1.0),
        (1.0, [2.0, 4.0], 1.0),
        (4.0, [2.0, 8.0], pytest.approx(0.875, abs=1e-3)),  # half as fast: half of the quarter
        (1e6, [0.0], pytest.approx(0.75, abs=1e-6)),
        (2e-6, [1e-6], pytest.approx(1.0, abs=1e-3)),  # nobody minds
        (0.0, [0.0], 1.0),
    ],
)
def test_speed_is_relative_to_the_fastest_rival(own_s, rivals_s, performance):
    assert performance_of(working(mean_s=own_s), [working(mean_s=each) for each in rivals_s]) == performance


def test_an_outage_shows_in_the_last_calls():
    assert performance_of(CallsSnapshot(3000, 1000, 20, 20, 0.1), []) == 0
    assert performance_of(CallsSnapshot(3000, 1000, 20, 0, 0.1), []) == 0.98


@pytest.mark.parametrize(
    ("standing", "availability", "words"),
    [
        (Standing("a", 1.0), 1.0, "1 of 1 place free"),
        (Standing("a", 1.0, working(active=1), 4), 0.75, "3 of 4 places free"),
        (Standing("a", 1.0, working(active=4), 4), 0.0, "0 of 4 places free"),
        (Standing("a", 1.0, working(active=9), 4), 0.0, "0 of 4 places free"),
        (Standing("a", 1.0, missing=("KEY",)), 0.0, "it needs KEY, which is not set"),
        (Standing("a", 1.0, missing=("KEY", "URL")), 0.0, "it needs KEY, URL, which are not set"),
        (Standing("a", 1.0, beyond="it takes 9 cores of 2", refused_for=1.0), 0.0, "it takes 9 cores of 2"),
        (Standing("a", 1.0, refused_for=999.6), 0.0, "its circuit breaker is open for another 1000 s"),
        (Standing("a", 1.0, refused_for=12.25), 0.0, "its circuit breaker is open for another 12.2 s"),
        (Standing("a", 1.0, refused_for=86400.0), 0.0, "its circuit breaker is open for another 86400 s"),
        (Standing("a", 1.0, refused_for=0.0), 0.0, "its circuit breaker is half-open and its probes are out"),
    ],
)
def test_availability_and_why(standing, availability, words):
    assert availability_of(standing) == (availability, words)
    candidate = candidates_of([standing])[0]
    assert (candidate.availability, candidate.reasons[2]) == (availability, words)
    assert candidate.refusal == (None if "free" in words else words)


# The order


def order(*candidates):
    return [each.agent_id for each in ranked(candidates)]


def test_equal_scores_go_by_id():
    assert order(*(Candidate(name, 0.5, 0.5, 1.0, 1.0) for name in "cab")) == ["a", "b", "c"]


def test_of_those_that_score_nothing_who_can_work_comes_first():
    assert order(
        Candidate("a", 0.0, 1.0, 1.0, 0.0, refusal="its circuit breaker is open"),
        Candidate("b", 0.0, 1.0, 0.0, 1.0),  # it fails
        Candidate("c", 0.0, 0.9, 1.0, 0.0),  # it is busy
        Candidate("d", 0.1, 0.1, 1.0, 1.0),
    ) == ["d", "c", "b", "a"]


def test_a_candidate_explains_itself():
    plain = Candidate("a", 0.225, 0.9, 0.5, 0.5)
    assert str(plain) == "a: 0.225 = capability 0.9 x performance 0.5 x availability 0.5"
    own = CallsSnapshot(50, 50, 5, 4, 0.4, 1, 30, 0.7, 0.35)
    told = {
        each.agent_id: str(each) for each in candidates_of([Standing("own", 0.9, own, 4), Standing("b", 1, working())])
    }
    assert told["own"] == (
        "own: 0.542 = capability 0.9 (as its definition says) x performance 0.804 (5 of its last 50 calls failed, 4 of "
        "the last 20, 30% of that forgiven, 0.4 s a call, its fastest rival 0.1 s, 65% of that forgiven) "
        "x availability 0.75 (3 of 4 places free)"
    )
    assert "(0 of its last 40 calls failed)" in told["b"]
    unforgiven = attrs.evolve(own, recent_failures=2, failure_weight=1.0, slowness_weight=1.0)
    last = candidates_of([Standing("own", 0.9, unforgiven), Standing("b", 1, working())])[-1]
    assert last.reasons[1] == "5 of its last 50 calls failed, 0.4 s a call, its fastest rival 0.1 s"


# Losing the first place, and getting it back


class World:
    """A chooser that always takes the first in rank, and agents of which one is broken or slow for a while."""

    def __init__(self, **scores):
        traffic = Traffic()
        self.scores = scores
        self.records = {name: traffic.record_for(["c"]) for name in scores}
        self.broken, self.slow = (lambda name: False), (lambda name: False)

    def choose(self):
        agents = [Standing(name, score, self.records[name].snapshot("c")) for name, score in self.scores.items()]
        return candidates_of(agents)[0].agent_id

    def call(self, name):
        """Call an agent, and say whether it failed."""
        calls = self.records[name]
        rested = calls.begin()
        if self.broken(name):
            calls.fail()
            return True
        calls.succeed(1.0 if self.slow(name) else 0.1, rested)
        return False

    def run(self, choices):
        """Call whoever is first in rank, so many times, and return who that was."""
        chosen = []
        for _ in range(choices):
            chosen.append(self.choose())
            self.call(chosen[-1])
        return chosen


@pytest.mark.parametrize("before", [0, 30, 1200])
@pytest.mark.parametrize("rival", [0.99, 0.9, 0.5, 0.1, 0.001])
def test_an_agent_that_fails_loses_its_place_and_gets_it_back(rival, before):
    world = World(first=1.0, second=rival)
    assert set(world.run(before)) <= {"first"}
    world.broken = lambda name: name == "first"
    world.run(20)
    assert world.choose() == "second", "20 calls at most until its place is lost"
    outage = world.run(1000)
    rest = max(FORGIVING_FROM, int(rival * FORGIVEN_AFTER))
    assert outage.count("first") <= 20 + 1000 / (rest + 1), "one call for each time that it is tried again"
    world.broken = lambda name: False
    assert "first" in world.run(FORGIVEN_AFTER + 1), "100 calls of its rival at most until it is tried again"
    assert set(world.run(300)) == {"first"}


def test_with_several_rivals_it_is_tried_again_just_as_soon():
    world = World(first=1.0, second=0.9, third=0.9, fourth=0.8)
    world.broken = lambda name: name in {"first", "second"}
    world.run(1000)
    world.broken = lambda name: False
    assert "first" in world.run(FORGIVEN_AFTER + 2)
    assert set(world.run(300)) == {"first"}


def test_while_all_fail_all_are_tried_and_who_recovers_first_is_taken():
    world = World(first=1.0, second=0.9, third=0.8)
    world.run(50)
    world.broken = lambda name: True
    assert set(world.run(300)[100:]) == {"first", "second", "third"}
    world.broken = lambda name: name != "third"
    chosen = world.run(100)
    assert chosen.index("third") <= 2 * FORGIVING_FROM
    assert chosen.count("third") > 50


def test_an_agent_that_fails_now_and_then_costs_little():
    world = World(first=1.0, second=0.9)
    draws = random.Random(7)
    world.broken = lambda name: name == "first" and draws.random() < 0.5
    failures = sum(world.call(world.choose()) for _ in range(5000))
    assert failures <= 5000 * 0.02 + ENOUGH


def test_an_id_cannot_forge_lines():
    assert str(Candidate("a\nb\x1b[31m: 1", 1.0, 1.0, 1.0, 1.0)).startswith(r"a\nb\x1b[31m: 1: 1 = ")


@pytest.mark.parametrize("rival", [0.99, 0.9, 0.8])
def test_an_agent_that_becomes_slow_loses_its_place_and_gets_it_back(rival):
    world = World(first=1.0, second=rival)
    for _ in range(ENOUGH):
        world.call("second")
    assert set(world.run(1000)) == {"first"}
    world.slow = lambda name: name == "first"
    world.run(500)
    assert world.run(2000).count("first") <= 600
    world.slow = lambda name: False
    world.run(200)
    assert set(world.run(500)) == {"first"}


def test_many_who_choose_at_once_try_a_broken_agent_one_at_a_time():
    traffic = Traffic()
    records = {name: traffic.record_for(["c"]) for name in ("first", "second")}
    broken = ScriptedAgent(answer(after=1, times=30), fail(after=1))
    agents = {
        "first": measured(broken, records["first"]),
        "second": measured(ScriptedAgent(answer(after=1)), records["second"]),
    }
    chosen = []

    async def work():
        for _ in range(60):
            known = [Standing(name, 1.0, calls.snapshot("c"), 100) for name, calls in records.items()]
            chosen.append((candidates_of(known)[0].agent_id, trio.current_time()))
            try:
                await agents[chosen[-1][0]].process(None)
            except OSError:
                continue

    async def run():
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(work)

    run_in_virtual_time(run)
    late = [name for name, time in chosen if time > 5]
    assert 1 <= late.count("first") <= len(late) / FORGIVING_FROM


def test_an_open_breaker_gives_the_place_away_and_is_probed_when_its_time_has_come():
    breaker = CircuitBreaker("b", failure_threshold=3, recovery_timeout=10)
    calls = Traffic().record_for(["c"])
    agent = measured(ScriptedAgent(fail(ConnectionError, times=3), answer()), calls, breaker=breaker)

    def first():
        guarded = Standing("a", 1.0, calls.snapshot("c"), refused_for=breaker.retry_after())
        return candidates_of([guarded, Standing("b", 0.01)])[0].agent_id

    async def run():
        for _ in range(3):
            assert first() == "a"
            with pytest.raises(ConnectionError):
                await agent.process(1)
        assert first() == "b"
        await trio.sleep(10)
        assert first() == "a"
        await agent.process(1)
        assert first() == "a"

    run_in_virtual_time(run)
