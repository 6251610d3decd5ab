"""Agents that ask a language model: `ChatAgent`, on any endpoint that speaks the protocol of chat completions."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from os import PathLike
from types import TracebackType
from typing import Any, Final, Generic, Literal, Self, TypeVar

import trio

from atrio._context import current_run
from atrio._validation import check_at_least, check_id
from atrio.agents._chat_call import ChatCall
from atrio.agents._chat_endpoint import ChatEndpoint
from atrio.agents._chat_failures import InvalidAnswerError
from atrio.agents._chat_output import JSON_OBJECT, Output, output_of
from atrio.agents._chat_prompts import Message, prompt_of
from atrio.agents._chat_structuring import MisfitError
from atrio.agents._chat_watching import Piece, current_watchers
from atrio.agents._failures import EndpointRefusedError, InvalidDataError
from atrio.agents._jsonable import Json, encoded, weight_of
from atrio.agents._offload import INLINE_BELOW, Poll, compute

Out = TypeVar("Out")

_THREADS: Final = 2
_HOTTEST: Final = 2.0
_OURS: Final = frozenset({"messages", "model", "n", "response_format", "stream", "stream_options", "temperature"})


class ChatAgent(Generic[Out]):
    """An agent that asks a language model, on any endpoint that speaks OpenAI's protocol of chat completions.

    OpenAI, Ollama, vLLM and llama.cpp differ by ``base_url``. What the model is to answer is said by a JSON Schema made
    of ``output``, and its answer is read as strictly. If it is JSON but misses the schema, the model is shown what was
    wrong, once; that this was needed is noted in the record of the stage, as ``repairs``. So are the tokens used. An
    endpoint that refuses the schema (status 400 or 422) is asked once more with the schema in the prompt, and from then
    on always so. Around the JSON there may be what local models write: ``<think>``, and a text with one fenced block.

    A failure is worth another attempt if the endpoint cannot be reached, takes too long, is overloaded (status 429,
    whose Retry-After header lengthens the wait before it) or fails (from 500), or if the answer is no JSON, half of one
    or not as the schema asks. All else is refused at once. An answer that was cut at the limit of tokens is refused
    too, but for a text: that is given as it is, and the record has ``finish_reason`` "length".

    Use it with ``async with``, as pipelines and the command line do: connections are kept open from call to call.
    Without it each call makes its own.

    The key is read from the environment at each call, and is in no error, event or record. The data is nothing but a
    value to the template of the prompt. What a model writes is never trusted to be more than text.

    Args:
        base_url: where the API is, as in ``"https://api.openai.com/v1"`` or ``"http://127.0.0.1:11434/v1"``.
        model: the model to ask.
        api_key_env: the name of the environment variable that holds the key; None where none is needed.
        provider: what the endpoint is called in events; by default its host.
        temperature: from 0, where answers vary least, to 2; None for the model's own.
        output: what the model is to answer: "text"; "json", an object with whatever the prompt asks for; or a type. An
            attrs class, a dataclass, a TypedDict, and what is made of them, of strings, numbers, dates and enums by
            lists, dicts, unions, Literal and Annotated (whose texts tell the model what is meant).
        instructions: what to do with the data; it is put into the prompt.
        prompt: source of a Jinja2 template to use instead of the agent's own. It is given ``data`` and
            ``instructions``. Its block ``system`` makes the message that says what to do, its block ``user`` the one
            with the data; without any block all of it is the latter. It runs in Jinja's sandbox, and what it refers to
            must exist.
        prompt_file: a file with such a template.
        parameters: further parameters of the request, as in ``{"max_completion_tokens": 1000, "seed": 7}``.
        timeout: seconds that a call of the model may take in all, above 0; in `stream`, those until the endpoint says
            something more.
        max_response: bytes that an answer may have.
        max_retry_after: seconds. An endpoint that wants to be left alone for longer is not asked again.

    Raises:
        TypeError: If an argument is of another type, or no answer can be asked for in ``output``.
        ValueError: If an argument is out of its range, the template cannot be read or parsed.
    """

    agent_id: str = "chat"
    _prompt_name = "chat"

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key_env: str | None = None,
        provider: str | None = None,
        temperature: float | None = None,
        output: type[Out] | Literal["text", "json"] = "text",
        instructions: str = "",
        prompt: str | None = None,
        prompt_file: str | PathLike[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        max_response: int = 10_000_000,
        max_retry_after: float = 300.0,
    ) -> None:
        self._endpoint = ChatEndpoint(
            base_url,
            api_key_env,
            provider,
            timeout=timeout,
            max_response=max_response,
            max_retry_after=max_retry_after,
        )
        self._model = check_id(model, "model")
        self._output: Output = output_of(output)
        if not isinstance(instructions, str):
            raise TypeError(f"instructions must be a str, not {type(instructions).__name__}")
        self._instructions = instructions
        self._prompt = prompt_of(prompt, prompt_file, self._prompt_name)
        self._request: dict[str, Any] = {"model": self._model, **_checked_parameters(parameters)}
        if temperature is not None:
            self._request["temperature"] = _checked_temperature(temperature)
        if self._output.response_format is not None:
            self._request["response_format"] = self._output.response_format
        self._knows_no_schemas = False
        self._limiter = trio.CapacityLimiter(_THREADS)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self._model} at {self._endpoint.origin}>"

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        await self._endpoint.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._endpoint.aclose()

    async def process(self, data: object, /) -> Out:
        """Return what the model makes of ``data``.

        Raises:
            InvalidDataError: If ``data`` cannot be written as JSON, or is not what the prompt needs.
            EndpointError: If the endpoint failed, or is overloaded, or its answer cannot be read.
            InvalidAnswerError: If the answer is not as ``output`` asks, and neither is the second.
            EndpointRefusedError: If the endpoint or the model refused, or there is no key.
            ConnectionError: If it cannot be reached, or the connection breaks.
            TimeoutError: If it takes longer than ``timeout``.
        """
        messages = await self._messages(data)
        text = await self._answer(messages)
        return await self._meant(text, messages)

    @asynccontextmanager
    async def stream(self, data: object, /) -> AsyncGenerator["ChatStream[Out]"]:
        """Ask the model about ``data``, and give what it writes piece by piece, for the block.

        As in ``async with agent.stream(data) as pieces: async for piece in pieces: ...``; then ``pieces.output`` is
        what `process` would have returned. Leaving the block early closes the connection, which tells the endpoint to
        stop.

        Raises:
            InvalidDataError: As `process` does; and so for the others, here or with the piece that is not had.
        """
        messages = await self._messages(data)
        async with self._asked(messages, is_stream=True, deadline=self._from_now) as call:
            yield ChatStream(self, call, messages)

    async def _messages(self, data: object) -> list[Message]:
        self._check(data)

        def work(poll: Poll) -> list[Message]:
            return self._prompt.messages(data, self._instructions, poll)

        return await compute(work, weight_of(data, INLINE_BELOW), self._limiter)

    def _check(self, data: object) -> None:
        """Raise unless the agent takes `data`; what JSON cannot hold is refused later."""

    def _from_now(self) -> float:
        return trio.current_time() + self._endpoint.timeout

    @asynccontextmanager
    async def _asked(
        self, messages: list[Message], *, is_stream: bool, deadline: Callable[[], float]
    ) -> AsyncGenerator[ChatCall]:
        """Begin a call for the block; a second one, if the endpoint turns out to know no schemas."""
        async with AsyncExitStack() as stack:
            call = await self._call(messages, is_stream=is_stream, deadline=deadline)
            if self._output.schema is None or self._knows_no_schemas:
                yield await stack.enter_async_context(call.begun())
                return
            begun: ChatCall | None = None
            try:
                begun = await stack.enter_async_context(call.begun())
            except EndpointRefusedError as error:
                if error.status not in _UNPROCESSED or not _OF_SCHEMAS.search(str(error)):
                    raise
            if begun is None:
                self._knows_no_schemas = True
                call = await self._call(messages, is_stream=is_stream, deadline=deadline)
                begun = await stack.enter_async_context(call.begun())
            yield begun

    async def _call(self, messages: list[Message], *, is_stream: bool, deadline: Callable[[], float]) -> ChatCall:
        request: dict[str, Any] = {**self._request, "messages": messages}
        if self._knows_no_schemas:
            request |= {"response_format": JSON_OBJECT, "messages": self._with_schema(messages)}
        if is_stream:
            request |= {"stream": True, "stream_options": {"include_usage": True}}

        def work(poll: Poll) -> bytes:
            return encoded(request, poll)

        return ChatCall(
            self._endpoint,
            self.agent_id,
            self._model,
            await compute(work, weight_of(messages, INLINE_BELOW), self._limiter),
            is_stream=is_stream,
            is_text=self._output.response_format is None,
            deadline=deadline,
            limiter=self._limiter,
        )

    async def _answer(self, messages: list[Message]) -> str:
        """Return what the model answers, which those who watch are given piece by piece."""
        until = self._from_now()
        watchers = current_watchers()
        async with self._asked(messages, is_stream=bool(watchers), deadline=lambda: until) as call:
            while (text := await call.next()) is not None:
                self._tell(text, call)
            _note_cut(call)
            return call.text

    def _with_schema(self, messages: list[Message]) -> list[Message]:
        """Return the messages with the schema in the first, the system's."""
        asked = f"{_ASK}\n{json.dumps(self._output.schema, ensure_ascii=False)}"
        first, *rest = messages
        if first["role"] != "system":
            return [{"role": "system", "content": asked}, *messages]
        return [{"role": "system", "content": f"{first['content']}\n\n{asked}"}, *rest]

    def _tell(self, text: str, call: ChatCall) -> None:
        for watcher in current_watchers() if text else ():
            watcher(Piece(self.agent_id, text, call.number))

    async def _meant(self, text: str, messages: list[Message]) -> Out:
        """Return what an answer means; if it misses the schema, the model may repair it."""
        try:
            return await self._read(text)
        except MisfitError as error:
            problems = error.problems
        _note_repair()
        wrong = "\n".join(f"- {problem}" for problem in problems[:20])
        repaired = await self._answer(
            [
                *messages,
                {"role": "assistant", "content": text},
                {"role": "user", "content": _REPAIR.format(form=self._output.form, wrong=wrong)},
            ]
        )
        try:
            return await self._read(repaired)
        except MisfitError as error:
            problems = error.problems
        raise InvalidAnswerError(
            f"{self._model} at {self._endpoint.origin} answered twice with JSON that is not as the schema asks",
            problems,
        )

    async def _read(self, text: str) -> Out:
        """Return what a text means.

        Raises:
            MisfitError: it is JSON that misses the schema.
            EndpointError: it is no JSON.
        """

        def work(poll: Poll) -> Out:
            meant: Out = self._output.read(text, poll)
            return meant

        try:
            return await compute(work, len(text), self._limiter)
        except MisfitError:
            raise
        except ValueError as error:
            why = str(error)
        raise self._endpoint.unreadable(f"the model wrote no JSON: {why}")


