"""The tree of ``atrio.toml`` as plain data: one class per kind of table, whose fields are its keys.

Nothing here imports an agent or looks at the machine. None stands for what was not said, where that has no plain
default. What a value must be is stated with its type, and checked as a file is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs

from atrio._stage import ErrorPolicy
from atrio.config.rules import (
    AboveZero,
    AgentClass,
    CapabilityName,
    Count,
    ExceptionName,
    Expression,
    Factor,
    ModulePath,
    Name,
    NotNegative,
    SchemaName,
    Score,
    Timeout,
    Variable,
)
from atrio.config.surroundings import CliSettings, MonitoringSettings, ProviderSettings
from atrio.errors import ConfigProblem, DefinitionError
from atrio.registry import BUILT_IN_AGENTS, AgentDefinition, ResourceRequirements

__all__ = [
    "SHORT_FORMS",
    "AgentSettings",
    "BackoffSettings",
    "BreakerSettings",
    "CliSettings",
    "Configuration",
    "FanOutSettings",
    "Format",
    "KeyPath",
    "MemberSettings",
    "MonitoringSettings",
    "PipelineSettings",
    "PoolSettings",
    "ProviderSettings",
    "RateSettings",
    "ResourceSettings",
    "RouterSettings",
    "StageSettings",
]

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands in the file: keys, and places in arrays from 0."""

Format: TypeAlias = Literal["toml", "json"]


@attrs.frozen
class BreakerSettings:
    """A circuit breaker, which refuses calls to an agent that fails again and again.

    Attributes:
        failure_threshold: failures in a row that open it.
        recovery_timeout: seconds that it stays open.
        half_open_max_calls: probes at once after that, and successes that close it.
        trips_on: names of the exceptions that count as failures: Python's own, or with their module; all of them
            where nothing is said.
    """

    failure_threshold: Count = 5
    recovery_timeout: AboveZero = 60.0
    half_open_max_calls: Count = 1
    trips_on: tuple[ExceptionName, ...] | None = None


@attrs.frozen
class RateSettings:
    """A rate limiter, which lets calls through at a rate.

    Attributes:
        rate: tokens that come in `per` seconds; a call takes one, or what `cost` says.
        per: seconds.
        burst: tokens that may be saved up; `rate`, and at least 1, where nothing is said.
        cost: a JMESPath expression on the data that gives the tokens of a call.
    """

    rate: AboveZero
    per: AboveZero = 1.0
    burst: AboveZero | None = None
    cost: Expression | None = None


@attrs.frozen
class ResourceSettings:
    """What one call of an agent takes of the machine.

    Attributes:
        memory_mb: megabytes of memory.
        cpu_cores: processor cores; a half is fine.
    """

    memory_mb: Count | None = None
    cpu_cores: AboveZero | None = None


