"""Random batches and streams against a plain model: exactly one outcome for each input pulled, to the unit of time."""

from contextlib import suppress
from contextvars import ContextVar
from math import inf

import pytest
import trio
from batch_cases import EXAMPLES, assert_events_add_up, assert_permits_are_back, processor_of
from batch_model import UNIT, Case, ModelAgent, Scripted, Work, expected_of, source_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrio import BatchError
from atrio.testing import capture_events, run_in_virtual_time

variable = ContextVar("variable", default="the default")

even = st.integers(0, 12).map(lambda units: 2 * units)
works = st.builds(
    Work, even, st.sampled_from(["answer", "answer", "fail", "own_timeout", "deaf", "shielded"]), st.booleans()
)


@st.composite
def cases(draw):
    source = draw(st.sampled_from(["list", "generator", "async"]))
    inputs = tuple(draw(st.lists(works, min_size=1, max_size=10)))
    # A feeder that wakes in the instant in which all ends may come first or not: its times are even and the ends' odd.
    ends = st.integers(1, 80).map(lambda units: 2 * units + 1) if source == "async" else st.integers(1, 160)
    if source == "async":
        # What is pulled while a deaf agent outlives the end is nobody's promise.
        inputs = tuple(work if work.does != "shielded" else Work(work.units) for work in inputs)
    return Case(
        inputs,
        draw(st.integers(1, 4)),
        source,
        draw(even) if source == "async" else 0,
        raises=source != "list" and draw(st.booleans()),
        timeout=draw(st.just(inf) | ends),
        task_timeout=draw(st.just(inf) | st.integers(1, 12).map(lambda units: 2 * units)),
        cancel=draw(st.just(inf) | st.just(inf) | ends),
    )


def in_seconds(units):
    return None if units == inf else units * UNIT


class Ran:
    """A case, run: what came out, and what was seen of it."""

    def __init__(self, case):
        self.case = case
        self.agent = ModelAgent(variable)
        self.processor = processor_of(
            case.places, timeout=in_seconds(case.timeout), task_timeout=in_seconds(case.task_timeout)
        )
        self.outcomes = []
        self.result = self.status = self.error = None

    async def batch(self, source):
        try:
            self.result = await self.processor.process_batch(source)
        except BatchError as error:
            self.error, self.result = error, error.result
        self.outcomes = list(self.result.results)
        self.status = self.result.status

    async def stream(self, source):
        try:
            async with self.processor.stream(source) as outcomes:
                try:
                    async for outcome in outcomes:
                        self.outcomes.append(outcome)
                finally:
                    self.status = outcomes.status
        except Scripted as error:
            self.error = error

    async def run(self, how):
        variable.set("the caller's")
        source = source_of(self.case, [(self.agent, work) for work in self.case.works])
        self.began = trio.current_time()
        deadline = self.began + self.case.cancel * UNIT
        with capture_events() as self.events, trio.CancelScope(deadline=deadline) as scope:
            await getattr(self, how)(source)
        self.cancelled = scope.cancelled_caught
        self.took = trio.current_time() - self.began
        assert_permits_are_back(self.processor)
        return self

    def compare(self, expected):
        case = self.case
        assert self.agent.living == 0
        assert self.agent.most_living <= case.places
        assert self.agent.seen <= {"the caller's"}
        assert_events_add_up(self.events)
        ends = {event.task_index: event for event in self.events if event.event_name == "task.end"}
        assert {index: (event.status, event.queued_s, event.duration_s) for index, event in ends.items()} == {
            index: (status, begun * UNIT, units * UNIT)
            for index, (status, begun, units) in enumerate(expected.outcomes)
            if status != "not_started"
        }
        assert self.cancelled == (self.events[-1].status == "cancelled")
        if case.cancel <= case.timeout and expected.stopped:
            assert self.cancelled
        elif expected.late and case.cancel <= expected.ended and self.cancelled:
            pass  # an agent that outlived the caller's cancellation was the last: it may be noticed or not
        else:
            assert not self.cancelled
            self.compare_outcomes(expected)

    def compare_outcomes(self, expected):
        by_index = sorted(self.outcomes, key=lambda outcome: outcome.index)
        assert [(str(each.status), each.queued_s, each.duration_s) for each in by_index] == [
            (status, begun * UNIT, units * UNIT) for status, begun, units in expected.outcomes
        ]
        assert [each.index for each in by_index] == list(range(len(by_index)))
        for each in by_index:
            assert each.result is (self.case.works[each.index] if each.status == "success" else None)
            assert (each.started_at is None) == (each.status == "not_started")
        assert (self.error is not None) == expected.source_failed
        assert self.status == self.events[-1].status
        assert self.status == self.status_of(expected) or (expected.late and self.status == "timeout")
        assert self.took == max(expected.ended * UNIT, self.case.timeout * UNIT if expected.stopped else 0) or (
            self.case.source == "async"
        )

    def status_of(self, expected):
        if expected.stopped:
            return "timeout"
        succeeded = sum(status == "success" for status, *_ in expected.outcomes)
        if succeeded == len(expected.outcomes):
            return "success"
        return "degraded" if 2 * succeeded > len(expected.outcomes) else "failed"


