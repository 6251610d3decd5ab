"""The secrets that the environment holds, which nothing on stderr or in the log file may show."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from atrio.cli._plain import in_words
from atrio.sinks import Redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


def note_without_secrets(value: Any, hide: Callable[[str], str] | None = None) -> Any:
    """Return a note, of plain values, without the environment's secrets.

    Args:
        value: what was noted, with all that is in it.
        hide: returns a text without them, if there is more than one note to be made so.
    """
    hide = hide or without_secrets(_nowhere).text
    if isinstance(value, Mapping):
        return {hide(name): note_without_secrets(each, hide) for name, each in value.items()}
    if isinstance(value, list):
        return [note_without_secrets(each, hide) for each in value]
    # A number may be a secret, too.
    shown = in_words(value)
    hidden = hide(shown)
    return value if hidden == shown else hidden


def _nowhere(event: Event, /) -> None:
    """Take note of nothing."""
