"""The batch twin does what it claims."""

import asyncio
import io
import json
import logging

import pytest

from benchmarks.twin.batch import BatchProcessor, TaskStatus
from benchmarks.twin.logs import logging_to
from benchmarks.twin.pipeline import Pipeline
from benchmarks.twin.records import current_task_id
from benchmarks.twin.stage import Stage


async def double(data):
    await asyncio.sleep(0)
    return data * 2


async def picky(data):
    if data % 2:
        raise ValueError(f"odd: {data}")
    return data


async def sleeps(data):
    await asyncio.sleep(data)
    return data


def run_map(agent, inputs, **limits):
    async def main():
        return await BatchProcessor(**limits).map(agent, inputs, name="b")

    return asyncio.run(main())


def test_outputs_come_in_input_order():
    result = run_map(sleeps, [0.01, 0.0, 0.005])
    assert (result.status, result.unwrap()) == ("success", [0.01, 0.0, 0.005])
    assert [(task.index, task.task_id) for task in result.results] == [(0, "task_0"), (1, "task_1"), (2, "task_2")]
    assert all(task.agent_id == "sleeps" and task.duration_s > 0 and task.queued_s >= 0 for task in result.results)
    assert 0 < result.efficiency <= 1
    assert result.p95_task_time_s == max(task.duration_s for task in result.results)
    assert result.throughput_per_s == pytest.approx(3 / result.duration_s)


def test_limit_holds_across_batches():
    running = highest = 0

    async def gauge(data):
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.001)
        running -= 1

    async def main():
        processor = BatchProcessor(max_concurrent=3)
        await asyncio.gather(processor.map(gauge, range(10)), processor.map(gauge, range(10)))

    asyncio.run(main())
    assert highest == 3


def test_failures_are_records():
    result = run_map(picky, [0, 1, 2, 4, 6])
    assert (result.status, result.counts) == ("degraded", {TaskStatus.SUCCESS: 4, TaskStatus.ERROR: 1})
    with pytest.raises(ExceptionGroup) as raised:
        result.unwrap()
    assert [str(error) for error in raised.value.exceptions] == ["odd: 1"]
    assert run_map(picky, [0, 1, 3]).status == "failed"


def test_what_is_no_agent_is_that_tasks_error():
    async def main():
        return await BatchProcessor().process_batch([(double, 1), (len, "x")])

    result = asyncio.run(main())
    assert [task.status for task in result.results] == ["success", "error"]
    assert isinstance(result.results[1].error, TypeError)


def test_task_timeout_is_an_error_of_the_task():
    result = run_map(sleeps, [0, 10], task_timeout=0.01)
    assert [task.status for task in result.results] == ["success", "error"]
    assert isinstance(result.results[1].error, TimeoutError)


def test_batch_timeout_keeps_what_is_finished():
    result = run_map(sleeps, [0, 10, 10, 10], max_concurrent=2, timeout=0.02)
    assert [task.status for task in result.results] == ["success", "timeout", "timeout", "not_started"]
    assert (result.status, result.results[0].output) == ("failed", 0)
    with pytest.raises(ExceptionGroup, match="3 of 4"):
        result.unwrap()


def test_agents_own_timeout_does_not_end_the_batch():
    async def own(data):
        raise TimeoutError("mine")

    result = run_map(own, [1, 2])
    assert [str(task.error) for task in result.results] == ["mine", "mine"]


def test_cancellation_goes_on_and_leaves_no_task():
    async def main():
        batch = asyncio.create_task(BatchProcessor().map(sleeps, [10] * 3))
        await asyncio.sleep(0.01)
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_agents_know_their_task():
    async def which(data):
        return current_task_id.get()

    assert run_map(which, range(3)).unwrap() == ["task_0", "task_1", "task_2"]


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        run_map(double, [])


@pytest.mark.parametrize(("total", "expected"), [(1, 1), (7, 7), (19, 10), (1000, 10)])
def test_progress_comes_at_tenths(total, expected):
    file = io.BytesIO()
    with logging_to(file, logging.getLogger("twin.batch"), logging.INFO):
        run_map(double, range(total))
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    events = [line["event"] for line in lines]
    assert events == ["batch.start", *["batch.progress"] * expected, "batch.end"]
    assert (lines[-2]["percent"], lines[-1]["successful"]) == (100.0, total)


def test_lines_say_what_the_batch_runs_inside():
    async def batch(data):
        return (await BatchProcessor().map(double, data)).unwrap()

    file = io.BytesIO()
    with logging_to(file, logging.getLogger("twin.batch"), logging.DEBUG):
        result = asyncio.run(Pipeline("p").add_stage(Stage("s", batch)).execute([1, 2]))
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert result.output == [2, 4]
    assert {line["event"] for line in lines} == {"batch.start", "task.end", "batch.progress", "batch.end"}
    assert {(line["parent_run_id"], line["parent_stage_id"], line["parent_task_id"]) for line in lines} == {
        (result.run_id, "s", None)
    }


def test_a_failed_task_says_why():
    file = io.BytesIO()
    with logging_to(file, logging.getLogger("twin.batch"), logging.ERROR):
        run_map(picky, [0, 1])
    (line,) = (json.loads(line) for line in file.getvalue().splitlines())
    assert (line["event"], line["task_index"], line["status"]) == ("task.end", 1, "error")
    assert (line["error_type"], line["error_message"]) == ("ValueError", "odd: 1")
    assert "Traceback" in line["error_stack"]
