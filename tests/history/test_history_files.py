"""The file of a history: made, brought up to date, purged; and processes that come and go."""

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from history_cases import batches, double, kept, pipeline_of, refuse, run_of

from atrio import observe_only
from atrio.events import AlertRaised, BatchStart, PipelineStart, TaskStart
from atrio.history import History, schema
from atrio.history import processes as module
from atrio.history.processes import dead_processes, is_alive, own_identity, silent_processes
from atrio.history.retention import Purge
from atrio.history.schema import connect, microseconds
from atrio.testing import capture_events, fixed_stamps, run_in_virtual_time

TABLES = ("runs", "stages", "tasks", "retries", "model_calls", "breakers", "alerts")
COUNT = "SELECT count(*) FROM {}"
DAY = timedelta(days=1)
MINUTE_US = 60 * 1_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.db"


@contextmanager
def connected(path):
    with closing(connect(path, read_only=False)) as connection:
        yield connection


def counts(path):
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(COUNT.format(table)).fetchone()[0] for table in TABLES}


class TestTheSchema:
    def test_a_new_file_is_ours_and_writers_do_not_hold_readers_up(self, path):
        with connected(path) as connection:
            said = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "journal_mode", "synchronous")
            ]
        assert said == [schema.APPLICATION_ID, schema.VERSION, "wal", 1]

    def test_an_older_one_that_is_locked_is_told_of(self, path, monkeypatch):
        with connected(path) as connection:
            monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "SELECT 1"))
            monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(schema.HistoryError, match="another process has locked it"):
                connect(path, read_only=True, busy_s=0.0)

    def test_a_copy_that_cannot_be_brought_up_to_date_is_told_of(self, path, monkeypatch):
        connect(path, read_only=False).close()
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "SELECT missing"))
        with pytest.raises(sqlite3.OperationalError, match="missing"):
            schema._newer_copy(sqlite3.connect(path), path)

    def test_a_folder_that_somebody_else_has_locked(self, path, monkeypatch):
        """It is none of ours, and nobody waits for it for long."""
        monkeypatch.setattr("atrio.history.places._PATIENCE_S", 0.01)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            connect(path, read_only=False).close()
        finally:
            os.close(folder)
        assert counts(path)["runs"] == 0

    def test_a_later_version_is_come_to_step_by_step(self, path, monkeypatch):
        with kept(path) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        steps = ("ALTER TABLE runs ADD COLUMN colour TEXT DEFAULT 'red'", "UPDATE runs SET colour = 'green'; SELECT 1")
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *steps))
        monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
        with History(path) as history:  # a reader may come first
            assert history.runs()[0].state == "success"
        with connected(path) as connection:
            assert connection.execute("SELECT colour FROM runs").fetchall() == [("green",)]
            assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)

    def test_a_step_that_fails_leaves_the_version_before(self, path, monkeypatch):
        with connected(path):
            pass
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "DROP TABLE tasks; SELECT missing"))
        monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
        with pytest.raises(schema.HistoryError, match="no such column: missing"):
            connect(path, read_only=False)
        monkeypatch.undo()
        assert counts(path)["tasks"] == 0

    def test_several_at_once_make_one(self, tmp_path):
        """Nobody sees it half made, whatever the others have come to."""
        program = """
            import sys
            from pathlib import Path
            from atrio.history.schema import connect

            for line in sys.stdin:
                connect(Path(sys.argv[1], line.strip()), read_only=False).close()
                print("made", flush=True)
        """
        command = [sys.executable, "-c", textwrap.dedent(program), tmp_path]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
        for number in range(40):
            for process in processes:
                process.stdin.write(f"{number}.db\n")
            for process in processes:
                process.stdin.flush()
            assert [process.stdout.readline() for process in processes] == ["made\n"] * 4
        for process in processes:
            process.communicate()
        assert counts(tmp_path / "0.db")["runs"] == 0

    def test_a_reader_that_comes_while_it_is_made_waits_a_moment(self, path, monkeypatch):
        path.touch()
        with pytest.raises(schema.HistoryError, match="which is empty"):
            connect(path, read_only=True)
        monkeypatch.setattr(schema.time, "sleep", lambda _: connect(path, read_only=False).close())
        connect(path, read_only=True).close()

    def test_another_process_that_makes_it_is_waited_for(self, path, monkeypatch):
        """Of all statements, the one that makes it WAL does not wait by itself."""
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(schema.time, "sleep", lambda _: other.execute("ROLLBACK"))
            connect(path, read_only=False).close()
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(schema.HistoryError, match="another process has locked it"):
                connect(path, read_only=False, busy_s=0.0)


