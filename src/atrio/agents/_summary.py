"""From counts to a `TextAnalysis`."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final

import attrs
import regex

from atrio.agents._analysis import Keyword, TextAnalysis
from atrio.agents._chunks import CHUNK, spans
from atrio.agents._languages import StopWords
from atrio.agents._markup import front_matter_end
from atrio.agents._measures import Tally
from atrio.agents._offload import Poll, no_poll
from atrio.agents._readability import FORMULAS, SAMPLE, reading_level, syllables, why_no_ease

_POLL_EVERY: Final = 10_000
_IDEOGRAPH: Final = regex.compile(r"(?V1)[[\p{Han}\p{Hiragana}]&&[\p{L}\p{Nl}]]")
_HIRAGANA: Final = regex.compile(r"\p{Hiragana}")
_NO_KEYWORD: Final = regex.compile(r"https?://|www\.|.\Z|[^\p{L}]*\Z")

_CHARACTERS_PER_MINUTE: Final = {"zh": 255.0, "ja": 357.0}
"""Trauzettel-Klosinski and Dietz 2012, table 2."""


def _whole(_: object, attribute: "attrs.Attribute[int]", value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, not {value!r}")
    least = int(attribute.name == "window")
    if value < least:
        raise ValueError(f"{attribute.name} must be at least {least}, not {value}")


def _rate(_: object, attribute: "attrs.Attribute[float]", value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number, not {value!r}")
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{attribute.name} must be above 0 and finite, not {value}")


def _known(settings: "Settings", _: object, language: Any) -> None:
    if language is None:
        return
    if not isinstance(language, str):
        raise TypeError(f"language must be a code such as 'en', or None, not {language!r}")
    if language not in settings.stop_words.of:
        raise ValueError(f"language must be one of {', '.join(sorted(settings.stop_words.of))}, not {language!r}")


@attrs.frozen(kw_only=True)
class Settings:
    """How texts are analysed; the arguments of `atrio.agents.TextAnalyzer`, checked."""

    stop_words: StopWords
    language: str | None = attrs.field(default=None, validator=_known)
    keywords: int = attrs.field(default=10, validator=_whole)
    window: int = attrs.field(default=100, validator=_whole)
    words_per_minute: float = attrs.field(default=238.0, validator=_rate)


class Vocabulary:
    """A text's words, whatever their capitalization.

    Attributes:
        counts: Word in lower case to how often it occurs.
        spellings: Word in lower case to its most frequent spelling, where that is another.
    """

    def __init__(self, tallied: Mapping[str, int], poll: Poll) -> None:
        self.counts: Counter[str] = Counter()
        self.spellings: dict[str, str] = {}
        for word, count in _polled(tallied, poll):
            lower = word.lower()
            self.counts[lower] += count
            if lower != word:
                shown = self.spellings.get(lower, lower)
                # Ties go to the spelling that sorts first, so that the order of the text does not matter.
                if (-count, word) < (-tallied.get(shown, 0), shown):
                    self.spellings[lower] = word


def _polled(counts: Mapping[str, int], poll: Poll) -> Iterator[tuple[str, int]]:
    for number, item in enumerate(counts.items(), 1):
        yield item
        if number % _POLL_EVERY == 0:
            poll()


def _keywords(vocabulary: Vocabulary, ignored: frozenset[str], limit: int, poll: Poll) -> tuple[Keyword, ...]:
    candidates = (
        (-count, word)
        for word, count in _polled(vocabulary.counts, poll)
        if word not in ignored and _NO_KEYWORD.match(word) is None
    )
    return tuple(
        Keyword(vocabulary.spellings.get(word, word), -count) for count, word in heapq.nsmallest(limit, candidates)
    )


def _note(language: str | None, words: int, sentences: int) -> str:
    missing = why_no_ease(language, words, sentences)
    if not missing and words < SAMPLE:
        return f"The text has fewer than {SAMPLE} words, the length for which the formula was made."
    return missing


def _variety_note(words: int, ideographs: int, window: int) -> str:
    if not words:
        return ""
    if 2 * ideographs > words:
        return "Lexical variety means nothing where most words are single characters."
    if words < window:
        return f"Lexical variety is measured over {window:,} words in a row, more than the text has."
    return f"Lexical variety is the share of different words among {window:,} in a row, averaged over the text."


def _ideographs(counts: Mapping[str, int], poll: Poll) -> tuple[int, int]:
    """Return how many words are single Han and Hiragana characters."""
    han = hiragana = 0
    for word, count in _polled(counts, poll):
        if not word.isascii() and _IDEOGRAPH.match(word) is not None:
            if _HIRAGANA.match(word) is None:
                han += count
            else:
                hiragana += count
    return han, hiragana


def analyze(text: str, settings: Settings, *, size: int = CHUNK, poll: Poll = no_poll) -> TextAnalysis:
    """Return the figures of ``text``.

    Args:
        text: Any text.
        settings: How it is analysed.
        size: Characters to work on at a time; it does not change the figures.
        poll: Called after each of them, and as often later on.
    """
    tally = Tally(settings.window)
    front = front_matter_end(text)
    tally.skip(text[:front])
    for start, end in spans(text, size, front):
        tally.add(text[start:end], text[end : end + 1])
        poll()
    tally.markup.finish(text)
    return _summarize(tally, settings, poll)


def _summarize(tally: Tally, settings: Settings, poll: Poll) -> TextAnalysis:
    vocabulary = Vocabulary(tally.vocabulary, poll)
    words, sentences = vocabulary.counts.total(), tally.sentences.count
    han, hiragana = _ideographs(vocabulary.counts, poll)
    language = settings.language or settings.stop_words.recognise(vocabulary.counts, han=han, hiragana=hiragana)
    spoken = ease = None
    if language is not None and language in FORMULAS:
        spoken = 0
        for word, count in _polled(vocabulary.counts, poll):
            spoken += count * syllables(word, language)
        if not why_no_ease(language, words, sentences):
            ease = FORMULAS[language].ease(words, sentences, spoken)
    ideographs = han + hiragana
    minutes = (words - ideographs) / settings.words_per_minute
    minutes += ideographs / _CHARACTERS_PER_MINUTE["zh" if language == "zh" else "ja"]
    return TextAnalysis(
        language=language,
        characters=tally.characters,
        words=words,
        unique_words=len(vocabulary.counts),
        sentences=sentences,
        paragraphs=tally.paragraphs.count,
        code_lines=tally.markup.code_lines,
        syllables=spoken,
        reading_ease=ease,
        reading_level=None if ease is None else reading_level(ease),
        reading_note=_note(language, words, sentences),
        reading_time_s=60 * minutes,
        lexical_variety=None if 2 * ideographs > words else tally.variety.value,
        variety_note=_variety_note(words, ideographs, settings.window),
        keywords=_keywords(vocabulary, settings.stop_words.ignored(language), settings.keywords, poll),
    )
