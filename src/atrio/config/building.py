"""What of a configuration can be built, and what cannot: its modules, classes, options, exceptions and expressions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from atrio.config.environment import whole_definition
from atrio.config.expressions import compiled
from atrio.config.imports import check_module, exception_called
from atrio.config.naming import Finding, Kind, Names, Node
from atrio.config.options import Mistake, misfits, wrong_values
from atrio.config.providers import lacks_endpoint, unknown_provider
from atrio.config.settings import AgentSettings, BreakerSettings, KeyPath, RateSettings
from atrio.errors import DefinitionError, RegistryError
from atrio.registry import AgentDefinition
from atrio.registry.loading import AllowedModules, resolve

__all__ = ["Inspection", "allowed_modules", "places_of"]

_READY_MADE: Final = "atrio.agents"
_KEYS: Final = ("module_path", "agent_class", "configuration")


def allowed_modules(names: Names) -> list[str]:
    """Return what the agents of a configuration may be imported from: the packages of the modules that it names.

    The file is trusted. The whole package is, so that a module may hand on a class that is written beside it.
    """
    modules = [agent.module_path for agent in names.configuration.agents.values() if agent.module_path is not None]
    own = [module for module in modules if module != _READY_MADE and not module.startswith(f"{_READY_MADE}.")]
    return list(dict.fromkeys(module.partition(".")[0] for module in own))


def places_of(names: Names) -> dict[str, KeyPath]:
    """Return of all that is named somewhere, where it is first."""
    places: dict[str, KeyPath] = {}
    for name, kind in names.kinds.items():
        if kind is not Kind.AGENT:
            for part in names.parts(Node(name)):
                places.setdefault(part.node.name, part.path)
    for name, agent in names.configuration.agents.items():
        for at, other in enumerate(agent.fallback):
            places.setdefault(other, ("agents", name, "fallback", at))
    return places


class Inspection:
    """Looks for what is in the way of building what a configuration names, once its references were checked.

    Modules are imported; their directory must be among those that Python looks in. Ready-made agents are made, as that
    shows whether their options are right, and does nothing else. The classes of others are not called: what that does
    is not known.

    Args:
        names: what there is.
        directory: the directory of the configuration.
    """

    __slots__ = ("_allowed", "_directory", "_exceptions", "_modules", "_names", "_places", "_shared")

    def __init__(self, names: Names, directory: Path | None) -> None:
        self._names = names
        self._directory = directory
        self._allowed = AllowedModules(allowed_modules(names))
        self._places = places_of(names)
        self._modules: dict[str, str] = {}
        self._exceptions: dict[str, str] = {}
        self._shared: set[KeyPath] = set()

    def of(self, which: Collection[str]) -> Iterator[Finding]:
        """Yield what is wrong with these: names of agents, pools and so on, without what they are made of."""
        names = self._names
        for name, kind in names.kinds.items():
            if name not in which:
                continue
            said: Any = names.settings(name)
            if kind is Kind.AGENT:
                # Of what is known in part it is not known what it lacks.
                yield from () if name in names.unread else self._of_agent(name, said)
            elif said is None:
                continue
            elif kind is Kind.ROUTER:
                yield from _of_expression(said.choose, ("routers", name, "choose"))
            elif kind is Kind.PIPELINE:
                for at, stage in enumerate(said.stages):
                    yield from self._of_exceptions(stage.retry_on, ("pipelines", name, "stages", at, "retry_on"))
            yield from self.of_guards(name)

    def of_guards(self, name: str) -> Iterator[Finding]:
        """Yield what is wrong with the guards of an agent or a pool, with shared ones only once."""
        kind, said = self._names.kinds[name], self._names.settings(name)
        if said is None or kind not in {Kind.AGENT, Kind.POOL}:
            return
        for key, section in (("breaker", "breakers"), ("rate", "rate_limits")):
            guard = getattr(said, key)
            if isinstance(guard, str):
                yield from self._of_shared(section, guard)
            else:
                yield from self._of_guard(guard, (kind.section, name, key))

    def of_shared_guards(self) -> Iterator[Finding]:
        """Yield what is wrong with shared guards, used or not."""
        for section in ("breakers", "rate_limits"):
            for name in getattr(self._names.configuration, section):
                yield from self._of_shared(section, name)

    def _of_shared(self, section: str, name: str) -> Iterator[Finding]:
        path = (section, name)
        if path not in self._shared:
            self._shared.add(path)
            yield from self._of_guard(getattr(self._names.configuration, section).get(name), path)

    def _of_guard(self, said: BreakerSettings | RateSettings | None, path: KeyPath) -> Iterator[Finding]:
        if isinstance(said, BreakerSettings):
            yield from self._of_exceptions(said.trips_on, (*path, "trips_on"))
        elif said is not None and said.cost is not None:
            yield from _of_expression(said.cost, (*path, "cost"))

    def _of_exceptions(self, names: Sequence[str] | None, path: KeyPath) -> Iterator[Finding]:
        for at, name in enumerate(names or ()):
            if name not in self._exceptions:
                self._exceptions[name] = _wrong_with(exception_called, name, self._directory)
            if self._exceptions[name]:
                yield (*path, at), self._exceptions[name], "error"

    def _of_agent(self, name: str, said: AgentSettings | None) -> Iterator[Finding]:
        try:
            definition = whole_definition(name, self._names.configuration)
        except DefinitionError as error:
            yield ("agents", name), str(error), "error"
            return
        module = definition.module_path
        # What is wrong with a definition that the file does not have is told where the agent is named.
        here: dict[str, KeyPath] = {
            key: self._places.get(name, ()) if said is None else ("agents", name, key) for key in _KEYS
        }
        if module not in self._modules:
            self._modules[module] = _wrong_with(check_module, module, self._directory)
        if self._modules[module]:
            yield here["module_path"], self._modules[module], "error"
            return
        try:
            kind = resolve(definition, self._allowed, agent_id=name)
        except RegistryError as error:
            yield here["agent_class"], _of_the_class(error, name), "error"
            return
        path = here["configuration"]
        unknown = lacks_endpoint(kind, definition, self._names.configuration)
        mistakes = (
            list(misfits(kind, definition.configuration)) if unknown is None else [Mistake(("provider",), unknown)]
        )
        if definition.unavailable is not None:
            # What it lacks is what a provider would give.
            mistakes = [each for each in mistakes if each.path]
            if not mistakes:
                yield from self._of_provider(name, definition, path)
        elif mistakes and not mistakes[-1].path:
            hint = f": give it in [agents.{name}.configuration]"
            mistakes[-1] = mistakes[-1]._replace(message=f"{mistakes[-1].message}{hint}")
        if module == _READY_MADE:
            mistakes += wrong_values(kind, definition.configuration)
        for each in mistakes:
            yield (path if said is None else (*path, *each.path)), each.message, "error"

    def _of_provider(self, name: str, definition: AgentDefinition, path: KeyPath) -> Iterator[Finding]:
        configuration = self._names.configuration
        # A provider that is not there was told with the references, and of one that could not be read that was.
        told = unknown_provider(definition, configuration) or any("providers" in each for each in configuration.unread)
        if not told:
            yield path, f"{name!r} cannot work: {definition.unavailable}", "error"


def _wrong_with(check: Callable[[str, Path | None], object], name: str, directory: Path | None) -> str:
    try:
        check(name, directory)
    except ValueError as error:
        return str(error)
    return ""


def _of_expression(expression: str, path: KeyPath) -> Iterator[Finding]:
    try:
        compiled(expression)
    except (ValueError, ModuleNotFoundError) as error:
        yield path, str(error), "error"


def _of_the_class(error: RegistryError, name: str) -> str:
    message = str(error).removeprefix(f"agent {name!r} cannot be made: ")
    what, border, _ = message.partition(" has no `process`")
    if border:
        return f"{what} is no agent: it has no `async def process(self, data)` of its own"
    found, border, _ = message.partition(" is not among those that definitions may import")
    if not border:
        return message.removesuffix(", or allow the modules of its bases, too")  # which a file cannot
    return f"{found} is not that of module_path; if it is meant, write it there"
