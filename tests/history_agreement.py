"""What a history says, compared with what a log says of the same runs."""

import json
from collections import Counter
from datetime import datetime

from atrio.history import History


def moment(line):
    return datetime.fromisoformat(line["timestamp"])


def check_agreement(path, log):
    """Compare each run, stage, retry and task of a log, all of which ended, with those of a history.

    Returns:
        how many lines there are of each event.
    """
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    of = {name: [line for line in lines if line["event"] == name] for name in {line["event"] for line in lines}}
    ends = {line["run_id"]: line for name in ("pipeline.end", "batch.end") for line in of.get(name, ())}
    with History(path) as history:
        for run_id, line in ends.items():
            detail = history.run(run_id, failures=10**6, slowest=10**6)
            check_run(detail.run, line)
            check_begin(detail.run, of, run_id)
            if line["event"] == "pipeline.end":
                check_stages(detail, of, run_id)
            else:
                check_tasks(detail, of, run_id)
    return Counter(line["event"] for line in lines)


def check_run(run, line):
    same = ["run_id", "parent_run_id", "parent_stage_id", "parent_task_id", "duration_s"]
    assert [getattr(run, name) for name in same] == [line[name] for name in same]
    assert run.state == line["status"]
    if line["event"] == "pipeline.end":
        assert (run.kind, run.name) == ("pipeline", line["pipeline_id"])
        assert [run.successful, run.failed, run.skipped] == [
            line[f"stages_{name}"] for name in ("successful", "failed", "skipped")
        ]
        assert (run.error_type, run.error_message) == (line["error_type"], line["error_message"])
    else:
        assert (run.kind, run.name) == ("batch", line["batch"])
        counts = ["total", "successful", "failed", "timed_out", "cancelled", "not_started"]
        assert [getattr(run, name) for name in counts] == [line[name] for name in counts]


def check_begin(run, of, run_id):
    [begin] = [
        line for name in ("pipeline.start", "batch.start") for line in of.get(name, ()) if line["run_id"] == run_id
    ]
    assert run.started_at == moment(begin)
    if begin["event"] == "pipeline.start":
        assert run.total == begin["stage_count"]


def check_stages(detail, of, run_id):
    ended = [line for line in of.get("stage.end", ()) if line["run_id"] == run_id]
    same = ["stage_id", "agent_id", "status", "attempts", "duration_s", "input_size", "output_size", "error_type"]
    told = sorted(([line["stage_index"], *(line[name] for name in same)] for line in ended), key=lambda line: line[0])
    assert [[stage.index, *(getattr(stage, name) for name in same)] for stage in detail.stages] == told
    begun = {line["stage_index"]: moment(line) for line in of.get("stage.start", ()) if line["run_id"] == run_id}
    assert {stage.index: stage.started_at for stage in detail.stages} == begun
    same = ["attempt", "max_attempts", "backoff_s", "error_type", "error_message"]
    retries = [line for line in of.get("stage.retry", ()) if line["run_id"] == run_id]
    for stage in detail.stages:
        assert [[retry.at, *(getattr(retry, name) for name in same)] for retry in stage.retries] == [
            [moment(line), *(line[name] for name in same)] for line in retries if line["stage_id"] == stage.stage_id
        ]


def check_tasks(detail, of, run_id):
    ended = [line for line in of.get("task.end", ()) if line["run_id"] == run_id]
    figures = detail.tasks
    statuses = Counter(line["status"] for line in ended)
    assert [figures.successful, figures.failed, figures.timed_out, figures.cancelled, figures.running] == [
        *(statuses[name] for name in ("success", "error", "timeout", "cancelled")),
        0,
    ]
    same = ["task_id", "agent_id", "status", "queued_s", "duration_s", "error_type"]

    def told(lines):
        return sorted([line["task_index"], *(line[name] for name in same)] for line in lines)

    def read(tasks):
        return sorted([task.index, *(getattr(task, name) for name in same)] for task in tasks)

    assert read(figures.slowest) == told(ended)
    assert read(figures.failures) == told(line for line in ended if line["status"] in {"error", "timeout"})
