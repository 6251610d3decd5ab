"""Other ways to do the same work, one file each, in environments of their own.

Here is only what is said of them. The works are those of the other suites, by name, so that a rival stands beside atrio
in their tables; what each rival does, and how it is configured, its file says.
"""

from typing import Any

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

WORKS: tuple[Work, ...] = ()

PIPELINE, BATCH, ATTEMPT, CALL = "pipeline.20", "batch.10000.50", "attempt.1", "guard.call"
OPTIONS: dict[str, dict[str, Any]] = {PIPELINE: {"stages": 20}, BATCH: {"items": 10_000, "places": 50}}

ON = {"trio": "Trio", "asyncio": "asyncio", "uvloop": "uvloop"}
# A process of these takes half a minute, and more rounds would tell little: they are slower by far than what is noise.
FEW_ROUNDS = 3


def _program(
    work: str, name: str, label: str, build: str, *features: str, environment: str | None, **others: Any
) -> Program:
    return Program(
        f"{work}.{name}",
        label,
        work,
        f"benchmarks.rivals.{build}",
        {**OPTIONS.get(work, {}), **others.pop("options", {})},
        features,
        environment=environment,
        subject=environment or "hand",
        **others,
    )


# --- Pipelines ---


def _hand(work: str, build: str, *features: str) -> tuple[Program, ...]:
    return tuple(
        _program(
            work,
            f"hand.{loop}",
            f"hand-written asyncio loop, on {ON[loop]}",
            f"handwritten_asyncio:{build}",
            *features,
            environment=None,
            options={"loop": loop},
        )
        for loop in ("asyncio", "uvloop")
    )


def _on_asyncio(name: str, title: str, build: str, *features: str) -> tuple[Program, ...]:
    """Return a framework's pipeline on asyncio's event loop and, where there is time, on uvloop."""
    return (
        _program(PIPELINE, name, title, f"{build}:Pipeline", *features, environment=name),
        _program(PIPELINE, f"{name}.uvloop", f"{title}, on uvloop", f"{build}:Pipeline", *features, environment=name,
                 options={"loop": "uvloop"}, tier=Tier.RIGOROUS),
    )  # fmt: skip


def _unguarded(name: str, title: str, build: str, *features: str) -> Program:
    return _program(PIPELINE, f"{name}.unguarded", title, f"{build}:Pipeline", *features, environment=name,
                    options={"guarded": False}, tier=Tier.RIGOROUS)  # fmt: skip


PIPELINES = (
    *_hand(PIPELINE, "Pipeline", "timeout"),
    *(
        _program(PIPELINE, f"hand.{loop}.unyielding",
                 f"hand-written asyncio loop that lets nobody else run, on {ON[loop]}", "handwritten_asyncio:Pipeline",
                 "timeout", environment=None, options={"loop": loop, "yields": False})
        for loop in ("asyncio", "uvloop")
    ),
    *(
        _program(PIPELINE, f"anyio.{loop}", f"anyio's `fail_after` a stage, on {ON[loop]}", "anyio_loops:Pipeline",
                 "timeout", environment="anyio", options={"loop": loop},
                 tier=Tier.RIGOROUS if loop == "uvloop" else Tier.QUICK)
        for loop in ON
    ),
    *_on_asyncio("langgraph", "LangGraph's `StateGraph`, a retry policy and a timeout a node, no checkpointer",
                 "langgraph_graph", "attempts", "timeout", "events"),
    _unguarded("langgraph", "LangGraph's `StateGraph`, no retry policy, no timeout, no checkpointer",
               "langgraph_graph", "events"),
    *_on_asyncio("langchain", "LangChain's `RunnableSequence`, `with_retry` a runnable", "langchain_sequence",
                 "attempts", "events"),
    _unguarded("langchain", "LangChain's `RunnableSequence`, no retries", "langchain_sequence", "events"),
    *_on_asyncio("pydantic-graph", "pydantic-graph's `Graph` of steps", "pydantic_graph_steps"),
    *_on_asyncio("llama-index", "LlamaIndex Workflows, a retry policy a step", "llama_index_workflow", "attempts",
                 "events"),
    *_on_asyncio("hamilton", "Apache Hamilton's async driver", "hamilton_driver", "events"),
    *_on_asyncio("burr", "Apache Burr's `Application`", "burr_application", "events"),
)  # fmt: skip