def fill(path, start, runs=6):
    """Keep runs that began at a moment: of pipelines, in a batch and alone."""
    with fixed_stamps(start, seed=start.toordinal()), kept(path, retention_days=10**5) as history:
        with observe_only(history):
            for _ in range(runs):
                run_in_virtual_time(lambda: pipeline_of(double, refuse).execute(1))
            run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(runs)))
        with connected(path) as connection:
            for statement in (
                "INSERT INTO breakers (breaker, state, at_us) VALUES ('shop', 'opened', :at)",
                "INSERT INTO model_calls (agent_id, provider, model, at_us) VALUES ('', '', '', :at)",
                "INSERT INTO alerts (rule, subject, value, threshold, raised_us) VALUES ('p95', :at, 2.0, 1.0, :at)",
            ):
                connection.execute(statement, {"at": microseconds(start)})


def purged(path, days):
    """Open a history, keep nothing, and close it when all that is old is gone."""
    with kept(path, retention_days=days), closing(sqlite3.connect(path)) as connection:
        oldest = microseconds(datetime.now(UTC) - timedelta(days=days))
        while connection.execute("SELECT 1 FROM alerts WHERE raised_us < ?", (oldest,)).fetchone():
            pass


class TestRetention:
    def test_what_is_too_old_is_taken_out_with_all_that_belongs_to_it(self, path):
        now = datetime.now(UTC)
        fill(path, now - 3 * DAY)
        young = counts(path)
        # An older one has other ids.
        fill(path, now - 9 * DAY)
        assert counts(path) == {table: 2 * count for table, count in young.items()}
        purged(path, days=7)
        assert counts(path) == young
        with History(path) as history:
            assert {run.started_at.date() for run in history.runs()} == {(now - 3 * DAY).date()}
        purged(path, days=1)
        assert set(counts(path).values()) == {0}

    def test_it_goes_in_small_steps(self, path, monkeypatch):
        monkeypatch.setattr("atrio.history.retention._MOST", 64)
        fill(path, datetime.now(UTC) - 9 * DAY, runs=100)
        with connected(path) as connection:
            purge = Purge(connection, microseconds(datetime.now(UTC)))
            before, steps = sum(counts(path).values()), 0
            while purge.step():
                after = sum(counts(path).values())
                assert before - after <= 3 * 64 + 64 // 4
                before, steps = after, steps + 1
        assert steps >= 10
        assert set(counts(path).values()) == {0}

    def test_a_process_inherits_no_open_breaker_of_one_that_was_taken_out(self, path):
        """It would have its number, if that had been the last one."""
        with kept(path), closing(connect(path, read_only=False)) as connection:
            for _ in range(2):
                with kept(path):
                    pass
            connection.execute("INSERT INTO open_breakers VALUES ('shop', 1), ('shop', 2), ('shop', 3), ('shop', 9)")
            purge = Purge(connection, microseconds(datetime.now(UTC)))
            while purge.step():
                pass
            assert connection.execute("SELECT id FROM processes").fetchall() == [(1,), (3,)]
            assert connection.execute("SELECT process FROM open_breakers").fetchall() == [(1,), (3,)]
            with kept(path):
                assert connection.execute("SELECT max(id) FROM processes").fetchone() == (4,)

    def test_runs_with_more_calls_of_models_than_a_step_takes(self, path):
        long_ago = datetime.now(UTC) - 9 * DAY
        with fixed_stamps(long_ago), kept(path, retention_days=10**5) as history, observe_only(history):
            run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        with connected(path) as connection:
            connection.execute(
                "WITH RECURSIVE some(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM some WHERE n < 200) INSERT INTO "
                "model_calls (run_id, agent_id, provider, model, at_us) "
                "SELECT run_id, '', '', '', started_us FROM runs, some"
            )
            purge = Purge(connection, microseconds(datetime.now(UTC)))
            steps = 0
            while purge.step():
                steps += 1
        assert steps > 2
        assert set(counts(path).values()) == {0}

    def test_what_runs_stays_however_old_it_is(self, path):
        with capture_events() as events, fixed_stamps(datetime.now(UTC) - 9 * DAY):
            run_in_virtual_time(lambda: batches().map(pipeline_of(double), range(3)))
        with kept(path) as history:
            for event in events:
                if isinstance(event, BatchStart | TaskStart | PipelineStart):
                    history(event)
            assert history.flush()
            with connected(path) as connection:
                purge = Purge(connection, microseconds(datetime.now(UTC)))
                while purge.step():
                    pass
            assert counts(path)["runs"] == 4
            assert run_of(path).tasks.running == 3

    def test_at_the_opening_only_what_was_there_before_is_old(self, path):
        """The times of day of a run are its own: those of a test may be long ago."""
        with fixed_stamps(datetime(2001, 1, 1, tzinfo=UTC)), kept(path) as history, observe_only(history):
            for _ in range(20):
                run_in_virtual_time(lambda: pipeline_of(double).execute(1))
        assert counts(path)["runs"] == 20

    def test_alerts_are_not_kept_by_this_sink(self, path):
        with kept(path) as history:
            history(AlertRaised(None, None, None, None, datetime.now(UTC), "p95", "fetch", 2.0, 1.0))
        assert counts(path)["alerts"] == 0


