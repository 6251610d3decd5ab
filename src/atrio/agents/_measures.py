"""Counting what is in a text, chunk by chunk: the pure part of `atrio.agents.TextAnalyzer`."""

import re
from collections import Counter, deque
from typing import Final

import regex

from atrio.agents._markup import Markup

_IDEOGRAPH: Final = r"[[\p{Han}\p{Hiragana}]&&[\p{L}\p{Nl}]]"


def _word_pattern(start: str, rest: str, tail: str) -> str:
    joint = r"(?:_+|['.·\-‐‑]|(?<=\d),(?=\d))"  # noqa: RUF001 - the hyphens and dots that join words
    return rf"(?:https?://|www\.){tail}+|{start}{rest}*(?:{joint}{start}{rest}*)*"


# A word begins with a letter or digit (an emoji's variation selector, a mark, is none) and goes on with marks and
# joiners too, so that Hindi and Persian words stay whole. Ideographs and Katakana are words apart.
_WORD: Final = regex.compile(
    rf"(?V1){_IDEOGRAPH}[\p{{M}}ー]*|\p{{Katakana}}[\p{{Katakana}}\p{{M}}ー]*|"
    + _word_pattern(
        rf"[[\p{{L}}\p{{N}}]--{_IDEOGRAPH}--\p{{Katakana}}]",
        rf"[[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--{_IDEOGRAPH}--\p{{Katakana}}]",
        rf"[\S--{_IDEOGRAPH}]",
    )
)
# In the common alphabets, which have neither marks nor ideographs, re finds the same words in half the time.
_ALPHABETIC_WORD: Final = re.compile(_word_pattern(r"[^\W_]", r"[^\W_]", r"\S"))
_NOT_ALPHABETIC: Final = re.compile(
    r"[^\x00-\u02ff\u0391-\u03a1\u03a3-\u03e1\u0400-\u0482\u048a-\u0527\u2010-\u2027\u20ac]"
)


def words_of(text: str) -> list[str]:
    """Return the words of ``text``, in order, as `TextAnalysis` defines them."""
    text = text.replace("’", "'")  # noqa: RUF001 - the typographer's apostrophe
    return (_ALPHABETIC_WORD if text.isascii() or not _NOT_ALPHABETIC.search(text) else _WORD).findall(text)


_SMALL: Final = regex.compile(r"\p{Ll}")
_HAS_WORD: Final = regex.compile(r"[\p{L}\p{N}]")

_HEADING: Final = regex.compile(r"(?m)^#{1,6}[ \t][^\n]{0,200}\n")
_BLANK_LINE: Final = regex.compile(r"\n[^\S\n]*\n")

_INITIAL: Final = rf"[\p{{L}}--{_IDEOGRAPH}]"
# Before a name, a number or an example, and so within a sentence; "etc." may as well end one.
_ABBREVIATIONS: Final = (
    "Dr Mr Mrs Ms Prof St Rev Hon Gen Col Capt Lt Sgt Sen Rep Gov Fig fig Eq eq vs cf approx Hr Fr Nr Abs bzw ca sog"
)
_SENTENCE_END: Final = regex.compile(
    rf"(?V1)[.!?…]++(?<!\b(?:{'|'.join(_ABBREVIATIONS.split())}|{_INITIAL}|{_INITIAL}\.{_INITIAL})\.)"
    r"""["'”’»)\]*_`]*+(?=\s*\Z|\s++\P{Ll})"""  # noqa: RUF001 - what closes after a terminator
    r"|[؟\u06d4।॥።\u0589]++(?=\s|\Z)"
    r"|[。！？｡]++[」』”’）】》]*+"  # noqa: RUF001 - full width on purpose
    r"|\n[^\S\n]*(?=\n)"
    r"|(?m:^)(?=[ \t]*+(?:#{1,6}|[-*+•>|]|\d{1,3}[.)])[ \t])"
)

# Where none of these is, every character is a cluster of its own, but for Windows' line ends.
_IN_CLUSTERS: Final = regex.compile(r"(?V1)[^\p{GCB=Other}\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]")
_CLUSTER: Final = regex.compile(r"\X")


