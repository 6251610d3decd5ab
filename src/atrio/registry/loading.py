"""Finding the class that a definition names. Nothing else here imports what data names.

A definition is data, and may come from anybody. Two rules hold, whatever it says:

- A module is imported only if its name is covered by an allowed one.
- A class is called only if the module where it is *defined* is covered too, and that module confirms it. So nothing
  that an allowed module merely imports can be reached through it.

Names are looked up in the namespaces of modules and classes themselves. Nobody's ``__getattr__``, metaclass or
descriptor is asked, with one exception: a module's ``__getattr__``, for names that the module lists in ``__all__``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, Final, TypeGuard

from atrio._agent import is_async
from atrio.errors import RegistryError
from atrio.registry.definitions import AgentDefinition, is_dotted_name, is_module_name

__all__ = ["ENTRY_POINTS", "AllowedModules", "few", "nearest", "resolve"]

ENTRY_POINTS: Final = "atrio.agents"
"""The entry-point group in which packages announce the modules of their agents."""

_BUILT_IN: Final = "atrio.agents"
_MISSING: Final = object()
_SHOWN: Final = 8

# A metaclass can lie about each of these; the getters of `type` itself read what the class really has.
_MODULE_OF: Final[Any] = vars(type)["__module__"]
_QUALNAME_OF: Final[Any] = vars(type)["__qualname__"]
_NAMESPACE_OF: Final[Any] = vars(type)["__dict__"]
_ANCESTORS_OF: Final[Any] = vars(type)["__mro__"]
_NAMES_IN: Final[Any] = vars(ModuleType)["__dict__"]


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of `names` that are most like `name`, three at most, best first."""
    return tuple(difflib.get_close_matches(name, sorted(names), n=3))


def few(names: Collection[str]) -> str:
    """Return `names` in a line, some of them where they are many."""
    shown = ", ".join(list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


class AllowedModules:
    """The modules that definitions may import: the built-in agents', those announced by packages, and the host's.

    Packages announce modules through the entry-point group ``atrio.agents``, whose values are ``module`` or
    ``module:name``. They are read when a name is not covered without them, once.

    Args:
        names: further ones; each covers its submodules.

    Raises:
        TypeError: `names` is a string, or has something else in it.
        ValueError: a name is no absolute name of a module.
    """

    __slots__ = ("_announced", "_names")

    def __init__(self, names: Iterable[str] = ()) -> None:
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(f"allowed_modules must be several names, not {names!r}: write ('shop.agents',)")
        own = [_checked_name(name) for name in names]
        self._names = frozenset([_BUILT_IN, *own])
        self._announced: frozenset[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self._names | self.announced))

    @property
    def announced(self) -> frozenset[str]:
        """Those that packages announce."""
        if self._announced is None:
            self._announced = frozenset(_announced_modules())
        return self._announced

    def covers(self, module: str) -> bool:
        """Say whether `module` is one of them, or a submodule of one."""
        return _is_in(module, self._names) or _is_in(module, self.announced)


