"""An agent that lets through what a schema describes: `JsonValidator`."""

import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from atrio._validation import check_above_zero, check_count
from atrio.agents import _schema_check as check
from atrio.agents._failures import DataProblem, InvalidDataError, shown
from atrio.agents._jsonable import Json, Plain, decoded, encoded, pointer_of, weight_of
from atrio.agents._offload import INLINE_BELOW, Poll, compute
from atrio.agents._processes import run
from atrio.agents._schema_work import work_of

_THREADS: Final = 2
_FILE: Final = Path(check.__file__)
# Named as the module that it is, so that tracebacks and coverage call it by its name.
_PROGRAM: Final = (
    f"import runpy, sys; runpy.run_path(sys.argv[1], run_name={check.__name__!r})['main'](float(sys.argv[2]))"
)
_MOST_WORK: Final = 10_000
_MOST_LOOKS: Final = 10_000_000
_MOST_REPETITION: Final = 1_000_000
"""Characters of data, times how often they are looked at, times the size of the patterns; some 50 ms."""

_FEW: Final = 4_000
"""Characters of data: some two hundred values."""

_LARGEST_ANSWER: Final = 10_000_000

Problems = tuple[int, list[tuple[list[Any], str]]]


class JsonValidator:
    """An agent that passes data on if it is as a JSON Schema asks, and else fails and says what is wrong, all of it.

    The drafts 4, 6, 7, 2019-09 and 2020-12 are known, by ``$schema``; without it, it is 2020-12. Objects of attrs
    classes and dataclasses, tuples, sets, enums, dates and times are made JSON first, and that is passed on.

    The data is never trusted. Patterns take linear time, whatever the data is, and so cannot look ahead or back, nor
    refer to groups. What could take long (data in which much is wrong, many integers of more than 64 bits, a schema
    that refers to itself, or to the same part in very many ways, patterns with large counted repetitions) is looked at
    by a process of its own. That takes some 0.1 s to start, and is stopped with the stage, or after ``timeout``.
    Nothing is ever fetched: a schema has all that it refers to in it.

    Args:
        schema: a JSON Schema, a dict or a bool.
        formats: whether ``format`` is checked, as in ``{"format": "email"}``; formats that are unknown never are.
        max_problems: how many problems to describe, at least 1; of more, it is said how many there are.
        timeout: seconds of processor time that the process may take, rounded up, above 0.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If ``schema`` is no JSON Schema, or refers to something that is not in it, or a number is out of its
            range.
    """

    agent_id: str = "json_validator"

    def __init__(
        self,
        schema: dict[str, Any] | bool,  # noqa: FBT001 - `true` is a schema
        *,
        formats: bool = True,
        max_problems: int = 20,
        timeout: float = 10.0,
    ) -> None:
        if not isinstance(formats, bool):
            raise TypeError(f"formats must be True or False, not {formats!r}")
        check_count(max_problems, "max_problems")
        self._timeout = check_above_zero(timeout, "timeout")
        self._schema, self._validator = _checked_schema(schema, formats=formats)
        self._formats = formats
        self._max_problems = max_problems
        self._work = work_of(self._schema)
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def process(self, data: object, /) -> Json:
        """Return ``data`` as plain JSON, if it is as the schema asks.

        Raises:
            InvalidDataError: If it is not, or is no JSON; its ``problems`` say where, and what. A stage does not try
                that again.
        """
        size = weight_of(data, INLINE_BELOW)
        plain, found = await compute(partial(self._looked_at, data), size, self._limiter)
        count, described = await self._asked(plain, found) if isinstance(found, str) else found
        if count:
            places = "1 problem" if count == 1 else f"{count:,} problems"
            problems = [DataProblem(pointer_of(path), shown(message)) for path, message in described]
            raise InvalidDataError(f"the data is not as the schema asks ({places})", problems)
        return plain

    def _looked_at(self, data: object, poll: Poll) -> tuple[Json, Problems | str]:
        """Return the data as plain JSON, and its problems; or, where they take long to tell, what is known of it."""
        copying = Plain(poll, surrogates=False)
        plain = copying.of(data)
        known = self._work
        # Each level of the data may double the work of each reference, several times.
        work = (4 * known.references) ** copying.depth if known.is_recursive else 1
        looks = known.ways * copying.size
        takes_long = work > _MOST_WORK or looks > _MOST_LOOKS or looks * known.repetition > _MOST_REPETITION
        # To tell long integers apart takes it the square of their number.
        if takes_long or (copying.has_long_integers and copying.size > _FEW):
            return plain, "the data cannot be checked"
        if self._validator.is_valid(plain):
            return plain, (0, [])
        if looks > INLINE_BELOW:
            return plain, "the data is not as the schema asks, and what is wrong cannot be told"
        return plain, check.problems_of(self._validator, plain, self._max_problems)

    async def _asked(self, plain: Json, known: str) -> Problems:
        """Return the problems of the data, as told by a process that can be stopped."""
        question = {"schema": self._schema, "formats": self._formats, "most": self._max_problems, "data": plain}
        # In a thread: it may be large.
        given = await compute(partial(encoded, question), INLINE_BELOW, self._limiter)
        # -P: what is in the current directory is not imported.
        command = [sys.executable, "-P", "-c", _PROGRAM, str(_FILE), str(self._timeout)]
        ended = await run(command, given, max_output=_LARGEST_ANSWER, grace=0)
        if ended.exit_code < 0 or b"MemoryError" in ended.stderr:
            gigabytes = check.MEMORY >> 30
            raise InvalidDataError(
                f"{known}: it takes more than {self._timeout:g} s of processor time, or {gigabytes} GB of memory"
            )
        if ended.exit_code:
            raise RuntimeError(f"the process that checks data failed: {shown(ended.stderr.decode(errors='replace'))}")
        answer: Any = decoded(ended.stdout)
        return answer[0], answer[1]


def _checked_schema(schema: object, *, formats: bool) -> tuple[Any, Any]:
    if not isinstance(schema, dict | bool):
        raise TypeError(f"schema must be a JSON Schema, as in {{'type': 'object'}}, not {type(schema).__name__}")
    try:
        plain = Plain(what="the schema", surrogates=False).of(schema)
        return plain, check.validator_of(plain, formats=formats)
    except InvalidDataError as error:
        raise ValueError(f"schema: {error}") from None
    except ValueError as error:
        place = pointer_of(getattr(error, "instance_path", ()))
        why = shown(getattr(error, "message", str(error)), 500)
        hint = (
            "; a pattern can neither look ahead or back nor refer to a group" if why.endswith('not a "regex"') else ""
        )
        raise ValueError(f"schema{place}: {why}{hint}") from None