@attrs.frozen
class AgentSettings:
    """An agent: a ready-made one that is changed, or one of one's own.

    Attributes:
        extends: the ready-made agent whose definition this starts from; by default the one of the same name, if there
            is one.
        agent_class: the name of its class, in the module.
        module_path: the module, installed or beside this file.
        capabilities: what it can do.
        input_schema: the name of what it takes; "any" takes everything.
        output_schema: the name of what it gives.
        scores: how good it is at its capabilities, each from 0 to 1; 1 where nothing is said.
        needs: the environment variables that it cannot work without.
        resource_requirements: what one call of it takes of the machine.
        configuration: the keyword arguments that its class is called with, over those of what it extends.
        description: for people.
        capacity: calls at once; where nothing is said, as many as come and the machine holds.
        breaker: its circuit breaker, or the name of one in `breakers`, which several then share.
        rate: its rate limiter, or the name of one in `rate_limits`, which several then share.
        fallback: agents that are tried in order after this one failed.
    """

    extends: Name | None = None
    agent_class: AgentClass | None = None
    module_path: ModulePath | None = None
    capabilities: tuple[CapabilityName, ...] | None = None
    input_schema: SchemaName | None = None
    output_schema: SchemaName | None = None
    scores: Mapping[CapabilityName, Score] = attrs.field(factory=dict)
    needs: tuple[Variable, ...] | None = None
    resource_requirements: ResourceSettings = attrs.field(factory=ResourceSettings)
    configuration: Mapping[str, Any] = attrs.field(factory=dict)
    description: str = ""
    capacity: Count | None = None
    breaker: BreakerSettings | Name | None = None
    rate: RateSettings | Name | None = None
    fallback: tuple[Name, ...] = ()

    def starting_point(self, name: str) -> AgentDefinition | None:
        """Return the definition that this one starts from, None if it starts from none.

        Args:
            name: the agent's name, which may be that of a ready-made one.
        """
        return BUILT_IN_AGENTS.get(name if self.extends is None else self.extends)

    def definition(self, name: str) -> AgentDefinition:
        """Return the definition of this agent, completed from what it extends.

        Options are merged key by key, and so are scores and resources; all else replaces what was there. The score of a
        capability that the agent no longer has falls away.

        Args:
            name: the agent's name.

        Raises:
            DefinitionError: a key is missing that nothing is extended for, or a score is for a capability that the
                agent has not.
        """
        start = self.starting_point(name)
        said = {each: getattr(self, each) for each in (*_REQUIRED, "needs") if getattr(self, each) is not None}
        if start is None:
            missing = [each for each in _REQUIRED if each not in said]
            if missing:
                start_from = "start from a ready-made agent, as in extends = 'text_cleaner'"
                raise DefinitionError(f"lacks {_listed(missing)}: say it, or {start_from}")
            resources = attrs.asdict(self.resource_requirements)
            return AgentDefinition(
                **said,
                configuration=self.configuration,
                scores=self.scores,
                resource_requirements=ResourceRequirements(**resources),
            )
        capabilities = said.get("capabilities", start.capabilities)
        inherited = {each: score for each, score in start.scores.items() if each in capabilities}
        resources = attrs.asdict(self.resource_requirements, filter=lambda _, value: value is not None)
        return attrs.evolve(
            start,
            **said,
            configuration={**start.configuration, **self.configuration},
            scores={**inherited, **self.scores},
            resource_requirements=attrs.evolve(start.resource_requirements, **resources),
        )


_REQUIRED: Final = ("agent_class", "module_path", "capabilities", "input_schema", "output_schema")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@attrs.frozen
class MemberSettings:
    """A member of a pool. A string stands for its name alone.

    Attributes:
        agent: what it is: an agent, or anything else that a stage can name.
        capacity: calls of it at once; where nothing is said, what the agent itself takes.
    """

    agent: Name
    capacity: Count | None = None


@attrs.frozen
class PoolSettings:
    """A pool: agents that share the load.

    Attributes:
        members: its members.
        description: for people.
        breaker: a circuit breaker around the whole pool, or the name of one in `breakers`.
        rate: a rate limiter around the whole pool, or the name of one in `rate_limits`.
        fallback: what is tried in order after the pool failed: agents, or anything else that a stage can name.
    """

    members: tuple[MemberSettings, ...]
    description: str = ""
    breaker: BreakerSettings | Name | None = None
    rate: RateSettings | Name | None = None
    fallback: tuple[Name, ...] = ()


@attrs.frozen
class FanOutSettings:
    """A fan-out: one input to several agents at once, which gives an object of their outputs.

    Attributes:
        agents: what is called, by the names that the outputs get.
        description: for people.
    """

    agents: Mapping[Name, Name]
    description: str = ""


@attrs.frozen
class RouterSettings:
    """A router: the right agent for each input.

    Attributes:
        choose: a JMESPath expression on the data that gives one of the keys of `agents`.
        agents: what is called, by the names that `choose` gives.
        default: the key of `agents` for all other inputs; without it they are an error.
        description: for people.
    """

    choose: Expression
    agents: Mapping[Name, Name]
    default: Name | None = None
    description: str = ""


@attrs.frozen
class BackoffSettings:
    """The waits between attempts: ``min(initial * factor**n, maximum)`` after failed attempt `n`, from 0.

    Attributes:
        initial: seconds after the first failed attempt; 0 for no wait.
        factor: by which each wait is longer than the one before.
        maximum: seconds that no wait exceeds, before jitter.
        jitter: up to this share of the wait is added to it, at random.
    """

    initial: NotNegative = 1.0
    factor: Factor = 2.0
    maximum: NotNegative = 10.0
    jitter: NotNegative = 0.0


