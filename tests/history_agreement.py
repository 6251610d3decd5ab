"""What a history says, compared with what a log says of the same runs."""

import json
from collections import Counter, defaultdict
from datetime import datetime

from atrio.history import History


def moment(line):
    return datetime.fromisoformat(line["timestamp"])


def check_agreement(path, log, *results):
    """Compare each run, stage, retry and task of a log, all of which ended, with those of a history.

    Args:
        path: the history.
        log: the log.
        results: some of the runs' results, of pipelines, which must say the same.

    Returns:
        how many lines there are of each event.
    """
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    runs = defaultdict(lambda: defaultdict(list))
    for line in lines:
        runs[line["run_id"]][line["event"]].append(line)
    with History(path) as history:
        for run_id, of in runs.items():
            for end in (*of["pipeline.end"], *of["batch.end"]):
                detail = history.run(run_id, failures=10**6, slowest=10**6)
                check_run(detail.run, end)
                check_begin(detail.run, of)
                if end["event"] == "pipeline.end":
                    check_stages(detail, of)
                else:
                    check_tasks(detail, of)
        for result in results:
            check_result(result, history.run(result.run_id))
    return Counter(line["event"] for line in lines)


def check_result(result, detail):
    assert (detail.run.state, detail.run.name, detail.run.total) == (
        result.status,
        result.pipeline_id,
        result.stage_count,
    )
    same = ["index", "stage_id", "agent_id", "status", "attempts", "input_size", "output_size", "metadata"]
    assert [[getattr(stage, name) for name in same] for stage in detail.stages] == [
        [record[name] for name in same] for record in result.to_dict()["stages"]
    ]


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


def check_begin(run, of):
    [begin] = [*of["pipeline.start"], *of["batch.start"]]
    assert run.started_at == moment(begin)
    if begin["event"] == "pipeline.start":
        assert run.total == begin["stage_count"]


def check_stages(detail, of):
    ended = of["stage.end"]
    same = ["stage_id", "agent_id", "status", "attempts", "duration_s", "input_size", "output_size", "error_type"]
    told = sorted(([line["stage_index"], *(line[name] for name in same)] for line in ended), key=lambda line: line[0])
    assert [[stage.index, *(getattr(stage, name) for name in same)] for stage in detail.stages] == told
    noted = {line["stage_index"]: json.loads(line["metadata"] or "{}") for line in ended}
    assert {stage.index: stage.metadata for stage in detail.stages} == noted
    begun = {line["stage_index"]: moment(line) for line in of["stage.start"]}
    assert {stage.index: stage.started_at for stage in detail.stages} == begun
    same = ["attempt", "max_attempts", "backoff_s", "error_type", "error_message"]
    for stage in detail.stages:
        assert [[retry.at, *(getattr(retry, name) for name in same)] for retry in stage.retries] == [
            [moment(line), *(line[name] for name in same)]
            for line in of["stage.retry"]
            if line["stage_id"] == stage.stage_id
        ]


def check_tasks(detail, of):
    ended = of["task.end"]
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
