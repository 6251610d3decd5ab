"""Runs as a history has them, made up: what a page shows of them can then be told in advance."""

import random
from datetime import UTC, datetime, timedelta

from atrio.cli._page_content import Compared, Content
from atrio.history import (
    ModelRow,
    PipelineFigures,
    RetryRow,
    RunDetail,
    RunRow,
    StageFigures,
    StageRow,
    TaskFigures,
    TaskRow,
)

BEGAN = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
NOW = datetime(2026, 2, 3, 5, tzinfo=UTC)
RUN_ID = "019c2172a2b570f1a9e04d6b8c1f3e5a"
STACK = """\
Traceback (most recent call last):
  File "/srv/shop/agents.py", line 41, in process
    reply = await self._client.post(self._url, json=ticket)
  File "/srv/shop/client.py", line 117, in post
    raise ConnectionError(f"no answer from {url}")
ConnectionError: no answer from http://127.0.0.1:8001/classify
"""
# What a page must show as text, all of it.
HOSTILE = (
    "<script>document.title = 'obeyed'</script><img src=x onerror=\"document.title='obeyed'\">"
    "</style></pre>{{ 7 * 7 }} & \x1b[31mred\x07 \u202eolleh\u202c \u200f\u2066 \x00 \ud800 'quoted' \"twice\" ]]>"
)


def after(seconds):
    return BEGAN + timedelta(seconds=seconds)


def run(state="success", *, kind="pipeline", name="triage", duration_s=5.25, **fields):
    given = {
        "run_id": RUN_ID, "kind": kind, "name": name, "state": state, "started_at": BEGAN, "duration_s": duration_s,
        "parent_run_id": None, "parent_stage_id": None, "parent_task_id": None, "pid": 4711, "host": "lighthouse",
        "total": 1, "successful": 0, "failed": 0, "skipped": 0, "timed_out": 0, "cancelled": 0, "not_started": 0,
        "error_type": None, "error_message": None,
    }  # fmt: skip
    return RunRow(**given | fields)


def stage(index, stage_id, status="success", *, begin_s=0.0, duration_s=1.0, attempts=1, **fields):
    given = {
        "agent_id": stage_id, "input_size": 1_204, "output_size": 310, "error_type": None, "error_message": None,
        "error_stack": None, "retries": (),
    }  # fmt: skip
    return StageRow(
        index=index, stage_id=stage_id, status=status, started_at=after(begin_s), duration_s=duration_s,
        attempts=attempts, **given | fields,
    )  # fmt: skip


def retry(attempt, at_s, backoff_s, error_type="ConnectionError", message="no answer", max_attempts=4):
    return RetryRow(attempt, max_attempts, after(at_s), backoff_s, error_type, message)


def task(index, status="success", *, queued_s=0.0, duration_s=1.0, **fields):
    given = {"error_type": None, "error_message": None, "error_stack": None, "run_id": None, "agent_id": "triage"}
    return TaskRow(
        index=index, task_id=f"task-{index}", status=status, queued_s=queued_s, started_at=after(queued_s),
        duration_s=duration_s, **given | fields,
    )  # fmt: skip


def figures(**fields):
    given = {
        "max_concurrent": 20, "throughput_per_s": 12.5, "efficiency": 0.93, "successful": 0, "failed": 0,
        "timed_out": 0, "cancelled": 0, "not_started": 0, "running": 0, "mean_s": 0.0, "shortest_s": 0.0, "p50_s": 0.0,
        "p95_s": 0.0, "p99_s": 0.0, "longest_s": 0.0, "slowest": (), "failures": (),
    }  # fmt: skip
    return TaskFigures(**given | fields)


def stage_figures(index, stage_id, **fields):
    given = {
        "agent_id": stage_id, "begun": 1, "successful": 0, "failed": 0, "skipped": 0, "cancelled": 0, "running": 0,
        "p50_s": 0.0, "p95_s": 0.0,
    }  # fmt: skip
    return StageFigures(index, stage_id, **given | fields)