@pytest.mark.parametrize("how", ["batch", "stream"])
@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(case=cases())
@example(Case((Work(4, "deaf"), Work(4, "deaf"), Work(0)), 1, timeout=2))
@example(Case((Work(8, "shielded"), Work(8, "shielded")), 1, "generator", timeout=2))
@example(Case((Work(4), Work(4)), 1, timeout=4))
@example(Case((Work(4), Work(4)), 1, timeout=4, task_timeout=4))
@example(Case((Work(4), Work(4)), 1, timeout=8, task_timeout=4))
@example(Case((Work(4), Work(4)), 1, timeout=4, cancel=4))
@example(Case((Work(0), Work(0)), 2, "async", 2, raises=True, timeout=1))
def test_every_input_pulled_has_the_outcome_that_the_model_says(how, case):
    ran = run_in_virtual_time(Ran(case).run, how)
    ran.compare(expected_of(case))
    if how == "batch":
        assert [each.index for each in ran.outcomes] == list(range(len(ran.outcomes)))
        if ran.error is not None:
            assert [type(each) for each in ran.error.exceptions] == [Scripted]
    else:
        ends = [each.queued_s + each.duration_s for each in ran.outcomes if each.status != "not_started"]
        assert ends == sorted(ends)


async def consume(case, pause, leave_after, drain_after):
    """Take outcomes with a pause after each; leave or drain after so many."""
    processor, agent, came = processor_of(case.places, timeout=in_seconds(case.timeout)), ModelAgent(variable), []
    pulled = 0

    def count(pair):
        nonlocal pulled
        pulled += 1
        return pair

    source = source_of(case, [(agent, work) for work in case.works], count)
    with capture_events() as events, trio.move_on_after(case.cancel * UNIT), suppress(Scripted):
        async with processor.stream(source) as outcomes:
            async for outcome in outcomes:
                came.append(outcome.index)
                assert pulled - len(came) <= case.places + 1
                if len(came) == drain_after:
                    outcomes.drain()
                if len(came) == leave_after:
                    break
                await trio.sleep(pause * UNIT)
                assert pulled - len(came) <= case.places + 1
    assert_permits_are_back(processor)
    assert_events_add_up(events)
    assert (agent.living, agent.most_living <= case.places) == (0, True)
    assert len(set(came)) == len(came) <= pulled
    left_alone = case.cancel == case.timeout == inf and not leave_after
    assert not left_alone or sorted(came) == list(range(pulled))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(cases(), st.integers(0, 30), st.just(0) | st.integers(1, 6), st.just(0) | st.integers(1, 6))
def test_a_slow_consumer_holds_the_source_back_and_loses_nothing(case, pause, leave_after, drain_after):
    run_in_virtual_time(consume, case, pause, leave_after, drain_after)


async def share(batches, places):
    processor, agent = processor_of(places), ModelAgent(variable)
    results = []

    async def one(begins, case):
        await trio.sleep(begins * UNIT)
        with trio.move_on_after(case.cancel * UNIT):
            source = source_of(case, [(agent, work) for work in case.works])
            with suppress(BatchError):
                results.append((case, await processor.process_batch(source)))

    with capture_events() as events:
        async with trio.open_nursery() as nursery:
            for begins, case in batches:
                nursery.start_soon(one, begins, case)
    assert (agent.living, agent.most_living <= places) == (0, True)
    assert_permits_are_back(processor)
    assert_events_add_up(events)
    for case, result in results:
        assert [each.index for each in result.results] == list(range(len(case.works)))
        assert {str(each.status) for each in result.results} <= {"success", "error"}


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(st.lists(st.tuples(even, cases()), min_size=2, max_size=5), st.integers(1, 4))
def test_batches_that_share_a_processor_share_its_limit(batches, places):
    run_in_virtual_time(share, batches, places)
