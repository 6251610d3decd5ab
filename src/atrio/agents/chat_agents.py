"""Ready-made agents that ask a language model: `TaskProcessor`, `ContentAnalyzer` and `DataTransformer`."""

from collections.abc import Mapping
from os import PathLike
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import attrs

from atrio.agents._failures import InvalidDataError
from atrio.agents._jsonable import Json
from atrio.agents.chat import ChatAgent

Out = TypeVar("Out")


@attrs.frozen(kw_only=True)
class TaskAnswer:
    """What came of a task.

    Attributes:
        status: "done" if all was done, "partial" if some of it was, "impossible" if nothing could be.
        result: what came of it, complete, so that it can be used as it is.
        remark: what is missing, and why; empty if nothing is.
    """

    status: Literal["done", "partial", "impossible"]
    result: Annotated[str, "what came of the task, complete"]
    remark: Annotated[str, "what is missing, and why; empty if nothing is"]


@attrs.frozen(kw_only=True)
class NamedEntity:
    """Somebody or something that a text names.

    Attributes:
        name: as the text has it.
        kind: what it is.
    """

    name: Annotated[str, "as the text has it"]
    kind: Literal["person", "organisation", "place", "date", "product", "work", "other"]


@attrs.frozen(kw_only=True)
class ContentAnalysis:
    """What a text says, and how.

    Attributes:
        summary: what it says, in a few sentences.
        language: a BCP 47 tag, as in "en".
        sentiment: its tone.
        topics: what it is about, in lower case, the most important first.
        key_points: what it claims, reports or asks for, the most important first.
        entities: whom and what it names.
    """

    summary: Annotated[str, "what the text says, in one to three sentences"]
    language: Annotated[str, "a BCP 47 tag"]
    sentiment: Literal["positive", "neutral", "negative", "mixed"]
    topics: Annotated[tuple[str, ...], "what it is about, at most eight"]
    key_points: Annotated[tuple[str, ...], "what it claims, reports or asks for, at most eight"]
    entities: Annotated[tuple[NamedEntity, ...], "whom and what it names, each once"]


class _Configured(ChatAgent[Out]):
    """A chat agent whose question and answer are settled, and whose model and temperature are if nobody says others."""

    _own_model: ClassVar[str]
    _own_temperature: ClassVar[float]
    _answers: ClassVar[Any]

    def __init__(
        self,
        *,
        base_url: str,
        model: str | None = None,
        api_key_env: str | None = None,
        provider: str | None = None,
        temperature: float | None = None,
        instructions: str = "",
        prompt: str | None = None,
        prompt_file: str | PathLike[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        max_response: int = 10_000_000,
        max_retry_after: float = 300.0,
    ) -> None:
        super().__init__(
            base_url=base_url,
            model=self._own_model if model is None else model,
            api_key_env=api_key_env,
            provider=provider,
            temperature=self._own_temperature if temperature is None else temperature,
            output=self._answers,
            instructions=instructions,
            prompt=prompt,
            prompt_file=prompt_file,
            parameters=parameters,
            timeout=timeout,
            max_response=max_response,
            max_retry_after=max_retry_after,
        )


class TaskProcessor(_Configured[TaskAnswer]):
    """An agent that has a language model carry out a task: anything in, a `TaskAnswer` out.

    The task is in ``instructions``, and the data its material; without instructions the data is the task.

    Its arguments are those of `ChatAgent`, which says all else, but for ``output``; ``model`` is "gpt-4o-mini" and
    ``temperature`` 0.3 if they are not given.
    """

    agent_id: str = "task_processor"
    _prompt_name = "task_processor"
    _own_model = "gpt-4o-mini"
    _own_temperature = 0.3
    _answers = TaskAnswer


class ContentAnalyzer(_Configured[ContentAnalysis]):
    """An agent that has a language model analyse a text: text in, a `ContentAnalysis` out.

    Its arguments are those of `ChatAgent`, which says all else, but for ``output``; ``model`` is "gpt-4o" and
    ``temperature`` 0.1 if they are not given. ``instructions`` say what else to mind.
    """

    agent_id: str = "content_analyzer"
    _prompt_name = "content_analyzer"
    _own_model = "gpt-4o"
    _own_temperature = 0.1
    _answers = ContentAnalysis

    def _check(self, data: object) -> None:
        if not isinstance(data, str):
            raise InvalidDataError(f"{self.agent_id} takes text, a str, but got {type(data).__name__}")


class DataTransformer(_Configured[Json]):
    """An agent that has a language model transform data: anything in, a JSON object out.

    ``instructions`` say how; without them it makes the structure of the data regular.

    Its arguments are those of `ChatAgent`, which says all else, but for ``output``; ``model`` is "gpt-4o-mini" and
    ``temperature`` 0.0 if they are not given.
    """

    agent_id: str = "data_transformer"
    _prompt_name = "data_transformer"
    _own_model = "gpt-4o-mini"
    _own_temperature = 0.0
    _answers = "json"
