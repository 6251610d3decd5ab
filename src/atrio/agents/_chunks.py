"""Cutting long texts where a cut cannot change what is found on either side of it."""

from collections.abc import Iterator
from typing import Final

import regex

from atrio.agents._markup import ACROSS, INSIDE

CHUNK: Final = 1 << 16
"""Characters that are worked on at a time: some 20 ms of work, so that a cancellation is soon seen."""

LONGEST_LINE: Final = 1 << 14
"""Characters; a longer stretch without the start of a line is cut between words instead."""

LONGEST_SPAN: Final = 1 << 12
"""Characters; a longer stretch of Markdown that seems to be within links all the way is taken for none."""

LONGEST_RUN: Final = 1 << 18
"""Characters; a longer stretch without any place for a cut (binary data, say) is not text, and is cut anywhere."""

# A letter after white space begins a word, and cannot be a part of a cluster, unless it is one of the few that extend
# what is before them. Han and Hiragana are words of one character each.
_WORD: Final = (
    r"(?:\s\K(?=[\p{L}--[\p{GCB=Extend}\p{GCB=SpacingMark}]])"
    r"|(?=[[\p{Han}\p{Hiragana}]&&[\p{L}\p{Nl}]])(?<!\p{GCB=Prepend}))"
)
_WORD_START: Final = regex.compile(rf"(?V1){_WORD}")
_OUTSIDE_WORD_START: Final = regex.compile(rf"(?V1){_WORD}{INSIDE}{ACROSS}")
_LINE_START: Final = regex.compile(rf"(?V1)(?<=\n)(?=\S){ACROSS}")


def _cut_after(text: str, target: int) -> int:
    """Return the first safe cut at or after ``target``."""
    line_end = target + LONGEST_LINE
    found = _LINE_START.search(text, target, line_end)
    if found is None:
        # Beyond the stretch that was searched, so that no Markdown heading, which is short, is ever cut in two.
        found = _OUTSIDE_WORD_START.search(text, line_end, line_end + LONGEST_SPAN)
    if found is None and line_end + LONGEST_SPAN < len(text):
        # What seems to be one link after the other and never ends is not Markdown, but may have words.
        found = _WORD_START.search(text, line_end, line_end + LONGEST_RUN)
    return line_end + LONGEST_RUN if found is None else found.start()


def spans(text: str, size: int = CHUNK, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield ``(start, end)`` of consecutive chunks of ``text``, cut before lines or, in very long lines, words.

    Args:
        text: Any text; an empty one has no chunk.
        size: Characters after which a cut is looked for, at least 1.
        start: Where the first chunk begins: where a line does.
    """
    while start < len(text):
        end = min(_cut_after(text, start + size), len(text)) if start + size < len(text) else len(text)
        yield start, end
        start = end
