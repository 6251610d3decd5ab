"""A server of chat completions on loopback, which answers as it is told: `ChatServer`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, Self, get_args

import trio

from atrio._nurseries import unseen_nursery
from atrio.testing._chat_actions import JSON, perform, send_status
from atrio.testing._chat_bodies import model_list, said
from atrio.testing._chat_replies import ChatReply, HalfStream, Hang, Reply, Status
from atrio.testing._chat_requests import BadRequestError, ChatRequest, checked_body
from atrio.testing._http_connection import HttpConnection, HttpRequest

_PATHS: Final = {"/v1/chat/completions": "POST", "/v1/models": "GET"}


class ChatServer:
    """A server of chat completions on loopback, which speaks OpenAI's protocol and misbehaves when told.

    It is a real HTTP server in the Trio loop that uses it, on a port that the system chooses. It serves inside an
    ``async with`` block, once::

        async with ChatServer([Status(429, retry_after=2), Reply("billing")]) as server:
            ...  # an agent with base_url=server.base_url

    It answers ``POST /v1/chat/completions``, streams and structured outputs included, and ``GET /v1/models``. Requests
    that OpenAI's endpoint refuses it refuses as well, with status 400 and a reason: no model, no messages, a strict
    schema with open objects or optional properties. These are not in `requests`, and take no reply.

    At the end of the block it closes every connection, and cancels the answers that still run. It writes no log.

    Args:
        replies: what it does, in order, one for each request; the last one goes on for ever. With none it gives the
            least answer that is right. Or a function that is given the request and returns what to do; what it raises
            ends the block.
        api_key: the key that it asks for: others are refused with status 401. By default it takes any, and none.
        models: the names that it lists. It answers for any model.

    Attributes:
        requests: every request for a completion so far, in order of arrival.
        running: how many of them are being answered now.
        most_running: how many were at once at most.
        connections: how many connections were ever opened.
        open_connections: how many are open now.

    Raises:
        TypeError: a reply is none.
    """

    def __init__(
        self,
        replies: Sequence[ChatReply] | Callable[[ChatRequest], ChatReply] = (),
        *,
        api_key: str | None = None,
        models: Sequence[str] = ("test-model",),
    ) -> None:
        self._reply_to = replies if callable(replies) else _Script(replies)
        self._api_key = api_key
        self._models = tuple(models)
        self.requests: list[ChatRequest] = []
        self.running: int = 0
        self.most_running: int = 0
        self.connections: int = 0
        self.open_connections: int = 0
        self._port: int | None = None
        self._serving: AbstractAsyncContextManager[None] | None = None
        self._scope = trio.CancelScope()
        self._mistake: Exception | None = None
        self._changed = trio.Event()

    def __repr__(self) -> str:
        where = "not serving" if self._port is None else f"at {self.base_url}"
        return f"<ChatServer {where}, {len(self.requests)} requests>"

    @property
    def base_url(self) -> str:
        """Where it serves, as clients want it: ``http://127.0.0.1:PORT/v1``.

        Raises:
            RuntimeError: it has not been entered.
        """
        if self._port is None:
            raise RuntimeError("a ChatServer has an address only inside `async with`")
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def disconnects(self) -> list[ChatRequest]:
        """The requests whose client left before it had the whole answer."""
        return [request for request in self.requests if request.outcome == "disconnected"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on what this server has seen is true.

        Args:
            condition: asked now, and whenever a request comes or ends, or a connection is opened or closed.
        """
        await trio.lowlevel.checkpoint()
        while not condition():
            await self._changed.wait()

    async def __aenter__(self) -> Self:
        if self._serving is not None:
            raise RuntimeError("a ChatServer serves once: make a new one")
        self._serving = self._served()
        await self._serving.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._serving is not None  # noqa: S101 - set by __aenter__
        # It waits for nothing but tasks that it has cancelled.
        return await self._serving.__aexit__(kind, error, traceback)  # noqa: ASYNC102

    @asynccontextmanager
    async def _served(self) -> AsyncGenerator[None]:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        try:
            async with unseen_nursery(self._scope) as nursery:
                await nursery.start(trio.serve_listeners, self._serve, listeners)
                yield
                self._scope.cancel()
        finally:
            if self._mistake is not None:
                # It ended the block: whatever else was raised there followed from it.
                raise self._mistake

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = HttpConnection(stream)
        self.connections += 1
        self.open_connections += 1
        self._tell()
        try:
            while (request := await connection.request()) is not None and await self._answer(connection, request):
                pass
        finally:
            connection.close()
            self.open_connections -= 1
            self._tell()

    async def _answer(self, connection: HttpConnection, asked: HttpRequest) -> bool:
        """Answer a request, and return whether another one can follow on the connection."""
        path = asked.path.partition("?")[0]
        if refusal := self._refusal(asked, path):
            await send_status(connection, refusal)
            return True
        if path == "/v1/models":
            await connection.send_whole(200, JSON, model_list(self._models))
            return True
        try:
            body = checked_body(asked.body)
        except BadRequestError as error:
            await send_status(connection, Status(400, message=str(error)))
            return True
        headers = {name: value for name, value in asked.headers.items() if name != "authorization"}
        key = asked.headers.get("authorization")
        request = ChatRequest(len(self.requests), body, headers, key, trio.current_time())
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        self._tell()
        try:
            await self._act(connection, request)
        finally:
            if request.outcome == "running":
                request.outcome = "cancelled"
            request.ended_at = trio.current_time()
            self.running -= 1
            self._tell()
        return request.outcome == "answered"

    def _refusal(self, asked: HttpRequest, path: str) -> Status | None:
        if path not in _PATHS:
            return Status(404, message=f"there is no {path} here; there are {' and '.join(_PATHS)}")
        if asked.method != _PATHS[path]:
            return Status(405, message=f"{path} takes {_PATHS[path]}, not {asked.method}")
        if self._api_key is not None and asked.headers.get("authorization") != f"Bearer {self._api_key}":
            return Status(401, message="the API key is missing or wrong")
        return None

    async def _act(self, connection: HttpConnection, request: ChatRequest) -> None:
        """Do what is told, as long as the client waits for it."""
        try:
            reply = _checked(self._reply_to(request))
            text = said(reply, request) if isinstance(reply, Reply | HalfStream | Hang) else ""
        except Exception as error:  # noqa: BLE001 - the user's own, raised where the block ends
            self._mistake = error
            self._scope.cancel()
            return

        async def watch() -> None:
            await connection.until_gone()
            if request.outcome == "running" and not connection.is_at_end:
                request.outcome = "disconnected"
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await perform(connection, request, reply, text)
            if request.outcome == "running":
                request.outcome = "disconnected" if connection.is_gone else "answered"
            nursery.cancel_scope.cancel()


class _Script:
    """Gives one reply after the other, and the last one for ever."""

    def __init__(self, replies: Sequence[ChatReply]) -> None:
        if isinstance(replies, ChatReply):
            raise TypeError(f"replies must be a list of replies, not one: write [{replies!r}]")
        self._replies = [_checked(reply) for reply in replies] or [Reply()]

    def __call__(self, request: ChatRequest) -> ChatReply:
        return self._replies[min(request.number, len(self._replies) - 1)]


def _checked(reply: object) -> ChatReply:
    if not isinstance(reply, ChatReply):
        kinds = ", ".join(kind.__name__ for kind in get_args(ChatReply))
        raise TypeError(f"a reply is one of {kinds}, not {reply!r}")
    return reply
