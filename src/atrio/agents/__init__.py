"""Ready-made agents: local, without a network, for any pipeline.

- `TextCleaner`: text in, tidy Unicode and white space out.
- `TextAnalyzer`: text in, a `TextAnalysis` out (counts, reading ease, reading time, lexical variety, keywords).
- `ReportWriter`: anything in, Markdown or a standalone HTML page out.

They need ``pip install "atrio[cli]"``. Importing this package loads none of their dependencies; the first use of a name
does.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atrio.agents._analysis import Keyword, TextAnalysis
    from atrio.agents.report import ReportWriter
    from atrio.agents.text import TextAnalyzer, TextCleaner

__all__ = ["Keyword", "ReportWriter", "TextAnalysis", "TextAnalyzer", "TextCleaner"]

_HOMES = {
    "Keyword": "atrio.agents._analysis",
    "ReportWriter": "atrio.agents.report",
    "TextAnalysis": "atrio.agents._analysis",
    "TextAnalyzer": "atrio.agents.text",
    "TextCleaner": "atrio.agents.text",
}
_FROM_THE_EXTRA = {"jinja2", "regex", "stop_words"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name not in _FROM_THE_EXTRA:
            raise
        raise ModuleNotFoundError(
            f"{name} needs the extra \"cli\": pip install 'atrio[cli]' (there is no module {error.name!r})",
            name=error.name,
        ) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
