"""The history: what keeping it adds to a run, how long others wait while it is purged, and how fast it answers."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

ITEMS, STAGES, PLACES = 500, 3, 20
OLD_RUNS, STAGE_RECORDS = 100_000, 1_000_000

# What each stage of a run does, in words.
SHAPES = {
    "waiting": "each stage waits for 5 ms",
    "computing": "each stage computes for 0.5 ms",
    "idle": "stages that do nothing",
}
LISTENERS = {
    "quiet": "nobody listening",
    "lines": "`JsonLinesSink`, from debug up, to a file",
    "kept": "`HistorySink`",
}


# --- Keeping ---


def _run(shape: str) -> Work:
    return Work(f"history.run.{shape}", f"A batch of {ITEMS} runs of {STAGES} stages, {PLACES} at once: "
                f"{SHAPES[shape]}", "run", ITEMS, [[0, 1, 2], "success"], figure="wall_s")  # fmt: skip


def _running(shape: str, listener: str, name: str | None = None, **others: object) -> Program:
    return Program(f"history.run.{shape}.{name or listener}", LISTENERS[listener], f"history.run.{shape}",
                   "benchmarks.history.keeping:Running", {"shape": shape, "listener": listener},
                   hears="quiet" if listener == "quiet" else "each event", **others)  # fmt: skip


def _running_rows(shape: str) -> tuple[Row, ...]:
    kept, quiet = f"history.run.{shape}.kept", f"history.run.{shape}.quiet"
    return (
        # What does nothing has no time that a tenth could be added to; it shows what an event costs.
        Row(f"{SHAPES[shape]}: wall time, with a history / nobody listening", kept, quiet, figure="wall_s",
            at_most=None if shape == "idle" else 1.1, digits=2),
        Row(f"{SHAPES[shape]}: wall time, with a history / lines of JSON", kept, f"history.run.{shape}.lines",
            figure="wall_s", digits=2),
        Row(f"{SHAPES[shape]}: CPU a run, with a history, above nobody listening", kept, minus=quiet, per_unit=True,
            scale=1e6, unit=" us", digits=1),
    )  # fmt: skip


OPEN = Work("history.open", "A history is opened and closed", "opening", 1, 0, figure="wall_s")

# --- Purging and answering ---

PURGE = Work("history.purge", f"{OLD_RUNS:,} runs of {STAGES} stages are too old, and another process writes", "run",
             OLD_RUNS, [0, 0, 0], figure="longest_s")  # fmt: skip
ASK = Work("history.ask", f"A history with {STAGE_RECORDS:,} records of stages is asked", "question", 1,
           [3, "pipeline", 3], figure="latest_s")  # fmt: skip
_ASKED = {
    "latest_s": "what `atrio status` shows: 20 runs, and 20 durations of each one's pipeline",
    "run_s": "a run, by a prefix of its id",
    "batch_s": "a batch of 1,000 tasks, by a prefix of its id",
    "stages_s": "how long the stages of a pipeline took in its last 200 runs",
    "unknown_s": "a run that is not there",
}

WORKS = (*map(_run, SHAPES), OPEN, PURGE, ASK)
PROGRAMS = (
    *(_running(shape, listener) for shape in SHAPES for listener in LISTENERS),
    _running("waiting", "quiet", "quiet.again", control=True, tier=Tier.RIGOROUS),
    Program("history.open.atrio", "atrio's `HistorySink`", OPEN.name, "benchmarks.history.keeping:Opening"),
    Program("history.purge.atrio", "atrio's `HistorySink`", PURGE.name, "benchmarks.history.purging:Purging",
            {"runs": OLD_RUNS}, kind="figures", rounds_at_most=3),
    Program("history.ask.atrio", "atrio's `History`", ASK.name, "benchmarks.history.asking:Asking",
            {"stages": STAGE_RECORDS}, kind="figures", rounds_at_most=3),
)  # fmt: skip
ROWS = (
    *(row for shape in SHAPES for row in _running_rows(shape)),
    Row("control: runs that wait, nobody listening / itself", "history.run.waiting.quiet.again",
        "history.run.waiting.quiet", figure="wall_s", control=True),
    Row("a history is opened and closed: wall time", "history.open.atrio", figure="wall_s", scale=1e3, unit=" ms",
        digits=1),
    Row(f"{OLD_RUNS:,} runs are purged: the longest wait of another process that writes", "history.purge.atrio",
        figure="longest_s", scale=1e3, unit=" ms", digits=1, at_most=50),
    Row(f"{OLD_RUNS:,} runs are purged: all of it", "history.purge.atrio", figure="whole_s", unit=" s", digits=1),
    *(
        Row(f"{STAGE_RECORDS:,} records of stages: {words}", "history.ask.atrio", figure=figure, scale=1e3, unit=" ms",
            digits=1, at_most=200)
        for figure, words in _ASKED.items()
    ),
)  # fmt: skip
