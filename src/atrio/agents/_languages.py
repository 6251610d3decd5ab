"""Which language a text is in, by its script and its stop words."""

from collections.abc import Mapping
from typing import Final

import attrs

# It is typed, but says so nowhere.
import stop_words  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

RECOGNISED_FROM: Final = 0.15
"""Share of a text's words that must be stop words of a language; ordinary prose has 0.3 to 0.5 of its own."""

_CJK: Final = frozenset({"zh", "ja"})

# The English list was made for searching the web, where these were too frequent to search for. In a text of one's own
# they say what it is about.
_TELLING: Final = frozenset(
    [
        "amount",
        "bill",
        "bottom",
        "caption",
        "case",
        "cases",
        "change",
        "changes",
        "computer",
        "copy",
        "date",
        "detail",
        "effect",
        "empty",
        "example",
        "face",
        "faces",
        "fact",
        "facts",
        "fire",
        "group",
        "groups",
        "hello",
        "help",
        "home",
        "homepage",
        "html",
        "http",
        "importance",
        "index",
        "information",
        "interest",
        "interests",
        "invention",
        "key",
        "keys",
        "member",
        "members",
        "men",
        "microsoft",
        "mine",
        "mug",
        "netscape",
        "novel",
        "null",
        "number",
        "numbers",
        "order",
        "orders",
        "page",
        "pages",
        "part",
        "parts",
        "place",
        "places",
        "point",
        "points",
        "problem",
        "problems",
        "proud",
        "research",
        "result",
        "results",
        "ring",
        "room",
        "rooms",
        "section",
        "sections",
        "sensible",
        "serious",
        "side",
        "sides",
        "sincere",
        "site",
        "sorry",
        "state",
        "states",
        "stop",
        "system",
        "systems",
        "test",
        "text",
        "thick",
        "thin",
        "thought",
        "thoughts",
        "tip",
        "value",
        "width",
        "web",
        "webpage",
        "website",
        "words",
        "work",
        "works",
        "world",
        "year",
        "years",
        "young",
        "younger",
        "youngest",
    ]
)


@attrs.frozen
class StopWords:
    """The stop words of many languages.

    Attributes:
        of: Language code (ISO 639-1) to its words, in lower case.
    """

    of: Mapping[str, frozenset[str]]

    @classmethod
    def load(cls) -> "StopWords":
        """Read the lists of the package ``stop-words``; some milliseconds."""
        return cls(
            {
                code: frozenset(word.lower().replace("\u2019", "'") for word in stop_words.get_stop_words(code))
                for code in stop_words.LANGUAGE_MAPPING
                if len(code) == 2
            }
        )

    def recognise(self, counts: Mapping[str, int], *, han: int, hiragana: int) -> str | None:
        """Return the code of the language that a text is in, or None.

        Args:
            counts: Word in lower case to how often it occurs.
            han: How many of the words are single Han characters.
            hiragana: How many of them are single Hiragana characters.
        """
        words = sum(counts.values())
        if 2 * (han + hiragana) > words:
            return "ja" if 10 * hiragana > han else "zh"
        shares = {
            code: sum(counts.get(word, 0) for word in listed if len(word) > 1)
            for code, listed in self.of.items()
            if code not in _CJK
        }
        best = max(shares, key=lambda code: shares[code])
        return best if words and shares[best] >= RECOGNISED_FROM * words else None

    def ignored(self, language: str | None) -> frozenset[str]:
        """Return the words that are no keywords: those of the language or, where it is unknown, of all."""
        codes = self.of if language is None else (language,)
        return frozenset[str]().union(*(self.of[code] - _TELLING if code == "en" else self.of[code] for code in codes))
