"""What is measured of a stage that is tried twice."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work
from benchmarks.micro.attempting import ANSWER

WORK = Work("attempt.1", "A stage that fails once and then succeeds, without a wait", "run", answer=ANSWER)
FULL = ("records", "attempts", "timeout", "events")


def _program(name: str, label: str, build: str, *features: str, subject: str, **others: object) -> Program:
    build = f"benchmarks.micro.{build}"
    return Program(f"{WORK.name}.{name}", label, WORK.name, build, features=features, subject=subject, **others)


def _twin(name: str, label: str, call: str, loop: str, tier: Tier = Tier.QUICK) -> Program:
    options = {"call": call, "loop": loop}
    return _program(name, label, "attempt_twin:Twin", *FULL, subject="twin", options=options, tier=tier)


PROGRAMS = (
    _program("hand", "hand-written Trio loop: `try`, `except` and a deadline", "attempt:Handwritten", "attempts",
             "timeout", subject="hand", tier=Tier.CORE),
    _program("atrio", "atrio's `Pipeline` of one stage, nobody listening", "attempt:Atrio", *FULL, subject="atrio",
             tier=Tier.CORE),
    _twin("twin", "twin by `asyncio.wait_for`, quiet", "wait_for", "asyncio", Tier.CORE),
    _twin("twin.timeout", "twin by `asyncio.timeout`, quiet", "timeout", "asyncio"),
    _twin("twin.uvloop", "twin by `asyncio.wait_for` on uvloop, quiet", "wait_for", "uvloop", Tier.RIGOROUS),
    _twin("twin.timeout.uvloop", "twin by `asyncio.timeout` on uvloop, quiet", "timeout", "uvloop"),
)  # fmt: skip


def _row(label: str, above: str, below: str, **others: object) -> Row:
    return Row(f"a failed attempt and a second one: {label}", f"{WORK.name}.{above}", f"{WORK.name}.{below}", **others)


ROWS = (
    _row("atrio / hand-written loop (keeps nothing), both quiet", "atrio", "hand", gate=True),
    _row("atrio / twin by `asyncio.wait_for`, both quiet", "atrio", "twin", gate=True),
    _row("atrio / twin by `asyncio.timeout`, both quiet", "atrio", "twin.timeout"),
    _row("atrio / twin by `asyncio.wait_for` on uvloop, both quiet", "atrio", "twin.uvloop"),
    _row("atrio / twin by `asyncio.timeout` on uvloop, both quiet", "atrio", "twin.timeout.uvloop"),
)
