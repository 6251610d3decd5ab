"""Alerts of circuit breakers: each lives in one process, and several processes may have one of a name open."""

import os
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
import trio
from alert_cases import run_all, sleep, summed_up, triage, watched

from atrio import CircuitBreaker, CircuitOpenError
from atrio.events import BreakerClosed, BreakerOpened, emit
from atrio.history import Thresholds, alerts_in
from atrio.history.open_breakers import Breakers
from atrio.history.processes import own_identity
from atrio.history.raised import record
from atrio.history.schema import connect, microseconds

pytestmark = pytest.mark.usefixtures("looks_at_each_end")
LENIENT = Thresholds(failure_rate=1)
RAISED = ("alert.raised", "breaker_opened", "endpoint")
RESOLVED = ("alert.resolved", "breaker_opened", "endpoint")


def breaker_of(name="endpoint"):
    return CircuitBreaker(name, failure_threshold=1, recovery_timeout=5)


def opened():
    return BreakerOpened(None, None, None, None, datetime.now(UTC), "endpoint", 1, 5.0)


def closed():
    return BreakerClosed(None, None, None, None, datetime.now(UTC), "endpoint", 1.0)


def guarded(name="triage"):
    return triage(breaker_of().guard(sleep), name=name)


# It does what it is told to on its stdin, and says when it is done.
PROCESS = """
    import sys
    import trio
    from atrio import CircuitBreaker, ErrorPolicy, Pipeline, Stage, StageConfig, observe
    from atrio.history import AlertSink, HistorySink, Thresholds

    async def work(fails):
        if fails:
            raise ValueError("down")

    breaker = CircuitBreaker("endpoint", failure_threshold=1, recovery_timeout=1e-6)
    config = StageConfig(error_policy=ErrorPolicy.STOP)
    pipeline = Pipeline("triage").add_stage(Stage("work", breaker.guard(work), config=config))
    with HistorySink(sys.argv[1], on_problem=sys.exit) as history:
        with AlertSink(history, Thresholds(failure_rate=1)) as alerts, observe(history, alerts):
            for line in sys.stdin:
                trio.run(pipeline.execute, line.strip() == "open")
                print(breaker.state, flush=True)
"""


class Another:
    """A process with a breaker of its own."""

    def __init__(self, path):
        command = [sys.executable, "-c", "\n".join(line[4:] for line in PROCESS.splitlines()), str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, what, state):
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == state

    def open(self):
        self.do("open", "open")

    def close(self):
        self.do("close", "closed")

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def another(path):
    process = Another(path)
    try:
        yield process
    finally:
        process.kill()
        process.process.stdin.close()
        process.process.stdout.close()


def is_open(path):
    return [each.resolved_at is None for each in alerts_in(path)]


class TestInOneProcess:
    async def test_is_raised_at_once_and_resolved_when_it_closes(self, path, autojump_clock):
        agent = breaker_of().guard(sleep)
        with watched(path) as told:
            with pytest.raises(ValueError, match="too fast"):
                await agent.process(-1)
            assert summed_up(told) == [RAISED]
            with pytest.raises(CircuitOpenError):
                await agent.process(1)
            for _ in range(3):
                await trio.sleep(6)
                with pytest.raises(ValueError, match="too fast"):
                    await agent.process(-1)
            assert len(told) == 1
            await trio.sleep(6)
            await agent.process(1)
        assert summed_up(told)[1:] == [RESOLVED]
        (alert,) = alerts_in(path)
        assert (alert.value, alert.threshold) == (1, 0)
        assert alert.raised_at < alert.resolved_at

    async def test_stays_while_it_is_open_whatever_passes(self, path, autojump_clock):
        with watched(path, LENIENT) as told:
            await run_all(-1, pipeline=guarded())
            await run_all(1, 1)
        assert summed_up(told) == [RAISED]

    async def test_that_stays_open_is_told_again_when_its_alert_was_forgotten(self, path, autojump_clock):
        agent = breaker_of().guard(sleep)
        with watched(path) as told:
            for _ in range(2):
                await trio.sleep(6)
                with pytest.raises(ValueError, match="too fast"):
                    await agent.process(-1)
                with closing(connect(path, read_only=False)) as database:
                    database.execute("DELETE FROM alerts")
        assert summed_up(told) == [RAISED, RAISED]

    async def test_belongs_to_the_outermost_run_that_called_it(self, path, autojump_clock):
        async def fail_later(seconds):
            await trio.sleep(seconds)
            await breaker_of(f"at-{seconds}").guard(sleep).process(-1)

        outer = triage(triage(fail_later, name="inner"), name="outer")
        with watched(path, LENIENT):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(outer.execute, 1)
                nursery.start_soon(triage(fail_later, name="other").execute, 2)
            with pytest.raises(ValueError, match="too fast"):
                await fail_later(3)
        assert {each.subject: each.run_name for each in alerts_in(path)} == {
            "at-1": "outer",
            "at-2": "other",
            "at-3": None,
        }

    def test_that_opens_again_and_again_is_written_once(self, path, monkeypatch):
        written = []

        def recorded(*arguments, **options):
            written.append(arguments)
            return record(*arguments, **options)

        monkeypatch.setattr("atrio.history.alert_sink.record", recorded)
        with watched(path):
            for _ in range(3):
                emit(opened())
            assert len(written) == 1
            for _ in range(3):
                emit(closed())
        assert len(written) == 2


