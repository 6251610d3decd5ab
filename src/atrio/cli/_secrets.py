"""The secrets that the environment holds, which nothing on stderr or in the log file may show."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from atrio.sinks import Redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atrio import Event, Sink

_NAME: Final = re.compile(
    r"(?:^|_)(?:KEY|TOKEN|SECRET|CREDENTIALS?|PASSPHRASE)$|_PWD$|(?:PASSWORD|PASSWD|APIKEY)$", re.IGNORECASE
)
_SHORTEST: Final = 8
"""Characters of a value that is a secret: a shorter one is a word, and found in much that is none."""
_also: Final[set[str]] = set()
"""Variables whose values are secrets whatever their names are."""


def keep_secret(names: Iterable[str]) -> None:
    """Take the values of these environment variables for secrets from now on, whatever their names are."""
    _also.update(names)


def forget_what_is_secret() -> None:
    """Know secrets by the names of their variables alone."""
    _also.clear()


def _secrets() -> list[str]:
    values = (value.strip() for name, value in os.environ.items() if name in _also or _NAME.search(name))
    return [value for value in values if len(value) >= _SHORTEST]


def without_secrets(sink: Sink) -> Redacted:
    """Return a sink that gives events to `sink`, without the environment's secrets."""
    return Redacted(sink, _secrets())


def text_without_secrets(text: str) -> str:
    """Return `text` without the environment's secrets."""
    return without_secrets(_nowhere).text(text)


def _nowhere(event: Event, /) -> None:
    """Take note of nothing."""
