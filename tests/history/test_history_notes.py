"""What stages noted, in a history: read as it was noted, and kept in files that were made before it was."""

import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from history_cases import LEFT_OUT, THRICE, kept, pipeline_of, run_of

from atrio import current_context, observe_only
from atrio.events import PipelineStart, StageEnd, StageStart
from atrio.history import History, HistoryError, StageRow, schema
from atrio.history._bursts import LONGEST_NOTES
from atrio.testing import capture_events, run_in_virtual_time

RUN_ID = "019c1400a0007000800000000000000a"
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEGAN_US = schema.microseconds(BEGAN)


def noting(**values):
    async def process(data):
        current_context().note(**values)
        return data

    return process


def noted_in(path, *agents, **options):
    with kept(path, retention_days=10**5) as history, observe_only(history):
        run_in_virtual_time(lambda: pipeline_of(*agents, **options).execute(1))
    return [stage.metadata for stage in run_of(path).stages]


class TestWhatIsRead:
    def test_is_what_was_noted(self, path):
        notes = {"tokens": 12, "share": 0.25, "by": "ä\ud800\n", "exact": None, "seen": [1, {"a": True}]}
        read = notes | {"by": "ä\\ud800\n"}
        assert noted_in(path, noting(**notes), noting(), noting(big=2**80)) == [read, {}, {"big": 2**80}]

    def test_is_there_however_the_stage_ended(self, path):
        calls = []

        async def shaky(data):
            calls.append(data)
            current_context().note(**{f"call {len(calls)}": True})
            if len(calls) < 3:
                raise ConnectionError
            return data

        async def hopeless(data):
            current_context().note(hopeless=True)
            raise ValueError

        assert noted_in(path, shaky, config=THRICE) == [{"call 1": True, "call 2": True, "call 3": True}]
        assert noted_in(path, hopeless, noting(late=1), config=LEFT_OUT) == [{"hopeless": True}, {"late": 1}]
        assert noted_in(path, hopeless) == [{"hopeless": True}]

    def test_of_much_it_says_what_was_too_large(self, path):
        [metadata] = noted_in(path, noting(text="x" * 100_000, rows=[0.5] * 10**6, tokens=3))
        assert metadata["tokens"] == 3
        assert {metadata["text"], metadata["rows"]} == {
            "<str of length 100,000, too large>",
            "<list of length 1,000,000, too large>",
        }

    def test_nothing_is_known_of_it_while_the_stage_runs(self, path):
        with capture_events() as events:
            run_in_virtual_time(lambda: pipeline_of(noting(tokens=1)).execute(1))
        with kept(path) as history:
            for event in events:
                if isinstance(event, PipelineStart | StageStart):
                    history(event)
            assert history.flush()
            assert [(stage.status, stage.metadata) for stage in run_of(path).stages] == [("running", {})]

    @pytest.mark.parametrize("text", ["", "x", "[1]", '{"a":', "\ud800", "{" * 10**6, '{"a": NaN}', "x" * 10_000])
    def test_of_an_event_made_by_hand_is_its_text(self, path, text):
        with capture_events() as events:
            run_in_virtual_time(lambda: pipeline_of(noting(tokens=1)).execute(1))
        with kept(path) as history:
            for event in events:
                history(attrs.evolve(event, metadata=text) if isinstance(event, StageEnd) else event)
        [stage] = run_of(path).stages
        [(name, shown)] = stage.metadata.items()
        assert name == "metadata"
        assert len(shown) <= LONGEST_NOTES
        assert shown[:4] == text.encode("utf-8", "backslashreplace").decode()[:4]

    def test_rows_can_still_be_hashed(self):
        row = StageRow(0, "s", "a", "success", BEGAN, 1.0, 1, None, None, None, None, None, (), {"a": [1]})
        assert hash(row) == hash(attrs.evolve(row, metadata={}))


def make_first_version(path):
    """Make a history as its first version was, with a run that failed after a retry."""
    values = {"RUN": f"'{RUN_ID}'", "BEGAN": str(BEGAN_US)}
    rows = """
        INSERT INTO processes (id, pid, host, identity, seen_us, closed) VALUES (7, 4711, 'lighthouse', '//', BEGAN, 1);
        INSERT INTO runs (run_id, kind, name, state, started_us, duration_s, process, total, successful, failed)
            VALUES (RUN, 'pipeline', 'orders', 'failed', BEGAN, 2.5, 7, 3, 1, 1);
        INSERT INTO stages (run_id, stage_index, stage_id, agent_id, status, attempts, started_us, duration_s,
            input_size, output_size, error_type, error_message, error_stack) VALUES
            (RUN, 0, 'fetch', 'http', 'success', 1, BEGAN, 0.5, 3, 1204, NULL, NULL, NULL),
            (RUN, 1, 'parse', 'json', 'error', 2, BEGAN + 500000, 2.0, 1204, NULL, 'ValueError', 'no JSON', 'stack');
        INSERT INTO retries VALUES (RUN, 'parse', 1, 2, BEGAN + 1000000, 1.0, 'ValueError', 'no JSON');
    """
    for name, value in values.items():
        rows = rows.replace(name, value)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; {schema.MIGRATIONS[0]}")
        connection.executescript(f"{rows}; PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = 1;")


