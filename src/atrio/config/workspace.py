"""What a configuration names, built: agents behind their guards, pools, fan-outs, routers and pipelines."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from atrio._attempts import Backoff
from atrio._pipeline import Pipeline
from atrio._stage import Stage, StageConfig
from atrio.combinators import AgentPool, Fallback, FanOut, PoolMember, Router
from atrio.config.building import Inspection, allowed_modules, places_of
from atrio.config.environment import whole_definition
from atrio.config.expressions import compiled
from atrio.config.guards import Guards, exceptions
from atrio.config.imports import importable_from
from atrio.config.naming import Finding, Kind, Names, Node, nearest_of
from atrio.config.reading import problems_at
from atrio.config.references import reference_problems
from atrio.config.settings import Configuration, FanOutSettings, PoolSettings, RouterSettings, StageSettings
from atrio.errors import ConfigError, DefinitionError, RegistryError
from atrio.registry import BUILT_IN_AGENTS, AgentRegistry
from atrio.registry.guarding import WithFallback

__all__ = ["Workspace"]


class Workspace:
    """Builds what a configuration names, as it is asked for.

    Everything is made once, and shared by all that name it: its breakers and limiters count all of its calls. Modules
    are imported when something of them is built, those in the directory of the configuration first.

    Args:
        configuration: what was read, or made otherwise.

    Attributes:
        configuration: the same.

    Raises:
        ConfigError: what its tables name of each other is wrong, see :func:`~atrio.config.load`.
    """

    __slots__ = ("_directory", "_guards", "_made", "_names", "_registry", "configuration")

    def __init__(self, configuration: Configuration) -> None:
        self.configuration: Configuration = configuration
        self._directory: Path | None = None if configuration.path is None else configuration.path.parent
        self._names = Names(configuration)
        self._guards = Guards(configuration, self._directory)
        self._registry: AgentRegistry | None = None
        self._made: dict[Node, Any] = {}
        self._raise_if_wrong(reference_problems(configuration))

    def __repr__(self) -> str:
        return f"<workspace of {'no file' if self.configuration.path is None else self.configuration.path}>"

    @property
    def registry(self) -> AgentRegistry:
        """All agents, the ready-made ones and those of the file, each with its guards, fallback and capacity.

        Raises:
            ConfigError: a guard cannot be made.
        """
        if self._registry is None:
            with self._building(self.configuration.agents, guards_alone=True):
                self._registry = self._registered()
        return self._registry

    def agent(self, name: str) -> Any:
        """Return the agent of this name, or the pool, fan-out, router or pipeline, which are agents as well.

        Args:
            name: what a stage could name.

        Raises:
            ConfigError: there is none, or something of it cannot be built.
        """
        if name not in self._names.kinds:
            raise self._wrong([((), f"there is no agent {name!r}{nearest_of(name, self._names.kinds)}", "error")])
        return self._built(name)

    def pipeline(self, name: str) -> Pipeline[Any, Any]:
        """Return the pipeline of this name.

        Args:
            name: the name of a table in ``[pipelines]``.

        Raises:
            ConfigError: there is none, or something of it cannot be built.
        """
        pipelines = self.configuration.pipelines
        if name in pipelines:
            built: Pipeline[Any, Any] = self._built(name)
            return built
        if name in self._names.kinds:
            message = f"{name!r} is no pipeline but of the {self._names.kinds[name].section.replace('_', '-')}"
        else:
            message = f"there is no pipeline {name!r}{nearest_of(name, pipelines)}"
        raise self._wrong([((), message, "error")])

    def assemble(self, capabilities: Iterable[str], *, pipeline_id: str | None = None) -> Pipeline[Any, Any]:
        """Plan and build a pipeline, as :meth:`~atrio.AgentRegistry.assemble` does; modules beside the file are found.

        Args:
            capabilities: what is to be done, in order; one is enough.
            pipeline_id: names the pipeline; by default the ids of its agents, joined by ``+``.

        Raises:
            ConfigError: a guard cannot be made.
            PlanningError: there is no chain of agents.
            RegistryError: an agent cannot be made.
        """
        registry = self.registry
        with importable_from(self._directory):
            return registry.assemble(capabilities, pipeline_id=pipeline_id)

    def _built(self, name: str) -> Any:
        node = Node(name)
        if node not in self._made:
            with self._building(self._names.below([name])):
                self._make(node)
        return self._made[node]

    @contextmanager
    def _building(self, which: Collection[str], *, guards_alone: bool = False) -> Generator[None]:
        """Raise ConfigError if one of `which` cannot be built, and build in the block."""
        with importable_from(self._directory):
            inspection = Inspection(self._names, self._directory)
            if guards_alone:
                self._raise_if_wrong(found for name in which for found in inspection.of_guards(name))
            else:
                self._raise_if_wrong(inspection.of(which))
            yield

    def _registered(self) -> AgentRegistry:
        said = self.configuration.agents
        registry = AgentRegistry(allowed_modules(self._names))
        for name in dict.fromkeys([*BUILT_IN_AGENTS, *said]):
            agent = said.get(name)
            try:
                definition = whole_definition(name, self.configuration)
            except DefinitionError as error:  # of what was read that was told before
                raise self._wrong([(("agents", name), str(error), "error")]) from error
            if agent is None:
                registry.register(name, definition)
                continue
            registry.register(
                name,
                definition,
                breaker=self._guards.breaker(agent.breaker, name),
                limiter=self._guards.limiter(agent.rate, name),
                fallback=agent.fallback,
                capacity=agent.capacity,
            )
        return registry

    def _make(self, node: Node) -> Any:
        """Return what `node` is, made now if it was not before. There are no circles, so that this comes to an end."""
        if node not in self._made:
            make = _MAKERS[self._names.kinds[node.name]]
            self._made[node] = make(self, node)
        return self._made[node]

    def _make_agent(self, node: Node) -> Any:
        said = self.configuration.agents.get(node.name)
        try:
            if node.alone:
                return self.registry.instantiate(node.name, with_fallback=False)
            first = self._make(Node(node.name, alone=True))
            if said is None or not said.fallback:
                return first
            others = [self._make(Node(other, alone=True)) for other in said.fallback]
            return WithFallback[Any, Any](node.name, first, others)
        except RegistryError as error:
            name = error.agent_id or node.name
            message = str(error).removeprefix(f"agent {name!r} cannot be made: ")
            path = ("agents", name, "configuration")
            own = path if name in self.configuration.agents else places_of(self._names).get(name, ())
            raise self._wrong([(own, message, "error")]) from error

    def _make_pool(self, node: Node) -> Any:
        said: PoolSettings = self.configuration.pools[node.name]
        if not node.alone:
            first = self._make(Node(node.name, alone=True))
            if not said.fallback:
                return first
            fallback = Fallback(first, *(self._make(self._names.alone(name)) for name in said.fallback))
            fallback.agent_id = node.name
            return fallback
        members = [
            PoolMember(self._make(Node(member.agent)), member.capacity or self._capacity(member.agent))
            for member in said.members
        ]
        guarded: Any = AgentPool(members, pool_id=node.name)
        limiter = self._guards.limiter(said.rate, node.name)
        if limiter is not None:
            guarded = limiter.guard(guarded)
        breaker = self._guards.breaker(said.breaker, node.name)
        return guarded if breaker is None else breaker.guard(guarded)

    def _capacity(self, name: str) -> int:
        """Return how many calls at once what is called `name` takes, as far as that is known: 1 if it is not."""
        kind = self._names.kinds[name]
        if kind is Kind.AGENT and name in self.configuration.agents:
            return self.configuration.agents[name].capacity or 1
        if kind is Kind.POOL:
            members = self.configuration.pools[name].members
            return sum(member.capacity or self._capacity(member.agent) for member in members)
        return 1

    def _make_fan_out(self, node: Node) -> Any:
        said: FanOutSettings = self.configuration.fan_outs[node.name]
        fan_out = FanOut[Any, Any]({key: self._make(Node(name)) for key, name in said.agents.items()})
        fan_out.agent_id = node.name
        return fan_out

    def _make_router(self, node: Node) -> Any:
        said: RouterSettings = self.configuration.routers[node.name]
        agents = {key: self._make(Node(name)) for key, name in said.agents.items()}
        default = None if said.default is None else agents[said.default]
        router = Router[Any, Any](compiled(said.choose), agents, default)
        router.agent_id = node.name
        return router

    def _make_pipeline(self, node: Node) -> Any:
        pipeline = Pipeline[Any, Any](node.name)
        for said in self.configuration.pipelines[node.name].stages:
            stage = Stage(
                said.own_id,
                self._make(Node(said.agent)),
                name=said.name,
                description=said.description,
                config=self._stage_config(said),
            )
            pipeline.add_stage(stage)
        return pipeline

    def _stage_config(self, said: StageSettings) -> StageConfig:
        back = said.backoff
        own: dict[str, Any] = {}
        retry_on = exceptions(said.retry_on, self._directory)
        if retry_on is not None:
            own["retry_on"] = retry_on
        if said.random is not None:
            own["random"] = random.Random(said.random)  # noqa: S311 - jitter is no secret
        return StageConfig(
            attempts=said.attempts,
            timeout=None if said.timeout == "none" else said.timeout,
            error_policy=said.error_policy,
            backoff=Backoff(back.initial, back.factor, back.maximum, back.jitter),
            **own,
        )

    def _raise_if_wrong(self, found: Iterable[Finding]) -> None:
        wrong = [each for each in found if each[2] == "error"]
        if wrong:
            raise self._wrong(wrong)

    def _wrong(self, found: Sequence[Finding]) -> ConfigError:
        return ConfigError(problems_at(self.configuration, found))


_MAKERS: Final[dict[Kind, Callable[[Workspace, Node], Any]]] = {
    Kind.AGENT: Workspace._make_agent,
    Kind.POOL: Workspace._make_pool,
    Kind.FAN_OUT: Workspace._make_fan_out,
    Kind.ROUTER: Workspace._make_router,
    Kind.PIPELINE: Workspace._make_pipeline,
}
