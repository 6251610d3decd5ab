"""One call of a model, from the request to the end of the answer, whole or in pieces."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from math import inf
from time import perf_counter
from typing import Final

import httpx2
import trio

from atrio._model_calls import record_model_call
from atrio._text import message_of
from atrio.agents._chat_answers import Chunk, chunk_of, failure_in
from atrio.agents._chat_endpoint import ChatEndpoint
from atrio.agents._failures import shown
from atrio.agents._http import read_up_to
from atrio.agents._jsonable import Json, decoded
from atrio.agents._offload import Poll, compute

_numbers: Final = count(1)
_EVENTS: Final = "text/event-stream"
_LAST: Final = "[DONE]"
_LINGER: Final = 0.5
"""Seconds that a stream may take to end after it said that it is over: then its connection can be used again."""
_AT_ONCE: Final = 0.001
"""Seconds for which pieces that have come already are handed on; then others have their turn."""
_MORE_TOKENS: Final = "raise it by parameters = {'max_completion_tokens': ...}, or ask for less"
_KEY_IN_TEXT: Final = 16
"""Characters of a key that is looked for in what a model writes: shorter ones are made up, and may be words."""


async def _drained(items: AsyncIterator[object], seconds: float) -> None:
    """Read on to the end, and end that by a cancellation after some time: generators must come to their ends."""
    with suppress(httpx2.TransportError), trio.CancelScope() as scope:
        if seconds:
            scope.deadline = trio.current_time() + seconds
        else:
            scope.cancel()
        async for _ in items:
            pass


class _Bounded(httpx2.AsyncByteStream):
    """A stream that ends where it would have more than `most` bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._chunks = aiter(stream)
        self._left = most
        self.is_too_large = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self._left -= len(chunk)
        if self._left >= 0:
            return chunk
        self.is_too_large = True
        await _drained(self._chunks, 0.0)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await self._stream.aclose()


