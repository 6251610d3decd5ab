-- Each run of a pipeline beside the batch's task that it ran in.
SELECT
    task.batch,
    task.task_index,
    task.status AS task_status,
    run.run_id,
    run.pipeline_id,
    run.status,
    run.duration_s
FROM events AS run
JOIN events AS task
    ON task.event = 'task.end' AND task.run_id = run.parent_run_id AND task.task_id = run.parent_task_id
WHERE run.event = 'pipeline.end'
ORDER BY run.duration_s DESC;
