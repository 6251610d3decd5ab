"""A run as the suite would write it, made up: all kinds of works, rivals that are not there, one that failed."""

import random
from typing import Any

from benchmarks.analysis.rows import Row
from benchmarks.analysis.runs import Run

FULL = ("records", "attempts", "timeout")
BATCH = ("limit", "order", "outcomes")
HOSTILE = "<script>alert('x')</script> | `a|b` $x^2$ & [a](javascript:b)"
QUANTILES = range(2, 100, 2)


class Maker:
    """Adds works and programs, with samples that spread as those of a machine do."""

    def __init__(self, rounds: int, seed: int = 3) -> None:
        self.rounds = rounds
        self.random = random.Random(seed)
        self.works: dict[str, Any] = {}
        self.programs: dict[str, Any] = {}
        self.samples: list[Any] = []

    def work(self, name, title, unit, size=1, figure="cpu_s", clock="s"):
        self.works[name] = {
            "name": name, "title": title, "unit": unit, "size": size, "answer": None, "figure": figure, "clock": clock,
        }  # fmt: skip
        return name

    def program(self, name, label, work, *, subject="atrio", features=(), hears="quiet", **more):
        self.programs[name] = {
            "name": name, "label": label, "work": work, "build": "a:b", "options": {}, "features": list(features),
            "hears": hears, "environment": None, "tier": "QUICK", "rounds_at_most": None, "kind": "timed",
            "control": False, "subject": subject, "status": "measured", "reason": None, "answer": "0", "shown": {},
            "loops": 64, "python": "CPython 3.11.7",
            "packages": {"atrio": "0.1.0", "trio": "0.35.0", "attrs": "26.1.0", "structlog": "26.1.0", "pip": "25.0"},
            **more,
        }  # fmt: skip

    def timed(self, name, label, work, unit_us, *, spread=0.03, waits=1.0, **more):
        self.program(name, label, work, **more)
        size = self.works[work]["size"]
        for round_ in range(self.rounds):
            cpu = [unit_us * 1e-6 * size * self.random.lognormvariate(0, spread) for _ in range(3)]
            self.sample(name, round_, {"cpu_s": cpu, "wall_s": [each * 1.02 * waits for each in cpu]})

    def figured(self, name, label, work, figures, *, spread=0.02, **more):
        self.program(name, label, work, kind="figures", **more)
        for round_ in range(self.rounds):
            shift = self.random.lognormvariate(0, spread)
            self.sample(name, round_, {figure: [value * shift] for figure, value in figures.items()})

    def sample(self, name, round_, values):
        self.samples.append(
            {"program": name, "round": round_, "at": "2026-11-22T10:00:00Z", "load": 0.8, "values": values}
        )

    def run(self, **more):
        return Run({
            "schema": 1, "id": "20261122-100000-quick", "command": "python -m benchmarks run", "tier": "QUICK",
            "rounds": self.rounds, "seed": 20, "began": "2026-11-22T10:00:00Z", "ended": "2026-11-22T10:06:00Z",
            "commit": "0123456789ab",
            "machine": {"python": "CPython 3.11.7", "machine": "Linux x86_64, 2 cores", "kernel": "6.1.0",
                        "processor": "Some CPU @ 2.8GHz", "packages": "atrio 0.1.0, trio 0.35.0"},
            "load": {"before": 0.61, "after": 0.93}, "works": self.works, "programs": self.programs,
            "samples": self.samples, **more,
        })  # fmt: skip


def distribution(middle_ms, tail):
    """Return quantiles and percentiles of latencies, in seconds."""

    def at(share):
        return middle_ms * 1e-3 * (0.6 + 0.8 * share + tail * share**12)

    figures = {f"q{quantile:02}": at(quantile / 100) for quantile in QUANTILES}
    return {**figures, "p50": at(0.5), "p95": at(0.95), "p99": at(0.99)}


