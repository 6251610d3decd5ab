"""Refusing bad values when an object is built, with a sentence that says what would be right.

The validators have attrs' signature, so that a class states its rules where it states its fields.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import Attribute

MAXIMUM_ID_LENGTH = 200

_KEYS_BEGIN: Final = ("sk-", "sk_", "gsk_", "hf_", "AIza", "xai-", "ghp_")
_LONG: Final = 20
_VERY_LONG: Final = 32


def check_id(value: object, what: str) -> str:
    """Return `value` if it can serve as an id, else raise ValueError.

    Args:
        value: the candidate.
        what: what it is the id of, for the message ("stage_id").

    Raises:
        ValueError: it is not a string of 1 to 200 characters with something visible in it.
    """
    if not isinstance(value, str):
        msg = f"{what} must be a string of 1 to {MAXIMUM_ID_LENGTH} characters, not {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - the contract names one exception for every bad id
    if not value.strip():
        raise ValueError(f"{what} must not be blank: give it 1 to {MAXIMUM_ID_LENGTH} characters, not {value!r}")
    if len(value) > MAXIMUM_ID_LENGTH:
        begin = f"{value[:40]!r}..."
        raise ValueError(f"{what} must have at most {MAXIMUM_ID_LENGTH} characters, not {len(value)}: {begin}")
    return value


def derived_id(text: str, longest: int = MAXIMUM_ID_LENGTH) -> str:
    """Return `text`, shortened with a hash of the whole where it is longer than `longest`, and than an id may be."""
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[: longest - 17]}~{digest}"


def is_number(value: object) -> TypeGuard[int | float]:
    """Say whether `value` is an int or float; booleans are not numbers here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object, what: str, right: str) -> float:
    if not is_number(value):
        raise TypeError(f"{what} must be {right}, not {value!r}")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        finite = False
    if not finite:
        raise ValueError(f"{what} must be {right}, not {value!r}")
    return value


def check_seconds(value: object, what: str) -> None:
    """Raise unless `value` is None or a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it is 0, negative, infinite or NaN.
    """
    right = "a number of seconds above 0, or None for no limit"
    if value is not None and _number(value, what, right) <= 0:
        raise ValueError(f"{what} must be {right}, not {value!r}")


def check_count(value: object, what: str) -> None:
    """Raise unless `value` is a whole number of at least 1.

    Raises:
        TypeError: it is no int (a bool is none either).
        ValueError: it is below 1.
    """
    right = "a whole number, at least 1"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be {right}, not {value!r}")
    if value < 1:
        raise ValueError(f"{what} must be {right}, not {value!r}")


def check_above_zero(value: object, what: str) -> float:
    """Return `value` as a float if it is a finite number above 0, else raise.

    Raises:
        TypeError: it is no number.
        ValueError: it is 0, negative, infinite or NaN.
    """
    right = "a finite number above 0"
    number = _number(value, what, right)
    if number <= 0:
        raise ValueError(f"{what} must be {right}, not {value!r}")
    return float(number)


def check_at_least(value: object, what: str, minimum: float) -> float:
    """Return `value` as a float if it is a finite number of at least `minimum`, else raise.

    Raises:
        TypeError: it is no number.
        ValueError: it is below `minimum`, infinite or NaN.
    """
    right = f"a finite number, at least {minimum:g}"
    number = _number(value, what, right)
    if number < minimum:
        raise ValueError(f"{what} must be {right}, not {value!r}")
    return float(number)


def copied_mapping(value: object, what: str) -> dict[str, Any]:
    """Return a copy of a mapping as a dict, of None an empty one.

    Raises:
        TypeError: it is neither.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a mapping of names to values, not {type(value).__name__}")
    return dict(value)


def _named(instance: object, attribute: Attribute[Any]) -> str:
    return f"{type(instance).__name__}.{attribute.name}"


def seconds(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Validate an attrs field as seconds above 0, or None."""
    check_seconds(value, _named(instance, attribute))


def count(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Validate an attrs field as a whole number of at least 1."""
    check_count(value, _named(instance, attribute))


def above_zero(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Validate an attrs field as a finite number above 0."""
    check_above_zero(value, _named(instance, attribute))


def at_least(minimum: float) -> Callable[[object, Attribute[Any], object], None]:
    """Return a validator of an attrs field: a finite number of at least `minimum`."""

    def validate(instance: object, attribute: Attribute[Any], value: object) -> None:
        check_at_least(value, _named(instance, attribute), minimum)

    return validate


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


def of_type(kind: type, example: str) -> Callable[[object, Attribute[Any], object], None]:
    """Return a validator of an attrs field: an instance of `kind`; `example` shows what would be right."""

    def validate(instance: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise TypeError(
                f"{_named(instance, attribute)} must be {_article(kind.__name__)}, not {value!r}: write {example}"
            )

    return validate


def may_be_secret(name: str) -> bool:
    """Say whether what stands where the name of a variable belongs may be a secret: it is not to be shown then.

    Args:
        name: the text. It may be one if it begins as keys of well-known services do, or is long, and of small and
            capital letters, with digits among them or very long.
    """
    if name.startswith(_KEYS_BEGIN):
        return True
    is_mixed = name != name.upper() and name != name.lower()
    has_digits = any(each.isdigit() for each in name)
    return is_mixed and len(name) >= (_LONG if has_digits else _VERY_LONG)
