"""A real HTTP server on loopback that answers as it is told: well, slowly, with an error, or not at all.

    async with flaky_server(Answer(500), Answer(429, retry_after=2), Answer()) as server:
        ...  # requests go to server.url; server.requests counts them

It runs in the Trio loop that uses it, on hypercorn. A good answer is the text that was sent, in capitals.
"""

import math
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio
from hypercorn.config import Config
from hypercorn.trio import serve


@dataclass(frozen=True)
class Answer:
    """How a request is answered: with this status, after so many seconds."""

    status: int = 200
    after: float = 0.0
    retry_after: float | None = None


NEVER = Answer(after=math.inf)


class FlakyServer:
    """Answers requests by a script, in order; the last answer goes on for ever."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self.url = ""
        self.requests = 0
        self._answers = answers or (Answer(),)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._answer(receive, send)

    async def _live(self, receive, send) -> None:
        for event in "startup", "shutdown":
            await receive()
            await send({"type": f"lifespan.{event}.complete"})

    async def _answer(self, receive, send) -> None:
        answer = self._answers[min(self.requests, len(self._answers) - 1)]
        self.requests += 1
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await trio.sleep(answer.after)
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if answer.retry_after is not None:
            headers.append((b"retry-after", str(answer.retry_after).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        text = body.decode().upper() if answer.status == 200 else f"status {answer.status}"
        await send({"type": "http.response.body", "body": text.encode()})


@asynccontextmanager
async def flaky_server(*answers: Answer):
    """Serve the answers for the block, on a free port of 127.0.0.1."""
    server = FlakyServer(answers)
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        (server.url,) = await nursery.start(serve, server, config)
        yield server
        nursery.cancel_scope.cancel()
