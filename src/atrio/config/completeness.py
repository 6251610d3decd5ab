"""What is wrong with a table beyond its single values, and can be said without looking at another one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from atrio.config.settings import AgentSettings, BreakerSettings, Configuration, KeyPath, RateSettings, RouterSettings
from atrio.config.words import did_you_mean, listed
from atrio.errors import DefinitionError
from atrio.registry import BUILT_IN_AGENTS

__all__ = ["incomplete"]


_MUST_HAVE_ONE: Final = (
    ("pools", "members", "must have one member at least, as in ['text_cleaner']"),
    ("fan_outs", "agents", "must name one agent at least, as in { topic = 'classifier' }"),
    ("routers", "agents", "must name one agent at least, as in { de = 'german' }"),
    ("pipelines", "stages", "must have one stage at least, as in ['text_cleaner']"),
)


class _Lack(NamedTuple):
    """Something that a table lacks.

    Attributes:
        path: where.
        message: what.
        is_of_whole: whether other keys of the table decide about it.
    """

    path: KeyPath
    message: str
    is_of_whole: bool = False


def incomplete(configuration: Configuration, wrong: Collection[KeyPath]) -> dict[KeyPath, str]:
    """Return what tables lack, and which of their own keys contradict each other.

    Args:
        configuration: what was read.
        wrong: what was taken out of it, because it was wrong. Nothing is said that this may have brought about.
    """
    touched = {path[:size] for path in wrong for size in range(len(path) + 1)}
    return {
        lack.path: lack.message
        for lack in _lacks(configuration)
        if (lack.path[:2] if lack.is_of_whole else lack.path) not in touched
    }


def _lacks(configuration: Configuration) -> Iterator[_Lack]:
    for name, agent in configuration.agents.items():
        yield from _of_agent(name, agent)
    for name, limit in configuration.rate_limits.items():
        yield from _of_rate(("rate_limits", name), limit)
    for name, breaker in configuration.breakers.items():
        yield from _of_breaker(("breakers", name), breaker)
    for name, router in configuration.routers.items():
        yield from _of_router(("routers", name), router)
    for name, pool in configuration.pools.items():
        yield from _of_guards(("pools", name), pool.breaker, pool.rate)
    for section, key, message in _MUST_HAVE_ONE:
        for name, table in getattr(configuration, section).items():
            if not getattr(table, key):
                yield _Lack((section, name, key), message)


def _of_agent(name: str, agent: AgentSettings) -> Iterator[_Lack]:
    path = ("agents", name)
    yield from _of_guards(path, agent.breaker, agent.rate)
    start = agent.starting_point(name)
    if agent.capabilities == ():
        yield _Lack((*path, "capabilities"), "must have one capability at least, as in ['validation']")
        return
    if agent.extends is not None and start is None:
        hint = did_you_mean(agent.extends, BUILT_IN_AGENTS) or f"; there are {listed(map(repr, BUILT_IN_AGENTS))}"
        yield _Lack((*path, "extends"), f"there is no ready-made agent {agent.extends!r}{hint}")
        return
    capabilities = agent.capabilities or (() if start is None else start.capabilities)
    strange = [each for each in agent.scores if each not in capabilities] if capabilities else []
    for each in strange:
        hint = did_you_mean(each, capabilities) or f"; it has {listed(map(repr, capabilities))}"
        yield _Lack(
            (*path, "scores", each), f"is a score for a capability that the agent has not{hint}", is_of_whole=True
        )
    if not strange:
        try:
            agent.definition(name)
        except DefinitionError as error:
            yield _Lack(path, f"{error}{did_you_mean(name, BUILT_IN_AGENTS)}", is_of_whole=True)


def _of_guards(
    path: KeyPath, breaker: BreakerSettings | str | None, rate: RateSettings | str | None
) -> Iterator[_Lack]:
    if isinstance(breaker, BreakerSettings):
        yield from _of_breaker((*path, "breaker"), breaker)
    if isinstance(rate, RateSettings):
        yield from _of_rate((*path, "rate"), rate)


def _of_breaker(path: KeyPath, breaker: BreakerSettings) -> Iterator[_Lack]:
    if breaker.trips_on == ():
        yield _Lack((*path, "trips_on"), "must name one exception at least; leave it out for all of them")


def _of_rate(path: KeyPath, limit: RateSettings) -> Iterator[_Lack]:
    if limit.cost is None and limit.burst is not None and limit.burst < 1:
        message = f"must be at least 1, which is what a call costs without 'cost', not {limit.burst!r}"
        yield _Lack((*path, "burst"), message, is_of_whole=True)


def _of_router(path: KeyPath, router: RouterSettings) -> Iterator[_Lack]:
    if router.default is not None and router.agents and router.default not in router.agents:
        right = f"must be one of the keys of 'agents', {listed(map(repr, router.agents), 'or')}"
        message = f"{right}, not {router.default!r}{did_you_mean(router.default, router.agents)}"
        yield _Lack((*path, "default"), message, is_of_whole=True)
