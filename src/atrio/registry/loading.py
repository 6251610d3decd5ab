"""Finding the class that a definition names. Nothing else here imports what data names.

A definition is data, and may come from anybody. Two rules hold, whatever it says:

- A module is imported only if its name is covered by an allowed one.
- A class is called only if the module where it is *defined* is covered too, that module confirms it, and the code that
  makes and calls its instances is written in such modules. So nothing that an allowed module merely imports can be
  reached through it.

Names are looked up in the namespaces of modules and classes themselves. Nobody's ``__getattr__``, metaclass or
descriptor is asked, with one exception: a module's ``__getattr__``, for names that the module lists in ``__all__``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial, partialmethod
from importlib.util import find_spec
from pathlib import Path
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from urllib.parse import urlsplit
from urllib.request import url2pathname

from atrio._agent import is_async
from atrio._text import message_of
from atrio.errors import RegistryError
from atrio.registry.definitions import AgentDefinition, is_dotted_name, is_module_name, visible

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["ENTRY_POINTS", "AllowedModules", "few", "nearest", "resolve"]

ENTRY_POINTS: Final = "atrio.agents"
"""The entry-point group in which packages announce the modules of their agents."""

_BUILT_IN: Final = "atrio.agents"
_MISSING: Final = object()
_SHOWN: Final = 8
_TRUSTED: Final = ("process", "__call__", "__init__", "__new__")
"""What runs when an instance is made and called."""
_WRITES_FOR_OTHERS: Final = frozenset({"typing", "typing_extensions"})
_DEEPEST: Final = 100
"""Functions that are looked through, at most, for those that they wrap."""

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
    shown = ", ".join(map(visible, list(names)[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


class AllowedModules:
    """The modules that definitions may import: the built-in agents', those announced by packages, and the host's.

    Packages announce modules through the entry-point group ``atrio.agents``, whose values are ``module`` or
    ``module:name``; of their own, others do not count. They are read when a name is not covered without them, once.

    Args:
        names: further ones; each covers its submodules.

    Raises:
        TypeError: `names` is a string, or has something else in it.
        ValueError: a name is no absolute name of a module.
    """

    __slots__ = ("_announced", "_names")

    def __init__(self, names: Iterable[str] = ()) -> None:
        if isinstance(names, str) or not isinstance(names, Iterable):
            meant = f"[{str.__str__(names)!r}]" if isinstance(names, str) else "['shop.agents']"
            raise TypeError(f"allowed_modules must be several names, not {names!r}: write {meant}")
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
    from importlib.metadata import distributions  # noqa: PLC0415 - slow, and few definitions need it

    for distribution in distributions():
        try:
            values = [each.value for each in distribution.entry_points if each.group == ENTRY_POINTS]
            modules = [value.partition(":")[0].strip() for value in values]
            own = [module for module in modules if is_dotted_name(module) and _has(distribution, module)]
        except Exception:  # noqa: BLE001, S112 - another package's mistake is not this program's: it covers nothing
            continue
        yield from own


def _has(distribution: Distribution, module: str) -> bool:
    """Say whether the top-level package of `module` is installed by `distribution`."""
    package = module.partition(".")[0]
    if package in (distribution.read_text("top_level.txt") or "").split():
        return True
    if any(file.parts[0].partition(".")[0] == package for file in distribution.files or ()):
        return True
    # What is installed as editable stays in its project, whose files are not listed.
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return False
    spec = find_spec(package)
    project = Path(url2pathname(urlsplit(origin["url"]).path))
    places = [] if spec is None else [*filter(None, [spec.origin]), *(spec.submodule_search_locations or ())]
    return any(Path(place).is_relative_to(project) for place in places)


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
            why = f"module {self.module!r} cannot be imported: {type(error).__name__}: {message_of(error)}"
            raise self.refused(why) from error
        if not _is_module(module):
            raise self.refused(f"{self.module!r} is no module, but of type {type(module).__name__}")
        return module

    def in_module(self, module: ModuleType, name: str) -> object:
        names: dict[str, Any] = _NAMES_IN.__get__(module)
        found = names.get(name, _MISSING)
        if found is _MISSING and name in _offered(names):
            try:
                found = getattr(module, name)  # it is made when it is asked for
            except (Exception, SystemExit) as error:
                why = f"{name!r} of module {self.module!r} cannot be had: {type(error).__name__}: {message_of(error)}"
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
        self.check_written(found, what)

    def check_written(self, found: type, what: str) -> None:
        """Check that the code which makes and calls instances of `found` is written in allowed modules.

        A class can take the name of the module that imports it. Its functions cannot. Those of ancestors count where
        these are from allowed modules; others are what an allowed class was built on.
        """
        checked = False
        for kind in _ANCESTORS_OF.__get__(found):
            home, namespace = _MODULE_OF.__get__(kind), _NAMESPACE_OF.__get__(kind)
            if type(home) is not str or not self.allowed.covers(home):
                continue
            for name in _TRUSTED:
                modules = _modules_of(namespace.get(name))
                if modules and not any(self.allowed.covers(module) for module in modules):
                    self.check_allowed(modules[0], f"`{name}` of {what} is written elsewhere, and ")
                checked = checked or bool(modules)
        if not checked:
            *names, last = (f"`{name}`" for name in _TRUSTED)
            raise self.refused(
                f"{what} has no {', '.join(names)} or {last} that is written in a module which definitions may import. "
                f"Write one of them there, or allow the modules of its bases, too"
            )


def _modules_of(attribute: object) -> list[str]:
    """Return the modules in which a function is written, and those that it wraps; none of what is no function."""
    modules: list[str] = []
    found = [attribute]
    while found and len(modules) < _DEEPEST:
        each = found.pop(0)
        if isinstance(each, staticmethod | classmethod):
            found.append(each.__func__)
        elif isinstance(each, partial | partialmethod):
            found.append(each.func)
        elif isinstance(each, property):
            found.append(each.fget)
        elif type(each) is FunctionType:
            module = each.__globals__.get("__name__")
            # What attrs and its like write has globals of its own; and what typing puts into a protocol is harmless.
            if type(module) is str and module not in _WRITES_FOR_OTHERS:
                modules += [module] if _names_of(sys.modules.get(module)) is each.__globals__ else []
            # A decorator that does not say what it wraps has it in its closure.
            found += [vars(each).get("__wrapped__"), *(_content(cell) for cell in each.__closure__ or ())]
    return modules


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty yet
        return None


def _is_module(found: object) -> TypeGuard[ModuleType]:
    return issubclass(type(found), ModuleType)


def _names_of(module: object) -> Mapping[str, Any]:
    """Return what is in the namespace of a module, nothing of what is none."""
    names: Mapping[str, Any] = _NAMES_IN.__get__(module) if _is_module(module) else {}
    return names


def _is_class(found: object) -> TypeGuard[type]:
    # Not isinstance(), which believes what an object says of itself in __class__.
    return issubclass(type(found), type)


def _offered(names: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a module lists in ``__all__``."""
    listed = names.get("__all__", ())
    return tuple(each for each in listed if type(each) is str) if type(listed) in {list, tuple} else ()


def _walked(module: object, path: str) -> object:
    """Return what is found in `module` under the qualified name `path`, asking nobody."""
    names = _names_of(module)
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
