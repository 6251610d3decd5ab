"""Ready-made agents, for any pipeline.

- `TextCleaner`: text in, tidy Unicode and white space out.
- `TextAnalyzer`: text in, a `TextAnalysis` out (counts, reading ease, reading time, lexical variety, keywords).
- `JsonTransformer`: JSON in, what a JMESPath expression makes of it out.
- `JsonValidator`: JSON in, the same out if it is as a JSON Schema asks.
- `Webhook`: anything in, sent to an HTTP endpoint as JSON; its answer out.
- `CommandRunner`: anything in, given to a local program as JSON; what that writes out.
- `ReportWriter`: anything in, Markdown or a standalone HTML page out.

And on any endpoint that speaks OpenAI's protocol of chat completions:

- `ChatAgent`: anything in; what a language model makes of it out, text or an object of a class.
- `TaskProcessor`, `ContentAnalyzer`, `DataTransformer`: three of these, with their prompts and answers.
- `watch`: gives what models write piece by piece.

They need ``pip install "atrio[cli]"``. Importing this package loads none of their dependencies; the first use of a name
does.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atrio.agents._analysis import Keyword, TextAnalysis
    from atrio.agents._chat_failures import InvalidAnswerError
    from atrio.agents._chat_watching import Piece, watch
    from atrio.agents._failures import (
        CommandError,
        CommandNotStartedError,
        DataProblem,
        EndpointError,
        EndpointRefusedError,
        InvalidDataError,
    )
    from atrio.agents.chat import ChatAgent, ChatStream
    from atrio.agents.chat_agents import (
        ContentAnalysis,
        ContentAnalyzer,
        DataTransformer,
        NamedEntity,
        TaskAnswer,
        TaskProcessor,
    )
    from atrio.agents.command import CommandRunner
    from atrio.agents.report import ReportWriter
    from atrio.agents.text import TextAnalyzer, TextCleaner
    from atrio.agents.transformation import JsonTransformer
    from atrio.agents.validation import JsonValidator
    from atrio.agents.webhook import Webhook

__all__ = [
    "ChatAgent",
    "ChatStream",
    "CommandError",
    "CommandNotStartedError",
    "CommandRunner",
    "ContentAnalysis",
    "ContentAnalyzer",
    "DataProblem",
    "DataTransformer",
    "EndpointError",
    "EndpointRefusedError",
    "InvalidAnswerError",
    "InvalidDataError",
    "JsonTransformer",
    "JsonValidator",
    "Keyword",
    "NamedEntity",
    "Piece",
    "ReportWriter",
    "TaskAnswer",
    "TaskProcessor",
    "TextAnalysis",
    "TextAnalyzer",
    "TextCleaner",
    "Webhook",
    "watch",
]

_HOMES = {
    "ChatAgent": "atrio.agents.chat",
    "ChatStream": "atrio.agents.chat",
    "CommandError": "atrio.agents._failures",
    "CommandNotStartedError": "atrio.agents._failures",
    "CommandRunner": "atrio.agents.command",
    "ContentAnalysis": "atrio.agents.chat_agents",
    "ContentAnalyzer": "atrio.agents.chat_agents",
    "DataProblem": "atrio.agents._failures",
    "DataTransformer": "atrio.agents.chat_agents",
    "EndpointError": "atrio.agents._failures",
    "EndpointRefusedError": "atrio.agents._failures",
    "InvalidAnswerError": "atrio.agents._chat_failures",
    "InvalidDataError": "atrio.agents._failures",
    "JsonTransformer": "atrio.agents.transformation",
    "JsonValidator": "atrio.agents.validation",
    "Keyword": "atrio.agents._analysis",
    "NamedEntity": "atrio.agents.chat_agents",
    "Piece": "atrio.agents._chat_watching",
    "ReportWriter": "atrio.agents.report",
    "TaskProcessor": "atrio.agents.chat_agents",
    "TaskAnswer": "atrio.agents.chat_agents",
    "TextAnalysis": "atrio.agents._analysis",
    "TextAnalyzer": "atrio.agents.text",
    "TextCleaner": "atrio.agents.text",
    "Webhook": "atrio.agents.webhook",
    "watch": "atrio.agents._chat_watching",
}
_FROM_THE_EXTRA = {"httpx2", "jinja2", "jmespath", "jsonschema_rs", "regex", "stop_words"}


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
