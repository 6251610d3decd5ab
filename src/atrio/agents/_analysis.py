"""What a text analysis says."""

import attrs


@attrs.frozen
class Keyword:
    """A word that a text uses often.

    Attributes:
        word: The word, in the spelling that the text uses most (capital letters and all).
        count: How often it occurs, in whatever capitalization.
    """

    word: str
    count: int


@attrs.frozen(kw_only=True)
class TextAnalysis:
    """What a writer looks at. Figures that would mean nothing for a text are None, never a guess.

    In Markdown, only `characters` counts what is no prose: fenced code (between lines of three backticks or tildes),
    images, the targets of links and their definitions, HTML tags and comments, and YAML front matter.

    Attributes:
        language: ISO 639-1 code, given or recognised by the share of stop words; None if none stands out.
        characters: As readers see them (extended grapheme clusters, Unicode Standard Annex 29), white space included.
        words: Runs of letters and digits, joined by single apostrophes, hyphens, full stops and the like, so
            "state-of-the-art", "don't" and "3.50" are one each, as is a web address. Each Han or Hiragana character
            counts as one, as word processors have it. Other scripts written without spaces (Thai, Khmer, Lao,
            Burmese) would need a dictionary: there, words are what stands between spaces.
        unique_words: Different words, capitalization aside.
        sentences: Stretches with at least one word, up to a terminator, the end of a block, or the next list item.
        paragraphs: Blocks with at least one word, separated by blank lines; a Markdown heading is one.
        code_lines: Lines of fenced code that were left out of the other figures.
        syllables: Estimated from the spelling, for the languages that have a reading ease, else None.
        reading_ease: English: 206.835 - 1.015 words/sentence - 84.6 syllables/word (Flesch, "A new readability
            yardstick", Journal of Applied Psychology 32, 1948). German: 180 - words/sentence - 58.5 syllables/word
            (Amstad, "Wie verstaendlich sind unsere Zeitungen?", Zurich 1978). 0 (very hard) to 100 (very easy), and
            beyond for extreme texts; None for other languages and where there is no prose.
        reading_level: Flesch's name for that range of reading ease ("standard", "fairly difficult", ...), or None.
        reading_note: Why there is no reading ease, or why to take it with caution; else empty.
        reading_time_s: Seconds of silent reading, at 238 words a minute (Brysbaert, "How many words do we read per
            minute?", Journal of Memory and Language 109, 2019) unless set otherwise; Han and Hiragana at the
            characters a minute of Trauzettel-Klosinski and Dietz (Investigative Ophthalmology & Visual Science 53,
            2012), Chinese 255, Japanese 357, measured aloud and so an upper bound.
        lexical_variety: Moving-average type-token ratio, 0 to 1, which does not fall with a text's length (Covington
            and McFall, "Cutting the Gordian knot", Journal of Quantitative Linguistics 17, 2010): the share of
            different words within a window of words, averaged over all windows. None for texts shorter than a window,
            and for those written mostly in single-character words.
        variety_note: What that figure means, or why there is none; empty for a text without words.
        keywords: The most frequent words that are no stop words, most frequent first, ties by alphabet.
    """

    language: str | None
    characters: int
    words: int
    unique_words: int
    sentences: int
    paragraphs: int
    code_lines: int
    syllables: int | None
    reading_ease: float | None
    reading_level: str | None
    reading_note: str
    reading_time_s: float
    lexical_variety: float | None
    variety_note: str = ""
    keywords: tuple[Keyword, ...]