def add_pipelines(make):
    work = make.work("pipeline.20", "Pipeline of 20 no-op stages", "stage", 20)
    for name, label, cost, more in (
        ("handwritten-trio", "hand-written Trio loop", 8.98, {"subject": "hand", "features": ("timeout",)}),
        ("handwritten-trio.again", "the same once more (control)", 9.0,
         {"subject": "hand", "features": ("timeout",), "control": True}),
        ("handwritten-asyncio", "hand-written asyncio loop", 2.1, {"subject": "hand"}),
        ("atrio", "atrio, nobody listening", 3.76, {"features": FULL}),
        ("atrio.json", "atrio, `stage.end` as JSON, sink at info, buffered", 8.88, {"features": FULL, "hears": "json"}),
        ("twin", "asyncio twin, quiet", 11.3, {"subject": "twin", "features": FULL}),
        ("twin.uvloop", "asyncio twin on uvloop, quiet", 3.7, {"subject": "twin", "features": FULL}),
        ("twin.json", "asyncio twin, `stage.end` through `logging`, buffered", 16.6,
         {"subject": "twin", "features": FULL, "hears": "json"}),
        ("anyio", "anyio, `fail_after` around each stage", 14.2, {"subject": "anyio", "features": ("timeout",)}),
        ("langgraph", "LangGraph 1.0, a node a stage, `StateGraph` compiled once", 410.0,
         {"subject": "langgraph", "features": ("attempts",), "environment": "langgraph",
          "packages": {"langgraph": "1.0.3", "langgraph-sdk": "0.2", "langchain-core": "1.0.1", "pydantic": "2.12"}}),
        ("langchain", "LangChain's `RunnableSequence`", 96.0, {"subject": "langchain", "environment": "langchain"}),
        ("llamaindex", "LlamaIndex Workflows, a step a stage, events passed between them by their types", 150.0,
         {"subject": "llamaindex", "environment": "llamaindex"}),
        ("burr", "Burr, an action a stage", 720.0, {"subject": "burr", "environment": "burr", "spread": 0.2}),
    ):  # fmt: skip
        make.timed(f"{work}.{name}", label, work, cost, **more)
    make.program(f"{work}.hamilton", "Apache Hamilton, a node a stage", work, subject="hamilton",
                 environment="hamilton", status="not installed", reason="no wheel for this", packages={})  # fmt: skip
    make.program(f"{work}.pydantic-graph", "pydantic-graph", work, subject="pydantic-graph", status="unfair",
                 reason="it answered 'what goes in', not 'what goes in 0 1'")  # fmt: skip


def add_batches(make):
    work = make.work("batch.10000", "Batch of 10,000 no-op items, 50 at once", "item", 10_000)
    make.timed(f"{work}.handwritten-trio", "hand-written Trio loop", work, 1.81, subject="hand", features=("limit",))
    make.timed(f"{work}.atrio", "atrio's `map`, nobody listening", work, 2.53, features=BATCH)
    make.timed(f"{work}.atrio.stream", "atrio's `stream`", work, 11.66, features=BATCH)
    make.timed(f"{work}.twin", "asyncio twin, quiet", work, 12.5, subject="twin", features=BATCH)
    make.timed(f"{work}.aiometer", HOSTILE, work, 9.4, subject="aiometer", features=("limit",))
    make.timed(f"{work}.broken", "one that fails in a later round", work, 5.0, subject="broken", status="failed",
               reason=f"ValueError: {HOSTILE}")  # fmt: skip


def add_latencies(make):
    for runs, slow in ((100, 1.0), (1_000, 11.0), (5_000, 62.0)):
        work = make.work(f"latency.{runs}", f"Pipeline of 5 stages, {runs:,} runs at once", "run", runs, "p99")
        for name, label, middle, tail, more in (
            ("atrio", "atrio, nobody listening", 4.1, 0.9, {"features": FULL}),
            ("twin", "asyncio twin, quiet", 6.0, 2.5, {"subject": "twin", "features": FULL}),
            ("twin.uvloop", "asyncio twin on uvloop, quiet", 4.3, 2.1, {"subject": "twin", "features": FULL}),
            ("handwritten-trio", "hand-written Trio loop", 5.2, 1.1, {"subject": "hand"}),
        ):
            figures = {
                **distribution(middle * slow, tail),
                "cpu_s": middle * slow * 1e-3,
                "wall_s": middle * slow * 2e-3,
            }
            make.figured(f"{work}.{name}", label, work, figures, spread=0.05, **more)


