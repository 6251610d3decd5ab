"""The logs that the recipes are tried on: a batch of a thousand tasks, and content that is as hostile as can be."""

import json
import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import trio

from atrio import (
    Backoff,
    BatchConfig,
    BatchProcessor,
    CircuitBreaker,
    ErrorPolicy,
    Pipeline,
    Stage,
    StageConfig,
    current_context,
    events,
    observe_only,
)
from atrio.sinks import JsonLinesSink
from atrio.testing import run_in_virtual_time

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = DOCS / "recipes"
PAGE = DOCS / "how-to" / "ingest.md"

TASKS = 1000
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def microseconds(durations_s):
    """Return the sum of durations, each rounded as a log has them, in whole microseconds."""
    return sum(round(round(each, 6) * 1_000_000) for each in durations_s)


class Kept(Pipeline):
    """A pipeline that keeps what its runs returned, which a batch does not hand on."""

    def __init__(self, pipeline_id, kept):
        super().__init__(pipeline_id)
        self._kept = kept

    async def execute(self, data, context=None):
        result = await super().execute(data, context)
        self._kept.append(result)
        return result


@attrs.frozen
class Ran:
    """A log, and what the API returned of the same runs."""

    path: object
    batch: object
    results: list
    openings: int

    @property
    def lines(self):
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]

    @property
    def records(self):
        return [record for result in self.results for record in result.stages]


class Injected:
    """An agent that answers late, fails or hangs, as its input and a seed say."""

    def __init__(self, agent_id, *, longest_s=0.4, failing=0.0, hanging=0.0):
        self.agent_id = agent_id
        self._longest_s, self._failing, self._hanging = longest_s, failing, hanging
        self._calls = Counter()

    async def process(self, number, /):
        self._calls[number] += 1
        draw = random.Random(f"{self.agent_id} {number} {self._calls[number]}")
        await trio.sleep(draw.uniform(0, self._longest_s))
        if draw.random() < self._hanging:
            await trio.sleep_forever()
        if draw.random() < self._failing:
            raise draw.choice([ConnectionError, ValueError, OSError])(f"input {number}: no\nanswer, \N{SNOWMAN}")
        return number


async def _enrich(number):
    """Fail for a tenth of the inputs, and hang for a few."""
    await trio.sleep(0.01)
    if number % 10 == 3:
        raise LookupError(f"nothing known of {number}")
    if number % 50 == 7:
        await trio.sleep_forever()
    return number


def _pipelines(breaker, kept):
    quickly = Backoff(initial=0.2, maximum=2.0, jitter=0.5)
    retried = StageConfig(attempts=4, timeout=1.0, backoff=quickly, retry_on=Exception)
    skipped = StageConfig(attempts=1, error_policy=ErrorPolicy.SKIP)
    once = StageConfig(attempts=1)
    inner = Kept("inner", kept).add_stage(Stage("lookup", Injected("lookup", failing=0.02), config=once))
    return (
        Kept("orders", kept)
        # While the breaker is open, "fetch" fails at once: what comes before it takes its time.
        .add_stage(Stage("read", Injected("read", longest_s=2), config=once))
        .add_stage(Stage("fetch", breaker.guard(Injected("fetch", failing=0.2, hanging=0.05)), config=retried))
        .add_stage(Stage("enrich", _enrich, config=attrs.evolve(skipped, timeout=0.5)))
        .add_stage(Stage("nested", inner, config=skipped))
        # What hangs here has no timeout of its own, so that the task's time runs out.
        .add_stage(Stage("answer", Injected("answer", failing=0.05, hanging=0.01), config=once))
    )


def run_batch(path, *sinks):
    """Run a thousand tasks with failures, retries, timeouts and a breaker, on virtual time, and log them to `path`."""
    breaker = CircuitBreaker("upstream", failure_threshold=4, recovery_timeout=1)
    kept = []
    pipeline = _pipelines(breaker, kept)
    processor = BatchProcessor(BatchConfig(max_concurrent=20, task_timeout=12))
    with JsonLinesSink(path, service="shop") as log, observe_only(log, *sinks):
        batch = run_in_virtual_time(lambda: processor.map(pipeline, range(TASKS), name="nightly"))
        openings = breaker.statistics().opened
    assert log.dropped == 0
    return Ran(path, batch, kept, openings)


