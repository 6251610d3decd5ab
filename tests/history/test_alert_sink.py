"""Alerts beside a history: raised and resolved once each, by whichever sink, and never in a run's way."""

import contextvars
import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace

import attrs
import pytest
import trio
from alert_cases import FAILING, FEW, NOW, SLOW, run_all, sleep, summed_up, triage, watched

from atrio import BatchConfig, BatchProcessor, SinkWarning, observe
from atrio.events import AlertRaised, BreakerOpened, TaskStart, emit
from atrio.history import AlertSink, HistoryError, HistorySink, Thresholds, alerts_in
from atrio.history import alert_sink as module
from atrio.history.alerts import Finding
from atrio.history.raised import record
from atrio.history.schema import connect
from atrio.testing import capture_events, run_in_virtual_time

pytestmark = pytest.mark.usefixtures("looks_at_each_end")


class TestSlowStage:
    async def test_is_raised_and_resolved_once(self, path, autojump_clock):
        with watched(path) as told:
            await run_all(1, 1, 1, 1, 4, 4)
            assert summed_up(told) == [("alert.raised", *SLOW)]
            assert (told[0].value, told[0].threshold) == (4, 3)
            assert told[0].run_id is None
            await run_all(4, 4, 4, 4, 4)
            assert len(told) == 1
            await run_all(1, 1)
            assert len(told) == 1
            await run_all(1, 1, 1, 1)
        assert summed_up(told) == [("alert.raised", *SLOW), ("alert.resolved", *SLOW)]
        assert (told[1].value, told[1].threshold) == (1, 3)

    async def test_what_stays_slow_does_not_become_right(self, path, autojump_clock):
        with watched(path) as told:
            await run_all(*[1] * 3, *[4] * 300)
        assert summed_up(told) == [("alert.raised", *SLOW)]

    async def test_a_whole_batch_is_compared_with_what_was_before_it(self, path, autojump_clock):
        processor = BatchProcessor(BatchConfig(timeout=None))
        with watched(path) as told:
            await run_all(1, 1, 1)
            await processor.map(triage(), [9] * 60, name="nightly")
            assert summed_up(told) == [("alert.raised", *SLOW)]
        assert [each.run_name for each in alerts_in(path)] == ["nightly"]

    async def test_what_ended_in_several_runs_is_compared_with_what_was_before_the_first(
        self, path, autojump_clock, monkeypatch
    ):
        with watched(path):
            await run_all(1, 1, 1)
        monkeypatch.setattr(module, "_PERIOD_S", 1e9)
        processor = BatchProcessor(BatchConfig(timeout=None))
        with watched(path) as told:
            await run_all(0, pipeline=triage(name="looked-at"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(processor.map, triage(), [9] * 60)
                await trio.sleep(2)
                await run_all(1)  # which is the first to end
        assert summed_up(told) == [("alert.raised", *SLOW)]

    async def test_failed_runs_do_not_count(self, path, autojump_clock):
        with watched(path, Thresholds(runs=3, failure_rate=1)) as told:
            await run_all(1, 1, 1, -1, -1, -1, 1, 1, 1)
        assert told == []


class TestFailureRate:
    async def test_is_raised_and_resolved_once(self, path, autojump_clock):
        with watched(path) as told:
            await run_all(1, 1, 1)
            assert told == []
            await run_all(-1, -1, -1, 1, 1)
            assert summed_up(told) == [("alert.raised", *FAILING)]
            assert told[0].value == pytest.approx(1 / 3)
            await run_all(1, 1)
        assert summed_up(told) == [("alert.raised", *FAILING), ("alert.resolved", *FAILING)]

    async def test_runs_inside_of_batches_count(self, path, autojump_clock):
        with watched(path) as told:
            await BatchProcessor().map(triage(), [1, -1, -1, 1])
        assert summed_up(told) == [("alert.raised", *FAILING)]

    async def test_what_was_read_too_early_is_read_again(self, path, monkeypatch, autojump_clock):
        monkeypatch.undo()
        with watched(path, waits=False) as told:
            await BatchProcessor().map(triage(), [-1] * 30)
        assert summed_up(told) == [("alert.raised", *FAILING)]

    async def test_a_cancelled_run_is_neither(self, path, autojump_clock):
        with watched(path) as told:
            await run_all(1, 1, 1)
            for _ in range(9):
                with trio.move_on_after(1):
                    await triage().execute(5)
        assert told == []


class TestOnceForAll:
    async def test_another_process_does_not_say_it_again(self, path, autojump_clock):
        with watched(path) as told:
            await run_all(-1, -1, -1)
            assert len(told) == 1
        with watched(path) as told, watched(path) as told_too:
            await run_all(-1)
            assert told == told_too == []
            await run_all(1, 1, 1)
            # Which of the two was first is the luck of the moment; both sets of sinks hear the one event.
            assert summed_up(told) == [("alert.resolved", *FAILING)]

    async def test_they_are_kept(self, path, autojump_clock):
        with watched(path):
            await run_all(1, 1, 1, 4, 4, 4, -1)
            failing, slow = alerts_in(path)
            assert (slow.key, slow.run_name, slow.resolved_at) == (SLOW, "triage", None)
            assert failing.key == FAILING
            await run_all(1, 1, 1)
        assert {(each.key, each.resolved_at is None) for each in alerts_in(path)} == {(SLOW, False), (FAILING, False)}
        assert len(alerts_in(path, resolved=1)) == 1


async def test_it_tells_whoever_asked(path, autojump_clock):
    heard = []
    with watched(path, on_alert=heard.append) as told:
        await run_all(-1, -1, -1)
    assert heard == told
    assert len(heard) == 1


async def test_the_last_look_is_when_it_is_closed(path, monkeypatch, autojump_clock):
    monkeypatch.setattr(module, "_PERIOD_S", 1e9)
    told = []
    with HistorySink(path) as history, observe(told.append), AlertSink(history, FEW) as alerts:
        with observe(history, alerts):
            await run_all(-1, -1, -1)
        assert not [each for each in told if isinstance(each, AlertRaised)]
    assert [each.subject for each in told if isinstance(each, AlertRaised)] == ["triage"]


@pytest.mark.parametrize("runs_before", [0, 1])
async def test_a_history_that_is_locked_is_looked_at_later(path, monkeypatch, autojump_clock, runs_before):
    monkeypatch.setattr(module, "_BUSY_S", 0.0)
    with watched(path) as told:
        await run_all(*[1] * runs_before)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            emit(BreakerOpened(None, None, None, None, NOW, "endpoint", 5, 60.0))
            assert told == []
            other.execute("ROLLBACK")
        await run_all(1)
    assert summed_up(told) == [("alert.raised", "breaker_opened", "endpoint")]


async def test_a_history_that_is_none_raises_nothing(path, autojump_clock):
    path.write_text("no database, but something long enough to be looked at as one" * 100)
    sentences = []
    with (
        HistorySink(path, on_problem=sentences.append) as history,
        AlertSink(history, FEW) as alerts,
        observe(history, alerts),
    ):
        await run_all(-1, -1, -1)
    assert len(sentences) == 1
    assert path.read_text().startswith("no database")


def test_it_hears_what_it_needs_and_no_more(path):
    with HistorySink(path) as history, AlertSink(history) as alerts:
        assert alerts.minimum_level() == 20
        alerts(TaskStart("0" * 32, None, None, None, NOW, "b", "t", "a", 0, 0.0))


def test_a_callback_that_is_none_is_refused(path):
    with HistorySink(path) as history, pytest.raises(TypeError, match="on_alert must be a function"):
        AlertSink(history, on_alert="print")


async def test_in_a_forked_process_nothing_is_raised(path, monkeypatch, autojump_clock):
    with watched(path) as told:
        await run_all(-1, -1)
        with monkeypatch.context() as forked:
            forked.setattr(module, "os", SimpleNamespace(getpid=lambda: -1))
            await run_all(-1, -1)
            assert told == []


async def test_whoever_is_told_may_run_something_and_is_told_of_it_afterwards(path, autojump_clock):
    calls = []

    def run_another(alert):
        calls.append(f"{alert.subject} begins")
        if alert.subject == "triage":
            emit(BreakerOpened(None, None, None, None, NOW, "another", 5, 60.0))
        calls.append(f"{alert.subject} ends")

    with watched(path, on_alert=run_another) as told:
        await run_all(-1, -1, -1)
    assert calls == ["triage begins", "triage ends", "another begins", "another ends"]
    assert [each.subject for each in told] == ["triage", "another"]


async def test_another_thread_that_brings_an_alert_does_not_overtake(path, autojump_clock):
    heard, threads = [], []

    def wait_for_another_thread(alert):
        heard.append(alert.subject)
        if alert.subject == "first":
            thread = threading.Thread(target=contextvars.copy_context().run, args=(emit, opened("second")))
            thread.start()
            thread.join(10)
            threads.append(thread.is_alive())
        heard.append(f"{alert.subject} told")

    def opened(breaker):
        return BreakerOpened(None, None, None, None, NOW, breaker, 5, 60.0)

    with watched(path, on_alert=wait_for_another_thread):
        emit(opened("first"))
    assert heard == ["first", "first told", "second", "second told"]
    assert threads == [False]


def test_a_history_without_its_tables_is_told_in_a_sentence(path):
    with HistorySink(path):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE alerts")
    with pytest.raises(HistoryError, match="no such table: alerts"):
        alerts_in(path)


def test_what_cannot_be_written_is_not_written_in_part(path):
    with HistorySink(path):
        pass
    with closing(connect(path, read_only=False)) as database:
        database.execute("CREATE TEMP TRIGGER no BEFORE UPDATE ON alerts BEGIN SELECT no_column FROM no_table; END")
        raised = Finding("failure_rate", "triage", 0.5, 0.2)
        record(database, [raised], [], run_name=None, now=NOW)
        with pytest.raises(sqlite3.Error):
            record(database, [attrs.evolve(raised, subject="other")], [raised], run_name=None, now=NOW)
        assert not database.in_transaction
    assert [each.subject for each in alerts_in(path)] == ["triage"]


class TestIds:
    async def test_stages_whose_ids_hold_slashes_are_told_apart(self, path, autojump_clock):
        pipelines = [triage(name="a", stage="b/c"), triage(name="a/b", stage="c")]
        with watched(path) as told:
            for seconds in (1, 1, 1, 4, 4, 4):
                await run_all(seconds, pipeline=pipelines[0])
            await run_all(*[1] * 6, pipeline=pipelines[1])
            assert summed_up(told) == [("alert.raised", "slow_stage", "a/b/c")]
            await run_all(4, 4, 4, pipeline=pipelines[1])
        assert summed_up(told)[1:] == [("alert.raised", "slow_stage", '"a/b"/c')]

    async def test_whatever_is_in_an_id_or_a_name(self, path, autojump_clock):
        odd = "\udc80 \x00 \N{RIGHT-TO-LEFT OVERRIDE}/'\""
        kept = odd.replace("\udc80", "\\udc80")
        with watched(path) as told:
            await run_all(1, 1, 1, 4, -1, 4, 4, pipeline=triage(name=odd, stage=odd))
            await BatchProcessor().map(sleep, [-1, -1, -1], name=odd)
            emit(BreakerOpened(None, None, None, None, NOW, odd, 5, 60.0))
        rules = {"slow_stage", "failure_rate", "task_failure_rate", "breaker_opened"}
        assert {each.rule for each in told if isinstance(each, AlertRaised)} == rules
        assert {each.subject for each in told if each.rule != "slow_stage"} == {kept}

    async def test_an_alert_says_what_it_was_found_in(self, path, monkeypatch, autojump_clock):
        monkeypatch.setattr(module, "_PERIOD_S", 1e9)
        with watched(path):
            await run_all(1)  # which is looked at
            await run_all(-1, -1, -1)
            await BatchProcessor().map(triage(name="inner"), [-1, -1, -1], name="nightly")
            await run_all(1, pipeline=triage(name="last"))
        assert {each.subject: each.run_name for each in alerts_in(path)} == {"triage": "triage", "inner": "nightly"}


class TestAFileThatIsNotThere:
    async def test_one_that_is_moved_away_is_let_go(self, path, autojump_clock):
        with watched(path, on_problem=lambda _: None) as told:
            await run_all(1, -1, -1)
            assert summed_up(told) == [("alert.raised", *FAILING)]
            path.rename(path.with_name("elsewhere.db"))
            await run_all(-1, -1, -1)
            assert summed_up(told)[1:] == [("alert.raised", *FAILING)]
            assert len(alerts_in(path)) == 1

    async def test_it_makes_none_by_itself(self, path, autojump_clock):
        with HistorySink(path, on_problem=lambda _: None) as history, AlertSink(history, FEW) as alerts:
            with observe(history, alerts):
                await run_all(1)
            with observe(alerts):
                path.unlink()
                await run_all(-1, -1, -1)
                emit(BreakerOpened(None, None, None, None, NOW, "endpoint", 5, 60.0))
            assert not path.exists()

    async def test_one_that_the_history_does_not_keep_is_not_made(self, tmp_path, autojump_clock):
        path = tmp_path / "there" / "history.db"
        with HistorySink(path) as history:
            pass
        path.unlink()
        with AlertSink(history, FEW) as alerts, observe(alerts):
            await run_all(-1, -1, -1)
        assert list(path.parent.glob("*.db")) == []


async def test_a_callback_that_raises_is_told_once_and_costs_no_alert(path, autojump_clock):
    called = []

    def broken(alert):
        called.append(alert)
        raise ValueError("no paper in the printer")

    with watched(path, on_alert=broken) as told:
        with pytest.warns(SinkWarning, match="on_alert raised ValueError: no paper in the printer") as warned:
            await run_all(-1, -1, -1)
        await run_all(1, 1, 1)
    assert [each for each, *_ in summed_up(told)] == ["alert.raised", "alert.resolved"]
    assert (len(called), len(warned)) == (1, 1)


async def test_what_runs_without_end_is_compared_with_what_was_an_hour_ago(path, monkeypatch, autojump_clock):
    monkeypatch.setattr(module, "_LONG", timedelta(0))

    async def one_after_the_other(_):
        await run_all(*[1] * 9)
        await run_all(*[9] * 3)

    with watched(path) as told:
        await run_all(0, pipeline=triage(one_after_the_other, name="endless"))
    assert summed_up(told) == [("alert.raised", *SLOW)]


def test_threads_that_end_runs_at_once_do_not_disturb_it(path):
    def run(number):
        pipeline = triage(name=f"in-{number}")
        for seconds in [*[-1] * 4, *[0] * 4] * 3:
            trio.run(pipeline.execute, seconds)

    with watched(path, on_alert=lambda _: time.sleep(0)) as told:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(run, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(4):
        kinds = [each for each, rule, subject in summed_up(told) if (rule, subject) == ("failure_rate", f"in-{number}")]
        assert kinds == ["alert.raised", "alert.resolved"] * (len(kinds) // 2)
        assert kinds


def test_events_of_no_run_and_outside_of_any_loop(path):
    """As another program's sink may pass them on, from a queue of its own."""
    with capture_events() as heard:
        run_in_virtual_time(lambda: run_all(-1, -1, -1))
    with HistorySink(path) as history, AlertSink(history, FEW) as alerts:
        for event in heard:
            history(event)
            alerts(event)
            alerts(attrs.evolve(event, run_id=None))
    assert [each.key for each in alerts_in(path)] == [FAILING]


def test_in_a_forked_process_the_parents_connection_is_let_be(path, autojump_clock):
    with HistorySink(path) as history:
        alerts = AlertSink(history, FEW)
        alerts._connected()
        alerts._here = attrs.evolve(alerts._here, pid=-1)
        alerts.close()
        assert alerts._database.execute("SELECT 1").fetchone() == (1,)
        alerts._database.close()