# --- Batches ---


def _anyio_batch(loop: str, way: str, how: str, tier: Tier) -> Program:
    return _program(BATCH, f"anyio.{way}.{loop}", f"anyio, {how}, on {ON[loop]}", "anyio_loops:Batch", "limit", "order",
                    environment="anyio", options={"loop": loop, "way": way}, tier=tier)  # fmt: skip


def _runs(name: str, title: str, build: str) -> Program:
    return _program(BATCH, name, title, f"{build}:Batch", "limit", "order", "outcomes", environment=name,
                    tier=Tier.RIGOROUS, rounds_at_most=FEW_ROUNDS)  # fmt: skip


BATCHES = (
    *_hand(BATCH, "Batch", "limit", "order"),
    *(_anyio_batch(loop, "workers", "workers that share an iterator", Tier.QUICK if loop == "trio" else Tier.RIGOROUS)
      for loop in ON),
    *(
        _anyio_batch(loop, "limiter", "a task an item and a `CapacityLimiter`", tier)
        for loop, tier in (("trio", Tier.RIGOROUS), ("asyncio", Tier.RIGOROUS), ("uvloop", Tier.RIGOROUS))
    ),
    *(
        _program(BATCH, f"aiometer.{loop}", f"aiometer's `run_all`, on {ON[loop]}", "aiometer_batch:Batch", "limit",
                 "order", environment="aiometer", options={"loop": loop},
                 tier=Tier.QUICK if loop == "trio" else Tier.RIGOROUS)
        for loop in ("trio", "asyncio")
    ),
    _runs("langchain", "LangChain's `abatch` of a runnable", "langchain_sequence"),
    _runs("langgraph", "LangGraph's `abatch` of a graph of one node", "langgraph_graph"),
    _runs("llama-index", "LlamaIndex Workflows, a run an item with `num_concurrent_runs`", "llama_index_workflow"),
)  # fmt: skip


# --- Single calls ---


def _retries(name: str, how: str) -> tuple[Program, ...]:
    return tuple(
        _program(
            ATTEMPT,
            f"{name}.{loop}",
            f"{how}, on {ON[loop]}",
            f"{name}_retry:Attempt",
            "attempts",
            environment=name,
            options={"loop": loop},
            tier=tier,
        )
        for loop, tier in (("trio", Tier.QUICK), ("asyncio", Tier.RIGOROUS))
    )


CALLS = (
    *_retries("tenacity", "tenacity's `AsyncRetrying`"),
    *_retries("stamina", "stamina's decorator"),
    _program(CALL, "purgatory", "purgatory's breaker as a decorator, under Trio", "purgatory_breaker:Breaker",
             "breaker", environment="purgatory", options={"way": "decorator"}),
    _program(CALL, "purgatory.kept", "purgatory's breaker, got once, by `async with`, under Trio",
             "purgatory_breaker:Breaker", "breaker", environment="purgatory", options={"way": "kept"}),
    _program(CALL, "interlock", "interlock-cb's breaker as a decorator, under Trio", "interlock_breaker:Breaker",
             "breaker", environment="interlock"),
    _program(CALL, "aiolimiter", "aiolimiter's `AsyncLimiter` by `async with`, under asyncio",
             "aiolimiter_limiter:Limiter", "rate", environment="aiolimiter"),
)  # fmt: skip

PROGRAMS = (*PIPELINES, *BATCHES, *CALLS)


