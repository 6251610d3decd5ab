"""Reading ease: syllables, formulas, levels. Pure functions of words and counts."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs
import regex

# Syllables are estimated from the spelling: the libraries at hand either hyphenate, which is not counting syllables
# ("i-dea" is never divided), or carry a pronouncing dictionary of megabytes that does not know a text's own names.
_ENGLISH_NUCLEUS: Final = regex.compile(r"[aeiouy]+")

# Vowel letters side by side that are said one after the other: "cre-ate", "sci-ence", "vi-o-lin", "be-ing".
_ENGLISH_HIATUS: Final = regex.compile(
    r"(?<![cgstx])i[ao](?!us)|i(?=ety|ence|ent\b|et\b|um\b|us\b)|(?<![gq])ua(?=l|r|t)|(?<=cr)ea(?=t)|(?<=^id)ea|(?<=r)eal"
    r"|eo(?=n\b|l|g|m|\b)|(?<=[aeiouy])ing\b|(?<=[sth])m\b(?<=[aeiouy]sm|thm)|(?<=[^aeiou]n|d)'t\b(?<!on't|an't)"
)
_ENGLISH_SILENT: Final = regex.compile(
    r"(?<=[aeiouy].*)(?<![aeiouy])e\b(?<![^aeiouy]le)"  # "make", but not "the" nor "table"
    r"|(?<=[aeiouy].*)(?<![aeioudty])ed\b(?<![^aeiouy]led)"  # "asked", but not "wanted", "red" nor "settled"
    r"|(?<=[aeiouy].*)(?<![aeiouycgsxz]|[cs]h)es\b(?<![^aeiouy]les)"  # "makes", but not "houses" nor "tables"
    r"|(?<=[aeiouy].*[^aeiouy])e(?=(?:ly|ful|fully|less|ment|ments|ness|where|thing|times)\b)"  # "safely", "movement"
)
_GERMAN_NUCLEUS: Final = regex.compile(r"aa|ai|au|äu|ay|ee|ei|eu|ey|ie|oo|ou|[aeiouyäöü]")


LONGEST_WORD: Final = 80
"""Characters; what is longer (encoded data, say) is no word, not even in German."""


def _english_syllables(word: str) -> int:
    return len(_ENGLISH_NUCLEUS.findall(word)) + len(_ENGLISH_HIATUS.findall(word)) - len(_ENGLISH_SILENT.findall(word))


def _german_syllables(word: str) -> int:
    return len(_GERMAN_NUCLEUS.findall(word))


def syllables(word: str, language: str) -> int:
    """Return an estimate of how many syllables ``word`` has, at least 1.

    Args:
        word: One word in lower case; a number, a web address or what is too long for a word counts as one syllable.
        language: One of `FORMULAS`.
    """
    if len(word) > LONGEST_WORD or "://" in word or word.startswith("www."):
        return 1
    return max(1, _german_syllables(word) if language == "de" else _english_syllables(word))


@attrs.frozen
class Formula:
    """``constant - sentence_weight * words/sentence - word_weight * syllables/word``."""

    constant: float
    sentence_weight: float
    word_weight: float

    def ease(self, words: int, sentences: int, syllables: int) -> float:
        """Return the reading ease of a text with these counts, each above 0."""
        return self.constant - self.sentence_weight * words / sentences - self.word_weight * syllables / words


FORMULAS: Final[Mapping[str, Formula]] = MappingProxyType(
    {
        "en": Formula(206.835, 1.015, 84.6),  # Flesch 1948
        "de": Formula(180.0, 1.0, 58.5),  # Amstad 1978
    }
)

# Flesch 1948: from this reading ease on, the style is called so.
_LEVELS: Final = (
    (90.0, "very easy"),
    (80.0, "easy"),
    (70.0, "fairly easy"),
    (60.0, "standard"),
    (50.0, "fairly difficult"),
    (30.0, "difficult"),
)


def reading_level(ease: float) -> str:
    """Return the name of the range in which a reading ease lies."""
    return next((name for least, name in _LEVELS if ease >= least), "very difficult")


LONGEST_MEAN_SENTENCE: Final = 100
"""Words; where sentences are longer on average, what was counted is no prose (a table, a log, a word list)."""

SAMPLE: Final = 100
"""Words; the formulas were fitted to samples of that length."""


def why_no_ease(language: str | None, words: int, sentences: int) -> str:
    """Return why a text has no reading ease, as a sentence; empty if it has one."""
    if not words:
        return "There are no words."
    if language is None:
        return "The language was not recognised, and a reading ease holds for one language only."
    if language not in FORMULAS:
        return f"There is no formula here for the language {language!r}, only for {', '.join(sorted(FORMULAS))}."
    if words > sentences * LONGEST_MEAN_SENTENCE:
        return f"The sentences have more than {LONGEST_MEAN_SENTENCE} words on average: this is not prose."
    return ""