_REPAIR: Final = """\
This answer is not as the schema asks. Give the whole answer once more, corrected, as JSON alone, in this form:
{form}
What is wrong, each with its place as a JSON Pointer:
{wrong}"""
_ASK: Final = "Answer with JSON alone, with an object that this JSON Schema describes:"
_UNPROCESSED: Final = frozenset({400, 422})
_OF_SCHEMAS: Final = re.compile(r"response.?format|json.?schema|structured.?output", flags=re.ASCII | re.IGNORECASE)


class ChatStream(Generic[Out]):
    """What a model writes, piece by piece; made by :meth:`ChatAgent.stream`.

    It is an asynchronous iterator of texts; all of them, one after the other, are the whole answer. If that misses the
    schema, the repaired one is not among them.
    """

    def __init__(self, agent: ChatAgent[Out], call: ChatCall, messages: list[Message]) -> None:
        self._agent = agent
        self._call = call
        self._messages = messages
        self._outputs: list[Out] = []

    def __repr__(self) -> str:
        return f"<stream of {self._agent!r}, {'read' if self._outputs else 'not read'} to its end>"

    @property
    def output(self) -> Out:
        """What the answer means, once it was read to its end.

        Raises:
            RuntimeError: it was not.
        """
        if not self._outputs:
            raise RuntimeError(
                "there is no output before the stream was read to its end: `async for piece in pieces: ...`"
            )
        return self._outputs[0]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        # Many pieces may have come at once, and then none of them is waited for.
        await trio.lowlevel.checkpoint()
        text: str | None = ""
        while not text:
            text = await self._call.next()
            if text is None:
                if not self._outputs:
                    _note_cut(self._call)
                    self._outputs.append(await self._agent._meant(self._call.text, self._messages))
                raise StopAsyncIteration
        self._agent._tell(text, self._call)
        return text


def _note_cut(call: ChatCall) -> None:
    context = current_run.get()
    if call.was_cut and context is not None and context._stage_id is not None:
        context.note(finish_reason="length")


def _note_repair() -> None:
    context = current_run.get()
    if context is not None and context._stage_id is not None:
        context.note(repairs=context._notes.get("repairs", 0) + 1)


def _checked_temperature(value: object) -> float:
    number = check_at_least(value, "temperature", 0)
    if number > _HOTTEST:
        raise ValueError(f"temperature must be a number from 0 to {_HOTTEST:g}, not {value!r}")
    return number


def _checked_parameters(parameters: object) -> Mapping[str, Json]:
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping) or not all(isinstance(name, str) for name in parameters):
        raise TypeError(f"parameters must be a mapping of names to values, as in {{'seed': 7}}, not {parameters!r}")
    ours = sorted(_OURS & parameters.keys())
    if ours:
        raise ValueError(f"parameters must not have {ours[0]!r}: the agent's own arguments say it")
    try:
        encoded(parameters)
    except InvalidDataError as error:
        raise TypeError(f"parameters: {error}") from None
    return dict(parameters)
