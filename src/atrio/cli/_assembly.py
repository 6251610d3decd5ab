"""A plan of who does what: chosen from the registry, with the reasons, without making anything."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio.cli._agent_options import missing_options
from atrio.cli._configuration import keep_secrets_of
from atrio.cli._streams import Refused, as_sentence
from atrio.errors import PlanningError
from atrio.registry import ANY_SCHEMA, Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atrio.config import AgentSettings, Configuration
    from atrio.registry import AgentDefinition, AgentRegistry

_ATTEMPTS: Final = 2
"""Of each stage, as the registry assembles it."""


@attrs.frozen
class Step:
    """One thing that is to be done, and who does it.

    Attributes:
        capability: what is to be done.
        agent_id: who was chosen.
        takes: the schema of what it takes.
        gives: the schema of what it gives.
        missing_options: what the agent cannot be made without, and was not given.
        candidates: all who can do it, each with a phrase that says why it was chosen, or why not; the chosen one first.
    """

    capability: str
    agent_id: str
    takes: str
    gives: str
    missing_options: tuple[str, ...]
    candidates: tuple[tuple[Candidate, str], ...]


def plan_for(registry: AgentRegistry, capabilities: Sequence[str]) -> list[Step]:
    """Return who does what, as :meth:`AgentRegistry.assemble` chooses it.

    Raises:
        Refused: there is no chain, or nothing to do.
    """
    from atrio.registry.assembling import chosen  # noqa: PLC0415 - --help does not wait for it

    catalogue = registry.catalogue
    if not capabilities:
        raise Refused(
            f"there is no capability: name one, or several. Agents have: {', '.join(catalogue.capabilities)}."
        )
    ranked = [registry.rank(capability) for capability in capabilities]
    # In a process that has just begun no circuit breaker is open: who cannot work lacks something.
    lacking = {each.agent_id: each.refusal for candidates in ranked for each in candidates if each.refusal is not None}
    try:
        chain = chosen(catalogue, capabilities, lacking, {})
    except PlanningError as error:
        raise Refused(as_sentence(str(error))) from error
    return [
        Step(
            capability,
            agent_id,
            catalogue[agent_id].input_schema,
            catalogue[agent_id].output_schema,
            missing_options(catalogue[agent_id]),
            _judged(candidates, catalogue, chain, place),
        )
        for place, (capability, agent_id, candidates) in enumerate(zip(capabilities, chain, ranked, strict=True))
    ]


def _judged(
    candidates: Sequence[Candidate], catalogue: Mapping[str, AgentDefinition], chain: Sequence[str], place: int
) -> tuple[tuple[Candidate, str], ...]:
    (best,) = (each for each in candidates if each.agent_id == chain[place])
    others = [each for each in candidates if each.agent_id != chain[place]]
    is_only_one = all(other.refusal is not None for other in others)
    told = "chosen: nobody else can do it" if is_only_one else "chosen"
    return (best, told), *((other, _why_not(other, best, catalogue, chain, place)) for other in others)


def _why_not(
    other: Candidate, best: Candidate, catalogue: Mapping[str, AgentDefinition], chain: Sequence[str], place: int
) -> str:
    if other.refusal is not None:
        return other.refusal
    links = pairwise([*chain[:place], other.agent_id, *chain[place + 1 :]])
    for one, following in links:
        gives, takes = catalogue[one].output_schema, catalogue[following].input_schema
        if takes not in {gives, ANY_SCHEMA}:
            return f"{following} takes {takes}, and {one} gives {gives}"
    if other.capability_score < best.capability_score:
        return "it is said to be less good at it"
    return "it is as good, and its name comes later"


def with_options(configuration: Configuration, options: Mapping[str, Mapping[str, Any]]) -> Configuration:
    """Return a configuration in which agents have these options too.

    Args:
        configuration: what the file says.
        options: by agent.
    """
    agents = {name: _with_options(configuration, name, added) for name, added in options.items()}
    changed = attrs.evolve(configuration, agents={**configuration.agents, **agents})
    keep_secrets_of(changed)
    return changed


def _with_options(configuration: Configuration, name: str, options: Mapping[str, Any]) -> AgentSettings:
    from atrio.config import AgentSettings  # noqa: PLC0415 - as above

    settings = configuration.agents.get(name, AgentSettings())
    return attrs.evolve(settings, configuration={**settings.configuration, **options})


def as_settings(
    name: str, steps: Sequence[Step], configuration: Configuration, options: Mapping[str, Mapping[str, Any]]
) -> tuple[Any, dict[str, AgentSettings]]:
    """Return a plan as a pipeline for the file, and the agents that it needs besides.

    An agent that was given options on the command line becomes one of its own: others may use it without them.

    Args:
        name: what the pipeline is to be called.
        steps: the plan.
        configuration: what the file says.
        options: what was given on the command line, by agent.
    """
    from atrio.config import PipelineSettings, StageSettings  # noqa: PLC0415 - as above

    # The agent's name first: of equally good agents the first by name is chosen, and that is to stay the plain one.
    own_names = {agent: f"{agent}_{name}" for agent in options}
    stages = [
        StageSettings(
            agent=own_names.get(step.agent_id, step.agent_id),
            stage_id=f"stage_{place}_{step.agent_id}",
            attempts=_ATTEMPTS,
        )
        for place, step in enumerate(steps)
    ]
    agents = {
        own_name: _as_another(_with_options(configuration, agent, options[agent]), agent)
        for agent, own_name in own_names.items()
    }
    described = ", ".join(step.capability for step in steps)
    return PipelineSettings(stages=tuple(stages), description=described), agents


def _as_another(settings: AgentSettings, name: str) -> AgentSettings:
    """Return the settings of an agent for one that has another name."""
    return (
        settings if settings.starting_point(name) is None else attrs.evolve(settings, extends=settings.extends or name)
    )


def obstacles(configuration: Configuration, steps: Sequence[Step]) -> Iterator[str]:
    """Yield what stands in the way of running a plan, in sentences.

    Args:
        configuration: the file, with the options of the command line.
        steps: the plan.
    """
    from atrio.config import check_configuration  # noqa: PLC0415 - as above
    from atrio.config.positions import dotted  # noqa: PLC0415 - as above

    missing = {step.agent_id: step.missing_options for step in steps if step.missing_options}
    if missing:
        given = (f"--set {agent}.{option}=VALUE" for agent, options in missing.items() for option in options)
        yield f"give {' '.join(given)}."
    told = [f" needs {', '.join(map(repr, options))}" for options in missing.values()]
    name = "assembled"
    while name in configuration.pipelines:
        name += "_"
    pipeline, _ = as_settings(name, steps, configuration, {})
    planned = attrs.evolve(configuration, pipelines={**configuration.pipelines, name: pipeline})
    places = [dotted(("pipelines", name)), *(dotted(("agents", step.agent_id)) for step in steps)]
    for problem in check_configuration(planned):
        concerns = any(problem.path.startswith((f"{place}.", f"{place}[")) for place in places)
        if concerns and problem.severity == "error" and not any(words in problem.message for words in told):
            yield as_sentence(problem.message)