def _is_in(module: str, names: Iterable[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _checked_name(name: object) -> str:
    right = "the absolute name of a module, as in 'shop.agents'"
    if not isinstance(name, str):
        raise TypeError(f"each of allowed_modules must be {right}, not {name!r}")
    text = str.__str__(name)
    if not is_module_name(text):
        raise ValueError(f"each of allowed_modules must be {right}, not {text!r}")
    return text


def _announced_modules() -> Iterator[str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and few definitions need it

    for announced in entry_points(group=ENTRY_POINTS):
        module = announced.value.partition(":")[0].strip()
        # Another package's mistake is not this program's: what is no name covers nothing.
        if is_dotted_name(module):
            yield module


def resolve(definition: AgentDefinition, allowed: AllowedModules, *, agent_id: str) -> type:
    """Return the class that `definition` names, importing its module if that is allowed.

    Args:
        definition: the definition.
        allowed: what may be imported.
        agent_id: the agent, for the messages.

    Raises:
        RegistryError: the module is not allowed or cannot be imported, there is no such class in it, the class is
            defined elsewhere, or its instances are no agents.
    """
    found = _Search(definition, allowed, agent_id).found()
    _check_makes_agents(found, definition, agent_id)
    return found


class _Search:
    """The search for one definition's class."""

    __slots__ = ("agent_id", "allowed", "module", "path")

    def __init__(self, definition: AgentDefinition, allowed: AllowedModules, agent_id: str) -> None:
        self.module = definition.module_path
        self.path = definition.agent_class
        self.allowed = allowed
        self.agent_id = agent_id

    def refused(self, why: str, names: Iterable[str] = ()) -> RegistryError:
        return RegistryError(
            f"agent {self.agent_id!r} cannot be made: {why}", agent_id=self.agent_id, nearest=tuple(names)
        )

    def found(self) -> type:
        # Definitions check their names when they are built; here nothing is taken on trust.
        are_plain = type(self.module) is str and type(self.path) is str
        if not are_plain or not is_module_name(self.module) or not is_dotted_name(self.path):
            raise self.refused("its module or its class has no name, though it had one when it was defined")
        self.check_allowed(self.module)
        first, *inner = self.path.split(".")
        found = self.in_module(self.imported(), first)
        for name in inner:
            found = self.in_class(found, name)
        if not _is_class(found):
            raise self.refused(
                f"{self.path!r} in module {self.module!r} is no class, but of type {type(found).__name__}"
            )
        self.check_home(found)
        return found

    def check_allowed(self, module: str, what: str = "") -> None:
        if self.allowed.covers(module):
            return
        names = self.allowed.names
        raise self.refused(
            f"{what}module {module!r} is not among those that definitions may import ({few(names)}). "
            f"If it is to be trusted, write AgentRegistry(allowed_modules=[{module!r}])",
            nearest(module, names),
        )

    def imported(self) -> ModuleType:
        try:
            module: object = importlib.import_module(self.module)
        except (Exception, SystemExit) as error:
            why = f"module {self.module!r} cannot be imported: {type(error).__name__}: {error}"
            raise self.refused(why) from error
        if not isinstance(module, ModuleType):
            raise self.refused(f"{self.module!r} is no module, but of type {type(module).__name__}")
        return module

    def in_module(self, module: ModuleType, name: str) -> object:
        names: dict[str, Any] = _NAMES_IN.__get__(module)
        found = names.get(name, _MISSING)
        if found is _MISSING and name in _offered(names):
            try:
                found = getattr(module, name)  # it is made when it is asked for
            except Exception as error:
                why = f"{name!r} of module {self.module!r} cannot be had: {type(error).__name__}: {error}"
                raise self.refused(why) from error
        if found is _MISSING:
            raise self.absent(name, f"module {self.module!r}", [*names, *_offered(names)])
        return found

    def in_class(self, outer: object, name: str) -> object:
        if not _is_class(outer):
            raise self.refused(
                f"what is before {name!r} in {self.path!r} is no class, but of type {type(outer).__name__}"
            )
        names: Mapping[str, Any] = _NAMESPACE_OF.__get__(outer)
        if name not in names:
            raise self.absent(name, f"class {_QUALNAME_OF.__get__(outer)!r}", names)
        return names[name]

    def absent(self, name: str, where: str, names: Iterable[str]) -> RegistryError:
        meant = nearest(name, {each for each in names if not each.startswith("_")})
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        return self.refused(f"there is no {name!r} in {where}{hint}", meant)

    def check_home(self, found: type) -> None:
        """Check that the module where `found` is defined is allowed, and is that of `found` indeed."""
        home: object = _MODULE_OF.__get__(found)
        what = f"{self.path!r} in module {self.module!r}"
        if type(home) is not str:
            raise self.refused(f"{what} does not say in which module it is defined")
        self.check_allowed(home, f"{what} is defined elsewhere, and ")
        qualname: str = _QUALNAME_OF.__get__(found)
        # A class made in a function is not found under its qualified name, but may be where the definition says.
        path = self.path if "<locals>" in qualname and home == self.module else qualname
        if _walked(sys.modules.get(home), path) is not found:
            raise self.refused(f"{what} says that it is defined in {home!r}, which has no such class")
        # A class can take the name of the module that imports it. Its methods cannot.
        written = _modules_of_methods(found)
        if written and not any(self.allowed.covers(module) for module in written):
            self.check_allowed(written[0], f"the methods of {what} are written elsewhere, and ")


def _modules_of_methods(found: type) -> list[str]:
    """Return the modules in which the methods of a class are written, those of its ancestors left out."""
    namespace: Mapping[str, Any] = _NAMESPACE_OF.__get__(found)
    plain = (each.__func__ if isinstance(each, staticmethod | classmethod) else each for each in namespace.values())
    functions = [inspect.unwrap(each) for each in plain if type(each) is FunctionType]
    modules = [each.__globals__.get("__name__") for each in functions if type(each) is FunctionType]
    # What attrs and its like write has globals of its own, without a name.
    return [module for module in modules if type(module) is str]


def _is_class(found: object) -> TypeGuard[type]:
    # Not isinstance(), which believes what an object says of itself in __class__.
    return issubclass(type(found), type)


def _offered(names: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a module lists in ``__all__``."""
    listed = names.get("__all__", ())
    return tuple(each for each in listed if type(each) is str) if type(listed) in {list, tuple} else ()


def _walked(module: object, path: str) -> object:
    """Return what is found in `module` under the qualified name `path`, asking nobody."""
    if not isinstance(module, ModuleType):
        return _MISSING
    names: Mapping[str, Any] = _NAMES_IN.__get__(module)
    found: object = _MISSING
    for name in path.split("."):
        found = names.get(name, _MISSING)
        names = _NAMESPACE_OF.__get__(found) if _is_class(found) else {}
    return found


def _check_makes_agents(found: type, definition: AgentDefinition, agent_id: str) -> None:
    """Refuse a class whose instances are no agents, before it is called."""
    process = _in_class_or_ancestors(found, "process")
    why = ""
    if process is None:
        # A callable object serves as well, as an async function does.
        if not is_async(_in_class_or_ancestors(found, "__call__")):
            why = "it has no `async def process(self, data)`"
    elif not _may_be_async(process):
        why = "its `process` is not async"
    if not why and inspect.isabstract(found):
        why = "it is abstract"
    if why:
        name = f"{definition.module_path}.{definition.agent_class}"
        raise RegistryError(f"agent {agent_id!r} cannot be made: {name} is no agent class, {why}", agent_id=agent_id)


def _in_class_or_ancestors(found: type, name: str) -> Any:
    namespaces = (_NAMESPACE_OF.__get__(each) for each in _ANCESTORS_OF.__get__(found))
    return next((names[name] for names in namespaces if name in names), None)


def _may_be_async(process: Any) -> bool:
    function = process.__func__ if isinstance(process, staticmethod | classmethod) else process
    if callable(function):
        return is_async(function)
    # What a slot or a property gives is known when there is an instance.
    return hasattr(type(function), "__get__")
