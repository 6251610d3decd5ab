"""What a history is asked, in SQL. Each question has an index, or a key, that leads to its rows alone."""

from __future__ import annotations

from typing import Final

RUN: Final = """
SELECT run_id, kind, name,
    CASE WHEN state = 'running' AND process IN ({dead}) THEN 'interrupted' ELSE state END, started_us, duration_s,
    parent_run_id, parent_stage_id, parent_task_id, coalesce(pid, 0), coalesce(host, ''), total, successful, failed,
    skipped, timed_out, cancelled, not_started, error_type, error_message, {stack}
FROM runs {index} LEFT JOIN processes ON processes.id = runs.process
"""
STAGES: Final = """
SELECT stage_index, stage_id, agent_id, status, started_us, duration_s, attempts, input_size, output_size, error_type,
    error_message, error_stack, metadata
FROM stages WHERE run_id = ? ORDER BY stage_index
"""
RETRIES: Final = """
SELECT stage_id, attempt, max_attempts, at_us, backoff_s, error_type, error_message FROM retries
WHERE run_id = ? ORDER BY stage_id, attempt
"""
TASKS: Final = """
SELECT task_index, task_id, agent_id, status, queued_s, started_us, duration_s, error_type, error_message, error_stack,
    (SELECT min(runs.run_id) FROM runs WHERE parent_run_id = tasks.run_id AND parent_task_id = tasks.task_id)
FROM tasks WHERE run_id = ? AND {which} LIMIT ?
"""
COUNTS: Final = """
SELECT count(*), count(duration_s), coalesce(sum(duration_s), 0.0), coalesce(sum(status = 'success'), 0),
    coalesce(sum(status = 'error'), 0), coalesce(sum(status = 'timeout'), 0), coalesce(sum(status = 'cancelled'), 0)
FROM tasks INDEXED BY tasks_by_duration WHERE run_id = ?
"""
RANKED: Final = """
SELECT duration_s FROM tasks WHERE run_id = ? AND duration_s IS NOT NULL ORDER BY duration_s {way} LIMIT 1 OFFSET ?
"""
# A clock of tests may have counted any number of seconds.
_END: Final = "started_us + CAST(min(max(coalesce(duration_s, 0.0), 0.0), 1e9) * 1e6 AS INTEGER)"
# Tasks are begun in their order: those that ended last are among the last, and of a million not all are looked at.
LAST_SEEN: Final = f"""
SELECT max(at_us) FROM (
    SELECT started_us AS at_us FROM runs WHERE run_id = :run
    UNION ALL SELECT seen_us FROM runs JOIN processes ON processes.id = runs.process
        WHERE run_id = :run AND (closed = 1 OR processes.id IN ({{dead}}))
    UNION ALL SELECT {_END} FROM stages WHERE run_id = :run
    UNION ALL SELECT at_us FROM retries WHERE run_id = :run
    UNION ALL SELECT at_us FROM model_calls WHERE run_id = :run
    UNION ALL SELECT * FROM (SELECT {_END} FROM tasks WHERE run_id = :run ORDER BY task_index DESC LIMIT 10000)
    UNION ALL SELECT * FROM (SELECT {_END} FROM runs WHERE parent_run_id = :run ORDER BY run_id DESC LIMIT 10000)
)
"""  # noqa: S608 - our own words
# To sort a hundred thousand for the first twenty takes long. Those of a batch are in its first tasks, or where few of
# these have any, in some other ones; those of a pipeline are in the index in their order.
INSIDE: Final = """
WHERE runs.run_id IN (
    SELECT * FROM (
        SELECT runs.run_id FROM (SELECT task_id FROM tasks WHERE run_id = :run ORDER BY task_index LIMIT :most)
        CROSS JOIN runs ON parent_run_id = :run AND parent_task_id = task_id LIMIT :most
    )
    UNION ALL SELECT * FROM (
        SELECT run_id FROM runs WHERE parent_run_id = :run ORDER BY parent_task_id, run_id LIMIT :most
    )
)
ORDER BY runs.run_id LIMIT :most
"""
NAMES: Final = """
SELECT DISTINCT name FROM runs INDEXED BY runs_on_top_by_name WHERE parent_run_id IS NULL
"""
MODELS: Final = """
SELECT stage_id, agent_id, provider, model, count(*), count(error_type), coalesce(sum(input_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(duration_s), 0.0)
FROM model_calls WHERE run_id = ? GROUP BY stage_id, agent_id, provider, model ORDER BY min(id)
"""
STAGE_DURATIONS: Final = """
SELECT stage_id, latest.run_id, stages.duration_s FROM (
    SELECT run_id, started_us FROM runs WHERE kind = 'pipeline' AND name = ? ORDER BY started_us DESC, run_id DESC
    LIMIT ?
) AS latest JOIN stages ON stages.run_id = latest.run_id
WHERE status = 'success' ORDER BY latest.started_us DESC, latest.run_id DESC, stage_index
"""
_PICKED: Final = """
WITH RECURSIVE picked(task_index) AS (
    SELECT 0 UNION ALL SELECT task_index + :every FROM picked WHERE task_index + :every <= :last
)
"""
_IN_TASKS: Final = """
FROM picked CROSS JOIN tasks ON tasks.run_id = :batch AND tasks.task_index = picked.task_index
CROSS JOIN runs ON parent_run_id = :batch AND parent_task_id = tasks.task_id AND kind = 'pipeline'
"""
STAGES_OF_TASKS: Final = f"""
{_PICKED}
SELECT name, total, runs.run_id, stage_index, stage_id, stages.agent_id, stages.status, stages.duration_s
{_IN_TASKS}
LEFT JOIN stages ON stages.run_id = runs.run_id
"""
MODELS_OF_TASKS: Final = f"""
{_PICKED}, inside(name, run_id) AS (
    SELECT name, runs.run_id {_IN_TASKS}
    UNION ALL SELECT inside.name, runs.run_id FROM inside CROSS JOIN runs ON parent_run_id = inside.run_id
)
SELECT name, stage_id, agent_id, provider, model, count(*), count(error_type), coalesce(sum(input_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(duration_s), 0.0)
FROM inside CROSS JOIN model_calls ON model_calls.run_id = inside.run_id
GROUP BY name, stage_id, agent_id, provider, model ORDER BY min(id)
"""  # noqa: S608 - our own words
