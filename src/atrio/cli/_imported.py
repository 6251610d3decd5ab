"""Pipelines of the user's own, imported by the name that the command line has: ``module:attribute``.

Only the command line's own words import anything; no input ever does.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from atrio import ErrorInfo, Pipeline
from atrio.cli._nearest import did_you_mean
from atrio.cli._render import described
from atrio.cli._streams import Refused, printable

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE: Final = Path(__file__).parents[1]


def pipeline_at(name: str) -> Callable[[], Pipeline[Any, Any]]:
    """Import what `name` says, and return what makes the pipeline.

    Args:
        name: ``module:attribute``; the attribute may have dots. The current directory is looked at first.

    Raises:
        Refused: there is no such module or attribute, importing it raised, or it is no pipeline. What is returned
            raises it too: if it is a function that raises, or returns none.
    """
    module, _, attribute = name.partition(":")
    _check_name(name, module, attribute)
    found = _attribute_of(_imported(module), module, attribute)
    if not isinstance(found, Pipeline) and (not callable(found) or inspect.iscoroutinefunction(found)):
        what = "an async function" if inspect.iscoroutinefunction(found) else _kind_of(found)
        raise Refused(f"{name!r} is {what}: name a Pipeline, or a function without arguments that returns one.")

    def build() -> Pipeline[Any, Any]:
        made = found if isinstance(found, Pipeline) else _returned(name, found)
        if not made.stages:
            raise Refused(f"{name!r} has no stages: add one with add_stage(Stage('an-id', agent)).")
        return made

    return build


def _check_name(name: str, module: str, attribute: str) -> None:
    if _is_dotted(module) and _is_dotted(attribute) and not module.endswith(".py"):
        return
    meant = module.removesuffix(".py").strip("./").replace("/", ".")
    hint = f", as in '{meant if _is_dotted(meant) else 'shop'}:{attribute if _is_dotted(attribute) else 'triage'}'"
    raise Refused(f"{name!r} is not of the form module:attribute, a module's name and not its file's{hint}.")


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _imported(module: str) -> Any:
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)
    # What was made since this process began must be found.
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module != missing and not module.startswith(f"{missing}."):
            raise _unimportable(module, error) from error
        raise Refused(f"there is no module {missing!r}.{did_you_mean(missing, _modules_beside(missing))}") from error
    except (Exception, SystemExit) as error:
        raise _unimportable(module, error) from error


def _unimportable(module: str, error: BaseException) -> Refused:
    return Refused(f"module {module!r} cannot be imported: {raised(error)}.")


def _modules_beside(missing: str) -> list[str]:
    import pkgutil  # noqa: PLC0415 - only a mistake needs it

    parent = missing.rpartition(".")[0]
    path = getattr(sys.modules.get(parent), "__path__", []) if parent else None
    return [f"{parent}.{module.name}" if parent else module.name for module in pkgutil.iter_modules(path)]


def _attribute_of(module: Any, name: str, attribute: str) -> Any:
    found, owner = module, f"module {name!r}"
    for part in attribute.split("."):
        try:
            value = getattr(found, part)
        except AttributeError as error:
            public = [each for each in dir(found) if not each.startswith("_")]
            raise Refused(f"{owner} has no attribute {part!r}.{did_you_mean(part, public)}") from error
        found, owner = value, f"{part!r} of {owner}"
    return found


def _returned(name: str, function: Callable[[], Any]) -> Pipeline[Any, Any]:
    try:
        made = function()
    except (Exception, SystemExit) as error:
        raise Refused(f"{name!r} raised {raised(error)}.") from error
    if not isinstance(made, Pipeline):
        raise Refused(f"{name!r} returned {_kind_of(made)}, and no Pipeline.")
    return made


def _kind_of(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def raised(error: BaseException) -> str:
    """Return what `error` is, and at which line of the user's it was raised, in a clause without a full stop."""
    place = _place_of(error)
    return f"{described(ErrorInfo.of(error))}{place and f' ({place})'}"


def _place_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""  # it says so itself
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(path, line) for path, line in frames if _is_users(path)]
    if not own:
        return ""
    path, line = own[-1]
    here = Path.cwd()
    shown = Path(path).relative_to(here) if Path(path).is_relative_to(here) else path
    return printable(f"{shown}, line {line}")


def _is_users(path: str) -> bool:
    """Say whether a file is neither atrio's, nor Python's, nor of an installed package."""
    import sysconfig  # noqa: PLC0415 - only a mistake needs it

    others = (str(_PACKAGE), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")))
    return not path.startswith("<") and not any(Path(path).is_relative_to(other) for other in others)
