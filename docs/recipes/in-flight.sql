-- What has a start and no end: it still runs, or its process was killed.
SELECT
    replace(replace(event, '.start', ''), '.end', '') AS what,
    run_id,
    min(pipeline_id) AS pipeline_id,
    stage_id,
    task_id,
    min(timestamp) AS since
FROM events
WHERE event LIKE '%.start' OR event LIKE '%.end'
GROUP BY what, run_id, stage_id, task_id
HAVING count(*) = 1
ORDER BY since;
