"""Which agents can do several things one after the other: pure functions of a catalogue.

Products of scores are exact, and of the decimal numbers that people write: 0.9 x 0.2 and 0.6 x 0.3 are equal, as on
paper. So neither the order of multiplying nor that of registration can break a tie, only the agents' ids can.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, reduce
from types import MappingProxyType
from typing import Final, NamedTuple

from atrio.registry.definitions import ANY_SCHEMA
from atrio.registry.explaining import why_there_is_none
from atrio.registry.snapshot import Catalogue

__all__ = ["ONE", "Best", "Choices", "checked_capabilities", "exact", "plan", "product"]

_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})

# With all the digits and exponents there are, multiplying never rounds.
_EXACT: Final = decimal.Context(
    prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.Inexact]
)
product: Final[Callable[[decimal.Decimal, decimal.Decimal], decimal.Decimal]] = _EXACT.multiply
ONE: Final = decimal.Decimal(1)
# So small that no number of scores makes up for it.
_LAST_RESORT: Final = decimal.Decimal("1E-1000000000")


@lru_cache(maxsize=4096)
def exact(score: float) -> decimal.Decimal:
    """Return a score as the decimal number that it is written as."""
    return decimal.Decimal(repr(float(score)))


class Best(NamedTuple):
    """The best of several agents that could go on from here, with the best chain behind each.

    Attributes:
        product: the highest product of scores of such a chain.
        agent_id: the agent with it, of several the one with the lowest id.
        lowest_id: the lowest id of all. Once a product is 0 all chains are equally good, and ids alone decide.
    """

    product: decimal.Decimal
    agent_id: str
    lowest_id: str


def _better(best: Best | None, value: decimal.Decimal, agent_id: str) -> Best:
    """Return `best` with one more agent to choose from, whose best chain has the product `value`."""
    if best is None:
        return Best(value, agent_id, agent_id)
    lowest = min(best.lowest_id, agent_id)
    if value > best.product or (value == best.product and agent_id < best.agent_id):
        return Best(value, agent_id, lowest)
    return best if lowest == best.lowest_id else Best(best.product, best.agent_id, lowest)


def _merged(one: Best | None, other: Best | None) -> Best | None:
    if one is None or other is None:
        return one or other
    winner = _better(one, other.product, other.agent_id)
    return winner._replace(lowest_id=min(one.lowest_id, other.lowest_id))


class Choices(dict[str, Best]):
    """The best agents to go on with, by the schema that they take."""

    __slots__ = ()

    def after(self, schema: str) -> Best | None:
        """Return the best agent that can take what has `schema`, None if there is none."""
        if schema == ANY_SCHEMA:
            return self.get(ANY_SCHEMA)
        return _merged(self.get(schema), self.get(ANY_SCHEMA))

    def first(self) -> Best | None:
        """Return the best agent of all, None if there is none."""
        nobody: Best | None = None
        return reduce(_merged, self.values(), nobody)


def plan(
    catalogue: Catalogue,
    capabilities: Iterable[str],
    excluded: Mapping[str, str] = _NOBODY,
    *,
    last_resort: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the ids of the best agents that do one thing after the other, one agent for each.

    Each can take what the one before it gives. The best chain has the highest product of scores; of equally good ones
    it is the one whose ids come first, compared one after the other. An agent may serve twice.

    Args:
        catalogue: the registered agents; those that are not available by their definitions are not chosen.
        capabilities: what is to be done, in order; one is enough.
        excluded: further agents that are not to be chosen, each with the reason, in words.
        last_resort: agents of which as few as possible are to be chosen, whatever their scores, unless these are 0.

    Raises:
        PlanningError: no chain does it. The message says where it breaks, and what would mend it.
        TypeError: `capabilities` is a string, or no strings.
        ValueError: `capabilities` is empty.
    """
    asked = checked_capabilities(capabilities)
    if catalogue.unavailable:
        excluded = {**catalogue.unavailable, **excluded}
    steps: list[Choices] = []
    for capability in reversed(asked):
        scores = {
            agent_id: product(
                exact(catalogue[agent_id].score(capability)), _LAST_RESORT if agent_id in last_resort else ONE
            )
            for agent_id in catalogue.by_capability(capability)
            if agent_id not in excluded
        }
        steps.append(_step(catalogue, scores, steps[-1] if steps else None))
        if not steps[-1]:
            raise why_there_is_none(catalogue, asked, excluded)
    return _followed(catalogue, steps[::-1])


def checked_capabilities(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Return `capabilities` as a tuple.

    Raises:
        TypeError: it is a string, or no strings.
        ValueError: it is empty.
    """
    if isinstance(capabilities, str):
        raise TypeError(f"capabilities are several: write [{str(capabilities)!r}] instead of {str(capabilities)!r}")
    asked = tuple(capabilities)
    for each in asked:
        if not isinstance(each, str):
            raise TypeError(f"a capability is a string, as in Capability.VALIDATION or 'validation', not {each!r}")
    if not asked:
        raise ValueError("capabilities must name one at least, as in [Capability.VALIDATION]")
    return tuple(map(str, asked))


def _step(catalogue: Catalogue, scores: Mapping[str, decimal.Decimal], following: Choices | None) -> Choices:
    """Return the best agents for a capability, by what they take, that one of the `following` can take over from.

    Args:
        catalogue: the registered agents.
        scores: what each agent counts that may be chosen.
        following: the best agents for the next capability; None if there is none.
    """
    choices = Choices()
    behind: dict[str, decimal.Decimal | None] = {}
    for agent_id, score in scores.items():
        definition = catalogue[agent_id]
        output = definition.output_schema
        if output not in behind:
            best = None if following is None else following.after(output)
            behind[output] = best and best.product
        rest = ONE if following is None else behind[output]
        if rest is not None:
            taken = definition.input_schema
            choices[taken] = _better(choices.get(taken), product(score, rest), agent_id)
    return choices


def _followed(catalogue: Catalogue, steps: list[Choices]) -> tuple[str, ...]:
    best = steps[0].first()
    # Where the best product is 0 all of them are, so that ids alone decide, from the first agent on.
    is_any_good = best is not None and best.product > 0
    chain: list[str] = []
    for following in [*steps[1:], None]:
        assert best is not None  # noqa: S101 - every agent of a step has one behind it, or it would not be in it
        chain.append(best.agent_id if is_any_good else best.lowest_id)
        best = following.after(catalogue[chain[-1]].output_schema) if following is not None else None
    return tuple(chain)
