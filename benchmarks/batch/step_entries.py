"""What is measured of the parts of an item's work: none is a yardstick, together they explain one."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work

PARTS = {
    "checkpoint": "a checkpoint of Trio's, 50 tasks in turn: what the hand-written loop does for each item",
    "cancelled": "ask for a pending cancellation",
    "pull": "pull the source in a context of its own",
    "compare": "copy the context variables before and after, and compare them",
    "set": "set the context variable that says whose task it is",
    "clock": "read Trio's clock, once of twice",
    "outcome": "make an outcome and note status, times and output",
    "stamp": "take the time of day for an event, once of twice",
    "event": "make a frozen event object, once of twice",
    "identify": "make a task's id, once of twice",
    "hand-over": "hand an event to a sink that does nothing, once of twice",
    "line": "make a line of JSON of an event and write it to a buffer",
}
WORKS = tuple(Work(f"step.{part}", f"A part of an item: {label}", "step", answer="done")
              for part, label in PARTS.items())  # fmt: skip
PROGRAMS = tuple(
    Program(f"step.{part}.alone", label, f"step.{part}", "benchmarks.batch.steps:Step", {"part": part},
            tier=Tier.RIGOROUS, subject="hand" if part == "checkpoint" else "atrio")
    for part, label in PARTS.items()
)  # fmt: skip
ROWS = tuple(
    Row(f"a part of an item, alone: {label}", f"step.{part}.alone", scale=1e6, unit=" us", digits=2)
    for part, label in PARTS.items()
)
