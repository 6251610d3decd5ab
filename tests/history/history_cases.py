"""Runs of every kind, and a history that they are kept in."""

import pytest
import trio

from atrio import Backoff, BatchConfig, BatchProcessor, ErrorPolicy, Pipeline, Stage, StageConfig, observe_only
from atrio.history import History, HistorySink
from atrio.testing import run_in_virtual_time

ONCE = StageConfig(attempts=1)
THRICE = StageConfig(attempts=3, backoff=Backoff(initial=0.5, factor=2, jitter=0))
LEFT_OUT = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)


def kept(path, **options):
    """Return a sink that fails the test if anything cannot be kept."""
    return HistorySink(path, on_problem=fail_with, **options)


def fail_with(sentence):
    pytest.fail(sentence)  # no Exception, which the sink would only tell of


def run_of(path, which=0, **options):
    """Return one of the runs on top, the last one if nothing is said, with all that is kept of it."""
    with History(path) as history:
        return history.run(history.runs(which + 1)[which].run_id, **options)


async def double(value):
    await trio.sleep(0.25)
    return value * 2


async def refuse(value):
    raise ValueError(f"not {value}")


def flaky(times, error=ConnectionError):
    """Return an agent that fails so many times, and then gives back what it was given."""
    left = times

    async def process(value):
        nonlocal left
        await trio.sleep(0.125)
        if left:
            left -= 1
            raise error("not yet")
        return value

    return process


def pipeline_of(*agents, name="orders", config=ONCE):
    pipeline = Pipeline(name)
    for number, agent in enumerate(agents):
        pipeline = pipeline.add_stage(Stage(f"stage-{number}", agent, config=config))
    return pipeline


def batches(**config):
    return BatchProcessor(BatchConfig(**{"max_concurrent": 4, **config}))


def run_once():
    return run_in_virtual_time(lambda: pipeline_of(double).execute(1))


def run_with(history, runs=1):
    with history, observe_only(history):
        for _ in range(runs):
            run_once()


def states(path):
    with History(path) as history:
        return [run.state for run in history.runs(100)]
