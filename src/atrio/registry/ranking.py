"""Who is best at a capability, and why: a score of three factors. Pure: it decides on what it is given.

The score is the product of *capability score*, *performance* and *availability*, each from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from atrio.registry.definitions import visible
from atrio.registry.performance import RECENT, CallsSnapshot

__all__ = ["ENOUGH", "Candidate", "Standing", "availability_of", "candidates_of", "performance_of", "ranked"]

ENOUGH: Final = 20
"""Calls of an agent from which on its performance counts."""

_SLOWNESS_COSTS: Final = 0.25
"""The most that slowness takes off the performance. Who fails is of no use, who is slow is of less."""
_GRAIN_S: Final = 0.001
"""Seconds that are added to the durations that are compared: less than that makes no difference to anybody."""


@attrs.frozen
class Standing:
    """An agent that can do what is asked for, as it stands now.

    Attributes:
        agent_id: the agent.
        capability_score: how good it is at the capability, from 0 to 1, as its definition says.
        calls: what its calls have shown.
        capacity: calls that it takes at once, at least 1.
        missing: what it needs and does not have: names of environment variables.
        refused_for: seconds for which its circuit breaker refuses calls, 0 while its probes are out; None if it has
            none, or one that lets a call through.
        beyond: what a call takes that the machine has not, in words; None if the machine holds one.
        unavailable: why it cannot work here, as its definition says; None if it says nothing.
    """

    agent_id: str
    capability_score: float
    calls: CallsSnapshot = attrs.field(factory=CallsSnapshot)
    capacity: int = 1
    missing: tuple[str, ...] = ()
    refused_for: float | None = None
    beyond: str | None = None
    unavailable: str | None = None


@attrs.frozen
class Candidate:
    """An agent that can do what is asked for, and how it was judged. As a string it says why.

    Attributes:
        agent_id: the agent.
        score: capability_score x performance x availability.
        capability_score: how good it is at the capability, from 0 to 1, as its definition says.
        performance: what its calls have shown, from 0 to 1; 1 until 20 were seen.
        availability: the share of its capacity that is free, from 0 to 1; 0 if it cannot work now.
        reasons: a phrase for each of the three factors, in this order.
        refusal: why it cannot work now: its definition says so, what it needs is missing, or its circuit breaker is
            open. None if it can, even where all of its places are taken.
    """

    agent_id: str
    score: float
    capability_score: float
    performance: float
    availability: float
    reasons: tuple[str, ...] = ()
    refusal: str | None = None

    def __str__(self) -> str:
        factors = {
            "capability": self.capability_score,
            "performance": self.performance,
            "availability": self.availability,
        }
        told = [f"{name} {_figure(value)}" for name, value in factors.items()]
        for place, reason in enumerate(self.reasons):
            told[place] += f" ({reason})"
        return f"{visible(self.agent_id)}: {_figure(self.score)} = {' x '.join(told)}"


def ranked(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return `candidates`, the one with the highest score first.

    Of equal scores, who can work comes before who cannot, then whoever would have the higher score with all places
    free, then the lower id; the order in which they come does not matter. So one that cannot work comes last, and
    whoever takes the first takes it only where nobody else is.
    """
    return tuple(sorted(candidates, key=_place))


def _place(candidate: Candidate) -> tuple[float, bool, float, str]:
    ability = candidate.capability_score * candidate.performance
    return -candidate.score, candidate.refusal is not None, -ability, candidate.agent_id


def candidates_of(standings: Sequence[Standing]) -> tuple[Candidate, ...]:
    """Judge all agents that can do what is asked for, in relation to each other, and rank them.

    Args:
        standings: the agents, in any order; no agent twice.
    """
    fastest = _fastest(standing.calls for standing in standings)
    return ranked(_judge(standing, fastest) for standing in standings)


