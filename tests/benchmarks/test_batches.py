"""Batches: whoever gives other outputs, runs too many at once, keeps no order or writes other lines is noticed."""

import gc
import io
from contextlib import contextmanager

import orjson
import pytest
import trio

from benchmarks.batch import items, items_twin, steps
from benchmarks.batch.step_entries import PARTS
from benchmarks.batch.throughput import ANSWER
from benchmarks.expected_lines import STAGE_LINES, TASK_LINES, compared
from benchmarks.harness.features import FEATURES


class Eager(items._OnTrio):
    """All at once, the outputs as they come, and an error ends everything."""

    def build(self, agent, places):
        async def execute(inputs):
            outputs = []

            async def one(data):
                outputs.append(await agent.process(data))

            async with trio.open_nursery() as nursery:
                for data in inputs:
                    nursery.start_soon(one, data)
            return outputs

        return execute

    def outcomes_of(self, result):
        return result


class Idle(Eager):
    """Calls nobody."""

    def build(self, agent, places):
        async def execute(inputs):
            return [f"{data} 1" for data in inputs]

        return execute


class TestFairness:
    def test_outputs_that_nobody_worked_for(self):
        outputs, calls = Idle(10, 5).answer()
        assert (outputs, calls) == (ANSWER[0], 0)

    def test_no_limit(self):
        assert Eager(10, 5).probe_limit() == 20 != FEATURES["limit"].expected

    def test_no_order(self):
        assert Eager(10, 5).probe_order() != FEATURES["order"].expected

    def test_an_error_that_ends_everything(self):
        with pytest.raises(ExceptionGroup):
            Eager(10, 5).probe_outcomes()

    @pytest.mark.parametrize("build", [items.Map, items_twin.Twin])
    def test_no_time_limit(self, build):
        assert build(10, 5).probe_timeout() == "there is no time limit"

    def test_a_time_limit_is_put_back(self):
        subject = items_twin.Twin(10, 5, timeout_s=60.0)
        assert (subject.probe_timeout(), subject.timeout_s) == ("timeout", 60.0)

    def test_a_stream_has_the_order_of_completion(self):
        assert items.Stream(10, 5).probe_order() != FEATURES["order"].expected


class TestLines:
    def test_they_are_compared_field_by_field(self):
        given = {"run_id": "r", "duration_s": 0.1}
        lines = [{**line, **given} for line in STAGE_LINES]
        assert compared(lines, STAGE_LINES) == 3
        assert compared(lines[:2], STAGE_LINES) == 2
        assert "status" in compared([{**lines[0], "status": "error"}], STAGE_LINES)
        del lines[1]["parent_task_id"]
        assert "parent_task_id" in compared(lines, STAGE_LINES)

    def test_times_must_be_numbers(self):
        line = {**TASK_LINES[0], "run_id": "r", "task_id": "t", "queued_s": "0.1", "duration_s": 0.1}
        assert compared([line], TASK_LINES).startswith("queued_s of ")

    def test_a_program_that_writes_nothing(self):
        class Silent(items.MapLines):
            def writing_to(self, file):
                return contextmanager(lambda: iter([None]))()

        assert Silent(10, 5).probe_lines() == 0 != FEATURES["lines"].expected

    def test_lines_go_to_a_file_that_is_gone(self):
        subject = items.MapLines(20, 5)
        subject.time(1)
        events = {orjson.loads(line)["event"] for line in io.BytesIO(subject.written)}
        assert events == {"task.end"}


class TestTiming:
    def test_short_batches_take_time(self):
        cost = items.Map(100, 5).time(2)
        assert cost.cpu_s > 0
        assert 0 < cost.wall_s < 10

    @pytest.mark.parametrize("collected", [True, False])
    def test_the_garbage_collector(self, monkeypatch, collected):
        seen = []
        subject = items.Handwritten(10, 5, collected=collected)

        def build(agent, places):
            async def execute(inputs):
                seen.append(gc.isenabled())

            return execute

        monkeypatch.setattr(subject, "build", build)
        subject.time(1)
        assert set(seen) == {collected}
        assert gc.isenabled()

    def test_short_sleeps(self):
        # Ten at once: each place sleeps for two items.
        assert 0.02 <= items.Map(20, 10, sleeps_s=[0.01, 0.02]).time(1).wall_s < 5


class TestSteps:
    def test_each_has_its_label(self):
        assert list(steps.PARTS) == list(PARTS)

    @pytest.mark.parametrize("part", PARTS)
    def test_each_is_done(self, part):
        assert steps.Step(part).answer() == "done"
        assert steps.Step(part).time(100).cpu_s >= 0
