"""What a program may claim to do beside the work itself, and what its probe must give to be believed.

The tables say of each program which of these it has, so that nobody takes a bare loop for a slower one's equal. Before
anything is timed, each claim is probed in the worker process, and a program that claims what it does not show is not
measured.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Feature:
    """A thing that some programs do and others do not: its column's heading, and what its probe must give."""

    title: str
    meaning: str
    expected: Any


FEATURES = {
    "records": Feature(
        "records", "a record of each stage: which, how it ended, how long it took", ["stage_0", "stage_1", "stage_2"]
    ),
    "attempts": Feature("attempts", "a stage that fails twice is tried again, up to three times", 3),
    "timeout": Feature("timeout", "a stage that takes too long is cut off, by a deadline of its own", "timeout"),
    "events": Feature("events", "whoever asks is told of each stage's or item's end", 3),
    "limit": Feature("limit", "no more than so many items run at once", 5),
    "order": Feature("order", "outputs come in the order of their inputs", list(range(10))),
    "outcomes": Feature(
        "outcomes", "an item that fails leaves the others alone, and its error is kept", [9, "ValueError"]
    ),
    "lines": Feature("lines", "a line of JSON is written of each end that is told, with all fields of the event", 3),
    "breaker": Feature("breaker", "an agent that keeps failing is left alone after some calls", "left alone"),
    "rate": Feature("rate limit", "calls above the rate wait for their turn", "paced"),
}