class ChatCall:
    """A call of a model.

    Args:
        endpoint: where it is.
        agent_id: who calls.
        model: the model.
        body: the request, JSON.
        is_stream: whether an answer in pieces is asked for.
        is_text: whether the answer is of use without its end.
        deadline: gives the time by which the endpoint must have said more, on Trio's clock.
        limiter: bounds the threads in which large answers are read.

    Attributes:
        number: its own, of all calls of this process.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint,
        agent_id: str,
        model: str,
        body: bytes,
        *,
        is_stream: bool,
        is_text: bool,
        deadline: Callable[[], float],
        limiter: trio.CapacityLimiter,
    ) -> None:
        self.number: int = next(_numbers)
        self._endpoint = endpoint
        self._agent_id = agent_id
        self._model = model
        self._body = body
        self._accept = _EVENTS if is_stream else "application/json"
        self._deadline = deadline
        self._limiter = limiter
        self._response: httpx2.Response | None = None
        self._events: AsyncIterator[httpx2.ServerSentEvent] | None = None
        self._bytes: _Bounded | None = None
        self._scope = trio.CancelScope()
        self._is_text = is_text
        self._texts: list[str] = []
        self._held = ""
        self._refusals: list[str] = []
        self._last = Chunk()
        self._is_over = False
        self._failure: tuple[str, str] | None = None
        self._begun = 0.0
        self._is_sent = False
        self._rested = 0.0

    @property
    def text(self) -> str:
        """What the model wrote so far, as far as it was given piece by piece."""
        return "".join(self._texts)

    @property
    def was_cut(self) -> bool:
        """Whether the model reached its limit of tokens."""
        return self._last.finish_reason == "length"

    @asynccontextmanager
    async def begun(self) -> AsyncGenerator["ChatCall"]:
        """Send the request, and close the connection at the end if the answer is not read to its own.

        Raises:
            EndpointError: the endpoint failed, or is overloaded.
            EndpointRefusedError: it refuses the request, or there is no key for it.
            ConnectionError: it cannot be reached.
            TimeoutError: it does not begin to answer in time.
        """
        self._begun = trio.current_time()
        try:
            async with self._endpoint.transport() as transport:
                try:
                    await self._within_time(lambda: self._sent(transport))
                    yield self
                finally:
                    await self.aclose()
        finally:
            if self._is_sent:
                self._record()

    async def next(self) -> str | None:
        """Return the next piece of the answer, None at its end.

        Raises:
            EndpointError: the answer cannot be read, or is half of one.
            EndpointRefusedError: the model refused to answer, or the answer is too large.
            ConnectionError: the connection breaks.
            TimeoutError: it takes too long.
        """
        piece: str | None = None
        if not self._is_over:
            piece = await self._within_time(self._received)
        if piece is None:
            failure = self._half()
            if failure is not None:
                raise self._failed(failure)
        return piece

    async def _within_time(self, work: Callable[[], Awaitable[str | Exception | None]]) -> str | None:
        """Return what `work` gives back, or raise that, where no key is within sight."""
        given: str | Exception | None = None
        try:
            with trio.CancelScope(deadline=self._deadline()) as self._scope:
                given = await work()
        except BaseException as error:  # noqa: BLE001 - it is raised again
            was_cancelled = isinstance(error, trio.Cancelled)
            message = "the call was cancelled" if was_cancelled else self._endpoint.without_key(message_of(error))
            self._failure = ("cancelled" if was_cancelled else type(error).__name__, message)
            # The frames below, and those of what happened before, have the key among their variables.
            error.__context__ = None
            raise error.with_traceback(None) from None  # noqa: ASYNC104 - it is, without its frames
        if self._scope.cancelled_caught:
            given = self._endpoint.too_late()
        if isinstance(given, Exception):
            raise self._failed(given)
        return given

    def _failed(self, failure: Exception) -> Exception:
        kind = "timeout" if isinstance(failure, TimeoutError) else type(failure).__name__
        self._failure = (kind, message_of(failure))
        return failure

    async def _sent(self, transport: httpx2.AsyncBaseTransport) -> Exception | None:
        request = self._endpoint.request(self._body, self._accept)
        if isinstance(request, Exception):
            return request
        self._is_sent = True
        try:
            response = self._response = await transport.handle_async_request(request)
            if not 200 <= response.status_code < 300:
                self._scope.deadline = inf
                return await self._endpoint.failure_of(response, self._deadline())
        except httpx2.TransportError as error:
            return self._endpoint.unreachable(error)
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            return self._endpoint.refused("gave a compressed answer, though asked not to")
        if response.headers.get("content-type", "").partition(";")[0].strip().lower() == _EVENTS:
            assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - of an asynchronous transport
            response.stream = self._bytes = _Bounded(response.stream, self._endpoint.max_response)
            # It must know a request, and shall not know the one with the key.
            response.request = httpx2.Request("POST", self._endpoint.origin)
            response.encoding = "utf-8"
            self._events = aiter(httpx2.EventSource(response, max_event_size=None))
        return None

    async def _received(self) -> str | Exception | None:
        try:
            return await (self._whole() if self._events is None else self._piece(self._events))
        except httpx2.TransportError as error:
            return self._endpoint.unreachable(error)
        except ValueError as error:
            return self._endpoint.unreadable(str(error))

    async def _whole(self) -> str | Exception | None:
        assert self._response is not None  # noqa: S101 - it was sent
        body, is_whole = await read_up_to(self._response, self._endpoint.max_response)
        if not is_whole:
            return self._too_large()

        def work(poll: Poll) -> Json:
            return decoded(body, poll, huge_is_null=True)

        answer = await compute(work, len(body), self._limiter)
        self._is_over = True
        failure = self._failure_in(answer)
        if failure is not None:
            return failure
        piece = self._taken(chunk_of(answer, "message"))
        return f"{piece}{self._rest()}"

    async def _piece(self, events: AsyncIterator[httpx2.ServerSentEvent]) -> str | Exception | None:
        async for event in events:
            self._scope.deadline = self._deadline()
            if perf_counter() - self._rested > _AT_ONCE:
                await trio.lowlevel.checkpoint()
                self._rested = perf_counter()
            if event.data.strip() == _LAST:
                self._is_over = True
                return self._rest() or None
            if not event.data.strip():
                continue
            answer = decoded(event.data.encode(), huge_is_null=True)
            failure = self._failure_in(answer)
            if failure is not None:
                return failure
            piece = self._taken(chunk_of(answer, "delta"))
            if piece:
                return piece
        if self._bytes is not None and self._bytes.is_too_large:
            return self._too_large()
        self._is_over = self._last.finish_reason is not None
        return (
            (self._rest() or None) if self._is_over else self._endpoint.failed("broke off in the middle of its answer")
        )

    def _failure_in(self, answer: Json) -> Exception | None:
        told = failure_in(answer)
        return None if told is None else self._endpoint.failure_told(*told)

    def _too_large(self) -> Exception:
        return self._endpoint.refused(f"answered more than {self._endpoint.max_response:,} bytes")

    def _taken(self, chunk: Chunk) -> str:
        last = self._last
        self._refusals.append(chunk.refusal)
        self._last = Chunk(
            finish_reason=chunk.finish_reason or last.finish_reason,
            input_tokens=last.input_tokens if chunk.input_tokens is None else chunk.input_tokens,
            output_tokens=last.output_tokens if chunk.output_tokens is None else chunk.output_tokens,
        )
        # What a key could begin with is held back until it is known to begin none.
        text = self._endpoint.without_key(self._held + chunk.text, _KEY_IN_TEXT)
        piece = self._endpoint.without_key(text, _KEY_IN_TEXT, is_cut=True)
        self._held = text[len(piece) :]
        self._texts.append(piece)
        return piece

    def _rest(self) -> str:
        """Return what was held back, at the end."""
        rest, self._held = self._held, ""
        self._texts.append(rest)
        return rest

    def _half(self) -> Exception | None:
        """Return why what the model wrote is not its answer, None if it is."""
        refusal = shown(self._endpoint.without_key("".join(self._refusals)))
        if refusal:
            return self._endpoint.refused(f"answered that the model refuses: {refusal}")
        if self._last.finish_reason == "content_filter":
            return self._endpoint.refused("answered that a content filter stopped the model")
        if self.was_cut and not (self._is_text and any(self._texts)):
            return self._endpoint.refused(f"gave half an answer: the model reached its limit of tokens; {_MORE_TOKENS}")
        if not any(self._texts):
            return self._endpoint.failed("gave an empty answer")
        return None

    async def aclose(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        if self._response is None:
            return
        try:
            if self._events is not None:
                await _drained(self._events, _LINGER if self._is_over else 0.0)
        finally:
            await self._response.aclose()

    def _record(self) -> None:
        kind, message = self._failure or (None, None)
        reason = self._last.finish_reason
        record_model_call(
            agent_id=self._agent_id,
            provider=self._endpoint.provider,
            model=self._model,
            input_tokens=self._last.input_tokens,
            output_tokens=self._last.output_tokens,
            duration_s=trio.current_time() - self._begun,
            finish_reason=None if reason is None else shown(self._endpoint.without_key(reason)),
            error_type=kind,
            error_message=message,
        )
