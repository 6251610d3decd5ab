"""Events as lines of structlog, whatever configuration the host has."""

import io
import json
import logging
import subprocess
import sys
import textwrap

import pytest
import structlog
import trio

from atrio import Backoff, ErrorPolicy, Pipeline, SinkWarning, Stage, StageConfig, observe_only
from atrio.sinks import StructlogSink
from atrio.testing import ScriptedAgent, answer, fail, fixed_stamps, run_in_virtual_time

pytestmark = pytest.mark.usefixtures("structlog_reset")

ONCE = StageConfig(attempts=1)
COMMON = {"event", "level", "schema", "run_id", "parent_run_id", "parent_stage_id", "parent_task_id", "seq"}
FORBIDDEN = {"name", "args", "msg", "message", "module", "process", "thread", "filename", "created"}


class Lines(io.StringIO):
    def parsed(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def names(self):
        return [line["event"] for line in self.parsed()]


def configure(level=logging.DEBUG, *, renderer=None, cache=False):
    lines = Lines()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            renderer or structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(lines),
        cache_logger_on_first_use=cache,
    )
    return lines


async def echo(data):
    return data


def pipeline_of(*agents, pipeline_id="p", config=ONCE, **options):
    pipeline = Pipeline(pipeline_id, **options)
    for number, agent in enumerate(agents):
        pipeline.add_stage(Stage(f"s{number}", agent, config=config))
    return pipeline


def eventful():
    """Return a pipeline that says everything there is to say."""
    config = StageConfig(attempts=2, backoff=Backoff(initial=0.1234567, jitter=0), error_policy=ErrorPolicy.SKIP)
    agent = ScriptedAgent(fail(KeyError("one")), answer(after=1 / 3), fail(OSError("two")))
    return pipeline_of(agent, pipeline_of(agent, pipeline_id="inner"), echo, config=config)


# Not configured


def run_python(program):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


RUN = """
import sys, trio
{first}
import atrio

async def echo(data):
    return data

async def main():
    pipeline = atrio.Pipeline("p").add_stage(atrio.Stage("a", echo))
    assert (await pipeline.execute("x")).output == "x"

trio.run(main)
{last}
"""


@pytest.mark.parametrize("first", ["", "import structlog", "import logging; logging.basicConfig(level=0)"])
def test_where_the_host_configured_nothing_nothing_is_written(first):
    assert run_python(RUN.format(first=first, last="")) == ("", "")


def test_importing_atrio_and_running_a_pipeline_imports_nothing_that_is_not_needed():
    last = "print({'structlog', 'cattrs', 'rich', 'cyclopts', 'jinja2', 'asyncio'} & set(sys.modules))"
    assert run_python(RUN.format(first="", last=last)) == ("set()\n", "")


def test_the_hosts_configuration_is_left_as_it_is():
    configure()
    structlog_before, logging_before = structlog.get_config(), (logging.root.level, list(logging.root.handlers))
    run_in_virtual_time(eventful().execute, "x")
    assert structlog.get_config() == structlog_before
    assert (logging.root.level, logging.root.handlers) == logging_before


def test_running_does_not_configure_structlog():
    run_in_virtual_time(eventful().execute, "x")
    assert not structlog.is_configured()


# Configured


def test_one_json_line_an_event_flat_and_with_the_fields_of_the_catalogue():
    lines = configure()
    result = run_in_virtual_time(eventful().execute, "abc")
    parsed = lines.parsed()
    assert {line["event"] for line in parsed} == {
        "pipeline.start", "stage.start", "stage.retry", "stage.end", "pipeline.end",
    }  # fmt: skip
    for line in parsed:
        assert set(line) >= COMMON
        assert not set(line) & FORBIDDEN
        assert line["schema"] == 1
        assert all(value is None or type(value) in {str, int, float} for value in line.values())
    assert lines.names[0] == "pipeline.start"
    assert (parsed[0]["run_id"], parsed[0]["stage_count"], parsed[0]["parent_run_id"]) == (result.run_id, 3, None)
    inner = [line for line in parsed if line["pipeline_id"] == "inner"]
    assert {(line["parent_run_id"], line["parent_stage_id"]) for line in inner} == {(result.run_id, "s1")}


def test_levels_are_those_of_the_catalogue():
    lines = configure()
    run_in_virtual_time(eventful().execute, "abc")
    run_in_virtual_time(pipeline_of(ScriptedAgent(fail())).execute, "abc")
    levels = {(line["event"], line.get("status"), line["level"]) for line in lines.parsed()}
    assert levels == {
        ("pipeline.start", None, "info"),
        ("stage.start", None, "debug"),
        ("stage.retry", None, "warning"),
        ("stage.end", "success", "info"),
        ("stage.end", "skipped", "warning"),
        ("stage.end", "error", "error"),
        ("pipeline.end", "degraded", "warning"),
        ("pipeline.end", "failed", "error"),
    }


