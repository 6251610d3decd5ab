"""JMESPath expressions: checked when they are built, evaluated in steps that can be interrupted."""

import difflib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

from atrio.agents._failures import InvalidDataError, shown
from atrio.agents._jsonable import Json, Plain
from atrio.agents._offload import Poll, no_poll

_LONGEST: Final = 10_000
_POLL_EVERY: Final = 2_000
_EQUALITIES: Final = ("eq", "ne")
_ORDERED: Final = (int, float), str


class Expression:
    """A JMESPath expression (jmespath.org).

    Args:
        text: the expression, at most 10,000 characters.

    Raises:
        TypeError: ``text`` is no str.
        ValueError: it is no expression, or calls a function that JMESPath does not have, or with the wrong number of
            arguments.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"expression must be a JMESPath expression, as in 'orders[].total', not {text!r}")
        if len(text) > _LONGEST:
            raise ValueError(f"expression must have at most {_LONGEST:,} characters, not {len(text):,}")
        self.text = text
        try:
            with warnings.catch_warnings():
                # Text between backticks without quotes, as older versions of JMESPath had it, is read as text.
                warnings.simplefilter("ignore", PendingDeprecationWarning)
                self._tree: Mapping[str, Any] = jmespath.compile(text).parsed
        except JMESPathError as error:
            raise ValueError(f"expression {shown(text)!r} is no JMESPath: {_first_line(error)}") from error
        except RecursionError:
            raise ValueError(f"expression {shown(text)!r} is nested too deep") from None
        for call in _calls_in(self._tree):
            _check_call(text, call["value"], len(call["children"]))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def value(self, data: object, poll: Poll = no_poll) -> Json:
        """Return what the expression gives for ``data``, as plain JSON; None where it finds nothing.

        Args:
            data: what it is applied to; what is no plain JSON is made that first, as `Plain` says.
            poll: called now and then.

        Raises:
            InvalidDataError: the data is no JSON, or not of the types that the expression's functions take.
        """
        plain = Plain(poll).of(data)
        try:
            found: object = _Interpreter(poll).visit(self._tree, plain)
        except JMESPathTypeError as error:
            # Its own message has the whole value in it.
            wanted = ", ".join(map(str, error.expected_types))
            why = f"{error.function_name}() takes {wanted}, not {error.actual_type}"
        except (JMESPathError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            why = type(error).__name__
        else:
            return Plain(poll, "what the expression gives").of(found)
        raise InvalidDataError(f"expression {shown(self.text)!r} cannot be applied to the data: {why}")


class _Interpreter(TreeInterpreter):
    """JMESPath's own interpreter, which asks now and then whether its work is still wanted."""

    def __init__(self, poll: Poll) -> None:
        super().__init__()
        self._poll = poll
        self._visits = 0

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._visits += 1
        if self._visits % _POLL_EVERY == 0:
            self._poll()
        return super().visit(node, *args, **kwargs)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        if node["value"] not in _EQUALITIES:
            left, right = (self.visit(child, value) for child in node["children"])
            # By JMESPath's specification that is null; the package would compare text with numbers, and fail.
            if isinstance(left, bool) or isinstance(right, bool):
                return None
            if not any(isinstance(left, kinds) and isinstance(right, kinds) for kinds in _ORDERED):
                return None
            return self.COMPARATOR_FUNC[node["value"]](left, right)
        return super().visit_comparator(node, value)


def _first_line(error: JMESPathError) -> str:
    return shown(str(error).partition("\n")[0].rstrip(":"))


def _calls_in(tree: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        # The children of a slice are numbers.
        if isinstance(node, Mapping):
            if node["type"] == "function_expression":
                yield node
            waiting.extend(node.get("children", ()))


def _check_call(text: str, name: str, given: int) -> None:
    table: Mapping[str, Any] = Functions.FUNCTION_TABLE
    where = f"expression {shown(text)!r}"
    if name not in table:
        meant = difflib.get_close_matches(name, sorted(table), n=1)
        hint = f"; did you mean {meant[0]}()?" if meant else f": it has {', '.join(sorted(table))}"
        raise ValueError(f"{where}: JMESPath has no function {shown(name)}(){hint}")
    signature = table[name]["signature"]
    is_variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_variadic):
        least = "at least " if is_variadic else ""
        raise ValueError(f"{where}: {name}() takes {least}{len(signature)} arguments, not {given}")
