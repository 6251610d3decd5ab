"""Agents for text: `TextCleaner` and `TextAnalyzer`."""

from typing import Final, get_args

import trio

from atrio.agents._analysis import TextAnalysis
from atrio.agents._cleaning import Form, clean
from atrio.agents._languages import StopWords
from atrio.agents._offload import Poll, compute
from atrio.agents._summary import Settings, analyze

_THREADS: Final = 2


def _checked_text(agent_id: str, data: object) -> str:
    if not isinstance(data, str):
        raise TypeError(
            f"{agent_id} takes text, a str, but got {type(data).__name__}; decode bytes first, and pick the text "
            "out of anything else"
        )
    return data


class TextCleaner:
    """An agent that makes text tidy: normalized Unicode, no invisible characters, no needless white space.

    Every line end becomes a newline, every kind of space a plain one. Control characters, byte order marks, soft
    hyphens and zero-width characters go, except for tabs, marks of direction, and what emoji sequences and scripts
    such as Arabic, Hindi and Thai need to be shown right; lone surrogates become U+FFFD. Blanks at the ends of lines
    go, runs of blanks within a line become one space, runs of blank lines become one, and those before the first and
    after the last line go. Indentation stays (up to 80 characters), for code and lists. Clean text is left as it is.

    Args:
        form: Unicode normalization form: "NFC", "NFD", "NFKC" or "NFKD". The last two also replace ligatures,
            full-width letters and the like, which may lose meaning ("x²" becomes "x2").

    Raises:
        ValueError: For another ``form``.
    """

    agent_id: str = "text_cleaner"

    def __init__(self, *, form: Form = "NFC") -> None:
        if form not in get_args(Form):
            raise ValueError(f"form must be one of {', '.join(get_args(Form))}, not {form!r}")
        self._form: Form = form
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def process(self, data: str, /) -> str:
        """Return ``data``, cleaned.

        Raises:
            TypeError: If ``data`` is not a str.
        """
        text = _checked_text(self.agent_id, data)

        def work(poll: Poll) -> str:
            return clean(text, self._form, poll=poll)

        return await compute(work, len(text), self._limiter)


class TextAnalyzer:
    """An agent that measures text: what a writer looks at.

    It analyses text as it is given; `TextCleaner` before it takes care of odd line ends and invisible characters.

    Args:
        language: ISO 639-1 code of the texts; None recognises it, text by text.
        keywords: How many keywords to list, 0 or more.
        window: Words in a window of the moving-average type-token ratio, at least 1.
        words_per_minute: Rate of silent reading, above 0.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If an argument is out of its range, or no stop words are known for ``language``.
    """

    agent_id: str = "text_analyzer"

    def __init__(
        self,
        *,
        language: str | None = None,
        keywords: int = 10,
        window: int = 100,
        words_per_minute: float = 238.0,
    ) -> None:
        stop_words = StopWords.load()
        self._settings = Settings(
            stop_words=stop_words,
            language=language,
            keywords=keywords,
            window=window,
            words_per_minute=words_per_minute,
        )
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def process(self, data: str, /) -> TextAnalysis:
        """Return the figures of ``data``.

        Raises:
            TypeError: If ``data`` is not a str.
        """
        text = _checked_text(self.agent_id, data)

        def work(poll: Poll) -> TextAnalysis:
            return analyze(text, self._settings, poll=poll)

        return await compute(work, len(text), self._limiter)