def count_clusters(text: str) -> int:
    """Return the number of extended grapheme clusters in ``text``."""
    if text.isascii() or _IN_CLUSTERS.search(text) is None:
        return len(text) - text.count("\r\n")
    return sum(1 for _ in _CLUSTER.finditer(text))


class Stretches:
    """Counts the stretches between boundaries that have a word in them, over chunks that may end within one."""

    def __init__(self, boundary: "regex.Pattern[str]") -> None:
        self._boundary = boundary
        self._open = False
        self.count = 0

    def add(self, chunk: str, following: str) -> None:
        """Count what begins in ``chunk``.

        Args:
            chunk: What comes next.
            following: The character after it, empty at the end of the text.
        """
        # Whether a small letter follows decides if a full stop ends a sentence. A stand-in tells as much, and is never
        # a part of a boundary itself.
        sentinel = following and ("x" if _SMALL.match(following) else "X")
        first, *others = self._boundary.split(chunk + sentinel)
        if others:
            others[-1] = others[-1].removesuffix(sentinel)
        else:
            first = first.removesuffix(sentinel)
        if not self._open and _HAS_WORD.search(first):
            self._open = True
            self.count += 1
        if others:
            worded = [_HAS_WORD.search(stretch) is not None for stretch in others]
            self._open = worded[-1]
            self.count += sum(worded)


class MovingRatio:
    """Moving-average type-token ratio (Covington and McFall 2010), in one pass and the memory of a window.

    A word adds a type to every window that holds it but not its last occurrence before: as many as the words since
    then, at most a whole window's. What the words of the last window would add to windows beyond the end is taken off.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._seen = 0
        self._sum = 0
        self._last: dict[str, int] = {}
        self._tail: deque[int] = deque(maxlen=window)

    def add(self, words: list[str]) -> None:
        """Take in the words that come next."""
        last, window = self._last, self._window
        gaps: list[int] = []
        for position, word in enumerate(words, self._seen):
            gap = position - last.get(word, -1)
            gaps.append(gap if gap < window else window)  # noqa: FURB136 - min() takes twice the time
            last[word] = position
        self._seen += len(words)
        self._sum += sum(gaps)
        self._tail.extend(gaps)
        oldest = self._seen - window
        self._last = {word: position for word, position in last.items() if position >= oldest}

    @property
    def value(self) -> float | None:
        """The ratio, above 0 and at most 1, or None if there were fewer words than a window has."""
        windows = self._seen - self._window + 1
        if windows < 1:
            return None
        beyond = sum(min(gap, ahead) for ahead, gap in enumerate(self._tail))
        return (self._sum - beyond) / (self._window * windows)


class Tally:
    """All that is counted while a text goes by.

    Attributes:
        vocabulary: Each word, as it was spelled, to how often it occurred. It grows with the vocabulary of the text,
            not with its length.
        characters: Extended grapheme clusters.
    """

    def __init__(self, window: int) -> None:
        self.vocabulary: Counter[str] = Counter()
        self.characters = 0
        self.sentences = Stretches(_SENTENCE_END)
        self.paragraphs = Stretches(_BLANK_LINE)
        self.markup = Markup()
        self.variety = MovingRatio(window)

    def add(self, chunk: str, following: str) -> None:
        """Count what is in ``chunk``; ``following`` is the character after it, empty at the end."""
        self.characters += count_clusters(chunk)
        prose = self.markup.prose(chunk)
        if self.markup.open:
            following = ""
        if "#" in prose:  # a heading is a block, though no blank line need follow it
            prose = _HEADING.sub("\\g<0>\n", prose)
        self.sentences.add(prose, following)
        self.paragraphs.add(prose, following)
        words = words_of(prose)
        self.vocabulary.update(words)
        self.variety.add([word.lower() for word in words])

    def skip(self, text: str) -> None:
        """Count ``text``, which is no prose, by its characters only."""
        self.characters += count_clusters(text)
