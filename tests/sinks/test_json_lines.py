"""What a line has: the fields of the catalogue, of their types, and its place in the run."""

import contextlib
import os
import re
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trio
from line_cases import ENVELOPE, RUN_ID, line_of, lines_in, pipeline_end, pipeline_start, stage_end

from atrio import BatchProcessor, Pipeline, Stage, StageConfig, events, observe
from atrio.events import _levels as levels
from atrio.sinks import JsonLinesSink
from atrio.testing import ScriptedAgent, fail, run_in_virtual_time


async def echo(data):
    return data


def run(pipeline, *sinks):
    async def main():
        with observe(*sinks):
            return await pipeline.execute("x")

    return run_in_virtual_time(main)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.jsonl"


class TestALine:
    def test_has_the_fields_of_the_catalogue_in_their_order(self, tmp_path):
        line = line_of(stage_end(duration_s=1 / 3), tmp_path, service="shop")
        assert list(line)[:5] == ENVELOPE
        assert list(line)[5] == "run_id"
        assert list(line)[-4:] == ["seq", "pid", "host", "service"]
        assert line["schema"] == 1
        assert (line["event"], line["level"], line["logger"]) == ("stage.end", "info", "atrio")
        assert line["timestamp"] == "2026-11-22T10:00:00.123456Z"
        assert (line["pid"], line["host"], line["service"]) == (os.getpid(), os.uname().nodename, "shop")
        assert line["duration_s"] == 0.333333

    def test_is_written_as_the_run_goes_on(self, path):
        seen = []

        async def look(data):
            seen.extend(line["event"] for line in lines_in(path))

        with JsonLinesSink(path) as log:
            run(Pipeline("p").add_stage(Stage("s", look)), log)
        assert seen == ["pipeline.start", "stage.start"]

    @pytest.mark.parametrize("with_parent", [True, False])
    def test_of_a_run_inside_a_batch_names_the_task(self, path, with_parent):
        inner = Pipeline("inner").add_stage(Stage("s", echo))

        async def main():
            with observe(log):
                await BatchProcessor().map(inner, ["a"], name="orders")

        with JsonLinesSink(path) as log:
            run_in_virtual_time(main)
        lines = lines_in(path)
        task = next(line for line in lines if line["event"] == "task.start")
        inside = [line for line in lines if line["event"].startswith(("pipeline.", "stage."))]
        assert {line["parent_run_id"] for line in inside} == {task["run_id"]}
        assert {line["parent_task_id"] for line in inside} == {task["task_id"]}

    def test_has_a_stack_without_local_variables(self, path):
        async def agent(data):
            password = "hunter2hunter2"  # noqa: S105 - it must not be found
            raise ValueError(len(password))

        with JsonLinesSink(path) as log:
            run(Pipeline("p").add_stage(Stage("s", agent, config=StageConfig(attempts=1))), log)
        assert "Traceback" in lines_in(path)[-1]["error_stack"]
        assert "password = " not in path.read_text()
        assert path.read_text().count("hunter2") == 0


