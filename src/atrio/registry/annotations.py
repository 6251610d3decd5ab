"""What an agent says that it takes and gives, in the annotations of its ``process``, and what fits that."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from atrio._text import message_of

__all__ = ["UNKNOWN", "Unknown", "fits", "gives_of", "is_union", "shown", "takes_of"]


@attrs.frozen
class Unknown:
    """Stands for an annotation that is absent, or that names what cannot be found.

    Attributes:
        why: what was said that cannot be found, and why, in words; empty where nothing was said.
    """

    why: str = ""


UNKNOWN: Final = Unknown()
"""Nothing was said."""

_PROMOTED: Final = {(int, float), (int, complex), (float, complex)}
"""Numbers that serve where another kind is asked for, though they are of no subclass of it."""


def takes_of(process: Callable[..., Any]) -> Any:
    """Return what the first parameter of `process` is annotated with, an Unknown if with nothing that can be found."""
    try:
        parameters = list(inspect.signature(process).parameters.values())
    except (TypeError, ValueError):
        return UNKNOWN
    return _hint(process, parameters[0].name) if parameters else UNKNOWN


def gives_of(process: Callable[..., Any]) -> Any:
    """Return what `process` is annotated to return, an Unknown if nothing that can be found."""
    return _hint(process, "return")


def _hint(process: Any, name: str) -> Any:
    while isinstance(process, functools.partial):
        process = process.func
    if not inspect.isroutine(process):
        process = type(process).__call__ if isinstance(process, type) else process.__call__
    # What wraps another function is looked through, as inspect does.
    function = inspect.unwrap(process)
    annotations = getattr(function, "__annotations__", {})
    if name not in annotations:
        return UNKNOWN
    # Each by itself: one that cannot be found, as it is imported for type checkers alone, says nothing of the others.
    alone = types.SimpleNamespace(__annotations__={name: annotations[name]})
    try:
        hint = get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)[name]
    except Exception as error:  # noqa: BLE001 - evaluating an annotation may raise anything
        said = annotations[name]
        return Unknown(f"{said if isinstance(said, str) else shown(said)!r} cannot be resolved: {message_of(error)}")
    owner = getattr(process, "__self__", None)
    return hint if owner is None else _bound(hint, type(owner), getattr(process, "__name__", ""))


def _bound(hint: Any, kind: type, name: str) -> Any:
    """Return `hint`, of the method `name` of `kind`, with the type variables of generic bases as `kind` has them."""
    home = next((each for each in kind.__mro__ if name in vars(each)), kind)
    variables = _variables_of(kind).get(home, {})
    used = (hint,) if isinstance(hint, TypeVar) else getattr(hint, "__parameters__", ())
    if not any(each in variables for each in used):
        return hint
    if any(variables.get(each, each) is UNKNOWN for each in used):
        return UNKNOWN
    return _substituted(hint, variables)


def _variables_of(kind: type) -> dict[type, dict[Any, Any]]:
    """Return what the type variables of the generic classes that `kind` is built on stand for; UNKNOWN if for none."""
    known: dict[type, dict[Any, Any]] = {}
    for each in kind.__mro__:
        own = known.setdefault(each, dict.fromkeys(getattr(each, "__parameters__", ()), UNKNOWN))
        for base in vars(each).get("__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            parameters = getattr(origin, "__parameters__", ())
            if isinstance(origin, type) and len(parameters) == len(arguments):
                values = (_substituted(argument, own) for argument in arguments)
                known.setdefault(origin, dict(zip(parameters, values, strict=True)))
    return known


def _substituted(hint: Any, variables: Mapping[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return variables.get(hint, hint)
    used = getattr(hint, "__parameters__", ())
    if not used or isinstance(hint, type):
        return hint
    values = tuple(variables.get(each, each) for each in used)
    return UNKNOWN if any(each is UNKNOWN for each in values) else hint[values]


def fits(given: Any, taken: Any) -> bool:
    """Say whether what is annotated `given` can be handed to who is annotated `taken`, as type checkers would.

    Any on the taking side takes everything; on the giving side it promises nothing. The arguments of generic types are
    compared if there are as many on both sides, and each must fit. Protocols count if they can be checked at run time.
    """
    given, taken = _plain(given), _plain(taken)
    if taken is Any or taken is object or given == taken:
        return True
    if is_union(given):
        return all(fits(each, taken) for each in get_args(given))
    if is_union(taken):
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


def is_union(annotation: Any) -> bool:
    """Say whether `annotation` is one of several types, in whichever way it is written."""
    return get_origin(annotation) in {Union, types.UnionType}


def _class_fits(given: Any, taken: Any) -> bool:
    given_class, taken_class = get_origin(given) or given, get_origin(taken) or taken
    if not isinstance(given_class, type) or not isinstance(taken_class, type):
        return False
    if any(issubclass(given_class, one) and taken_class is other for one, other in _PROMOTED):
        return True
    try:
        is_one = issubclass(given_class, taken_class)
    except TypeError:  # a protocol, or a TypedDict, that cannot be asked
        return False
    return is_one and _arguments_fit(get_args(given), get_args(taken))


def _arguments_fit(given: tuple[Any, ...], taken: tuple[Any, ...]) -> bool:
    if len(given) != len(taken):
        return True  # of one that is not parametrised nothing is known, and another class may order them anew
    return all(_argument_fits(one, other) for one, other in zip(given, taken, strict=True))


def _argument_fits(given: Any, taken: Any) -> bool:
    if given is Any or taken is Any or given is ... or taken is ...:
        return True
    if isinstance(given, list) and isinstance(taken, list):  # of parameters, which go the other way
        return len(given) == len(taken) and all(map(_argument_fits, taken, given))
    return fits(given, taken)


def shown(annotation: Any) -> str:
    """Return how `annotation` is written."""
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
