"""Modules beside a configuration whose names atrio's own imports need, and which must not take their place.

Much is imported when it is first used. A ``regex.py`` of the user's, found first, would then break what has nothing to
do with it.
"""

from __future__ import annotations

import contextlib
import pkgutil
import re
import sys
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["REQUIRED", "imported_from_elsewhere", "why_not_imported"]

_ATRIO: Final = "atrio"
REQUIRED: Final = (
    "attrs", "cattrs", "structlog", "trio",
    "cyclopts", "httpx2", "jinja2", "jmespath", "jsonschema-rs", "regex", "rich", "stop-words", "tomlkit",
    "h11", "prometheus-client",
)  # fmt: skip
"""What atrio requires, and its extras for users do. Not asked of the installed atrio, which may be one in work."""

_PROJECT: Final = re.compile(r"[A-Za-z0-9._-]+")


def why_not_imported(name: str, directory: Path) -> str | None:
    """Return why a module beside the file is not imported, None if it is, or if there is none.

    Args:
        name: the absolute name of the module, or of one within it.
        directory: the directory of the configuration.
    """
    top = name.partition(".")[0]
    beside = next((each for each in (directory / f"{top}.py", directory / top / "__init__.py") if each.is_file()), None)
    if beside is None or not _is_taken(top, directory):
        return None
    whose = "of Python's own" if top in sys.stdlib_module_names else "that atrio itself needs"
    return f"{beside.relative_to(directory)} beside the file has the name of a module {whose}, so rename it"


@contextlib.contextmanager
def imported_from_elsewhere(directory: Path) -> Generator[None]:
    """Have modules that atrio needs imported as if `directory` were not among those that Python looks in.

    Args:
        directory: the directory of the configuration.
    """
    beside = {each.name for each in pkgutil.iter_modules([str(directory)])}
    finder = _Elsewhere(beside & sys.stdlib_module_names, directory)
    sys.meta_path.insert(0, finder)
    try:
        # Not before: to say what atrio needs, Python imports modules of its own, which must not be those beside.
        finder.names |= {name for name in beside if _is_taken(name, directory)}
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(finder)


class _Elsewhere:
    """Finds modules everywhere but in one directory."""

    def __init__(self, names: set[str], directory: Path) -> None:
        self.names = names
        self._directory = directory

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        return _spec_elsewhere(name, self._directory) if name in self.names else None


def _spec_elsewhere(name: str, directory: Path) -> ModuleSpec | None:
    here = str(directory.absolute())
    return PathFinder.find_spec(name, [entry for entry in sys.path if (entry or str(Path.cwd())) != here])


def _is_taken(name: str, directory: Path) -> bool:
    if name in sys.builtin_module_names:
        return True
    is_there = _spec_elsewhere(name, directory) is not None
    return is_there and (name in sys.stdlib_module_names or name in _needed())


@cache
def _needed() -> frozenset[str]:
    """Return the top-level modules of atrio, and of all that it requires."""
    modules: set[str] = {_ATRIO}
    left, seen = [*REQUIRED], set[str]()
    while left:
        project = left.pop()
        if project in seen:
            continue
        seen.add(project)
        try:
            found = distribution(project)
        except PackageNotFoundError:  # of an extra that is not installed
            continue
        modules.update(_modules_of(found))
        left.extend(_required_by(found))
    return frozenset(modules)


def _required_by(found: Distribution) -> Iterator[str]:
    for requirement in found.requires or ():
        name = _PROJECT.match(requirement)
        if name is not None and "extra" not in requirement.partition(";")[2]:
            yield name[0].lower().replace("_", "-")


def _modules_of(found: Distribution) -> Iterator[str]:
    yield from (found.read_text("top_level.txt") or "").split()
    yield from (file.parts[0].partition(".")[0] for file in found.files or ())
