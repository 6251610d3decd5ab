SELECT
    pipeline_id,
    stage_id,
    count(*) AS runs,
    count(*) FILTER (WHERE status = 'error') AS failed,
    sum(greatest(attempts - 1, 0)) AS retries,
    quantile_disc(duration_s, 0.50) AS p50_s,
    quantile_disc(duration_s, 0.95) AS p95_s,
    quantile_disc(duration_s, 0.99) AS p99_s,
    sum(duration_s) AS total_s
FROM events
WHERE event = 'stage.end'
GROUP BY pipeline_id, stage_id
ORDER BY total_s DESC;
