"""JSON Schema, in this process or in one of its own that can be stopped.

A schema that refers to itself can cost time that doubles with each level of the data, and each error that is described
costs some microseconds, all of it in one call that nothing interrupts. Where that may be long, this file is run by a
process of its own: it must import nothing of atrio, which takes longer to start.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from math import ceil
from typing import Any, Final

import jsonschema_rs

MEMORY: Final = 2 << 30
"""Bytes of address space that the program may have."""

_MASK: Final = "the value"


def validator_of(schema: Any, *, formats: bool) -> jsonschema_rs.Validator:
    """Return a validator of ``schema``. Its patterns take linear time, and it fetches nothing.

    Raises:
        ValueError: the schema is none, or refers to what is not in it.
    """
    return jsonschema_rs.validator_for(
        schema,
        validate_formats=formats,
        retriever=_refuse,
        mask=_MASK,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched: a schema must have all that it refers to in it")


def problems_of(validator: jsonschema_rs.Validator, data: Any, most: int) -> tuple[int, list[tuple[list[Any], str]]]:
    """Return how many problems ``data`` has, and path and message of the first ones.

    Args:
        validator: what `validator_of` gave.
        data: plain JSON.
        most: problems to describe.
    """
    count = 0
    found: list[tuple[list[Any], str]] = []
    for error in validator.iter_errors(data):
        count += 1
        if count <= most:
            # A message may list all the keys of a mapping.
            found.append((list(error.instance_path), error.message[:1_000]))
    return count, found


def answer(question: bytes) -> bytes:
    """Return the answer to what `JsonValidator` asks, both as JSON texts."""
    asked = json.loads(question)
    validator = validator_of(asked["schema"], formats=asked["formats"])
    if validator.is_valid(asked["data"]):
        return json.dumps([0, []]).encode()
    return json.dumps(problems_of(validator, asked["data"], asked["most"])).encode()


def limit(seconds: float) -> None:
    """Limit the processor time and the memory of this process, as far as the system can."""
    import resource  # noqa: PLC0415 - the program's only, and not everywhere

    whole = max(1, ceil(seconds))
    for what, most in ((resource.RLIMIT_CPU, whole), (resource.RLIMIT_AS, MEMORY)):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def main(seconds: float) -> None:
    """Answer what is asked on stdin, and take no more processor time for it than so many seconds, rounded up."""
    limit(seconds)
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
