"""Catalogues small enough that every chain in them can be written down, and all of their chains."""

from fractions import Fraction
from itertools import pairwise, product
from math import prod

from hypothesis import strategies as st

from atrio.registry import AgentDefinition
from atrio.registry.snapshot import Index

CAPABILITIES = ("read", "think", "write")
# Repeated, so that products tie; 0, with which all do; and products that floats do not tie though they do on paper.
SCORES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.9, 1.0)


def definition(capabilities, takes="text", gives="text", agent_class="Any", module_path="nowhere", **others):
    """Return a definition; `capabilities` are names, or a dict of names to scores, or one name."""
    names = [capabilities] if isinstance(capabilities, str) else list(capabilities)
    scores = capabilities if isinstance(capabilities, dict) else {}
    return AgentDefinition(agent_class, module_path, names, takes, gives, scores=scores, **others)


def catalogue_of(definitions, order=None):
    """Return a catalogue of definitions by id, registered in an order of its own."""
    index = Index()
    for agent_id in order or definitions:
        index.put(agent_id, definitions[agent_id])
    return index.freeze()


@st.composite
def agents(draw):
    """Draw definitions by id: few schemas, so that chains are many, and loops, and agents that feed themselves."""
    schema = st.sampled_from(["a", "b", "c", "any"])
    drawn = {}
    for agent_id in "uvwxyz"[: draw(st.integers(1, 6))]:
        scores = draw(st.dictionaries(st.sampled_from(CAPABILITIES), st.sampled_from(SCORES), min_size=1))
        drawn[agent_id] = definition(scores, draw(schema), draw(schema))
    return drawn


@st.composite
def catalogues(draw):
    """Draw the same agents twice: as they are registered in one order, and in another."""
    drawn = draw(agents())
    return catalogue_of(drawn), catalogue_of(drawn, draw(st.permutations(list(drawn))))


def exact(score):
    return Fraction(str(score))


def meet(catalogue, chain):
    return all(
        catalogue[after].input_schema in {catalogue[before].output_schema, "any"} for before, after in pairwise(chain)
    )


def every_suggestion(catalogue, start, end):
    """Return all chains from `start` to `end`, best first."""
    found = []

    def extend(chain):
        if end in catalogue[chain[-1]].capabilities:
            found.append((len(chain), -worth(catalogue, chain, start, end), chain))
        for agent_id in catalogue:
            if agent_id not in chain and meet(catalogue, (chain[-1], agent_id)):
                extend((*chain, agent_id))

    for agent_id in catalogue:
        if start in catalogue[agent_id].capabilities:
            extend((agent_id,))
    return [chain for _, _, chain in sorted(found)]


def worth(catalogue, chain, start, end):
    first, *between, last = chain if len(chain) > 1 else (chain[0], chain[0])
    if len(chain) == 1 and start == end:
        return exact(catalogue[first].score(start))
    at_their_best = [
        max(exact(catalogue[each].score(name)) for name in catalogue[each].capabilities) for each in between
    ]
    return exact(catalogue[first].score(start)) * prod(at_their_best) * exact(catalogue[last].score(end))


def every_plan(catalogue, capabilities, excluded=()):
    """Return all chains that do `capabilities`, best first."""
    able = [[each for each in catalogue.by_capability(name) if each not in excluded] for name in capabilities]
    found = []
    for chain in product(*able):
        if meet(catalogue, chain):
            scores = (
                exact(catalogue[each].score(capability)) for each, capability in zip(chain, capabilities, strict=True)
            )
            found.append((-prod(scores), chain))
    return [chain for _, chain in sorted(found)]
