"""What calls of language models used: the sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

__all__ = ["Usage"]


@attrs.frozen
class Usage:
    """What calls of language models used.

    Attributes:
        calls: how many there were, failed ones included.
        input_tokens: how many tokens the models were given; a call whose endpoint did not say adds none.
        output_tokens: how many they wrote; likewise.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return both together."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


NO_USAGE: Final = Usage()
USAGE_NOTE: Final = "usage"
"""Under which name a stage's usage is in its record's metadata."""


def noted_usage(metadata: Mapping[str, Any]) -> Usage:
    """Return the usage that stands in a record's metadata; what an agent noted there in another form counts nothing."""
    noted = metadata.get(USAGE_NOTE)
    if not isinstance(noted, Mapping):
        return NO_USAGE
    counts = [noted.get(name) for name in ("calls", "input_tokens", "output_tokens")]
    return Usage(*(each if type(each) is int and each > 0 else 0 for each in counts))
