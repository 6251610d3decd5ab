"""DuckDB: what it counts from the log of a thousand tasks is what the API returned."""

import gzip
import json
from collections import defaultdict

import pytest
from recipe_logs import RECIPES, TASKS, microseconds

from atrio.events import json_schema

duckdb = pytest.importorskip("duckdb")

COLUMN_TYPES = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE"}
JSON_TYPES = {str: "string", int: "integer", float: "number", type(None): "null"}
MICROSECONDS = "sum(round({} * 1000000)::BIGINT)::BIGINT"
RUN_ENDS = "event = 'pipeline.end'"
# Of a cancelled run no result is returned.
RETURNED = "run_id NOT IN (SELECT run_id FROM events WHERE event = 'pipeline.end' AND status = 'cancelled')"


def types_of_fields():
    """Return the JSON types that each field may have, by its name."""
    schema, found = json_schema(), defaultdict(set)
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            kinds = field.get("type", [])
            found[name].update([kinds] if isinstance(kinds, str) else kinds)
    return found


class Loaded:
    """A database with the log of a folder in it."""

    def __init__(self, folder):
        self._connection = duckdb.connect()
        self._connection.execute(f"SET file_search_path = '{folder}'")
        self._connection.execute((RECIPES / "duckdb-load.sql").read_text())

    def rows(self, query):
        text = (RECIPES / query).read_text() if query.endswith(".sql") else query
        return self._connection.execute(text).fetchall()

    def sums(self, columns, figures, where):
        """Return the figures of each group of events, by the columns that they are grouped by."""
        number = len(columns.split(", "))
        rows = self.rows(f"SELECT {columns}, {figures} FROM events WHERE {where} GROUP BY {columns}")  # noqa: S608 - ours
        return {row[:number]: row[number:] for row in rows}


@pytest.fixture(scope="module")
def loaded(ran):
    return Loaded(ran.path.parent)


def grouped(things, key, *figures):
    """Return the figures of each group of things, by its key."""
    groups = defaultdict(list)
    for each in things:
        groups[key(each)].append(each)
    return {name: tuple(figure(group) for figure in figures) for name, group in groups.items()}


def total_us(attribute):
    return lambda group: microseconds(getattr(each, attribute) for each in group)


class TestTheRecipe:
    def test_has_the_catalogues_columns(self, loaded):
        columns = {name: kind for name, kind, *_ in loaded.rows("DESCRIBE events")}
        expected = {
            name: next(COLUMN_TYPES[kind] for kind in kinds if kind != "null")
            for name, kinds in types_of_fields().items()
        }
        assert columns == expected | {"timestamp": "TIMESTAMP"}

    def test_reads_every_line(self, any_log):
        path, lines = any_log
        assert Loaded(path.parent).rows("SELECT count(*), count(event), count(timestamp) FROM events") == [(lines,) * 3]

    def test_reads_what_was_rotated_and_compressed(self, ran, loaded, tmp_path):
        lines = ran.path.read_bytes().splitlines(keepends=True)
        (tmp_path / "app.jsonl.2.gz").write_bytes(gzip.compress(b"".join(lines[:5000])))
        (tmp_path / "app.jsonl.1").write_bytes(b"".join(lines[5000:10_000]))
        (tmp_path / "app.jsonl").write_bytes(b"".join(lines[10_000:]))
        everything = "FROM events ORDER BY ALL"
        assert Loaded(tmp_path).rows(everything) == loaded.rows(everything)

    def test_figures_of_stages(self, loaded, ran):
        found = {row[1]: row[2:5] for row in loaded.rows("duckdb-stages.sql")}
        records = grouped(
            ran.records,
            lambda each: each.stage_id,
            len,
            lambda group: sum(each.status == "error" for each in group),
            lambda group: sum(max(each.attempts - 1, 0) for each in group),
        )
        cancelled = sum(each.status == "timeout" for each in ran.batch.results)
        # Of the four whose time ran out, nothing but the log tells.
        assert sum(runs for runs, *_ in found.values()) >= sum(runs for runs, *_ in records.values()) + cancelled
        assert found["lookup"] == records["lookup"]
        assert {name: failed for name, (_, failed, _) in found.items()} == {
            name: failed for name, (_, failed, _) in records.items()
        }