@attrs.frozen
class StageSettings:
    """A stage of a pipeline. A string stands for its agent alone.

    Attributes:
        agent: what does the work: an agent, a pool, a fan-out, a router or another pipeline.
        stage_id: unique in its pipeline; by default what `agent` names.
        name: for people; by default the id.
        description: for people.
        attempts: calls at most, the first included; with error_policy = "stop" there is one, whatever this says.
        timeout: seconds per attempt, or "none" for no limit.
        error_policy: what happens after the last failed attempt: "stop" and "retry" end the run, "skip" goes on with
            what the stage was given; "stop" makes one attempt only.
        backoff: the waits between attempts.
        retry_on: names of the exceptions that are worth another attempt: Python's own, or with their module; where
            nothing is said all but a programmer's own mistakes.
        random: a seed, with which the jitter of the waits is the same in each run.
    """

    agent: Name
    stage_id: Name | None = None
    name: str | None = None
    description: str = ""
    attempts: Count = 3
    timeout: Timeout = 60.0
    error_policy: ErrorPolicy = ErrorPolicy.RETRY
    backoff: BackoffSettings = attrs.field(factory=BackoffSettings)
    retry_on: tuple[ExceptionName, ...] | None = None
    random: int | None = None

    @property
    def own_id(self) -> str:
        """The stage's id in its pipeline."""
        return self.agent if self.stage_id is None else self.stage_id


@attrs.frozen
class PipelineSettings:
    """A pipeline.

    Attributes:
        stages: its stages, in order.
        description: for people.
    """

    stages: tuple[StageSettings, ...]
    description: str = ""


SHORT_FORMS: Final = (MemberSettings, StageSettings)
"""Of these a string in a file stands for `agent` alone."""


@attrs.frozen
class Configuration:
    """All that a file says.

    Without arguments it is what a command goes by where there is no file.

    Attributes:
        agents: agents, by name.
        breakers: circuit breakers that several can share, by name.
        rate_limits: rate limiters that several can share, by name.
        pools: pools, by name.
        fan_outs: fan-outs, by name.
        routers: routers, by name.
        pipelines: pipelines, by name.
        providers: endpoints of language models, by name.
        cli: defaults of the command line.
        monitoring: what is kept of past runs.
        path: the file, None if there is none.
        source: the text that was read, from which the lines of problems are found.
        format: what that text is.
        warnings: what is not wrong, but probably not meant; of a survey also what is wrong.
        unread: of a survey the tables that have errors, as pairs like ("agents", "cleaner"): what they say is known in
            part, or not at all.
        places: of a survey where in the file the elements of an array stand from which others were left out, by the
            path of that array.
    """

    agents: Mapping[Name, AgentSettings] = attrs.field(factory=dict)
    breakers: Mapping[Name, BreakerSettings] = attrs.field(factory=dict)
    rate_limits: Mapping[Name, RateSettings] = attrs.field(factory=dict)
    pools: Mapping[Name, PoolSettings] = attrs.field(factory=dict)
    fan_outs: Mapping[Name, FanOutSettings] = attrs.field(factory=dict)
    routers: Mapping[Name, RouterSettings] = attrs.field(factory=dict)
    pipelines: Mapping[Name, PipelineSettings] = attrs.field(factory=dict)
    providers: Mapping[Name, ProviderSettings] = attrs.field(factory=dict)
    cli: CliSettings = attrs.field(factory=CliSettings)
    monitoring: MonitoringSettings = attrs.field(factory=MonitoringSettings)
    path: Path | None = attrs.field(default=None, kw_only=True, eq=False)
    source: str = attrs.field(default="", kw_only=True, eq=False, repr=False)
    format: Format = attrs.field(default="toml", kw_only=True, eq=False)
    warnings: tuple[ConfigProblem, ...] = attrs.field(default=(), kw_only=True, eq=False)
    unread: frozenset[tuple[str, str]] = attrs.field(default=frozenset(), kw_only=True, eq=False)
    places: Mapping[KeyPath, Sequence[int]] = attrs.field(factory=dict, kw_only=True, eq=False, repr=False)