def test_one_that_another_process_changes_exclusively_is_not_read_without_locks(path):
    """What stands in the file at that moment may be half of a change."""
    connect(path, read_only=False).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=delete")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(schema.HistoryError, match="another process has locked it"):
            connect(path, read_only=True, busy_s=0.05)


def test_of_a_file_that_is_gone_nothing_is_marked(tmp_path):
    module.mark_interrupted(tmp_path / "none.db", 1)
    assert list(tmp_path.iterdir()) == []


class TestProcesses:
    def test_one_lives_until_it_has_ended_even_if_nobody_has_asked_for_it(self):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            here = own_identity()
            _, started = module._state_of(process.pid)
            text = attrs.evolve(here, started=started).text()

            def lives(text):
                return is_alive(process.pid, text, 0, now_us=0, here=here)

            assert lives(text)
            process.send_signal(signal.SIGKILL)
            while module._state_of(process.pid)[0] not in {"Z", ""}:
                pass
            if sys.platform == "linux":
                assert not lives(text)
        assert not lives(text)

    @pytest.mark.skipif(sys.platform != "linux", reason="what a process is told by is Linux's")
    def test_another_one_that_has_its_number(self):
        here = own_identity()
        other = attrs.evolve(here, started=str(int(here.started) + 1))
        assert is_alive(here.pid, here.text(), 0, now_us=0, here=here)
        assert not is_alive(here.pid, other.text(), 0, now_us=0, here=here)
        assert not is_alive(1, here.text(), 0, now_us=0, here=here)

    def test_one_from_before_the_machine_was_started_anew(self):
        here = own_identity()
        before = attrs.evolve(here, boot="another")
        assert not is_alive(here.pid, before.text(), 0, now_us=0, here=here)

    @pytest.mark.parametrize(("minutes", "lives"), [(4, True), (6, False)])
    def test_one_in_another_container_lives_while_it_says_so(self, minutes, lives):
        here = own_identity()
        elsewhere = attrs.evolve(here, namespace="pid:[1]")
        assert is_alive(1, elsewhere.text(), 0, now_us=minutes * MINUTE_US, here=here) is lives

    def test_somebody_elses(self, monkeypatch):
        def refuse(pid, number):
            raise PermissionError

        monkeypatch.setattr(os, "kill", refuse)
        here = own_identity()
        assert is_alive(2**22 + 1, here.text(), 0, now_us=0, here=here)

    @pytest.mark.parametrize("pid", [0, -1, 2**40])
    def test_numbers_that_no_process_has(self, pid):
        here = own_identity()
        assert not is_alive(pid, here.text(), 0, now_us=0, here=here)

    def test_a_system_that_says_nothing_of_processes(self, monkeypatch, tmp_path):
        monkeypatch.setattr(module, "_PROC", tmp_path)
        here = own_identity()
        assert here.text() == "//"
        assert is_alive(os.getppid(), "//", 0, now_us=0, here=here)

    def test_a_process_that_closes_its_history_is_no_longer_asked_for(self, path):
        for _ in range(3):
            with kept(path):
                pass
        with connected(path) as connection:
            assert dead_processes(connection, own_identity(), 0) == ()
            assert connection.execute("SELECT count(*), sum(closed) FROM processes").fetchone() == (3, 3)

    @pytest.mark.parametrize(("minutes", "states"), [(4, ["running"]), (6, ["interrupted"])])
    def test_the_runs_of_one_that_lives_and_says_nothing_are_not_running(self, path, minutes, states):
        now_us = microseconds(datetime.now(UTC))
        with kept(path), connected(path) as connection:
            connection.execute("UPDATE processes SET seen_us = ?", (now_us - minutes * MINUTE_US,))
            connection.execute(
                "INSERT INTO runs (run_id, kind, name, state, started_us, process) "
                "SELECT 'ab', 'pipeline', 'orders', 'running', ?, id FROM processes",
                (now_us,),
            )
            connection.commit()
            with History(path) as history:
                assert [run.state for run in history.runs()] == states
            # It may only be stopped: nobody else says for good that its runs have ended.
            assert dead_processes(connection, own_identity(), now_us) == ()
            assert len(silent_processes(connection, own_identity(), now_us)) == (minutes > 5)

    def test_one_that_waits_says_that_it_lives(self, path, monkeypatch):
        monkeypatch.setattr("atrio.history._writer.HEARTBEAT_S", 0.001)
        with kept(path), closing(sqlite3.connect(path)) as connection:
            seen = connection.execute("SELECT seen_us FROM processes").fetchone()
            while connection.execute("SELECT seen_us FROM processes").fetchone() == seen:
                pass