def check_first_version(path):
    with History(path) as history:
        detail = history.run(RUN_ID[:12])
    assert (detail.run.name, detail.run.state, detail.run.started_at, detail.run.pid) == (
        "orders",
        "failed",
        BEGAN,
        4711,
    )
    fetch, parse = detail.stages
    assert (fetch.stage_id, fetch.duration_s, fetch.output_size, fetch.metadata) == ("fetch", 0.5, 1204, {})
    assert (parse.status, parse.error_stack, parse.metadata) == ("error", "stack", {})
    assert [(retry.attempt, retry.backoff_s) for retry in parse.retries] == [(1, 1.0)]


def version_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


class TestAFileOfTheFirstVersion:
    def test_is_brought_up_to_date_by_whoever_reads_it(self, path):
        make_first_version(path)
        check_first_version(path)
        assert version_of(path) == schema.VERSION
        assert noted_in(path, noting(tokens=3)) == [{"tokens": 3}]
        check_first_version(path)

    def test_is_brought_up_to_date_by_whoever_writes_to_it(self, path):
        make_first_version(path)
        assert noted_in(path, noting(tokens=3)) == [{"tokens": 3}]
        assert version_of(path) == schema.VERSION
        check_first_version(path)

    def test_is_read_where_it_cannot_be_changed(self):
        """As it is: nobody waits for it to be brought up to date."""
        program = """
            import os, sys
            from atrio.history import History

            def read(path):
                with History(path) as history:
                    [run] = history.runs()
                    stages = history.run(run.run_id).stages
                    return run.name, [(stage.stage_id, stage.metadata) for stage in stages]

            read(sys.argv[2])  # what is imported now need not be by a user who may not
            if os.geteuid() == 0:
                os.seteuid(65534)
            print(read(sys.argv[1]))
            os.seteuid(os.getuid())  # for what is written at the end, as by coverage
        """
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            make_first_version(Path(name, "any.db"))
            shown = []
            for folder_mode, file_mode in ((0o555, 0o444), (0o777, 0o444), (0o555, 0o666)):
                folder = Path(name, f"{folder_mode:o}-{file_mode:o}")
                folder.mkdir()
                make_first_version(folder / "history.db")
                (folder / "history.db").chmod(file_mode)
                folder.chmod(folder_mode)
                command = [sys.executable, "-c", textwrap.dedent(program), folder / "history.db", Path(name, "any.db")]
                said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
                folder.chmod(0o755)
                shown.append((said.stderr, said.stdout, version_of(folder / "history.db")))
        assert shown == [("", "('orders', [('fetch', {}), ('parse', {})])\n", 1)] * 3

    def test_whoever_wrote_to_it_meanwhile_goes_on(self, path):
        """An older atrio that has it open names the columns that it knows."""
        make_first_version(path)
        with closing(sqlite3.connect(path)) as older:
            check_first_version(path)
            older.execute(
                "INSERT INTO stages (run_id, stage_index, stage_id, agent_id, status, started_us) "
                "VALUES (?, 2, 'last', 'a', 'success', 0)",
                (RUN_ID,),
            )
            older.commit()
        with History(path) as history:
            assert [stage.stage_id for stage in history.run(RUN_ID).stages] == ["fetch", "parse", "last"]

    def test_is_refused_by_an_atrio_that_is_older_than_it(self, path, monkeypatch):
        noted_in(path, noting(tokens=3))
        monkeypatch.setattr(schema, "VERSION", 1)
        for read_only in (True, False):
            with pytest.raises(HistoryError, match=r"was made by a newer atrio .* this atrio knows 1\)"):
                schema.connect(path, read_only=read_only)


def test_what_is_noted_is_text_in_the_file(path):
    """For whoever reads it with SQL."""
    noted_in(path, noting(tokens=3), noting())
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT metadata, json_extract(metadata, '$.tokens') FROM stages").fetchall()
    assert rows == [('{"tokens":3}', 3), (None, None)]
