"""The breaker's sync core against a plain model: any order of calls, ends of calls, and steps of the clock."""

from combinator_cases import EXAMPLES, Broken, Harmless
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from atrio import BreakerState, CircuitBreaker, CircuitOpenError
from atrio.combinators import circuit_breaker
from atrio.testing import capture_events


class Model:
    """What a breaker must do, in the words of its contract."""

    def __init__(self, threshold, recovery, probes):
        self.threshold, self.recovery, self.most_probes = threshold, recovery, probes
        self.state, self.epoch, self.row = "closed", 0, 0
        self.opened_at, self.out, self.succeeded = 0, 0, 0
        self.log = []

    def turn(self, state):
        self.state, self.row, self.out, self.succeeded = state, 0, 0, 0
        self.epoch += 1
        self.log.append(state)

    def refusal(self, now):
        if self.state == "open" and now < self.opened_at + self.recovery:
            return self.opened_at + self.recovery - now
        # A probe that succeeded keeps its place: there are so many per recovery.
        if self.state == "half_open" and self.out + self.succeeded >= self.most_probes:
            return 0
        return None

    def call(self, now):
        if self.state == "open":
            self.turn("half_open")
        if self.state == "half_open":
            self.out += 1
        return self.epoch

    def end(self, epoch, how, now):
        if epoch != self.epoch:
            return
        probe = self.state == "half_open"
        self.out -= probe
        if how == "fail":
            self.row += 1
            if probe or self.row == self.threshold:
                self.turn("open")
                self.opened_at = now
        elif how == "succeed" and probe:
            self.succeeded += 1
            if self.succeeded == self.most_probes:
                self.turn("closed")
        elif how == "succeed":
            self.row = 0


class BreakerMachine(RuleBasedStateMachine):
    calls = Bundle("calls")

    @initialize(
        threshold=st.integers(1, 3), recovery=st.integers(1, 8), probes=st.integers(1, 3), start=st.integers(0, 9)
    )
    def build(self, threshold, recovery, probes, start):
        self.now = start
        self.patched, circuit_breaker.elapsed_clock = circuit_breaker.elapsed_clock, lambda: self.now
        self.capturing = capture_events()
        self.events = self.capturing.__enter__()
        self.model = Model(threshold, recovery, probes)
        self.breaker = CircuitBreaker(
            "b", failure_threshold=threshold, recovery_timeout=recovery, half_open_max_calls=probes, trips_on=Broken
        )
        self.refused = self.let_through = 0

    def teardown(self):
        if hasattr(self, "patched"):
            circuit_breaker.elapsed_clock = self.patched
            self.capturing.__exit__(None, None, None)

    @rule(seconds=st.integers(0, 6))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(target=calls)
    def call(self):
        expected = self.model.refusal(self.now)
        try:
            generation = self.breaker.admit()
        except CircuitOpenError as error:
            assert error.retry_after == expected  # noqa: PT017 - the machine goes on after it
            self.refused += 1
            return None
        assert expected is None
        self.let_through += 1
        return generation, self.model.call(self.now)

    @rule(call=consumes(calls), how=st.sampled_from(["succeed", "fail", "fail", "cancelled", "harmless"]))
    def call_ends(self, call, how):
        if call is None:
            return
        generation, epoch = call
        self.model.end(epoch, how, self.now)
        if how == "succeed":
            self.breaker.record_success(generation)
        elif how == "cancelled":
            self.breaker.give_back(generation)
        else:
            self.breaker.record_failure(generation, Broken() if how == "fail" else Harmless())

    @invariant()
    def it_is_as_the_model_says(self):
        if not hasattr(self, "breaker"):
            return
        statistics = self.breaker.statistics()
        assert self.breaker.state == statistics.state == self.model.state
        assert self.breaker.retry_after() == self.model.refusal(self.now)
        assert statistics.consecutive_failures == self.model.row
        assert (statistics.calls, statistics.refused) == (self.let_through, self.refused)
        assert statistics.opened == self.model.log.count("open")
        names = {"open": "breaker.opened", "half_open": "breaker.half_opened", "closed": "breaker.closed"}
        assert self.events.names == [names[state] for state in self.model.log]
        if self.model.state == BreakerState.HALF_OPEN:
            assert self.model.out + self.model.succeeded <= self.model.most_probes


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
