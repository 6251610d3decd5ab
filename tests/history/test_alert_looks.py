"""Looks at a history: what one leaves to the next, and that whatever one raises is in nobody's way."""

import re
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
import trio
from alert_cases import FAILING, run_all, sleep, summed_up, triage, watched

from atrio import BatchProcessor, SinkWarning
from atrio.history import HistoryError, HistorySink, alerts_in, findings
from atrio.history import alert_sink as module
from atrio.history.schema import microseconds


@contextmanager
def expecting_a_warning(said):
    """Let there be one of an observer, and no more."""
    with pytest.warns(SinkWarning, match=said) as warned:
        yield warned
    assert len(warned) == 1


async def test_what_ended_last_does_not_wait_for_the_next_run(path, autojump_clock):
    """The first end is looked at, and those that soon follow are not; then it is quiet."""
    with watched(path) as told:
        await run_all(1, 1, 1, -1, -1, -1)
        assert told == []
        await trio.sleep(6)
        assert summed_up(told) == [("alert.raised", *FAILING)]
        await trio.sleep(600)
        assert len(told) == 1


class TestManyPipelines:
    """A look judges some of them, and the next looks the rest."""

    @pytest.fixture(autouse=True)
    def one_at_a_look(self, monkeypatch):
        monkeypatch.setattr(module, "_MOST", 1)

    async def run_each(self, count, *inputs):
        for number in range(count):
            await run_all(*inputs, pipeline=triage(name=f"p{number}"))
            await BatchProcessor().map(sleep, inputs, name=f"b{number}")

    async def test_are_all_judged_when_it_is_quiet(self, path, autojump_clock):
        with watched(path) as told:
            await self.run_each(5, -1, -1, -1)
            assert told == []
            await trio.sleep(60)
            everything = {f"{kind}{number}" for kind in "pb" for number in range(5)}
            assert [each for each, *_ in summed_up(told)] == ["alert.raised"] * 10
            assert {each.subject for each in told} == everything
            assert [each.run_name for each in alerts_in(path)] == [each.subject for each in alerts_in(path)]

    async def test_are_all_judged_when_it_is_closed(self, path, autojump_clock):
        with watched(path) as told:
            await self.run_each(5, -1, -1, -1)
            assert told == []
        assert len(told) == 10

    async def test_closing_begins_no_look_after_some_time(self, path, autojump_clock, monkeypatch):
        monkeypatch.setattr(module, "_AT_CLOSE_S", 0.0)
        with watched(path) as told:
            await self.run_each(5, -1, -1, -1)
        assert {each.subject for each in told} == {"p0", "b0"}

    async def test_so_many_wait_at_most(self, path, autojump_clock, monkeypatch):
        monkeypatch.setattr(module, "_MOST_WAITING", 2)
        with watched(path) as told:
            await self.run_each(4, -1, -1, -1)
            await trio.sleep(60)
            assert {each.subject for each in told} == {"p0", "p1", "b0", "b1"}
            await run_all(-1, pipeline=triage(name="p3"))
        assert {each.subject for each in told} == {"p0", "p1", "b0", "b1", "p3"}


@pytest.mark.usefixtures("looks_at_each_end")
async def test_a_mistake_in_reading_is_told_once(path, monkeypatch, autojump_clock):
    monkeypatch.setattr(findings, "_ENDED", "SELECT state FROM nowhere WHERE name = ? LIMIT ? + ?")
    with watched(path) as told:
        with pytest.warns(SinkWarning, match="AlertSink raised OperationalError: no such table: nowhere") as warned:
            await run_all(1, 1, 1)
        assert len(warned) == 1
        await run_all(-1, -1, -1)
    assert told == []


WHATEVER = [
    OverflowError("date value out of range"),
    ValueError("no number"),
    TypeError("no text"),
    KeyError("no such"),
    sqlite3.ProgrammingError("Cannot operate on a closed database."),
]


@pytest.mark.parametrize("error", WHATEVER, ids=lambda error: type(error).__name__)
class TestWhateverALookRaises:
    @pytest.fixture
    def fail(self, monkeypatch, error):
        def fail(*_, **options):
            raise error

        return lambda: monkeypatch.setattr(findings, "of_pipeline", fail)

    @pytest.mark.usefixtures("looks_at_each_end")
    async def test_is_told_once_and_the_run_goes_on(self, path, autojump_clock, fail, error):
        fail()
        said = f"AlertSink raised {type(error).__name__}: {error}; it is left out from here on"
        with expecting_a_warning(re.escape(said)), watched(path) as told:
            for _ in range(3):
                assert (await triage().execute(0)).status == "success"
            await run_all(-1, -1, -1)
        assert told == []

    async def test_when_it_is_quiet_the_program_goes_on(self, path, autojump_clock, fail, error):
        with expecting_a_warning("AlertSink raised") as warned, watched(path):
            await run_all(0)
            fail()
            await trio.sleep(60)
            assert len(warned) == 1

    async def test_when_it_is_closed_nothing_is_raised(self, path, autojump_clock, fail, error, monkeypatch):
        monkeypatch.setattr(module, "_PERIOD_S", 1e9)
        with expecting_a_warning("AlertSink raised"), watched(path):
            await run_all(0, 0)
            fail()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
async def test_whoever_ends_the_program_when_it_is_quiet_ends_the_alerts(path, autojump_clock, error):
    """There is no run that it could end, and Trio takes it for a mistake of its own."""

    def leave(alert):
        raise error

    with expecting_a_warning(type(error).__name__), watched(path, on_alert=leave) as told:
        await run_all(0, -1, -1, -1)
        await trio.sleep(60)
        assert len(told) == 1
        await run_all(0, 0, 0)
    assert len(told) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"raised_us": 2**62},
        {"raised_us": "yesterday"},
        {"resolved_us": -(2**62)},
        {"resolved_us": "never"},
        {"value": "much"},
        {"threshold": b"little"},
        {"rule": b"rule"},
        {"run_name": b"name"},
        {"subject": b"subject"},
    ],
    ids=str,
)
async def test_rows_that_make_no_sense_are_told_in_a_sentence(path, autojump_clock, values):
    row = {
        "rule": "x",
        "subject": "y",
        "value": 1,
        "threshold": 1,
        "raised_us": microseconds(datetime.now(UTC)),
    } | values
    with HistorySink(path):
        pass
    with closing(sqlite3.connect(path)) as database, database:
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO alerts ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own names
    with pytest.raises(HistoryError, match=r"it is damaged \(malformed row of alerts: .*\): move it away"):
        alerts_in(path)
    if "resolved_us" not in values:  # those that are resolved are read by nobody else
        with expecting_a_warning("AlertSink raised DatabaseError: malformed row"), watched(path):
            await run_all(0, 0)
