"""What a line of a log has: each field, its type, what it may be and what it means, read from the event classes.

The documentation's tables, the JSON Schema and the check of a log are made from this, so that they cannot disagree.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any, Final

import attrs

from atrio.events._envelope import SCHEMA, Envelope
from atrio.events._levels import LEVEL_NUMBERS
from atrio.events._observing import EVENT_KINDS

LOGGER: Final = "atrio"
"""What `logger` is on every line."""
LARGEST_INT: Final = 2**53 - 1
"""What every JSON reader holds exactly, and so the largest int of a line."""

_RUN_ID: Final = "^[0-9a-f]{32}$"
TIMESTAMP: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{6}Z$"
_PATTERNS: Final = {"run_id": _RUN_ID, "parent_run_id": _RUN_ID, "timestamp": TIMESTAMP}
_TYPES: Final = {"None": "null", "datetime": "str"}


@attrs.frozen
class LineField:
    """A field of a line.

    Attributes:
        name: its name.
        types: what it may be: str, int, float, null.
        meaning: what it says; empty where Python was told to keep no docstrings.
        values: all that it may be, if they can be counted.
        pattern: a regular expression that its text matches, or None.
        minimum: the least that it may be, or None.
    """

    name: str
    types: tuple[str, ...]
    meaning: str
    values: tuple[str | int, ...] = ()
    pattern: str | None = None
    minimum: int | None = None


def meanings(kind: type[Any]) -> dict[str, str]:
    """Return what the docstrings of `kind` and of its bases say of each attribute."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        text = inspect.cleandoc(each.__dict__.get("__doc__") or "")
        _, _, attributes = text.partition("Attributes:\n")
        for name, sentence in re.findall(r"^(\w+): (.*(?:\n +.*)*)", textwrap.dedent(attributes), flags=re.MULTILINE):
            found[name] = " ".join(sentence.split())
    return found


def _field(kind: type[Any], field: attrs.Attribute[Any]) -> LineField:
    meaning = meanings(kind).get(field.name, "").replace("None", "null")
    types = tuple(_TYPES.get(name, name) for name in str(field.type).split(" | "))
    values = kind.statuses if field.name == "status" else ()
    # Whole numbers count something, or say its place; of floats those are never negative that are seconds.
    seconds = field.name.endswith("_s") and not field.name.endswith("_per_s")
    least = 0 if "int" in types or ("float" in types and seconds) else None
    return LineField(field.name, types, meaning[:1].upper() + meaning[1:], values, _PATTERNS.get(field.name), least)


def shared_fields() -> tuple[LineField, ...]:
    """Return the fields that the lines of every event have, in their order."""
    ids = {field.name: _field(Envelope, field) for field in attrs.fields(Envelope)}
    timestamp = ids.pop("timestamp")
    return (
        LineField("schema", ("int",), f"The version of this catalogue: {SCHEMA}.", (SCHEMA,)),
        LineField("event", ("str",), "The event's dotted name.", tuple(kind.event_name for kind in EVENT_KINDS)),
        LineField("level", ("str",), "Debug, info, warning or error.", tuple(LEVEL_NUMBERS)),
        attrs.evolve(timestamp, meaning="When it happened: UTC, ISO 8601, six digits of a second and `Z`."),
        LineField("logger", ("str",), f"Always {LOGGER}.", (LOGGER,)),
        *ids.values(),
        LineField(
            "seq",
            ("int",),
            "0, 1, 2, ... within the run, counted among the lines written; without a run, within the process.",
            minimum=0,
        ),
        LineField("pid", ("int",), "The process that wrote the line.", minimum=0),
        LineField("host", ("str",), "The name of the machine that it runs on."),
        LineField("service", ("str", "null"), "The name given to the service, or null."),
    )


def own_fields(kind: type[Any]) -> tuple[LineField, ...]:
    """Return the fields that only the lines of `kind` have, in their order."""
    shared = {field.name for field in attrs.fields(Envelope)}
    return tuple(_field(kind, field) for field in attrs.fields(kind) if field.name not in shared)