def test_durations_are_rounded_to_microseconds():
    lines = configure()
    run_in_virtual_time(eventful().execute, "abc")
    seconds = [value for line in lines.parsed() for name, value in line.items() if name.endswith("_s")]
    assert 0.123457 in seconds
    assert all(type(value) is float and value == round(value, 6) for value in seconds)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_seq_has_no_gap_among_the_lines_written_whatever_the_level(level):
    lines = configure(level)
    for pipeline in (eventful(), pipeline_of(ScriptedAgent(fail()))):
        run_in_virtual_time(pipeline.execute, "x")
    parsed = lines.parsed()
    assert bool(parsed) is (level < logging.CRITICAL)
    assert {getattr(logging, line["level"].upper()) >= level for line in parsed} <= {True}
    for run_id in {line["run_id"] for line in parsed}:
        numbers = [line["seq"] for line in parsed if line["run_id"] == run_id]
        assert numbers == list(range(len(numbers)))


def test_what_the_host_has_bound_rides_along():
    lines = configure()
    structlog.contextvars.bind_contextvars(trace_id="abc")
    run_in_virtual_time(eventful().execute, "x")
    assert {line["trace_id"] for line in lines.parsed()} == {"abc"}


@pytest.mark.parametrize("cache", [False, True])
def test_a_run_after_a_new_configuration_uses_the_new_logger(cache):
    first = configure(cache=cache)
    run_in_virtual_time(pipeline_of(echo).execute, "x")
    second = configure(logging.INFO, cache=cache)
    run_in_virtual_time(pipeline_of(echo).execute, "x")
    assert first.names == ["pipeline.start", "stage.start", "stage.end", "pipeline.end"]
    assert second.names == ["pipeline.start", "stage.end", "pipeline.end"]


def test_a_logger_of_ones_own_is_used_whatever_is_configured():
    configured, own = configure(), Lines()
    logger = structlog.wrap_logger(structlog.PrintLogger(own), processors=[structlog.processors.JSONRenderer()])

    async def main():
        with observe_only(StructlogSink(logger.bind(request="r1"))):
            await pipeline_of(echo).execute("x")

    trio.run(main)
    assert configured.getvalue() == ""
    assert [(line["request"], line["seq"]) for line in own.parsed()] == [("r1", 0), ("r1", 1), ("r1", 2), ("r1", 3)]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING])
@pytest.mark.parametrize("wrapper", [structlog.stdlib.BoundLogger, structlog.BoundLogger], ids=["stdlib", "generic"])
def test_with_loggers_of_the_standard_library(level, wrapper, caplog):
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=wrapper,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    caplog.set_level(level, logger="atrio")
    run_in_virtual_time(eventful().execute, "x")
    assert caplog.records
    assert {record.name for record in caplog.records} == {"atrio"}
    assert min(record.levelno for record in caplog.records) == level
    assert {record.logger for record in caplog.records} == {"atrio"}
    if wrapper is structlog.stdlib.BoundLogger:
        for run_id in {record.run_id for record in caplog.records}:
            numbers = [record.seq for record in caplog.records if record.run_id == run_id]
            assert numbers == list(range(len(numbers)))


def test_with_a_generic_bound_logger():
    lines = Lines()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.BoundLogger,
        logger_factory=structlog.PrintLoggerFactory(lines),
    )
    run_in_virtual_time(pipeline_of(echo).execute, "x")
    assert lines.names == ["pipeline.start", "stage.start", "stage.end", "pipeline.end"]


class Minimal(structlog.BoundLoggerBase):
    """A bound logger that cannot be asked for its level."""

    def info(self, event, **fields):
        return self._proxy_to_logger("info", event, **fields)

    debug = warning = error = info


def test_with_a_bound_logger_that_cannot_be_asked_for_its_level():
    lines = Lines()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        wrapper_class=Minimal,
        logger_factory=structlog.PrintLoggerFactory(lines),
    )
    run_in_virtual_time(pipeline_of(echo).execute, "x")
    assert lines.names == ["pipeline.start", "stage.start", "stage.end", "pipeline.end"]


def test_runs_side_by_side_count_for_themselves():
    lines = configure()

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(pipeline_of(ScriptedAgent(answer(after=number % 3)), echo).execute, number)

    run_in_virtual_time(main)
    parsed = lines.parsed()
    assert len(parsed) == 120
    for run_id in {line["run_id"] for line in parsed}:
        assert [line["seq"] for line in parsed if line["run_id"] == run_id] == list(range(6))


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_nothing_of_a_run_is_kept_after_it_even_when_its_end_is_filtered_out(level):
    configure(level)
    sink = StructlogSink()

    async def main():
        with observe_only(sink):
            await pipeline_of(ScriptedAgent(fail(), answer()), config=StageConfig(attempts=2)).execute("x")
            await pipeline_of(ScriptedAgent(fail())).execute("x")
            with trio.move_on_after(1):
                await pipeline_of(ScriptedAgent(answer(after=2))).execute("x")

    run_in_virtual_time(main)
    assert sink._runs == {}


def test_a_logger_that_raises_is_warned_of_and_changes_no_run():
    def full(logger, name, event):
        raise OSError("no space left on device")

    configure(renderer=full)
    with pytest.warns(SinkWarning, match="no space left"):
        result = run_in_virtual_time(pipeline_of(echo).execute, "x")
    assert result.output == "x"


# The same, byte for byte


def test_the_same_run_gives_the_same_log_byte_for_byte():
    def once():
        lines = configure()
        with fixed_stamps(seed=3):
            run_in_virtual_time(eventful().execute, "abc")
        return lines.getvalue()

    first, second = once(), once()
    assert first == second
    assert len(first.splitlines()) > 10
