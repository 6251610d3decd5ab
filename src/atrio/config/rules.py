"""What a value of the configuration must be beyond its type: each rule checks it, and says so to an editor."""

from __future__ import annotations

import builtins
import difflib
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import attrs

from atrio import _validation as valid
from atrio.registry.definitions import AgentDefinition, check_capability, check_schema, is_dotted_name

__all__ = [
    "AboveZero",
    "Address",
    "AgentClass",
    "CapabilityName",
    "Count",
    "ExceptionName",
    "Expression",
    "Factor",
    "KeyVariable",
    "ModulePath",
    "Name",
    "NotNegative",
    "Rule",
    "SchemaName",
    "Score",
    "Timeout",
    "Variable",
    "is_variable",
    "variable_in",
]

_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"


@attrs.frozen(eq=False)
class Rule:
    """What a value of the right type must be besides.

    Attributes:
        check: raises TypeError or ValueError, with a message that begins with "must".
        schema: the same as keywords of JSON Schema, as far as it has them.
        right: what would be right, where the type alone does not say it; empty if it does.
    """

    check: Callable[[Any], object]
    schema: Mapping[str, Any]
    right: str = ""


def _said_of(check: Callable[[Any, str], object]) -> Callable[[Any], None]:
    """Return `check`, which names what it looks at, as one that leaves this to whoever knows the path."""

    def checked(value: Any) -> None:
        try:
            check(value, "")
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).strip()) from None

    return checked


def _as_in_a_definition(field: str) -> Callable[[Any], None]:
    convert = getattr(attrs.fields(AgentDefinition), field).converter

    def check(value: Any) -> None:
        try:
            convert(value)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace(f"AgentDefinition.{field} ", "")) from None

    return check


def _check_name(value: str) -> None:
    right = f"a name of 1 to {valid.MAXIMUM_ID_LENGTH} characters, without line breaks and blanks at its ends"
    if not value or value != value.strip() or len(value) > valid.MAXIMUM_ID_LENGTH or not value.isprintable():
        raise ValueError(f"must be {right}, not {value[:40]!r}")


def _check_score(value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {value!r}")


def is_variable(text: str) -> bool:
    """Say whether a text can be the name of an environment variable: letters, digits and _, no digit first.

    What may be a secret itself, put where the name of its variable belongs, is none.
    """
    return re.fullmatch(_VARIABLE, text) is not None and not valid.may_be_secret(text)


def variable_in(header: str) -> str | None:
    """Return the environment variable that the value of a header names, after a scheme or not; None if it names none.

    Args:
        header: the value, as in ``"Bearer SHOP_TOKEN"``. Where it names no variable, it may be the secret itself.
    """
    found = re.fullmatch(rf"(?:\S+\s+)?({_VARIABLE})", header.strip())
    return None if found is None or not is_variable(found[1]) else found[1]


def _check_variable(value: str) -> None:
    if valid.may_be_secret(value):
        raise ValueError(
            "must be the name of an environment variable, as in 'SHOP_KEY', and what stands here may be a secret "
            "itself, which does not belong in this file"
        )
    if not is_variable(value):
        raise ValueError(
            "must be the name of an environment variable (letters, digits and _, no digit first), as in 'SHOP_KEY', "
            f"not {value[:40]!r}"
        )


def _check_key_variable(value: str) -> None:
    # The value is not shown: it may be the key itself, put where its variable's name belongs.
    if not is_variable(value):
        raise ValueError(
            "must be the name of the environment variable that holds the API key, as in 'OPENAI_API_KEY', and what "
            "stands here is no such name; the API key itself does not belong in this file"
        )


def _check_address(value: str) -> None:
    right = "an address that begins with https:// or http://, as in 'https://api.openai.com/v1'"
    if "@" in value.partition("?")[0]:
        raise ValueError(f"must be {right}, without a user name or password before an @")
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
        raise ValueError(f"must be {right}, without blanks, '?' and '#', not {value[:80]!r}")


def _check_expression(value: str) -> None:
    if not value.strip():
        raise ValueError(f"must be a JMESPath expression, as in 'customer.language', not {value[:40]!r}")


_TIMEOUT: Final = "a number of seconds above 0, or 'none' for no limit"


def _check_timeout(value: float | str) -> None:
    if not isinstance(value, str) and not 0 < value < math.inf:
        raise ValueError(f"must be {_TIMEOUT}, not {value!r}")


def _check_exception(value: str) -> None:
    if "." in value:
        if not is_dotted_name(value):
            raise ValueError(
                f"must be the name of an exception class with its module, as in 'json.JSONDecodeError', not {value!r}"
            )
        return
    if value in _BUILT_IN_EXCEPTIONS:
        return
    nearest = difflib.get_close_matches(value, _BUILT_IN_EXCEPTIONS, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        "must be the name of an exception: one of Python's own, as in 'ConnectionError', or one with its module, as in "
        f"'json.JSONDecodeError', and {value[:80]!r} is neither{hint}"
    )


_BUILT_IN_EXCEPTIONS: Final = sorted(
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)
)

_A_NAME: Final = {"minLength": 1, "maxLength": valid.MAXIMUM_ID_LENGTH}

Name: TypeAlias = Annotated[str, Rule(_check_name, _A_NAME, "a name")]
Count: TypeAlias = Annotated[int, Rule(_said_of(valid.check_count), {"minimum": 1}, "a whole number, at least 1")]
AboveZero: TypeAlias = Annotated[
    float, Rule(_said_of(valid.check_above_zero), {"exclusiveMinimum": 0}, "a number above 0")
]
NotNegative: TypeAlias = Annotated[
    float,
    Rule(_said_of(lambda value, what: valid.check_at_least(value, what, 0)), {"minimum": 0}, "a number, at least 0"),
]
Factor: TypeAlias = Annotated[
    float,
    Rule(_said_of(lambda value, what: valid.check_at_least(value, what, 1)), {"minimum": 1}, "a number, at least 1"),
]
Score: TypeAlias = Annotated[float, Rule(_check_score, {"minimum": 0, "maximum": 1}, "a number from 0 to 1")]
AgentClass: TypeAlias = Annotated[str, Rule(_as_in_a_definition("agent_class"), _A_NAME)]
ModulePath: TypeAlias = Annotated[str, Rule(_as_in_a_definition("module_path"), _A_NAME)]
CapabilityName: TypeAlias = Annotated[str, Rule(_said_of(check_capability), _A_NAME)]
SchemaName: TypeAlias = Annotated[str, Rule(_said_of(check_schema), _A_NAME)]
Variable: TypeAlias = Annotated[str, Rule(_check_variable, {"pattern": f"^{_VARIABLE}$"})]
KeyVariable: TypeAlias = Annotated[str, Rule(_check_key_variable, {"pattern": f"^{_VARIABLE}$"})]
Address: TypeAlias = Annotated[str, Rule(_check_address, {"pattern": "^https?://"})]
Expression: TypeAlias = Annotated[str, Rule(_check_expression, {"minLength": 1})]
Timeout: TypeAlias = Annotated[
    float | Literal["none"],
    Rule(_check_timeout, {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "none"}]}, _TIMEOUT),
]
ExceptionName: TypeAlias = Annotated[str, Rule(_check_exception, {"minLength": 1})]
