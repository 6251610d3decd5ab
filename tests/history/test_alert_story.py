"""Whatever runs, over two sinks on one history: raised and resolved come in turns, and are true."""

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from alert_cases import FEW, flushing, run_all, sleep, triage
from hypothesis import given, settings
from hypothesis import strategies as st

from atrio import BatchProcessor, observe
from atrio.events import AlertRaised, AlertResolved, BreakerClosed, BreakerOpened, emit
from atrio.history import AlertSink, HistorySink, alerts_in
from atrio.history import alert_sink as module
from atrio.testing import run_in_virtual_time

COUNT = FEW.runs
PROCESSES = st.integers(0, 1)
SECONDS = st.sampled_from([-1, 1, 9])
NAMES = st.sampled_from(["triage", "a/b"])


@attrs.frozen
class Run:
    """A run of a pipeline."""

    process: int
    name: str
    seconds: int

    async def happen(self):
        await run_all(self.seconds, pipeline=triage(name=self.name))


@attrs.frozen
class Batch:
    """A batch over a plain agent, or over a pipeline."""

    process: int
    name: str
    seconds: list[int]
    is_plain: bool

    async def happen(self):
        await BatchProcessor().map(sleep if self.is_plain else triage(), self.seconds, name=self.name)


@attrs.frozen
class Breaker:
    """A circuit breaker that opens or closes."""

    process: int
    name: str
    is_open: bool

    async def happen(self):
        now = (None, None, None, None, datetime.now(UTC), self.name)
        emit(BreakerOpened(*now, 1, 5.0) if self.is_open else BreakerClosed(*now, 1.0))


STEPS = st.one_of(
    st.builds(Run, PROCESSES, NAMES, SECONDS),
    st.builds(Batch, PROCESSES, NAMES, st.lists(SECONDS, min_size=1, max_size=4), st.booleans()),
    st.builds(Breaker, PROCESSES, NAMES, st.booleans()),
)


def is_exceeded(outcomes):
    latest = outcomes[-COUNT:]
    return sum(latest) / COUNT > FEW.failure_rate if len(latest) == COUNT else None


class Model:
    """What must be raised, as far as it depends on what succeeded and on breakers, and not on durations."""

    def __init__(self):
        self.outcomes = {}
        self.breakers = {}

    def follow(self, step):
        if isinstance(step, Breaker):
            where = self.breakers.setdefault(step.name, set())
            # Both are in one process of the machine, and what closes in one is told of it.
            where.add(step.process) if step.is_open else where.clear()
        elif isinstance(step, Run):
            self.add("failure_rate", step.name, [step.seconds])
        elif step.is_plain:
            self.add("task_failure_rate", step.name, step.seconds)
        else:
            self.add("failure_rate", "triage", step.seconds)
            self.add("task_failure_rate", step.name, [1] * len(step.seconds))

    def add(self, rule, subject, seconds):
        self.outcomes.setdefault((rule, subject), []).extend(each < 0 for each in seconds)

    def open(self):
        rates = {key for key, outcomes in self.outcomes.items() if is_exceeded(outcomes)}
        return rates | {("breaker_opened", name) for name, where in self.breakers.items() if where}


def open_in(path):
    return [each for each in alerts_in(path) if each.resolved_at is None]


@pytest.fixture(scope="module", autouse=True)
def looks_at_each_end():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PERIOD_S", 0.0)
        for name in ("_writer", "writing"):
            patch.setattr(f"atrio.history.{name}.BURST_S", 0.0)
        yield


@given(st.lists(STEPS, min_size=4, max_size=24))
@settings(max_examples=40, deadline=None)
def test_raised_and_resolved_come_in_turns_and_are_true(steps):
    told, model = [], Model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.db")
        with ExitStack() as stack:
            stack.enter_context(observe(told.append))
            processes = []
            for _ in range(2):
                history = stack.enter_context(HistorySink(path, on_problem=pytest.fail))
                alerts = stack.enter_context(AlertSink(history, FEW))
                processes.append((history, flushing(history), alerts))
            for step in steps:
                with observe(*processes[step.process]):
                    run_in_virtual_time(step.happen)
                model.follow(step)
                rated = {each.key for each in open_in(path) if each.rule != "slow_stage"}
                assert rated == model.open()
        turns = {each.key: [] for each in alerts_in(path, resolved=1000)}
        for each in told:
            if isinstance(each, AlertRaised | AlertResolved):
                turns[each.rule, each.subject].append(type(each))
        for kinds in turns.values():
            assert kinds == [AlertRaised, AlertResolved] * (len(kinds) // 2) + [AlertRaised] * (len(kinds) % 2)
        assert {key for key, kinds in turns.items() if kinds[-1] is AlertRaised} == {each.key for each in open_in(path)}
