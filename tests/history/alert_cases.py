"""Runs that take as long as they are told to, and the alerts that are raised about them."""

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import trio

from atrio import ErrorPolicy, Pipeline, Stage, StageConfig, observe
from atrio.events import AlertRaised, AlertResolved, BatchEnd, PipelineEnd
from atrio.history import AlertSink, HistorySink, Thresholds

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ONCE = StageConfig(error_policy=ErrorPolicy.STOP, timeout=None)
FEW = Thresholds(runs=3)
SLOW = ("slow_stage", "triage/sleep")
FAILING = ("failure_rate", "triage")


def flushing(history):
    """Return a sink that waits until ends are in the file, which otherwise a busy machine may write too late."""

    def wait(event):
        if isinstance(event, PipelineEnd | BatchEnd):
            history.flush()

    return wait


@contextmanager
def watched(path, thresholds=FEW, *, on_problem=pytest.fail, waits=True, **options):
    """Keep a history with alerts, and yield the alerts' events."""
    told = []
    with (
        observe(lambda event: told.append(event) if isinstance(event, AlertRaised | AlertResolved) else None),
        HistorySink(path, on_problem=on_problem) as history,
        AlertSink(history, thresholds, **options) as alerts,
        observe(history, *[flushing(history)] * waits, alerts),
    ):
        yield told


def summed_up(told):
    return [(type(each).event_name, each.rule, each.subject) for each in told]


async def sleep(seconds):
    if seconds < 0:
        raise ValueError("too fast")
    await trio.sleep(seconds)


def triage(agent=sleep, name="triage", stage="sleep"):
    return Pipeline(name).add_stage(Stage(stage, agent, config=ONCE))


async def run_all(*inputs, pipeline=None):
    for seconds in inputs:
        await (pipeline or triage()).execute(seconds)
