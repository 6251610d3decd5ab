"""Pipelines from what is to be done: the agents chosen, checked against what the caller says, and put into stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, get_origin

from atrio._pipeline import Pipeline
from atrio._stage import Stage, StageConfig
from atrio._validation import derived_id
from atrio.errors import PlanningError
from atrio.registry.annotations import Unknown, fits, gives_of, is_union, shown, takes_of
from atrio.registry.guarding import WithFallback
from atrio.registry.measuring import PassesThrough
from atrio.registry.planning import plan
from atrio.registry.snapshot import Catalogue

__all__ = ["check_is_type", "chosen", "pipeline_of"]

_CONFIG: Final = StageConfig(attempts=2)


def chosen(
    catalogue: Catalogue, capabilities: Sequence[str], lacking: Mapping[str, str], resting: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the ids of the agents that a pipeline is to be made of: the best chain of those that can work.

    An agent that lacks something is never chosen: its stage would fail, after the stages before it were paid for. One
    whose circuit breaker is open will work again, maybe before the pipeline is first run. So it is chosen where there
    is no chain without such agents; and then as few of them are as possible.

    Args:
        catalogue: the registered agents.
        capabilities: what is to be done, in order.
        lacking: agents without something that they need, each with what it is, in words.
        resting: agents whose circuit breaker refuses calls now, each with that in words.

    Raises:
        PlanningError: there is no chain; it says where it breaks and what would mend it.
    """
    try:
        return plan(catalogue, capabilities, {**resting, **lacking})
    except PlanningError:
        if not resting:
            raise
    return plan(catalogue, capabilities, lacking, last_resort=resting)


def pipeline_of(
    chain: Sequence[str],
    instantiate: Callable[[str], Any],
    *,
    input: Any | None = None,  # noqa: A002 - what users call it
    output: Any | None = None,
    pipeline_id: str | None = None,
    config: StageConfig | None = None,
) -> Pipeline[Any, Any]:
    """Return a pipeline of the agents in `chain`, each in a stage of its own.

    Args:
        chain: the ids of agents, at least one.
        instantiate: makes an agent, given its id.
        input: what the pipeline is to take: the first agent must say that it takes it.
        output: what it is to give: the last agent must say that it gives it.
        pipeline_id: names it; by default the ids of its agents do, joined by ``+``.
        config: the settings of each stage; by default with two attempts.

    Raises:
        TypeError: an agent's ``process`` is annotated otherwise, or not at all.
        ValueError: `pipeline_id` is no string of 1 to 200 characters.
    """
    pipeline = Pipeline[Any, Any](derived_id("+".join(chain)) if pipeline_id is None else pipeline_id)
    agents = [instantiate(agent_id) for agent_id in chain]
    if input is not None:
        _check_takes(chain[0], agents[0], input)
    if output is not None:
        _check_gives(chain[-1], agents[-1], output)
    for place, (agent_id, agent) in enumerate(zip(chain, agents, strict=True)):
        pipeline.add_stage(Stage(derived_id(f"stage_{place}_{agent_id}"), agent, config=config or _CONFIG))
    return pipeline


def check_is_type(value: object, what: str) -> None:
    """Raise TypeError unless `value` is None or a class, ``str`` or ``list[str]`` for instance."""
    if value is not None and not is_union(value) and not isinstance(get_origin(value) or value, type):
        raise TypeError(f"{what} must be a class, as in {what}=str, not {value!r}")


def _check_takes(agent_id: str, agent: Any, wanted: Any) -> None:
    for each_id, process in _processes_of(agent_id, agent):
        taken = takes_of(process)
        if isinstance(taken, Unknown):
            raise TypeError(_unsaid("input", wanted, each_id, "takes", taken.why))
        if not fits(wanted, taken):
            raise TypeError(_otherwise("input", wanted, each_id, f"takes {shown(taken)}"))


def _check_gives(agent_id: str, agent: Any, wanted: Any) -> None:
    for each_id, process in _processes_of(agent_id, agent):
        given = gives_of(process)
        # Any is as good as nothing where something is to be promised.
        if isinstance(given, Unknown) or given is Any:
            why = given.why if isinstance(given, Unknown) else ""
            raise TypeError(_unsaid("output", wanted, each_id, "gives", why))
        if not fits(given, wanted):
            raise TypeError(_otherwise("output", wanted, each_id, f"gives {shown(given)}"))


def _processes_of(agent_id: str, agent: Any) -> Iterator[tuple[str, Any]]:
    """Yield the ``process`` of an agent, and of each that takes over for it, with their ids."""
    if isinstance(agent, WithFallback):
        for each in agent.agents:
            yield from _processes_of(each.agent_id, each)
        return
    while isinstance(agent, PassesThrough):
        agent = agent.agent
    yield agent_id, agent.process


def _unsaid(what: str, wanted: Any, agent_id: str, verb: str, why: str) -> str:
    begin = f"{what}={shown(wanted)} cannot be checked: `process` of agent {agent_id!r}"
    if why:
        return f"{begin} says what it {verb} with an annotation that is not known when the program runs: {why}"
    return f"{begin} does not say what it {verb}. Annotate it, or leave {what} out"


def _otherwise(what: str, wanted: Any, agent_id: str, does: str) -> str:
    return f"{what}={shown(wanted)} does not fit: `process` of agent {agent_id!r} is annotated such that it {does}"