def content(run_row, stages=(), tasks=None, *, now=NOW, models=(), inside=(), last_seen_at=None, **beside):
    return Content(RunDetail(run_row, tuple(stages), tasks, tuple(models), tuple(inside), last_seen_at), now, **beside)


def failed_stages():
    error = {
        "error_type": "ConnectionError",
        "error_message": "no answer from http://127.0.0.1:8001/classify",
        "error_stack": STACK,
    }
    return (
        stage(0, "clean", duration_s=0.042),
        stage(1, "detect_language", begin_s=0.042, duration_s=0.31, agent_id="language"),
        stage(
            2, "enrich", "skipped", begin_s=0.352, duration_s=1.1, attempts=2, agent_id="customer_records",
            error_type="timeout", error_message="no result within 0.5 s", output_size=None,
            retries=(retry(1, 0.852, 0.1, "timeout", "no result within 0.5 s", 2),),
        ),
        stage(
            3, "classify", "error", begin_s=1.452, duration_s=3.79, attempts=4, agent_id="guarded_model",
            output_size=None, retries=(retry(1, 1.9, 0.25), retry(2, 2.6, 0.5), retry(3, 3.7, 1.0)), **error,
        ),
    )  # fmt: skip


def failed_run():
    """A run with a retried stage, one that was skipped, one that failed, and one that was not begun."""
    stages = failed_stages()
    row = run("failed", total=5, successful=2, failed=1, skipped=1, error_type="PipelineError", error_message="failed")
    return content(
        row,
        stages,
        compared=(
            Compared("clean", 0.042, 0.038, 0.061, 0.094, 0.094, 112),
            Compared("detect_language", 0.31, 0.12, 0.29, 0.33, 0.412, 112),
            Compared("enrich", 1.1, 0.22, 0.41, 0.48, 0.49, 97),
        ),
        models=(ModelRow("classify", "guarded_model", "local", "small-instruct", 4, 4, 5_120, 0, 2.41),),
        inside=(run("success", name="lookup", duration_s=0.3, run_id=RUN_ID[:-1] + "b"),),
    )


def interrupted_run(seen_s=None, clean_s=0.0005):
    """A run whose process was killed in its second stage, and was last seen so many seconds after the run's begin."""
    stages = (
        stage(0, "clean", duration_s=clean_s),
        stage(1, "classify", "interrupted", begin_s=clean_s, duration_s=None, attempts=1),
    )
    seen_at = None if seen_s is None else after(seen_s)
    return content(run("interrupted", duration_s=None, total=3), stages, last_seen_at=seen_at)


def killed_batch(p99_s=0.177):
    """A batch whose process was killed; how near its percentiles lie to each other on its page is to be chosen."""
    durations = (*[0.1 + at / 80_000 for at in range(190)], *[0.138] * 10, *[p99_s] * 7, *[0.177] * 2)
    tasks = figures(
        max_concurrent=5, throughput_per_s=None, efficiency=None, successful=177, failed=32, running=5, not_begun=86,
        measured=209, mean_s=0.11, shortest_s=0.1, p50_s=0.102, p95_s=0.138, p99_s=p99_s, longest_s=0.177,
    )  # fmt: skip
    row = run("interrupted", kind="batch", duration_s=None, total=300, successful=177, failed=32)
    return content(row, tasks=tasks, task_durations=durations, last_seen_at=after(5))


def stages_of_tasks(runs):
    return (
        stage_figures(0, "clean", begun=runs, successful=runs, p50_s=0.042, p95_s=0.05),
        stage_figures(
            1, "classify", agent_id="guarded_model", begun=runs, successful=runs - 12, failed=9, cancelled=3, p50_s=0.3,
            p95_s=0.91,
        ),
        stage_figures(2, "enrich", begun=runs - 12, successful=runs - 212, skipped=200, p50_s=0.1, p95_s=0.5),
        stage_figures(3, "answer", begun=1, running=1),
    )  # fmt: skip


