"""HTTP endpoints on loopback: a real server that answers by a function, and a raw one that says anything."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    after: float = 0.0


class Endpoint:
    """Answers each request by a function of it, and keeps the requests."""

    def __init__(self, answer) -> None:
        self.url = ""
        self.asked = []
        self._answer = answer

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            for event in "startup", "shutdown":
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["path"], headers, body)
        self.asked.append(asked)
        answer = self._answer(asked)
        await trio.sleep(answer.after)
        told = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": told})
        await send({"type": "http.response.body", "body": answer.body})


@asynccontextmanager
async def endpoint(answer, certificate=None):
    """Serve `answer(asked)` for the block, on a free port of 127.0.0.1; with a certificate and its key, by https."""
    server = Endpoint(answer)
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    if certificate is not None:
        config.certfile, config.keyfile = map(str, certificate)
    async with trio.open_nursery() as nursery:
        (server.url,) = await nursery.start(serve, server, config)
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def raw_endpoint(*pieces, pause=0.0):
    """Serve these bytes, whatever is asked, to each that connects; a last piece of None keeps the connection open."""

    async def say(stream):
        try:
            await stream.receive_some(65_536)
            for piece in pieces:
                if piece is None:
                    await trio.sleep_forever()
                await stream.send_all(piece)
                await trio.sleep(pause)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, say, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
