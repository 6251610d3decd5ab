"""Logs for the tests of reading, written by the sink that writes them for users."""

import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from atrio import (
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    ErrorPolicy,
    Fallback,
    Pipeline,
    Stage,
    StageConfig,
    observe_only,
)
from atrio import events as ev
from atrio._model_calls import record_model_call
from atrio.sinks import JsonLinesSink
from atrio.testing import ScriptedAgent, answer, fail, run_in_virtual_time

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def run_id(number, *, at=NOON):
    """Return an id as a run has it that began at `at`."""
    milliseconds = round(at.timestamp() * 1000)
    return f"{milliseconds << 80 | 7 << 76 | 2 << 62 | number:032x}"


def lines_of(events, **options):
    """Return the lines that the sink writes of `events`."""
    descriptor, path = tempfile.mkstemp()
    os.close(descriptor)
    with JsonLinesSink(path, **options) as sink:
        for event in events:
            sink(event)
    written = Path(path).read_bytes()
    Path(path).unlink()
    return written.splitlines(keepends=True)


def events_of_run(number=1, *, stages=2, pipeline_id="p", at=NOON, status="success", parents=(None, None, None)):
    """Return the events of a run of a pipeline, a millisecond apart."""
    envelope = (run_id(number, at=at), *parents)
    moments = (at + timedelta(milliseconds=each) for each in range(2 * stages + 2))
    found = [ev.PipelineStart(*envelope, next(moments), pipeline_id, stages)]
    no_error = (None, None, None)
    for index in range(stages):
        stage = (pipeline_id, f"s{index}", "agent", index)
        found.append(ev.StageStart(*envelope, next(moments), *stage))
        found.append(ev.StageEnd(*envelope, next(moments), *stage, "success", 1, 0.001, None, None, *no_error))
    found.append(ev.PipelineEnd(*envelope, next(moments), pipeline_id, status, 0.002 * stages, stages, 0, 0, *no_error))
    return found


def outside(event, *fields, at=NOON):
    """Return an event that belongs to no run."""
    return event(None, None, None, None, at, *fields)


async def flaky(number):
    await trio.sleep(0.1 * (number % 7))
    if number % 5 == 0:
        raise ValueError("no such number")
    if number % 11 == 0:
        await trio.sleep_forever()
    return number


async def ask(text):
    """Tell of a call of a model, as an agent does."""
    record_model_call(
        agent_id="ask",
        provider="example.org",
        model="small",
        input_tokens=len(text),
        output_tokens=None,
        duration_s=0.5,
        finish_reason="stop",
    )
    return text


async def _varied():
    once, skip = StageConfig(attempts=1), StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)
    breaker = CircuitBreaker("numbers", failure_threshold=1, recovery_timeout=1)
    nested = Pipeline("nested").add_stage(
        Stage("inner", ScriptedAgent(fail(), answer(after=0.5)), config=StageConfig())
    )
    pipeline = (
        Pipeline("varied")
        .add_stage(Stage("guarded", breaker.guard(flaky), config=StageConfig(attempts=2, timeout=3)))
        .add_stage(Stage("skipped", ScriptedAgent(fail(LookupError("ünlucky\n"), times=99)), config=skip))
        .add_stage(Stage("nested", nested, config=once))
    )
    processor = BatchProcessor(BatchConfig(max_concurrent=3, task_timeout=20))
    await processor.map(pipeline, range(1, 40), name="numbers")

    async def unknown_total():
        for number in range(30):
            yield flaky, number

    async with processor.stream(unknown_total(), name="stream") as outcomes:
        async for _ in outcomes:
            pass
    with trio.move_on_after(1):
        await Pipeline("cancelled").add_stage(Stage("long", ScriptedAgent(answer(after=9)))).execute(1)
    for number in (1, 2, 3, 4, 6):
        await breaker.guard(flaky).process(number)
        await trio.sleep(2)
    await Pipeline("asking").add_stage(Stage("question", ask)).execute("why")
    await BatchProcessor().map(ask, ["who", "when"])
    answering = Fallback(ScriptedAgent(fail(OSError("gone"), times=99), agent_id="gone"), ask)
    await Pipeline("answering").add_stage(Stage("answer", answering)).execute("how")
    await BatchProcessor().map(answering, ["where"])


def write_varied_log(path, *sinks):
    """Write a log that has every event, of runs that end in every way; `sinks` hear the same."""
    with JsonLinesSink(path, service="shop") as sink, observe_only(sink, *sinks):
        run_in_virtual_time(_varied)
        for event in (
            outside(ev.AlertRaised, "slow", "flaky", 3.5, 2.0),
            outside(ev.AlertResolved, "slow", "flaky", 1.0, 2.0),
        ):
            ev.emit(event)


def write_dropped(path, count=3, reason="No space left on device"):
    """Add to a log that lines were dropped."""
    with Path(path).open("ab") as log:
        log.writelines(lines_of([outside(ev.LogDropped, count, reason)]))


def parsed(lines):
    return [json.loads(line) for line in lines]
