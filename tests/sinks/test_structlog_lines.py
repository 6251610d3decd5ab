"""Lines of structlog stay short and encodable, whatever agents, errors and ids are like."""

import io
import json

import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from line_cases import made, pipeline_start

from atrio import Pipeline, Stage, StageConfig
from atrio.events import ModelCalled
from atrio.sinks import StructlogSink, _lines
from atrio.testing import ScriptedAgent, fail, run_in_virtual_time

pytestmark = pytest.mark.usefixtures("structlog_reset")

ONCE = StageConfig(attempts=1)


async def echo(data):
    return data


def pipeline_of(agent, pipeline_id="p", **options):
    return Pipeline(pipeline_id, **options).add_stage(Stage("s0", agent, config=ONCE))


def lines_of(pipeline, dumps=json.dumps):
    lines = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(serializer=dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        logger_factory=structlog.PrintLoggerFactory(lines),
    )
    run_in_virtual_time(pipeline.execute, "x")
    return lines.getvalue().splitlines(keepends=True)


async def _cut_short(data):
    raise OSError("begin" + "x" * 100_000 + "end")


LONG = {
    "message": OSError("x" * 100_000),
    "unicode": OSError("\N{SNOWMAN}" * 5000),
    "astral": OSError("\N{GRINNING FACE}" * 5000),
    "control": OSError("\x00" * 5000),
    "quotes": OSError('"\\' * 5000),
    "new lines": OSError("\n" * 5000),
    "surrogates": OSError("\ud800" * 5000),
    "type": type("E" * 5000, (OSError,), {})("short"),
    "group": ExceptionGroup("many", [OSError("x" * 100) for _ in range(500)]),
}


@pytest.mark.parametrize("letter", ["i", "\N{SNOWMAN}", "\N{GRINNING FACE}", '"'])
@pytest.mark.parametrize("kind", LONG)
def test_a_line_stays_below_4096_bytes(kind, letter):
    ids = letter * 200
    agent = ScriptedAgent(fail(LONG[kind]), agent_id=ids)
    inner = Pipeline(ids).add_stage(Stage(ids, agent, config=StageConfig(attempts=2)))
    outer = Pipeline(ids).add_stage(Stage(ids, inner, config=ONCE))
    lines = lines_of(outer)
    assert len(lines) == 9
    assert max(len(line.encode()) for line in lines) < 4096


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60), st.integers(1, 200))
def test_a_line_stays_below_4096_bytes_for_any_text(text, times):
    lines = lines_of(pipeline_of(ScriptedAgent(fail(OSError(text * times)))))
    assert max(len(line.encode()) for line in lines) < 4096
    for line in lines:
        orjson.loads(line)


def test_long_texts_are_cut_in_the_middle():
    end = json.loads(lines_of(pipeline_of(_cut_short))[-1])
    assert end["error_message"].startswith("beginxxx")
    assert end["error_message"].endswith("xxxend")
    assert end["error_message"].count("…") == 1
    assert end["error_stack"].startswith("Traceback")


def test_what_endpoints_name_is_cut():
    fields = _lines.fields_of(made(ModelCalled, model="m" * 1000, provider="local", finish_reason=None))
    assert (fields["provider"], fields["finish_reason"]) == ("local", None)
    assert len(fields["model"].encode()) <= _lines._LONGEST_NAME


def test_ids_without_end_are_not_all_remembered():
    log = structlog.wrap_logger(None, processors=[lambda *_: (_ for _ in ()).throw(structlog.DropEvent)])
    sink = StructlogSink(log)
    for number in range(2 * _lines._MOST_REMEMBERED):
        sink(pipeline_start(pipeline_id=f"p{number}"))
    assert len(_lines._shortened) <= _lines._MOST_REMEMBERED


def test_short_texts_are_not_cut():
    end = json.loads(lines_of(pipeline_of(ScriptedAgent(fail(OSError("é" * 50)))))[-1])
    assert end["error_message"] == "é" * 50
    assert "…" not in end["error_stack"]


UNENCODABLE = {
    "surrogate message": lambda: pipeline_of(ScriptedAgent(fail(OSError("a\ud800b")))),
    "surrogate id": lambda: pipeline_of(echo, pipeline_id="p\udfff"),
    "surrogate agent": lambda: pipeline_of(ScriptedAgent(agent_id="a\ud800")),
    "huge size": lambda: pipeline_of(echo, measure=lambda data: 2**70),
    "huge negative size": lambda: pipeline_of(echo, measure=lambda data: -(2**70)),
    "very huge size": lambda: pipeline_of(echo, measure=lambda data: 10**5000),
    "2 ** 53": lambda: pipeline_of(echo, measure=lambda data: 2**53),
}


def orjson_dumps(value, **options):
    return orjson.dumps(value).decode()


@pytest.mark.parametrize("dumps", [json.dumps, orjson_dumps])
@pytest.mark.parametrize("kind", UNENCODABLE)
def test_what_is_not_encodable_is_made_so(kind, dumps):
    lines = lines_of(UNENCODABLE[kind](), dumps)
    assert len(lines) == 4
    for line in lines:
        values = orjson.loads(line).values()
        assert all(abs(value) < 2**53 for value in values if isinstance(value, int))
