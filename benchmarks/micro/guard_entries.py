"""What is measured of guarded calls: what a call costs above a bare one."""

from benchmarks.analysis.rows import Row
from benchmarks.harness.programs import Program, Tier, Work
from benchmarks.micro.calls import ANSWER, MEMBERS

WORK = Work("guard.call", "A guarded call of an agent that does nothing", "call", answer=ANSWER)

# These do nothing but call the agent: no guard, no event, no record.
BARE, BARE_ASYNCIO = "guard.call.bare", "guard.call.bare.asyncio"


def _program(name: str, label: str, build: str, *features: str, subject: str = "atrio", **others: object) -> Program:
    build = f"benchmarks.micro.guard:{build}"
    return Program(f"guard.call.{name}", label, WORK.name, build, features=features, subject=subject, **others)


PROGRAMS = (
    _program("bare", "`await agent.process(data)`, under Trio", "Bare", subject="hand", tier=Tier.CORE),
    _program("bare.again", "the same once more (control)", "Bare", subject="hand", control=True),
    _program("bare.asyncio", "`await agent.process(data)`, under asyncio", "Bare", subject="hand",
             options={"loop": "asyncio"}),
    _program("breaker", "atrio's `CircuitBreaker.guard`", "Breaker", "breaker", tier=Tier.CORE),
    _program("limiter", "atrio's `RateLimiter.guard`", "Limiter", "rate", tier=Tier.CORE),
    _program("pool", f"atrio's `AgentPool` of {MEMBERS}", "Pool", "limit", tier=Tier.CORE),
)  # fmt: skip


def _above(label: str, name: str, at_most: float) -> Row:
    return Row(f"{label}, above a bare call", f"guard.call.{name}", minus=BARE, at_most=at_most, scale=1e6, unit=" us",
               digits=2)  # fmt: skip


def _times(label: str, name: str) -> Row:
    # A machine's speed cancels out of a ratio, so that it can be held to a recorded one.
    return Row(f"{label} / a bare call", f"guard.call.{name}", BARE, digits=1, gate=True)


ROWS = (
    _above("atrio's `CircuitBreaker.guard`, closed", "breaker", 1.5),
    _above("atrio's `RateLimiter.guard`, tokens to spare", "limiter", 2),
    _above(f"atrio's `AgentPool` of {MEMBERS}, places free", "pool", 4),
    _times("atrio's `CircuitBreaker.guard`, closed", "breaker"),
    _times("atrio's `RateLimiter.guard`, tokens to spare", "limiter"),
    _times(f"atrio's `AgentPool` of {MEMBERS}, places free", "pool"),
    Row("control: a bare call / itself", "guard.call.bare.again", BARE, control=True),
)
