"""Importing what a configuration names. The file is trusted as a Makefile is: only the data of a run never imports."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

from atrio._results import ErrorInfo
from atrio.config.naming import nearest_of
from atrio.config.shadowing import imported_from_elsewhere, why_not_imported

__all__ = ["check_module", "exception_called", "importable_from", "said_of"]


@contextlib.contextmanager
def importable_from(directory: Path | None) -> Generator[None]:
    """Put a directory first among those that modules are imported from, for the time of the block.

    What Python and atrio themselves need is imported from where it is installed all the same.

    Args:
        directory: the directory of the configuration; None to change nothing.
    """
    if directory is None:
        yield
        return
    entry = str(directory.absolute())
    sys.path.insert(0, entry)
    # What was written since this process began must be found.
    importlib.invalidate_caches()
    try:
        with imported_from_elsewhere(directory):
            yield
    finally:
        # Whatever was imported may have changed the list.
        with contextlib.suppress(ValueError):
            sys.path.remove(entry)


def check_module(name: str, directory: Path | None) -> None:
    """Import a module, and raise ValueError if that fails; the message says why, and in which line.

    Args:
        name: the absolute name of the module.
        directory: the directory of the configuration, which modules are looked for in first.
    """
    hidden = None if directory is None else why_not_imported(name, directory)
    if hidden is not None:
        raise ValueError(hidden)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise ValueError(_unimportable(name, error, directory)) from error
        where = "installed" if directory is None else "beside the file, and none is installed"
        raise ValueError(f"there is no module {missing!r} {where}{_meant(missing, directory)}") from error
    except (Exception, SystemExit) as error:
        raise ValueError(_unimportable(name, error, directory)) from error


def _unimportable(name: str, error: BaseException, directory: Path | None) -> str:
    # What it imports may be beside it, and not be what it got.
    hidden = None
    if isinstance(error, ImportError) and error.name and directory is not None:
        hidden = why_not_imported(error.name, directory)
    return f"module {name!r} cannot be imported: {said_of(error, directory)}" + (f"; {hidden}" if hidden else "")


def _meant(missing: str, directory: Path | None) -> str:
    parent = missing.rpartition(".")[0]
    found = getattr(sys.modules.get(parent), "__path__", []) if parent else [] if directory is None else [directory]
    beside = [module.name for module in pkgutil.iter_modules(map(str, found))]
    return nearest_of(missing, [f"{parent}.{name}" if parent else name for name in beside]) if beside else ""


def said_of(error: BaseException, directory: Path | None) -> str:
    """Return what an exception is, in a line, and at which line of the user's own it was raised.

    Args:
        error: the exception.
        directory: where the user's own files are.
    """
    info = ErrorInfo.of(error)
    message = " ".join(info.message.split())
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if directory is None or isinstance(error, SyntaxError):  # which says its line itself
        return said
    here = directory.absolute()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(here)]
    return f"{said} ({Path(frames[-1].filename).relative_to(here)}, line {frames[-1].lineno})" if frames else said


def exception_called(name: str, directory: Path | None) -> type[Exception]:
    """Return the exception class of this name: one of Python's own, or one with its module, which is imported.

    Args:
        name: ``ConnectionError`` or ``module.Class``.
        directory: the directory of the configuration.

    Raises:
        ValueError: there is none; the message says what would be right.
    """
    found: Any
    if "." in name:
        try:
            found = pkgutil.resolve_name(name)
        except AttributeError:
            found = None
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError):
                check_module(name.partition(".")[0], directory)
            raise ValueError(f"exception {name!r} cannot be imported: {said_of(error, directory)}") from error
    else:
        found = getattr(builtins, name, None)
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    if found is not None:
        raise ValueError(f"{name!r} is no exception class, as in 'ConnectionError' or 'json.JSONDecodeError'")
    raise ValueError(_no_exception(name))


def _no_exception(name: str) -> str:
    """Return the sentence that there is no such exception, with the nearest in the innermost module or class found."""
    home: Any = builtins
    where = "Python"
    *outer, own = name.split(".")
    for end in range(1, len(outer) + 1):
        try:
            found = pkgutil.resolve_name(".".join(outer[:end]))
        except (ImportError, AttributeError):
            own = outer[end - 1]
            break
        if not isinstance(found, ModuleType | type):
            return f"{'.'.join(outer[:end])!r} is neither a module nor a class, and has no exceptions"
        home, where = found, repr(".".join(outer[:end]))
    kinds = [each for each, kind in vars(home).items() if isinstance(kind, type) and not each.startswith("_")]
    known = [each for each in kinds if issubclass(vars(home)[each], Exception)]
    return f"there is no exception {own!r} in {where}{nearest_of(own, known)}"
