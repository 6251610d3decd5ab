"""JMESPath expressions on the data of a run: what a router chooses by, and what a call costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["LONGEST_S", "compiled"]

LONGEST_S: Final = 1.0
"""Seconds after which an expression is given up: while it is evaluated, nothing else runs."""


def compiled(expression: str) -> Callable[[Any], Any]:
    """Return a function of the data that gives what `expression` finds in it, None if nothing.

    The data is seen as JSON: the fields of attrs classes and dataclasses are found as keys. What JSON cannot hold, or
    takes longer than a second, is refused with a TypeError, so that a stage does not try again.

    Args:
        expression: a JMESPath expression.

    Raises:
        ValueError: it is none, or calls a function that there is not, or with the wrong number of arguments.
        ModuleNotFoundError: the package ``jmespath`` is not installed; the message says what to install.
    """
    try:
        from atrio.agents._expressions import Expression  # noqa: PLC0415 - few files have an expression
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"expressions need the extra \"cli\": pip install 'atrio[cli]' (there is no module {error.name!r})",
            name=error.name,
        ) from error
    parsed = Expression(expression)

    def find(data: Any) -> Any:
        until = time.perf_counter() + LONGEST_S

        def poll() -> None:
            if time.perf_counter() > until:
                from atrio.agents._failures import InvalidDataError  # noqa: PLC0415 - hardly ever needed

                raise InvalidDataError(
                    f"the data is too large for the expression {expression[:80]!r}: it took longer than {LONGEST_S:g} s"
                )

        return parsed.value(data, poll)

    return find