class TestSeq:
    def test_counts_within_the_run(self, path):
        with JsonLinesSink(path) as log:
            for _ in range(2):
                run(Pipeline("p").add_stage(Stage("s", echo)), log)
        lines = lines_in(path)
        assert [line["seq"] for line in lines] == [0, 1, 2, 3] * 2
        assert len({line["run_id"] for line in lines}) == 2

    def test_counts_after_the_level_filter(self, path):
        with JsonLinesSink(path, level="warning") as log:
            log(stage_end())
            log(stage_end(status="error"))
            log(stage_end(status="skipped"))
        assert [(line["level"], line["seq"]) for line in lines_in(path)] == [("error", 0), ("warning", 1)]

    def test_counts_within_the_process_where_there_is_no_run(self, path):
        breaker = events.BreakerClosed(None, None, None, None, stage_end().timestamp, "api", 2)
        with JsonLinesSink(path) as log:
            for _ in range(3):
                log(breaker)
                log(stage_end())
        outside = [line for line in lines_in(path) if line["run_id"] is None]
        assert [line["seq"] for line in outside] == [0, 1, 2]

    @pytest.mark.parametrize("level", ["debug", "error"])
    def test_forgets_a_run_when_it_ends(self, path, level):
        with JsonLinesSink(path, level=level) as log:
            for number in range(100):
                log(pipeline_start(run_id=f"{number:032x}"))
                log(stage_end(run_id=f"{number:032x}", status="error"))
                log(pipeline_end(run_id=f"{number:032x}"))
            assert log._next_seq == {}

    def test_is_whole_where_several_loops_share_a_sink(self, path):
        pipeline = Pipeline("p").add_stage(Stage("s", echo))

        async def runs():
            with observe(log):
                for _ in range(50):
                    await pipeline.execute("x")

        with JsonLinesSink(path) as log:
            threads = [threading.Thread(target=trio.run, args=(runs,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        by_run = {}
        for line in lines_in(path):
            by_run.setdefault(line["run_id"], []).append(line["seq"])
        assert list(by_run.values()) == [[0, 1, 2, 3]] * 200

    def test_of_no_run_is_whole_where_threads_share_it(self, path):
        breaker = events.BreakerClosed(None, None, None, None, stage_end().timestamp, "api", 2.0)

        def close_often():
            for _ in range(200):
                log(breaker)

        with JsonLinesSink(path) as log:
            threads = [threading.Thread(target=close_often) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [line["seq"] for line in lines_in(path)] == list(range(800))


class TestLevel:
    @pytest.mark.parametrize(("level", "number"), [("debug", 10), ("info", 20), ("warning", 30), ("error", 40)])
    def test_is_told_to_whoever_makes_events(self, path, level, number):
        with JsonLinesSink(path, level=level) as log:
            assert log.minimum_level() == number
        assert log.minimum_level() == levels.SILENT

    def test_below_it_nothing_is_written(self, path):
        pipeline = Pipeline("p").add_stage(
            Stage("s", ScriptedAgent(fail(OSError("x"))), config=StageConfig(attempts=1))
        )
        with JsonLinesSink(path, level="error") as log:
            run(pipeline, log)
        assert [line["event"] for line in lines_in(path)] == ["stage.end", "pipeline.end"]

    @pytest.mark.parametrize("level", ["INFO", "", "critical", None, 20])
    def test_that_there_is_not_is_refused(self, path, level):
        with pytest.raises(ValueError, match="level must be one of debug, info, warning, error, not"):
            JsonLinesSink(path, level=level)
        assert not path.exists()


class TestArguments:
    @pytest.mark.parametrize("patience_s", [0, -1, float("nan"), float("inf")])
    def test_a_wrong_patience(self, path, patience_s):
        with pytest.raises(ValueError, match="patience_s"):
            JsonLinesSink(path, patience_s=patience_s)

    @pytest.mark.parametrize("patience_s", [None, "1"])
    def test_a_patience_that_is_no_number(self, path, patience_s):
        with pytest.raises(TypeError, match="patience_s"):
            JsonLinesSink(path, patience_s=patience_s)

    def test_a_service_that_is_no_text(self, path):
        with pytest.raises(TypeError, match="service must be a text or None, not 7"):
            JsonLinesSink(path, service=7)

    @pytest.mark.parametrize("service", ["", "s" * 5000, "\ud800", "\N{SNOWMAN}" * 500, 'a"b\\\n\x00', "名前"])
    def test_names_of_any_kind(self, tmp_path, monkeypatch, service):
        names = list(os.uname())
        monkeypatch.setattr(os, "uname", lambda: os.uname_result((names[0], f"h{service}", *names[2:])))
        line = line_of(stage_end(), tmp_path, service=service)
        assert len(line["service"].encode()) <= 200
        assert line["host"].startswith("h")
        if len(service) < 50 and service.isascii():
            assert line["service"] == service


class TestClose:
    def test_what_comes_after_it_is_not_written(self, path):
        with JsonLinesSink(path) as log:
            log(pipeline_start())
        log(stage_end())
        log(pipeline_end())
        assert [line["event"] for line in lines_in(path)] == ["pipeline.start"]
        assert (log.dropped, log._next_seq) == (0, {})

    def test_twice(self, path):
        log = JsonLinesSink(path)
        log.close()
        log.close()
        with log:
            pass
        assert path.read_bytes() == b""

    def test_leaves_a_descriptor_open_that_was_given(self, path):
        with path.open("ab") as file:
            with JsonLinesSink(file.fileno()) as log:
                log(stage_end())
            file.write(b"{}\n")
        assert len(lines_in(path)) == 2

    def test_leaves_nothing_open(self, path):
        def count():
            return len(list(Path("/dev/fd").iterdir()))

        before = count()
        reading, writing = os.pipe()
        for target in (path, writing):
            with JsonLinesSink(target) as log:
                log(stage_end())
        os.close(reading)
        os.close(writing)
        assert count() == before

    def test_in_an_exception_that_passes(self, path):
        with contextlib.suppress(KeyboardInterrupt), JsonLinesSink(path) as log:
            raise KeyboardInterrupt
        assert log.minimum_level() == levels.SILENT


def test_adds_to_what_is_there(path):
    path.write_text('{"event": "before"}\n')
    with JsonLinesSink(path) as log:
        log(stage_end())
    assert [line["event"] for line in lines_in(path)] == ["before", "stage.end"]


def test_takes_a_path_as_text(path):
    with JsonLinesSink(str(path)) as log:
        log(stage_end())
    assert lines_in(path)[0]["run_id"] == RUN_ID


def test_times_in_other_zones_and_with_no_fraction(tmp_path):
    tokyo = timezone(timedelta(hours=9))
    for when in (datetime(2026, 1, 1, 9, tzinfo=tokyo), datetime(2026, 1, 1, 9, 0, 0, 5, tzinfo=tokyo)):
        line = line_of(stage_end(timestamp=when), tmp_path)
        assert re.fullmatch(r"2026-01-01T00:00:00\.00000[05]Z", line["timestamp"])