def add_scales(make):
    for stages in (1, 5, 20, 100, 1_000):
        work = make.work(f"scale.stages.{stages}", f"Pipeline of {stages:,} no-op stages", "stage", stages)
        make.timed(f"{work}.atrio", "atrio, nobody listening", work, 3.6 + 22 / stages, features=FULL)
        make.timed(f"{work}.twin", "asyncio twin, quiet", work, 11 + 18 / stages, subject="twin", features=FULL)
        make.timed(f"{work}.handwritten-trio", "hand-written Trio loop", work, 8.9 + 2 / stages, subject="hand")
    for items in (100, 1_000, 10_000, 100_000, 1_000_000):
        work = make.work(f"scale.items.{items}", f"Batch of {items:,} no-op items", "item", items)
        make.timed(f"{work}.atrio", "atrio's `map`, nobody listening", work, 2.5 + 90 / items + items / 4e6)
        make.timed(f"{work}.atrio.json", "atrio's `map`, a JSON line a task", work, 9.0 + 90 / items, hears="json")
        if items < 1_000_000:
            make.timed(f"{work}.twin", "asyncio twin, quiet", work, 12 + items / 1e4, subject="twin", spread=0.12)
    for sinks in range(6):
        work = make.work(f"scale.sinks.{sinks}", f"Pipeline of 20 stages, {sinks} sinks", "stage", 20)
        make.timed(f"{work}.atrio", "atrio, sinks that do nothing", work, 3.76 + 1.4 * sinks, features=FULL)
        make.timed(f"{work}.twin", "asyncio twin, as many handlers", work, 11.3 + 2.9 * sinks, subject="twin")


def add_others(make):
    work = make.work("memory.kept", "What a result keeps an item, 10,000 items", "item", 10_000, "kept_bytes", "bytes")
    for name, label, kept, subject in (
        ("atrio", "atrio's `process_batch`", 199.0, "atrio"),
        ("twin", "twin", 346.0, "twin"),
    ):
        make.figured(
            f"{work}.{name}", label, work, {"kept_bytes": kept, "peak_bytes": kept * 1.9}, spread=0, subject=subject
        )
    work = make.work("startup", "Starting a process", "start")
    for name, label, ms, subject in (
        ("python", "`python -c pass`", 14, "hand"), ("trio", "`import trio`", 141, "trio"),
        ("atrio", "`import atrio`", 197, "atrio"),
    ):  # fmt: skip
        make.timed(f"startup.{name}", label, work, ms * 1e3, spread=0.02, subject=subject)
    work = make.work("cancel.10000", "A cancelled batch of 10,000 live tasks, until quiet", "item", 10_000, "quiet_s")
    make.figured(f"{work}.atrio", "atrio's `map`", work, {"quiet_s": 0.31, "cpu_s": 0.3})
    make.figured(f"{work}.handwritten-trio", "hand-written", work, {"quiet_s": 0.27, "cpu_s": 0.25}, subject="hand")


def made_up(rounds=7, only=(), **more):
    """Return the whole made-up run, or of it what is named."""
    make = Maker(rounds)
    makers = {
        "pipeline": add_pipelines,
        "batch": add_batches,
        "latency": add_latencies,
        "scale": add_scales,
        "other": add_others,
    }
    for name, add in makers.items():
        if not only or name in only:
            add(make)
    return make.run(**more)


P = "pipeline.20"
ROWS = (
    Row("atrio, nobody listening / hand-written loop", f"{P}.atrio", f"{P}.handwritten-trio", at_most=0.45),
    Row("atrio, a JSON line a stage / hand-written loop", f"{P}.atrio.json", f"{P}.handwritten-trio", at_most=0.9),
    Row("twin / atrio, both quiet", f"{P}.twin", f"{P}.atrio", at_least=2.5),
    Row("twin on uvloop / atrio, both quiet", f"{P}.twin.uvloop", f"{P}.atrio", at_least=1.0),
    Row("Hamilton / atrio", f"{P}.hamilton", f"{P}.atrio", at_least=1.0),
    Row("control: hand-written loop / itself", f"{P}.handwritten-trio.again", f"{P}.handwritten-trio", control=True),
    Row("atrio's `map` / hand-written loop", "batch.10000.atrio", "batch.10000.handwritten-trio", at_most=1.2),
    Row("1,000 stages / 20, a stage", "scale.stages.1000.atrio", "scale.stages.20.atrio", per_unit=True, at_most=1.1),
    Row("kept an item", "memory.kept.atrio", figure="kept_bytes", at_most=250, unit=" bytes", digits=0),
    Row("quiet / the loop's", "cancel.10000.atrio", "cancel.10000.handwritten-trio", figure="quiet_s", at_most=1.3),
    Row("not in this run", "other.atrio", "other.twin", at_most=1.0),
)  # fmt: skip
