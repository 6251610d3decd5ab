-- The types are written down: those that DuckDB guesses depend on what the first lines hold.
CREATE OR REPLACE TABLE events AS
SELECT *
FROM read_json('app.jsonl*', format = 'newline_delimited', columns = {
    -- on every line
    schema: 'BIGINT', event: 'VARCHAR', level: 'VARCHAR', timestamp: 'TIMESTAMP', logger: 'VARCHAR',
    run_id: 'VARCHAR', parent_run_id: 'VARCHAR', parent_stage_id: 'VARCHAR', parent_task_id: 'VARCHAR',
    seq: 'BIGINT', pid: 'BIGINT', host: 'VARCHAR', service: 'VARCHAR',
    -- of pipelines and stages
    pipeline_id: 'VARCHAR', stage_count: 'BIGINT', stage_id: 'VARCHAR', agent_id: 'VARCHAR', stage_index: 'BIGINT',
    attempt: 'BIGINT', max_attempts: 'BIGINT', backoff_s: 'DOUBLE', status: 'VARCHAR', attempts: 'BIGINT',
    duration_s: 'DOUBLE', input_size: 'BIGINT', output_size: 'BIGINT', stages_successful: 'BIGINT',
    stages_failed: 'BIGINT', stages_skipped: 'BIGINT', error_type: 'VARCHAR', error_message: 'VARCHAR',
    error_stack: 'VARCHAR', metadata: 'VARCHAR',
    -- of batches and tasks
    batch: 'VARCHAR', total: 'BIGINT', max_concurrent: 'BIGINT', task_id: 'VARCHAR', task_index: 'BIGINT',
    queued_s: 'DOUBLE', completed: 'BIGINT', failed: 'BIGINT', percent: 'DOUBLE', elapsed_s: 'DOUBLE',
    successful: 'BIGINT', timed_out: 'BIGINT', cancelled: 'BIGINT', not_started: 'BIGINT',
    throughput_per_s: 'DOUBLE', efficiency: 'DOUBLE',
    -- of calls of language models
    provider: 'VARCHAR', model: 'VARCHAR', input_tokens: 'BIGINT', output_tokens: 'BIGINT', finish_reason: 'VARCHAR',
    fallback: 'VARCHAR', next_agent_id: 'VARCHAR',
    -- of breakers, alerts and the log itself
    breaker: 'VARCHAR', failures: 'BIGINT', recovery_timeout_s: 'DOUBLE', open_s: 'DOUBLE', rule: 'VARCHAR',
    subject: 'VARCHAR', value: 'DOUBLE', threshold: 'DOUBLE', count: 'BIGINT', reason: 'VARCHAR'
});
