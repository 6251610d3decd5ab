"""Registries as large as the targets speak of, and smaller ones of the same shape: the same for whoever asks."""

from collections.abc import Mapping
from random import Random

from atrio import AgentDefinition, AgentRegistry

CAPABILITIES, SCHEMAS = 200, 500
SEED = 7

AGENTS_MODULE = "benchmarks.harness.agents"

Definitions = dict[str, AgentDefinition]


def agent_id(number: int) -> str:
    """Return the id of an agent."""
    return f"agent-{number:05}"


def capability(number: int) -> str:
    """Return the name of a capability."""
    return f"capability_{number:03}"


def definition(
    scores: Mapping[str, float], takes: str, gives: str, agent_class: str = "NoOp", **configuration: object
) -> AgentDefinition:
    """Return the definition of an agent, given how good it is at what."""
    return AgentDefinition(
        agent_class=agent_class,
        module_path=AGENTS_MODULE,
        capabilities=list(scores),
        input_schema=takes,
        output_schema=gives,
        configuration=configuration,
        scores=scores,
    )


def drawn(agents: int, share_taking_anything: float = 0.01) -> Definitions:
    """Return agents that do one to three things, between schemas that are drawn: chains are short, and many."""
    draw, found = Random(SEED), {}
    for number in range(agents):
        scores = {
            capability(each): round(draw.random(), 2) for each in draw.sample(range(CAPABILITIES), draw.randint(1, 3))
        }
        takes, gives = (f"schema_{draw.randrange(SCHEMAS):03}" for _ in range(2))
        found[agent_id(number)] = definition(scores, "any" if draw.random() < share_taking_anything else takes, gives)
    return found


def layered(agents: int, islands: int = 1) -> Definitions:
    """Return agents of which each layer, a capability's, feeds the next one alone: chains are as long as can be.

    Args:
        agents: how many there are.
        islands: so many parts, of as many layers each, have no way from one to the other.
    """
    draw, found = Random(SEED), {}
    schemas = SCHEMAS // CAPABILITIES  # between two layers
    last_layers = {CAPABILITIES // islands * (island + 1) - 1 for island in range(islands)}
    for number in range(agents):
        layer = number % CAPABILITIES
        takes, gives = (f"schema_{each:03}_{draw.randrange(schemas)}" for each in (layer, layer + 1))
        found[agent_id(number)] = definition({capability(layer): round(draw.random(), 2)}, takes,
                                             f"end_{layer:03}" if layer in last_layers else gives)  # fmt: skip
    return found


def registered(agents: Definitions) -> AgentRegistry:
    """Return a registry of these."""
    registry = AgentRegistry(allowed_modules=[AGENTS_MODULE])
    for each, what in agents.items():
        registry.register(each, what)
    return registry
