"""An agent for data: `JsonTransformer`."""

from typing import Final

import trio

from atrio.agents._expressions import Expression
from atrio.agents._jsonable import Json, weight_of
from atrio.agents._offload import INLINE_BELOW, Poll, compute

_THREADS: Final = 2


class JsonTransformer:
    """An agent that picks from data and arranges it anew, with a JMESPath expression (jmespath.org).

    It takes JSON: dicts, lists, str, int, float, bool and None. Objects of attrs classes and dataclasses, tuples, sets,
    enums, dates and times are made JSON first. What it gives is a copy. Where the expression finds nothing, that is
    None. Comparisons by size of anything but two numbers or two strings are None too.

    The data is never trusted: it is not more than what the expression looks at. Data larger than 50 million characters
    (each value counts as 20 at least) or nested more than 100 levels deep is refused.

    Args:
        expression: what to give, as in ``"orders[?paid].{id: id, sum: total}"``; at most 10,000 characters.

    Raises:
        TypeError: If ``expression`` is no str.
        ValueError: If it is no JMESPath, or calls a function that JMESPath does not have.
    """

    agent_id: str = "json_transformer"

    def __init__(self, expression: str) -> None:
        self._expression = Expression(expression)
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def process(self, data: object, /) -> Json:
        """Return what the expression gives for ``data``.

        Raises:
            InvalidDataError: If ``data`` is no JSON, or too large, or not of the types that the expression's functions
                take. A stage does not try that again.
        """

        def work(poll: Poll) -> Json:
            return self._expression.value(data, poll)

        return await compute(work, weight_of(data, INLINE_BELOW), self._limiter)
