"""Events by hand, and the lines that are made of them."""

import builtins
import json
import sys
from datetime import UTC, datetime

import attrs
import orjson

from atrio import Backoff, ErrorPolicy, Pipeline, Stage, StageConfig, events, observe_only
from atrio.sinks import JsonLinesSink
from atrio.testing import ScriptedAgent, answer, fail, fixed_stamps, run_in_virtual_time

RUN_ID = "0198c0de" + "0" * 24
WHEN = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
ENVELOPE = ["schema", "event", "level", "timestamp", "logger"]
LIMIT = 4096

TYPES = {"str": str, "int": int, "float": float, "None": type(None), "datetime": str}
PLAIN = {"str": "x", "int": 3, "float": 0.25, "datetime": WHEN}


def types_of(field):
    """Return the types that a line may have in a field, by its annotation."""
    return tuple(TYPES[name] for name in str(field.type).split(" | "))


def made(kind, **values):
    """Return an event of a kind, with plain values where no others are given."""
    plain = {each.name: PLAIN[str(each.type).partition(" ")[0]] for each in attrs.fields(kind)}
    return kind(**{**plain, "run_id": RUN_ID, **values})


def stage_end(**values):
    none = dict.fromkeys(("parent_run_id", "parent_stage_id", "parent_task_id", "error_type"))
    texts = dict.fromkeys(("error_message", "error_stack", "metadata"))
    return made(events.StageEnd, **{**none, **texts, "status": "success", **values})


def pipeline_start(**values):
    return made(events.PipelineStart, **values)


def pipeline_end(**values):
    return made(events.PipelineEnd, **{"status": "success", **values})


def lines_in(path):
    """Return the lines of a log, each of which is valid and whole."""
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    lines = data.split(b"\n")[:-1]
    assert all(len(line) + 1 < LIMIT for line in lines)
    return [checked(line) for line in lines]


def checked(line):
    """Return a line as an object, if every reader of JSON agrees about it."""
    parsed = json.loads(line, parse_constant=no_constant)
    assert orjson.loads(line) == parsed
    return parsed


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def line_of(event, tmp_path, **options):
    path = tmp_path / "one.jsonl"
    path.unlink(missing_ok=True)
    with JsonLinesSink(path, **options) as sink:
        sink(event)
    (line,) = lines_in(path)
    return line


def hide_orjson(monkeypatch):
    """Let importing orjson fail, as where it is not installed."""
    real = builtins.__import__

    def without(name, *rest, **named):
        if name == "orjson":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "orjson", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)


def outcome(*sinks):
    """Return the result of a run with failures and retries, as plain data that only depends on what happened."""
    config = StageConfig(attempts=3, backoff=Backoff(initial=0.5, jitter=0), error_policy=ErrorPolicy.SKIP)
    shaky = ScriptedAgent(fail(OSError("one")), answer(after=0.25), fail(KeyError("two"), times=3))
    pipeline = Pipeline("p")
    for number in range(3):
        pipeline.add_stage(Stage(f"s{number}", shaky, config=config))

    async def main():
        with observe_only(*sinks), fixed_stamps():
            return await pipeline.execute("x")

    return run_in_virtual_time(main).to_dict()