def batch(count=1_000):
    """A batch in which some tasks failed."""
    draw = random.Random(7)
    durations = tuple(sorted(min(draw.lognormvariate(-1.2, 0.55), 9) for _ in range(count)))
    slowest = tuple(
        task(at * 37, "error" if at == 2 else "timeout" if at == 4 else "success", queued_s=at * 3.1, duration_s=each_s,
             run_id=RUN_ID[:-2] + f"{at:02x}")
        for at, each_s in enumerate(reversed(durations[-10:]))
    )  # fmt: skip
    failures = tuple(
        task(
            at * 53, "timeout" if at % 4 == 3 else "error", queued_s=at * 2.0, duration_s=0.4 + at / 50,
            error_type="timeout" if at % 4 == 3 else "ConnectionError",
            error_message="no result within 2 s" if at % 4 == 3 else "no answer from http://127.0.0.1:8001/classify",
            error_stack=None if at % 4 == 3 else STACK,
        )
        for at in range(12)
    )  # fmt: skip
    tasks = figures(
        successful=count - 12, failed=9, timed_out=3, mean_s=sum(durations) / count, shortest_s=durations[0],
        p50_s=durations[count // 2], p95_s=durations[count * 95 // 100], p99_s=durations[count * 99 // 100],
        longest_s=durations[-1], slowest=slowest, failures=failures,
    )  # fmt: skip
    row = run(
        "degraded", kind="batch", name="tickets of the night", duration_s=42.7, total=count, successful=count - 12,
        failed=9, timed_out=3,
    )  # fmt: skip
    inside = RunDetail(run("success", total=4, successful=4), (*failed_stages()[:2],), None)
    asked = (ModelRow("classify", "guarded_model", "local", "small-instruct", count, 9, 5_120_000, 64_000, 813.0),)
    pipelines = (PipelineFigures("triage", 6, count, 1, stages_of_tasks(count), asked),)
    return content(row, tasks=tasks, task_durations=durations, slowest=inside, pipelines=pipelines)


def hostile_run(text=HOSTILE):
    """A run with `text` wherever somebody else may have put it."""
    name = text[:200]
    stages = (
        stage(0, name, "skipped", agent_id=name, error_type=name, error_message=text, error_stack=text, attempts=2,
              retries=(retry(1, 0.5, 0.25, name, text),)),
        stage(1, "plain", "error", begin_s=1.0, error_type=name, error_message=text, error_stack=text,
              metadata={name: text, "nested": {name: [text]}}),
    )  # fmt: skip
    row = run(
        "failed", name=name, host=name, parent_run_id=name, parent_stage_id=name, parent_task_id=name, total=2,
        error_type=name, error_message=text, error_stack=text,
    )  # fmt: skip
    models = (ModelRow(name, name, name, name, 1, 0, 1, 1, 0.1),)
    return content(row, stages, models=models, inside=(row,), compared=(Compared(name, 1.0, 1.0, 1.0, 1.0, 1.0, 3),))


def hostile_batch(text=HOSTILE):
    """The same as a batch."""
    failed = task(0, "error", error_type=text[:200], error_message=text, error_stack=text, agent_id=text[:200])
    tasks = figures(failed=1, longest_s=1.0, slowest=(failed,), failures=(failed,))
    row = run("failed", kind="batch", name=text[:200], host=text[:200], failed=1)
    name = text[:200]
    stages = (stage_figures(0, name, agent_id=name, failed=1, p50_s=1.0, p95_s=1.0),)
    pipelines = (PipelineFigures(name, 2, 1, 7, stages, (ModelRow(name, name, name, name, 1, 0, 1, 1, 0.1),)),)
    return content(row, tasks=tasks, task_durations=(1.0,), slowest=hostile_run(text).detail, pipelines=pipelines)