class TestInAProcessThatEnded:
    async def test_is_resolved_when_what_ran_there_works(self, path, autojump_clock):
        with watched(path, LENIENT) as told:
            await run_all(-1, pipeline=guarded())
            assert summed_up(told) == [RAISED]
        with watched(path, LENIENT) as told:
            await run_all(1, pipeline=guarded("other"))
            await run_all(-1, pipeline=guarded())
            assert told == []
        with watched(path, LENIENT) as told:
            await run_all(1, pipeline=guarded())
        assert summed_up(told) == [RESOLVED]

    async def test_is_resolved_at_the_next_look_if_nothing_ran_there(self, path, autojump_clock):
        with watched(path):
            with pytest.raises(ValueError, match="too fast"):
                await breaker_of().guard(sleep).process(-1)
            assert is_open(path) == [True]
        assert is_open(path) == [True]
        with watched(path) as told:
            await run_all(1)
        assert summed_up(told) == [RESOLVED]

    async def test_a_run_that_had_begun_before_proves_nothing(self, path, autojump_clock):
        with watched(path, LENIENT) as told:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_all, 10)
                await trio.sleep(1)
                with watched(path, LENIENT):
                    await run_all(-1, pipeline=guarded())
            assert set(summed_up(told)) == {RAISED}
            await run_all(1)
        assert RESOLVED in summed_up(told)

    async def test_that_was_killed_it_is_resolved_too(self, path):
        with another(path) as process:
            process.open()
            with watched(path, LENIENT) as told:
                await run_all(0)
                assert told == []
                process.kill()
                assert is_open(path) == [True]
                await run_all(0)
            assert summed_up(told) == [RESOLVED]


class TestInSeveralProcesses:
    async def test_it_is_open_as_long_as_it_is_in_any(self, path):
        with another(path) as one, another(path) as other:
            one.open()
            other.open()
            one.close()
            assert is_open(path) == [True]
            with watched(path, LENIENT) as told:
                await run_all(0)
                assert told == []
            one.open()
            other.close()
            assert is_open(path) == [True]
            one.close()
        assert is_open(path) == [False]

    async def test_one_that_closes_after_the_other_was_killed_is_enough(self, path):
        with another(path) as one, another(path) as other:
            one.open()
            other.open()
            one.kill()
            assert is_open(path) == [True]
            other.close()
            assert is_open(path) == [False]
        with closing(connect(path, read_only=True)) as database:
            assert database.execute("SELECT * FROM open_breakers").fetchall() == []


def test_one_that_opens_elsewhere_at_the_last_moment_is_not_resolved(path, monkeypatch):
    here = own_identity().text().rpartition("/")[0]
    found = Breakers.findings

    def opens_elsewhere(*arguments):
        with closing(connect(path, read_only=False)) as database:
            database.execute("INSERT INTO open_breakers VALUES ('endpoint', 99)")
        return found(*arguments)

    with watched(path) as told:
        with closing(connect(path, read_only=False)) as database:
            process = "INSERT INTO processes (id, pid, host, identity, seen_us) VALUES (99, ?, '', ?, ?)"
            database.execute(process, (os.getppid(), f"{here}/", microseconds(datetime.now(UTC))))
        emit(opened())
        monkeypatch.setattr(Breakers, "findings", opens_elsewhere)
        emit(closed())
    assert summed_up(told) == [RAISED]
    assert is_open(path) == [True]