class TestWhatTheApiReturned:
    def test_has_everything_that_should_be_counted(self, ran):
        errors = {record.error.error_type for record in ran.records if record.error}
        assert {"CircuitOpenError", "LookupError", "PipelineError", "timeout"} <= errors
        assert {each.status for each in ran.results} == {"success", "degraded", "failed"}
        assert {each.status for each in ran.records} == {"success", "skipped", "error"}
        assert {each.status for each in ran.batch.results} == {"success", "error", "timeout"}
        assert len(ran.batch.results) == TASKS
        assert ran.openings > 0

    def test_runs(self, ran, loaded):
        found = loaded.sums("pipeline_id, status", f"count(*), {MICROSECONDS.format('duration_s')}", RUN_ENDS)
        timed_out = sum(each.status == "timeout" for each in ran.batch.results)
        assert found.pop(("orders", "cancelled"))[0] == timed_out
        assert found == grouped(ran.results, lambda each: (each.pipeline_id, each.status), len, total_us("duration_s"))

    def test_stages_of_runs(self, ran, loaded):
        figures = "sum(stages_successful), sum(stages_failed), sum(stages_skipped)"
        found = loaded.sums("pipeline_id", figures, f"{RUN_ENDS} AND {RETURNED}")
        summaries = [(each.pipeline_id, each.summary) for each in ran.results]
        assert found == grouped(
            summaries,
            lambda each: (each[0],),
            *(
                lambda group, name=name: sum(getattr(each[1], name) for each in group)
                for name in ("successful_stages", "failed_stages", "skipped_stages")
            ),
        )

    def test_stages(self, ran, loaded):
        figures = f"count(*), sum(attempts), {MICROSECONDS.format('duration_s')}"
        found = loaded.sums("stage_id, agent_id, status", figures, f"event = 'stage.end' AND {RETURNED}")
        assert found == grouped(
            ran.records,
            lambda each: (each.stage_id, each.agent_id, each.status),
            len,
            lambda group: sum(each.attempts for each in group),
            total_us("duration_s"),
        )

    def test_errors(self, ran, loaded):
        found = loaded.sums("stage_id, error_type, error_message", "count(*)", f"event = 'stage.end' AND {RETURNED}")
        expected = grouped(
            ran.records,
            lambda each: (
                each.stage_id,
                *((each.error.error_type, each.error.message) if each.error else (None, None)),
            ),
            len,
        )
        assert found == expected

    def test_retries(self, ran, loaded):
        figures = f"count(*), {MICROSECONDS.format('backoff_s')}"
        found = loaded.sums("stage_id, error_type, attempt", figures, f"event = 'stage.retry' AND {RETURNED}")
        failures = [(each.stage_id, failure) for each in ran.records for failure in each.failures if failure.backoff_s]
        assert found == grouped(
            failures,
            lambda each: (each[0], each[1].error_type, each[1].attempt),
            len,
            lambda group: microseconds(each[1].backoff_s for each in group),
        )
        assert any(error_type == "timeout" for _, error_type, _ in found)

    def test_tasks(self, ran, loaded):
        both = f"{MICROSECONDS.format('duration_s')}, {MICROSECONDS.format('queued_s')}"
        found = loaded.sums("status", f"count(*), {both}", "event = 'task.end'")
        assert found == grouped(
            ran.batch.results, lambda each: (each.status,), len, total_us("duration_s"), total_us("queued_s")
        )

    def test_the_batch(self, ran, loaded):
        ((*counts, duration_us),) = loaded.rows(
            "SELECT run_id, status, total, successful, failed, timed_out, cancelled, not_started, "
            "round(duration_s * 1000000)::BIGINT FROM events WHERE event = 'batch.end'"
        )
        by_status = grouped(ran.batch.results, lambda each: str(each.status), len)
        statuses = ("success", "error", "timeout", "cancelled", "not_started")
        expected = [by_status.get(status, (0,))[0] for status in statuses]
        assert counts == [ran.batch.batch_id, ran.batch.status, TASKS, *expected]
        assert duration_us == microseconds([ran.batch.duration_s])

    def test_the_breaker(self, ran, loaded):
        found = loaded.sums("breaker, event", "count(*)", "event LIKE 'breaker.%'")
        assert found["upstream", "breaker.opened"] == (ran.openings,)


