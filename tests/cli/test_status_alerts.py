"""Alerts in ``atrio status`` and on the page: with the runs that they are about, and with no others."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from atrio import BatchProcessor, Pipeline, Stage, StageConfig, observe_only
from atrio.history import AlertSink, History, HistorySink, Thresholds
from atrio.history.alerts import Finding, stage_subject
from atrio.history.raised import record
from atrio.history.schema import connect

ONCE = StageConfig(attempts=1)
FEW = Thresholds(runs=3)


async def refuse(value):
    if value < 0:
        raise ValueError("below 0")
    return value


def pipeline_of(name, stage="check", agent=refuse):
    return Pipeline(name).add_stage(Stage(stage, agent, config=ONCE))


@pytest.fixture
def keep(tmp_path):
    """Run something, with alerts, into the history that the command line reads."""
    path = tmp_path / ".atrio" / "history.db"

    def keep(run, *arguments, **options):
        async def main():
            await run(*arguments, **options)

        with (
            HistorySink(path, on_problem=pytest.fail) as history,
            AlertSink(history, FEW) as alerts,
            observe_only(history, alerts),
        ):
            trio.run(main)
        with History(path) as past:
            return past.runs(1)[0].run_id

    return keep


def raise_alert(*finding):
    with closing(connect(Path(".atrio", "history.db"), read_only=False)) as database:
        record(database, [Finding(*finding)], [], now=datetime.now(UTC))


def subjects(atrio, run_id):
    ended = atrio("status", run_id, "--format", "json")
    return [each["subject"] for each in json.loads(ended.out)["alerts"]]


def test_of_a_batch_of_plain_agents_are_with_it(atrio, keep):
    run_id = keep(BatchProcessor().map, refuse, [1, -1, -1], name="nightly")
    (alert,) = json.loads(atrio("status", run_id, "--format", "json").out)["alerts"]
    assert (alert["rule"], alert["subject"], alert["run_name"]) == ("task_failure_rate", "nightly", "nightly")
    shown = atrio("status", run_id).out
    assert "task_failure_rate" in shown
    assert "67%" in shown
    assert atrio("report", run_id, "-o", "page.html").code == 0
    assert "task_failure_rate" in Path("page.html").read_text()


def test_of_a_batch_are_not_with_a_pipeline_of_its_name(atrio, keep):
    batch = keep(BatchProcessor().map, refuse, [1, 1], name="nightly")
    run = keep(pipeline_of("nightly").execute, 1)
    raise_alert("task_failure_rate", "nightly", 1.0, 0.2)
    assert subjects(atrio, batch) == ["nightly"]
    assert subjects(atrio, run) == []


def test_of_a_pipeline_are_with_the_batches_that_it_ran_in(atrio, keep):
    inside = keep(BatchProcessor().map, pipeline_of("triage"), [1], name="nightly")
    namesake = keep(BatchProcessor().map, refuse, [1], name="triage")
    raise_alert("failure_rate", "triage", 1.0, 0.2)
    raise_alert("slow_stage", "triage/check", 4.5, 1.5)
    assert set(subjects(atrio, inside)) == {"triage", "triage/check"}
    assert subjects(atrio, namesake) == []


def test_of_stages_are_with_their_own_pipeline_whatever_holds_a_slash(atrio, keep):
    pairs = [("a", "b/c"), ("a/b", "c"), ("a" * 150 + "/", "s" * 150), ("a" * 150 + "/b", "s")]
    runs = {pair: keep(pipeline_of(*pair).execute, 1) for pair in pairs}
    for pair in pairs:
        raise_alert("slow_stage", stage_subject(*pair), 4.5, 1.5)
    for pair, run_id in runs.items():
        assert subjects(atrio, run_id) == [stage_subject(*pair)]


def test_of_a_breaker_are_not_with_a_pipeline_of_its_name(atrio, keep):
    run_id = keep(pipeline_of("llm").execute, 1)
    raise_alert("breaker_opened", "llm", 1.0, 0.0)
    assert subjects(atrio, run_id) == []


def test_found_at_the_end_of_another_run_are_not_with_that(atrio, keep):
    async def one_after_the_other():
        await pipeline_of("first").execute(1)  # which is looked at
        for _ in range(3):
            await pipeline_of("failing").execute(-1)
        await pipeline_of("last").execute(1)

    last = keep(one_after_the_other)
    assert subjects(atrio, last) == []
    with History(Path(".atrio", "history.db")) as past:
        failing = past.runs(1, name="failing")[0].run_id
    assert subjects(atrio, failing) == ["failing"]
