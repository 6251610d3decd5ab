"""SQLite: the script of the page loads a log, and the queries are the same as DuckDB's."""

import contextlib
import shutil
import sqlite3

import pytest
from recipe_logs import TASKS, microseconds

if sqlite3.sqlite_version_info < (3, 37):
    pytest.skip("strict tables need SQLite 3.37", allow_module_level=True)

LOAD = "python to_sqlite.py logs.db app.jsonl"


@pytest.fixture
def query(folder, shell):
    """Return what loads a log, and gives the rows of a query."""

    def run(path, text):
        shutil.copy(path, folder / "app.jsonl")
        (folder / "logs.db").unlink(missing_ok=True)
        shell(LOAD)
        sql = (folder / text).read_text() if text.endswith(".sql") else text
        with contextlib.closing(sqlite3.connect(folder / "logs.db")) as connection:
            return connection.execute(sql).fetchall()

    return run


def test_it_reads_every_line(any_log, query):
    path, lines = any_log
    assert query(path, "SELECT count(*), count(event) FROM events") == [(lines, lines)]


def test_figures_are_those_that_were_returned(ran, query):
    rows = query(
        ran.path,
        "SELECT pipeline_id, status, count(*), sum(CAST(round(duration_s * 1000000) AS INTEGER)) FROM events "
        "WHERE event = 'pipeline.end' AND status <> 'cancelled' GROUP BY pipeline_id, status",
    )
    assert {row[:2] for row in rows} == {(each.pipeline_id, each.status) for each in ran.results}
    assert sum(row[2] for row in rows) == len(ran.results)
    assert sum(row[3] for row in rows) == microseconds(each.duration_s for each in ran.results)


@pytest.mark.parametrize(("name", "rows"), [("lost-lines.sql", 0), ("in-flight.sql", 0), ("tasks.sql", TASKS)])
def test_the_queries_of_the_page(ran, query, name, rows):
    assert len(query(ran.path, name)) == rows


def test_the_shell_of_sqlite(ran, folder, shell, needs):
    needs("sqlite3")
    shutil.copy(ran.path, folder / "app.jsonl")
    shell(LOAD)
    assert len(shell("sqlite3 logs.db < tasks.sql").splitlines()) == TASKS


def test_a_line_that_is_being_written_is_left_for_later(ran, folder, query):
    torn = folder / "torn.jsonl"
    torn.write_bytes(b"".join(ran.path.read_bytes().splitlines(keepends=True)[:100])[:-20])
    assert query(torn, "SELECT count(*) FROM events") == [(99,)]


def test_a_value_of_another_type_is_refused(ran, folder, query):
    line = ran.path.read_bytes().splitlines(keepends=True)[0]
    bad = folder / "bad.jsonl"
    bad.write_bytes(line.replace(b'"total":1000', b'"total":"many"'))
    with pytest.raises(AssertionError, match=r"cannot store TEXT value in INTEGER column events.total"):
        query(bad, "SELECT 1")
