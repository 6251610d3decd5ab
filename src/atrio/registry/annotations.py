"""What an agent says that it takes and gives, in the annotations of its ``process``, and what fits that."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["UNKNOWN", "fits", "gives_of", "shown", "takes_of"]

UNKNOWN: Final = object()
"""Stands for an annotation that is absent, or that names what cannot be found."""

_PROMOTED: Final = {(int, float), (int, complex), (float, complex)}
"""Numbers that serve where another kind is asked for, though they are of no subclass of it."""


def takes_of(process: Callable[..., Any]) -> Any:
    """Return what the first parameter of `process` is annotated with, UNKNOWN if with nothing that can be found."""
    function = _function_of(process)
    try:
        parameters = list(inspect.signature(process).parameters.values())
    except (TypeError, ValueError):
        return UNKNOWN
    return _hint(function, parameters[0].name) if parameters else UNKNOWN


def gives_of(process: Callable[..., Any]) -> Any:
    """Return what `process` is annotated to return, UNKNOWN if nothing that can be found."""
    return _hint(_function_of(process), "return")


def _function_of(process: Any) -> Any:
    # A callable object says it in its __call__. What wraps another function is looked through, as inspect does.
    return inspect.unwrap(process if hasattr(process, "__annotations__") else type(process).__call__)


def _hint(function: Any, name: str) -> Any:
    annotations = getattr(function, "__annotations__", {})
    if name not in annotations:
        return UNKNOWN
    # Each by itself: one that cannot be found, as it is imported for type checkers alone, says nothing of the others.
    alone = types.SimpleNamespace(__annotations__={name: annotations[name]})
    try:
        return get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)[name]
    except Exception:  # noqa: BLE001 - evaluating an annotation may raise anything
        return UNKNOWN


def fits(given: Any, taken: Any) -> bool:
    """Say whether what is annotated `given` can be handed to who is annotated `taken`, as type checkers would.

    Any on the taking side takes everything; on the giving side it promises nothing. The arguments of generic types are
    compared if there are as many on both sides, and each must fit. Protocols count if they can be checked at run time.
    """
    given, taken = _plain(given), _plain(taken)
    if taken is Any or taken is object or given == taken:
        return True
    if _is_union(given):
        return all(fits(each, taken) for each in get_args(given))
    if _is_union(taken):
        return any(fits(given, each) for each in get_args(taken))
    if isinstance(given, NewType):
        return fits(given.__supertype__, taken)
    return _literals_fit(given, taken) if get_origin(given) is Literal else _class_fits(given, taken)


def _literals_fit(given: Any, taken: Any) -> bool:
    literals = get_args(given)
    if get_origin(taken) is Literal:
        return all(each in get_args(taken) for each in literals)
    return all(fits(type(each), taken) for each in literals)


def _plain(annotation: Any) -> Any:
    while True:
        if annotation is None:
            return types.NoneType
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, TypeVar):
            if annotation.__constraints__:
                return Union[annotation.__constraints__]  # noqa: UP007 - as many as there are
            annotation = annotation.__bound__ or Any
        elif type(annotation).__name__ == "TypeAliasType":  # `type X = ...`, from Python 3.12 on
            annotation = annotation.__value__  # pragma: no cover - not on the oldest Python
        else:
            return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def _class_fits(given: Any, taken: Any) -> bool:
    given_class, taken_class = get_origin(given) or given, get_origin(taken) or taken
    if not isinstance(given_class, type) or not isinstance(taken_class, type):
        return False
    if (given_class, taken_class) in _PROMOTED:
        return True
    try:
        is_one = issubclass(given_class, taken_class)
    except TypeError:  # a protocol, or a TypedDict, that cannot be asked
        return False
    return is_one and _arguments_fit(get_args(given), get_args(taken))


def _arguments_fit(given: tuple[Any, ...], taken: tuple[Any, ...]) -> bool:
    if len(given) != len(taken):
        return True  # of one that is not parametrised nothing is known, and another class may order them anew
    return all(
        Any in {one, other} or one is ... or other is ... or fits(one, other)
        for one, other in zip(given, taken, strict=True)
    )


def shown(annotation: Any) -> str:
    """Return how `annotation` is written."""
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