class _MuteError(Exception):
    def __str__(self):
        raise RuntimeError


class _MuteAgent:
    def __init__(self, agent_id, error):
        self.agent_id, self._error = agent_id, error

    async def process(self, data, /):
        current_context().note(data=data)
        raise self._error


def _cyclic():
    inside = {"list": []}
    inside["list"].append(inside)
    return inside


TEXTS = (
    "a\nb\r\nc\u2028d\u0085e\x0b\x0c", "\x00", "before\x00after", "\ud800", "\udfff \ud83d", "\N{GRINNING FACE}" * 50,
    "\N{SNOWMAN}", '"', "\\", "\\n", "{}", "[1", "</script>", "%s %d {0}", "\x1b[31mred\x07", "\x7f\x80\x9f", "\ufeff",
    "\uffff", "\N{RIGHT-TO-LEFT OVERRIDE}", "e\u0301" * 20, "'; DROP TABLE events; --", " ", "NaN", "null",
)  # fmt: skip
LONG_TEXTS = tuple(text * (1_000_000 // len(text)) for text in ("x", "\n", "\x00", "\ud800", "\N{GRINNING FACE}", '"'))
ERRORS = (
    *(ValueError(text) for text in (*TEXTS, *LONG_TEXTS)),
    *(ValueError(value) for value in (math.nan, math.inf, 2**63, 2**64, -(10**4000), b"\xff\x00", _cyclic())),
    _MuteError(),
    ExceptionGroup("several\n", [ValueError("\x00"), ExceptionGroup("\ud800", [_MuteError()])]),
    type("Odd\N{SNOWMAN}", (Exception,), {})("\t"),
)
NUMBERS = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 2**63, -(2**63), 10**400)


def _hostile_events():
    """Yield events by hand, for what no run of a pipeline lets through."""
    run_id = f"{1_000_000_000:012x}7{0:03x}8{0:015x}"
    moments = (NOON + timedelta(milliseconds=each) for each in range(10**6))
    for size in (0, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400):
        ids = (run_id, None, None, None, next(moments))
        yield events.StageEnd(*ids, "p", "s", "a", 0, "success", 1, 0.25, size, -size, None, None, None)
    for number in NUMBERS:
        yield events.AlertRaised(None, None, None, None, next(moments), "slow", "s", number, number)
        yield events.BreakerOpened(None, None, None, None, next(moments), "b", 3, number)
    for text in (*TEXTS, *LONG_TEXTS):
        yield events.LogDropped(None, None, None, None, next(moments), 2**64, text)
        yield events.StageEnd(
            *(run_id, None, text, text, next(moments)),
            *(text, text, text, 0, "error", 1, 0.25, None, None, text, text, text, text),
        )


async def _hostile_runs():
    for text in TEXTS:
        for error in ERRORS if text in TEXTS[:4] else ERRORS[:3]:
            ids = f"{text}!"  # an id has something visible in it
            config = StageConfig(attempts=2, backoff=Backoff(initial=0.1, jitter=0), error_policy=ErrorPolicy.RETRY)
            stage = Stage(ids, _MuteAgent(ids, error), config=config)
            await Pipeline(ids, measure=lambda _: 2**63).add_stage(stage).execute(_cyclic())


def write_hostile(path):
    """Write a log of hostile content, from runs and by hand, and return how many lines it has."""
    with JsonLinesSink(path, service="\ud800\n\N{SNOWMAN}\x00") as log, observe_only(log):
        run_in_virtual_time(_hostile_runs)
        for event in _hostile_events():
            log(event)
    assert log.dropped == 0
    lines = path.read_bytes().splitlines(keepends=True)
    assert all(len(line) < 4096 for line in lines)
    return len(lines)
