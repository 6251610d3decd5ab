"""The registry: agents by what they can do, made when they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar, overload

from atrio._pipeline import Pipeline
from atrio._stage import StageConfig
from atrio._validation import check_count, check_id
from atrio.combinators.circuit_breaker import CircuitBreaker
from atrio.combinators.rate_limiter import RateLimiter
from atrio.errors import RegistryError
from atrio.registry.assembling import check_is_type, chosen, pipeline_of
from atrio.registry.capacity import Capacity
from atrio.registry.definitions import AgentDefinition, ResourceRequirements, check_options
from atrio.registry.entries import Entry
from atrio.registry.guarding import WithFallback, check_guard, check_stands_in, checked_fallback, guarded
from atrio.registry.loading import AllowedModules, few, nearest, resolve
from atrio.registry.machine import beyond, held_by, places_on, this_machine
from atrio.registry.making import made
from atrio.registry.performance import Calls, Traffic
from atrio.registry.planning import checked_capabilities, plan
from atrio.registry.ranking import Candidate, availability_of, candidates_of
from atrio.registry.snapshot import Catalogue, Index
from atrio.registry.suggesting import suggest

__all__ = ["AgentRegistry"]

In = TypeVar("In")
Out = TypeVar("Out")


class AgentRegistry:
    """Agents by what they can do: it finds them, ranks them, plans with them, and makes them.

    Definitions are data, and may come from anybody; what they may import is limited to the ready-made agents
    (``atrio.agents``), the modules that installed packages announce through the entry-point group ``atrio.agents``, and
    `allowed_modules`. A name covers its submodules. The check is on the module where the class that was found is
    *defined*, and on those where its code is written, so that nothing else can be reached through an allowed module.

    Any number of tasks and threads may use one registry at once. Answers are snapshots, and stay as they are.

    Args:
        allowed_modules: modules that definitions may import besides. Importing one runs its code, and that of the
            packages that it is in.
        machine: what the machine has, to hold calls at once; by default it is looked up.

    Raises:
        TypeError: `allowed_modules` is a string, or has something else in it; `machine` is of another type.
        ValueError: a name is no absolute name of a module.
    """

    __slots__ = ("_allowed", "_entries", "_index", "_lock", "_machine", "_traffic")

    def __init__(self, allowed_modules: Iterable[str] = (), *, machine: ResourceRequirements | None = None) -> None:
        if not isinstance(machine, ResourceRequirements | None):
            raise TypeError(f"machine must be what the machine has, as ResourceRequirements, not {machine!r}")
        self._allowed = AllowedModules(allowed_modules)
        self._machine = machine
        self._traffic = Traffic()
        self._lock = Lock()
        self._index = Index()
        self._entries: dict[str, Entry] = {}

    def __repr__(self) -> str:
        return f"<registry of {len(self)}>"

    def __contains__(self, agent_id: object) -> bool:
        return agent_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """Every registered agent, in the order of registration."""
        with self._lock:
            return tuple(self._entries)

    @property
    def catalogue(self) -> Catalogue:
        """The registered agents as they are now, which later changes leave alone."""
        with self._lock:
            return self._index.freeze()

    def register(
        self,
        agent_id: str,
        definition: AgentDefinition,
        *,
        breaker: CircuitBreaker | None = None,
        limiter: RateLimiter | None = None,
        fallback: Sequence[str] = (),
        capacity: int | None = None,
    ) -> None:
        """Add an agent. Nothing is imported yet.

        If the id is registered already, the agent takes the place of the former one, also in the order of registration;
        what was observed of that one is forgotten. Instances made before stay as they are.

        Args:
            agent_id: its id, 1 to 200 characters.
            definition: what it can do, and where its class is.
            breaker: guards every instance that the registry makes.
            limiter: the same, behind the breaker: a call that this refuses neither waits nor takes tokens.
            fallback: the ids of agents that are tried in order where this one failed, each behind its own guards, but
                without its own fallback. They need not be registered yet.
            capacity: calls at once, over all instances, at least 1; further ones wait in order. A call's wait is part
                of its stage's attempt, and of the time that this has. It counts per Trio loop. Where the machine does
                not hold so many, by the definition's resource requirements, it is as many as it holds, one at least. If
                nothing is stated, :meth:`rank` judges how busy the agent is as if it had one place, but no call waits;
                unless there are resource requirements: then as many run at once as the machine holds. An agent of which
                it does not hold one call is not available.

        Raises:
            TypeError: `definition`, `breaker`, `limiter`, `fallback` or `capacity` is of another type.
            ValueError: `agent_id` is no id, `capacity` below 1, or `fallback` has what is no id, the agent's own, or
                one twice.
        """
        check_id(agent_id, "agent_id")
        own_id = str.__str__(agent_id)
        # Of a subclass attributes could say one thing when they are checked, and another when they are used.
        if type(definition) is not AgentDefinition:
            raise TypeError(f"agent {own_id!r} must come with an AgentDefinition, not {definition!r}")
        if breaker is not None:
            check_guard(breaker, CircuitBreaker, f"breaker of agent {own_id!r}")
        if limiter is not None:
            check_guard(limiter, RateLimiter, f"limiter of agent {own_id!r}")
        others = checked_fallback(fallback, own_id) if fallback != () else ()
        if capacity is not None:
            check_count(capacity, f"capacity of agent {own_id!r}")
        machine, needed = self._machine or this_machine(), definition.resource_requirements
        limit = held_by(machine, needed) if capacity is None else places_on(machine, needed, capacity)
        places = 1 if capacity is None or limit is None else limit
        entry = Entry(definition, breaker, limiter, others, places, limit, beyond(machine, needed))
        with self._lock:
            self._index.put(own_id, definition)
            self._entries[own_id] = entry

    def unregister(self, agent_id: str) -> None:
        """Take an agent out. Instances made before stay as they are.

        Raises:
            RegistryError: there is none of that id.
        """
        with self._lock:
            if self._entries.pop(agent_id, None) is not None:
                self._index.remove(agent_id)
                return
        raise self._unknown(agent_id)

    def get(self, agent_id: str) -> AgentDefinition:
        """Return the definition of an agent.

        Raises:
            RegistryError: there is none of that id.
        """
        return self._entry(agent_id).definition

    def find_by_capability(self, capability: str) -> tuple[str, ...]:
        """Return the agents that have `capability`, in the order of registration."""
        with self._lock:
            return self._index.by_capability(capability)

    def find_compatible(self, output_schema: str) -> tuple[str, ...]:
        """Return the agents that can take what has `output_schema`, in the order of registration."""
        with self._lock:
            return self._index.consumers(output_schema)

    def instantiate(
        self, agent_id: str, overrides: Mapping[str, Any] | None = None, *, with_fallback: bool = True
    ) -> Any:
        """Make an agent: import its class, if that is allowed, and call it with its options.

        What is returned is measured for ranking, bounded by the agent's capacity if it has one, guarded by its breaker
        and its limiter, and tries the agents of its fallback where it fails. It has the attributes of the object behind
        it, to read and to set, and is entered and left with it; but it is no instance of the class. Its own are
        ``process``, ``agent``, which is what is behind it, ``agent_id``, and ``breaker``, ``limiter`` or ``agents``.

        Args:
            agent_id: the agent.
            overrides: options that are added to those of the configuration, or replace them. They are handed on as they
                are; those of the configuration are copied deeply.
            with_fallback: whether those of its fallback are made, too. False for the agent alone.

        Raises:
            RegistryError: there is no such agent; its class is not allowed, not found or no agent class; an option is
                unknown or missing; calling the class raised; what it gave is no agent. Its ``__cause__`` is what was
                raised. Or an agent of its fallback is not registered, cannot be made, takes less, or gives something
                else.
            TypeError: `overrides` is no mapping of names to values.
        """
        make = self._instance if with_fallback else self._alone
        return make(agent_id, self._entry(agent_id), check_options(overrides, "overrides"))

    def _instance(self, agent_id: str, entry: Entry, overrides: Mapping[str, Any]) -> Any:
        first = self._alone(agent_id, entry, overrides)
        if not entry.fallback:
            return first
        others: list[Any] = []
        for other_id in entry.fallback:
            other = self._entries.get(other_id)
            if other is None:
                why = f"its fallback is not there: {self._unknown(other_id)}"
                raise RegistryError(f"agent {agent_id!r} cannot be made: {why}", agent_id=agent_id)
            check_stands_in(agent_id, entry.definition, other_id, other.definition)
            others.append(self._alone(other_id, other, {}))
        return WithFallback[Any, Any](agent_id, first, others)

    def _alone(self, agent_id: str, entry: Entry, overrides: Mapping[str, Any]) -> Any:
        options = {**entry.definition.configuration, **overrides}
        kind = resolve(entry.definition, self._allowed, agent_id=agent_id)
        agent = made(kind, options, agent_id, entry.missing(), entry.definition.unavailable)
        calls, capacity = self._shared(agent_id, entry)
        return guarded(agent, calls, capacity, agent_id=agent_id, breaker=entry.breaker, limiter=entry.limiter)

    def _shared(self, agent_id: str, entry: Entry) -> tuple[Calls, Capacity | None]:
        with self._lock:
            if entry.shared is None:
                calls = self._traffic.record_for(entry.definition.capabilities)
                capacity = None if entry.limit is None else Capacity(agent_id, entry.limit, entry.breaker)
                entry.shared = calls, capacity
            return entry.shared

    def rank(self, capability: str) -> tuple[Candidate, ...]:
        """Return the agents that have `capability`, best first, each with the factors of its score.

        How busy an agent is takes in its calls in all Trio loops, though its capacity counts in each of them.

        Args:
            capability: what is to be done. If nobody can, the answer is empty.
        """
        with self._lock:
            entries = [(agent_id, self._entries[agent_id]) for agent_id in self._index.by_capability(capability)]
        return candidates_of([entry.standing(agent_id, capability) for agent_id, entry in entries])

    def suggest_pipelines(self, start: str, end: str, limit: int | None = 10) -> Iterator[tuple[str, ...]]:
        """Return chains of agents that lead from one capability to another, best first, found as they are asked for.

        In a chain each agent can take what the one before it gives, and none serves twice; an agent that has both
        capabilities is a chain of one. Shorter ones come first; of the same length that with the highest product of
        scores (of the first agent at `start`, of the last at `end`, of each between them at what it is best at); of
        equally good ones that whose ids come first. They are those of the agents registered when this is called, but
        for those that are not available by their definitions.

        Args:
            start: the capability of the first agent.
            end: the capability of the last agent.
            limit: chains at most, at least 1; None for all that there are.

        Raises:
            TypeError: an argument is of the wrong type.
            ValueError: `limit` is below 1.
        """
        return suggest(self.catalogue, start, end, limit)

    def plan(self, capabilities: Iterable[str]) -> tuple[str, ...]:
        """Return the ids of the best agents that do one thing after the other, one agent for each.

        Each can take what the one before it gives. The best chain has the highest product of scores, as the definitions
        say them; of equally good ones it is that whose ids come first. A chain is found whenever there is one. Agents
        that are not available by their definitions are not chosen.

        Args:
            capabilities: what is to be done, in order; one is enough.

        Raises:
            PlanningError: there is no chain; it says where it breaks and what would mend it.
            TypeError: `capabilities` is a string, or no strings.
            ValueError: `capabilities` is empty.
        """
        return plan(self.catalogue, capabilities)

    @overload
    def assemble(
        self,
        capabilities: Iterable[str],
        *,
        input: None = None,
        output: None = None,
        pipeline_id: str | None = None,
        config: StageConfig | None = None,
    ) -> Pipeline[Any, Any]: ...
    @overload
    def assemble(
        self,
        capabilities: Iterable[str],
        *,
        input: type[In],
        output: None = None,
        pipeline_id: str | None = None,
        config: StageConfig | None = None,
    ) -> Pipeline[In, Any]: ...
    @overload
    def assemble(
        self,
        capabilities: Iterable[str],
        *,
        input: None = None,
        output: type[Out],
        pipeline_id: str | None = None,
        config: StageConfig | None = None,
    ) -> Pipeline[Any, Out]: ...
    @overload
    def assemble(
        self,
        capabilities: Iterable[str],
        *,
        input: type[In],
        output: type[Out],
        pipeline_id: str | None = None,
        config: StageConfig | None = None,
    ) -> Pipeline[In, Out]: ...
    def assemble(
        self,
        capabilities: Iterable[str],
        *,
        input: Any | None = None,  # noqa: A002 - what the pipeline's users call it
        output: Any | None = None,
        pipeline_id: str | None = None,
        config: StageConfig | None = None,
    ) -> Pipeline[Any, Any]:
        """Plan, make the agents, and build a pipeline of them.

        The chain is that of :meth:`plan`, but of agents that can work: one that needs what is not there, an API key for
        instance, is not chosen, and one whose circuit breaker is open only if there is no chain without. How busy an
        agent is makes no difference. Stages are named ``stage_0_`` and so on, followed by the agent's id.

        Args:
            capabilities: what is to be done, in order; one is enough.
            input: the class of what the pipeline is to take. The first agent's ``process`` must be annotated such that
                it takes that. With it and `output`, type checkers know the pipeline as one of these two.
            output: the class of what it is to give, by the annotation of the last agent's ``process``.
            pipeline_id: names the pipeline; by default the ids of its agents, joined by ``+``.
            config: the settings of every stage; by default two attempts of 60 seconds at most. An attempt's time runs
                while it waits for a place, if the agent was registered with a capacity.

        Raises:
            PlanningError: there is no chain; it says where it breaks and what would mend it.
            RegistryError: an agent cannot be made, see :meth:`instantiate`.
            TypeError: `capabilities` is a string, or no strings; `input` or `output` is no class, or the agent is
                annotated otherwise, or not at all; `config` is no StageConfig.
            ValueError: `capabilities` is empty, or `pipeline_id` is no id.
        """
        asked = checked_capabilities(capabilities)
        check_is_type(input, "input")
        check_is_type(output, "output")
        if not isinstance(config, StageConfig | None):
            raise TypeError(f"config must be a StageConfig or None, not {config!r}: write StageConfig(timeout=300)")
        with self._lock:
            catalogue = self._index.freeze()
            able = {each: self._entries[each] for name in asked for each in catalogue.by_capability(name)}
        lacking: dict[str, str] = {}
        resting: dict[str, str] = {}
        for agent_id, entry in able.items():
            standing = entry.standing(agent_id, entry.definition.capabilities[0])
            if standing.unavailable or standing.missing or standing.beyond:
                lacking[agent_id] = availability_of(standing)[1]
            elif standing.refused_for is not None:
                resting[agent_id] = availability_of(standing)[1]
        chain = chosen(catalogue, asked, lacking, resting)
        # Of the entries that were planned with, whatever was registered meanwhile.
        return pipeline_of(
            chain,
            lambda agent_id: self._instance(agent_id, able[agent_id], {}),
            input=input,
            output=output,
            pipeline_id=pipeline_id,
            config=config,
        )

    def _entry(self, agent_id: str) -> Entry:
        entry = self._entries.get(agent_id)
        if entry is None:
            raise self._unknown(agent_id)
        return entry

    def _unknown(self, agent_id: object) -> RegistryError:
        ids = self.agent_ids
        name = agent_id if isinstance(agent_id, str) else repr(agent_id)
        meant = nearest(name, ids)
        if meant:
            hint = f"did you mean {meant[0]!r}?" if len(meant) == 1 else f"the nearest are {few([*map(repr, meant)])}"
        else:
            hint = f"there are {few(ids)}" if ids else "none is registered"
        return RegistryError(f"no agent {agent_id!r} is registered; {hint}", agent_id=name, nearest=meant)
