"""Text of anybody's making as HTML that only shows it; durations, times and counts as people read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from atrio.cli._render import to_three_digits

if TYPE_CHECKING:
    from datetime import datetime

LONGEST: Final = 4_000
"""Characters of a message that a page shows."""
LONGEST_STACK: Final = 20_000
"""Characters of a traceback that a page shows."""
LONGEST_NAME: Final = 200
"""Characters of a name that a page shows, which is how long an id may be."""

# What shows nothing, or not in its place: control characters, marks that turn the direction of text round them, blanks
# without width, halves of surrogate pairs, and what Unicode says is no character. Joiners stay: scripts and emoji need
# them.
_INVISIBLE: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    r"\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f"
)
_IN_LINES: Final = re.compile(f"([{_INVISIBLE}])")
_IN_A_LINE: Final = re.compile(f"([{_INVISIBLE}\\t\\n])")
_ESCAPE: Final = Markup('<span class="escape">{}</span>')
_LEFT_OUT: Final = Markup('<span class="left-out">[{} characters are left out here]</span>')


def in_lines(text: str, longest: int = LONGEST) -> Markup:
    """Return `text` as HTML, its lines kept; what cannot be seen is shown as an escape, and marked as one.

    Args:
        text: anybody's.
        longest: how many of its characters are shown; of a longer one the middle is left out, and that is said.
    """
    return _cut(text, longest, _IN_LINES)


def in_a_line(text: str, longest: int = LONGEST_NAME) -> Markup:
    """Return the same in one line: its newlines are shown as escapes, too."""
    return _cut(text, longest, _IN_A_LINE)


def in_words(text: str, longest: int = LONGEST_NAME) -> str:
    """Return the same as plain text, for what is read aloud and for titles: it has no marks, and no HTML in it."""
    text = text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    return _IN_A_LINE.sub(lambda found: _escaped(found[0]), text)


def _cut(text: str, longest: int, invisible: re.Pattern[str]) -> Markup:
    if len(text) <= longest:
        return _seen(text, invisible)
    half = longest // 2
    left_out = _LEFT_OUT.format(f"{len(text) - 2 * half:,}")
    return _seen(text[:half], invisible) + left_out + _seen(text[-half:], invisible)


def _seen(text: str, invisible: re.Pattern[str]) -> Markup:
    # With its group, split() gives text and what is between by turns.
    parts = invisible.split(text)
    return Markup().join(_ESCAPE.format(_escaped(part)) if at % 2 else escape(part) for at, part in enumerate(parts))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def duration(seconds: float | None) -> str:
    """Return a duration as people read it: ``83.4 us``, ``1.20 ms``, ``12.5 s``, ``2 min 5 s``, ``3 h 0 min``."""
    if seconds is None:
        return "-"
    if seconds < 119.5:
        return to_three_digits(seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours:,} h {left} min" if hours else f"{minutes} min {rest} s"


def moment(when: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, one: str, several: str | None = None) -> str:
    """Return a count and what is counted: ``1 stage``, ``2 stages``."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