def _judge(standing: Standing, fastest: float | None) -> Candidate:
    performance = _performance(standing.calls, fastest)
    availability, available = availability_of(standing)
    return Candidate(
        standing.agent_id,
        standing.capability_score * performance * availability,
        standing.capability_score,
        performance,
        availability,
        ("as its definition says", _performance_in_words(standing.calls, fastest), available),
        _refusal(standing),
    )


def performance_of(calls: CallsSnapshot, rivals: Iterable[CallsSnapshot]) -> float:
    """Return what the calls of an agent say for it, from 0 to 1; 1 until 20 were seen.

    Its success rate, the lower one of all calls remembered and of the last 20, times its speed: the mean of its
    successes against that of its fastest rival, which costs a quarter at most. Both come back to 1 while it is not
    called and its rivals are, see :class:`~atrio.registry.performance.Calls`.

    Args:
        calls: the agent's.
        rivals: those of the others with the capability; whether its own are among them does not matter.
    """
    return _performance(calls, _fastest([calls, *rivals]))


def _performance(calls: CallsSnapshot, fastest: float | None) -> float:
    if calls.seen < ENOUGH:
        return 1.0
    failing = _failing(calls) * calls.failure_weight
    slow = (1.0 - _speed(calls, fastest)) * calls.slowness_weight
    return (1.0 - failing) * (1.0 - _SLOWNESS_COSTS * slow)


def _failing(calls: CallsSnapshot) -> float:
    """Return the share of failures, the higher one of all calls remembered and of the last 20."""
    return max(calls.failures / calls.calls, calls.recent_failures / RECENT)


def _speed(calls: CallsSnapshot, fastest: float | None) -> float:
    if calls.mean_s is None or fastest is None:
        return 1.0
    return (fastest + _GRAIN_S) / (calls.mean_s + _GRAIN_S)


def _fastest(all_calls: Iterable[CallsSnapshot]) -> float | None:
    """Return the lowest mean of seconds, of those of whom enough was seen."""
    return min((each.mean_s for each in all_calls if each.seen >= ENOUGH and each.mean_s is not None), default=None)


def availability_of(standing: Standing) -> tuple[float, str]:
    """Return the share of an agent's capacity that is free, 0 if it cannot work now, and that in words."""
    refusal = _refusal(standing)
    if refusal is not None:
        return 0.0, refusal
    free = max(standing.capacity - standing.calls.active, 0)
    return free / standing.capacity, f"{free} of {_counted(standing.capacity, 'place')} free"


def _refusal(standing: Standing) -> str | None:
    if standing.unavailable is not None:
        return standing.unavailable
    if standing.missing:
        names = ", ".join(standing.missing)
        return f"it needs {names}, which {'is' if len(standing.missing) == 1 else 'are'} not set"
    if standing.beyond is not None:
        return standing.beyond
    wait = standing.refused_for
    if wait is None:
        return None
    if not wait:
        return "its circuit breaker is half-open and its probes are out"
    return f"its circuit breaker is open for another {_figure(wait)} s"


def _performance_in_words(calls: CallsSnapshot, fastest: float | None) -> str:
    if calls.seen < ENOUGH:
        return f"neutral: {calls.seen} of the {ENOUGH} calls seen from which on it counts"
    phrases = [f"{calls.failures} of its last {_counted(calls.calls, 'call')} failed"]
    if calls.recent_failures / RECENT > calls.failures / calls.calls:
        phrases.append(f"{calls.recent_failures} of the last {RECENT}")
    if calls.failures and calls.failure_weight < 1.0:
        phrases.append(f"{1 - calls.failure_weight:.0%} of that forgiven")
    if calls.mean_s is not None and fastest is not None and calls.mean_s > fastest:
        phrases.append(f"{_figure(calls.mean_s)} s a call, its fastest rival {_figure(fastest)} s")
        if calls.slowness_weight < 1.0:
            phrases.append(f"{1 - calls.slowness_weight:.0%} of that forgiven")
    return ", ".join(phrases)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _figure(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"  # else it would be written as 1e+03
