"""A sink around another one, which keeps secrets out of what it is given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio._notes import without
from atrio._text import LONGEST_MESSAGE
from atrio.events import _levels as levels
from atrio.events._observing import check_sink

if TYPE_CHECKING:
    from atrio.events import Event, Sink

_MASK: Final = "***"
_SHORTEST: Final = 4
"""Characters of a secret: shorter ones are parts of too much that is none."""
_SHORTEST_LINE: Final = 8
"""Characters of a line of a secret that is one by itself."""


class Redacted:
    """A sink around another one: in each text of an event, ids included, it replaces every secret by ``***``.

    It works on the event, before anything is cut or encoded, so that no half of a secret is left, and none that is
    written as JSON. A secret is also found as Python, JSON and URLs write it: in the ``repr`` of a dict or of bytes, in
    JSON inside JSON, or in an address. Of one that has several lines, as a PEM key, each line of 8 characters at least
    is also found alone: a traceback of a group writes a margin before each.

    Args:
        sink: what is given the events.
        secrets: texts of 4 characters at least, and compiled regular expressions.

    Raises:
        TypeError: `secrets` is a single text, or has something in it that is neither; or `sink` is no sink.
        ValueError: a text in it is too short.
    """

    def __init__(self, sink: Sink, secrets: Iterable[str | re.Pattern[str]]) -> None:
        check_sink(sink)
        self._sink = sink
        self._texts, self._patterns = _sorted(secrets)

    def minimum_level(self) -> int:
        """Return the lowest level that the sink inside wants, as a number of ``logging``."""
        minimum_level = getattr(self._sink, "minimum_level", None)
        level = levels.DEBUG if minimum_level is None else minimum_level()
        return level if isinstance(level, int) else levels.DEBUG

    def __call__(self, event: Event, /) -> None:
        """Give `event` to the sink, without the secrets."""
        texts = {name: value for name, value in event.__dict__.items() if isinstance(value, str)}
        # Most events have none, and that is seen fastest in all texts at once.
        if self._patterns or self._may_be_in(texts.values()):
            changed: dict[str, Any] = {
                name: without(text, self.text) if name == "metadata" else self.text(text)
                for name, text in texts.items()
            }
            event = attrs.evolve(event, **changed)
        self._sink(event)

    def _may_be_in(self, texts: Iterable[str]) -> bool:
        text = "\n".join(texts)
        return len(text) >= LONGEST_MESSAGE or any(secret in text for secret in self._texts)

    def text(self, text: str) -> str:
        """Return `text` with ``***`` for every secret in it: for what a program writes beside the events."""
        # Secrets may overlap: what belongs to any of them goes.
        pieces: list[str] = []
        end = 0
        for start, stop in sorted(self._places_in(text)):
            if start >= end:
                pieces += (text[end:start], _MASK)
            end = max(end, stop)
        return "".join((*pieces, text[end:]))

    def _places_in(self, text: str) -> Iterator[tuple[int, int]]:
        for secret in self._texts:
            start = text.find(secret)
            while start >= 0:
                yield start, start + len(secret)
                start = text.find(secret, start + 1)
            if (
                len(text) == LONGEST_MESSAGE
            ):  # what a group says of its members ends there, in the middle of a secret too
                ends = (len(text) - known for known in range(_SHORTEST, len(secret)) if text.endswith(secret[:known]))
                yield from ((start, len(text)) for start in ends)
        for pattern in self._patterns:
            yield from (found.span() for found in pattern.finditer(text) if found[0])


def _sorted(secrets: Iterable[str | re.Pattern[str]]) -> tuple[tuple[str, ...], tuple[re.Pattern[str], ...]]:
    """Return the secret texts, as they may be written, and the patterns."""
    if isinstance(secrets, str | bytes | re.Pattern):
        raise TypeError("secrets must be several: pass a list, [secret]")
    texts: dict[str, None] = {}
    patterns: list[re.Pattern[str]] = []
    for number, secret in enumerate(secrets):
        # What it is must not be in the message: it is a secret.
        if isinstance(secret, re.Pattern) and isinstance(secret.pattern, str):
            patterns.append(secret)
        elif not isinstance(secret, str):
            raise TypeError(
                f"a secret must be a text or a compiled pattern of text, and secrets[{number}] is a "
                f"{type(secret).__name__}"
            )
        elif len(secret) < _SHORTEST:
            raise ValueError(
                f"a secret must have {_SHORTEST} characters at least, and secrets[{number}] has {len(secret)}: "
                "it would be found in much that is no secret"
            )
        else:
            texts.update(dict.fromkeys(_ways_to_write(secret)))
    return tuple(texts), tuple(patterns)


def _ways_to_write(secret: str) -> Iterator[str]:
    from urllib.parse import quote, quote_plus  # noqa: PLC0415 - importing it costs more than the rest of this

    yield secret
    yield from (line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_LINE)
    for once in (*_escaped(secret), _as_bytes(secret)):
        yield once
        yield from _escaped(once)
    yield quote(secret, safe="", errors="surrogatepass")
    yield quote(secret, errors="surrogatepass")
    yield quote_plus(secret, errors="surrogatepass")


def _escaped(text: str) -> Iterator[str]:
    """Yield `text` as it stands inside the quotes of Python and JSON."""
    yield repr(text)[1:-1]
    # Where the quotes are single ones because the rest has double ones: what is put before it brings that about.
    yield repr("'\"" + text)[4:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _as_bytes(text: str) -> str:
    return repr(text.encode(errors="surrogatepass"))[2:-1]
