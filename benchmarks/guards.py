"""What a guarded call costs above the bare one: atrio's guards and pool, and other libraries beside them if installed.

Nothing is ever refused, waited for or failed here: breakers are closed, limiters have tokens and pools have places.
"""

import gc
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import repeat
from random import Random
from time import process_time
from typing import Any

import trio

import atrio
from contestants import DATA, Counting, NoOp, UnfairError, asyncio_run, long_enough
from rows import Row, Samples
from sampling import interleave, spread_of

MEMBERS = 3
CALLS = 1000
PLENTY = 1e9  # tokens a second: more than anything here can take

Call = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Contestant:
    """One way to call an agent.

    ``build`` makes, before the event loop, the async function that calls one of so many agents.
    """

    label: str
    run: Callable[..., Any]
    build: Callable[[Sequence[Any]], Call]

    def outputs(self, agents: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Return what the calls return, one after the other."""
        call = self.build(agents)

        async def main() -> list[Any]:
            return [await call(data) for data in inputs]

        return self.run(main)

    def cpu_s(self, repetitions: int) -> float:
        """Return the CPU seconds that a thousand calls took, over so many thousands."""
        call = self.build([NoOp() for _ in range(MEMBERS)])

        async def main() -> float:
            await call(DATA)
            began = process_time()
            for _ in repeat(None, CALLS * repetitions):
                await call(DATA)
            return (process_time() - began) / repetitions

        gc.collect()
        return self.run(main)


# --- The contestants ---


def _bare(agents: Sequence[Any]) -> Call:
    return agents[0].process


def _breaker(agents: Sequence[Any]) -> Call:
    return atrio.CircuitBreaker("yardstick").guard(agents[0]).process


def _limiter(agents: Sequence[Any]) -> Call:
    return atrio.RateLimiter("yardstick", PLENTY).guard(agents[0]).process


def _pool(agents: Sequence[Any]) -> Call:
    return atrio.AgentPool(agents, pool_id="yardstick").process


def _purgatory_decorated(agents: Sequence[Any]) -> Call:
    breakers = import_module("purgatory").AsyncCircuitBreakerFactory()
    return breakers("yardstick")(agents[0].process)


def _purgatory_kept(agents: Sequence[Any]) -> Call:
    agent = agents[0]
    # It is kept in memory, and is no event loop's.
    breaker = trio.run(import_module("purgatory").AsyncCircuitBreakerFactory().get_breaker, "yardstick")

    async def call(data: Any) -> Any:
        async with breaker:
            return await agent.process(data)

    return call


def _interlock(agents: Sequence[Any]) -> Call:
    return import_module("interlock").CircuitBreaker(name="yardstick")(agents[0].process)


def _aiolimiter(agents: Sequence[Any]) -> Call:
    agent, limiter = agents[0], import_module("aiolimiter").AsyncLimiter(PLENTY, 1)

    async def call(data: Any) -> Any:
        async with limiter:
            return await agent.process(data)

    return call


@dataclass(frozen=True)
class Other:
    """Another library: its distribution, its module, and how a call goes through it."""

    distribution: str
    module: str
    how: str
    run: Callable[..., Any]
    build: Callable[[Sequence[Any]], Call]

    def contestant(self) -> Contestant | None:
        """Return it as a contestant, labelled with its version; None if it is not installed."""
        try:
            # The distribution first: a module of that name may be somebody else's.
            installed = version(self.distribution)
            import_module(self.module)
        except ImportError:
            return None
        return Contestant(f"{self.distribution} {installed}, {self.how}", self.run, self.build)


OTHERS = {
    "purgatory": Other(
        "purgatory", "purgatory", "a breaker as a decorator, under Trio", trio.run, _purgatory_decorated
    ),
    "purgatory kept": Other(
        "purgatory", "purgatory", "`async with` a breaker got once, under Trio", trio.run, _purgatory_kept
    ),
    "interlock": Other("interlock-cb", "interlock", "a breaker as a decorator, under Trio", trio.run, _interlock),
    "aiolimiter": Other("aiolimiter", "aiolimiter", "`async with` a limiter, under asyncio", asyncio_run, _aiolimiter),
}
BREAKERS = ("breaker", "purgatory", "purgatory kept", "interlock")


def contestants() -> dict[str, Contestant]:
    """Return all contestants that are installed, by name."""
    ours = {
        "bare": Contestant("`await agent.process(data)`, under Trio", trio.run, _bare),
        "bare again": Contestant("the same once more (control)", trio.run, _bare),
        "breaker": Contestant("atrio's `CircuitBreaker.guard`", trio.run, _breaker),
        "limiter": Contestant("atrio's `RateLimiter.guard`", trio.run, _limiter),
        "pool": Contestant(f"atrio's `AgentPool` of {MEMBERS}", trio.run, _pool),
        "bare asyncio": Contestant("`await agent.process(data)`, under asyncio", asyncio_run, _bare),
    }
    others = {name: other.contestant() for name, other in OTHERS.items()}
    return ours | {name: each for name, each in others.items() if each is not None}


def check_fairness(entered: Mapping[str, Contestant]) -> None:
    """Make a few calls with every contestant; what they return must be what the agent returns, each by a call of it."""
    inputs = [f"input {index}" for index in range(2 * MEMBERS)]
    for name, contestant in entered.items():
        agents = [Marking(1) for _ in range(MEMBERS)]
        outputs = contestant.outputs(agents, inputs)
        if outputs != [f"{data} 1" for data in inputs]:
            raise UnfairError(f"{name} gave other outputs: {outputs}")
        calls = sum(agent.calls for agent in agents)
        if calls != len(inputs):
            raise UnfairError(f"{name} made {calls} calls of {len(inputs)}")


class Marking(Counting):
    """Leaves its mark, and counts its calls."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.calls = 0

    async def process(self, data: str) -> str:
        """Return the data with this agent's number added."""
        self.calls += 1
        return await super().process(data)


# --- The suite ---


def _above(label: str, name: str, bare: str = "bare", at_most: float | None = None) -> Row:
    return Row(label, name, minus=bare, at_most=at_most, unit=" us", digits=2, absent="not installed")


ROWS = (
    _above("atrio's `CircuitBreaker.guard`, closed, above a bare call", "breaker", at_most=1.5),
    _above("atrio's `RateLimiter.guard`, tokens to spare, above a bare call", "limiter", at_most=2),
    _above(f"atrio's `AgentPool` of {MEMBERS}, places free, above a bare call", "pool", at_most=4),
    _above("purgatory's breaker as a decorator, closed, above a bare call", "purgatory"),
    _above("purgatory's breaker, got once, by `async with`, closed, above a bare call", "purgatory kept"),
    _above("interlock-cb's breaker as a decorator, closed, above a bare call", "interlock"),
    _above("aiolimiter (asyncio only), tokens to spare, above a bare call under asyncio", "aiolimiter", "bare asyncio"),
    Row("control: a bare call / itself", "bare again", "bare", control=True),
)


def samples(rounds: int, rng: Random) -> tuple[dict[str, str], Samples]:
    """Return what each contestant is, and its CPU microseconds a call, round by round."""
    entered = contestants()
    check_fairness(entered)
    taken = interleave({name: long_enough(each.cpu_s) for name, each in entered.items()}, rounds, rng)
    calls_us = {name: [cpu_s / CALLS * 1e6 for cpu_s in each] for name, each in taken.items()}
    return {name: each.label for name, each in entered.items()}, calls_us


def costs(labels: Mapping[str, str], samples: Samples) -> str:
    """Return what a call costs, as a Markdown table."""
    lines = ["| contestant | us a call | spread |", "|---|---|---|"]
    for name, label in labels.items():
        lines.append(f"| {label} | {statistics.median(samples[name]):.2f} | {spread_of(samples[name]):.0%} |")
    return "\n".join(lines)
