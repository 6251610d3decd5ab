"""Histories of any size, filled by SQL: runs alone, and runs inside of batches, of twenty pipelines."""

# ruff: noqa: S608 - the statements are made of this module's own words

from contextlib import closing
from pathlib import Path

from atrio.history.schema import connect
from benchmarks.history import STAGES

NAMES = 20
TASKS = 1_000
_HOUR_US = 3600 * 1_000_000
_START_US = 1_700_000_000_000_000
_ID = "printf('%012x7%03x8%015x', {start} / 1000, {number} % 4096, {number})"
_BATCHES = f"""
INSERT INTO runs (run_id, kind, name, state, started_us, duration_s, process, total, max_concurrent, successful)
WITH RECURSIVE each (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each WHERE n < :batches - 1)
SELECT {_ID.format(start="(:start + n * 1000000)", number="n + (1 << 40)")}, 'batch', 'pipeline-' || (n % {NAMES}),
    'success', :start + n * 1000000, 1.0 + n % 7, 1, {TASKS}, 20, {TASKS}
FROM each WHERE :batches > 0
"""
_TASKS = """
INSERT INTO tasks (run_id, task_index, task_id, agent_id, status, queued_s, started_us, duration_s)
WITH RECURSIVE each (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each WHERE n < total - 1)
SELECT run_id, n, run_id || '-' || n, name, CASE WHEN n % 50 THEN 'success' ELSE 'error' END, n * 0.001, started_us + n,
    ((n * 7919) % 1000) * 0.001 FROM runs CROSS JOIN each WHERE kind = 'batch'
""".replace("total - 1", f"{TASKS} - 1")
_INSIDE = f"""
INSERT INTO runs (run_id, kind, name, state, started_us, duration_s, process, total, successful, parent_run_id,
    parent_task_id)
SELECT {_ID.format(start="started_us", number="(task_index + 1000 * rowed)")}, 'pipeline', agent_id, 'success',
    started_us, duration_s, 1, {STAGES}, {STAGES}, run_id, task_id
FROM (SELECT *, row_number() OVER (ORDER BY run_id, task_index) AS rowed FROM tasks)
"""
_ALONE = f"""
INSERT INTO runs (run_id, kind, name, state, started_us, duration_s, process, total, successful)
WITH RECURSIVE each (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each WHERE n < :alone - 1)
SELECT {_ID.format(start="(:start + n * 10000)", number="n + (1 << 44)")}, 'pipeline', 'pipeline-' || (n % {NAMES}),
    CASE WHEN n % 10 THEN 'success' ELSE 'failed' END, :start + n * 10000, 0.1 + n % 13, 1, {STAGES}, {STAGES}
FROM each WHERE :alone > 0
"""
_STAGES = f"""
INSERT INTO stages (run_id, stage_index, stage_id, agent_id, status, attempts, started_us, duration_s)
WITH RECURSIVE each (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each WHERE n < {STAGES - 1})
SELECT run_id, n, 'stage-' || n, 'agent-' || n, 'success', 1, started_us, duration_s / {STAGES}
FROM runs CROSS JOIN each WHERE kind = 'pipeline'
"""


def fill(path: Path, alone: int, batches: int = 0, start_us: int = _START_US) -> None:
    """Fill a history with runs that ended.

    Args:
        path: where it is made.
        alone: how many runs of pipelines run inside no other.
        batches: how many batches of 1,000 runs there are.
        start_us: when the first one began, in microseconds since 1970.
    """
    values = {"alone": alone, "batches": batches, "start": start_us}
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("BEGIN")
        connection.execute(
            "INSERT INTO processes (id, pid, host, identity, seen_us, closed) VALUES (1, 1, '', '', 0, 1)"
        )
        for statement in (_BATCHES, _TASKS, _INSIDE, _ALONE, _STAGES):
            connection.execute(statement, values if ":" in statement else {})
        connection.execute("COMMIT")