# --- Rows ---


def _beside(work: str, name: str, label: str, **others: Any) -> Row:
    return Row(f"{label} / atrio, both quiet", f"{work}.{name}", f"{work}.atrio", digits=2, **others)


# What each is without, of what atrio does beside the stages themselves.
_WITHOUT = {
    "langgraph": "LangGraph (no records)",
    "langgraph.unguarded": "LangGraph without policies (no records, attempts or deadlines)",
    "langchain": "LangChain (no records, no deadlines)",
    "langchain.unguarded": "LangChain without retries (no records, attempts or deadlines)",
    "pydantic-graph": "pydantic-graph (no records, attempts, deadlines or events)",
    "llama-index": "LlamaIndex Workflows (no records, no deadline a stage)",
    "hamilton": "Apache Hamilton (no records, attempts or deadlines)",
    "burr": "Apache Burr (no records, attempts or deadlines)",
}
_BARE = "deadlines alone"
_ITEMS = "outputs alone: an item that fails ends it"

ROWS = (
    Row("hand-written asyncio loop / hand-written Trio loop, both quiet", f"{PIPELINE}.hand.asyncio",
        f"{PIPELINE}.hand"),
    *(
        _beside(PIPELINE, f"hand.{loop}", f"hand-written asyncio loop on {ON[loop]} ({_BARE})")
        for loop in ("asyncio", "uvloop")
    ),
    *(
        _beside(PIPELINE, f"hand.{loop}.unyielding",
                f"hand-written asyncio loop on {ON[loop]} that lets nobody else run ({_BARE})")
        for loop in ("asyncio", "uvloop")
    ),
    *(_beside(PIPELINE, f"anyio.{loop}", f"anyio on {ON[loop]} ({_BARE})") for loop in ON),
    *(_beside(PIPELINE, name, label) for name, label in _WITHOUT.items()),
    *(
        _beside(PIPELINE, f"{name}.uvloop", f"on uvloop, {label}")
        for name, label in _WITHOUT.items() if not name.endswith(".unguarded")
    ),
    *(
        _beside(BATCH, f"hand.{loop}", f"10,000 items: hand-written asyncio loop on {ON[loop]} ({_ITEMS})")
        for loop in ("asyncio", "uvloop")
    ),
    *(
        _beside(BATCH, f"anyio.{way}.{loop}", f"10,000 items: anyio's {way} on {ON[loop]} ({_ITEMS})")
        for way in ("workers", "limiter") for loop in ON
    ),
    *(
        _beside(BATCH, f"aiometer.{loop}", f"10,000 items: aiometer on {ON[loop]} ({_ITEMS})")
        for loop in ("trio", "asyncio")
    ),
    *(
        _beside(BATCH, name, f"10,000 items: {title} (outputs and errors, no records)")
        for name, title in (("langchain", "LangChain's `abatch`"), ("langgraph", "LangGraph's `abatch`"),
                            ("llama-index", "LlamaIndex Workflows"))
    ),
    *(
        _beside(ATTEMPT, f"{name}.{loop}", f"a failed attempt and a second one: {name} on {ON[loop]} (no records, no "
                "deadlines)")
        for name in ("tenacity", "stamina") for loop in ("trio", "asyncio")
    ),
    *(
        Row(f"{label}, above a bare call{under}", f"{CALL}.{name}", minus=f"{CALL}.{bare}", scale=1e6, unit=" us",
            digits=2)
        for name, label, bare, under in (
            ("purgatory", "purgatory's breaker as a decorator, closed", "bare", ""),
            ("purgatory.kept", "purgatory's breaker, got once, by `async with`, closed", "bare", ""),
            ("interlock", "interlock-cb's breaker as a decorator, closed", "bare", ""),
            ("aiolimiter", "aiolimiter, tokens to spare", "bare.asyncio", " under asyncio"),
        )
    ),
)  # fmt: skip