class TestTheLogIsWhole:
    def test_no_seq_is_missing(self, loaded):
        assert loaded.rows("lost-lines.sql") == []
        gaps = "SELECT run_id FROM events GROUP BY run_id HAVING count(DISTINCT seq) <> count(*) OR min(seq) <> 0"
        assert loaded.rows(gaps) == []

    def test_a_line_that_is_missing_is_found(self, ran, tmp_path):
        lines = ran.path.read_bytes().splitlines(keepends=True)
        # The last one of a run is found otherwise: the run has no end.
        missing = next(number for number, line in enumerate(lines) if number > 7000 and b'"stage.start"' in line)
        del lines[missing]
        (tmp_path / "app.jsonl").write_bytes(b"".join(lines))
        ((_, _, lost),) = Loaded(tmp_path).rows("lost-lines.sql")
        assert lost == 1

    def test_every_start_has_one_end(self, loaded):
        assert loaded.rows("in-flight.sql") == []
        ends = (
            "SELECT run_id FROM events WHERE event LIKE '%.start' OR event LIKE '%.end' "
            "GROUP BY run_id, stage_id, task_id, event HAVING count(*) > 1"
        )
        assert loaded.rows(ends) == []

    def test_what_has_no_end_is_in_flight(self, ran, tmp_path):
        lines = ran.path.read_bytes().splitlines(keepends=True)
        (tmp_path / "app.jsonl").write_bytes(b"".join(lines[:7000]))
        begun = [row[0] for row in Loaded(tmp_path).rows("in-flight.sql")]
        assert begun.count("batch") == 1
        # As many as run at once.
        assert begun.count("task") == 20

    def test_each_value_has_its_fields_type(self, ran, hostile):
        types = types_of_fields()
        wrong = {
            (name, value)
            for path in (ran.path, hostile[0])
            for line in map(json.loads, path.read_bytes().splitlines())
            for name, value in line.items()
            if JSON_TYPES[type(value)] not in types[name] | ({"null"} if "number" in types[name] else set())
        }
        assert wrong == set()

    def test_a_run_joins_its_task(self, ran, loaded):
        tasks = {run_id: (index, status) for _, index, status, run_id, *_ in loaded.rows("tasks.sql")}
        assert len(tasks) == TASKS
        inputs = {each.run_id: each.stages[0].output for each in ran.results if each.pipeline_id == "orders"}
        statuses = [each.status for each in ran.batch.results]
        assert {run_id: tasks[run_id] for run_id in inputs} == {
            run_id: (number, statuses[number]) for run_id, number in inputs.items()
        }

    def test_an_inner_run_joins_its_stage(self, ran, loaded):
        rows = loaded.rows(
            "SELECT run.run_id, stage.run_id FROM events AS run JOIN events AS stage ON stage.event = 'stage.end' "
            "AND stage.run_id = run.parent_run_id AND stage.stage_id = run.parent_stage_id "
            "WHERE run.event = 'pipeline.end' AND run.pipeline_id = 'inner' AND stage.stage_id = 'nested'"
        )
        inner = {each.run_id: each.stages[0].output for each in ran.results if each.pipeline_id == "inner"}
        outer = {each.run_id: each.stages[0].output for each in ran.results if each.pipeline_id == "orders"}
        assert {run_id for run_id, _ in rows} == set(inner)
        pairs = [(inner[run_id], outer[parent]) for run_id, parent in rows if parent in outer]
        assert all(number in {None, expected} for number, expected in pairs)
        assert len(pairs) > TASKS / 2
